//! Every "no" that Cloakroom says: one table, the same words in log, header, page, API and metrics.

use std::fmt;
use std::str::FromStr;

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $code:literal $status:literal $sentence:literal $advice:literal;)*) => {
        /// A stable reason for "no".
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Refusal {
            $($(#[$doc])* $name,)*
        }

        impl Refusal {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The word that stands in headers, logs, metrics and the API.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The HTTP status that the customer gets.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// What happened, in one sentence to the customer.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)* }
            }

            /// What the customer can do.
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$name => $advice,)* }
            }
        }
    };
}

refusals! {
    /// The request cannot be understood in the one way that is safe.
    BadRequest = "bad_request" 400 "This address cannot be read." "Copy the link again, whole, from where you got it.";
    /// Nothing was brought that could open the path.
    NoProof = "no_proof" 401 "This file needs a link of its own." "Open it from your order or from the mail that you were sent.";
    /// The user name or the password is wrong.
    BadPassword = "bad_password" 401 "The user name or the password is wrong." "Try again, or ask the shop for new ones.";
    /// A session is needed.
    LoginRequired = "login_required" 401 "Please log in first." "Log in, then open the link again.";
    /// The order is not paid.
    NotPaid = "not_paid" 402 "The payment has not arrived yet." "Try again when the shop has confirmed it.";
    /// A proof was brought that does not hold: all that a stranger learns.
    BadProof = "bad_proof" 403 "This link is not valid." "Copy it again, whole, from where you got it, or ask the shop for a new one.";
    /// The proof holds from a later time on.
    NotYetValid = "not_yet_valid" 403 "This link is not valid yet." "Try again later.";
    /// The proof holds, for another path.
    WrongPath = "wrong_path" 403 "This link opens another file." "Open the file from your order or from the mail that you were sent.";
    /// The proof holds, for another network.
    WrongNetwork = "wrong_network" 403 "This link cannot be used from your network." "Use the network that it was made for, or ask the shop for a new link.";
    /// The proof holds, but its key is no longer accepted.
    KeyRetired = "key_retired" 403 "This link is no longer valid." "Ask the shop for a new one.";
    /// The order is on hold.
    OnHold = "on_hold" 403 "This order is on hold." "Ask the shop.";
    /// The order was refunded.
    Refunded = "refunded" 403 "This order was refunded." "Ask the shop if that is not right.";
    /// The order was cancelled.
    Cancelled = "cancelled" 403 "This order was cancelled." "Ask the shop if that is not right.";
    /// The grant is suspended.
    Suspended = "suspended" 403 "This download is suspended." "Ask the shop.";
    /// The grant or the link was revoked.
    Revoked = "revoked" 403 "This download was withdrawn." "Ask the shop if that is not right.";
    /// Every download of the grant is used.
    LimitReached = "limit_reached" 403 "All downloads of this file are used." "Ask the shop if you need another one.";
    /// No rule of the configuration covers the path.
    NoRule = "no_rule" 404 "There is nothing here." "Check the address.";
    /// The token is not one of ours, or what it names is not known.
    UnknownLink = "unknown_link" 404 "This link is not known." "Copy it again, whole, from where you got it, or ask the shop for a new one.";
    /// The file is not where it should be.
    FileMissing = "file_missing" 404 "The file is not there at the moment." "Nothing was counted. Tell the shop, with the code below.";
    /// The last download of the grant is running elsewhere.
    DownloadRunning = "download_running" 409 "This download is already running." "It was started elsewhere. Let it finish, or try again when it has stopped.";
    /// The time of the grant or of the proof is over.
    Expired = "expired" 410 "The time for this download is over." "Ask the shop for a new link.";
    /// The time of the link is over; the grant may go on.
    LinkExpired = "link_expired" 410 "This link has expired." "Open your order for a fresh one, or ask the shop.";
    /// A newer link took the place of this one.
    LinkReissued = "link_reissued" 410 "This link was replaced by a newer one." "Use the newest link that you were sent.";
    /// Too many wrong passwords.
    LockedOut = "locked_out" 429 "There were too many attempts." "Wait a few minutes and try again.";
    /// Too many requests of one delivery at once.
    TooManyConnections = "too_many_connections" 429 "Too many connections are open for this download." "Use fewer connections, or wait until one has ended.";
    /// The bytes that a download may send are used up.
    ByteBudget = "byte_budget" 429 "This download has been sent too many times." "Start it again from your order, or ask the shop.";
    /// Used from too many networks.
    TooManyNetworks = "too_many_networks" 429 "This link was used from too many places." "Use a network from which it worked before, such as the one where you began, or ask the shop for a new link.";
    /// The file is still being prepared.
    Preparing = "preparing" 503 "The file is being prepared." "Try again in a moment.";
    /// The file cannot be brought to where it can be sent from before something is mended.
    CannotPrepare = "cannot_prepare" 503 "The file cannot be prepared at the moment." "Your download is not lost. Try again later; if that does not help, tell the shop, with the code below.";
    /// More is asked than can be answered.
    Overloaded = "overloaded" 503 "Too many people are asking at once." "Try again in a moment.";
    /// What is remembered cannot be reached.
    StoreDown = "store_down" 503 "Downloads are not available at the moment." "Try again in a few minutes. Nothing was counted.";
    /// The storage elsewhere does not answer.
    RemoteDown = "remote_down" 502 "The file cannot be reached at the moment." "Try again in a few minutes. Nothing was counted.";
}

impl Refusal {
    /// Whether coming back later may help; such answers carry `Retry-After`.
    pub const fn is_passing(self) -> bool {
        matches!(
            self,
            Self::LockedOut
                | Self::TooManyConnections
                | Self::DownloadRunning
                | Self::Preparing
                | Self::CannotPrepare
                | Self::Overloaded
                | Self::StoreDown
                | Self::RemoteDown
        )
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Only the codes of the table are read.
impl FromStr for Refusal {
    type Err = ();

    fn from_str(code: &str) -> Result<Self, ()> {
        Self::ALL.iter().copied().find(|refusal| refusal.code() == code).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_a_code_of_its_own_and_reads_back_from_it() {
        assert_eq!(Refusal::ALL.len(), 32);
        for &refusal in Refusal::ALL {
            assert_eq!(refusal.code().parse(), Ok(refusal));
            assert!((400..=503).contains(&refusal.status()), "{refusal}");
            assert!(refusal.sentence().ends_with('.') && refusal.advice().ends_with('.'), "{refusal}");
        }
        assert!("nonsense".parse::<Refusal>().is_err());
    }
}

//! Limits that are copied into a grant when it is made.

use ipnet::IpNet;

use super::moment::Span;
use super::units::Rate;

/// How the bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// The web server sends the file after an internal redirect.
    Handoff,
    /// A symlink with an unguessable name in a public directory.
    Stub,
    /// A copy with a random name in a password-protected directory.
    Copy,
    /// The file's own public URL.
    Public,
    /// Our own bytes.
    Stream,
    /// A signed URL of a storage elsewhere.
    Presigned,
    /// A storage elsewhere, sent through the web server.
    Proxy,
}

impl Method {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Handoff, Self::Stub, Self::Copy, Self::Public, Self::Stream, Self::Presigned, Self::Proxy];

    /// The word of the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Handoff => "handoff",
            Self::Stub => "stub",
            Self::Copy => "copy",
            Self::Public => "public",
            Self::Stream => "stream",
            Self::Presigned => "presigned",
            Self::Proxy => "proxy",
        }
    }

    /// Whether it sends customers to where their requests do not pass by us.
    pub const fn leads_away(self) -> bool {
        matches!(self, Self::Stub | Self::Copy | Self::Public | Self::Presigned)
    }

    /// Reads the word of the configuration.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|method| method.word() == word)
    }
}

/// When the time of a grant is over, once it is known how long it lasts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// At that moment.
    #[default]
    Exact,
    /// With the last second of that day in this zone of the IANA database, such as `Europe/Berlin`.
    EndOfDay(String),
}

/// Which version of its file a grant is for, where that is changed after the grant was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Edition {
    /// Whatever the master is at each time.
    #[default]
    Latest,
    /// The one that there was when the grant got its copy.
    Purchased,
}

impl Edition {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Latest, Self::Purchased];

    /// The word of configuration and store.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Latest => "latest",
            Self::Purchased => "purchased",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|edition| edition.word() == word)
    }
}

/// The limits of a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How many downloads; `None` is unlimited, 0 is none.
    pub max_downloads: Option<u32>,
    /// How long the grant lasts; `None` is unlimited.
    pub valid_for: Option<Span>,
    /// Where in its last day the grant ends.
    pub ending: Ending,
    /// How long a link of the grant lasts.
    pub link_ttl: Span,
    /// How long after its last request a delivery can be resumed; at most [`Policy::RESUME_CAP`] after it opened.
    pub resume_grace: Span,
    /// How many times a file's bytes may be sent again for one download.
    pub retry_factor: u32,
    /// The methods that may be used, the first that can work is taken.
    pub methods: Vec<Method>,
    /// How many requests of one delivery may be in flight.
    pub connections_max: u32,
    /// Bytes per second of one request; `None` is as fast as it goes.
    pub rate: Option<Rate>,
    /// Clients come from these networks only; empty is from anywhere.
    pub networks: Vec<IpNet>,
    /// From how many networks a grant is used, each being a [`network_of`](super::grant::network_of); `None` is any
    /// number. A telephone that changes from Wi-Fi to mobile data comes from two.
    pub networks_max: Option<u32>,
    /// Which version of the file it is for.
    pub edition: Edition,
    /// Whether a browser that opens a link is shown a page about the file first, with a button.
    pub landing: bool,
}

impl Policy {
    /// No delivery can be resumed longer than this after it opened.
    pub const RESUME_CAP: Span = Span::from_days(7);

    /// The most body bytes that one delivery of a file of `size` bytes may send: the file, and `retry_factor` times
    /// more. It fits, as 32 bits of factor and 64 of size do.
    pub fn delivery_bytes_max(&self, size: u64) -> u128 {
        (1 + u128::from(self.retry_factor)) * u128::from(size)
    }

    /// The most body bytes that all deliveries of a grant may send together; `None` when downloads are unlimited.
    pub fn grant_bytes_max(&self, size: u64) -> Option<u128> {
        self.max_downloads.map(|most| u128::from(most) * self.delivery_bytes_max(size))
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_downloads: Some(5),
            valid_for: Some(Span::from_days(30)),
            ending: Ending::Exact,
            link_ttl: Span::from_days(30),
            resume_grace: Span::from_hours(24),
            retry_factor: 2,
            methods: vec![Method::Handoff],
            connections_max: 16,
            rate: None,
            networks: Vec::new(),
            networks_max: None,
            edition: Edition::Latest,
            landing: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_budgets_follow_the_retry_factor_and_the_count() {
        let most = u32::MAX;
        for (max_downloads, retry_factor, size, delivery, grant) in [
            (Some(1), 1, 100, 200, Some(200)),
            (Some(5), 0, 100, 100, Some(500)),
            (Some(0), 1, 100, 200, Some(0)),
            (None, 2, 100, 300, None),
            (Some(5), 1, 0, 0, Some(0)),
            (Some(most), most, u64::MAX, u128::from(u64::MAX) << 32, Some((u128::from(u64::MAX) << 32) * u128::from(most))),
        ] {
            let policy = Policy { max_downloads, retry_factor, ..Policy::default() };
            assert_eq!((policy.delivery_bytes_max(size), policy.grant_bytes_max(size)), (delivery, grant), "{policy:?}");
        }
    }
}

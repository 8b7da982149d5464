//! Grants: the right of one customer to one file.
//!
//! A grant opens while nothing shuts it. What shuts it is told by the first of these that is so:
//!
//! | state | refusal | begins | ends |
//! |---|---|---|---|
//! | revoked | `revoked` | a person revokes it | never |
//! | suspended | `suspended` | a person suspends it | a person resumes or revokes it |
//! | pending, on hold, refunded, cancelled, charged back | as [`order`](super::order) has it | its order says so | its order says that it is paid |
//! | expired | `expired` | its time is over | a person gives it more time |
//! | used up | `limit_reached`, `download_running` | `used + reserved` is `max_downloads` | a delivery is released, a person allows more or begins to count again |
//! | active | – | none of these is so | one of these is so |
//!
//! The last two hold for new downloads only: what is open goes on ([`account`](super::account)). The others stop each
//! request.

use std::net::IpAddr;

use ipnet::IpNet;

use super::file::FileRef;
use super::id::GrantId;
use super::moment::Moment;
use super::order::{OrderState, Sold};
use super::policy::Policy;
use super::refusal::Refusal;

/// The right of one customer to one file, with the limits it was made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// The file.
    pub file: FileRef,
    /// Whom it was made for, in the words of whoever made it; may be empty.
    pub customer: String,
    /// The limits, as they were when it was made.
    pub policy: Policy,
    /// When it was made.
    pub created: Moment,
    /// From this moment on no new download starts; `None` is never.
    pub expires: Option<Moment>,
    /// What a person decided about it.
    pub standing: Standing,
    /// Downloads that are used up.
    pub used: u32,
    /// Downloads that open deliveries hold.
    pub reserved: u32,
    /// Body bytes charged to closed deliveries, whatever version they were of.
    pub bytes_closed: u64,
    /// Size of the largest version of which a request was admitted. A copy is that many bytes when bytes are budgeted,
    /// so that what was sent of a large version does not use up the budget when a small one takes its place.
    pub size_largest: u64,
    /// The networks that requests were admitted from, where their number is limited; at most that many.
    pub networks_seen: Vec<IpNet>,
    /// What it was sold as, where a shop reported an order.
    pub sold: Option<Sold>,
}

impl Grant {
    /// A grant of which nothing was used yet.
    pub const fn new(id: GrantId, file: FileRef, customer: String, policy: Policy, created: Moment, expires: Option<Moment>) -> Self {
        Self {
            id,
            file,
            customer,
            policy,
            created,
            expires,
            standing: Standing::Active,
            used: 0,
            reserved: 0,
            bytes_closed: 0,
            size_largest: 0,
            networks_seen: Vec::new(),
            sold: None,
        }
    }

    /// Refuses what a person withdrew, or what its order does not let pass.
    pub fn check(&self) -> Result<(), Refusal> {
        self.standing.check()?;
        self.sold.as_ref().map_or(Ok(()), |sold| sold.gate.check())
    }

    /// Whether one more download may be opened, as far as the count goes.
    pub fn has_unit(&self) -> bool {
        self.policy.max_downloads.is_none_or(|most| u64::from(self.used) + u64::from(self.reserved) < u64::from(most))
    }

    /// Whether the last of its downloads was used since only `used` were.
    pub fn is_used_up_since(&self, used: u32) -> bool {
        self.policy.max_downloads.is_some_and(|most| used < most && self.used >= most)
    }

    /// Whether its time is over; the moment at which it expires is over.
    pub fn is_over(&self, now: Moment) -> bool {
        self.expires.is_some_and(|expires| now >= expires)
    }

    /// Takes a person's decision.
    ///
    /// | amendment | what it changes |
    /// |---|---|
    /// | [`Amendment::Stand`] | the standing; what was revoked stays revoked |
    /// | [`Amendment::Reset`] | nothing is used, no bytes of closed deliveries are charged, whatever is reported of them, no network was seen; what runs goes on |
    /// | [`Amendment::Expire`] | the moment from which on no download starts |
    /// | [`Amendment::Allow`] | the number of downloads, those that are used included |
    /// | [`Amendment::Gate`] | what its order says, where it was sold by one |
    pub fn amend(&mut self, amendment: &Amendment) {
        match amendment {
            Amendment::Stand(standing) if self.standing != Standing::Revoked => self.standing = *standing,
            Amendment::Stand(_) => {}
            Amendment::Reset => {
                self.used = 0;
                self.bytes_closed = 0;
                self.networks_seen.clear();
            }
            Amendment::Expire(expires) => self.expires = *expires,
            Amendment::Allow(most) => self.policy.max_downloads = *most,
            Amendment::Gate(gate) => {
                if let Some(sold) = &mut self.sold {
                    sold.gate = *gate;
                }
            }
        }
    }

    /// Refuses who comes from outside of the networks that the grant is for.
    pub(super) fn check_network(&self, address: IpAddr) -> Result<(), Refusal> {
        let address = address.to_canonical();
        let networks = &self.policy.networks;
        let inside = networks.is_empty() || networks.iter().any(|network| network.contains(&address));
        if inside { Ok(()) } else { Err(Refusal::WrongNetwork) }
    }

    /// Refuses a network that is new and would be one too many.
    pub(super) fn check_networks_max(&self, address: IpAddr) -> Result<(), Refusal> {
        let Some(most) = self.policy.networks_max else { return Ok(()) };
        let is_room = self.networks_seen.len() < usize::try_from(most).unwrap_or(usize::MAX);
        if is_room || self.networks_seen.contains(&network_of(address)) { Ok(()) } else { Err(Refusal::TooManyNetworks) }
    }

    /// Remembers from where a request was admitted, where the number of networks is limited.
    pub(super) fn see(&mut self, address: IpAddr) {
        let network = network_of(address);
        if self.policy.networks_max.is_some() && !self.networks_seen.contains(&network) {
            self.networks_seen.push(network);
        }
    }

    /// Holds one unit for a delivery that opens.
    pub(super) fn reserve(&mut self) {
        self.reserved = self.reserved.saturating_add(1);
    }

    /// Gives a held unit back.
    pub(super) fn release(&mut self) {
        self.reserved = self.reserved.saturating_sub(1);
    }

    /// Uses a unit.
    pub(super) fn spend(&mut self) {
        self.used = self.used.saturating_add(1);
    }
}

/// So much of an address is one network, where networks are counted: what an office or a home has of its own.
const IPV4_PREFIX: u8 = 24;
const IPV6_PREFIX: u8 = 56;

/// The network that `address` counts as: the /24 of an IPv4 address, mapped into IPv6 or not, and the /56 of an IPv6
/// address.
pub fn network_of(address: IpAddr) -> IpNet {
    let address = address.to_canonical();
    let prefix = if address.is_ipv4() { IPV4_PREFIX } else { IPV6_PREFIX };
    IpNet::new(address, prefix).map_or_else(|_| IpNet::from(address), |network| network.trunc())
}

/// The word for no end and no limit.
pub const UNLIMITED: &str = "unlimited";

/// What a person changes about a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amendment {
    /// Whether it may be used.
    Stand(Standing),
    /// It is used from the beginning again.
    Reset,
    /// When it expires; `None` is never.
    Expire(Option<Moment>),
    /// How many downloads there are; `None` is any number.
    Allow(Option<u32>),
    /// What its order says about it.
    Gate(OrderState),
}

impl Amendment {
    /// Its word in the history of a grant, in the API and in the log.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stand(Standing::Active) => "resumed",
            Self::Stand(Standing::Suspended) => "suspended",
            Self::Stand(Standing::Revoked) => "revoked",
            Self::Reset => "reset",
            Self::Expire(_) => "extended",
            Self::Allow(_) => "allowed",
            Self::Gate(_) => "ordered",
        }
    }

    /// The new end, or number of downloads, where it is about those: [`UNLIMITED`] where there is none.
    pub fn value(self) -> Option<String> {
        let or_unlimited = |value: Option<String>| Some(value.unwrap_or_else(|| UNLIMITED.to_owned()));
        match self {
            Self::Stand(_) | Self::Reset => None,
            Self::Expire(end) => or_unlimited(end.map(|end| end.to_string())),
            Self::Allow(most) => or_unlimited(most.map(|most| most.to_string())),
            Self::Gate(gate) => Some(gate.word().to_owned()),
        }
    }
}

/// What a person decided about a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may be used.
    Active,
    /// It may not be used for now.
    Suspended,
    /// It may never be used again.
    Revoked,
}

impl Standing {
    /// Refuses what a person withdrew.
    pub const fn check(self) -> Result<(), Refusal> {
        match self {
            Self::Active => Ok(()),
            Self::Suspended => Err(Refusal::Suspended),
            Self::Revoked => Err(Refusal::Revoked),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::file::StorageName;
    use crate::domain::id::{FileId, OrderId};
    use crate::domain::path::FilePath;

    #[test]
    fn what_is_amended_is_told_in_one_word_and_its_value() {
        for (amendment, word, value) in [
            (Amendment::Stand(Standing::Active), "resumed", None),
            (Amendment::Stand(Standing::Suspended), "suspended", None),
            (Amendment::Stand(Standing::Revoked), "revoked", None),
            (Amendment::Reset, "reset", None),
            (Amendment::Expire(Some(Moment::from_seconds(1_900_000_000))), "extended", Some("2030-03-17T17:46:40Z")),
            (Amendment::Expire(None), "extended", Some("unlimited")),
            (Amendment::Allow(Some(3)), "allowed", Some("3")),
            (Amendment::Allow(None), "allowed", Some("unlimited")),
            (Amendment::Gate(OrderState::OnHold), "ordered", Some("on_hold")),
        ] {
            assert_eq!((amendment.word(), amendment.value().as_deref()), (word, value));
        }
    }

    #[test]
    fn a_person_and_an_order_open_and_shut_a_grant_whatever_the_other_says() {
        use Standing::{Active, Revoked, Suspended};
        let file = FileRef { storage: StorageName::parse("masters").expect("a name"), path: FilePath::parse("a.zip").expect("a path") };
        let mut seen = 0;
        for gate in [None].into_iter().chain(OrderState::ALL.map(Some)) {
            for before in [Active, Suspended, Revoked] {
                for after in [Active, Suspended, Revoked] {
                    let mut grant = Grant::new(GrantId::new([1; 12]), file.clone(), String::new(), Policy::default(), Moment::EPOCH, None);
                    grant.standing = before;
                    grant.sold = gate.map(|_| Sold {
                        order: OrderId::new([2; 12]),
                        line: "1".parse().expect("a key"),
                        sku: "a".parse().expect("a sku"),
                        file: FileId::new([3; 12]),
                        unit: 1,
                        gate: OrderState::Pending,
                    });
                    grant.amend(&Amendment::Stand(after));
                    grant.amend(&Amendment::Gate(gate.unwrap_or(OrderState::Refunded)));
                    let stands = if before == Revoked { Revoked } else { after };
                    let by_order = gate.map_or(Ok(()), OrderState::check);
                    assert_eq!(grant.check(), stands.check().and(by_order), "{gate:?} {before:?} {after:?}");
                    seen += 1;
                }
            }
        }
        assert_eq!(seen, 63);
    }

    #[test]
    fn an_address_counts_as_its_24_or_56_bits() {
        for (address, network) in [
            ("192.0.2.0", "192.0.2.0/24"),
            ("192.0.2.255", "192.0.2.0/24"),
            ("::ffff:192.0.2.7", "192.0.2.0/24"),
            ("192.0.3.0", "192.0.3.0/24"),
            ("2001:db8:1:2ff:ffff::1", "2001:db8:1:200::/56"),
            ("2001:db8:1:300::", "2001:db8:1:300::/56"),
            ("::1", "::/56"),
        ] {
            assert_eq!(network_of(address.parse().expect(address)).to_string(), network, "{address}");
        }
    }
}

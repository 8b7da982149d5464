//! What a customer is told about the download that stands in the way of theirs.

use std::net::IpAddr;

use ipnet::IpNet;
use minijinja::context;
use minijinja::value::Value;

use super::said;
use super::words::Words;
use crate::domain::delivery::Delivery;
use crate::domain::moment::{Moment, Span};

/// So much of an address is told: enough to know one's own office or telephone again, too little to find a person.
const IPV4_PREFIX: u8 = 24;
const IPV6_PREFIX: u8 = 48;

/// A download that is running elsewhere. Holds no address: it may be another person's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    since: Span,
    network: Option<IpNet>,
    here: bool,
    covered: u64,
    size: u64,
}

impl Running {
    /// What the client at `asking` is told at `now` about `delivery`.
    pub fn of(delivery: &Delivery, asking: IpAddr, now: Moment) -> Self {
        let network = network(delivery.clicked_by.address);
        Self {
            since: now.since(delivery.opened.unwrap_or(delivery.offered)),
            network,
            here: network.is_some() && network == self::network(asking.to_canonical()),
            covered: delivery.covered(),
            size: delivery.version.size,
        }
    }

    /// As templates know it.
    pub(super) fn value(&self, words: &Words) -> Value {
        context! {
            since => said::ago(words, self.since),
            network => self.network.map(|network| network.to_string()),
            here => self.here,
            // What is on its way is reported when it ends: nothing reported is not nothing sent.
            done => said::share(self.covered, self.size),
        }
    }
}

/// Every shape that a template can meet, to try it on.
pub(super) fn samples() -> [Running; 3] {
    let (one, other) = (IpAddr::from([203, 0, 113, 9]), IpAddr::from([0x2001, 0xdb8, 0x12, 0x3456, 0, 0, 0, 9]));
    [
        Running { since: Span::from_seconds(720), network: network(one), here: false, covered: 40, size: 100 },
        Running { since: Span::ZERO, network: network(other), here: true, covered: 0, size: 0 },
        Running { since: Span::from_days(3), network: None, here: false, covered: 99, size: 100 },
    ]
}

fn network(address: IpAddr) -> Option<IpNet> {
    let prefix = if address.is_ipv4() { IPV4_PREFIX } else { IPV6_PREFIX };
    IpNet::new(address, prefix).ok().map(|network| network.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_address_only_the_network_is_told() {
        for (address, text) in [
            ("203.0.113.77", "203.0.113.0/24"),
            ("255.255.255.255", "255.255.255.0/24"),
            ("2001:db8:12:3456:789a::1", "2001:db8:12::/48"),
            ("::1", "::/48"),
        ] {
            assert_eq!(network(address.parse().unwrap()).unwrap().to_string(), text);
        }
    }
}

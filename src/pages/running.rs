//! What a customer is told about the download that stands in the way of theirs.

use std::net::IpAddr;

use ipnet::IpNet;
use minijinja::context;
use minijinja::value::Value;

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
    done: u64,
}

impl Running {
    /// What the client at `asking` is told at `now` about `delivery`.
    pub fn of(delivery: &Delivery, asking: IpAddr, now: Moment) -> Self {
        let network = network(delivery.clicked_by.address);
        let covered = u128::from(delivery.covered());
        Self {
            since: now.since(delivery.opened.unwrap_or(delivery.offered)),
            network,
            here: network.is_some() && network == self::network(asking.to_canonical()),
            done: u64::try_from((covered * 100).checked_div(u128::from(delivery.version.size)).unwrap_or(0)).unwrap_or(0),
        }
    }

    /// As templates know it.
    pub(super) fn value(&self) -> Value {
        context! {
            since => ago(self.since),
            network => self.network.map(|network| network.to_string()),
            here => self.here,
            // What is on its way is reported when it ends: nothing reported is not nothing sent.
            done => (self.done > 0).then(|| format!("{} %", self.done)),
        }
    }
}

/// Every shape that a template can meet, to try it on.
pub(super) fn samples() -> [Running; 3] {
    let (one, other) = (IpAddr::from([203, 0, 113, 9]), IpAddr::from([0x2001, 0xdb8, 0x12, 0x3456, 0, 0, 0, 9]));
    [
        Running { since: Span::from_seconds(720), network: network(one), here: false, done: 40 },
        Running { since: Span::ZERO, network: network(other), here: true, done: 0 },
        Running { since: Span::from_days(3), network: None, here: false, done: 99 },
    ]
}

fn network(address: IpAddr) -> Option<IpNet> {
    let prefix = if address.is_ipv4() { IPV4_PREFIX } else { IPV6_PREFIX };
    IpNet::new(address, prefix).ok().map(|network| network.trunc())
}

/// `12 minutes ago`: the largest unit, the rest cut off.
fn ago(span: Span) -> String {
    const UNITS: [(u64, &str); 3] = [(86_400, "day"), (3600, "hour"), (60, "minute")];
    let count = |(seconds, name): (u64, &'static str)| (span.seconds() / seconds, name);
    match UNITS.into_iter().map(count).find(|(count, _)| *count > 0) {
        None => "less than a minute ago".to_owned(),
        Some((1, name)) => format!("1 {name} ago"),
        Some((count, name)) => format!("{count} {name}s ago"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_told_in_its_largest_unit() {
        for (seconds, text) in [
            (0, "less than a minute ago"),
            (59, "less than a minute ago"),
            (60, "1 minute ago"),
            (3599, "59 minutes ago"),
            (3600, "1 hour ago"),
            (7200, "2 hours ago"),
            (86_400, "1 day ago"),
            (7 * 86_400, "7 days ago"),
        ] {
            assert_eq!(ago(Span::from_seconds(seconds)), text);
        }
    }

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

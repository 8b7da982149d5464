//! What of a client is kept once it is needed no more.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use super::client::ClientKey;
use super::delivery::Delivery;
use super::grant::network_of;

/// How much stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The network that an address [counts as](network_of), and the agent.
    Network,
    /// Nothing.
    Nothing,
}

/// What stands where an address was.
pub const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// How much stays of what comes after a delivery was [anonymised](anonymise): as much as stayed then. `None` where it was not.
pub fn stays(delivery: &Delivery) -> Option<Keep> {
    let keep = if delivery.clicked_by.address == NOWHERE { Keep::Nothing } else { Keep::Network };
    delivery.cookie.is_numbered().then_some(keep)
}

/// Takes addresses out of a delivery that has ended, and what follows from them: the keys of its clients, from which an
/// address can be found by trying all, become numbers. What was sent and how it counts stays. Twice is once.
pub fn anonymise(delivery: &mut Delivery, keep: Keep) {
    let shorter = |address: IpAddr| match keep {
        Keep::Network => network_of(address).network(),
        Keep::Nothing => NOWHERE,
    };
    delivery.clicked_by.address = shorter(delivery.clicked_by.address);
    if keep == Keep::Nothing {
        delivery.clicked_by.agent.clear();
    }
    let asked = delivery.requests.values().map(|request| request.client);
    let known: BTreeSet<ClientKey> = delivery.coverage.keys().copied().chain(asked).chain([delivery.cookie]).collect();
    let numbers: BTreeMap<ClientKey, ClientKey> =
        known.into_iter().zip(1_u32..).map(|(key, number)| (key, ClientKey::numbered(number))).collect();
    let number = |key: ClientKey| numbers.get(&key).copied().unwrap_or(key);
    delivery.cookie = number(delivery.cookie);
    for request in delivery.requests.values_mut() {
        (request.address, request.client) = (shorter(request.address), number(request.client));
    }
    delivery.coverage = std::mem::take(&mut delivery.coverage).into_iter().map(|(key, coverage)| (number(key), coverage)).collect();
}

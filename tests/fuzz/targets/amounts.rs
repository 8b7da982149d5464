//! Any text as a duration, a size, a rate or a network: what is read shows itself as a text that reads the same.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use cloakroom::domain::moment::Span;
use cloakroom::domain::units::{Rate, SPAN_MAX, Size, parse_network};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    reads_back::<Span>(text);
    reads_back::<Size>(text);
    reads_back::<Rate>(text);
    if let Ok(span) = text.parse::<Span>() {
        assert!(span <= SPAN_MAX);
    }
    if let Ok(network) = parse_network(text) {
        assert_eq!(parse_network(&network.to_string()), Ok(network));
        assert_eq!(network.trunc(), network, "host bits are zero");
        assert!(network.addr().to_canonical() == network.addr(), "mapped addresses are IPv4");
    }
});

fn reads_back<T: FromStr<Err: Display> + Display + PartialEq + Debug>(text: &str) {
    match text.parse::<T>() {
        Ok(amount) => assert_eq!(amount.to_string().parse::<T>().ok(), Some(amount)),
        Err(fault) => assert!(fault.to_string().starts_with("must be ")),
    }
}

//! Deliveries whose client was led to where requests do not pass by Cloakroom: what their numbers say, and by whom.

use crate::api::ListedDelivery;

/// The state of a delivery as lists show it.
pub(in super::super) fn state(delivery: &ListedDelivery) -> String {
    let ListedDelivery { state, away, .. } = delivery;
    if *away { format!("{state} (public)") } else { state.clone() }
}

/// What `(public)` means, where it stands in a list.
pub(in super::super) fn note(deliveries: &[ListedDelivery]) -> Option<String> {
    let led: Vec<&ListedDelivery> = deliveries.iter().filter(|delivery| delivery.away).collect();
    if led.is_empty() {
        return None;
    }
    let mut lines = vec!["(public): fetched in public, where requests do not pass by Cloakroom".to_owned()];
    if led.iter().any(|delivery| delivery.state == "completed") {
        lines.push("  completed: by the web server's log of the public path".to_owned());
    }
    if led.iter().any(|delivery| delivery.state == "started") {
        lines.push("  started: used at the redirect; nobody tells what arrived".to_owned());
    }
    Some(lines.join("\n"))
}

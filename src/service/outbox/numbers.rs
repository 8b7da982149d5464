//! What is counted of messages.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::domain::message::{Lane, Outcome, State};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    lane: String,
    outcome: &'static str,
}

/// Tries, by lane and what came of them: `sent`, `failed`, `dead`, `void`.
#[derive(Default)]
pub(in crate::service) struct OutboxNumbers {
    tries: Family<Labels, Counter>,
}

impl OutboxNumbers {
    pub(in crate::service) fn in_registry(registry: &mut Registry) -> Self {
        let all = Self::default();
        registry.register("messages", "Tries to send a message", all.tries.clone());
        all
    }

    pub(super) fn count(&self, lane: &Lane, state: Option<State>, outcome: Outcome) {
        let outcome = match (outcome, state) {
            (Outcome::Sent, _) => "sent",
            (Outcome::Void, _) => "void",
            (Outcome::Failed | Outcome::Refused, Some(State::Dead)) => "dead",
            (Outcome::Failed | Outcome::Refused, _) => "failed",
        };
        self.tries.get_or_create(&Labels { lane: lane.to_string(), outcome }).inc();
    }
}

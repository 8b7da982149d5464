//! How the daemon is, for `/health`.

use std::sync::Arc;

use super::admin::{HealthSource, Part, Parts};
use crate::service::site::Site;

/// Asks the store, and looks whether the feed's log and the storages' directories are there.
pub struct Health(pub Arc<Site>);

impl HealthSource for Health {
    fn parts(&self) -> Parts<'_> {
        Box::pin(async move {
            let answer = self.0.store.position().await.err().map(|down| format!("it does not answer: {down:?}"));
            let store = self.0.store.trouble().or(answer);
            let feed = self.0.configuration.feed.as_ref().and_then(|feed| {
                let log = crate::feed::check(&feed.access_log);
                log.err().map(|error| format!("{}: {error}", feed.access_log.display()))
            });
            let storages: Vec<String> = self.0.storages.faults().iter().map(ToString::to_string).collect();
            let storages = (!storages.is_empty()).then(|| storages.join("; "));
            vec![Part { name: "store", fault: store }, Part { name: "feed", fault: feed }, Part { name: "storage", fault: storages }]
        })
    }
}

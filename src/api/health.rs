//! How the daemon is, for `/health`.

use std::sync::Arc;

use super::admin::{HealthSource, Part, Parts};
use crate::service::site::Site;

/// Asks the store, and looks at the feed's log and the storages.
pub struct Health(pub Arc<Site>);

impl HealthSource for Health {
    fn parts(&self) -> Parts<'_> {
        Box::pin(async move {
            let store = self.0.store.position().await.err().map(|down| format!("it does not answer: {down:?}"));
            let feed = self.0.configuration.feed.as_ref().and_then(|feed| {
                let log = feed.access_log.metadata();
                log.err().map(|error| format!("{}: {error}", feed.access_log.display()))
            });
            vec![Part { name: "store", fault: store }, Part { name: "feed", fault: feed }]
        })
    }
}

//! How the daemon is, for `/health`.

use std::os::unix::fs::FileTypeExt as _;

use super::admin::{HealthSource, Part, Parts};
use crate::config::Feed;
use crate::service::site::Current;

/// Asks the store, and looks whether the feed's log and the storages' directories are there.
pub struct Health(pub Current);

impl HealthSource for Health {
    fn parts(&self) -> Parts<'_> {
        Box::pin(async move {
            let site = self.0.site();
            let answer = site.store.position().await.err().map(|down| down.to_string());
            let store = site.store.trouble().or(answer);
            let feed = site.configuration.feed.as_ref().and_then(fault);
            let storages: Vec<String> = site.storages.faults().iter().map(ToString::to_string).collect();
            let storages = (!storages.is_empty()).then(|| storages.join("; "));
            vec![Part { name: "store", fault: store }, Part { name: "feed", fault: feed }, Part { name: "storage", fault: storages }]
        })
    }
}

/// What is wrong with where the reports come from.
fn fault(feed: &Feed) -> Option<String> {
    match feed {
        Feed::AccessLog(path) => crate::feed::check(path).err().map(|error| format!("{}: {error}", path.display())),
        Feed::Syslog { path, .. } => {
            let there = path.symlink_metadata().is_ok_and(|found| found.file_type().is_socket());
            (!there).then(|| format!("{}: the socket's file is gone, nothing can be reported; restart the daemon", path.display()))
        }
        // Who hands over the lines comes and goes.
        Feed::Api => None,
    }
}

//! The thread of the daemon on which the web server's reports are taken.

use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::thread::{self, JoinHandle};

use tokio::runtime::Handle;

use super::failure::Failure;
use crate::config::Feed;
use crate::domain::feed_position::FeedPosition;
use crate::feed::{self, Batch, Stop, Tail, Taken, syslog};
use crate::service::settle;
use crate::service::site::{Current, Site};
use crate::wire::SocketFile;
use crate::wire::listener::bind_datagrams;

/// Follows the feed of the configuration, until [`Follower::stop`].
pub(super) struct Follower {
    stop: Stop,
    thread: JoinHandle<()>,
    /// The socket's file goes when nobody reads any more.
    file: Option<SocketFile>,
}

impl Follower {
    /// Starts it; the store is asked on the runtime of `handle`. `None` where nothing is to be followed: without a feed,
    /// and where the lines come by the API.
    pub(super) fn start(current: &Current, handle: &Handle) -> Result<Option<Self>, Failure> {
        let site = current.site();
        match &site.configuration.feed {
            None | Some(Feed::Api) => {
                site.caught_up.send_replace(true);
                Ok(None)
            }
            Some(Feed::AccessLog(path)) => Self::log(current, handle, path).map(Some),
            Some(Feed::Syslog { path, mode, group }) => {
                let (socket, file) =
                    bind_datagrams(path, *mode, group.as_deref()).map_err(|fault| Failure::failed(format!("[feed] syslog: {fault}")))?;
                site.caught_up.send_replace(true);
                tracing::info!(event = "listening", address = %format_args!("unix:{}", path.display()), serve = "syslog");
                Self::socket(current, handle, socket, file).map(Some)
            }
        }
    }

    fn log(current: &Current, handle: &Handle, path: &Path) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::failed(format!("cannot follow {}: {error}", path.display()));
        let position = handle.block_on(current.site().store.position()).map_err(|down| Failure::failed(down.to_string()))?;
        let mut tail = Tail::open(path, position).map_err(failed)?;
        let waiting = current.clone();
        tail.when_at_end(move || {
            caught_up(&waiting.site(), true);
        });
        let stop = Stop::new().map_err(failed)?;
        let (current, handle, path, stopped) = (current.clone(), handle.clone(), path.to_owned(), stop.clone());
        let work = move || {
            feed::follow(tail, &stopped, |batch| {
                let site = current.site();
                let taken = take(&site, &handle, batch);
                if taken == Taken::Yes {
                    note_place(&site, &path, batch.position);
                }
                taken
            });
        };
        let thread = spawn(work)?;
        Ok(Self { stop, thread, file: None })
    }

    fn socket(current: &Current, handle: &Handle, socket: UnixDatagram, file: SocketFile) -> Result<Self, Failure> {
        let stop = Stop::new().map_err(|error| Failure::failed(format!("cannot start the feed: {error}")))?;
        let (current, handle, stopped) = (current.clone(), handle.clone(), stop.clone());
        let work = move || {
            let sink = |batch: &Batch| {
                let site = current.site();
                let taken = take(&site, &handle, batch);
                // Lines that wait behind it are settled at once.
                caught_up(&site, taken == Taken::Yes);
                taken
            };
            if let Err(error) = syslog::follow(&socket, &stopped, sink) {
                tracing::error!(%error, "the feed cannot start; nothing of what the web server reports is heard");
            }
        };
        let thread = spawn(work)?;
        Ok(Self { stop, thread, file: Some(file) })
    }

    /// Settles what came, and ends.
    pub(super) fn stop(self) {
        self.stop.stop();
        let _ = self.thread.join();
        drop(self.file);
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Failure> {
    thread::Builder::new().name("feed".to_owned()).spawn(work).map_err(|error| Failure::failed(format!("cannot start the feed: {error}")))
}

fn take(site: &Site, handle: &Handle, batch: &Batch) -> Taken {
    match handle.block_on(settle::take(site, batch)) {
        Ok(_) => Taken::Yes,
        Err(down) => {
            tracing::warn!(event = "feed_waits", "what was reported waits: {down}");
            // What was reported meanwhile is settled first: the sweep, which tries sooner, would presume it.
            caught_up(site, false);
            Taken::NotNow
        }
    }
}

/// Tells the sweep whether all that was reported is settled.
fn caught_up(site: &Site, is_settled: bool) {
    site.caught_up.send_if_modified(|before| std::mem::replace(before, is_settled) != is_settled);
}

/// Notes how far the log is settled, and how much of it is not.
fn note_place(site: &Site, path: &Path, place: Option<FeedPosition>) {
    let Some(place) = place else { return };
    // Right after a rotation the place is in a file of another name.
    if let Some(log) = path.metadata().ok().filter(|log| log.ino() == place.inode) {
        site.metrics.feed_position(place.offset, log.len());
    }
}

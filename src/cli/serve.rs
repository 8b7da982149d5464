//! `cloakroom serve`: the daemon.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use http::Response;
use http::request::Parts;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::failure::Failure;
use super::follower::Follower;
use super::{Common, log};
use crate::api::admin::{self, Admin};
use crate::api::{self, health::Health};
use crate::config::{Configuration, Serve, StoreEntry};
use crate::dialect::Dialect;
use crate::keys;
use crate::pages::Pages;
use crate::service::answer::{Reply, answer, refuse_late};
use crate::service::site::Site;
use crate::service::{refusals, settle, stream, streams};
use crate::storage::Storages;
use crate::store::Store;
use crate::store::memory::Memory;
use crate::store::sqlite::Sqlite;
use crate::wire::descriptors::{self, Shortage};
use crate::wire::listener::bind;
use crate::wire::serve::{Answers, Running, Station, start};
use crate::wire::{self, Handler, Limits, Payload, Peer};

/// What stands below the options.
pub(super) const AFTER_HELP: &str = "\
It logs to standard error, one line an event; CLOAKROOM_LOG=debug tells more. SIGTERM and Ctrl-C let what runs end within \
10 seconds. SIGHUP changes nothing in this version: restart it to take a changed configuration.";

/// How long what runs may go on after SIGTERM.
const GRACE: Duration = Duration::from_secs(10);

/// The store has at least so long for what streams reported last: those that were cut report when all that time is over.
const LAST_REPORTS: Duration = Duration::from_secs(2);

pub(super) fn run(common: &Common) -> Result<(), Failure> {
    let configuration = common.load()?;
    log::start(common.json)?;
    let store = open_store(&configuration)?;
    let site = Arc::new(site(configuration, store)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| Failure::failed(error.to_string()))?;
    // Heard from the first answer on: who is told to stop before that ends in disorder.
    let stop = runtime.block_on(async { Stopping::hear() })?;
    let daemon = Daemon::start(&site)?;
    runtime.block_on(async {
        tokio::select! {
            () = stop.told() => {}
            never = outlive_hangups() => never?,
        }
        daemon.stop().await;
        Ok(())
    })
}

/// SIGHUP means a reload to those who send it, and must not end the daemon.
async fn outlive_hangups() -> Result<(), Failure> {
    let mut hangup = hear(SignalKind::hangup())?;
    while hangup.recv().await.is_some() {
        tracing::warn!(
            event = "hangup",
            "SIGHUP changes nothing: a reload is not in this version; restart to take a changed configuration"
        );
    }
    std::future::pending().await
}

pub(super) fn hear(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::failed(format!("cannot listen for signals: {error}")))
}

/// Opens the store that the configuration names.
pub(super) fn open_store(configuration: &Configuration) -> Result<Arc<dyn Store>, Failure> {
    match &configuration.store {
        StoreEntry::Memory => Ok(Arc::new(Memory::new())),
        StoreEntry::Sqlite { file, durability } => match Sqlite::open(file, *durability) {
            Ok(store) => Ok(Arc::new(store)),
            Err(fault) => Err(Failure::failed(fault.to_string())),
        },
    }
}

/// Reads keys, storages and templates, and puts the site together; all that is wrong is said at once.
pub(super) fn site(configuration: Configuration, store: Arc<dyn Store>) -> Result<Site, Failure> {
    let mut faults: Vec<String> = Vec::new();
    let keys = keys::load(&configuration.keys).map_err(|all| faults.extend(all.iter().map(ToString::to_string)));
    let storages = Storages::open(&configuration.storages).map_err(|all| faults.extend(all.iter().map(ToString::to_string)));
    let pages = Pages::load(configuration.templates.as_deref()).map_err(|all| faults.extend(all.iter().map(ToString::to_string)));
    let (Ok(keys), Ok(storages), Ok(pages)) = (keys, storages, pages) else {
        return Err(Failure::Configuration(faults));
    };
    Site::new(configuration, keys, storages, store, pages).map_err(|fault| Failure::configuration(format!("server.public_url: {fault}")))
}

/// SIGTERM and SIGINT.
struct Stopping {
    terminate: Signal,
    interrupt: Signal,
}

impl Stopping {
    fn hear() -> Result<Self, Failure> {
        Ok(Self { terminate: hear(SignalKind::terminate())?, interrupt: hear(SignalKind::interrupt())? })
    }

    async fn told(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The running daemon: listeners, sweep and feed.
pub(super) struct Daemon {
    wire: Running,
    sweep: Sweep,
    feed: Option<Follower>,
}

impl Daemon {
    /// Binds every socket first, so that what cannot be bound is said before anything runs.
    pub(super) fn start(site: &Arc<Site>) -> Result<Self, Failure> {
        let mut stations = Vec::new();
        let mut faults = Vec::new();
        for listener in &site.configuration.listeners {
            match bind(listener) {
                Ok(bound) => stations.push(Station {
                    bound,
                    answers: answers(site, listener.serve),
                    limits: Limits::of(listener.serve),
                    metrics: Arc::clone(&site.metrics),
                }),
                Err(fault) => faults.push(fault.to_string()),
            }
        }
        if !faults.is_empty() {
            return Err(Failure::failed(faults.join("\ncloakroom: ")));
        }
        if let Err(short) = descriptors::allow(descriptors::needed(stations.iter().map(|station| &station.bound))) {
            let Shortage { allowed, needed } = short;
            tracing::warn!(
                "- only {allowed} open files are allowed, every connection at once needs {needed}: raise LimitNOFILE, or lower connections_max"
            );
        }
        let sweep = Sweep::start(Arc::clone(site))?;
        let feed = Follower::start(site, &sweep.handle)?;
        // A port that was given as 0 has its number now.
        let bound: Vec<_> = stations.iter().map(|station| (station.bound.to_string(), station.bound.serve.word())).collect();
        let threads = site.configuration.threads.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
        let wire = start(stations, threads).map_err(|error| Failure::failed(format!("cannot start: {error}")))?;
        for (address, serve) in bound {
            tracing::info!(event = "listening", address, serve);
        }
        Ok(Self { wire, sweep, feed })
    }

    /// Finishes what runs, within limits, and ends.
    pub(super) async fn stop(self) {
        let began = tokio::time::Instant::now();
        let cut = self.wire.drain(GRACE).await;
        if let Some(feed) = self.feed {
            feed.stop();
        }
        self.sweep.stop(GRACE.saturating_sub(began.elapsed()).max(LAST_REPORTS));
        tracing::info!(event = "stopped", connections_cut = cut);
    }
}

/// Who answers on a listener.
fn answers(site: &Arc<Site>, serve: Serve) -> Answers<Web> {
    let site = Arc::clone(site);
    match serve {
        Serve::Web(dialect) => Answers::Web(Web { site, dialect }),
        Serve::Api => Answers::Router(api::router(site)),
        Serve::Admin => Answers::Router(admin::router(Admin { metrics: Arc::clone(&site.metrics), health: Arc::new(Health(site)) })),
    }
}

/// Answers web servers and, on a standalone listener, customers.
struct Web {
    site: Arc<Site>,
    dialect: Dialect,
}

impl Handler for Web {
    async fn answer(&self, head: Parts, peer: Peer) -> Response<Payload> {
        let Self { site, dialect } = self;
        match answer(site, *dialect, peer.address(), &head).await {
            Reply::Answer(answer) => wire::respond(answer),
            Reply::Stream(sending, question) => match stream::open(site, *sending, &question, &head.headers) {
                Ok((head, body)) => streamed(head, body),
                Err(refusal) => wire::respond(refuse_late(site, *dialect, &question, refusal)),
            },
        }
    }
}

fn streamed(head: crate::dialect::standalone::StreamHead, body: stream::FileBody) -> Response<Payload> {
    let mut response = Response::new(Payload::stream(body));
    *response.status_mut() = http::StatusCode::from_u16(head.status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().extend(head.headers);
    response
}

/// The thread that ends what is due, and brings numbers to the store.
struct Sweep {
    handle: tokio::runtime::Handle,
    /// Takes how long the store has for what is left.
    stop: oneshot::Sender<Duration>,
    thread: JoinHandle<()>,
}

impl Sweep {
    fn start(site: Arc<Site>) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::failed(format!("cannot start the sweep: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let work = move || {
            runtime.block_on(async {
                let patience = tokio::select! {
                    () = settle::sweep(&site) => LAST_REPORTS,
                    () = refusals::keep(&site) => LAST_REPORTS,
                    () = streams::keep(&site) => LAST_REPORTS,
                    // The sender is dropped or used: both mean the end.
                    patience = stopped => patience.unwrap_or(LAST_REPORTS),
                };
                streams::bring_last(&site, patience).await;
                refusals::bring_last(&site).await;
            });
        };
        let thread = thread::Builder::new().name("sweep".to_owned()).spawn(work).map_err(failed)?;
        Ok(Self { handle, stop, thread })
    }

    fn stop(self, patience: Duration) {
        let _ = self.stop.send(patience);
        let _ = self.thread.join();
    }
}

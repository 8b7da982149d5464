//! `cloakroom serve`: the daemon.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use http::Response;
use http::request::Parts;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::failure::Failure;
use super::follower::Follower;
use super::notify::Notifier;
use super::reload::{self, KeyFiles, Named};
use super::{Common, log};
use crate::api::admin::{self, Admin};
use crate::api::{self, health::Health};
use crate::auth::Desk;
use crate::config::{Configuration, Fault, Listener, Serve, StoreEntry};
use crate::dialect::Dialect;
use crate::keys;
use crate::keys::follow::States;
use crate::public::Directories;
use crate::random;
use crate::service::answer::{Reply, answer, refuse_late};
use crate::service::site::{Current, Site};
use crate::service::{copies, htpasswd, outbox, places, privacy, refusals, scan, settle, stream, streams, waiting, watching, zen_cart};
use crate::store::memory::Memory;
use crate::store::sqlite::Sqlite;
use crate::store::{Down, Stores};
use crate::wire::descriptors::{self, Shortage};
use crate::wire::listener::{Bound, open};
use crate::wire::passed::Passed;
use crate::wire::secret::SECRET_LENGTH_MIN;
use crate::wire::serve::{Answers, Running, Station, start};
use crate::wire::{self, Handler, Limits, Payload, Peer, Secret};

/// What stands below the options.
pub(super) const AFTER_HELP: &str = "\
It logs to standard error, one line an event; CLOAKROOM_LOG=debug tells more. SIGTERM and Ctrl-C let what runs end within \
10 seconds.

SIGHUP takes a changed configuration, whole or not at all: keys, storages, rules, policies, templates, public_url and site. \
What is wrong with it is logged, and the one before stays in force. What cannot change while it runs (listeners, threads, \
store, feed, state_dir) is logged by its key and waits for a restart. No request is refused or delayed meanwhile.";

/// How long what runs may go on after SIGTERM.
const GRACE: Duration = Duration::from_secs(10);

/// How long is waited before a store that is full is asked again whether it is alive.
const STORE_PAUSE: Duration = Duration::from_millis(100);

/// The store has at least so long for what streams reported last: those that were cut report when all that time is over.
const LAST_REPORTS: Duration = Duration::from_secs(2);

pub(super) fn run(common: &Common) -> Result<(), Failure> {
    let configuration = common.load()?;
    log::start(common.json)?;
    // Asked before there are other threads.
    let passed = Passed::receive().map_err(|fault| Failure::failed(format!("the sockets that were passed to this process: {fault}")))?;
    let notifier = Notifier::of_environment();
    let store = open_store(&configuration)?;
    let key_files = States::of(&configuration.keys);
    let current = Current::new(site(configuration, store)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| Failure::failed(error.to_string()))?;
    // Heard from the first answer on: who is told to stop before that ends in disorder.
    let mut signals = runtime.block_on(async { Signals::hear() })?;
    // Before anything is placed or taken away.
    let settled = runtime.block_on(places::settle(&current));
    settled.map_err(|down| Failure::failed(format!("where public directories were before is not known: {down}")))?;
    let subscribed = runtime.block_on(outbox::subscribe(&current.site()));
    subscribed.map_err(|down| Failure::failed(format!("who is to be told of what happens cannot be kept: {down}")))?;
    let daemon = Daemon::start(&current, passed)?;
    notifier.ready(ANSWERS);
    runtime.block_on(async {
        {
            let mut watching = std::pin::pin!(watch(&daemon, &current, &notifier));
            let mut key_files = KeyFiles::follow(&current, key_files);
            loop {
                tokio::select! {
                    told = signals.next() => match told {
                        Told::Stop => break,
                        Told::Reload => {
                            notifier.reloading();
                            let is_taken = reload::reload(&current, &common.config, &mut key_files).await;
                            // What was told of a key file a moment ago was heard, and not looked at yet.
                            key_files.look(&current);
                            notifier.ready(if is_taken { ANSWERS } else { STAYED });
                        }
                    },
                    () = key_files.changed() => key_files.look(&current),
                    () = &mut watching => {}
                }
            }
        }
        notifier.stopping();
        daemon.stop().await;
    });
    Ok(())
}

/// What systemd shows of a daemon that is as it was told to be.
const ANSWERS: &str = "answers";

/// What systemd shows after a reload that was refused.
const STAYED: &str = "answers, by the configuration before the last reload, which was refused: see the log";

/// Tells systemd that all is alive, where it waits for that; never ends. Nobody else is woken by it.
async fn watch(daemon: &Daemon, current: &Current, notifier: &Notifier) {
    let Some(limit) = notifier.watchdog() else { return std::future::pending().await };
    loop {
        // What is told last is told in time, too: the proof may take a third, and a third is left.
        tokio::time::sleep(limit / 3).await;
        if tokio::time::timeout(limit / 3, daemon.alive(current)).await.is_ok() {
            notifier.alive();
        } else {
            tracing::error!(
                event = "not_alive",
                "a thread that answers, or the store's, does not come back; systemd is not told that all is well"
            );
        }
    }
}

pub(super) fn hear(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::failed(format!("cannot listen for signals: {error}")))
}

/// Opens the store that the configuration names.
pub(super) fn open_store(configuration: &Configuration) -> Result<Stores, Failure> {
    match &configuration.store {
        StoreEntry::Memory => Ok(Stores::of(Arc::new(Memory::new()))),
        StoreEntry::Sqlite { file, durability } => match Sqlite::open(file, *durability) {
            Ok(store) => Ok(Stores::of(Arc::new(store))),
            Err(fault) => Err(Failure::failed(fault.to_string())),
        },
    }
}

/// Reads keys, storages and templates, and puts the site together; all that is wrong is said at once.
pub(super) fn site(configuration: Configuration, stores: Stores) -> Result<Site, Failure> {
    let desk = Arc::new(Desk::new(random::bytes()));
    let named = Named::read(&configuration, desk, &Directories::default()).map_err(|faults| Failure::named(&faults))?;
    let Named { keys, logins, storages, directories, pages, couriers } = named;
    Site::new(configuration, keys, logins, storages, directories, stores, pages)
        .map(|site| site.with_couriers(couriers))
        .map_err(|fault| Failure::configuration(format!("server.public_url: {fault}")))
}

/// The same beside a running daemon, which holds the public directories: they are left to it.
pub(super) fn site_beside(configuration: Configuration, stores: Stores) -> Result<Site, Failure> {
    let directories = configuration.directories.clone();
    let mut site = site(Configuration { directories: Vec::new(), ..configuration }, stores)?;
    site.configuration.directories = directories;
    Ok(site)
}

/// The signals that the daemon hears.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// What a signal says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    /// SIGTERM, SIGINT.
    Stop,
    /// SIGHUP.
    Reload,
}

impl Signals {
    fn hear() -> Result<Self, Failure> {
        let [terminate, interrupt, hangup] = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(hear);
        Ok(Self { terminate: terminate?, interrupt: interrupt?, hangup: hangup? })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Told::Stop,
            _ = self.interrupt.recv() => Told::Stop,
            _ = self.hangup.recv() => Told::Reload,
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
    pub(super) fn start(current: &Current, mut passed: Passed) -> Result<Self, Failure> {
        let site = current.site();
        let mut stations = Vec::new();
        let (mut faults, mut misplaced) = (Vec::new(), Vec::new());
        for listener in &site.configuration.listeners {
            match open(listener, &mut passed) {
                Ok(bound) => {
                    misplaced.extend(without_peers(&site.configuration, listener, &bound));
                    let secret = match listener.secret.as_deref().map(secret).transpose() {
                        Ok(secret) => secret,
                        Err(fault) => {
                            faults.push(fault);
                            continue;
                        }
                    };
                    stations.push(Station {
                        bound,
                        answers: answers(current, listener.serve),
                        limits: Limits::of(listener.serve),
                        metrics: Arc::clone(&site.metrics),
                        secret,
                    });
                }
                Err(fault) => faults.push(fault.to_string()),
            }
        }
        // Whoever connects to a socket that nobody serves would wait for ever.
        let left = |name| format!("a socket called `{name}` was passed, and no [[listener]] has address = \"systemd:{name}\"");
        faults.extend(passed.left().map(left));
        if !misplaced.is_empty() {
            let misplaced = misplaced.iter().map(ToString::to_string);
            return Err(Failure::Configuration(misplaced.chain(faults).collect()));
        }
        if !faults.is_empty() {
            return Err(Failure::failed(faults.join("\ncloakroom: ")));
        }
        if let Err(short) = descriptors::allow(descriptors::needed(stations.iter().map(|station| &station.bound))) {
            let Shortage { allowed, needed } = short;
            tracing::warn!(
                "only {allowed} open files are allowed, every connection at once needs {needed}: raise LimitNOFILE, or lower connections_max"
            );
        }
        let sweep = Sweep::start(current.clone())?;
        let feed = Follower::start(current, &sweep.handle)?;
        // A port that was given as 0 has its number now.
        let bound: Vec<_> = stations.iter().map(|station| (station.bound.to_string(), station.bound.serve.word())).collect();
        let threads = site.configuration.threads.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
        let wire = start(stations, threads).map_err(|error| Failure::failed(format!("cannot start: {error}")))?;
        for (address, serve) in bound {
            tracing::info!(event = "listening", address, serve);
        }
        Ok(Self { wire, sweep, feed })
    }

    /// Comes back when every thread that answers has, and the thread of the store that decides.
    async fn alive(&self, current: &Current) {
        self.wire.alive().await;
        let store = Arc::clone(&current.site().store);
        while !store.has_ended() {
            match store.count(Vec::new()).await {
                // It is full of what waits before; a store that says why it does not decide is alive.
                Err(Down::Full) => tokio::time::sleep(STORE_PAUSE).await,
                Ok(()) | Err(Down::Unreachable) => return,
            }
        }
        std::future::pending::<()>().await;
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

/// The secret that Apache has to say, or what is wrong with its file.
fn secret(file: &Path) -> Result<Secret, String> {
    let wrong = |what: &str| format!("the secret of a listener: {}: {what}; make one with `cloakroom key new`", file.display());
    let line = keys::secret_line(file).map_err(|cause| wrong(&cause.to_string()))?;
    Secret::parse(line).ok_or_else(|| wrong(&format!("is not a line of at least {SECRET_LENGTH_MIN} letters, digits, `-` and `_`")))
}

/// What a listener asks for that its socket, which was passed and is a unix socket, cannot give: peers with addresses.
fn without_peers(configuration: &Configuration, listener: &Listener, bound: &Bound) -> Vec<Fault> {
    let (places, address) = (&configuration.places, listener.address.to_string());
    let mut faults = Vec::new();
    if !bound.is_passed_unix() {
        return faults;
    }
    let tcp = "where peers have no address: what was passed must be a TCP socket, such as ListenStream=127.0.0.1:8470";
    if listener.serve == Serve::Web(Dialect::Standalone) {
        let message = format!("must not be \"standalone\" on a unix socket, {tcp}");
        faults.push(places.fault("listener.dialect", &address, message));
    }
    if places.has("listener.trusted_peers", &address) {
        let message = format!("has no place on a unix socket, {tcp}, or guarded by SocketMode= and SocketGroup= alone");
        faults.push(places.fault("listener.trusted_peers", &address, message));
    }
    faults
}

/// Who answers on a listener.
fn answers(current: &Current, serve: Serve) -> Answers<Web> {
    let current = current.clone();
    match serve {
        Serve::Web(dialect) => Answers::Web(Web { current, dialect }),
        Serve::Api => Answers::Router(api::router(current)),
        Serve::Admin => {
            Answers::Router(admin::router(Admin { metrics: Arc::clone(&current.site().metrics), health: Arc::new(Health(current)) }))
        }
    }
}

/// Answers web servers and, on a standalone listener, customers.
struct Web {
    current: Current,
    dialect: Dialect,
}

impl Handler for Web {
    async fn answer(&self, head: Parts, peer: Peer) -> Response<Payload> {
        let dialect = self.dialect;
        let site = &self.current.site();
        match answer(site, dialect, peer.address(), &head).await {
            Reply::Answer(answer) => wire::respond(answer),
            Reply::Stream(sending, question) => match stream::open(site, *sending, &question, &head.headers) {
                Ok((head, body)) => streamed(head, body),
                Err(refusal) => wire::respond(refuse_late(site, dialect, &question, refusal)),
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

/// Whoever removes, copies and lists files for the sweep lets those go first who answer.
const SWEEP_NICE: i32 = 10;

/// The thread that ends what is due, watches public directories, and brings numbers to the store.
struct Sweep {
    handle: tokio::runtime::Handle,
    /// Takes how long the store has for what is left.
    stop: oneshot::Sender<Duration>,
    thread: JoinHandle<()>,
}

impl Sweep {
    fn start(current: Current) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::failed(format!("cannot start the sweep: {error}"));
        // On Linux this is about the thread that starts. Where it is not allowed, sweeping is as important as answering.
        let gently = || {
            let _ = rustix::process::nice(SWEEP_NICE);
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().on_thread_start(gently).build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let site = current.site();
        let (counted, store) = (Arc::clone(&site.refusals), Arc::clone(&site.store));
        let work = move || {
            runtime.block_on(async {
                let patience = tokio::select! {
                    () = settle::sweep(&current) => LAST_REPORTS,
                    () = watching::watch(&current) => LAST_REPORTS,
                    () = htpasswd::keep(&current) => LAST_REPORTS,
                    () = refusals::keep(&counted, &*store) => LAST_REPORTS,
                    () = streams::keep(&current) => LAST_REPORTS,
                    () = copies::work(&current) => LAST_REPORTS,
                    () = zen_cart::keep(&current) => LAST_REPORTS,
                    () = scan::keep(&current) => LAST_REPORTS,
                    () = waiting::keep(&current) => LAST_REPORTS,
                    () = outbox::work(&current) => LAST_REPORTS,
                    () = privacy::keep(&current) => LAST_REPORTS,
                    // The sender is dropped or used: both mean the end.
                    patience = stopped => patience.unwrap_or(LAST_REPORTS),
                };
                streams::bring_last(&current, patience).await;
                outbox::rest(&current, LAST_REPORTS).await;
                refusals::bring_last(&counted, &*store).await;
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

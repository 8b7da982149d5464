//! Threads that accept and answer, and their orderly end.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::{sleep, timeout};

use super::caught::{Caught, Ear, Loose};
use super::cgi::{self, Talk};
use super::connection::{self, Door};
use super::fastcgi;
use super::limits::{ACCEPT_PAUSE, Limits, QUEUE_LOOK, START, STOP_PAUSE};
use super::listener::{Bound, Socket};
use super::socket_file::SocketFile;
use super::{Handler, Peer, Secret, Tally};
use crate::config::Serve;
use crate::dialect::Dialect;
use crate::dialect::apache::Protocol;
use crate::service::metrics::{Metrics, OpenConnection};

/// Who answers the requests of a listener.
pub enum Answers<H> {
    /// Questions of web servers, answered from the head alone.
    Web(H),
    /// The API or the admin pages; small bodies are read before the router is asked, and who calls is an extension of the
    /// request: [`Caller`](crate::service::caller::Caller).
    Router(axum::Router),
}

/// A listener, who answers there, and within which limits.
pub struct Station<H> {
    /// The socket.
    pub bound: Bound,
    /// Who answers.
    pub answers: Answers<H>,
    /// Within which limits: [`Limits::of`], unless a test has others.
    pub limits: Limits,
    /// What its connections are counted in, beside its own [`Tally`].
    pub metrics: Arc<Metrics>,
    /// What a web server has to say with each request to be believed, if anything.
    pub secret: Option<Secret>,
}

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Not at all.
    Serving,
    /// Nothing is accepted any more, idle connections are closed.
    Closing,
    /// What still runs is cut.
    Cutting,
}

/// Threads at work. Dropping it closes the listeners and lets what runs come to its end unsupervised; [`Running::drain`]
/// is the orderly way.
pub struct Running {
    stage: watch::Sender<Stage>,
    stopping: Arc<AtomicBool>,
    loads: Arc<[AtomicUsize]>,
    /// Closed when the last thread has ended.
    ended: mpsc::Receiver<()>,
    threads: Vec<JoinHandle<()>>,
    files: Vec<SocketFile>,
    /// The sockets that nobody takes over when we end: who waits in their queues would be lost.
    queues: Vec<OwnedFd>,
    /// The event loop of each thread.
    loops: Vec<Handle>,
    tallies: Vec<(String, Arc<Tally>)>,
}

/// A connection on its way to the thread where it stays.
struct Arrived<H> {
    socket: Loose,
    guest: Guest<H>,
}

/// What a connection has besides its socket.
struct Guest<H> {
    door: Arc<Door<H>>,
    stay: Stay,
}

/// What a connection takes, and gives back when it ends, however it ends.
struct Stay {
    tally: Arc<Tally>,
    _open: OpenConnection,
    load: Load,
    _place: OwnedSemaphorePermit,
}

impl Stay {
    fn begin<H>(door: &Door<H>, load: Load, place: OwnedSemaphorePermit) -> Self {
        door.tally.note_accepted();
        Self { tally: Arc::clone(&door.tally), _open: door.metrics.connection(door.serve), load, _place: place }
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.tally.note_closed();
    }
}

/// One connection more on a thread, as long as it lives.
struct Load {
    loads: Arc<[AtomicUsize]>,
    thread: usize,
}

impl Load {
    /// Takes a seat on the thread with the fewest connections; on `here` if it is one of them, since that costs no way.
    fn lightest(loads: &Arc<[AtomicUsize]>, here: usize) -> Self {
        let count = |load: &AtomicUsize| load.load(Ordering::Relaxed);
        let thread =
            loads.iter().enumerate().min_by_key(|&(thread, load)| (count(load), thread != here)).map_or(here, |(thread, _)| thread);
        if let Some(load) = loads.get(thread) {
            load.fetch_add(1, Ordering::Relaxed);
        }
        Self { loads: Arc::clone(loads), thread }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        if let Some(load) = self.loads.get(self.thread) {
            load.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// What a thread needs to accept for all of them.
struct Hands<H> {
    thread: usize,
    loads: Arc<[AtomicUsize]>,
    inboxes: Arc<[mpsc::UnboundedSender<Arrived<H>>]>,
    stages: watch::Receiver<Stage>,
}

impl<H> Clone for Hands<H> {
    fn clone(&self) -> Self {
        Self { thread: self.thread, loads: Arc::clone(&self.loads), inboxes: Arc::clone(&self.inboxes), stages: self.stages.clone() }
    }
}

/// Starts `threads` threads that serve `stations`. The error is the system's: no thread, or no event loop, to be had.
pub fn start<H: Handler>(stations: Vec<Station<H>>, threads: NonZeroUsize) -> io::Result<Running> {
    let (stage, stages) = watch::channel(Stage::Serving);
    let stopping = Arc::new(AtomicBool::new(false));
    let loads: Arc<[AtomicUsize]> = (0..threads.get()).map(|_| AtomicUsize::new(0)).collect();
    let (mut doors, mut files, mut queues, mut tallies) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for Station { mut bound, answers, limits, metrics, secret } in stations {
        files.extend(bound.file.take());
        if !bound.is_passed() {
            queues.push(bound.socket.again()?);
        }
        let door = Arc::new(Door::new(&bound, answers, limits, metrics, secret, Arc::clone(&stopping)));
        tallies.push((door.name.clone(), Arc::clone(&door.tally)));
        let trusted = Arc::new(bound.trusted_peers);
        doors.push((door, bound.socket, trusted));
    }
    let (inboxes, outboxes): (Vec<_>, Vec<_>) = (0..threads.get()).map(|_| mpsc::unbounded_channel()).unzip();
    let inboxes: Arc<[_]> = inboxes.into();
    let (alive, ended) = mpsc::channel(1);
    let mut running = Running { stage, stopping, loads, ended, threads: Vec::new(), files, queues, loops: Vec::new(), tallies };
    for (thread, inbox) in outboxes.into_iter().enumerate() {
        let hands = Hands { thread, loads: Arc::clone(&running.loads), inboxes: Arc::clone(&inboxes), stages: stages.clone() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        running.loops.push(runtime.handle().clone());
        let mut gates = Vec::new();
        for (door, socket, trusted) in &doors {
            let _inside = runtime.enter();
            let socket = match socket {
                Socket::Unix(socket) => Ear::Unix(UnixListener::from_std(socket.try_clone()?)?),
                Socket::Tcp(socket) => Ear::Tcp(TcpListener::from_std(socket.try_clone()?)?),
            };
            gates.push(Gate { door: Arc::clone(door), socket, trusted: Arc::clone(trusted) });
        }
        let alive = alive.clone();
        let work = move || {
            runtime.block_on(work(gates, inbox, hands));
            // What was cut ends here.
            drop(runtime);
            drop(alive);
        };
        running.threads.push(std::thread::Builder::new().name(format!("wire-{thread}")).spawn(work)?);
    }
    Ok(running)
}

impl Running {
    /// What each listener counts, by its address.
    pub fn tallies(&self) -> &[(String, Arc<Tally>)] {
        &self.tallies
    }

    /// Connections that are open.
    pub fn open(&self) -> usize {
        self.loads.iter().map(|load| load.load(Ordering::Relaxed)).sum()
    }

    /// Comes back when each thread has answered; never, while one of them does not come back to its event loop.
    pub async fn alive(&self) {
        for thread in &self.loops {
            if thread.spawn(async {}).await.is_err() {
                // Its event loop has ended.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Stops in order: the sockets' files go, so that nobody new comes, and who waits in the kernel's queues is still
    /// accepted; answers close their connections, idle connections are closed, running requests have `grace` to end. Gives
    /// how many connections were cut then. Who waits in the queue of a socket that was passed waits for the next process.
    pub async fn drain(mut self, grace: Duration) -> usize {
        self.stopping.store(true, Ordering::Relaxed);
        self.files.clear();
        // Whoever comes by TCP can come for ever.
        let _ = timeout(STOP_PAUSE, taken(&self.queues)).await;
        self.stage.send_replace(Stage::Closing);
        let mut cut = 0;
        if timeout(grace, self.ended.recv()).await.is_err() {
            cut = self.open();
            tracing::warn!(connections = cut, "cut what had not ended in time");
            self.stage.send_replace(Stage::Cutting);
            // Only a thread that never comes back to its event loop is not back by then.
            if timeout(STOP_PAUSE * 10, self.ended.recv()).await.is_err() {
                return cut;
            }
        }
        for thread in std::mem::take(&mut self.threads) {
            // Its channel is closed, so it has nothing left to do; a panic in it was logged when it happened.
            let _ = thread.join();
        }
        cut
    }
}

/// Waits until nobody waits in these queues.
async fn taken(queues: &[OwnedFd]) {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    for queue in queues {
        while poll(&mut [PollFd::new(queue, PollFlags::IN)], Some(&at_once)).is_ok_and(|waiting| waiting > 0) {
            sleep(QUEUE_LOOK).await;
        }
    }
}

/// A listener, as one thread sees it.
struct Gate<H> {
    door: Arc<Door<H>>,
    socket: Ear,
    trusted: Arc<Vec<ipnet::IpNet>>,
}

/// One thread's work.
async fn work<H: Handler>(gates: Vec<Gate<H>>, mut inbox: mpsc::UnboundedReceiver<Arrived<H>>, hands: Hands<H>) {
    let mut stages = hands.stages.clone();
    let later = stages.clone();
    let (alive, mut all_ended) = mpsc::channel::<()>(1);
    for gate in gates {
        let starting = Arc::clone(&gate.door.starting);
        if starting.load(Ordering::Relaxed) {
            tokio::spawn(async move {
                sleep(START).await;
                starting.store(false, Ordering::Relaxed);
            });
        }
        tokio::spawn(accept(gate, hands.clone(), alive.clone()));
    }
    // Only accepting threads can send any more: the inbox ends with the last of them.
    drop(hands);
    let everything = async {
        while let Some(arrived) = inbox.recv().await {
            if let Ok(caught) = arrived.socket.caught() {
                welcome(caught, arrived.guest, later.clone(), alive.clone());
            }
        }
        drop(alive);
        all_ended.recv().await;
    };
    tokio::select! {
        () = everything => {}
        () = reached(&mut stages, Stage::Cutting) => {}
    }
}

/// Waits until the end has come so far; a controller that is gone has ordered the closing.
async fn reached(stages: &mut watch::Receiver<Stage>, stage: Stage) {
    if stages.wait_for(|now| *now >= stage).await.is_err() && stage > Stage::Closing {
        std::future::pending::<()>().await;
    }
}

/// Accepts until the closing, whatever happens.
async fn accept<H: Handler>(gate: Gate<H>, hands: Hands<H>, alive: mpsc::Sender<()>) {
    let mut stages = hands.stages.clone();
    tokio::select! {
        () = reached(&mut stages, Stage::Closing) => {}
        () = accept_forever(&gate, &hands, &alive) => {}
    }
}

async fn accept_forever<H: Handler>(gate: &Gate<H>, hands: &Hands<H>, alive: &mpsc::Sender<()>) {
    let door = &gate.door;
    // A place is taken first: when there is none, connections wait in the kernel's queue, and nobody is turned away
    // whom a place would have been found for a moment later.
    while let Some(place) = place(door).await {
        let caught = next(gate).await;
        let stay = Stay::begin(door, Load::lightest(&hands.loads, hands.thread), place);
        let thread = stay.load.thread;
        let guest = Guest { door: Arc::clone(door), stay };
        match hands.inboxes.get(thread) {
            Some(inbox) if thread != hands.thread => {
                if let Ok(socket) = caught.loose() {
                    // A thread that is gone has dropped its inbox; the connection is closed with it.
                    let _ = inbox.send(Arrived { socket, guest });
                }
            }
            _ => welcome(caught, guest, hands.stages.clone(), alive.clone()),
        }
    }
}

/// A free place; waits for one.
async fn place<H: Handler>(door: &Door<H>) -> Option<OwnedSemaphorePermit> {
    if let Ok(place) = Arc::clone(&door.places).try_acquire_owned() {
        return Some(place);
    }
    // Another thread may hold the last one and wait; it is full when the connections themselves have them all.
    if door.tally.open() >= door.connections_max {
        door.tally.note_full();
        if let Some(count) = door.full.due() {
            tracing::warn!(listener = %door.name, open = door.connections_max, count, "every place is taken, new connections wait; see `connections_max`");
        }
    }
    Arc::clone(&door.places).acquire_owned().await.ok()
}

/// The next connection of a peer that is trusted.
async fn next<H: Handler>(gate: &Gate<H>) -> Caught {
    let door = &gate.door;
    loop {
        match gate.socket.accept().await {
            Ok(Caught::Tcp(stream, peer)) if !is_trusted(peer, &gate.trusted) => {
                drop(stream);
                door.tally.note_stranger();
                door.metrics.turned_away(door.serve);
                if let Some(count) = door.strangers.due() {
                    let hint = "add it to `trusted_peers` if it is your web server";
                    tracing::warn!(listener = %door.name, peer = %peer.ip(), count, "closed a connection from an address that is not trusted; {hint}");
                }
            }
            Ok(caught) => return caught,
            // The peer is gone again.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) => {}
            Err(error) => {
                door.tally.note_accept_error();
                if let Some(count) = door.errors.due() {
                    tracing::error!(listener = %door.name, count, "cannot accept a connection: {error}");
                }
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_trusted(peer: SocketAddr, trusted: &[ipnet::IpNet]) -> bool {
    let address = peer.ip().to_canonical();
    trusted.iter().any(|network| network.contains(&address))
}

/// Runs a connection on this thread.
fn welcome<H: Handler>(caught: Caught, guest: Guest<H>, stages: watch::Receiver<Stage>, alive: mpsc::Sender<()>) {
    let Guest { door, stay } = guest;
    tokio::spawn(async move {
        let _until_the_end = (stay, alive);
        match caught {
            Caught::Unix(stream) => {
                // Who it is matters where something is done and not only asked.
                let is_asked = matches!(door.answers, Answers::Router(_));
                let user = if is_asked { stream.peer_cred().ok().map(|peer| peer.uid()) } else { None };
                converse(stream, Peer::Unix(user), door, stages).await;
            }
            Caught::Tcp(stream, peer) => {
                // Answers are small and must not wait for one another.
                let _ = stream.set_nodelay(true);
                converse(stream, Peer::Tcp(peer), door, stages).await;
            }
        }
    });
}

/// Runs a connection in the protocol of its listener.
async fn converse<S, H>(stream: S, peer: Peer, door: Arc<Door<H>>, stages: watch::Receiver<Stage>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Handler,
{
    match door.serve {
        Serve::Web(Dialect::Apache(Protocol::FastCgi)) => {
            cgi::run(stream, peer, Talk::FastCgi(fastcgi::Reader::default()), door, stages).await;
        }
        Serve::Web(Dialect::Apache(Protocol::Scgi)) => cgi::run(stream, peer, Talk::Scgi, door, stages).await,
        Serve::Web(_) | Serve::Api | Serve::Admin => connection::run(stream, peer, door, stages).await,
    }
}

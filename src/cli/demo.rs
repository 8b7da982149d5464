//! `cloakroom demo`: everything at work in a temporary directory.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use clap::{Args, ValueEnum};
use tokio::signal::unix::{Signal, SignalKind};
use zeroize::Zeroizing;

use super::failure::Failure;
use super::serve::{self, Daemon};
use super::terminal::Signs;
use super::{Common, say, signs, terminal};
use crate::config;
use crate::domain::delivery::State;
use crate::domain::file::{FileRef, StorageName};
use crate::domain::id::base32;
use crate::domain::moment::Span;
use crate::domain::path::{CanonicalPath, FilePath};
use crate::domain::policy::Policy;
use crate::proof::signed_url::{self, Terms};
use crate::service::address;
use crate::service::issue::{Wanted, issue};
use crate::service::repeated::Ids;
use crate::service::site::{Current, Event, Site};
use crate::wire::passed::Passed;
use crate::{clock, keys, random};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// What stands in front: a private Nginx, or nothing.
    #[arg(long, value_name = "WHICH", value_enum, default_value_t = WebServer::Auto)]
    web_server: WebServer,

    /// The port to listen on; a free one if none is named.
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum WebServer {
    /// Nginx if it is installed, else nothing.
    Auto,
    /// Nginx, or fail.
    Nginx,
    /// Nothing: Cloakroom answers the customer itself.
    None,
}

/// Large enough to be watched, stopped and resumed.
const SAMPLE_BYTES: usize = 32 * 1024 * 1024;

/// A name as people give them, with all that is hard in it.
const SAMPLE_NAME: &str = "Grüße & Küsse.txt";

/// How long the private Nginx may take to answer.
const NGINX_PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<(), Failure> {
    let nginx = match arguments.web_server {
        WebServer::None => None,
        WebServer::Auto => find_nginx(),
        WebServer::Nginx => {
            Some(find_nginx().ok_or_else(|| Failure::failed("Nginx is not installed (`apt install nginx`), or use --web-server none"))?)
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| Failure::failed(error.to_string()))?;
    let mut ends = runtime.block_on(async { Ends::listen() })?;
    let place = Place::make(free_port(arguments.port)?)?;
    place.fill(nginx.is_some())?;
    let configuration = config::load(&place.file("cloakroom.toml"))?;
    for entry in &configuration.keys {
        keys::create(&entry.file, &*Zeroizing::new(random::bytes::<32>())).map_err(|fault| Failure::failed(fault.to_string()))?;
    }
    let store = serve::open_store(&configuration)?;
    let current = Current::new(serve::site(configuration, store)?);
    let site = current.site();
    let events = site.follow();
    let daemon = Daemon::start(&current, Passed::none())?;
    let front = nginx.map(|nginx| Front::start(&nginx, &place)).transpose()?;
    runtime.block_on(async {
        say(welcome(&site, &place, front.is_some()).await?)?;
        tokio::select! {
            told = follow(events, common.json) => told,
            () = ends.come() => Ok(()),
        }
    })?;
    drop(front);
    runtime.block_on(daemon.stop());
    drop(place);
    say("\nstopped; the temporary directory is gone")
}

/// What ends the demo: Ctrl-C, a request to stop, a terminal that is closed. Heard from the start on, or a Ctrl-C that
/// comes early would leave the directory and its Nginx behind.
struct Ends([Signal; 3]);

impl Ends {
    fn listen() -> Result<Self, Failure> {
        Ok(Self([serve::hear(SignalKind::interrupt())?, serve::hear(SignalKind::terminate())?, serve::hear(SignalKind::hangup())?]))
    }

    async fn come(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

fn find_nginx() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian keeps it where ordinary users' PATH does not look.
    let places = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    places.map(|place| place.join("nginx")).find(|program| program.is_file())
}

fn free_port(wanted: u16) -> Result<u16, Failure> {
    let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, wanted)).map_err(|error| Failure::failed(format!("port {wanted}: {error}")))?;
    probe.local_addr().map(|address| address.port()).map_err(|error| Failure::failed(error.to_string()))
}

/// The temporary directory; it goes with everything in it.
struct Place {
    root: PathBuf,
    port: u16,
}

impl Place {
    fn make(port: u16) -> Result<Self, Failure> {
        let root = std::env::temp_dir().join(format!("cloakroom-demo-{}", base32(&random::bytes::<5>())));
        fs::DirBuilder::new().mode(0o755).create(&root).map_err(|error| Failure::failed(format!("{}: {error}", root.display())))?;
        Ok(Self { root, port })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn fill(&self, behind_nginx: bool) -> Result<(), Failure> {
        self.write_all(behind_nginx).map_err(|error| Failure::failed(format!("{}: {error}", self.root.display())))
    }

    fn write_all(&self, behind_nginx: bool) -> std::io::Result<()> {
        for folder in ["state/keys", "masters/set", "site/members", "run", "log", "tmp"] {
            fs::create_dir_all(self.file(folder))?;
        }
        fs::set_permissions(self.file("state"), fs::Permissions::from_mode(0o700))?;
        fs::write(self.file("masters/set/album.zip"), sample(SAMPLE_BYTES))?;
        fs::write(self.file("masters").join(SAMPLE_NAME), "Eine Datei mit einem Namen, wie Menschen sie vergeben.\n")?;
        fs::write(self.file("site/members/index.html"), "<!doctype html>\n<title>Members</title>\n<p>You are in.\n")?;
        fs::write(self.file("log/cloakroom.log"), "")?;
        fs::write(self.file("cloakroom.toml"), self.configuration(behind_nginx))
    }

    /// The configuration of the README, with this directory's paths.
    fn configuration(&self, behind_nginx: bool) -> String {
        let Self { root, port } = self;
        let root = root.display();
        let mut text = format!(
            "[server]\nstate_dir = \"{root}/state\"\npublic_url = \"http://127.0.0.1:{port}/dl/\"\n\n\
             [[key]]\nid = \"main\"\nfile = \"keys/main\"\nuse = \"sign\"\n\n\
             [[listener]]\naddress = \"unix:{root}/run/api.sock\"\nserve = \"api\"\n\n"
        );
        if behind_nginx {
            let _ = write!(
                text,
                "[[listener]]\naddress = \"unix:{root}/run/nginx.sock\"\ndialect = \"nginx\"\nserve = \"web\"\n\n\
                 [[storage]]\nname = \"masters\"\npath = \"{root}/masters\"\nhandoff = \"/_cloakroom/masters/\"\n\n\
                 [[rule]]\npath = \"/members/\"\naccept = [\"signed-url\"]\n\n\
                 [feed]\naccess_log = \"{root}/log/cloakroom.log\"\n"
            );
        } else {
            let _ = write!(
                text,
                "[[listener]]\naddress = \"127.0.0.1:{port}\"\ndialect = \"standalone\"\nserve = \"web\"\n\n\
                 [[storage]]\nname = \"masters\"\npath = \"{root}/masters\"\n\n\
                 [[policy]]\nname = \"default\"\nmethod = [\"stream\"]\n"
            );
        }
        text
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.root) {
            eprintln!("cloakroom: {} is left behind: {error}", self.root.display());
        }
    }
}

/// Bytes that do not compress and are the same everywhere: xorshift64.
fn sample(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// A private Nginx with the shipped configuration.
struct Front(Child);

impl Front {
    fn start(nginx: &Path, place: &Place) -> Result<Self, Failure> {
        let fault = |what: &str, error: &dyn std::fmt::Display| Failure::failed(format!("the private Nginx {what}: {error}"));
        write_nginx_files(place).map_err(|error| fault("cannot be configured", &error))?;
        let child = Command::new(nginx)
            .arg("-p")
            .arg(&place.root)
            .arg("-c")
            .arg(place.file("nginx.conf"))
            .arg("-e")
            .arg(place.file("log/error.log"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| fault("cannot be started", &error))?;
        let mut front = Self(child);
        front.wait(place).map_err(|error| fault("does not answer", &error))?;
        Ok(front)
    }

    fn wait(&mut self, place: &Place) -> Result<(), String> {
        let gives_up = clock::now() + Span::from_millis(u64::try_from(NGINX_PATIENCE.as_millis()).unwrap_or(u64::MAX));
        while TcpStream::connect((Ipv4Addr::LOCALHOST, place.port)).is_err() {
            let ended = self.0.try_wait().map_err(|error| error.to_string())?.is_some();
            if ended || clock::now() > gives_up {
                return Err(fs::read_to_string(place.file("log/error.log")).unwrap_or_default());
            }
            thread_pause();
        }
        Ok(())
    }
}

fn thread_pause() {
    std::thread::park_timeout(Duration::from_millis(20));
}

impl Drop for Front {
    fn drop(&mut self) {
        // SIGTERM, so that the master takes its workers along.
        if let Some(pid) = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.0.wait();
    }
}

/// The files of conf-examples/nginx as they are shipped, with this directory's paths in place of the system's.
const SNIPPETS: &[(&str, &str)] = &[
    ("cloakroom.conf", include_str!("../../conf-examples/nginx/cloakroom.conf")),
    ("headers.conf", include_str!("../../conf-examples/nginx/headers.conf")),
    ("locations.conf", include_str!("../../conf-examples/nginx/locations.conf")),
    ("protect.conf", include_str!("../../conf-examples/nginx/protect.conf")),
    ("members.conf", include_str!("../../conf-examples/nginx/members.conf")),
];

fn write_nginx_files(place: &Place) -> std::io::Result<()> {
    let root = place.root.display().to_string();
    fs::create_dir_all(place.file("cloakroom"))?;
    for (name, text) in SNIPPETS {
        let text = text
            .replace("/run/cloakroom/", &format!("{root}/run/"))
            .replace("/srv/downloads/", &format!("{root}/masters/"))
            .replace("/var/log/nginx/", &format!("{root}/log/"));
        fs::write(place.file("cloakroom").join(name), text)?;
    }
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    let port = place.port;
    let temporary =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|kind| format!("    {kind}_temp_path {root}/tmp/{kind};\n")).concat();
    let text = format!(
        "{user}daemon off;\nworker_processes 1;\npid {root}/nginx.pid;\nerror_log {root}/log/error.log;\n\
         events {{ worker_connections 512; }}\n\
         http {{\n    access_log off;\n    sendfile on;\n{temporary}    types {{ text/html html; }}\n    include {root}/cloakroom/cloakroom.conf;\n\
         \x20   server {{\n        listen 127.0.0.1:{port};\n        root {root}/site;\n\
         \x20       include {root}/cloakroom/locations.conf;\n        include {root}/cloakroom/members.conf;\n    }}\n}}\n"
    );
    fs::write(place.file("nginx.conf"), text)
}

/// What to try, and what should come of it.
async fn welcome(site: &Site, place: &Place, behind_nginx: bool) -> Result<String, Failure> {
    let file = |path: &str| {
        let storage = StorageName::parse("masters").ok_or_else(|| Failure::failed("storage"))?;
        let path = FilePath::parse(path).map_err(|fault| Failure::failed(fault.to_string()))?;
        Ok::<_, Failure>(FileRef { storage, path })
    };
    let signed = sign(site, &address::file_path(site.public_url(), &file(SAMPLE_NAME)?))?;
    let wanted = Wanted { file: file("set/album.zip")?, customer: "demo".to_owned(), policy: policy(site), letter: None };
    let issued = issue(site, wanted, "demo".to_owned(), Ids::Random).await;
    let counted = issued.map_err(|fault| Failure::failed(fault.to_string()))?.url;
    let front = if behind_nginx { "a private Nginx, which sends the bytes" } else { "nothing: Cloakroom sends the bytes itself" };
    let becomes = if signs() == Signs::Unicode { "→ " } else { "->" };
    let mut text = format!(
        "Cloakroom at http://127.0.0.1:{}/\nin front: {front}\neverything lies in {}\n\n\
         1  A signed URL: stateless, valid for an hour.\n   {becomes} 200; a browser saves it as `{SAMPLE_NAME}`\n\n   curl -i '{signed}'\n\n\
         2  The same with one character changed.\n   {becomes} 403 bad_proof, a page with a support code\n\n   curl -i '{}'\n\n\
         3  A counted link: 5 downloads. Stop it with Ctrl-C and run it again.\n   {becomes} 303, then 200; it goes on where it stopped, and counts once\n\n   \
         curl -L -C - --limit-rate 4M -o album.zip '{counted}'\n",
        place.port,
        place.root.display(),
        altered(&signed),
    );
    if behind_nginx {
        let members = sign(site, "/members/index.html")?;
        let _ = write!(
            text,
            "\n4  A page that the site already serves, protected by auth_request.\n   {becomes} 401 no_proof, then 200\n\n   curl -i 'http://127.0.0.1:{}/members/index.html'\n   curl '{members}'\n",
            place.port
        );
    }
    let _ = write!(
        text,
        "\nWhy was something refused? What was sent?\n\n   {program} --config {config} explain R-XXXX-XXXX\n   {program} --config {config} delivery show\n\nCtrl-C ends it and cleans up. What happens now:\n",
        program = std::env::args().next().unwrap_or_else(|| "cloakroom".to_owned()),
        config = place.file("cloakroom.toml").display(),
    );
    Ok(text)
}

fn policy(site: &Site) -> Policy {
    site.configuration.default_policy().clone()
}

fn sign(site: &Site, path: &str) -> Result<String, Failure> {
    let path = CanonicalPath::parse(path).map_err(|fault| Failure::failed(fault.to_string()))?;
    let key = site.keys.signing().ok_or_else(|| Failure::failed("no key signs"))?;
    let terms =
        Terms { expires: clock::now() + Span::from_hours(1), not_before: None, network: None, prefix: None, name: None, rate: None };
    Ok(format!("{}{}", site.public_url().origin, signed_url::sign(site.name(), &path, &terms, key)))
}

/// The URL with the first character of its signature changed.
fn altered(url: &str) -> String {
    let Some((head, sig)) = url.split_once("&sig=") else { return url.to_owned() };
    let mut rest = sig.chars();
    let other = if rest.next() == Some('A') { 'B' } else { 'A' };
    format!("{head}&sig={other}{}", rest.as_str())
}

/// Prints what happens, as it happens.
async fn follow(mut events: tokio::sync::broadcast::Receiver<Event>, json: bool) -> Result<(), Failure> {
    loop {
        match events.recv().await {
            Ok(event) => {
                say(if json { json_line(&event) } else { line(&event) })?;
                let _ = std::io::stdout().flush();
            }
            Err(tokio::sync::broadcast::error::RecvError::Lagged(missed)) => say(format!("… {missed} events were too fast to print"))?,
            Err(tokio::sync::broadcast::error::RecvError::Closed) => return Ok(()),
        }
    }
}

fn line(event: &Event) -> String {
    match event {
        Event::Refused(refused) => {
            let code = crate::domain::support::SupportCode::of(&refused.request);
            format!("{}  refused    {}  {}  {code}", clock::now(), refused.refusal, refused.subject)
        }
        Event::Changed(change) => {
            let share = terminal::percent(change.covered, change.size);
            let what = match (change.state, change.before) {
                (state, before) if state == before => "received",
                (State::Open, _) => "opened",
                (state, _) => state.word(),
            };
            format!("{}  {what:<9}  {}  {share}", clock::now(), change.delivery)
        }
        Event::Asked(asked) => format!("{}  asked      {}  {}", clock::now(), asked.why, asked.grant),
    }
}

fn json_line(event: &Event) -> String {
    match event {
        Event::Refused(refused) => serde_json::json!({
            "event": "refused", "refusal": refused.refusal.code(), "subject": refused.subject,
            "support": crate::domain::support::SupportCode::of(&refused.request).to_string(),
        }),
        Event::Changed(change) => serde_json::json!({
            "event": "delivery", "delivery": change.delivery.to_string(), "state": change.state.word(),
            "before": change.before.word(), "covered": change.covered, "size": change.size,
        }),
        Event::Asked(asked) => serde_json::json!({
            "event": "asked_for_more", "order": asked.order.to_string(), "grant": asked.grant.to_string(), "refusal": asked.why.code(),
        }),
    }
    .to_string()
}

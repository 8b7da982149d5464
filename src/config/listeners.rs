//! `[[listener]]`: where we listen, for whom, and whom we believe there.

use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use ipnet::IpNet;

use crate::dialect::Dialect;
use crate::dialect::apache::Protocol;
use crate::domain::units::parse_network;

use super::reader::{Once, Placed, Read, Table};
use super::values::{self, Wrong};

/// How many connections a listener takes that does not say it.
const CONNECTIONS_MAX: u32 = 4096;

/// More connections than this are more than one process has descriptors for.
const CONNECTIONS_LIMIT: u32 = 1_000_000;

/// One place where we listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where.
    pub address: Address,
    /// What it is for.
    pub serve: Serve,
    /// Peers of a TCP listener that are believed; the default is loopback only. Unix sockets are guarded by their mode.
    pub trusted_peers: Vec<IpNet>,
    /// At most so many connections.
    pub connections_max: usize,
    /// The file of the secret that Apache says with each request, absolute or under `state_dir`.
    pub secret: Option<PathBuf>,
}

/// A socket's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `unix:/run/cloakroom/nginx.sock`.
    Unix {
        /// The socket's path.
        path: PathBuf,
        /// Its mode, default 0660.
        mode: u32,
        /// The name of its group, default that of the directory.
        group: Option<String>,
    },
    /// `127.0.0.1:8470`.
    Tcp(SocketAddr),
    /// `systemd:web`: a socket of this name that was open before us.
    Passed(String),
}

/// What a listener is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serve {
    /// Questions of a web server.
    Web(Dialect),
    /// The JSON API.
    Api,
    /// Health and metrics.
    Admin,
}

impl Serve {
    /// The word of the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Web(_) => "web",
            Self::Api => "api",
            Self::Admin => "admin",
        }
    }
}

/// As the configuration writes it.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix { path, .. } => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Passed(name) => write!(f, "systemd:{name}"),
        }
    }
}

/// One `[[listener]]`.
pub(super) struct ReadListener {
    pub(super) header: Range<usize>,
    /// Where `dialect` and `trusted_peers` stand.
    pub(super) dialect_at: Option<Range<usize>>,
    pub(super) peers_at: Option<Range<usize>>,
    /// Known even where something else of the listener is wrong.
    pub(super) serve: Option<Serve>,
    /// Its secret may still be relative.
    pub(super) listener: Option<Listener>,
    /// Where that stands.
    pub(super) secret: Option<Placed<PathBuf>>,
    /// Its name, in faults.
    pub(super) name: String,
}

/// `serve`, before the dialect is known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Web,
    Api,
    Admin,
}

const USES: [(&str, Use); 3] = [("web", Use::Web), ("api", Use::Api), ("admin", Use::Admin)];

/// `dialect`, before the protocol is known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spoken {
    Nginx,
    Apache,
    Standalone,
}

const DIALECTS: [(&str, Spoken); 3] = [("nginx", Spoken::Nginx), ("apache", Spoken::Apache), ("standalone", Spoken::Standalone)];
const DIALECTS_LATER: [&str; 3] = ["lighttpd", "caddy", "haproxy"];
const PROTOCOLS: [(&str, Protocol); 3] =
    [(Protocol::FastCgi.word(), Protocol::FastCgi), (Protocol::Scgi.word(), Protocol::Scgi), (Protocol::Http.word(), Protocol::Http)];

/// Commands read the configuration, too, and nothing was passed to them.
const API_PASSED: &str =
    "must be a unix socket for serve = \"api\", such as \"unix:/run/cloakroom/api.sock\": commands find the daemon by its path";

/// Networks, lock-outs and evidence are about the client's address.
const NO_PEERS: &str =
    "must not be \"standalone\" on a unix socket, where clients have no address: listen on an address and port, such as \"127.0.0.1:8470\"";

/// Whoever made the socket has given it its mode and group.
const NOT_OURS: &str = "has its place on a unix socket that Cloakroom makes; say it in the .socket unit (SocketMode=, SocketGroup=)";

/// One section `[[listener]]`.
pub(super) fn listener(table: &mut Table<'_, '_>, seen: &mut Once) -> ReadListener {
    let address = table.needed_text("address", values::address);
    match address.as_ref().map(|address| &address.value) {
        Some(Address::Unix { path, .. }) => table.once(seen, "address", &path.to_string_lossy()),
        // Port 0 is another port each time.
        Some(Address::Tcp(address)) if address.port() != 0 => table.once(seen, "address", &address.to_string()),
        Some(Address::Passed(name)) => table.once(seen, "address", &format!("systemd:{name}")),
        Some(Address::Tcp(_)) | None => {}
    }
    let (serve, dialect_at) = serve(table);
    let secret = table.text("secret", values::key_path);
    let is_secret_good = !matches!(secret, Read::Faulty);
    let secret = secret.placed();
    let mode = table.text("mode", values::mode).or(values::SOCKET_MODE);
    let group = table.text("group", values::group).optional();
    let peers = table.texts("trusted_peers", |text| parse_network(text).map_err(|wrong| Wrong::Must(wrong.wanted().to_owned())));
    let peers_at = peers.span();
    let peers = peers.optional().map(|peers| peers.into_iter().map(|peer| peer.value).collect());
    let connections_max = table.number("connections_max", 1..=CONNECTIONS_LIMIT).or(CONNECTIONS_MAX);
    if let (Some(Placed { value: Address::Passed(_), .. }), Some(Serve::Api)) = (&address, serve) {
        table.misplaced("address", API_PASSED);
    }
    let address = address.map(|address| match address.value {
        Address::Unix { path, .. } => {
            if serve == Some(Serve::Web(Dialect::Standalone)) {
                table.misplaced("dialect", NO_PEERS);
            }
            table.misplaced("trusted_peers", "has no place on a unix socket, which its mode and group guard");
            Address::Unix { path, mode: mode.unwrap_or(values::SOCKET_MODE), group }
        }
        Address::Tcp(address) => {
            table.misplaced("mode", "has its place on a unix socket only; say with trusted_peers who is believed");
            table.misplaced("group", "has its place on a unix socket only; say with trusted_peers who is believed");
            Address::Tcp(address)
        }
        Address::Passed(name) => {
            table.misplaced("mode", NOT_OURS);
            table.misplaced("group", NOT_OURS);
            Address::Passed(name)
        }
    });
    let complete = || {
        let address = address?;
        let trusted_peers = match address {
            Address::Unix { .. } => Vec::new(),
            Address::Tcp(_) | Address::Passed(_) => peers.unwrap_or_else(loopback),
        };
        let secret = if is_secret_good { secret.as_ref().map(|file| file.value.clone()) } else { return None };
        Some(Listener { address, serve: serve?, trusted_peers, connections_max: usize::try_from(connections_max?).ok()?, secret })
    };
    let listener = complete();
    ReadListener { header: table.header.clone(), dialect_at, peers_at, serve, listener, secret, name: table.name() }
}

/// What the listener is for, and where `dialect` stands.
fn serve(table: &mut Table<'_, '_>) -> (Option<Serve>, Option<Range<usize>>) {
    let serve = table.word("serve", &USES, &[]).or(Use::Web);
    let dialect = table.word("dialect", &DIALECTS, &DIALECTS_LATER);
    let dialect_at = dialect.span();
    (serve.and_then(|serve| spoken(table, serve, dialect)), dialect_at)
}

fn spoken(table: &mut Table<'_, '_>, serve: Use, dialect: Read<Spoken>) -> Option<Serve> {
    let other = match serve {
        Use::Web => {
            if matches!(dialect, Read::Absent) {
                table.missing("dialect", " for serve = \"web\"");
            }
            let dialect = dialect.optional()?;
            if dialect != Spoken::Apache {
                for key in ["protocol", "secret"] {
                    table.misplaced(key, "has its place beside dialect = \"apache\" only");
                }
            }
            return match dialect {
                Spoken::Nginx => Some(Dialect::Nginx),
                Spoken::Standalone => Some(Dialect::Standalone),
                Spoken::Apache => {
                    let protocol = table.word("protocol", &PROTOCOLS, &[]);
                    if matches!(protocol, Read::Absent) {
                        table.missing("protocol", " for dialect = \"apache\"");
                    }
                    protocol.optional().map(Dialect::Apache)
                }
            }
            .map(Serve::Web);
        }
        Use::Api => Serve::Api,
        Use::Admin => Serve::Admin,
    };
    if matches!(dialect, Read::Good(_)) {
        table.misplaced("dialect", "has its place with serve = \"web\" only");
    }
    for key in ["protocol", "secret"] {
        table.misplaced(key, "has its place beside dialect = \"apache\" only");
    }
    Some(other)
}

/// The peers that are believed when none are named.
fn loopback() -> Vec<IpNet> {
    ["127.0.0.0/8", "::1/128"].iter().filter_map(|network| network.parse().ok()).collect()
}

/// All listeners, their secrets where they lie.
pub(super) fn assemble(read: Vec<ReadListener>, state_dir: &Path) -> Option<Vec<Listener>> {
    let placed = |listener: Listener| Listener { secret: listener.secret.map(|file| state_dir.join(file)), ..listener };
    read.into_iter().map(|read| read.listener.map(placed)).collect()
}

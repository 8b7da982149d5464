//! The file as written becomes the configuration as used, or all the errors.

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;

use crate::dialect::Dialect;
use crate::domain::file::StorageName;
use crate::domain::path::CanonicalPath;
use crate::domain::policy::Policy;

/// The configuration as used: everything in it has been checked.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// Where state is kept.
    pub state_dir: PathBuf,
    /// Where customers reach us.
    pub public_url: PublicUrl,
    /// The name that signed URLs are made for.
    pub site: String,
    /// Where we listen; at least one is `web`.
    pub listeners: Vec<Listener>,
    /// The keys, in the order of the file; at least one has `use = "sign"` if there is any.
    pub keys: Vec<KeyEntry>,
    /// The storages.
    pub storages: Vec<Storage>,
    /// The rules, the longest path first.
    pub rules: Vec<Rule>,
    /// The policies by name; `default` is always there.
    pub policies: Vec<(String, Policy)>,
    /// Where reports come from.
    pub feed: Option<Feed>,
    /// A directory whose templates take the place of the built-in ones.
    pub templates: Option<PathBuf>,
}

/// `public_url`, taken apart: `https://shop.example/dl/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    /// `https://shop.example`, without a path.
    pub origin: String,
    /// `shop.example`, without a port.
    pub host: String,
    /// `/dl/`: canonical, begins and ends with `/`.
    pub path: String,
}

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

/// One key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEntry {
    /// Its id, as `kid` names it: letters, digits, `-`, `_`, at most 32.
    pub id: String,
    /// The key file, absolute or under `state_dir`.
    pub file: PathBuf,
    /// What it is for.
    pub purpose: Purpose,
}

/// `use` of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// New proofs are signed with it, and its proofs are accepted.
    Sign,
    /// Its proofs are accepted.
    Accept,
    /// Its proofs are refused with `key_retired`.
    Retired,
}

/// A named place that files live in: a private local directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// Its name.
    pub name: StorageName,
    /// The directory.
    pub path: PathBuf,
    /// The web server's internal location for it, beginning and ending with `/`.
    pub handoff: Option<String>,
}

/// A URL prefix of the site and the proofs it accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The prefix, whole segments.
    pub path: CanonicalPath,
    /// The proofs.
    pub accept: Vec<ProofKind>,
}

/// A kind of proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofKind {
    /// `signed-url`.
    SignedUrl,
}

/// Where reports come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// The access log in the shipped format.
    pub access_log: PathBuf,
}

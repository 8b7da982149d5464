//! What a web server gets for one configuration: files, modules, and what root does besides. Pure.

use serde::Serialize;

use super::words::{self, Unsayable};
use crate::config::{Address, Configuration, Feed, Listener};

/// What `setup` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Plan {
    /// `apache` or `nginx`.
    pub(super) server: &'static str,
    /// Its modules that have to be enabled, as `a2enmod` takes them.
    pub(super) modules: Vec<&'static str>,
    /// What root does once, before the web server reads the files.
    pub(super) commands: Vec<String>,
    /// What has to be known besides, one sentence each.
    pub(super) notes: Vec<String>,
    /// The files, in the order in which they are read.
    pub(super) files: Vec<Piece>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Piece {
    /// Its name.
    pub(super) name: String,
    /// Where the web server reads it.
    pub(super) goes: String,
    /// What is in it.
    pub(super) text: String,
}

impl Piece {
    /// `text` below a line that says where it goes.
    pub(super) fn new(name: impl Into<String>, goes: impl Into<String>, text: &str) -> Self {
        Self { name: name.into(), goes: goes.into(), text: text.to_owned() }
    }
}

/// Who the web server is, and who Cloakroom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Users {
    /// As whom the web server's workers run.
    pub(super) worker: String,
    /// As whom Cloakroom runs.
    pub(super) daemon: String,
}

/// Where others than the configuration say where things lie.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// This program.
    pub(super) program: String,
    /// The configuration, where it does not lie where it lies by default.
    pub(super) config: Option<String>,
    /// The directory of what is written, as the web server's configuration names it.
    pub(super) directory: String,
    /// Addresses of sockets that systemd opens, by their names.
    pub(super) passed: Vec<(String, String)>,
}

/// Where a web server finds a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The path of a socket.
    Unix(String),
    /// An address of this machine and a port.
    Tcp(std::net::SocketAddr),
}

impl Way {
    /// Where `listener` is reached, `systemd:NAME` by what `places` says of the name.
    pub(super) fn to(listener: &Listener, places: &Places) -> Result<Self, Unsayable> {
        match &listener.address {
            Address::Unix { path, .. } => words::of_path(path).map(|path| Self::Unix(path.to_owned())),
            Address::Tcp(address) => Ok(Self::Tcp(words::reached(*address))),
            Address::Passed(name) => {
                let said = places.passed.iter().find(|(there, _)| there == name).map(|(_, address)| address.as_str());
                let missing = || {
                    Unsayable(format!(
                        "systemd opens the listener \"systemd:{name}\", and its .socket unit says where: repeat that with --passed {name}=unix:/run/cloakroom/{name}.sock, or whatever its ListenStream= is"
                    ))
                };
                let said = said.ok_or_else(missing)?;
                match (said.strip_prefix("unix:"), said.parse()) {
                    (Some(path), _) if path.starts_with('/') => Ok(Self::Unix(path.to_owned())),
                    (_, Ok(address)) => Ok(Self::Tcp(words::reached(address))),
                    _ => Err(Unsayable(format!(
                        "--passed {name}={said}: this is neither \"unix:\" and an absolute path nor an address and a port"
                    ))),
                }
            }
        }
    }
}

/// Who has to be in which group, and whose the public directories are: the recipe of the manual, for this configuration.
pub(super) fn commands(configuration: &Configuration, users: &Users, log_owner: &str) -> Vec<String> {
    let (worker, daemon) = (words::shell(&users.worker), words::shell(&users.daemon));
    let path = |path: &std::path::Path| words::shell(&path.to_string_lossy());
    let mut commands = Vec::new();
    if !configuration.storages.is_empty() {
        commands.push(format!("groupadd -f downloads && usermod -aG downloads {daemon} && usermod -aG downloads {worker}"));
    }
    for storage in &configuration.storages {
        let masters = path(&storage.path);
        commands.push(format!("chgrp -R downloads {masters} && chmod -R g+rX,o-rwx {masters}"));
        commands.push(format!("find {masters} -type d -exec chmod g+s {{}} +"));
    }
    let htpasswd = configuration.directories.iter().filter_map(|directory| directory.credentials.as_ref()?.htpasswd.parent());
    let mut public: Vec<String> =
        configuration.directories.iter().map(|directory| directory.path.as_path()).chain(htpasswd).map(path).collect();
    public.dedup();
    if !public.is_empty() {
        commands.push(format!("install -d -o {daemon} -g {worker} -m 2750 {}", public.join(" ")));
    }
    if let Some(Feed::AccessLog(log)) = &configuration.feed {
        let log = path(log);
        commands.push(format!("usermod -aG adm {daemon}"));
        commands.push(format!("touch {log} && chown {log_owner}:adm {log} && chmod 0640 {log}"));
    }
    commands
}

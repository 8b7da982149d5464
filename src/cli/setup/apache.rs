//! Apache's files for one configuration, from those of `conf-examples/apache`. Pure.

use clap::ValueEnum;

use super::plan::{Piece, Places, Plan, Users, Way, commands};
use super::template::{body, cut, fill, in_comment};
use super::words::{self, Unsayable, apache, apache_section, of_path};
use crate::config::{Configuration, Directory, Feed, Listener, Serve, Storage};
use crate::dialect::Dialect;
use crate::dialect::apache::Protocol;

const CLOAKROOM: &str = include_str!("../../../conf-examples/apache/cloakroom.conf");
const LOG: &str = include_str!("../../../conf-examples/apache/log.conf");
const DOWNLOADS: &str = include_str!("../../../conf-examples/apache/downloads.conf");
const XSENDFILE: &str = include_str!("../../../conf-examples/apache/xsendfile.conf");
const REWRITE_MAP: &str = include_str!("../../../conf-examples/apache/rewrite-map.conf");
const MEMBERS: &str = include_str!("../../../conf-examples/apache/members.conf");
const MEMBERS_HTACCESS: &str = include_str!("../../../conf-examples/apache/members.htaccess");
const GOODS: &str = include_str!("../../../conf-examples/apache/goods.htaccess");
const PUB: &str = include_str!("../../../conf-examples/apache/pub.htaccess");

/// Where the files are expected to lie.
pub(super) const DIRECTORY: &str = "/etc/apache2/cloakroom";

/// The file with the secret, which is no part of what is printed.
pub(super) const SECRET_FILE: &str = "cloakroom-secret.conf";

/// What is to be added where no listener is for Apache.
pub(super) const NO_LISTENER: &str = "\
    [[listener]]                                    # who may pass
    address  = \"127.0.0.1:8471\"
    dialect  = \"apache\"
    protocol = \"fastcgi\"
    secret   = \"keys/apache\"                        # made by `cloakroom key new apache`

    [[listener]]                                    # downloads
    address  = \"unix:/run/cloakroom/apache.sock\"
    dialect  = \"apache\"
    protocol = \"scgi\"
    group    = \"www-data\"
";

const HOST: &str = "<VirtualHost> of each site that hands out downloads, by vhost.conf";
const OUTSIDE: &str = "outside of every <VirtualHost>, by server.conf";
const INTERNAL: &str = "/_cloakroom/";

/// How downloads are passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Downloads {
    /// By `mod_proxy_scgi`, which Apache brings: recommended. Needs a listener with protocol = "scgi".
    Scgi,
    /// By `mod_xsendfile`, over connections that stay open. Needs a listener with protocol = "http".
    Xsendfile,
    /// By `mod_rewrite` alone, one question after the other. Needs a listener with protocol = "scgi".
    RewriteMap,
}

impl Downloads {
    const fn protocol(self) -> Protocol {
        match self {
            Self::Scgi | Self::RewriteMap => Protocol::Scgi,
            Self::Xsendfile => Protocol::Http,
        }
    }
}

/// What a `.htaccess` for `directory` needs to be allowed, as the head of the shipped one says.
pub(in crate::cli) fn allow_override(directory: &Directory) -> &'static str {
    in_comment(if directory.credentials.is_some() { GOODS } else { PUB }, "AllowOverride")
}

/// What is asked for besides the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// How downloads are passed on; the first that there is a listener for, where nothing is said.
    pub(super) downloads: Option<Downloads>,
    /// Whether what can stand in `.htaccess` files shall.
    pub(super) htaccess: bool,
}

/// All of it; `None` where there is no listener for Apache.
pub(super) fn plan(configuration: &Configuration, users: &Users, places: &Places, choice: Choice) -> Result<Option<Plan>, Unsayable> {
    let listener = |protocol| configuration.listeners.iter().find(|listener| listener.serve == Serve::Web(Dialect::Apache(protocol)));
    let asks = listener(Protocol::FastCgi);
    let hands_out = choice.downloads.or_else(|| {
        let has = |way: &Downloads| listener(way.protocol()).is_some();
        [Downloads::Scgi, Downloads::Xsendfile].into_iter().find(has)
    });
    if asks.is_none() && [Protocol::Scgi, Protocol::Http].into_iter().all(|protocol| listener(protocol).is_none()) {
        return Ok(None);
    }
    let mut made = Made { configuration, places, users, modules: Vec::new(), notes: Vec::new(), files: Vec::new() };
    if let Some(asks) = asks {
        made.provider(asks)?;
    } else if hands_out.is_some_and(|way| way != Downloads::Xsendfile) {
        // The secret guards the masters.
        made.secret_alone()?;
    }
    made.log()?;
    if asks.is_some() {
        made.members(choice)?;
    } else if !configuration.rules.is_empty() {
        made.notes
            .push("no [[listener]] with protocol = \"fastcgi\": Apache asks nobody about the paths of the [[rule]] sections".to_owned());
    }
    if let Some(way) = hands_out {
        let missing = || {
            Unsayable(format!(
                "there is no [[listener]] with dialect = \"apache\" and protocol = \"{}\", which this way needs",
                way.protocol().word()
            ))
        };
        let listener = listener(way.protocol()).ok_or_else(missing)?;
        made.downloads(way, listener)?;
    }
    for directory in &configuration.directories {
        made.directory(directory, choice)?;
    }
    let log = made.custom_log()?;
    made.index(&log)?;
    let commands = commands(configuration, users, "root");
    let Made { mut modules, notes, files, .. } = made;
    modules.sort_unstable();
    modules.dedup();
    Ok(Some(Plan { server: "apache", modules, commands, notes, files }))
}

/// What is being made.
struct Made<'c> {
    configuration: &'c Configuration,
    places: &'c Places,
    users: &'c Users,
    modules: Vec<&'static str>,
    notes: Vec<String>,
    files: Vec<Piece>,
}

impl Made<'_> {
    fn file(&mut self, name: &str, goes: &str, text: &str) {
        self.files.push(Piece::new(name, goes, text));
    }

    /// `cloakroom.conf`.
    fn provider(&mut self, listener: &Listener) -> Result<(), Unsayable> {
        let Way::Tcp(address) = Way::to(listener, self.places)? else {
            return Err(Unsayable("mod_authnz_fcgi connects to an address and a port, and the [[listener]] with protocol = \"fastcgi\" is a unix socket: give it an address such as \"127.0.0.1:8471\", and a `secret`".to_owned()));
        };
        let text = fill(body(CLOAKROOM), &[("127.0.0.1:8471", &address.to_string())]);
        let text = self.including(&text)?;
        self.file("cloakroom.conf", OUTSIDE, &text);
        Ok(())
    }

    /// `cloakroom.conf`, where nobody is asked who may pass.
    fn secret_alone(&mut self) -> Result<(), Unsayable> {
        let include = self.including(cut(body(CLOAKROOM), "Include", "Include").part)?;
        self.file("cloakroom.conf", OUTSIDE, &include);
        Ok(())
    }

    /// `text`, with the secret's file where it is.
    fn including(&self, text: &str) -> Result<String, Unsayable> {
        let file = format!("{}/{SECRET_FILE}", self.places.directory);
        Ok(fill(text, &[("/etc/apache2/cloakroom-secret.conf", &quoted(&file)?)]))
    }

    /// `log.conf`.
    fn log(&mut self) -> Result<(), Unsayable> {
        match &self.configuration.feed {
            None => Ok(()),
            Some(Feed::Syslog { .. }) => Err(Unsayable(
                "Apache writes no access log to a socket: under [feed], say access_log = \"/var/log/apache2/cloakroom.log\" in place of `syslog`".to_owned(),
            )),
            Some(Feed::AccessLog(_) | Feed::Api) => {
                self.modules.extend(["headers", "setenvif", "unique_id"]);
                self.file("log.conf", OUTSIDE, body(LOG));
                Ok(())
            }
        }
    }

    /// The `CustomLog` lines of a site.
    fn custom_log(&self) -> Result<String, Unsayable> {
        let target = match &self.configuration.feed {
            Some(Feed::AccessLog(log)) => apache(of_path(log)?)?,
            Some(Feed::Api) => format!("|{} feed --piped", self.program()?),
            Some(Feed::Syslog { .. }) | None => return Ok(String::new()),
        };
        let target = format!("\"{target}\"");
        let mut lines = String::new();
        for (format, is_needed) in [("cloakroom ", true), ("cloakroom_public ", !self.configuration.directories.is_empty())] {
            if is_needed {
                let line = in_comment(LOG, &format!("CustomLog /var/log/apache2/cloakroom.log {format}"));
                let path = words::in_expression(&self.configuration.public_url.path);
                lines.push_str(&fill(line, &[("/var/log/apache2/cloakroom.log", &target), ("^/dl/", &format!("^{path}"))]));
                lines.push('\n');
            }
        }
        Ok(lines)
    }

    /// This program with its configuration, as Apache takes a program's line apart.
    fn program(&self) -> Result<String, Unsayable> {
        let program = words::apache_argument(&self.places.program)?;
        match &self.places.config {
            Some(config) => Ok(format!("{program} --config {}", words::apache_argument(config)?)),
            None => Ok(program),
        }
    }

    /// `members.conf`, or `members.htaccess`.
    fn members(&mut self, choice: Choice) -> Result<(), Unsayable> {
        self.modules.extend(["authn_core", "authnz_fcgi", "authz_core", "authz_user", "env", "ratelimit", "setenvif", "unique_id"]);
        if self.configuration.rules.is_empty() {
            return Ok(());
        }
        if choice.htaccess {
            self.file("members.htaccess", "a copy, called .htaccess, in each directory that a [[rule]] covers", body(MEMBERS_HTACCESS));
            let lines = ["AllowOverride", "SetEnvIfExpr", "SetEnv CLOAKROOM_SECRET"].map(|start| in_comment(MEMBERS_HTACCESS, start));
            self.notes.push(format!("for the .htaccess files, in the <Directory> of those sites: `{}`", lines.join("`, `")));
            self.notes
                .push("nobody is asked before members.htaccess lies in a directory: copy it there before Apache is restarted".to_owned());
            return Ok(());
        }
        let mut text = String::new();
        for rule in &self.configuration.rules {
            if !text.is_empty() {
                text.push('\n');
            }
            let path = rule.path.decoded();
            if let Some(directory) = self.configuration.directories.iter().find(|directory| directory.url.path.starts_with(path)) {
                return Err(Unsayable(format!(
                    "the [[rule]] for \"{path}\" covers {}, the address of the [[directory]] `{}`, and Apache would ask for a proof in place of its password: let the rule begin elsewhere",
                    directory.url.path, directory.name
                )));
            }
            text.push_str(&fill(body(MEMBERS), &[("/members/", &apache_section(path)?)]));
            if self.configuration.public_url.path.starts_with(path) {
                // The downloads ask for themselves.
                let path = &self.configuration.public_url.path;
                text.extend(["\n<Location \"", path, "\">\n    Require all granted\n    UnsetEnv CLOAKROOM_SECRET\n</Location>\n"]);
            }
        }
        self.file("members.conf", HOST, &text);
        Ok(())
    }

    /// `downloads.conf`, or what stands in its place.
    fn downloads(&mut self, way: Downloads, listener: &Listener) -> Result<(), Unsayable> {
        let to = Way::to(listener, self.places)?;
        let path = self.configuration.public_url.path.clone();
        if path == "/" {
            return Err(Unsayable("`public_url` has no path of its own, and the whole site would be passed to Cloakroom: give it one, such as \"https://shop.example/dl/\"".to_owned()));
        }
        let handed: Vec<(&Storage, &str)> =
            self.configuration.storages.iter().filter_map(|storage| Some((storage, storage.handoff.as_deref()?))).collect();
        // What the client has asked for, in the guard of the masters.
        let asked = format!("/+{}#", words::in_expression(path.trim_start_matches('/')));
        let (name, text) = match way {
            Downloads::Scgi => {
                self.modules.extend(["alias", "authz_core", "headers", "proxy", "proxy_scgi", "ratelimit", "setenvif", "unique_id"]);
                let target = proxied(&to, "scgi", &path)?;
                let text = masters(DOWNLOADS, &handed)?;
                (
                    "downloads.conf",
                    fill(
                        &text,
                        &[
                            ("\"unix:/run/cloakroom/apache.sock|scgi://cloakroom/dl/\"", &target),
                            ("/+dl/#", &asked),
                            ("\"/dl/\"", &format!("\"{path}\"")),
                        ],
                    ),
                )
            }
            Downloads::Xsendfile => {
                self.modules.extend(["headers", "proxy", "proxy_http", "setenvif", "unique_id", "xsendfile"]);
                let target = proxied(&to, "http", &path)?;
                let allowed = cut(body(XSENDFILE), "XSendFilePath", "XSendFilePath");
                let mut text = allowed.before.to_owned();
                for storage in &self.configuration.storages {
                    text.push_str(&fill(allowed.part, &[("/srv/downloads", &apache(of_path(&storage.path)?)?)]));
                }
                if listener.secret.is_some() {
                    text.push_str("    RequestHeader set Cloakroom-Secret \"${CLOAKROOM_SECRET}\"\n");
                    if !self.files.iter().any(|file| file.name == "cloakroom.conf") {
                        self.secret_alone()?;
                    }
                }
                text.push_str(allowed.after);
                (
                    "xsendfile.conf",
                    fill(
                        &text,
                        &[("\"unix:/run/cloakroom/apache-http.sock|http://cloakroom/dl/\"", &target), ("\"/dl/\"", &format!("\"{path}\""))],
                    ),
                )
            }
            Downloads::RewriteMap => {
                self.modules.extend(["alias", "authz_core", "env", "headers", "ratelimit", "rewrite", "setenvif", "unique_id"]);
                let text = masters(REWRITE_MAP, &handed)?;
                let Users { worker, daemon } = self.users;
                let program = format!("\"prg:{} rewrite-map\" {daemon}:{worker}", self.program()?);
                let expression = format!("\"^{}\"", words::in_expression(&path));
                (
                    "rewrite-map.conf",
                    fill(
                        &text,
                        &[
                            ("\"prg:/usr/local/bin/cloakroom rewrite-map\" cloakroom:www-data", &program),
                            ("\"^/dl/\"", &expression),
                            ("/+dl/#", &asked),
                        ],
                    ),
                )
            }
        };
        if let Some((storage, handoff)) = handed.iter().find(|(_, handoff)| way == Downloads::RewriteMap && !handoff.starts_with(INTERNAL))
        {
            return Err(Unsayable(format!(
                "the `handoff` of the storage `{}`, \"{handoff}\", must lie below \"{INTERNAL}\" for `rewrite-map`",
                storage.name
            )));
        }
        self.file(name, HOST, &text);
        Ok(())
    }

    /// `directory-NAME.conf`, or `directory-NAME.htaccess`.
    fn directory(&mut self, directory: &Directory, choice: Choice) -> Result<(), Unsayable> {
        self.modules.extend(["alias", "auth_basic", "authn_core", "authn_file", "authz_core", "authz_user", "dir", "env", "headers"]);
        let text = match &directory.credentials {
            Some(credentials) => {
                let htpasswd = quoted(of_path(&credentials.htpasswd)?)?;
                fill(body(GOODS), &[("/var/lib/cloakroom-htpasswd/goods", &htpasswd)])
            }
            None => body(PUB).to_owned(),
        };
        let has_stubs = self.configuration.storages.iter().any(|storage| storage.stub.as_ref() == Some(&directory.name));
        // Stubs are links.
        let text =
            if has_stubs && directory.credentials.is_some() { fill(&text, &[(" -FollowSymLinks", " +FollowSymLinks")]) } else { text };
        let (path, name) = (of_path(&directory.path)?.trim_end_matches('/'), format!("directory-{}", directory.name));
        let inside = if choice.htaccess {
            self.file(&format!("{name}.htaccess"), &format!("a copy, as {path}/.htaccess"), &text);
            self.notes.push(format!("nobody gets anything from {path} before {name}.htaccess lies there as .htaccess"));
            // Where there is none yet, nobody gets in: what it requires takes the place of this.
            format!("    {}\n    Require all denied\n", allow_override(directory))
        } else {
            let lines = text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("    {line}\n") });
            ["    AllowOverride None\n".to_owned()].into_iter().chain(lines).collect()
        };
        let (url, section) = (&directory.url.path, apache_section(path)?);
        let whole = format!("Alias \"{url}\" \"{}/\"\n<Directory \"{section}\">\n{inside}</Directory>\n", apache(path)?);
        self.file(&format!("{name}.conf"), HOST, &whole);
        Ok(())
    }

    /// `server.conf` and `vhost.conf`: which of the files are read where.
    fn index(&mut self, log: &str) -> Result<(), Unsayable> {
        for (name, goes, of, more) in [
            ("server.conf", "outside of every <VirtualHost>, once", OUTSIDE, ""),
            ("vhost.conf", "<VirtualHost> of each site that hands out downloads", HOST, log),
        ] {
            let mut text = String::new();
            for file in self.files.iter().filter(|file| file.goes == of) {
                let path = quoted(&format!("{}/{}", self.places.directory, file.name))?;
                text.extend(["Include ", &path, "\n"]);
            }
            text.push_str(more);
            if !text.is_empty() {
                self.file(name, goes, &text);
            }
        }
        Ok(())
    }
}

/// In quotes where a word needs them.
fn quoted(text: &str) -> Result<String, Unsayable> {
    let word = apache(text)?;
    let is_plain = word.chars().all(|letter| !letter.is_whitespace() && !"\"'\\#<>".contains(letter));
    Ok(if is_plain { word } else { format!("\"{word}\"") })
}

/// Where `ProxyPass` passes to.
fn proxied(to: &Way, scheme: &str, path: &str) -> Result<String, Unsayable> {
    match to {
        Way::Tcp(address) => Ok(format!("\"{scheme}://{address}{path}\"")),
        Way::Unix(socket) if socket.contains(['|', '?', '#', '%', '"', '\\', ' ']) => {
            Err(Unsayable(format!("the socket {socket:?} has a sign that Apache's ProxyPass takes for another: give it a plain path")))
        }
        Way::Unix(socket) => Ok(format!("\"unix:{}|{scheme}://cloakroom{path}\"", apache(socket)?)),
    }
}

/// An example with its masters: an `Alias` and a `<Directory>` for each storage that is handed off.
fn masters(example: &str, handed: &[(&Storage, &str)]) -> Result<String, Unsayable> {
    let text = body(example);
    let alias = cut(text, "Alias ", "Alias ");
    let guard = cut(alias.after, "<Location ", "</Location>");
    let directory = cut(guard.after, "<Directory ", "</Directory>");
    let mut made = alias.before.to_owned();
    if handed.is_empty() {
        // Of what is handed off nothing is left, nor of the comment on it.
        let comment = made.trim_end().lines().rev().take_while(|line| line.starts_with('#')).count();
        let kept = made.trim_end().lines().count().saturating_sub(comment);
        return Ok(made.lines().take(kept).collect::<Vec<_>>().join("\n").trim_end().to_owned() + "\n");
    }
    for (storage, handoff) in handed {
        let path = of_path(&storage.path)?.trim_end_matches('/').to_owned();
        made.push_str(&fill(alias.part, &[("/_cloakroom/masters/", handoff), ("/srv/downloads/", &format!("{}/", apache(&path)?))]));
    }
    let mut guarded = vec![INTERNAL];
    guarded.extend(handed.iter().map(|(_, handoff)| *handoff).filter(|handoff| !handoff.starts_with(INTERNAL)));
    made.push_str(guard.before);
    for path in guarded {
        made.push_str(&fill(guard.part, &[("<Location \"/_cloakroom/\">", &format!("<Location \"{path}\">"))]));
    }
    made.push_str(directory.before);
    for (storage, _) in handed {
        let path = of_path(&storage.path)?.trim_end_matches('/').to_owned();
        made.push_str(&fill(directory.part, &[("/srv/downloads", &apache_section(&path)?)]));
    }
    made.push_str(directory.after);
    Ok(made)
}

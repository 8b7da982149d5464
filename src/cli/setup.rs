//! `cloakroom setup`: what the web server's configuration needs for this one of ours.

mod apache;
mod made_by;
mod nginx;
mod plan;
mod template;
mod words;
mod written;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Args, ValueEnum};
use zeroize::Zeroizing;

pub(super) use self::apache::allow_override;
use self::apache::{Choice, Downloads};
pub(super) use self::made_by::{MadeBy, line_of as made_by};
use self::plan::{Piece, Places, Plan, Users};
use self::words::Unsayable;
pub(super) use self::words::{reached, shell};
use self::written::{Found, Wanted};
use super::failure::Failure;
use super::paragraph::paragraph;
use super::terminal::visible;
use super::{CONFIG_PATH, Common, say, say_json};
use crate::config::{Address, Configuration, Serve};
use crate::dialect::Dialect;
use crate::wire::Secret;
use crate::wire::secret::SECRET_LENGTH_MIN;
use crate::{keys, random};

/// What stands below the options.
pub(super) const AFTER_HELP: &str = "\
What is printed is made of conf-examples/, with the paths, ports and sockets of the configuration; the README there says what \
each part does. Nothing is changed without --write, and secrets are never printed. A file that somebody has changed stays as \
it is, and then none is written, unless --force says otherwise.

Exit codes: 0 done, 1 not written, 78 the configuration is wrong, or has nothing for this web server.

Examples:
  cloakroom setup apache
  cloakroom setup apache --write /etc/apache2/cloakroom
  cloakroom setup nginx --write /etc/nginx/cloakroom";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The web server.
    #[arg(value_enum, value_name = "SERVER")]
    server: Server,

    /// Write the files into this directory, with the secret in one of its own.
    #[arg(long, value_name = "DIRECTORY")]
    write: Option<PathBuf>,

    /// With --write: replace files that are others than they would be.
    #[arg(long, requires = "write")]
    force: bool,

    /// Apache: how downloads are passed on, where the configuration has listeners for more than one way.
    #[arg(long, value_enum, value_name = "WAY")]
    downloads: Option<Downloads>,

    /// Apache: what can stand in .htaccess files shall.
    #[arg(long)]
    htaccess: bool,

    /// Where systemd opens the socket of a listener with address = "systemd:NAME"; may be repeated.
    #[arg(long, value_name = "NAME=ADDRESS", value_parser = passed)]
    passed: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Server {
    Apache,
    Nginx,
}

impl Server {
    const fn name(self) -> &'static str {
        match self {
            Self::Apache => "Apache",
            Self::Nginx => "Nginx",
        }
    }

    /// As the command line has it.
    const fn word(self) -> &'static str {
        match self {
            Self::Apache => "apache",
            Self::Nginx => "nginx",
        }
    }

    /// Where its files are expected.
    const fn directory(self) -> &'static str {
        match self {
            Self::Apache => apache::DIRECTORY,
            Self::Nginx => nginx::DIRECTORY,
        }
    }

    const fn is_asked_by(self, serve: Serve) -> bool {
        matches!((self, serve), (Self::Apache, Serve::Web(Dialect::Apache(_))) | (Self::Nginx, Serve::Web(Dialect::Nginx)))
    }
}

/// The modules of Apache that `configuration` needs, where downloads are passed on by `mod_rewrite`, by `mod_xsendfile`, or else
/// as `setup` would have it.
pub(super) fn apache_modules(configuration: &Configuration, rewrites: bool, xsendfile: bool) -> Vec<&'static str> {
    let places =
        Places { program: String::new(), config: None, directory: apache::DIRECTORY.to_owned(), passed: passed_anywhere(configuration) };
    let users = Users { worker: String::new(), daemon: String::new() };
    let ways = [xsendfile.then_some(Downloads::Xsendfile), rewrites.then_some(Downloads::RewriteMap), None];
    let mut plans = ways.into_iter().map(|downloads| apache::plan(configuration, &users, &places, Choice { downloads, htaccess: false }));
    plans.find_map(|plan| plan.ok().flatten()).map_or_else(Vec::new, |plan| plan.modules)
}

/// Some address for each socket of systemd's, for those who ask about something else.
fn passed_anywhere(configuration: &Configuration) -> Vec<(String, String)> {
    let name = |listener: &crate::config::Listener| match &listener.address {
        Address::Passed(name) => Some((name.clone(), "127.0.0.1:1".to_owned())),
        Address::Unix { .. } | Address::Tcp(_) => None,
    };
    configuration.listeners.iter().filter_map(name).collect()
}

/// Whom distributions run web servers as.
const WORKERS: [&str; 4] = ["www-data", "apache", "nginx", "http"];

pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<(), Failure> {
    let configuration = common.load()?;
    let server = arguments.server;
    if server == Server::Nginx && (arguments.htaccess || arguments.downloads.is_some()) {
        return Err(Failure::usage("--htaccess and --downloads are about Apache"));
    }
    let directory = arguments.write.as_deref().map(whole).transpose()?;
    let places = Places {
        program: program(),
        config: (common.config != Path::new(CONFIG_PATH)).then(|| whole(&common.config)).transpose()?,
        directory: directory.clone().unwrap_or_else(|| server.directory().to_owned()),
        passed: arguments.passed.clone(),
    };
    let users = users(&configuration, server);
    let choice = Choice { downloads: arguments.downloads, htaccess: arguments.htaccess };
    let plan = match server {
        Server::Apache => apache::plan(&configuration, &users, &places, choice),
        Server::Nginx => nginx::plan(&configuration, &users, &places),
    };
    let shown = common.config.display();
    let plan = plan.map_err(|Unsayable(why)| Failure::configuration(format!("{shown}: {why}")))?;
    let plan = plan.ok_or_else(|| no_listener(server, &shown.to_string()))?;
    match directory {
        Some(_) => write(common, arguments, &configuration, &plan, &places),
        None if common.json => say_json(&plan),
        None => say(printed(server, &common.config, &plan)),
    }
}

fn passed(text: &str) -> Result<(String, String), String> {
    let (name, address) =
        text.split_once('=').ok_or("must be the socket's name, `=`, and its address, as web=unix:/run/cloakroom/web.sock")?;
    Ok((name.to_owned(), address.to_owned()))
}

/// An absolute path as text.
fn whole(path: &Path) -> Result<String, Failure> {
    let path = std::path::absolute(path).map_err(|error| Failure::failed(format!("{}: {error}", path.display())))?;
    let text = path.to_str().ok_or_else(|| Failure::usage(format!("{} is not UTF-8", path.display())))?;
    Ok(text.trim_end_matches('/').to_owned())
}

/// This program, where the web server starts it.
fn program() -> String {
    let found = std::env::current_exe().ok().and_then(|path| path.into_os_string().into_string().ok());
    found.unwrap_or_else(|| "/usr/local/bin/cloakroom".to_owned())
}

fn no_listener(server: Server, config: &str) -> Failure {
    let lines = match server {
        Server::Apache => apache::NO_LISTENER,
        Server::Nginx => nginx::NO_LISTENER,
    };
    Failure::configuration(format!("{config}: there is no [[listener]] for {}; add to it what you need of\n\n{lines}", server.name()))
}

/// Who the web server is, as far as this machine and the configuration tell, and who Cloakroom.
fn users(configuration: &Configuration, server: Server) -> Users {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut names = passwd.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name);
    let group = configuration.listeners.iter().filter(|listener| server.is_asked_by(listener.serve)).find_map(|listener| {
        let Address::Unix { group, .. } = &listener.address else { return None };
        group.clone()
    });
    let known = || WORKERS.into_iter().find(|worker| passwd.lines().any(|line| line.split(':').next() == Some(worker)));
    let owner = fs::metadata(&configuration.state_dir).ok().map(|found| found.uid()).filter(|owner| *owner != 0);
    let of_owner = |name: &&str| {
        let number = passwd.lines().find_map(|line| line.strip_prefix(*name)?.strip_prefix(':')?.split(':').nth(1)?.parse::<u32>().ok());
        owner.is_some() && number == owner
    };
    let daemon = names.find(of_owner).unwrap_or("cloakroom").to_owned();
    Users { worker: group.unwrap_or_else(|| known().unwrap_or("www-data").to_owned()), daemon }
}

/// All of it as one text, whose lines that are not for a file are comments.
fn printed(server: Server, config: &Path, plan: &Plan) -> String {
    let written = format!("The same in files, ready to be included: `cloakroom setup {} --write {}`", plan.server, server.directory());
    let mut lines = vec![format!("# {} for {}.", server.name(), config.display())];
    lines.extend(comment(&written));
    lines.extend(["#", "# Once, as root:", "#"].map(str::to_owned));
    lines.extend(commands(plan).iter().map(|command| format!("#     {command}")));
    for note in &plan.notes {
        lines.push("#".to_owned());
        lines.extend(comment(&sentence(note)));
    }
    for file in &plan.files {
        lines.push(format!("\n# ==== {}: {}\n\n{}", file.name, file.goes, file.text.trim_end()));
    }
    lines.join("\n")
}

/// A text in lines of comments.
fn comment(text: &str) -> Vec<String> {
    paragraph("# ", text).lines().map(|line| format!("# {}", line.trim_start_matches('#').trim_start())).collect()
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect::<String>() + ".")
}

/// What root does before the web server reads the files.
fn commands(plan: &Plan) -> Vec<String> {
    let modules = (!plan.modules.is_empty()).then(|| format!("a2enmod {}", plan.modules.join(" ")));
    modules.into_iter().chain(plan.commands.iter().cloned()).collect()
}

/// What root does once the files are there.
fn after(plan: &Plan, directory: &str) -> (Vec<String>, Option<(&'static str, String)>, Vec<String>) {
    let has = |name: &str| plan.files.iter().any(|file| file.name == name);
    let include = |name: &str| included(directory, name);
    if plan.server == "apache" {
        let server = has("server.conf").then(|| {
            let path = shell(&format!("{directory}/server.conf"));
            format!("ln -sf {path} /etc/apache2/conf-available/cloakroom.conf && a2enconf cloakroom")
        });
        let host = has("vhost.conf").then(|| ("<VirtualHost>", format!("Include {}", include("vhost.conf"))));
        return (server.into_iter().collect(), host, vec!["apache2ctl configtest && systemctl restart apache2".to_owned()]);
    }
    let line = format!("include {};", include("cloakroom.conf"));
    let server = format!("echo {} > /etc/nginx/conf.d/cloakroom.conf", shell(&line));
    (
        vec![server],
        Some(("server { … }", format!("include {};", include("vhost.conf")))),
        vec!["nginx -t && systemctl reload nginx".to_owned()],
    )
}

/// The path of a file that is included, in quotes where it needs them.
fn included(directory: &str, name: &str) -> String {
    let path = format!("{directory}/{name}");
    if path.contains([' ', '"', '\'']) { format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\"")) } else { path }
}

/// Writes the files.
fn write(common: &Common, arguments: &Arguments, configuration: &Configuration, plan: &Plan, places: &Places) -> Result<(), Failure> {
    let directory = places.directory.as_str();
    let place = Path::new(directory);
    let made_by = made_by::line(arguments, places.config.as_deref(), directory);
    let from = visible(&common.config.to_string_lossy());
    let head = |file: &Piece| format!("# {}: {}.\n{made_by} from {from}.\n\n{}", file.name, file.goes, file.text);
    let mut wanted: Vec<Wanted> = Vec::new();
    for file in &plan.files {
        wanted.push(Wanted { name: file.name.clone(), text: Zeroizing::new(head(file)), mode: written::MODE });
    }
    if plan.files.iter().any(|file| file.text.contains(apache::SECRET_FILE)) {
        let secret = secret(configuration, &place.join(apache::SECRET_FILE))?;
        wanted.push(Wanted { name: apache::SECRET_FILE.to_owned(), text: secret, mode: written::SECRET_MODE });
    }
    let found = written::find(place, &wanted).map_err(Failure::failed)?;
    let others: Vec<&str> =
        wanted.iter().zip(&found).filter(|(_, found)| **found == Found::Other).map(|(file, _)| file.name.as_str()).collect();
    if !others.is_empty() && !arguments.force {
        return Err(Failure::failed(format!(
            "nothing was written: in {directory} these are others than they would be: {}; what was changed there is lost with --force, and `cloakroom setup {}` prints what they would be",
            others.join(", "),
            plan.server
        )));
    }
    written::write(place, &wanted, &found, random::bytes()).map_err(Failure::failed)?;
    let told: Vec<(&Wanted, &Found)> = wanted.iter().zip(&found).collect();
    if common.json {
        let files: Vec<_> = told
            .iter()
            .map(|(file, found)| serde_json::json!({ "name": file.name, "was": word(**found), "mode": format!("{:04o}", file.mode) }))
            .collect();
        return say_json(&serde_json::json!({
            "server": plan.server, "directory": directory, "files": files,
            "modules": plan.modules, "commands": plan.commands, "notes": plan.notes,
        }));
    }
    let mut lines = vec![format!("{directory}/")];
    lines.extend(told.iter().map(|(file, found)| format!("  {:<10} {}", word(**found), file.name)));
    let (server, host, last) = after(plan, directory);
    let indented = |command: String| format!("    {command}");
    lines.push("\nAs root:\n".to_owned());
    lines.extend(commands(plan).into_iter().chain(server).map(indented));
    if let Some((section, line)) = host {
        lines.push(format!("\nIn the {section} of each site that hands out downloads:\n\n    {line}"));
    }
    lines.push("\nThen, since groups are learned at a start:\n".to_owned());
    let restart = ["systemctl restart cloakroom".to_owned()];
    lines.extend(restart.into_iter().chain(last).chain(["cloakroom check --url".to_owned()]).map(indented));
    lines.extend(plan.notes.iter().map(|note| format!("\n{}", paragraph("", &sentence(note)))));
    say(lines.join("\n"))
}

const fn word(found: Found) -> &'static str {
    match found {
        Found::New => "written",
        Found::Same => "as it was",
        Found::Other => "replaced",
    }
}

/// The text of the file with the secret: that of the listeners; where none has one, that which stands in `file`, or a new one.
fn secret(configuration: &Configuration, file: &Path) -> Result<Zeroizing<String>, Failure> {
    let is_apache = |serve: Serve| matches!(serve, Serve::Web(Dialect::Apache(_)));
    let mut line: Option<(PathBuf, Zeroizing<String>)> = None;
    for listener in configuration.listeners.iter().filter(|listener| is_apache(listener.serve)) {
        let Some(path) = &listener.secret else { continue };
        let name = path.file_name().unwrap_or_default().display();
        let read = keys::secret_line(path)
            .map_err(|cause| Failure::configuration(format!("{}: {cause}; `cloakroom key new {name}` makes it", path.display())))?;
        match &line {
            Some((other, before)) if *before != read => {
                return Err(Failure::configuration(format!(
                    "{} and {} differ, and Apache says one secret to all listeners: let them name one file",
                    other.display(),
                    path.display()
                )));
            }
            _ => line = Some((path.clone(), read)),
        }
    }
    let line = match line {
        Some((path, line)) if Secret::parse(line.clone()).is_none() => {
            return Err(Failure::configuration(format!(
                "{}: must be one line of at least {SECRET_LENGTH_MIN} letters, digits, `-` and `_`: move it away, and `cloakroom key new` makes one",
                path.display()
            )));
        }
        Some((_, line)) => line,
        None => kept(file).unwrap_or_else(|| Zeroizing::new(URL_SAFE_NO_PAD.encode(*Zeroizing::new(random::bytes::<32>())))),
    };
    let mut text = Zeroizing::new(String::with_capacity(line.len() + 80));
    text.push_str("# Apache says this to Cloakroom, and to its own internal addresses.\nDefine CLOAKROOM_SECRET ");
    text.push_str(&line);
    text.push('\n');
    Ok(text)
}

/// The secret that stands in a file from before.
fn kept(file: &Path) -> Option<Zeroizing<String>> {
    let text = Zeroizing::new(fs::read_to_string(file).ok()?);
    let line = text.lines().find_map(|line| line.strip_prefix("Define CLOAKROOM_SECRET "))?;
    let line = Zeroizing::new(line.trim().to_owned());
    Secret::parse(line.clone()).map(|_| line)
}

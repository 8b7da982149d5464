//! `cloakroom check`: is what is written right, and is it so on this machine and on this site?
//!
//! First the configuration file and what it names; what is wrong there ends the check. Then the machine ([`system`],
//! [`masters`], [`feed_log`], [`daemon`]), the configuration of nginx ([`nginx`]) or Apache ([`apache`]) and, with `--url`,
//! the site itself as a customer sees it ([`live`]).

mod accounts;
mod apache;
mod apache_around;
mod apache_asking;
mod apache_conf;
mod apache_elsewhere;
mod apache_guarded;
mod apache_site;
mod behind_apache;
mod counted;
mod daemon;
mod feed_log;
mod finding;
mod http;
mod left_over;
mod live;
mod logins;
mod masters;
mod nginx;
mod nginx_around;
mod nginx_asking;
mod nginx_conf;
mod nginx_handoff;
mod nginx_shown;
mod nginx_site;
mod outbox;
mod people;
mod probe;
mod public;
mod public_before;
mod public_live;
mod public_login;
mod public_login_live;
mod public_nginx;
mod public_planted;
mod public_waiting;
mod reach;
mod report;
mod shut;
mod system;
mod tls;
mod visit;
mod zen_cart;
mod zen_cart_live;
mod zen_cart_shop;

use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use self::accounts::{Account, Accounts};
use self::apache_conf::Tree;
use self::apache_site::ApacheSite;
use self::finding::Finding;
use self::nginx::NoConf;
use self::nginx_conf::Directive;
use self::nginx_site::NginxSite;
use self::people::People;
use self::report::Part;
use super::failure::Failure;
use super::paragraph::paragraph;
use super::setup::MadeBy;
use super::{Common, say, say_json, serve};
use crate::clock;
use crate::config::{self, Configuration, Feed, StoreEntry};
use crate::store::Stores;
use crate::store::memory::Memory;
use crate::store::sqlite::Sqlite;

/// What stands below the options.
pub(super) const AFTER_HELP: &str = "\
Without --url files, modes and the configuration of nginx or Apache are read, the daemon is asked how it is, and nothing is changed. With \
--url a file is put into a storage and removed again, and a grant is made, used, and revoked: customers notice nothing, and \
`cloakroom grant list --customer 'cloakroom check'` shows it.

Exit codes: 0 no fault, 1 faults, 78 the configuration is wrong.

Examples:
  cloakroom check
  cloakroom check --url
  cloakroom check --url https://shop.example/ --connect 127.0.0.1:443
  nginx -T > /tmp/nginx.txt; cloakroom check --nginx-conf /tmp/nginx.txt";

/// Users that distributions run web servers as, where nginx's configuration names none.
const WORKERS: &[&str] = &["www-data", "nginx", "http"];

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print a configuration to begin with: every key, with its meaning and its default.
    #[arg(long)]
    print_default: bool,

    /// Ask the site too, as a customer: the site of `public_url`, or the one of this URL.
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "")]
    url: Option<String>,

    /// With --url: ask at this address, whatever the name of the site leads to.
    #[arg(long, value_name = "IP:PORT", requires = "url")]
    connect: Option<SocketAddr>,

    /// With --url: download this file of a storage, and plant none.
    #[arg(long, value_name = "STORAGE/PATH", requires = "url")]
    probe: Option<String>,

    /// Nginx's main configuration file, or a file with what `nginx -T` printed; without it, `nginx -T` is asked.
    #[arg(long, value_name = "FILE")]
    nginx_conf: Option<PathBuf>,

    /// Apache's main configuration file; without it, that of the machine is read.
    #[arg(long, value_name = "FILE")]
    apache_conf: Option<PathBuf>,

    /// The directory of logrotate's configuration.
    #[arg(long, value_name = "DIRECTORY", default_value = "/etc/logrotate.d", hide = true)]
    logrotate: PathBuf,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<(), Failure> {
    if arguments.print_default {
        return say(config::default_file().trim_end());
    }
    let configuration = common.load()?;
    written(&configuration)?;
    let place = arguments.url.as_ref().map(|url| place(url, &configuration)).transpose()?;
    let apache = apache::is_expected(&configuration).then(|| apache::conf(arguments.apache_conf.as_deref()));
    let usual = MadeBy::usual(&common.config);
    let mut parts = look(common, arguments, &configuration, apache.as_ref().map(|conf| (conf, &usual)));
    let tree = apache.as_ref().and_then(|conf| conf.as_ref().ok());
    let behind_nginx = nginx::is_expected(&configuration);
    if let Some(place) = place {
        let has_pages = behind_nginx || !tree.is_some_and(|tree| ApacheSite::of(tree, &configuration, &usual).rewrites(&configuration));
        let asked = visit::Asked { place, connect: arguments.connect, probe: arguments.probe.as_deref(), has_pages };
        parts.push(visit::part(&configuration, asked)?);
    }
    if apache.is_some() && !behind_nginx {
        let setup = tree.map_or_else(|| usual.clone(), |tree| apache_site::made_by(tree, &usual)).command;
        for part in &mut parts {
            let findings = std::mem::take(&mut part.findings).into_iter();
            part.findings = findings.map(|finding| behind_apache::told(finding, &setup)).collect();
        }
    }
    let summary = report::summary(&parts);
    if common.json {
        say_json(&serde_json::json!({
            "config": common.config,
            "site": configuration.site,
            "listeners": configuration.listeners.len(),
            "keys": configuration.keys.len(),
            "storages": configuration.storages.len(),
            "rules": configuration.rules.len(),
            "policies": configuration.policies.len(),
            "measured": configuration.knows_what_arrived(),
            "parts": parts,
            "summary": summary,
        }))?;
    } else {
        let counted = if configuration.knows_what_arrived() {
            "a download counts when it has arrived"
        } else {
            "a download counts when it starts, since there is no [feed] to tell what arrived"
        };
        let config = common.config.display();
        let says = format!("{config}: the configuration is right; its keys, storages and pages can be used; {counted}");
        say(paragraph("", &says))?;
        say(report::text(&parts))?;
    }
    if summary.faults == 0 { Ok(()) } else { Err(Failure::Told) }
}

/// The site that is meant.
fn place(url: &str, configuration: &Configuration) -> Result<http::Place, Failure> {
    let url = if url.is_empty() { &configuration.public_url.origin } else { url };
    http::Place::parse(url).map_err(|wrong| Failure::usage(format!("--url: {wrong}")))
}

/// The configuration and what it names, as the daemon reads them when it starts.
fn written(configuration: &Configuration) -> Result<(), Failure> {
    let feed = feed_fault(configuration);
    let faults: Vec<String> = feed.into_iter().chain(store_fault(configuration)).collect();
    match (serve::site_beside(configuration.clone(), Stores::of(Arc::new(Memory::new()))), faults) {
        (Ok(_), faults) if faults.is_empty() => Ok(()),
        (Ok(_), faults) => Err(Failure::Configuration(faults)),
        (Err(Failure::Configuration(mut all)), faults) => {
            all.extend(faults);
            Err(Failure::Configuration(all))
        }
        (Err(other), _) => Err(other),
    }
}

/// The machine, nginx's configuration, and the site.
fn look(
    common: &Common,
    arguments: &Arguments,
    configuration: &Configuration,
    apache: Option<(&Result<Tree, NoConf>, &MadeBy)>,
) -> Vec<Part> {
    let conf = nginx::is_expected(configuration).then(|| nginx::conf(arguments.nginx_conf.as_deref()));
    let accounts = Accounts::read();
    let keeper = fs::metadata(&configuration.state_dir).map_or(0, |found| found.uid());
    let worker = conf.as_ref().and_then(|conf| worker(&conf.as_ref().ok()?.tree, configuration, &accounts));
    let worker = worker.or_else(|| accounts.named(apache?.0.as_ref().ok()?.lines.iter().find(|line| line.name == "user")?.word(0)));
    let people = People::of(accounts, daemon::status(configuration), keeper, worker);
    let mut system = system::look(configuration, &common.config, &people, clock::now());
    if let StoreEntry::Sqlite { file, .. } = &configuration.store {
        // Damage would have ended the check before this.
        let is_there = if file.exists() { "whole at first sight" } else { "made when the daemon starts" };
        system.push(Finding::ok("store", format!("{}: {is_there}", file.display())));
    }
    system.extend(masters::look(configuration, &people));
    system.extend(public::look(configuration, &people));
    system.extend(public_waiting::look(configuration));
    system.extend(public_login::look(configuration, &people));
    system.extend(zen_cart::look(configuration, &people));
    system.extend(logins::look(configuration, &people));
    system.extend(feed_log::look(configuration, &people, &arguments.logrotate));
    system.extend(daemon::look(configuration, arguments.url.is_some()));
    system.extend(outbox::look(configuration));
    let mut parts = vec![Part { title: "This machine".to_owned(), findings: system }];
    parts.extend(conf.map(|conf| nginx_part(&conf, configuration)));
    parts.extend(apache.map(|(conf, usual)| apache_part(conf, configuration, usual)));
    parts
}

/// Who runs the workers of an nginx that has to do with us.
fn worker(tree: &[Directive], configuration: &Configuration, accounts: &Accounts) -> Option<Account> {
    let site = NginxSite::of(tree);
    if !nginx::knows_us(&site, configuration) {
        return None;
    }
    site.user().map_or_else(|| WORKERS.iter().find_map(|name| accounts.named(name)), |(user, _)| accounts.named(user))
}

fn nginx_part(conf: &Result<nginx::Conf, NoConf>, configuration: &Configuration) -> Part {
    match conf {
        Ok(conf) => Part {
            title: format!("Nginx's configuration: {}, {} files", conf.main, conf.files),
            findings: nginx::look(conf, configuration),
        },
        Err(NoConf::NotAsked(why)) => {
            Part { title: "Nginx's configuration".to_owned(), findings: vec![Finding::not_asked("nginx-conf", why.clone())] }
        }
        Err(NoConf::Unread(why)) => {
            let fault = Finding::fault("nginx-conf", "nginx's configuration cannot be read")
                .found(why)
                .right("what `nginx -t` accepts")
                .run("nginx -t");
            Part { title: "Nginx's configuration".to_owned(), findings: vec![fault] }
        }
    }
}

fn apache_part(conf: &Result<Tree, NoConf>, configuration: &Configuration, usual: &MadeBy) -> Part {
    let title = "Apache's configuration";
    match conf {
        Ok(tree) => {
            Part { title: format!("{title}: {}, {} files", tree.main, tree.files), findings: apache::look(tree, configuration, usual) }
        }
        Err(NoConf::NotAsked(why)) => Part { title: title.to_owned(), findings: vec![Finding::not_asked("apache-conf", why.clone())] },
        Err(NoConf::Unread(why)) => {
            let fault = Finding::fault("apache-conf", "Apache's configuration cannot be read").found(why);
            let fault = fault.right("what `apache2ctl configtest` accepts").run("apache2ctl configtest");
            Part { title: title.to_owned(), findings: vec![fault] }
        }
    }
}

/// What hinders the daemon, run by this user, from opening its store. One that is not there yet is made.
fn store_fault(configuration: &Configuration) -> Option<String> {
    let StoreEntry::Sqlite { file, .. } = &configuration.store else { return None };
    let fault = |what: String| Some(configuration.places.fault("store.file", "", format!("names what cannot be used: {what}")).to_string());
    match file.try_exists() {
        Ok(true) => Sqlite::examine(file).err().and_then(|not| fault(not.to_string())),
        Ok(false) => {
            let directory = file.parent().unwrap_or(file);
            if directory.is_dir() {
                return None;
            }
            fault(format!("{} must lie in a directory that is there: there is no {}", file.display(), directory.display()))
        }
        Err(error) => fault(format!("{} must be a file that this user can read: {error}", file.display())),
    }
}

/// What hinders the daemon, run by this user, from hearing what the web server reports. A log that is not there yet is
/// waited for.
fn feed_fault(configuration: &Configuration) -> Option<String> {
    match configuration.feed.as_ref()? {
        Feed::AccessLog(log) => {
            let named = |what: String| configuration.places.fault("feed.access_log", "", format!("names what cannot be used: {what}"));
            log_fault(log).map(|what| named(what).to_string())
        }
        Feed::Syslog { path, .. } => {
            let directory = path.parent().unwrap_or(path);
            let missing =
                || format!("must lie in a directory that is there, found \"{}\": there is no {}", path.display(), directory.display());
            (!directory.is_dir()).then(|| configuration.places.fault("feed.syslog", "", missing()).to_string())
        }
        Feed::Api => None,
    }
}

fn log_fault(log: &Path) -> Option<String> {
    let fault = |wants: &str, error: &dyn std::fmt::Display| Some(format!("{} {wants}: {error}", log.display()));
    match File::open(log) {
        Ok(file) if file.metadata().is_ok_and(|found| found.is_dir()) => fault("must be a file", &"it is a directory"),
        Ok(_) => None,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let directory = log.parent().unwrap_or(log);
            let missing = || fault("must lie in a directory that is there", &format!("there is no {}", directory.display()));
            if directory.is_dir() { None } else { missing() }
        }
        Err(error) => fault("must be a file that this user can read", &error),
    }
}

//! SIGHUP: the configuration, and all that it names, read anew; taken whole or not at all.

use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::auth::{Desk, Logins};
use crate::clock;
use crate::config::{self, Configuration, Fault, Renewal, renew, time_zone};
use crate::keys::follow::{States, Watch};
use crate::keys::{self, KeyFault};
use crate::outbox::{Couriers, MailCourier, MailFault};
use crate::pages::Pages;
use crate::proof::key::KeyRing;
use crate::proof::webhook::WebhookSecret;
use crate::public::Directories;
use crate::service::places::left_behind;
use crate::service::site::{Current, Site};
use crate::storage::Storages;

/// What a configuration names, read and found good.
pub(super) struct Named {
    pub(super) keys: KeyRing,
    pub(super) logins: Logins,
    pub(super) storages: Storages,
    pub(super) directories: Directories,
    pub(super) pages: Pages,
    pub(super) couriers: Couriers,
}

impl Named {
    /// Reads keys, htpasswd files, storages, public directories and templates; all that is wrong is said at once, each with
    /// the line that names it. Logins are checked at `desk`; what is open in `before` is not opened again.
    pub(super) fn read(configuration: &Configuration, desk: Arc<Desk>, before: &Directories) -> Result<Self, Vec<Fault>> {
        let mut faults: Vec<Fault> = Vec::new();
        let named = |key: &'static str, of: &str, fault: &dyn std::fmt::Display| {
            configuration.places.fault(key, of, format!("names what cannot be used: {fault}"))
        };
        let keys = keys::load(&configuration.keys).map_err(|all| faults.extend(key_faults(configuration, &all)));
        let files = configuration.rules.iter().filter_map(|rule| rule.htpasswd.as_deref());
        let logins = Logins::open(files, desk, clock::now());
        let logins = logins.map_err(|all| {
            faults.extend(all.iter().map(|fault| named("rule.htpasswd", &fault.file.to_string_lossy(), fault)));
        });
        let storages = Storages::open(&configuration.storages)
            .map_err(|all| faults.extend(all.iter().map(|fault| named("storage.path", fault.name.as_str(), fault))));
        let pages = Pages::load(configuration.templates.as_deref())
            .map(|pages| pages.in_zone(&configuration.zone.as_deref().and_then(time_zone).unwrap_or(TimeZone::UTC)))
            .map_err(|all| faults.extend(all.iter().map(|fault| named("pages.templates", "", fault))));
        let directories = Directories::open(&configuration.directories, before)
            .map_err(|all| faults.extend(all.iter().map(|fault| named("directory.path", fault.name.as_str(), fault))));
        let couriers = couriers(configuration).map_err(|all| faults.extend(all));
        match (keys, logins, storages, directories, pages, couriers) {
            (Ok(keys), Ok(logins), Ok(storages), Ok(directories), Ok(pages), Ok(couriers)) => {
                Ok(Self { keys, logins, storages, directories, pages, couriers })
            }
            _ => Err(faults),
        }
    }
}

/// Reads the secrets of webhooks, the password of the mail server, and the templates of mails.
fn couriers(configuration: &Configuration) -> Result<Couriers, Vec<Fault>> {
    let (places, mut faults) = (&configuration.places, Vec::new());
    let mut webhooks = Vec::new();
    for entry in &configuration.webhooks {
        let file = entry.secret.display();
        let named = |wrong: &dyn std::fmt::Display| {
            places.fault("webhook.secret", entry.name.as_str(), format!("names what cannot be used: {file}: {wrong}"))
        };
        match keys::secret_line(&entry.secret) {
            Ok(line) => match WebhookSecret::parse(&line) {
                Ok(secret) => webhooks.push((entry.clone(), secret)),
                Err(wrong) => faults.push(named(&wrong)),
            },
            Err(cause) => faults.push(named(&cause)),
        }
    }
    let mail = configuration.mail.as_ref().map(|entry| {
        let wrong =
            |key: &'static str, wrong: &dyn std::fmt::Display| vec![places.fault(key, "", format!("names what cannot be used: {wrong}"))];
        let password = entry
            .login
            .as_ref()
            .map(|(_, file)| keys::secret_line(file).map_err(|cause| wrong("mail.password_file", &format!("{}: {cause}", file.display()))));
        let password = password.transpose()?;
        MailCourier::open(entry.clone(), password, &configuration.public_url.host).map_err(|fault| match fault {
            MailFault::Server(fault) => wrong("mail.server", &fault),
            MailFault::Templates(directory, all) => {
                all.iter().flat_map(|fault| wrong("mail.templates", &format!("{}: {fault}", directory.display()))).collect()
            }
        })
    });
    let mail = mail.transpose().map_err(|all: Vec<Fault>| faults.extend(all));
    match mail {
        Ok(mail) if faults.is_empty() => Ok(Couriers::new(webhooks, mail)),
        Ok(_) | Err(()) => Err(faults),
    }
}

/// Those of the key files, each with the line that names it.
pub(super) fn key_faults(configuration: &Configuration, faults: &[KeyFault]) -> Vec<Fault> {
    let named = |fault: &KeyFault| configuration.places.fault("key.file", &fault.key, format!("names what cannot be used: {fault}"));
    faults.iter().map(named).collect()
}

/// Why the configuration before stays in force.
enum Kept {
    /// The file is wrong.
    File(config::Errors),
    /// What it names is wrong.
    Named(Vec<Fault>),
    /// A reload cannot take it.
    Other(String),
}

/// Takes the configuration at `path`, and logs what came of it. Whether it was taken.
pub(super) async fn reload(current: &Current, path: &Path, key_files: &mut KeyFiles) -> bool {
    match attempt(current, path, key_files).await {
        Ok(Renewal { changed, waiting, .. }) => {
            let changed = if changed.is_empty() { "nothing".to_owned() } else { changed.join(", ") };
            tracing::info!(event = "reloaded", changed, "key files and templates were read again, too");
            for key in waiting {
                tracing::warn!(event = "needs_restart", key, "it was changed, and a reload cannot change it: it waits for a restart");
            }
            true
        }
        Err(kept) => {
            let count = match kept {
                Kept::File(errors) => tell(errors.faults()),
                Kept::Named(faults) => tell(&faults),
                Kept::Other(fault) => {
                    tracing::error!(event = "reload_fault", file = %path.display(), "{fault}");
                    1
                }
            };
            tracing::error!(event = "reload_refused", faults = count, "nothing was taken; the configuration before stays in force");
            false
        }
    }
}

/// Logs what is wrong, and counts it.
fn tell(faults: &[Fault]) -> usize {
    for Fault { file, line, key, message, .. } in faults {
        let key = (!key.is_empty()).then_some(key);
        tracing::error!(event = "reload_fault", file, line, key, "{message}");
    }
    faults.len()
}

async fn attempt(current: &Current, path: &Path, key_files: &mut KeyFiles) -> Result<Renewal, Kept> {
    let written = config::load(path).map_err(Kept::File)?;
    let site = current.site();
    let renewal = renew(&site.configuration, written).map_err(Kept::Other)?;
    let states = States::of(&renewal.configuration.keys);
    let next = next(&site, renewal.configuration.clone())?;
    stays(&site, &next).await?;
    current.replace(next);
    key_files.reloaded(current, states);
    Ok(renewal)
}

fn next(site: &Site, configuration: Configuration) -> Result<Site, Kept> {
    let named = Named::read(&configuration, Arc::clone(&site.logins.desk), &site.directories).map_err(Kept::Named)?;
    let Named { keys, logins, storages, directories, pages, couriers } = named;
    site.renewed(configuration, keys, logins, storages, directories, pages)
        .map(|next| next.with_couriers(couriers))
        .map_err(|fault| Kept::Other(format!("server.public_url: {fault}")))
}

/// Refuses what would leave things of ours in a directory that nobody looks after any more.
async fn stays(site: &Site, next: &Site) -> Result<(), Kept> {
    let left = left_behind(site, &next.directories).await;
    let left =
        left.map_err(|down| Kept::Other(format!("[[directory]]: whether anything of ours lies in those before is not known: {down}")))?;
    let places = &next.configuration.places;
    let faults: Vec<Fault> = left.into_iter().map(|left| places.fault("directory.path", left.name.as_str(), left.why)).collect();
    if faults.is_empty() { Ok(()) } else { Err(Kept::Named(faults)) }
}

/// The key files, followed while the daemon runs.
pub(super) struct KeyFiles {
    watch: Option<Watch>,
    /// As they were when they were looked at last.
    seen: States,
}

impl KeyFiles {
    /// Follows those of the current configuration, which were as in `seen` before they were read. To be called on an event
    /// loop.
    pub(super) fn follow(current: &Current, seen: States) -> Self {
        let watch = Watch::new()
            .map_err(|error| tracing::warn!(event = "keys_not_followed", %error, "a key file that changes is taken at a reload"))
            .ok();
        let files = Self { watch, seen };
        files.watch(current);
        files
    }

    fn watch(&self, current: &Current) {
        if let Some(Err(error)) = self.watch.as_ref().map(|watch| watch.add(&current.site().configuration.keys)) {
            tracing::warn!(event = "keys_not_followed", %error, "a key file that changes is taken at a reload");
        }
    }

    /// Waits until a file may have changed.
    pub(super) async fn changed(&self) {
        match &self.watch {
            Some(watch) => watch.changed().await,
            None => std::future::pending().await,
        }
    }

    /// Another configuration may name other files.
    pub(super) fn reloaded(&mut self, current: &Current, before: States) {
        self.seen = before;
        self.watch(current);
    }

    /// Takes the keys if a file has changed and all are good; else those before stay in force, and it is said why.
    pub(super) fn look(&mut self, current: &Current) {
        let site = current.site();
        let now = States::of(&site.configuration.keys);
        let ids = now.differing(&self.seen).join(", ");
        if ids.is_empty() {
            return;
        }
        match keys::load(&site.configuration.keys) {
            Ok(ring) => {
                current.replace(site.with_keys(ring));
                tracing::info!(event = "keys_read", keys = ids, "key files have changed, and were read again");
            }
            Err(faults) => {
                for fault in &faults {
                    let file = fault.file.display();
                    tracing::error!(event = "keys_kept", key = fault.key, %file, changed = ids, "the keys before stay in force: {fault}");
                }
            }
        }
        // A directory that was made anew is watched anew.
        self.watch(current);
        self.seen = now;
    }
}

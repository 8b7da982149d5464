//! Zen Cart's own `pub/` on this machine: whether the daemon can take links away there, whether the shop keeps its own
//! clean-up still, and who reads the files that the links lead to.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::accounts::Wish;
use super::finding::{Finding, or_ok};
use super::people::People;
use super::zen_cart_shop::{Shop, THRESHOLD, Threshold};
use crate::api::{PublicPage, ZenCartView};
use crate::cli::client::Client;
use crate::config::{Configuration, ZenCart};
use crate::domain::zen_cart::{Name, STAYS_MAX};

const CHECK: &str = "zen-cart";

/// The line that keeps Zen Cart's clean-up still: ten years, in seconds.
const LINE: &str = "define('SYMLINK_GARBAGE_COLLECTION_THRESHOLD', 315360000);";

/// So many links are looked at: what is wrong with one is mostly wrong with all.
const LINKS_MAX: usize = 1000;

/// All about Zen Cart's directories.
pub(super) fn look(configuration: &Configuration, people: &People) -> Vec<Finding> {
    if configuration.zen_carts.is_empty() {
        return Vec::new();
    }
    let page = Client::of(configuration, "check").ok().and_then(|client| client.fetch::<PublicPage>("/api/v1/public?limit=1").ok());
    let told = page.map(|page| page.zen_carts).unwrap_or_default();
    configuration.zen_carts.iter().flat_map(|entry| one(entry, people, &told)).collect()
}

fn one(entry: &ZenCart, people: &People, told: &[ZenCartView]) -> Vec<Finding> {
    let path = entry.path.display();
    let Some(found) = fs::metadata(&entry.path).ok().filter(Metadata::is_dir) else {
        let fault = Finding::fault(CHECK, "Zen Cart's links are not looked after: they stay for ever, or its own clean-up takes them");
        return vec![
            fault
                .found(format!("no directory {path}"))
                .right("the shop's DIR_FS_DOWNLOAD_PUBLIC, `pub/` beside its `includes/` if nothing else is said")
                .run("editor /etc/cloakroom/cloakroom.toml"),
        ];
    };
    let mut wrong = writes(entry, &found, people);
    wrong.extend(people_of_links(entry, people));
    let told = told.iter().find(|told| told.path == path.to_string());
    if wrong.is_empty() {
        wrong.extend(told.and_then(by_daemon));
    }
    let shop = Shop::around(&entry.path);
    let mut findings = Vec::new();
    match &shop {
        Ok(shop) => wrong.extend(clean_up(shop)),
        Err(why) => findings.push(Finding::not_asked(CHECK, format!("whether the shop of {path} keeps its own clean-up still: {why}"))),
    }
    if let Some(told) = told.filter(|told| told.lost_total > 0 && !wrong.iter().any(|finding| finding.check == CLEAN_UP)) {
        wrong.push(lost(entry, told, &shop));
    }
    wrong.extend(masters(entry, people, &folders(entry, shop.as_ref().ok())));
    let still = if shop.is_ok() { ", its own clean-up keeps still" } else { "" };
    let says = format!("{path}, {}: the daemon takes links away there{still}", people.accounts.mode_of(&found));
    findings.extend(or_ok(CHECK, says, wrong));
    findings
}

/// Whether the daemon may take away there what others made.
fn writes(entry: &ZenCart, found: &Metadata, people: &People) -> Vec<Finding> {
    const SAYS: &str = "the daemon cannot take Zen Cart's links away";
    let path = entry.path.display();
    let mode = people.accounts.mode_of(found);
    let daemon = &people.daemon;
    if found.mode() & 0o1000 != 0 && daemon.user != 0 && daemon.user != found.uid() {
        let fault = Finding::fault(CHECK, SAYS).found(format!("{path} has mode {mode}, with the sticky bit"));
        return vec![fault.right("2775: by the sticky bit nobody takes away what others made").run(format!("chmod -t {path}"))];
    }
    let obstacle = [Wish::Enter, Wish::Write].into_iter().find_map(|wish| people.accounts.obstacle(daemon, &entry.path, wish));
    let Some(obstacle) = obstacle else { return Vec::new() };
    let group = people.accounts.group_name(found.gid());
    let run = if obstacle.path != entry.path {
        format!("chmod o+x {}", obstacle.path.display())
    } else if daemon.is_in(found.gid()) {
        format!("chmod 2775 {path}")
    } else {
        format!("usermod -a -G {group} {} && chmod 2775 {path} && systemctl restart cloakroom", daemon.name)
    };
    let fault = Finding::fault(CHECK, SAYS).found(format!("{} has mode {}", obstacle.path.display(), obstacle.shown));
    let right = format!("2775, with {} in the group {group}, that of the shop's PHP", daemon.name);
    vec![people.or_restart(fault.right(right).run(run), &obstacle)]
}

/// The directories of links that lie there.
fn link_directories(entry: &ZenCart) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(&entry.path).into_iter().flatten().flatten();
    let ours = entries.filter(|entry| entry.file_name().to_str().and_then(Name::parse).is_some());
    ours.map(|entry| entry.path()).filter(|path| path.is_dir() && !path.is_symlink()).take(LINKS_MAX)
}

/// Whether the daemon may change the links' own directories, as Zen Cart makes them.
fn people_of_links(entry: &ZenCart, people: &People) -> Vec<Finding> {
    let obstacle = link_directories(entry).find_map(|link| people.accounts.obstacle(&people.daemon, &link, Wish::Write));
    let Some(obstacle) = obstacle.filter(|obstacle| obstacle.path.starts_with(&entry.path) && obstacle.path != entry.path) else {
        return Vec::new();
    };
    let fault = Finding::fault(CHECK, "the daemon cannot take away links, as Zen Cart makes them");
    vec![
        fault
            .found(format!("{} has mode {}", obstacle.path.display(), obstacle.shown))
            .right("no DOWNLOAD_CHMOD in the shop, which is 0777, or '0770' (with the quotes) and the group of `pub/`")
            .run(format!("chmod 2775 {path} && chmod g+rwx {path}/*-*", path = entry.path.display())),
    ]
}

/// What the running daemon says of it.
fn by_daemon(told: &ZenCartView) -> Option<Finding> {
    let why = told.fault.as_ref()?;
    let fault = Finding::fault(CHECK, "the daemon cannot look after Zen Cart's links");
    Some(
        fault
            .found(why.clone())
            .right("under systemd, `ReadWritePaths=` with this directory in the unit's [Service]; else what the daemon says")
            .run(format!("systemctl edit cloakroom   # [Service] ReadWritePaths={}", told.path)),
    )
}

/// The findings of it stand under a name of their own.
const CLEAN_UP: &str = "zen-cart-clean-up";

/// Whether the shop's own clean-up keeps still.
fn clean_up(shop: &Shop) -> Option<Finding> {
    let file = shop.root.join("includes/extra_configures/cloakroom.php");
    let says = "Zen Cart's own clean-up takes links away from those who are downloading: with each click of another customer";
    let right = format!("more than {} seconds, 7 days; with ten years it finds nothing", STAYS_MAX.seconds());
    match (&shop.threshold, shop.threshold.seconds()) {
        (_, Some(seconds)) if seconds >= STAYS_MAX.seconds() => None,
        (Threshold::Said(seconds, place), _) => {
            let fault = Finding::fault(CLEAN_UP, says).found(format!("{THRESHOLD} is {seconds} in {place}"));
            Some(fault.right(right).replace(LINE, place.clone()))
        }
        (Threshold::Unread(place), _) => {
            Some(Finding::not_asked(CLEAN_UP, format!("{place} gives {THRESHOLD} a value that only PHP can read: it must be {right}")))
        }
        (Threshold::Unsaid, _) => {
            let found = format!("no {THRESHOLD} in {}", shop.root.join("includes").display());
            let fault = Finding::fault(CLEAN_UP, says).found(format!("{found}: it takes away whatever is older than 0 seconds"));
            let line = format!("<?php {LINE}");
            Some(fault.right(right).add(line, file.display().to_string()))
        }
    }
}

/// That others took links away, though nothing in the shop says why.
fn lost(entry: &ZenCart, told: &ZenCartView, shop: &Result<Shop, String>) -> Finding {
    let at = told.lost_at.as_deref().unwrap_or_default();
    let found = format!("{} of {} were taken away before their time, the last as was seen at {at}", told.lost_total, entry.path.display());
    let warning = Finding::warning(CLEAN_UP, "somebody else takes Zen Cart's links away: downloads that pause end there").found(found);
    let place = shop.as_ref().map_or_else(
        |_| "includes/extra_configures/cloakroom.php of the shop".to_owned(),
        |shop| shop.root.join("includes/extra_configures/cloakroom.php").display().to_string(),
    );
    let right = format!("only Cloakroom does: {THRESHOLD} in the shop, and no other job that cleans up");
    warning.right(right).add(format!("<?php {LINE}"), place)
}

/// Where the masters lie: what links lead to, and the shop's `download/`.
pub(super) fn folders(entry: &ZenCart, shop: Option<&Shop>) -> BTreeSet<PathBuf> {
    let targets = link_directories(entry).flat_map(|link| fs::read_dir(link).into_iter().flatten().flatten());
    let targets = targets.filter_map(|link| fs::read_link(link.path()).ok()).filter(|target| target.is_absolute());
    let own = shop.map(|shop| shop.root.join("download"));
    let folders = targets.filter_map(|target| target.parent().map(Path::to_owned)).chain(own);
    folders.filter(|folder| folder.is_dir()).collect()
}

/// Who reads the files: nginx to send them, and the daemon hears of their readers by their directory.
fn masters(entry: &ZenCart, people: &People, folders: &BTreeSet<PathBuf>) -> Vec<Finding> {
    let mut found = Vec::new();
    for folder in folders {
        let shown = folder.display();
        let group = fs::metadata(folder).map_or_else(|_| "downloads".to_owned(), |there| people.accounts.group_name(there.gid()));
        if let Some(obstacle) = people.accounts.obstacle(&people.daemon, folder, Wish::Read) {
            let warning =
                Finding::warning("zen-cart-masters", "the daemon does not hear who is downloading: links go by age and log alone");
            let warning = warning
                .found(format!("{} has mode {}", obstacle.path.display(), obstacle.shown))
                .right(format!("{} may list {shown}", people.daemon.name))
                .run(format!("usermod -a -G {group} {} && chmod g+rx {shown} && systemctl restart cloakroom", people.daemon.name));
            found.push(people.or_restart(warning, &obstacle));
        }
        let Some(worker) = &people.worker else { continue };
        if let Some(obstacle) = people.accounts.obstacle(worker, folder, Wish::Enter) {
            let says =
                format!("nginx's workers, as {}, cannot enter where {}'s links lead: customers see 403", worker.name, entry.path.display());
            let fault = Finding::fault("zen-cart-masters", says);
            found.push(
                fault
                    .found(format!("{} has mode {}", obstacle.path.display(), obstacle.shown))
                    .right(format!("{} may enter {shown} and read its files", worker.name))
                    .run(format!("usermod -a -G {group} {} && chmod g+rx {shown} && systemctl restart nginx", worker.name)),
            );
        }
    }
    found
}

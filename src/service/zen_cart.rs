//! Looks after Zen Cart's own `pub/`: its links stay while they are used, and go when their time is over. Zen Cart's own
//! clean-up takes away what others are downloading; it is told to keep still (conf-examples/zencart).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;

mod known;

use self::known::lock;
pub use self::known::{Gone, Kept, Lost, Seen, ZenCarts};
use super::inventory::FOREIGN_TOLD_MAX;
use super::site::{Current, Site};
use crate::clock;
use crate::config::ZenCart;
use crate::domain::moment::{Moment, Span};
use crate::domain::probe;
use crate::domain::zen_cart::{Name, REST, STAYS_MAX, Use, stays};
use crate::feed::line::PublicReport;
use crate::public::{Heard, LinkDirectory, Others, Taken, ZenCartPub, ZenCartWatch, shown};

/// A directory that cannot be used, or a link that cannot be taken away, is tried again.
const AGAIN: Span = Span::from_seconds(60);

/// Of so many links it is remembered when they were asked for: those of a week in a large shop.
const ASKED_MAX: usize = 100_000;

/// So many foreign names are said in the log.
const SAID_MAX: usize = 20;

/// Remembers what the log tells of Zen Cart's links.
pub(super) fn asked(site: &Site, reports: &[PublicReport]) {
    for report in reports {
        let inside = |entry: &&ZenCart| entry.url.as_ref().is_some_and(|url| report.path.starts_with(&url.path));
        let Some(entry) = site.configuration.zen_carts.iter().find(inside) else { continue };
        let path = entry.url.as_ref().and_then(|url| report.path.strip_prefix(&url.path)).unwrap_or_default();
        let name = path.split('/').next().unwrap_or_default();
        if Name::parse(name).is_none() || report.report.status >= 400 {
            continue;
        }
        let (now, mut asked) = (clock::now(), lock(&site.zen_carts.asked));
        if asked.len() >= ASKED_MAX {
            asked.retain(|_, moment| *moment + STAYS_MAX > now);
        }
        if asked.len() < ASKED_MAX {
            let known = asked.entry((entry.path.clone(), name.to_owned())).or_insert(Moment::EPOCH);
            *known = (*known).max(report.report.ended.min(now));
        }
    }
}

/// Takes away what is over, then sleeps until the next link is, or something happens; never ends by itself.
pub async fn keep(current: &Current) {
    let mut keeper = Keeper { readers: Readers::new(clock::now()), watch: None, deaf: None, tended: BTreeMap::new() };
    loop {
        let site = current.site();
        if site.configuration.zen_carts.is_empty() {
            keeper.tended.clear();
            site.zen_carts.changed.notified().await;
            continue;
        }
        let mut next = keeper.look(&site).await;
        loop {
            let wait = Duration::from_millis(next.since(clock::now()).millis());
            tokio::select! {
                () = tokio::time::sleep(wait) => break,
                () = site.zen_carts.changed.notified() => break,
                heard = hear(&mut keeper.watch) => {
                    if keeper.readers.take(&heard, clock::now()) {
                        break;
                    }
                    // Who is done may have been the last who kept a link.
                    let rests = site.configuration.zen_carts.iter().map(|entry| entry.keep.min(REST)).min().unwrap_or(REST);
                    next = next.min(clock::now() + rests);
                }
            }
        }
    }
}

async fn hear(watch: &mut Option<ZenCartWatch>) -> Vec<Heard> {
    match watch {
        Some(watch) => watch.heard().await,
        None => std::future::pending().await,
    }
}

/// Who reads files.
#[derive(Debug)]
struct Readers {
    open: HashMap<PathBuf, u32>,
    left: HashMap<PathBuf, Moment>,
    /// Since when it is known who reads, and where that is later, of the files in which directories.
    since: Moment,
    folders: HashMap<PathBuf, Moment>,
}

impl Readers {
    /// Nobody is known to read at `since`.
    fn new(since: Moment) -> Self {
        Self { open: HashMap::new(), left: HashMap::new(), since, folders: HashMap::new() }
    }

    /// Takes in what was heard; whether there may be new links.
    fn take(&mut self, heard: &[Heard], now: Moment) -> bool {
        let mut came = false;
        for heard in heard {
            match heard {
                Heard::Came => came = true,
                Heard::Opened(path) => *self.open.entry(path.clone()).or_default() += 1,
                Heard::Closed(path) => {
                    self.left.insert(path.clone(), now);
                    if let Some(count) = self.open.get_mut(path) {
                        *count -= 1;
                        if *count == 0 {
                            self.open.remove(path);
                        }
                    }
                }
                Heard::Lost => {
                    self.open.clear();
                    self.since = now;
                    came = true;
                }
            }
        }
        came
    }

    /// What is known of the use of a link to `targets` that was made at `made` and asked for at `asked`.
    fn of(&self, targets: &[PathBuf], made: Moment, asked: Option<Moment>) -> Use {
        let left = targets.iter().filter_map(|target| self.left.get(target)).max().copied();
        // Who began to read before anybody listened may read still.
        let folders = targets.iter().filter_map(|target| self.folders.get(target.parent()?)).copied();
        let since = folders.chain([self.since]).max().filter(|since| made <= *since);
        Use { asked, is_read: targets.iter().any(|target| self.open.contains_key(target)), left: left.max(since) }
    }

    /// Forgets who left so long ago that no link stays for it.
    fn forget(&mut self, now: Moment) {
        self.left.retain(|_, left| *left + REST > now);
    }
}

struct Keeper {
    readers: Readers,
    watch: Option<ZenCartWatch>,
    /// Why not everything is heard, as it was said.
    deaf: Option<String>,
    tended: BTreeMap<PathBuf, Tended>,
}

/// One of the directories.
#[derive(Default)]
struct Tended {
    open: Option<Arc<ZenCartPub>>,
    /// What is wrong with it, as it was said.
    fault: Option<String>,
    links: HashMap<String, LinkDirectory>,
    foreign: usize,
    lost: Option<Lost>,
    removed: usize,
}

impl Keeper {
    /// Looks at all directories, takes away what is over, and tells when to look again.
    async fn look(&mut self, site: &Site) -> Moment {
        let entries = &site.configuration.zen_carts;
        self.tended.retain(|path, _| entries.iter().any(|entry| entry.path == *path));
        if self.watch.is_none() {
            match ZenCartWatch::new() {
                Ok(watch) => {
                    self.watch = Some(watch);
                    self.readers = Readers::new(clock::now());
                }
                Err(error) => self.deaf(&error.to_string()),
            }
        }
        self.readers.forget(clock::now());
        let (mut next, mut all) = (clock::now() + STAYS_MAX, Vec::new());
        for entry in entries {
            let mut kept = Kept::of(&entry.path);
            next = next.min(self.look_at(site, entry, &mut kept).await);
            kept.links.sort_by(|one: &Seen, other| (one.until, &one.name).cmp(&(other.until, &other.name)));
            all.push(kept);
        }
        site.zen_carts.saw(all);
        next
    }

    fn deaf(&mut self, why: &str) {
        if self.deaf.as_deref() != Some(why) {
            tracing::warn!(
                event = "zen_cart_deaf",
                "who reads files of Zen Cart's links is not known, and they go by age and log alone: {why}"
            );
            self.deaf = Some(why.to_owned());
        }
    }

    /// Listens for new links, and for who reads these files.
    fn listen<'t>(&mut self, directory: &ZenCartPub, targets: impl Iterator<Item = &'t PathBuf>) -> io::Result<()> {
        let Some(watch) = &mut self.watch else { return Ok(()) };
        watch.at_directory(directory)?;
        let mut first = Ok(());
        for target in targets {
            match watch.at_file(target) {
                Ok(Some(folder)) => drop(self.readers.folders.insert(folder.to_owned(), clock::now())),
                // A link to nothing is read by nobody.
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => first = first.and(Err(error)),
            }
        }
        first
    }

    async fn look_at(&mut self, site: &Site, entry: &ZenCart, told: &mut Kept) -> Moment {
        let (path, now) = (entry.path.clone(), clock::now());
        let tended = self.tended.entry(path.clone()).or_default();
        told.removed = tended.removed;
        let (open, known) = (tended.open.take(), std::mem::take(&mut tended.links));
        let looked = tokio::task::spawn_blocking(move || look(&path, open, known)).await;
        let Found { directory, links, foreign, lost } = match looked.unwrap_or_else(|panic| Err(panic.to_string())) {
            Ok(found) => found,
            Err(fault) => {
                let fault = format!("{fault}. {NEEDS}");
                tended.failed(&entry.path, &fault);
                told.fault = Some(fault);
                return now + AGAIN;
            }
        };
        tended.foreign(&entry.path, &foreign);
        told.foreign = foreign;
        tended.lost(site, entry, lost, now);
        told.lost = tended.lost;
        if let Err(error) = self.listen(&directory, links.values().flat_map(|link| &link.targets)) {
            self.deaf(&error.to_string());
        }
        let mut next = now + entry.keep.min(STAYS_MAX).max(AGAIN);
        let (mut kept, mut over) = (HashMap::new(), Vec::new());
        for (name, link) in links {
            let made = link.told.made(link.changed, now);
            let used = self.readers.of(&link.targets, made, site.zen_carts.asked(&entry.path, &name));
            let stays = stays(made, used, entry.keep);
            let one = Seen { name, targets: link.targets.clone(), made, until: stays.until, by: stays.by, not_removed: None };
            if one.until <= now {
                over.push(one);
                continue;
            }
            next = next.min(one.until);
            kept.insert(one.name.clone(), link);
            told.links.push(one);
        }
        let (removed, failed) = take(site, entry, &directory, over).await;
        let tended = self.tended.entry(entry.path.clone()).or_default();
        tended.removed += removed;
        told.removed = tended.removed;
        (tended.open, tended.links) = (Some(directory), kept);
        if let Some(fault) = failed.first().and_then(|first| first.not_removed.clone()) {
            tended.failed(&entry.path, &fault);
            told.links.extend(failed);
            told.fault = Some(fault);
            return next.min(now + AGAIN);
        }
        tended.worked(&entry.path);
        next
    }
}

/// What the daemon needs.
const NEEDS: &str = "The daemon must be in the group of the shop's PHP, and that must be allowed to write there: `usermod -a -G www-data \
    cloakroom`, `chmod 2775`; see conf-examples/zencart/README.md";

impl Tended {
    fn failed(&mut self, path: &Path, fault: &str) {
        if self.fault.as_deref() != Some(fault) {
            tracing::error!(event = "zen_cart_not_kept", path = %path.display(), "{fault}");
            self.fault = Some(fault.to_owned());
        }
    }

    fn worked(&mut self, path: &Path) {
        if self.fault.take().is_some() {
            tracing::info!(event = "zen_cart_kept", path = %path.display(), "it can be used again");
        }
    }

    /// Remembers what others took away before its time, and says it once.
    fn lost(&mut self, site: &Site, entry: &ZenCart, lost: Vec<LinkDirectory>, now: Moment) {
        if lost.is_empty() {
            return;
        }
        if self.lost.is_none() {
            tracing::warn!(
                event = "zen_cart_lost",
                path = %entry.path.display(),
                "somebody takes links away before their time, Zen Cart's own clean-up mostly: downloads that pause end there. Define \
                 SYMLINK_GARBAGE_COLLECTION_THRESHOLD in the shop, as conf-examples/zencart/README.md tells; of later ones `cloakroom stub list` tells"
            );
        }
        self.lost = Some(Lost { total: self.lost.map_or(0, |before| before.total) + lost.len(), at: now });
        for link in lost {
            let made = link.told.made(link.changed, now);
            let stays = stays(made, Use { asked: site.zen_carts.asked(&entry.path, &link.name), ..Use::default() }, entry.keep);
            let link = Seen { name: link.name, targets: link.targets, made, until: stays.until, by: stays.by, not_removed: None };
            site.zen_carts.went(Gone { directory: entry.path.clone(), link, at: now, is_by_us: false });
        }
    }

    fn foreign(&mut self, path: &Path, others: &Others) {
        if others.total == self.foreign {
            return;
        }
        self.foreign = others.total;
        let said = others.first.iter().take(SAID_MAX).map(|name| shown(name).escape_debug().to_string()).collect::<Vec<_>>().join(", ");
        tracing::info!(event = "zen_cart_foreign", path = %path.display(), count = others.total, names = said, "not links of Zen Cart's: these stay");
    }
}

/// Takes away links whose time is over: how many, and those that could not be, with what kept them.
async fn take(site: &Site, entry: &ZenCart, directory: &Arc<ZenCartPub>, over: Vec<Seen>) -> (usize, Vec<Seen>) {
    let (directory, path) = (Arc::clone(directory), entry.path.display());
    let (given, mut removed, mut failed) = (over.clone(), 0, Vec::new());
    let work = move || over.into_iter().map(|one| (directory.take(&one.name), one)).collect::<Vec<_>>();
    let done = match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(panic) => return (0, given.into_iter().map(|one| Seen { not_removed: Some(panic.to_string()), ..one }).collect()),
    };
    for (taken, one) in done {
        let name = one.name.as_str();
        match taken {
            Ok(Taken::Gone) => {
                removed += 1;
                tracing::debug!(event = "zen_cart_removed", name, %path);
            }
            Ok(Taken::WasGone) => {}
            Ok(Taken::Foreign(name)) => {
                tracing::warn!(event = "zen_cart_foreign", name, %path, "it holds something else than links, and stays");
                continue;
            }
            Err(fault) => {
                let fault = format!("{fault}. Zen Cart's DOWNLOAD_CHMOD must let the daemon write, as 0777 does. {NEEDS}");
                failed.push(Seen { not_removed: Some(fault), ..one });
                continue;
            }
        }
        site.zen_carts.went(Gone { directory: entry.path.clone(), link: one, at: clock::now(), is_by_us: true });
    }
    (removed, failed)
}

/// What lies in a directory.
struct Found {
    directory: Arc<ZenCartPub>,
    links: HashMap<String, LinkDirectory>,
    foreign: Others,
    /// Those that were known, and are not there any more.
    lost: Vec<LinkDirectory>,
}

/// Looks at a directory; what is `known` of a link does not change.
fn look(path: &Path, open: Option<Arc<ZenCartPub>>, mut known: HashMap<String, LinkDirectory>) -> Result<Found, String> {
    let directory = match open.filter(|open| open.is_at(path)) {
        Some(open) => open,
        None => Arc::new(ZenCartPub::open(path)?),
    };
    directory.tidy().map_err(|fault| fault.to_string())?;
    let (mut links, mut foreign, nothing) = (HashMap::new(), Others::default(), BTreeSet::new());
    let not_listed = |error: Errno| format!("cannot be listed: {error}");
    for name in directory.names().map_err(not_listed)? {
        let name = name.map_err(not_listed)?;
        let Some(text) = name.to_str() else {
            foreign.add(&name, &nothing, FOREIGN_TOLD_MAX);
            continue;
        };
        // One that is being made has no link yet.
        let found = match known.remove(text).filter(|link| !link.targets.is_empty()) {
            Some(link) => Some(link),
            None => directory.link_directory(text).unwrap_or(None),
        };
        match found {
            Some(link) => drop(links.insert(text.to_owned(), link)),
            None => foreign.add(&name, &nothing, FOREIGN_TOLD_MAX),
        }
    }
    // Of one that was just made, nothing was there to lose; and a check takes away its own.
    let lost = known.into_values().filter(|link| !link.targets.is_empty() && !is_of_check(&link.targets)).collect();
    Ok(Found { directory, links, foreign, lost })
}

/// Whether a link leads to what `cloakroom check` put beside the masters.
fn is_of_check(targets: &[PathBuf]) -> bool {
    let is_probe = |target: &PathBuf| target.file_name().and_then(OsStr::to_str).and_then(probe::made).is_some();
    !targets.is_empty() && targets.iter().all(is_probe)
}

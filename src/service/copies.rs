//! Copies: one is made for each grant whose method is `copy`, and customers are led there.
//!
//! The row is written with the grant, or before what makes the grant good again; then the file is made, aside, and shown.
//! Each directory makes one copy at a time, beside everything else.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::task::{self, JoinSet};

use super::download::known;
use super::following::{Following, again, follow_one, sold, stay_behind};
use super::method::first_that_works;
use super::preparation::{NotMade, Preparation, Trouble};
use super::site::{Current, Site};
use super::source::Source;
use super::trace::Trace;
use crate::clock;
use crate::config::Directory;
use crate::domain::file::{FileRef, Version};
use crate::domain::grant::Grant;
use crate::domain::id::{GrantId, LinkId};
use crate::domain::moment::{Moment, Span};
use crate::domain::placed::{DirectoryName, Made, NewCopy, Placed, PlacedName, Stay, What, leaf};
use crate::domain::policy::{Edition, Method, Policy};
use crate::domain::question::Question;
use crate::domain::refusal::Refusal;
use crate::public::{Copied, Former, NotCopied, Progress, PublicDirectory};
use crate::random;
use crate::storage::Storages;
use crate::store::{Down, Store};

/// So many copies of a directory are asked for at once; they are made one after the other.
const BATCH: usize = 16;

/// After a copy failed it is tried again so much later, and each time twice as long after that, up to the other.
const AGAIN_FIRST: Span = Span::from_seconds(1);
const AGAIN_LAST: Span = Span::from_seconds(300);

/// How long is waited after the store did not answer.
const STORE_PAUSE: Span = Span::from_seconds(5);

/// The copies that are being made, and what keeps them.
#[derive(Debug, Default)]
pub struct Copies {
    /// Wakes who makes them.
    wake: Notify,
    works: Mutex<HashMap<PlacedName, Work>>,
    /// Those whose masters are others.
    pub(super) following: Following,
}

#[derive(Debug, Default)]
struct Work {
    progress: Arc<Progress>,
    tries: u32,
    trouble: Option<Trouble>,
    /// Since when it fails.
    since: Option<Moment>,
}

impl Copies {
    /// There is something to make.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// How far the copy is.
    pub fn preparation(&self, name: &PlacedName) -> Preparation {
        let works = self.works.lock().unwrap_or_else(PoisonError::into_inner);
        let told = |work: &Work| Preparation { done: work.progress.done(), trouble: work.trouble.clone(), since: work.since };
        works.get(name).map(told).unwrap_or_default()
    }

    fn begin(&self, name: &PlacedName) -> Arc<Progress> {
        let mut works = self.works.lock().unwrap_or_else(PoisonError::into_inner);
        let work = works.entry(name.clone()).or_default();
        work.progress = Arc::default();
        Arc::clone(&work.progress)
    }

    fn end(&self, name: &PlacedName) {
        self.works.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Remembers why the copy failed; tells when it is tried again, and whether that is news.
    fn failed(&self, name: &PlacedName, why: &NotMade, now: Moment) -> (Moment, bool) {
        let mut works = self.works.lock().unwrap_or_else(PoisonError::into_inner);
        let work = works.entry(name.clone()).or_default();
        let trouble = Some(Trouble::from(why));
        let is_news = work.trouble != trouble;
        work.trouble = trouble;
        work.since.get_or_insert(now);
        let later = AGAIN_FIRST.millis().saturating_mul(1 << work.tries.min(16)).min(AGAIN_LAST.millis());
        work.tries = work.tries.saturating_add(1);
        (now + Span::from_millis(later), is_news)
    }
}

/// The directory for copies of `file` under `policy`, where `copy` is the first method that can work.
pub(super) fn directory_for<'a>(site: &'a Site, file: &FileRef, policy: &Policy) -> Option<&'a DirectoryName> {
    if first_that_works(site, file, &policy.methods) != Some(Method::Copy) {
        return None;
    }
    site.storages.named(&file.storage)?.entry.copy.as_ref()
}

/// A copy of `file` that is to be made, where copies are made of it under `policy`.
pub(super) fn new_copy(site: &Site, file: &FileRef, policy: &Policy) -> Option<NewCopy> {
    let directory = directory_for(site, file, policy)?.clone();
    Some(NewCopy { name: PlacedName::new(random::bytes()), directory, leaf: leaf(file.path.file_name()) })
}

/// Makes sure that a grant that is good, or about to be, has the row of a copy. [`Copies::wake`] has it made.
pub(super) async fn ensure(site: &Site, grant: &Grant) -> Result<(), Down> {
    let now = clock::now();
    if grant.keeps_copy(now)
        && let Some(copy) = new_copy(site, &grant.file, &grant.policy)
    {
        site.store.copy_for(grant.id, copy, now).await?;
    }
    Ok(())
}

/// The copy of a grant that is there or is being made.
pub(super) async fn current(store: &dyn Store, grant: GrantId) -> Result<Option<Placed>, Down> {
    let is_current = |placed: &Placed| matches!((&placed.what, placed.stay), (What::Copy(_), Stay::Preparing | Stay::Live));
    Ok(store.placed_for(grant).await?.into_iter().rev().find(is_current))
}

/// The URL of what was placed in `directory`.
pub fn url_of(directory: &Directory, placed: &Placed) -> String {
    format!("{}{}{}", directory.url.origin, directory.url.path, placed.encoded())
}

/// Leads a click to the copy of its grant: the click's own path on this site, or a URL. Where the copy is not there it is made,
/// and the answer is [`Refusal::Preparing`]; where that fails again and again, [`Refusal::CannotPrepare`].
pub(super) async fn visit(
    site: &Site,
    store: &dyn Store,
    question: &Question,
    (link, grant): (LinkId, GrantId),
    now: Moment,
    trace: &mut Trace,
) -> Result<String, Refusal> {
    let link = known(store.link(link).await, "the link", trace)?;
    let account = known(store.account(grant, None).await, "the grant", trace)?;
    if let Err(refusal) = account.visit_copy(&link, question.client.address, now) {
        trace.failed(|| format!("the click is refused: {refusal}"));
        return Err(refusal);
    }
    let placed = current(store, grant).await.map_err(|down| trace.down(down))?;
    if let Some(placed) = placed.filter(|placed| placed.stay == Stay::Live) {
        let Some(directory) = site.directories.named(&placed.directory).map(Arc::clone) else {
            trace.failed(|| format!("the copy lies in `{}`, and no [[directory]] has this name any more", placed.directory));
            return Err(Refusal::CannotPrepare);
        };
        let (look, row) = (Arc::clone(&directory), placed.clone());
        // The disk may be slow, and may not be there.
        match tokio::task::spawn_blocking(move || look.has_copy(&row)).await {
            Ok(Ok(true)) => {
                trace.held(|| format!("the copy {} is there in `{}`", placed.name, placed.directory));
                // A path alone keeps customers on the name by which they came.
                let url = url_of(&directory.entry, &placed);
                let is_ours = directory.entry.url.origin == site.public_url().origin;
                return Ok(if is_ours { url.strip_prefix(&directory.entry.url.origin).unwrap_or(&url).to_owned() } else { url });
            }
            // It is just being made.
            Ok(Ok(false)) if site.upkeep.is_in_hand(&placed.name) => {}
            Ok(Ok(false)) => {
                tracing::warn!(event = "copy_missing", %grant, directory = %placed.directory, "a copy was taken away by others; it is made again");
                again(site, store, &directory, vec![placed]).await.map_err(|down| trace.down(down))?;
            }
            Ok(Err(_)) | Err(_) => {
                trace.failed(|| format!("`{}` cannot be looked into", directory.entry.path.display()));
                return Err(Refusal::CannotPrepare);
            }
        }
    }
    if let Some(copy) = new_copy(site, &account.grant.file, &account.grant.policy) {
        store.copy_for(grant, copy, now).await.map_err(|down| trace.down(down))?;
        site.copies.wake();
    }
    let preparation = current(store, grant).await.map_err(|down| trace.down(down))?.map(|placed| site.copies.preparation(&placed.name));
    let preparation = preparation.unwrap_or_default();
    trace.failed(|| match &preparation.trouble {
        Some(trouble) => format!("the copy could not be made, and is tried again: {trouble}"),
        None => "the copy is not there yet: it is being made".to_owned(),
    });
    Err(preparation.refusal(now))
}

/// Who makes the copies of one directory.
#[derive(Debug, Default)]
struct Hand {
    /// The task that is at it.
    task: Option<task::Id>,
    /// Something more may have to be made.
    woken: bool,
    /// When something is to be made next.
    next: Option<Moment>,
}

/// Makes what is to be made; never ends by itself.
pub async fn work(current: &Current) {
    // What runs ends with this value.
    let mut tasks = JoinSet::new();
    let mut hands: BTreeMap<DirectoryName, Hand> = BTreeMap::new();
    loop {
        let (now, site) = (clock::now(), current.site());
        for directory in site.directories.iter() {
            let name = &directory.entry.name;
            // What waited when the process ended before is found here.
            let hand = hands.entry(name.clone()).or_insert_with(|| Hand { woken: true, ..Hand::default() });
            if hand.task.is_none() && (hand.woken || hand.next.is_some_and(|next| next <= now)) {
                *hand = Hand { task: Some(tasks.spawn(fill(current.clone(), name.clone())).id()), ..Hand::default() };
            }
        }
        let next = hands.values().filter(|hand| hand.task.is_none()).filter_map(|hand| hand.next).min();
        let copies = Arc::clone(&site.copies);
        // Who sleeps holds no configuration.
        drop(site);
        tokio::select! {
            Some(done) = tasks.join_next_with_id() => {
                let (id, next) = done.unwrap_or_else(|panic| (panic.id(), Some(clock::now() + STORE_PAUSE)));
                for hand in hands.values_mut().filter(|hand| hand.task == Some(id)) {
                    (hand.task, hand.next) = (None, next);
                }
            }
            () = copies.wake.notified() => hands.values_mut().for_each(|hand| hand.woken = true),
            () = clock::until(next) => {}
        }
    }
}

/// Makes what is due in one directory, one after the other. Gives when there is more to do, if anything waits.
async fn fill(current: Current, name: DirectoryName) -> Option<Moment> {
    loop {
        let site = current.site();
        let directory = Arc::clone(site.directories.named(&name)?);
        let due = match site.store.copies_due(name.clone(), clock::now(), BATCH).await {
            Ok(due) => due,
            Err(down) => return Some(paused(down)),
        };
        if due.going > 0 {
            site.wake.notify_one();
        }
        if due.copies.is_empty() {
            // Who has no copy comes before who has one of another version.
            match follow_one(&site, &directory).await {
                Ok(true) => continue,
                Ok(false) => return [due.next, site.copies.following.next(&name)].into_iter().flatten().min(),
                Err(down) => return Some(paused(down)),
            }
        }
        for placed in due.copies {
            if let Err(down) = make(&site, &directory, placed).await {
                return Some(paused(down));
            }
        }
    }
}

fn paused(down: Down) -> Moment {
    tracing::warn!(event = "copies_wait", "copies are not made: {down}; it is tried again");
    clock::now() + STORE_PAUSE
}

/// Stops what is being copied when nobody waits for it any more.
struct Stops(Arc<Progress>);

impl Drop for Stops {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Makes a copy where none is, or one of another version.
pub(super) async fn make(site: &Site, place: &Arc<PublicDirectory>, placed: Placed) -> Result<(), Down> {
    let grant = site.store.grant(placed.grant).await?;
    let wanted = Wanted {
        edition: grant.as_ref().map_or(Edition::Latest, |grant| grant.policy.edition),
        sold: sold(site, grant.as_ref()).await?,
        former: site.directories.former_of(&placed).map(Arc::clone).collect(),
    };
    let progress = site.copies.begin(&placed.name);
    let _stops = Stops(Arc::clone(&progress));
    let (storages, into, row) = (Arc::clone(&site.storages), Arc::clone(place), placed.clone());
    // What lies aside until then is not half done.
    let held = site.upkeep.hold(&placed.name);
    let (_until_written, edition) = (site.upkeep.hold(&placed.name), wanted.edition);
    let made = tokio::task::spawn_blocking(move || {
        let _held = held;
        copy(&storages, &into, &row, &wanted, &progress)
    });
    let made = made.await;
    let made = made.unwrap_or_else(|panic| Err(NotMade::Ended(panic.to_string())));
    let Placed { name, grant, file, directory, .. } = &placed;
    match made {
        Ok(made) => {
            let (how, version) = (made.how.word(), made.version.clone());
            let bytes = version.size;
            site.copies.following.replaces(&placed);
            let there = site.store.copy_made(name.clone(), made, clock::now()).await?;
            site.copies.end(name);
            if placed.stay == Stay::Live {
                tracing::info!(event = "copy_follows", %grant, %file, %directory, how, bytes, "the copy is of the new version");
            } else {
                tracing::info!(event = "copied", %grant, %file, %directory, how, bytes);
            }
            match there {
                Some(there) if there.stay == Stay::Live => {
                    site.due(there.due);
                    // Whoever watches compared it with what it was before.
                    if edition == Edition::Latest && site.storages.look(file).is_ok_and(|now| now.differs_from(&version)) {
                        site.copies.following.also(&there, clock::now());
                    }
                }
                // Its grant is over meanwhile.
                Some(_) | None => site.wake.notify_one(),
            }
        }
        Err(why) => {
            let (again, is_news) = site.copies.failed(name, &why, clock::now());
            if is_news {
                tracing::error!(event = "not_copied", %grant, %file, %directory, "{why}; it is tried again");
            }
            if placed.stay == Stay::Live {
                stay_behind(site, place, placed.clone(), again).await?;
            } else {
                site.store.copy_later(name.clone(), again).await?;
            }
        }
    }
    Ok(())
}

/// Of which version a copy is to be.
struct Wanted {
    edition: Edition,
    /// The one that was sold, where that is kept.
    sold: Option<Version>,
    /// Where that one may lie, too.
    former: Vec<Arc<Former>>,
}

/// Makes a copy of what the master is now, or was when it was sold, and shows it if it is still that.
fn copy(storages: &Storages, directory: &PublicDirectory, placed: &Placed, wanted: &Wanted, progress: &Progress) -> Result<Made, NotMade> {
    // An open directory could be filled wherever it was moved.
    if let Some(fault) = directory.fault() {
        return Err(NotMade::Directory(format!("{} {fault}", directory.entry.path.display())));
    }
    let Source { file, version, is_master } = Source::open(storages, &wanted.former, placed, wanted.sold.as_ref())?;
    let copied = directory.make_copy(placed, &file, wanted.edition, progress)?;
    let now = if is_master { storages.look(&placed.file) } else { Ok(version.clone()) };
    if now.as_ref() != Ok(&version) {
        directory.drop_copy(placed)?;
        return Err(now.map_or_else(NotMade::Taken, |_| NotCopied::Changed.into()));
    }
    if let Err(fault) = directory.show_copy(placed, copied) {
        // It may be large, and nobody sees it; the next try removes it, if it stays.
        let _ = directory.drop_copy(placed);
        return Err(fault.into());
    }
    let Copied { how, inode, checksum } = copied;
    Ok(Made { how, inode, version, checksum })
}

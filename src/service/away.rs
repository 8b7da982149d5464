//! Sends a customer on to where requests do not pass by us: to a stub, which is placed for the delivery, or to the file's
//! own public address.

use std::collections::HashSet;
use std::sync::Arc;

use super::address;
use super::method::falls_back;
use super::naming::saved_name;
use super::outcome::Counted;
use super::reconcile::{is_before, missing};
use super::site::Site;
use super::trace::Trace;
use crate::config::PublicUrl;
use crate::dialect::Dialect;
use crate::domain::account::{Away, Permit};
use crate::domain::file::FileRef;
use crate::domain::id::{DeliveryId, FileId};
use crate::domain::moment::Moment;
use crate::domain::placed::{NewStub, Placed, PlacedName, Stay, leaf};
use crate::domain::policy::Method;
use crate::domain::question::Question;
use crate::domain::refusal::Refusal;
use crate::proof::key::SigningKey;
use crate::proof::token;
use crate::public::{NotPlaced, PublicDirectory};
use crate::random;
use crate::store::{Store, Target};

/// Where a customer goes.
pub(super) struct Sent {
    /// A path of our own site, or a URL of another.
    pub(super) to: String,
    /// The delivery that counts it.
    pub(super) counted: Counted,
}

/// Why nobody was sent.
pub(super) enum NotSent {
    /// The account says no, or nothing can be decided.
    Refused(Refusal),
    /// The stub cannot be placed now; its delivery is open.
    NotPlaced,
}

impl From<Refusal> for NotSent {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// A delivery whose client goes on.
pub(super) struct Going<'a> {
    /// What it is of.
    pub(super) target: &'a Target,
    /// By which method.
    pub(super) method: Method,
    /// The delivery.
    pub(super) delivery: DeliveryId,
    /// What its token is signed with.
    pub(super) key: &'a SigningKey,
}

/// Where the client goes on to: to where the method leads, else to the delivery's own address. Where requests do not pass
/// by us the delivery opens, and is told.
pub(super) async fn on(
    site: &Site,
    store: &dyn Store,
    dialect: Dialect,
    question: &Question,
    going: &Going<'_>,
    now: Moment,
    trace: &mut Trace,
) -> Result<(String, Option<Counted>), Refusal> {
    let Going { target: Target { file, methods, sold, .. }, method, delivery, key } = *going;
    let sent = match method {
        Method::Stub => Some(to_stub(site, store, question, (file, *sold), delivery, now, trace).await),
        Method::Public => Some(to_public(site, store, question, file, delivery, now, trace).await),
        Method::Handoff | Method::Copy | Method::Stream | Method::Presigned | Method::Proxy => None,
    };
    match sent {
        Some(Ok(Sent { to, counted })) => Ok((to, Some(counted))),
        Some(Err(NotSent::Refused(refusal))) => Err(refusal),
        // The delivery is open: it goes on by the next method that can work, or when there is room again.
        Some(Err(NotSent::NotPlaced)) if !falls_back(site, dialect, file, methods) => Err(Refusal::CannotPrepare),
        Some(Err(NotSent::NotPlaced)) | None => {
            let token = token::mint_delivery(site.name(), delivery, key);
            Ok((address::delivery_path(site.public_url(), &token, file), None))
        }
    }
}

/// A stub that others took away while we looked is made anew; who does so all the time does not keep us here.
const TRIES: usize = 3;

/// Reserves, then places: the row of a stub is durable before its file is there, and the file before the answer leaves.
pub(super) async fn to_stub(
    site: &Site,
    store: &dyn Store,
    question: &Question,
    (file, sold): (&FileRef, Option<FileId>),
    delivery: DeliveryId,
    now: Moment,
    trace: &mut Trace,
) -> Result<Sent, NotSent> {
    let (directory, master) = place_for(site, file).ok_or(NotSent::NotPlaced)?;
    // Where nothing can be placed nothing is reserved, and no row is written.
    let work = Arc::clone(&directory);
    if let Ok(Err(fault)) = tokio::task::spawn_blocking(move || work.check_place()).await {
        not_placed(site, &directory, &fault, trace);
        return Err(NotSent::NotPlaced);
    }
    let saved = saved_name(site, sold, file).await;
    for _ in 0..TRIES {
        let name = PlacedName::new(random::bytes());
        // Until its file is there, nobody wonders about its row.
        let held = site.upkeep.hold(&name);
        let stub = NewStub { name: name.clone(), directory: directory.entry.name.clone(), leaf: leaf(&saved) };
        let (permit, placed) = sent_away(store, away(site, question, delivery, now, true), Some(stub), trace).await?;
        let Some(placed) = placed else {
            // Only rehearsed.
            trace.held(|| format!("a stub would be placed in `{}`", directory.entry.name));
            if let Some(why) = site.upkeep.why_not_placed(&directory.entry.name) {
                trace.failed(|| format!("none could be placed there when that was last tried: {why}"));
            }
            return Ok(sent(site, &directory.entry.url, "", &permit));
        };
        let is_new = placed.name == name;
        // Another click of the same delivery may be placing it now.
        let waited = !is_new && site.upkeep.free(&placed.name).await;
        let (work, master, row) = (Arc::clone(&directory), master.clone(), placed.clone());
        // The disk may be slow, and may not be there.
        let (upkeep, to_readers) = (Arc::clone(&site.upkeep), !site.configuration.is_measured());
        let act = move || {
            work.check_place()?;
            // Before the answer: the client opens it at once.
            upkeep.watch.at_master(&master, to_readers);
            if is_new {
                work.place_stub(&row, &master).map(|()| true)
            } else {
                work.has_stub(&row).map_err(|error| NotPlaced { step: "look at the stub", error })
            }
        };
        // It is let go when its row says what came of it, also where nobody waits for the answer any more.
        let Ok((_held, outcome)) = tokio::task::spawn_blocking(move || (held, act())).await else {
            return Err(NotSent::NotPlaced);
        };
        match outcome {
            Ok(true) => {
                if is_new {
                    site.upkeep.placed(&directory.entry.name);
                }
                trace.held(|| {
                    format!("the stub {} is {} in `{}`", placed.name, if is_new { "placed" } else { "there" }, directory.entry.name)
                });
                return Ok(sent(site, &directory.entry.url, &placed.encoded(), &permit));
            }
            // Whoever had it in hand could not place it, or took it away.
            Ok(false) if waited && !is_live(store, &placed).await? => {}
            // It lies where the directory was before: it is placed here, too, as all that does.
            Ok(false) if is_before(site, &placed) => {
                if missing(site, std::slice::from_ref(&placed), &HashSet::new()).await > 0 {
                    trace.failed(|| format!("the stub {} cannot be placed in `{}` now", placed.name, directory.entry.name));
                    return Err(NotSent::NotPlaced);
                }
            }
            Ok(false) => {
                tracing::warn!(event = "stub_missing", delivery = %delivery, directory = %directory.entry.name, "a stub was taken away by others; another one is made");
                gone(store, &placed, now).await?;
            }
            Err(fault) => {
                not_placed(site, &directory, &fault, trace);
                if is_new {
                    gone(store, &placed, now).await?;
                }
                return Err(NotSent::NotPlaced);
            }
        }
    }
    trace.failed(|| format!("stubs in `{}` are taken away by others as soon as they are there", directory.entry.name));
    Err(NotSent::NotPlaced)
}

/// The file's own address, which everybody may know: counted when somebody is sent there.
pub(super) async fn to_public(
    site: &Site,
    store: &dyn Store,
    question: &Question,
    file: &FileRef,
    delivery: DeliveryId,
    now: Moment,
    trace: &mut Trace,
) -> Result<Sent, NotSent> {
    let url = site.storages.named(&file.storage).and_then(|storage| storage.entry.public.as_ref()).ok_or(NotSent::NotPlaced)?;
    let (permit, _) = sent_away(store, away(site, question, delivery, now, false), None, trace).await?;
    Ok(sent(site, url, &file.path.encoded(), &permit))
}

fn away(site: &Site, question: &Question, delivery: DeliveryId, now: Moment, is_seen: bool) -> Away {
    let measured = is_seen && site.configuration.is_measured();
    Away { delivery, request: question.request.clone(), now, address: question.client.address, measured }
}

async fn sent_away(store: &dyn Store, away: Away, stub: Option<NewStub>, trace: &mut Trace) -> Result<(Permit, Option<Placed>), NotSent> {
    match store.send_away(away, stub).await {
        Ok(Ok(sent)) => Ok(sent),
        Ok(Err(refusal)) => {
            trace.failed(|| format!("to be sent on is refused: {refusal}"));
            Err(refusal.into())
        }
        Err(down) => Err(trace.down(down).into()),
    }
}

fn sent(site: &Site, url: &PublicUrl, path: &str, permit: &Permit) -> Sent {
    // A path alone keeps customers on the name by which they came.
    let origin = if url.origin == site.public_url().origin { "" } else { &url.origin };
    let to = format!("{origin}{}{path}", url.path);
    Sent { to, counted: Counted { delivery: permit.delivery, grant: permit.grant, opened: permit.opened, ends: permit.grace_ends } }
}

async fn gone(store: &dyn Store, placed: &Placed, now: Moment) -> Result<(), NotSent> {
    store.placed_gone(vec![placed.name.clone()], now).await.map_err(|_| NotSent::Refused(Refusal::StoreDown))
}

async fn is_live(store: &dyn Store, placed: &Placed) -> Result<bool, NotSent> {
    let known = store.placed(vec![placed.name.clone()]).await.map_err(|_| NotSent::Refused(Refusal::StoreDown))?;
    Ok(known.iter().any(|known| known.stay == Stay::Live))
}

/// Says why a stub cannot be placed, once for a directory until one can be.
fn not_placed(site: &Site, directory: &PublicDirectory, fault: &NotPlaced, trace: &mut Trace) {
    let name = &directory.entry.name;
    if site.upkeep.not_placed(name, &fault.to_string()) {
        let path = directory.entry.path.display();
        tracing::error!(
            event = "not_placed",
            directory = %name,
            %path,
            "a stub could not be placed, which is not said again before one can be: {fault}"
        );
    }
    // The directory may be gone, and another one be at its place.
    site.upkeep.look.notify_one();
    trace.failed(|| format!("a stub cannot be placed in `{name}`: {fault}"));
}

/// The public directory for stubs of `file`, and the path of the master.
fn place_for(site: &Site, file: &FileRef) -> Option<(Arc<PublicDirectory>, std::path::PathBuf)> {
    let storage = &site.storages.named(&file.storage)?.entry;
    let directory = site.directories.named(storage.stub.as_ref()?)?;
    Some((Arc::clone(directory), storage.path.join(file.path.as_str())))
}

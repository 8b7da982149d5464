//! Pages about downloads: that of a link, whose button begins one, and that of a delivery, which stays while it runs.
//! Looking at either uses nothing up: what a page offers is tried on a [`Rehearsal`].

use super::address::{self, Address};
use super::away::{self, Going};
use super::download::{known, look, open_delivery, signing_key};
use super::fingerprint::checksum_of_copies;
use super::method::choose;
use super::naming::saved_name;
use super::order;
use super::outcome::{Hidden, Outcome, Page, Redirect};
use super::rehearsal::Rehearsal;
use super::site::Site;
use super::trace::Trace;
use super::your_downloads;
use crate::dialect::Dialect;
use crate::domain::account::Ask;
use crate::domain::checksum::Checksum;
use crate::domain::client::ClientKey;
use crate::domain::file::{FileRef, Version};
use crate::domain::grant::Grant;
use crate::domain::id::{DeliveryId, GrantId, LinkId};
use crate::domain::moment::Moment;
use crate::domain::policy;
use crate::domain::question::{Method, Question};
use crate::domain::refusal::Refusal;
use crate::pages::{Landing, Left, Progress, Reader, Shown, Started};
use crate::proof::token;
use crate::store::{Content, Down, Filter, Store, Target};

/// The query with which the page of a download sends a browser on to where its method leads.
const GO: &str = "go";

/// The query with which that page is only looked at.
const SEEN: &str = "seen";

/// A link that somebody opened with a browser, and would be sent on by.
pub(super) struct Visited {
    pub(super) link: LinkId,
    pub(super) target: Target,
    pub(super) version: Version,
    pub(super) method: policy::Method,
    /// The delivery that the button would lead to, if it is there already.
    pub(super) goes_on_with: Option<DeliveryId>,
}

/// The page of a link.
pub(super) async fn landing(
    site: &Site,
    store: &dyn Store,
    question: &Question,
    visited: Visited,
    now: Moment,
    trace: &mut Trace,
) -> Result<Outcome, Refusal> {
    let Visited { link, target, version, method, goes_on_with } = visited;
    let link = known(store.link(link).await, "the link", trace)?;
    let grant = known(store.grant(target.grant).await, "the grant", trace)?;
    let ends = grant.expires.map_or(link.expires, |ends| ends.min(link.expires));
    let mine = match goes_on_with {
        Some(delivery) => store.delivery(delivery).await.map_err(|down| trace.down(down))?.is_some_and(|there| there.opened.is_some()),
        None => false,
    };
    let mut landing = Landing::new(shown(site, store, &target, version).await, left(&grant), Some(ends), url_of(site, question), now);
    landing.mine = mine;
    landing.is_measured = site.is_reported(method);
    landing.login = asks_for_login(site, &target.file, method);
    landing.all = your_downloads::path_for(site, question, &grant);
    let order = order::sold_by(site, &grant).await.map_err(|down| trace.down(down))?;
    landing.notes = order::notes(site, &grant, order.as_ref()).await.map_err(|down| trace.down(down))?;
    let page = site.pages.landing(&landing, reader(site, question));
    trace.held(|| "a browser visits the link: its page is shown".to_owned());
    page.map(|text| Outcome::Show(Page { text, onward: None, cookie: None })).ok_or_else(|| unwritten(trace))
}

/// The page that stays while a delivery runs, or the copy of a link's grant is fetched; with [`GO`], the way to its bytes.
pub(super) async fn started(
    site: &Site,
    store: &dyn Store,
    dialect: Dialect,
    question: &Question,
    token: &str,
    now: Moment,
    trace: &mut Trace,
) -> Result<Outcome, Refusal> {
    let goes = question.method == Method::Get && question.query.as_deref() == Some(GO);
    if let Ok(link) = token::open_link(site.name(), token, &site.keys) {
        trace.held(|| format!("the link token holds: link {link}"));
        return started_copy(site, store, question, link, now, trace).await;
    }
    let delivery = open_delivery(site, token, trace)?;
    let content = known(store.content(delivery).await, "the delivery", trace)?;
    if goes && !question.looks_ahead {
        return go(site, store, dialect, question, (delivery, content), now, trace).await;
    }
    started_delivery(site, store, dialect, question, (delivery, content), now, trace).await
}

/// On to where the method of a delivery leads.
async fn go(
    site: &Site,
    store: &dyn Store,
    dialect: Dialect,
    question: &Question,
    (delivery, Content { target, version: clicked }): (DeliveryId, Content),
    now: Moment,
    trace: &mut Trace,
) -> Result<Outcome, Refusal> {
    let method = choose(site, dialect, &target.file, &target.methods, trace)?;
    let version = look(site, &target.file, trace)?;
    if version != clicked {
        trace.failed(|| "the file was replaced since this delivery began: a new click on the link starts it afresh".to_owned());
        return Err(Refusal::LinkExpired);
    }
    let going = Going { target: &target, method, delivery, key: signing_key(site, trace)? };
    let (to, counted) = away::on(site, store, dialect, question, &going, now, trace).await?;
    Ok(Outcome::Redirect(Redirect { to, cookie: None, delivery, method, version, counted, fresh: false, closed: Vec::new() }))
}

async fn started_delivery(
    site: &Site,
    store: &dyn Store,
    dialect: Dialect,
    question: &Question,
    (id, Content { target, version }): (DeliveryId, Content),
    now: Moment,
    trace: &mut Trace,
) -> Result<Outcome, Refusal> {
    let delivery = known(store.delivery(id).await, "the delivery", trace)?;
    let grant = known(store.grant(target.grant).await, "the grant", trace)?;
    let progress = Progress::of(&delivery);
    let tried = try_it(site, store, question, id, now).await.map_err(|down| trace.down(down))?;
    if let Err(refusal) = tried
        && refuses(progress, refusal)
    {
        trace.failed(|| format!("a request for its bytes would be refused: {refusal}"));
        return Err(refusal);
    }
    let key = signing_key(site, trace)?;
    let method = choose(site, dialect, &target.file, &target.methods, trace)?;
    let token = token::mint_delivery(site.name(), id, key);
    let way = tried.is_ok().then(|| match method {
        policy::Method::Stub | policy::Method::Public => format!("{}?{GO}", address::started_path(site.public_url(), &token, &target.file)),
        _ => address::delivery_path(site.public_url(), &token, &target.file),
    });
    let mut page = Started::new(shown(site, store, &target, version).await, progress, now);
    page.ends = (tried.is_ok() && delivery.opened.is_some()).then(|| delivery.grace_ends(&grant.policy));
    // The address of a delivery may be passed on, too: only who clicked is led back to the link.
    let is_clicker = question.cookie.as_deref().is_some_and(|cookie| ClientKey::of_cookie(cookie) == delivery.cookie);
    if let Some(link) = delivery.link.filter(|_| is_clicker) {
        let token = token::mint_link(site.name(), link, key);
        let path = address::link_path(site.public_url(), &token, &target.file);
        page.url = Some(format!("{}{path}", site.public_url().origin));
        page.back = Some(path);
    }
    page.login = asks_for_login(site, &target.file, method);
    page.all = your_downloads::path_for(site, question, &grant);
    // Only what nobody has asked for yet is begun by the page itself: whoever looks again sees how far it is.
    let onward = way.clone().filter(|_| progress == Progress::Starts && question.query.as_deref() != Some(SEEN));
    page.way = way;
    written(site, question, &page, onward, trace)
}

/// The same of a copy, of which only reports tell.
async fn started_copy(
    site: &Site,
    store: &dyn Store,
    question: &Question,
    link: LinkId,
    now: Moment,
    trace: &mut Trace,
) -> Result<Outcome, Refusal> {
    let target = known(store.target(link).await, "the link", trace)?;
    let copy = super::copies::visit(site, store, question, (link, target.grant), now, trace).await?;
    if question.query.as_deref() == Some(GO) && question.method == Method::Get {
        return Ok(Outcome::Copy(Hidden(copy)));
    }
    let version = look(site, &target.file, trace)?;
    let is_seen = question.query.as_deref() == Some(SEEN);
    let progress = if is_seen { of_copy(store, target.grant).await.map_err(|down| trace.down(down))? } else { Progress::Starts };
    let key = signing_key(site, trace)?;
    let token = token::mint_link(site.name(), link, key);
    let path = address::link_path(site.public_url(), &token, &target.file);
    let mut page = Started::new(shown(site, store, &target, version).await, progress, now);
    page.url = Some(format!("{}{path}", site.public_url().origin));
    page.back = Some(path);
    page.way = Some(format!("{}?{GO}", address::started_path(site.public_url(), &token, &target.file)));
    page.login = asks_for_login(site, &target.file, policy::Method::Copy);
    let onward = page.way.clone().filter(|_| !is_seen);
    written(site, question, &page, onward, trace)
}

/// How the newest download of a copy goes.
async fn of_copy(store: &dyn Store, grant: GrantId) -> Result<Progress, Down> {
    let newest = store.deliveries(Filter { grant: Some(grant), before: None, limit: 1 }).await?;
    Ok(newest.first().map_or(Progress::Started, Progress::of))
}

/// Whether a request for the bytes would be admitted.
async fn try_it(
    site: &Site,
    store: &dyn Store,
    question: &Question,
    delivery: DeliveryId,
    now: Moment,
) -> Result<Result<(), Refusal>, Down> {
    let ask = Ask {
        delivery,
        request: question.request.clone(),
        now,
        client: question.client_key(),
        address: question.client.address,
        range: question.range.clone(),
        measured: site.configuration.is_measured(),
    };
    Ok(Rehearsal::over(store).admit(ask).await?.map(drop))
}

/// Whether a page that cannot send anybody on says only that. What has arrived, what is over, and what runs and has no
/// room for one request more, is worth being told.
const fn refuses(progress: Progress, refusal: Refusal) -> bool {
    match progress {
        Progress::Starts | Progress::Interrupted(_) => true,
        Progress::Running(_) | Progress::Started => !matches!(
            refusal,
            Refusal::TooManyConnections | Refusal::ByteBudget | Refusal::DownloadRunning | Refusal::LinkExpired | Refusal::LimitReached
        ),
        Progress::Arrived | Progress::Over(_) => false,
    }
}

async fn shown(site: &Site, store: &dyn Store, target: &Target, version: Version) -> Shown {
    let name = saved_name(site, target.sold, &target.file).await;
    Shown { name, checksum: checksum_of(store, target.grant, &version).await, version }
}

/// The checksum of a version, where a copy for the grant has shown it. A page without one is a page.
pub(super) async fn checksum_of(store: &dyn Store, grant: GrantId, version: &Version) -> Option<Checksum> {
    checksum_of_copies(&store.placed_for(grant).await.unwrap_or_default(), version)
}

pub(super) fn left(grant: &Grant) -> Left {
    let taken = grant.used.saturating_add(grant.reserved);
    grant.policy.max_downloads.map_or(Left::Unlimited, |most| Left::Of { left: most.saturating_sub(taken), most })
}

fn asks_for_login(site: &Site, file: &FileRef, method: policy::Method) -> bool {
    let directory = || site.directories.named(site.storages.named(&file.storage)?.entry.copy.as_ref()?);
    method == policy::Method::Copy && directory().is_some_and(|directory| directory.entry.credentials.is_some())
}

fn written(site: &Site, question: &Question, page: &Started, onward: Option<String>, trace: &mut Trace) -> Result<Outcome, Refusal> {
    trace.held(|| "the page that stays while it is downloaded is shown".to_owned());
    let text = site.pages.started(page, reader(site, question));
    text.map(|text| Outcome::Show(Page { text, onward, cookie: None })).ok_or_else(|| unwritten(trace))
}

/// Each page was rendered in every state before it was used; what cannot be said now is refused.
pub(super) fn unwritten(trace: &mut Trace) -> Refusal {
    trace.failed(|| "the page cannot be written: its template fails".to_owned());
    Refusal::Overloaded
}

pub(super) fn reader<'a>(site: &'a Site, question: &Question) -> Reader<'a> {
    Reader { language: question.language, site: site.name() }
}

/// The address that was asked, whole: of whoever asked it is no secret. `None` where a JWT opened it that stands elsewhere.
fn url_of(site: &Site, question: &Question) -> Option<String> {
    let is_link = matches!(Address::read(&question.path, &site.public_path), Some(Address::Link(_)));
    let query = question.query.as_deref();
    let is_whole = is_link || query.is_some_and(|query| query.split('&').any(|pair| pair.starts_with("jwt=")));
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    is_whole.then(|| format!("{}{}{query}", site.public_url().origin, question.path.encoded()))
}

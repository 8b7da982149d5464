//! Give me this download. Our answer tells the web server what to send.

use super::address::{self, Address};
use super::authorize::open_signed_url;
use super::away::{self, Going};
use super::bytes_of::{self, check_bought};
use super::copies;
use super::describe::{describe, describe_delivery};
use super::jwt::{self, Use};
use super::landing::{self, Visited};
use super::method::{choose, falls_back, sending};
use super::naming::saved_name;
use super::outcome::{Counted, Hidden, Outcome, Redirect, Sending};
use super::rehearsal::Rehearsal;
use super::site::Site;
use super::trace::Trace;
use super::your_downloads;
use crate::dialect::Dialect;
use crate::domain::account::{Ask, Click};
use crate::domain::client::ClientKey;
use crate::domain::file::{FileRef, Version};
use crate::domain::grant::Grant;
use crate::domain::id::{DeliveryId, LinkId, base32};
use crate::domain::link::Link;
use crate::domain::moment::{Moment, Span};
use crate::domain::policy;
use crate::domain::question::{Method, Question};
use crate::domain::refusal::Refusal;
use crate::domain::units::Rate;
use crate::proof::key::SigningKey;
use crate::proof::{signed_url, token};
use crate::random;
use crate::store::{Content, Down, Store, Target};

/// The cookie that tells a client from others; it opens nothing by itself.
const COOKIE: &str = "cloakroom";

/// Reads the address, then opens what it names: a signed file, a link, or a delivery.
pub async fn download(
    site: &Site,
    store: &dyn Store,
    dialect: Dialect,
    question: &Question,
    now: Moment,
    trace: &mut Trace,
) -> Result<Outcome, Refusal> {
    let address = Address::read(&question.path, &site.public_path);
    // Only pages have buttons. Of a file that a JWT opens they are known by what it says.
    let has_button = matches!(&address, Some(Address::Link(_) | Address::File(_) | Address::Order(..)));
    if question.method == Method::Other || (question.method == Method::Post && !has_button) {
        trace.failed(|| "only GET and HEAD download, and POST by the button of a page".to_owned());
        return Err(Refusal::BadRequest);
    }
    match address {
        Some(Address::File(file)) if jwt::is_brought(question) && !signed_url::is_brought(question.query.as_deref()) => {
            Box::pin(by_jwt(site, store, dialect, question, file, now, trace)).await
        }
        Some(Address::File(_)) if question.method == Method::Post => Err(no_button(trace)),
        Some(Address::File(file)) => {
            let claim = open_signed_url(site, question, now, trace)?;
            stateless(site, dialect, file, claim.name(), claim.rate(), trace).map(Outcome::Send)
        }
        Some(Address::Link(token)) => {
            let link = open_link(site, token, trace)?;
            Box::pin(click(site, store, dialect, question, link, now, trace)).await
        }
        Some(Address::Delivery(token)) => {
            let delivery = open_delivery(site, token, trace)?;
            deliver(site, store, dialect, question, delivery, now, trace).await.map(Outcome::Send)
        }
        Some(Address::Started(token)) => Box::pin(landing::started(site, store, dialect, question, token, now, trace)).await,
        Some(Address::Order(token, asked)) => {
            Box::pin(your_downloads::show(site, store, dialect, question, (token, asked), now, trace)).await
        }
        None => {
            trace.failed(|| format!("under {} there are l/, d/, s/, o/ and f/ only", site.public_url().path));
            Err(Refusal::UnknownLink)
        }
    }
}

/// A file that a JWT opens: at once, or, where its downloads are counted, by a click on the link that it stands for.
async fn by_jwt(
    site: &Site,
    store: &dyn Store,
    dialect: Dialect,
    question: &Question,
    file: FileRef,
    now: Moment,
    trace: &mut Trace,
) -> Result<Outcome, Refusal> {
    let claim = jwt::open(site, question, Some(&file), now, trace)?;
    if claim.max().is_none() {
        if question.method == Method::Post {
            return Err(no_button(trace));
        }
        return stateless(site, dialect, file, claim.name(), claim.rate(), trace).map(Outcome::Send);
    }
    // Who looks makes no grant either.
    let rehearsal = Rehearsal::over(store);
    let looks = question.method == Method::Head || (question.is_visit() && site.configuration.default_policy().landing);
    let store = if looks { &rehearsal } else { store };
    let link = match jwt::use_of(site, store, &claim, &file, now, trace).await? {
        Use::Again(link) => link,
        Use::First(first) => {
            first_click(site, store, dialect, question, &first, now, trace).await?;
            jwt::make(site, store, *first, now, trace).await?
        }
    };
    click(site, store, dialect, question, link, now, trace).await
}

fn no_button(trace: &mut Trace) -> Refusal {
    trace.failed(|| "there is no page with a button at this address: only GET and HEAD download".to_owned());
    Refusal::BadRequest
}

/// Tries the click that would make a grant: one that is refused, for its network or its time or whatever else, must not
/// leave a grant behind.
async fn first_click(
    site: &Site,
    store: &dyn Store,
    dialect: Dialect,
    question: &Question,
    (grant, link): &(Grant, Link),
    now: Moment,
    trace: &mut Trace,
) -> Result<(), Refusal> {
    let trial = Rehearsal::over(store);
    if let Err(down) = trial.issue(grant.clone(), link.clone(), jwt::author(now)).await {
        return Err(trace.down(down));
    }
    // What holds is told by the click itself.
    let mut tried = Trace::end();
    let tried_out = click(site, &trial, dialect, question, link.id, now, &mut tried).await;
    if matches!(tried_out, Err(Refusal::Preparing)) && !question.looks_ahead {
        // Its copy begins with the grant.
        return Ok(());
    }
    tried_out.map(drop).inspect_err(|_| trace.failed(|| tried.into_end().unwrap_or_default()))
}

/// A stateless file: method, then file. Nothing is counted.
fn stateless(
    site: &Site,
    dialect: Dialect,
    file: FileRef,
    name: Option<&str>,
    rate: Option<Rate>,
    trace: &mut Trace,
) -> Result<Sending, Refusal> {
    let methods = sending(&site.configuration.default_policy().methods);
    let method = choose(site, dialect, &file, &methods, trace)?;
    let version = look(site, &file, trace)?;
    let name = name.unwrap_or_else(|| file.path.file_name()).to_owned();
    Ok(Sending { version, name, rate, method, counted: None, file })
}

/// A click: link, grant, method, file, then the rules of [`crate::domain::account::Account::click`].
pub(super) async fn click(
    site: &Site,
    store: &dyn Store,
    dialect: Dialect,
    question: &Question,
    id: LinkId,
    now: Moment,
    trace: &mut Trace,
) -> Result<Outcome, Refusal> {
    let target = known(store.target(id).await, "the link", trace)?;
    describe(store, target.grant, trace).await;
    let (mut method, version, key) = ready(site, dialect, question, &target.file, &target.methods, trace)?;
    let is_visit = target.landing && question.is_visit();
    let is_button = question.method == Method::Post && question.wants_page;
    if method == policy::Method::Copy {
        match copies::visit(site, store, question, (id, target.grant), now, trace).await {
            Ok(_) if question.method == Method::Head => return Ok(Outcome::Send(head_of(site, target, version, method).await)),
            Ok(_) if is_visit => {
                let visited = Visited { link: id, target, version, method, goes_on_with: None };
                return landing::landing(site, store, question, visited, now, trace).await;
            }
            Ok(_) if is_button => {
                let token = token::mint_link(site.name(), id, key);
                return Ok(Outcome::Lead(Hidden(address::started_path(site.public_url(), &token, &target.file))));
            }
            Ok(to) => return Ok(Outcome::Copy(Hidden(to))),
            // Until the copy is there, it goes by the next method that can work.
            Err(Refusal::Preparing | Refusal::CannotPrepare) if falls_back(site, dialect, &target.file, &target.methods) => {
                method = choose(site, dialect, &target.file, &sending(&target.methods), trace)?;
            }
            Err(refusal) => return Err(refusal),
        }
    }
    check_bought(site, &target, &version, trace).await?;
    let fresh_cookie = base32(&random::bytes::<16>());
    let cookie = question.cookie.as_deref().unwrap_or(&fresh_cookie);
    let click = Click {
        link: id,
        now,
        client: question.client.clone(),
        cookie: question.cookie.as_deref().map(ClientKey::of_cookie),
        range: question.range.clone(),
        fresh: DeliveryId::made(now, random::bytes()),
        fresh_cookie: ClientKey::of_cookie(cookie),
        version: version.clone(),
    };
    if question.method == Method::Head {
        decided(Rehearsal::over(store).click(click).await, "the click", trace)?;
        return Ok(Outcome::Send(head_of(site, target, version, method).await));
    }
    if is_visit {
        let clicked = decided(Rehearsal::over(store).click(click).await, "the click that the page offers", trace)?;
        let visited = Visited { link: id, target, version, method, goes_on_with: Some(clicked.delivery) };
        return landing::landing(site, store, question, visited, now, trace).await;
    }
    let clicked = decided(store.click(click).await, "the click", trace)?;
    for change in &clicked.closed {
        trace.held(|| format!("the file was replaced, and delivery {} of the version before ends", change.delivery));
    }
    trace.held(|| {
        if clicked.fresh {
            "the click makes a new delivery".to_owned()
        } else {
            format!("the click carries on with delivery {}", clicked.delivery)
        }
    });
    let lies = if clicked.fresh || !question.range.is_later_part() {
        None
    } else {
        bytes_of::lies(site, store, (clicked.delivery, &target.file), trace).await?
    };
    let (target, version) = match lies {
        Some((at, version)) => (target.at(Some(at)), version),
        None => (target, version),
    };
    let going = Going { target: &target, method, delivery: clicked.delivery, key };
    let (to, counted) = if is_button {
        let token = token::mint_delivery(site.name(), clicked.delivery, key);
        (address::started_path(site.public_url(), &token, &target.file), None)
    } else {
        away::on(site, store, dialect, question, &going, now, trace).await?
    };
    // Who carries on is known without one already; another one would make another client of them.
    let cookie =
        (clicked.fresh && question.cookie.is_none()).then(|| set_cookie(site, COOKIE, &fresh_cookie, Some(policy::Policy::RESUME_CAP)));
    let delivery = clicked.delivery;
    Ok(Outcome::Redirect(Redirect { to, cookie, delivery, method, version, counted, fresh: clicked.fresh, closed: clicked.closed }))
}

/// What must be there before a click is kept: one that nobody could be sent on with would still have changed the account.
fn ready<'a>(
    site: &'a Site,
    dialect: Dialect,
    question: &Question,
    file: &FileRef,
    methods: &[policy::Method],
    trace: &mut Trace,
) -> Result<(policy::Method, Version, &'a SigningKey), Refusal> {
    let method = choose(site, dialect, file, methods, trace)?;
    let version = look(site, file, trace)?;
    looks_ahead(question, trace)?;
    Ok((method, version, signing_key(site, trace)?))
}

/// A request for the bytes of a delivery: method and file first, so that nothing is reserved in vain, then admission.
async fn deliver(
    site: &Site,
    store: &dyn Store,
    dialect: Dialect,
    question: &Question,
    id: DeliveryId,
    now: Moment,
    trace: &mut Trace,
) -> Result<Sending, Refusal> {
    let Content { target, version: clicked } = known(store.content(id).await, "the delivery", trace)?;
    describe_delivery(store, target.grant, id, trace).await;
    let method = choose(site, dialect, &target.file, &sending(&target.methods), trace)?;
    let version = look(site, &target.file, trace)?;
    if version != clicked {
        trace.failed(|| "the file was replaced since this delivery began: a new click on the link starts it afresh".to_owned());
        return Err(Refusal::LinkExpired);
    }
    looks_ahead(question, trace)?;
    let ask = Ask {
        delivery: id,
        request: question.request.clone(),
        now,
        client: question.client_key(),
        address: question.client.address,
        range: question.range.clone(),
        measured: site.is_reported(method),
    };
    if question.method == Method::Head {
        let _permit = decided(Rehearsal::over(store).admit(ask).await, "admission", trace)?;
        return Ok(head_of(site, target, version, method).await);
    }
    let permit = decided(store.admit(ask).await, "admission", trace)?;
    trace.held(|| format!("admitted: {} bytes at most", question.range.bytes_max(permit.version.size)));
    Ok(Sending {
        name: saved_name(site, target.sold, &permit.file).await,
        rate: permit.rate,
        method,
        counted: Some(Counted { delivery: permit.delivery, grant: permit.grant, opened: permit.opened, ends: permit.grace_ends }),
        version: permit.version,
        file: permit.file,
    })
}

pub(super) fn open_link(site: &Site, token: &str, trace: &mut Trace) -> Result<LinkId, Refusal> {
    let id = token::open_link(site.name(), token, &site.keys);
    match &id {
        Ok(id) => trace.held(|| format!("the link token holds: link {id}")),
        Err(refusal) => trace.failed(|| {
            format!("the link token does not hold ({refusal}): altered, cut off, of another site, or of a key that is not configured")
        }),
    }
    id
}

pub(super) fn open_delivery(site: &Site, token: &str, trace: &mut Trace) -> Result<DeliveryId, Refusal> {
    let id = token::open_delivery(site.name(), token, &site.keys);
    match &id {
        Ok(id) => trace.held(|| format!("the delivery token holds: delivery {id}")),
        Err(refusal) => trace.failed(|| format!("the delivery token does not hold ({refusal})")),
    }
    id
}

pub(super) fn signing_key<'a>(site: &'a Site, trace: &mut Trace) -> Result<&'a SigningKey, Refusal> {
    site.keys.signing().ok_or_else(|| {
        trace.failed(|| "no [[key]] has use = \"sign\", and the delivery's address needs one".to_owned());
        Refusal::StoreDown
    })
}

pub(super) fn look(site: &Site, file: &FileRef, trace: &mut Trace) -> Result<Version, Refusal> {
    match site.storages.look(file) {
        Ok(version) => {
            trace.held(|| format!("file {file}: {} bytes, changed {}", version.size, version.modified));
            Ok(version)
        }
        Err(absent) => {
            trace.failed(|| format!("file {file}: {absent}"));
            Err(Refusal::FileMissing)
        }
    }
}

/// A browser that only looks ahead gets nothing, so that nothing is used: the person's own click comes later.
fn looks_ahead(question: &Question, trace: &mut Trace) -> Result<(), Refusal> {
    if question.method == Method::Get && question.looks_ahead {
        trace.failed(|| "the browser only looks ahead (Sec-Purpose or Purpose)".to_owned());
        return Err(Refusal::Preparing);
    }
    Ok(())
}

/// What HEAD is answered: it is refused what GET is refused, and uses nothing.
async fn head_of(site: &Site, target: Target, version: Version, method: policy::Method) -> Sending {
    let Target { file, rate, sold, .. } = target;
    Sending { version, name: saved_name(site, sold, &file).await, rate, method, counted: None, file }
}

pub(super) fn known<T>(found: Result<Option<T>, Down>, what: &str, trace: &mut Trace) -> Result<T, Refusal> {
    match found {
        Ok(Some(found)) => Ok(found),
        Ok(None) => {
            trace.failed(|| format!("{what} is not in the store"));
            Err(Refusal::UnknownLink)
        }
        Err(down) => Err(trace.down(down)),
    }
}

pub(super) fn decided<T>(decision: Result<Result<T, Refusal>, Down>, what: &str, trace: &mut Trace) -> Result<T, Refusal> {
    match decision {
        Ok(Ok(decided)) => Ok(decided),
        Ok(Err(refusal)) => {
            trace.failed(|| format!("{what} is refused: {refusal}"));
            Err(refusal)
        }
        Err(down) => Err(trace.down(down)),
    }
}

/// A cookie for all that lies under `public_url`; without `lasts` it is gone with the browser's session.
pub(super) fn set_cookie(site: &Site, name: &str, value: &str, lasts: Option<Span>) -> String {
    let public = site.public_url();
    let secure = if public.origin.starts_with("https:") { "; Secure" } else { "" };
    let lasts = lasts.map(|span| format!("; Max-Age={}", span.seconds())).unwrap_or_default();
    format!("{name}={value}; Path={}{lasts}; HttpOnly; SameSite=Lax{secure}", public.path)
}

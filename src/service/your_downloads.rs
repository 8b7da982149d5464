//! The page of all downloads of an order: what there is, how it stands, and why something is shut. Whoever has its URL may
//! see it, and looking at it uses nothing up.

use super::address;
use super::asking;
use super::download::{click, known, set_cookie, signing_key};
use super::issue::relinked;
use super::landing::{checksum_of, left, reader, unwritten};
use super::order::notes;
use super::outcome::{Hidden, Outcome, Page};
use super::site::Site;
use super::trace::Trace;
use crate::dialect::Dialect;
use crate::domain::delivery::{Delivery, State};
use crate::domain::grant::Grant;
use crate::domain::history::Author;
use crate::domain::id::{GrantId, OrderId};
use crate::domain::link::Link;
use crate::domain::moment::Moment;
use crate::domain::order::{Order, PageNumber};
use crate::domain::question::{Method, Question};
use crate::domain::refusal::Refusal;
use crate::pages::{OrderPage, Progress, Row, Shown, Standing, Ways};
use crate::proof::key::SigningKey;
use crate::proof::token;
use crate::store::{Down, Filter, Store};

/// So many files stand on one page.
const ROWS: usize = 50;

/// So many of the newest deliveries of a grant are looked at for what was downloaded last.
const DELIVERIES: usize = 20;

/// What follows the token where more is asked for, before the grant.
const ASK: &str = "ask/";

/// The cookie of a browser that has seen the page. Its value is the token.
const COOKIE: &str = "cloakroom_order";

/// Who makes a link where the time of all others is over, in the history of a grant.
const RENEWS: &str = "the page of the order";

/// The query after that was told.
const TOLD: &str = "told";

/// The whole URL of the page of an order: a secret of its customer. `None` where no key signs.
pub fn url_of(site: &Site, order: &Order) -> Option<String> {
    let key = site.keys.signing()?;
    Some(format!("{}{}", site.public_url().origin, path_of(site, (order.id, order.page), key)))
}

/// Gives the page of an order another URL: whoever has one from before is told so, and sees nothing. `None` where there is no
/// such order.
pub async fn renew(site: &Site, order: OrderId, author: &str) -> Result<Option<Order>, Down> {
    let renewed = site.orders.renew_page(order).await?;
    if renewed.is_some() {
        tracing::info!(event = "page_renewed", %order, author);
    }
    Ok(renewed)
}

/// The path of the page of the order that `grant` was sold by, for a browser that has seen that page: a link may be passed
/// on, and must open no more than its own file.
pub(super) fn path_for(site: &Site, question: &Question, grant: &Grant) -> Option<String> {
    let order = grant.sold.as_ref()?.order;
    let seen = token::open_order(site.name(), question.order_cookie.as_deref()?, &site.keys).ok()?;
    (seen.0 == order).then_some(path_of(site, seen, site.keys.signing()?))
}

fn path_of(site: &Site, order: (OrderId, PageNumber), key: &SigningKey) -> String {
    address::order_path(site.public_url(), &token::mint_order(site.name(), order, key))
}

/// Shows the page, or takes in that more is asked for.
pub(super) async fn show(
    site: &Site,
    store: &dyn Store,
    dialect: Dialect,
    question: &Question,
    (token, asked): (&str, &str),
    now: Moment,
    trace: &mut Trace,
) -> Result<Outcome, Refusal> {
    let (id, page) = open(site, token, trace)?;
    let order = known(site.orders.order(id).await, "the order", trace)?;
    if page != order.page {
        trace.failed(|| "the page of the order has another address now".to_owned());
        return Err(Refusal::LinkReissued);
    }
    let grants = site.orders.grants_of_order(id).await.map_err(|down| trace.down(down))?;
    let path = address::order_path(site.public_url(), token);
    if question.method == Method::Post {
        let grant = asked.strip_prefix(ASK).and_then(|grant| grant.parse::<GrantId>().ok());
        let Some(grant) = grants.iter().find(|known| Some(known.id) == grant) else {
            trace.failed(|| "more is asked for of what is not in this order".to_owned());
            return Err(Refusal::BadRequest);
        };
        return ask(site, store, dialect, question, (&order, grant), now, trace)
            .await
            .map(|()| Outcome::Lead(Hidden(format!("{path}?{TOLD}"))));
    }
    if !asked.is_empty() {
        trace.failed(|| "nothing stands behind the token of an order".to_owned());
        return Err(Refusal::UnknownLink);
    }
    let key = signing_key(site, trace)?;
    let query = question.query.as_deref().unwrap_or_default();
    let at = query.strip_prefix("page=").and_then(|page| page.parse::<usize>().ok()).map_or(0, |page| page.saturating_sub(1));
    let mut page = OrderPage::new(order.external_id.clone(), now);
    page.shut = order.state.check().err();
    page.told = query == TOLD;
    page.before = (at > 0).then(|| format!("{path}?page={at}"));
    page.behind = (grants.len() > at.saturating_add(1).saturating_mul(ROWS)).then(|| format!("{path}?page={}", at.saturating_add(2)));
    for grant in grants.iter().skip(at.saturating_mul(ROWS)).take(ROWS) {
        let (row, link) = row(site, store, dialect, question, (&order, grant), now, trace).await?;
        let ways = ways(site, &path, (grant, &row, link), key, now);
        page.rows.push((row, ways));
    }
    trace.held(|| "the page of the order is shown".to_owned());
    let text = site.pages.order(&page, reader(site, question));
    // Whoever has the page has the token, and the browser forgets it when it is closed.
    let cookie = Some(set_cookie(site, COOKIE, token, None));
    text.map(|text| Outcome::Show(Page { text, onward: None, cookie })).ok_or_else(|| unwritten(trace))
}

fn open(site: &Site, token: &str, trace: &mut Trace) -> Result<(OrderId, PageNumber), Refusal> {
    let opened = token::open_order(site.name(), token, &site.keys);
    match &opened {
        Ok((id, _)) => trace.held(|| format!("the order token holds: order {id}")),
        Err(refusal) => trace.failed(|| format!("the order token does not hold ({refusal})")),
    }
    opened
}

/// How one grant stands, and the link by which it is reached.
async fn row(
    site: &Site,
    store: &dyn Store,
    dialect: Dialect,
    question: &Question,
    (order, grant): (&Order, &Grant),
    now: Moment,
    trace: &mut Trace,
) -> Result<(Row, Option<Link>), Refusal> {
    // Nobody reads what HEAD asks for, or a browser that looks ahead.
    let links = if question.method == Method::Head || question.looks_ahead {
        store.links(grant.id).await
    } else {
        relinked(store, grant, Author { name: RENEWS.to_owned(), at: now }).await
    };
    let links = links.map_err(|down| trace.down(down))?;
    let link = links.into_iter().find(|link| !link.revoked);
    let filter = Filter { grant: Some(grant.id), before: None, limit: DELIVERIES };
    let deliveries = site.store.deliveries(filter).await.map_err(|down| trace.down(down))?;
    let sold = match grant.sold.as_ref() {
        Some(sold) => site.catalogue.file(sold.file).await.map_err(|down| trace.down(down))?,
        None => None,
    };
    let file = match site.storages.look(&grant.file) {
        Ok(version) => {
            let checksum = checksum_of(&*site.store, grant.id, &version).await;
            let saved = sold.as_ref().map_or_else(|| grant.file.path.file_name().to_owned(), |file| file.saved_as(&grant.file));
            Some(Shown { name: saved, version, checksum })
        }
        Err(_) => None,
    };
    let standing = match refusal_of(site, dialect, question, (grant, link.as_ref()), now).await {
        Ok(()) => Standing::Open,
        Err(refusal) => Standing::Shut(refusal),
    };
    let row = Row {
        name: sold.map_or_else(|| grant.file.path.file_name().to_owned(), |file| file.name),
        file,
        standing,
        left: left(grant),
        // Here is a new link, when the time of this one is over.
        ends: grant.expires,
        last: deliveries.iter().find_map(downloaded),
        progress: deliveries.iter().find(|delivery| delivery.state == State::Open).map(Progress::of),
        notes: notes(site, grant, Some(order)).await.map_err(|down| trace.down(down))?,
    };
    Ok((row, link))
}

/// When a delivery was received whole, or begun where nobody tells more.
fn downloaded(delivery: &Delivery) -> Option<Moment> {
    match delivery.state {
        State::Completed => delivery.completed,
        State::Started | State::Presumed => delivery.opened,
        State::Offered | State::Open | State::Released => None,
    }
}

/// What a click on the link of a grant would be refused for: it is tried as by HEAD.
async fn refusal_of(
    site: &Site,
    dialect: Dialect,
    question: &Question,
    (grant, link): (&Grant, Option<&Link>),
    now: Moment,
) -> Result<(), Refusal> {
    grant.check()?;
    let link = link.ok_or(Refusal::LinkExpired)?;
    let tried = Question { method: Method::Head, ..question.clone() };
    click(site, &*site.store, dialect, &tried, link.id, now, &mut Trace::end()).await.map(drop)
}

fn ways(site: &Site, path: &str, (grant, row, link): (&Grant, &Row, Option<Link>), key: &SigningKey, now: Moment) -> Ways {
    let token = |link: &Link| token::mint_link(site.name(), link.id, key);
    match row.standing {
        Standing::Open => {
            let link = link.map(|link| address::link_path(site.public_url(), &token(&link), &grant.file));
            Ways { link, ..Ways::default() }
        }
        Standing::Shut(why) if may_ask(why) => {
            Ways { link: None, ask: Some(format!("{path}/{ASK}{}", grant.id)), asked: site.asks.has(grant.id, now) }
        }
        Standing::Shut(_) => Ways::default(),
    }
}

/// Whether the shop could give more.
const fn may_ask(why: Refusal) -> bool {
    matches!(why, Refusal::LimitReached | Refusal::Expired | Refusal::LinkExpired | Refusal::ByteBudget | Refusal::TooManyNetworks)
}

async fn ask(
    site: &Site,
    store: &dyn Store,
    dialect: Dialect,
    question: &Question,
    (order, grant): (&Order, &Grant),
    now: Moment,
    trace: &mut Trace,
) -> Result<(), Refusal> {
    let (row, _) = row(site, store, dialect, question, (order, grant), now, trace).await?;
    match row.standing {
        Standing::Shut(why) if may_ask(why) => asking::ask(site, (order, grant), why, now).await,
        // It was opened meanwhile: the page shows it.
        Standing::Open => Ok(()),
        Standing::Shut(why) => {
            trace.failed(|| format!("more is asked for of what is shut otherwise: {why}"));
            Err(why)
        }
    }
}

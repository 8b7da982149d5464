//! Orders: from what a shop reports to grants and links.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use tokio::sync::MutexGuard;

use super::credential::Writing;
use super::ending::check_zone;
use super::issue::{NotIssued, new_grant, new_link, relinked, url_of};
use super::order_report::{Report, check, whole};
use super::outbox::{unmailed, write_anew};
use super::outcome::Hidden;
use super::site::Site;
use super::way_in::{self, Offered};
use super::{catalogue, copies, your_downloads};
use crate::clock;
use crate::domain::catalogue::{File, Product};
use crate::domain::file::FileRef;
use crate::domain::grant::Grant;
use crate::domain::history::Author;
use crate::domain::id::{FileId, OrderId};
use crate::domain::link::Link;
use crate::domain::moment::Moment;
use crate::domain::order::{Line, LineKey, Order, OrderState, Sku, Sold};
use crate::domain::policy::{Edition, Policy};
use crate::proof::key::SigningKey;
use crate::store::{Down, KeptOrder, Sale, Telling};

/// An order that would make more grants than this is a mistake.
pub const GRANTS_MAX: usize = 2000;

/// A grant of an order, with the link that opens it. The URL is not printed.
#[derive(Clone)]
pub struct Opened {
    /// The grant.
    pub grant: Grant,
    /// Its newest link that was not withdrawn, and that link's URL.
    pub link: Option<(Link, String)>,
    /// Under which name people see its file.
    pub name: String,
    /// The copy that the link leads to, where it is fetched as one, and what opens it; told to who reports.
    pub copy: Option<Offered>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("grant", &self.grant.id).field("name", &self.name).finish_non_exhaustive()
    }
}

/// An order with what it opens.
#[derive(Clone, Debug)]
pub struct Reported {
    /// The order.
    pub order: Order,
    /// Its grants, by line, file and unit as they were made.
    pub grants: Vec<Opened>,
    /// What stands in the way of a line, in a sentence.
    pub problems: Vec<(LineKey, String)>,
    /// Whether the report changed anything.
    pub changed: bool,
    /// The URL of the customer's page of it.
    pub page: Option<Hidden>,
    /// Why its customer gets no letter, where orders are told of by mail, in a sentence.
    pub unmailed: Option<String>,
}

/// Why nothing was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotReported {
    /// A field, and what is wrong with it.
    Field(&'static str, String),
    /// The file that the line at this place, from 0, names is not to be found.
    NoFile(usize),
    /// No such order.
    Unknown,
    /// The order would make so many grants.
    TooMany(usize),
    /// No key signs.
    NoKey,
    /// The store does not answer.
    Down(Down),
}

impl From<Down> for NotReported {
    fn from(down: Down) -> Self {
        Self::Down(down)
    }
}

impl fmt::Display for NotReported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(field, what) => write!(f, "{field}: {what}"),
            Self::NoFile(place) => {
                write!(f, "lines[{place}].file: there is no such file: `cloakroom file list` lists those that there are")
            }
            Self::Unknown => f.write_str("there is no such order: `cloakroom order list` lists those that there are"),
            Self::TooMany(grants) => write!(f, "lines: they would make {grants} grants, and an order must not make more than {GRANTS_MAX}"),
            Self::NoKey => NotIssued::NoKey.fmt(f),
            Self::Down(Down::Full) => write!(f, "{}: no more grants fit", Down::Full),
            Self::Down(down) => write!(f, "{down}"),
        }
    }
}

/// Keeps what a shop reports: the order, the grants that it has not yet, and whether those that it has are open, in one
/// step; then what lies in public follows.
pub async fn report(site: &Site, report: Report, author: String) -> Result<Reported, NotReported> {
    let alone = site.amending.lock().await;
    report_alone(site, report, author, alone).await
}

/// The same for who amends alone already.
pub(super) async fn report_alone(site: &Site, report: Report, author: String, alone: MutexGuard<'_, ()>) -> Result<Reported, NotReported> {
    report_selling(site, report, author, alone, |_| true).await
}

/// The same, selling nothing but what `is_sold` holds for.
async fn report_selling(
    site: &Site,
    report: Report,
    author: String,
    // From reading what was reported before until what lies in public follows, nobody else amends: what one says of an
    // order is not taken back by another who read it before.
    alone: MutexGuard<'_, ()>,
    is_sold: impl Fn(&Sale) -> bool + Send,
) -> Result<Reported, NotReported> {
    let telling = report.telling;
    // Nor does a file lie elsewhere when its grants are kept than when they were made.
    let unmoved = site.cataloguing.lock().await;
    let mut now = clock::now();
    let order = whole(site, report, now).await?;
    check(&order)?;
    // What is taken back is shut whatever stands in the way of selling.
    let key = site.keys.signing();
    if order.state == OrderState::Paid && key.is_none() {
        return Err(NotReported::NoKey);
    }
    let author = Author { name: author, at: now };
    let (mut sold, mut problems) = sales(site, &order, now).await?;
    if catalogue::caught_up(site, of_versions(&sold)).await? {
        // What is bought is what was released by then.
        now = clock::now();
        (sold, problems) = sales(site, &order, now).await?;
    }
    sold.retain(is_sold);
    let kept = site.orders.keep_order_telling(order, sold, telling, author.clone()).await?;
    drop(unmoved);
    told(&kept, &author);
    let unmailed = unmailed(site, &kept.order).filter(|_| telling == Telling::Customer);
    if unmailed.is_some() && !kept.issued.is_empty() {
        // Who it is stands in the order, and in no log.
        tracing::warn!(event = "order_not_mailed", order = %kept.order.id, "no mail can go to the address of its customer");
    }
    follow(site, &kept, telling).await?;
    drop(alone);
    let mut grants = opened(site, kept.grants, key, Some(&author)).await?;
    for opened in &mut grants {
        opened.copy = way_in::told(site, &opened.grant).await?;
    }
    let page = your_downloads::url_of(site, &kept.order).map(Hidden);
    Ok(Reported { order: kept.order, grants, problems, changed: kept.changed, page, unmailed })
}

/// The order that a report would make, if it is one that can be kept. Nothing is.
pub async fn rehearse(site: &Site, report: Report) -> Result<Order, NotReported> {
    let order = whole(site, report, clock::now()).await?;
    check(&order).map(|()| order)
}

/// Reports an order again, with nothing but its state other than before.
pub async fn set_state(site: &Site, id: OrderId, state: OrderState, author: String) -> Result<Reported, NotReported> {
    let Order { shop, external_id, .. } = site.orders.order(id).await?.ok_or(NotReported::Unknown)?;
    report(
        site,
        Report { shop, external_id, customer: None, state: Some(state), lines: None, placed: None, telling: Telling::Customer },
        author,
    )
    .await
}

/// Sells of an order that is paid what it waits for, now that more is there than there was: what its lines hold of which
/// nothing was sold; and `came`, if it lay elsewhere when the order was reported. How many grants that made.
pub(super) async fn serve(site: &Site, id: OrderId, came: Option<&File>, author: &str) -> Result<u64, Down> {
    let paid = site.orders.order(id).await?.filter(|order| order.state == OrderState::Paid);
    let Some(order) = paid else { return Ok(0) };
    let before: Vec<Sold> = site.orders.grants_of_order(id).await?.into_iter().filter_map(|grant| grant.sold).collect();
    let lay_elsewhere = |file: &&File| file.added <= order.created && file.version_at(order.created).at.here().is_none();
    let came = came.filter(lay_elsewhere).map(|file| file.id);
    let waits = |sale: &Sale| {
        let is_new = |sold: &Sold| before.iter().all(|before| before.key() != sold.key());
        let is_unsold = |sold: &Sold| before.iter().all(|before| (&before.line, &before.sku) != (&sold.line, &sold.sku));
        sale.grant.sold.as_ref().is_some_and(|sold| is_new(sold) && (came == Some(sold.file) || is_unsold(sold)))
    };
    let fault = match sales(site, &order, clock::now()).await {
        Ok((sales, _)) if !sales.iter().any(waits) => return Ok(0),
        Ok(_) => {
            let Order { shop, external_id, .. } = order;
            let same = Report { shop, external_id, customer: None, state: None, lines: None, placed: None, telling: Telling::Customer };
            match report_selling(site, same, author.to_owned(), site.amending.lock().await, waits).await {
                Ok(Reported { grants, .. }) => return Ok(grants.len().saturating_sub(before.len()) as u64),
                Err(fault) => fault,
            }
        }
        Err(fault) => fault,
    };
    match fault {
        NotReported::Down(down) => Err(down),
        fault => {
            tracing::warn!(event = "order_waits", order = %id, "{fault}");
            Ok(0)
        }
    }
}

/// An order as it stands, with what stands in the way of its lines.
pub async fn show(site: &Site, id: OrderId) -> Result<Reported, NotReported> {
    let key = site.keys.signing();
    let order = site.orders.order(id).await?.ok_or(NotReported::Unknown)?;
    let (_, problems) = sales(site, &order, clock::now()).await?;
    let grants = opened(site, site.orders.grants_of_order(id).await?, key, None).await?;
    let page = your_downloads::url_of(site, &order).map(Hidden);
    let unmailed = unmailed(site, &order);
    Ok(Reported { order, grants, problems, changed: false, page, unmailed })
}

/// The grants that an order would have if it were paid now, and what stands in the way of its lines.
async fn sales(site: &Site, order: &Order, now: Moment) -> Result<(Vec<Sale>, Vec<(LineKey, String)>), NotReported> {
    if !matches!(order.state, OrderState::Paid | OrderState::Pending) {
        return Ok((Vec::new(), Vec::new()));
    }
    let skus: Vec<Sku> = order.lines.iter().map(|line| line.sku.clone()).collect();
    let products = site.catalogue.products_named(skus).await?;
    let products: BTreeMap<&Sku, &Product> = products.iter().map(|product| (&product.sku, product)).collect();
    let (mut sales, mut problems) = (Vec::new(), Vec::new());
    for line in &order.lines {
        let product = products.get(&line.sku).copied();
        if product.is_none() && line.terms.file.is_none() {
            let what = format!("there is no product `{}`: `cloakroom product add` makes it; then report the order again", line.sku);
            problems.push((line.key.clone(), what));
            continue;
        }
        let sold = line_sales(site, order, line, product, now, &mut problems).await?;
        if sold.is_empty() && line.quantity > 0 && problems.last().is_none_or(|(key, _)| *key != line.key) {
            problems.push((line.key.clone(), format!("the product `{}` has no file for these options", line.sku)));
        }
        if sales.len() + sold.len() > GRANTS_MAX {
            return Err(NotReported::TooMany(sales.len() + sold.len()));
        }
        sales.extend(sold);
    }
    Ok((sales, problems))
}

async fn line_sales(
    site: &Site,
    order: &Order,
    line: &Line,
    product: Option<&Product>,
    now: Moment,
    problems: &mut Vec<(LineKey, String)>,
) -> Result<Vec<Sale>, NotReported> {
    let mut problem = |what: String| problems.push((line.key.clone(), what));
    let policy = match policy_of(site, line, product) {
        Ok(policy) => policy,
        Err(why) => {
            problem(why);
            return Ok(Vec::new());
        }
    };
    let of_product = || product.map(|product| product.files_of(&line.options)).unwrap_or_default();
    let files = line.terms.file.map_or_else(of_product, |file| vec![file]);
    let units = product.map(|product| product.units).unwrap_or_default().of(line.quantity);
    let grants = usize::try_from(units).unwrap_or(usize::MAX).saturating_mul(files.len());
    if grants > GRANTS_MAX {
        return Err(NotReported::TooMany(grants));
    }
    let mut sales = Vec::new();
    for id in files {
        let Some(file) = site.catalogue.file(id).await? else {
            problem(format!("its file {id} is no longer in the catalogue: `cloakroom product show {}`", line.sku));
            continue;
        };
        let Some(at) = file.here() else {
            problem(format!("`{}` lies elsewhere ({}), from where this version delivers nothing", file.name, file.current.at));
            continue;
        };
        if let Err(absent) = site.storages.look(at) {
            problem(format!("`{at}`: {absent}; its link works as soon as it is there"));
        }
        if copies::new_copy(site, at, &policy).is_some() && policy.max_downloads.is_some() && !site.configuration.is_measured() {
            problem(NotIssued::Uncounted.to_string());
            continue;
        }
        sales.extend((1..=units).map(|unit| sale(site, order, line, (id, at), unit, &policy, now)));
    }
    Ok(sales)
}

/// The files of which a certain version is sold.
fn of_versions(sales: &[Sale]) -> BTreeSet<FileId> {
    let stay = sales.iter().filter(|sale| sale.grant.policy.edition == Edition::Purchased);
    stay.filter_map(|sale| sale.grant.sold.as_ref().map(|sold| sold.file)).collect()
}

/// The limits that the grants of a line get.
fn policy_of(site: &Site, line: &Line, product: Option<&Product>) -> Result<Policy, String> {
    let name = product.and_then(|product| product.policy.as_deref()).unwrap_or("default");
    let policy = site.configuration.policy(name).cloned();
    let mut policy = policy.ok_or_else(|| format!("the product `{}` wants a [[policy]] named `{name}`, and there is none", line.sku))?;
    policy.max_downloads = line.terms.max_downloads.or(policy.max_downloads);
    check_zone(&policy).map_err(|fault| fault.to_string())?;
    Ok(policy)
}

fn sale(site: &Site, order: &Order, line: &Line, (file, at): (FileId, &FileRef), unit: u32, policy: &Policy, now: Moment) -> Sale {
    let customer = order.customer.in_words().to_owned();
    let sold = Sold { order: order.id, line: line.key.clone(), sku: line.sku.clone(), file, unit, gate: order.state_of(line) };
    let mut grant = Grant { sold: Some(sold), ..new_grant(at.clone(), customer, policy.clone(), now) };
    grant.expires = line.terms.expires.or(grant.expires);
    Sale { link: new_link(&grant, None, now), copy: copies::new_copy(site, at, policy), grant }
}

fn told(kept: &KeptOrder, author: &Author) {
    let KeptOrder { order, issued, amended, changed, .. } = kept;
    if *changed {
        let (state, shop, author) = (order.state.word(), order.shop.as_str(), &author.name);
        tracing::info!(event = "ordered", order = %order.id, shop, state, issued = issued.len(), amended = amended.len(), author);
    }
}

/// What lies in public goes with what was shut, and comes again with what was opened; who bought it may enter. Whoever reported
/// before may have died before this: what it left undone is done.
async fn follow(site: &Site, kept: &KeptOrder, telling: Telling) -> Result<(), Down> {
    site.wake.notify_one();
    for grant in &kept.grants {
        let is_touched = kept.amended.contains(&grant.id) || kept.issued.contains(&grant.id);
        // Only what is fetched as a copy can lack one.
        let may_lack = || copies::directory_for(site, &grant.file, &grant.policy).is_some();
        if is_touched || may_lack() && copies::current(&*site.store, grant.id).await?.is_none() {
            copies::ensure(site, grant).await?;
        }
    }
    let writing = match telling {
        Telling::Customer => Writing::Now,
        // Many come one after the other, and nobody waits for any of them.
        Telling::Nobody => Writing::Soon,
    };
    let made = way_in::let_all_in(site, &kept.grants, writing).await?;
    site.wake.notify_one();
    site.copies.wake();
    // Who buys something gets a letter in any case.
    if telling == Telling::Customer && kept.issued.is_empty() && kept.amended.iter().any(|id| made.contains(id)) {
        write_anew(site, &kept.order).await?;
    }
    Ok(())
}

/// The grants with their links; where `relinks` is somebody, with new ones where the time of all is over.
async fn opened(site: &Site, grants: Vec<Grant>, key: Option<&SigningKey>, relinks: Option<&Author>) -> Result<Vec<Opened>, Down> {
    let mut names: BTreeMap<FileId, String> = BTreeMap::new();
    let mut opened = Vec::new();
    for grant in grants {
        let links = match relinks {
            Some(author) => relinked(&*site.store, &grant, author.clone()).await?,
            None => site.store.links(grant.id).await?,
        };
        let link = links.into_iter().find(|link| !link.revoked);
        let link = link.zip(key).map(|(link, key)| (link.clone(), url_of(site, &grant, &link, key)));
        let name = match grant.sold.as_ref().map(|sold| sold.file) {
            Some(id) if !names.contains_key(&id) => {
                let name = site.catalogue.file(id).await?.map_or_else(|| grant.file.path.file_name().to_owned(), |file| file.name);
                names.entry(id).or_insert(name).clone()
            }
            Some(id) => names.get(&id).cloned().unwrap_or_default(),
            None => grant.file.path.file_name().to_owned(),
        };
        opened.push(Opened { grant, link, name, copy: None });
    }
    Ok(opened)
}

/// What the shop tells the customer of a grant beside its file: of the product, then of the line of `order`, by which it was
/// sold.
pub(super) async fn notes(site: &Site, grant: &Grant, order: Option<&Order>) -> Result<Vec<String>, Down> {
    let Some(sold) = &grant.sold else { return Ok(Vec::new()) };
    let product = site.catalogue.products_named(vec![sold.sku.clone()]).await?.into_iter().next().map(|product| product.note);
    let line = order.and_then(|order| order.lines.iter().find(|line| line.key == sold.line)).map(|line| line.terms.note.clone());
    let told = product.into_iter().chain(line).filter(|note| !note.is_empty());
    Ok(told.map(|note| note.as_str().to_owned()).collect())
}

/// The order by which a grant was sold.
pub(super) async fn sold_by(site: &Site, grant: &Grant) -> Result<Option<Order>, Down> {
    match &grant.sold {
        Some(sold) => site.orders.order(sold.order).await,
        None => Ok(None),
    }
}

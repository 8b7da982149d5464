//! What is taken over from another shop: files, products and orders that were sold there, each as it stood at that moment.
//!
//! The same once more changes nothing. What is known here already and other than before is told and left as it is: since
//! the first time customers downloaded here, and nobody but a person can say which number is right.

use std::collections::BTreeMap;

use super::catalogue::{self, NotKept};
use super::order::{NotReported, rehearse, report_alone};
use super::order_report::{Report, ReportedLine, keyed};
use super::product;
use super::site::Site;
use crate::domain::catalogue::{Attachment, Product, Units};
use crate::domain::file::FileRef;
use crate::domain::grant::UNLIMITED;
use crate::domain::id::FileId;
use crate::domain::note::Note;
use crate::domain::order::{Customer, Line, LineKey, Options, Order, OrderState, Own, Sku};
use crate::random;
use crate::store::{Down, Telling};

/// A product to take over.
#[derive(Clone, Debug)]
pub struct WantedProduct {
    /// Its SKU.
    pub sku: Sku,
    /// Its name; may be empty.
    pub name: String,
    /// The policy of its grants; `None` is `default`.
    pub policy: Option<String>,
    /// Its files, and what must have been chosen for each.
    pub files: Vec<(FileRef, Options)>,
}

/// An order to take over.
#[derive(Clone, Debug)]
pub struct WantedOrder {
    /// What the shop says.
    pub report: Report,
    /// The file of each line, in their order, where one is said.
    pub files: Vec<Option<FileRef>>,
}

/// A part of what is taken over.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// Files, and the names that people see them under.
    pub files: Vec<(FileRef, String)>,
    /// Products.
    pub products: Vec<WantedProduct>,
    /// Orders.
    pub orders: Vec<WantedOrder>,
}

/// Whether it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// It is only told what would be done.
    Rehearsal,
    /// It is done.
    Import,
}

/// What becomes of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was not known.
    New,
    /// It is known, and has lines now that it had not.
    Grown,
    /// It is known, and as it was.
    Same,
    /// It is known and other than before, in these sentences; it stays as it is.
    Differs(Vec<String>),
    /// It cannot be, in a sentence.
    Refused(String),
}

/// What became of a part.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// How many files were not in the catalogue.
    pub files_new: usize,
    /// Files that are not where they should be, and why.
    pub missing: Vec<(FileRef, String)>,
    /// Products.
    pub products: Vec<(Sku, Fate)>,
    /// Orders.
    pub orders: Vec<TakenOrder>,
}

/// What became of an order.
#[derive(Clone, Debug)]
pub struct TakenOrder {
    /// The shop's number of it.
    pub number: String,
    /// What became of it.
    pub fate: Fate,
    /// How many grants it has; of one that stays as it was, none are told.
    pub grants: usize,
    /// Why not all of its lines have one, though it is open.
    pub problems: Vec<String>,
}

/// Takes a part over: first its files, then its products, then its orders, each in a durable step of its own. What was
/// done before something goes wrong stays done, and the same once more goes on behind it.
pub async fn take(site: &Site, part: Part, doing: Doing, author: &str) -> Result<Taken, Down> {
    let Part { files, products, orders } = part;
    let mut taken = Taken::default();
    let ids = take_files(site, files, doing, &mut taken).await?;
    for product in products {
        let sku = product.sku.clone();
        taken.products.push((sku, take_product(site, product, &ids, doing, author).await?));
    }
    for order in orders {
        taken.orders.push(take_order(site, order, &ids, doing, author).await?);
    }
    Ok(taken)
}

/// The id of each file. One that lies elsewhere by now, or has another version there, is the same file still.
async fn take_files(
    site: &Site,
    files: Vec<(FileRef, String)>,
    doing: Doing,
    taken: &mut Taken,
) -> Result<BTreeMap<FileRef, FileId>, Down> {
    // Nobody moves or adds one between looking for it and adding it.
    let _alone = site.cataloguing.lock().await;
    let (mut ids, mut ever) = (BTreeMap::new(), None);
    for (at, name) in files {
        let mut known = site.catalogue.file_at(at.clone()).await?;
        if known.is_none() {
            let ever = match &mut ever {
                Some(ever) => ever,
                none => none.insert(catalogue::ever_at(site).await?),
            };
            if let Some(id) = ever.get(&at) {
                known = site.catalogue.file(*id).await?;
            }
        }
        let lies = known.as_ref().and_then(|file| file.here()).unwrap_or(&at);
        if let Err(absent) = site.storages.look(lies) {
            taken.missing.push((lies.clone(), absent.to_string()));
        }
        taken.files_new += usize::from(known.is_none());
        let id = match (known, doing) {
            (Some(known), _) => known.id,
            (None, Doing::Import) => catalogue::take_over(site, at.clone(), name).await?,
            (None, Doing::Rehearsal) => FileId::new(random::bytes()),
        };
        ids.insert(at, id);
    }
    Ok(ids)
}

async fn take_product(
    site: &Site,
    wanted: WantedProduct,
    ids: &BTreeMap<FileRef, FileId>,
    doing: Doing,
    author: &str,
) -> Result<Fate, Down> {
    let WantedProduct { sku, name, policy, files } = wanted;
    if files.len() > Product::FILES_MAX {
        return Ok(Fate::Refused(format!("it has {} files, and a product has at most {}", files.len(), Product::FILES_MAX)));
    }
    if let Some(Err(why)) = policy.as_deref().map(|policy| site.configuration.policy_named(policy)) {
        return Ok(Fate::Refused(why));
    }
    let attached = files.into_iter().filter_map(|(at, options)| Some(Attachment { file: *ids.get(&at)?, options }));
    let product = Product { sku, name, policy, units: Units::PerLine, note: Note::default(), files: attached.collect() };
    let known = site.catalogue.products_named(vec![product.sku.clone()]).await?.into_iter().next();
    match known {
        Some(known) if known == product => return Ok(Fate::Same),
        Some(known) => {
            let mut differences = Vec::new();
            let mut differs = |is: bool, what: String| differences.extend(is.then_some(what));
            differs(known.name != product.name, format!("its name is `{}` here, `{}` there", known.name, product.name));
            differs(known.policy != product.policy, "it has another policy here".to_owned());
            differs(known.units != product.units, "here it is sold by the unit".to_owned());
            differs(
                known.files != product.files,
                format!("it has other files here ({}) than there ({})", known.files.len(), product.files.len()),
            );
            return Ok(Fate::Differs(differences));
        }
        None if doing == Doing::Import => match product::keep(site, product, author).await {
            Ok(_) => {}
            Err(NotKept::Down(down)) => return Err(down),
            Err(fault) => return Ok(Fate::Refused(fault.to_string())),
        },
        None => {}
    }
    Ok(Fate::New)
}

async fn take_order(
    site: &Site,
    wanted: WantedOrder,
    ids: &BTreeMap<FileRef, FileId>,
    doing: Doing,
    author: &str,
) -> Result<TakenOrder, Down> {
    let WantedOrder { report: mut wanted, files } = wanted;
    let number = wanted.external_id.to_string();
    let stays = |fate: Fate| TakenOrder { number: number.clone(), fate, grants: 0, problems: Vec::new() };
    for (line, at) in wanted.lines.iter_mut().flatten().zip(files) {
        line.terms.file = at.and_then(|at| ids.get(&at)).copied();
    }
    // What is known is not other than this when it is kept.
    let alone = site.amending.lock().await;
    let known = site.orders.order_named(wanted.shop.clone(), wanted.external_id.clone()).await?;
    wanted.telling = Telling::Nobody;
    let mut fate = Fate::New;
    if let Some(known) = known {
        let lines = match keyed(wanted.lines.take().unwrap_or_default(), Some(&known), known.state) {
            Ok(lines) => lines,
            Err(fault) => return Ok(stays(Fate::Refused(fault.to_string()))),
        };
        let differences = differences(&known, &wanted, &lines);
        if !differences.is_empty() {
            return Ok(stays(Fate::Differs(differences)));
        }
        let before = known.lines.len();
        let is_new = |line: &&Line| known.lines.iter().all(|known| known.key != line.key);
        let new: Vec<Line> = lines.iter().filter(is_new).cloned().collect();
        let lines: Vec<ReportedLine> = known.lines.into_iter().chain(new).map(ReportedLine::from).collect();
        if lines.len() == before {
            return Ok(stays(Fate::Same));
        }
        wanted.lines = Some(lines);
        fate = Fate::Grown;
    }
    let open = |order: &Order| order.lines.iter().filter(|line| order.state_of(line) == OrderState::Paid).count();
    let outcome = match doing {
        Doing::Rehearsal => rehearse(site, wanted).await.map(|order| (open(&order), Vec::new())),
        Doing::Import => report_alone(site, wanted, author.to_owned(), alone).await.map(|reported| {
            let is_short = reported.grants.len() < open(&reported.order);
            let told = |(line, what): (LineKey, String)| is_short.then(|| format!("line {line}: {what}"));
            (reported.grants.len(), reported.problems.into_iter().filter_map(told).collect())
        }),
    };
    match outcome {
        Ok((grants, problems)) => Ok(TakenOrder { number, fate, grants, problems }),
        Err(NotReported::Down(down)) => Err(down),
        Err(fault) => Ok(stays(Fate::Refused(fault.to_string()))),
    }
}

/// What the shop says of an order now that is not as it is known here. Lines that are not known yet are no difference.
fn differences(known: &Order, wanted: &Report, lines: &[Line]) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |what: &str, here: String, there: String| {
        if here != there {
            found.push(format!("{what}: {here} here, {there} there"));
        }
    };
    compare("state", known.state.word().to_owned(), wanted.state.unwrap_or(known.state).word().to_owned());
    let customer = |customer: Option<&str>| customer.unwrap_or_default().trim().to_owned();
    compare("customer", customer(Some(known.customer.in_words())), customer(wanted.customer.as_ref().map(Customer::in_words)));
    for here in &known.lines {
        let Some(there) = lines.iter().find(|line| line.key == here.key) else {
            compare(&format!("line {}", here.key), "is known".to_owned(), "not".to_owned());
            continue;
        };
        let mut of_line =
            |what: &str, here_has: String, there_has: String| compare(&format!("line {}, {what}", here.key), here_has, there_has);
        of_line("product", here.sku.to_string(), there.sku.to_string());
        of_line("downloads", said(here.terms.max_downloads), said(there.terms.max_downloads));
        of_line("end", said(here.terms.expires), said(there.terms.expires));
        let file = |line: &Line| line.terms.file.map_or_else(|| "none".to_owned(), |file| file.to_string());
        of_line("file", file(here), file(there));
        let rest = |line: &Line| format!("{} {:?} {}", line.quantity, line.options, line.state.word());
        of_line("quantity, options, state", rest(here), rest(there));
    }
    found
}

fn said<T: std::fmt::Display>(limit: Own<T>) -> String {
    match limit {
        Own::Policy => "as the policy says".to_owned(),
        Own::Unlimited => UNLIMITED.to_owned(),
        Own::Limit(limit) => limit.to_string(),
    }
}

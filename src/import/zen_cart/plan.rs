//! What Zen Cart's rows mean: which customer may download which file, how often and until when.
//!
//! Zen Cart decides in `includes/modules/pages/download/header_php.php`, for each request:
//!
//! | row | there | here |
//! |---|---|---|
//! | `download_maxdays` = 0 | no end, any number of downloads, whatever `download_count` says | both unlimited |
//! | `download_maxdays` ≠ 0 | until 23:59:59 of the day of `date_purchased` + so many days, in the shop's time | that moment |
//! | `download_count` | what is left, none if 0 or less; it falls with each request | so many downloads |
//! | `orders_status` | the page with the buttons shows them from 2 to 4; the download itself does not ask | [`Gate`] |
//! | quantity | one row a file, whatever it is | one line, of quantity 1 |
//! | file name | below the download directory; saved with `_` for spaces, after the last `/` or `\` | `STORAGE/PATH`, and that name |
//! | `orders_products` row | none: nothing is found | left out |
//! | `https://…`, `aws:…`, `service:…` | sent elsewhere | [left out](LeftOut::Elsewhere), and told |

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::tables::{DownloadRow, LineRow, OrderRow, Place, Shop, Table};
use crate::domain::moment::Moment;
use crate::domain::path::FilePath;

/// Which orders are open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Those of these statuses; Zen Cart's own are 2 to 4.
    Statuses(RangeInclusive<i64>),
    /// All, as Zen Cart's download page has it.
    Open,
}

impl Gate {
    /// Zen Cart's own: `DOWNLOADS_CONTROLLER_ORDERS_STATUS` to `…_END`.
    pub const STATUSES: RangeInclusive<i64> = 2..=4;

    fn opens(&self, status: i64) -> bool {
        match self {
            Self::Statuses(range) => range.contains(&status),
            Self::Open => true,
        }
    }
}

/// One row of `orders_products_download`: a line of an order here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    /// `orders_products_download_id`, as `id=` of Zen Cart's links.
    pub id: u64,
    /// `products_id`.
    pub product: u64,
    /// `products_attributes_id`.
    pub attribute: Option<u64>,
    /// Where the file lies, below the download directory.
    pub path: FilePath,
    /// How many downloads are left; `None` is any number.
    pub downloads: Option<u32>,
    /// From when on there is none; `None` is never.
    pub expires: Option<Moment>,
}

/// One order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// `orders_id`.
    pub id: u64,
    /// Who ordered, and when.
    pub row: OrderRow,
    /// `date_purchased`, where the zone is known.
    pub placed: Option<Moment>,
    /// Whether it is open.
    pub is_open: bool,
    /// What was sold.
    pub downloads: Vec<Download>,
}

/// A product: the files of its attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// `products_id`.
    pub id: u64,
    /// As an order named it last; may be empty.
    pub name: String,
    /// The attributes that carry a file.
    pub files: Vec<(u64, FilePath)>,
}

/// Why a row is not taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// Its file lies elsewhere, and is not delivered from there yet.
    Elsewhere(String),
    /// Zen Cart itself finds nothing for it.
    Dead(String),
}

/// A row that is not taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftRow {
    /// Where it stands.
    pub place: Place,
    /// What it is: `order 12, download 34`.
    pub row: String,
    /// Why.
    pub why: LeftOut,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// By number.
    pub orders: Vec<Order>,
    /// By number.
    pub products: Vec<Product>,
    /// Every file, with the name that Zen Cart saves it under.
    pub files: BTreeMap<FilePath, String>,
    /// What is not taken over.
    pub left: Vec<LeftRow>,
    /// How many attributes have these days and this count, as new orders get them.
    pub templates: BTreeMap<(i64, i64), usize>,
}

/// Says what the rows mean. The error is one sentence: what has to be said or brought.
pub fn plan(shop: &Shop, gate: &Gate, zone: Option<&TimeZone>) -> Result<Plan, String> {
    for (table, for_what) in [(Table::Orders, Table::Downloads), (Table::Lines, Table::Downloads), (Table::Attributes, Table::Templates)] {
        if shop.has(for_what) && !shop.has(table) {
            let lacking = shop.lacking.get(table.name()).map(|what| format!(" ({what})")).unwrap_or_default();
            return Err(format!("the table `{}` is missing{lacking}: `{}` means nothing without it", table.name(), for_what.name()));
        }
    }
    if zone.is_none() && shop.downloads.values().any(|(row, _)| row.max_days != 0) {
        return Err("--zone is needed, such as Europe/Berlin: downloads end with a day of the shop".to_owned());
    }
    let mut plan = Plan::default();
    let mut orders: BTreeMap<u64, Order> = BTreeMap::new();
    let mut names: BTreeMap<u64, &str> = BTreeMap::new();
    for (id, (row, place)) in &shop.downloads {
        match download(shop, *id, row, zone) {
            Err(why) => plan.left.push(LeftRow { place: *place, row: format!("order {}, download {id}", row.order), why }),
            Ok((order, line, download)) => {
                names.insert(download.product, &line.name);
                plan.files.insert(download.path.clone(), saved_as(&row.file));
                let placed = || zone.and_then(|zone| moment(order.purchased.as_deref()?.parse().ok()?, zone));
                let whole = || Order {
                    id: row.order,
                    row: order.clone(),
                    placed: placed(),
                    is_open: gate.opens(order.status),
                    downloads: Vec::new(),
                };
                orders.entry(row.order).or_insert_with(whole).downloads.push(download);
            }
        }
    }
    let mut products: BTreeMap<u64, Product> = BTreeMap::new();
    for (attribute, (row, place)) in &shop.templates {
        let found = shop.attributes.get(attribute).map(|(product, _)| *product);
        let found = found.ok_or_else(|| LeftOut::Dead("no product has this attribute any more".to_owned()));
        match found.and_then(|product| Ok((product, path_of(&row.file)?))) {
            Err(why) => plan.left.push(LeftRow { place: *place, row: format!("attribute {attribute}"), why }),
            Ok((id, path)) => {
                *plan.templates.entry((row.max_days, row.max_count)).or_default() += 1;
                plan.files.entry(path.clone()).or_insert_with(|| saved_as(&row.file));
                let name = names.get(&id).copied().unwrap_or_default().to_owned();
                products.entry(id).or_insert_with(|| Product { id, name, files: Vec::new() }).files.push((*attribute, path));
            }
        }
    }
    (plan.orders, plan.products) = (orders.into_values().collect(), products.into_values().collect());
    Ok(plan)
}

/// What Zen Cart would find for a row, as it joins the tables.
fn download<'a>(
    shop: &'a Shop,
    id: u64,
    row: &DownloadRow,
    zone: Option<&TimeZone>,
) -> Result<(&'a OrderRow, &'a LineRow, Download), LeftOut> {
    let dead = |why: String| LeftOut::Dead(why);
    let order = shop.orders.get(&row.order).map(|(order, _)| order).ok_or_else(|| dead("there is no such order".to_owned()))?;
    let line = shop.lines.get(&row.line).map(|(line, _)| line).filter(|line| line.order == row.order);
    let line = line.ok_or_else(|| dead(format!("its order has no product {} in orders_products", row.line)))?;
    let path = path_of(&row.file)?;
    let day = order.purchased.as_deref().and_then(day).ok_or_else(|| dead("its order has no date_purchased".to_owned()))?;
    let is_limited = row.max_days != 0;
    let product = row.product.split(':').next().and_then(|product| product.parse().ok()).filter(|product| *product > 0);
    let download = Download {
        id,
        product: product.unwrap_or(line.product),
        attribute: row.attribute,
        path,
        downloads: is_limited.then(|| u32::try_from(row.count.max(0)).unwrap_or(u32::MAX)),
        expires: if is_limited { zone.and_then(|zone| expiry(day, row.max_days, zone)) } else { None },
    };
    Ok((order, line, download))
}

/// The day of a `date_purchased`. That of `0000-00-00`, which the database gives where there is none, is to PHP's `mktime` the last
/// of November 1999.
fn day(purchased: &str) -> Option<Date> {
    let day = purchased.get(..10)?;
    if day == "0000-00-00" {
        return Date::new(1999, 11, 30).ok();
    }
    day.parse().ok()
}

/// 23:59:59 of so many days later; `None` where calendars have no such day any more.
///
/// Of two such seconds, where the clock is set back over midnight, it is the second; where it is set forward over it, the
/// time is counted on over the gap: so does PHP's `mktime`.
fn expiry(day: Date, days: i64, zone: &TimeZone) -> Option<Moment> {
    let last = Span::new().try_days(days).and_then(|span| day.checked_add(span));
    match last {
        Ok(last) => moment(last.at(23, 59, 59, 0), zone),
        Err(_) if days < 0 => Some(Moment::EPOCH),
        Err(_) => None,
    }
}

fn moment(local: DateTime, zone: &TimeZone) -> Option<Moment> {
    let stamp: Timestamp = zone.to_ambiguous_timestamp(local).later().ok()?;
    Some(Moment::from_millis(u64::try_from(stamp.as_millisecond()).unwrap_or_default()))
}

/// Where a file lies below the download directory.
fn path_of(file: &str) -> Result<FilePath, LeftOut> {
    if file.is_empty() {
        return Err(LeftOut::Dead("it has no file name".to_owned()));
    }
    if is_elsewhere(file) {
        return Err(LeftOut::Elsewhere(file.to_owned()));
    }
    // PHP opens `a//b` and `a/./b` as `a/b`.
    let plain: Vec<&str> = file.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    FilePath::parse(&plain.join("/")).map_err(|fault| LeftOut::Dead(format!("`{file}`: {fault}")))
}

/// Whether a name is for a service: `aws:bucket/key`, `https://…`.
fn is_elsewhere(file: &str) -> bool {
    let scheme = file.split_once(':').map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| {
        scheme.starts_with(|sign: char| sign.is_ascii_alphabetic())
            && scheme.chars().all(|sign| sign.is_ascii_alphanumeric() || "+-_.".contains(sign))
    })
}

/// The name that browsers save it under.
fn saved_as(file: &str) -> String {
    let plain = file.replace(' ', "_");
    plain.rsplit(['/', '\\']).next().unwrap_or(&plain).to_owned()
}

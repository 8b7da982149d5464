//! Calls about orders.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::author::Author;
use super::bearer::Bound;
use super::grants::stored;
use super::listed::Listed;
use super::problem::{self, Problem};
use super::view::{ListedOrder, OrderPageView, OrderView};
use super::wording::{self, Edge};
use crate::clock;
use crate::domain::id::{FileId, OrderId};
use crate::domain::order::{Customer, ExternalId, LineKey, Options, Order, OrderState, Own, ShopName, Terms};
use crate::service::order::{NotReported, report, set_state, show as show_order};
use crate::service::order_report::{Report, ReportedLine};
use crate::service::site::Site;
use crate::service::your_downloads::{renew, url_of};
use crate::store::{LIST_MAX, Orders, Telling};

/// The shop of those who have only one.
pub const SHOP: &str = "shop";

/// What a shop reports of an order.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    /// The shop's name, for those who have several: lower-case letters, digits and `-`; `shop` if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shop: Option<String>,
    /// What the shop calls the order: its number. The same once more is the same order.
    pub external_id: String,
    /// pending, paid, `on_hold`, refunded, cancelled or `charged_back`.
    pub state: String,
    /// Who ordered; whoever was reported before if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<CustomerView>,
    /// What was ordered; what was reported before if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<Vec<NewLine>>,
    /// When it was ordered: a date, or a time (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placed: Option<String>,
}

/// Who ordered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomerView {
    /// What the shop calls them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Their name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Where mails to them go.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub email: String,
    /// The language that they read, such as `de`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub language: String,
}

/// A line of an order.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLine {
    /// What tells it from the other lines whenever the order is reported: the shop's id of it. If it is not said, it is the line
    /// that was reported before with the same SKU, options and quantity, else with the same SKU and options, else with the
    /// same SKU, the first of several; what was not reported before is known by its place, from 1. Shops that sell the
    /// same SKU in several lines of an order should say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// What was ordered.
    pub sku: String,
    /// What was chosen of it.
    #[serde(default, skip_serializing_if = "Options::is_empty")]
    pub options: Options,
    /// How many; 1 if not said.
    #[serde(default = "one")]
    pub quantity: u32,
    /// What became of this line alone, such as refunded; paid if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The file that it is for, whatever its product holds: `f-…`, or `STORAGE/PATH` of a file of the catalogue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// How many downloads each grant of it has, whatever the policy says: a number, or `unlimited`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_downloads: Option<String>,
    /// Until when, whatever the policy says: a date, which is in, a time (RFC 3339), or `unlimited`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// What the customer is told beside its files, such as a serial number: text of some lines.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

impl NewLine {
    /// A line that says nothing but what was ordered.
    pub fn of(sku: String) -> Self {
        Self {
            line: None,
            sku,
            options: Options::new(),
            quantity: 1,
            state: None,
            file: None,
            max_downloads: None,
            expires: None,
            note: String::new(),
        }
    }
}

const fn one() -> u32 {
    1
}

/// What became of an order.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewState {
    /// pending, paid, `on_hold`, refunded, cancelled or `charged_back`.
    pub state: String,
}

/// Which orders to list.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    #[serde(default)]
    shop: Option<String>,
    #[serde(default)]
    external_id: Option<String>,
    #[serde(default)]
    customer: Option<String>,
    #[serde(default)]
    before: Option<String>,
    #[serde(default)]
    limit: Option<usize>,
}

fn not_reported(fault: &NotReported) -> Problem {
    let text = fault.to_string();
    match fault {
        NotReported::Field(field, says) => Problem::of_body(field, says),
        NotReported::TooMany(_) => Problem::unreadable(&text).in_body("lines", text),
        NotReported::NoKey | NotReported::NoFile(_) => Problem::unreadable(text),
        NotReported::Unknown => Problem::unknown(text),
        NotReported::Down(down) => Problem::down(*down).saying(text),
    }
}

/// The shop that is named in a body or in a query, as `wrong` says; else that of the key, else the one that there is. A key
/// that is bound to a shop is told nothing of others.
fn shop_of(text: Option<&str>, bound: &Bound, wrong: fn(&str, String) -> Problem) -> Result<ShopName, Problem> {
    let bound = bound.0.as_ref();
    let text = text.or_else(|| bound.map(ShopName::as_str)).unwrap_or(SHOP);
    let shop = ShopName::parse(text);
    let shop = shop.ok_or_else(|| wrong("shop", format!("`{text}` must be 1 to 32 lower-case letters, digits and `-`, a letter first")))?;
    match bound.filter(|bound| **bound != shop) {
        Some(bound) => {
            Err(Problem::new(StatusCode::FORBIDDEN, format!("the key that was brought is for orders of the shop `{bound}` only")))
        }
        None => Ok(shop),
    }
}

/// Whether the order may be seen with the key that was brought; of another shop it is not known.
pub(super) async fn seen(site: &Site, id: OrderId, bound: &Bound) -> Result<(), Problem> {
    let Some(shop) = &bound.0 else { return Ok(()) };
    let order = site.orders.order(id).await?;
    order.filter(|order| order.shop == *shop).map(drop).ok_or_else(|| not_reported(&NotReported::Unknown))
}

fn state_of(field: &str, text: &str) -> Result<OrderState, Problem> {
    let known = OrderState::ALL.map(OrderState::word).join(", ");
    OrderState::parse(text).ok_or_else(|| Problem::of_body(field, format_args!("`{text}` must be one of {known}")))
}

/// The file that a line names itself.
async fn file_of(site: &Site, field: &str, text: &str) -> Result<FileId, Problem> {
    let found = match text.parse::<FileId>() {
        Ok(id) => site.catalogue.file(id).await?,
        Err(_) => site.catalogue.file_at(stored(site, text)?).await?,
    };
    let unknown = || Problem::of_body(field, format_args!("`{text}` is not in the catalogue: `cloakroom file add {text}` adds it"));
    found.map(|file| file.id).ok_or_else(unknown)
}

/// The limits that a line says itself.
fn terms_of(field: impl Fn(&str) -> String, max_downloads: Option<&str>, expires: Option<&str>) -> Result<Terms, Problem> {
    let wrong = |name: &str, text: &str, why: String| Problem::of_body(&field(name), format_args!("`{text}` {why}"));
    let max_downloads = match max_downloads {
        None => Own::Policy,
        Some(text) => wording::downloads(text).map_err(|why| wrong("max_downloads", text, why))?.map_or(Own::Unlimited, Own::Limit),
    };
    let expires = match expires {
        None => Own::Policy,
        Some(wording::UNLIMITED) => Own::Unlimited,
        Some(text) => Own::Limit(wording::moment(text, Edge::Ends).map_err(|why| wrong("expires", text, why))?),
    };
    Ok(Terms { max_downloads, expires, ..Terms::default() })
}

/// Reads a line; and what is wrong with the file that it names, if that is not to be found.
async fn line_of(site: &Site, place: usize, line: NewLine) -> Result<(ReportedLine, Option<Problem>), Problem> {
    let field = |name: &str| format!("lines[{place}].{name}");
    let NewLine { line: key, sku, options, quantity, state, file, max_downloads, expires, note } = line;
    let too_long =
        |(name, value): (&String, &String)| name.is_empty() || name.len() > LineKey::BYTES_MAX || value.len() > LineKey::BYTES_MAX;
    if options.len() > OPTIONS_MAX || options.iter().any(too_long) {
        let most = LineKey::BYTES_MAX;
        let says = format_args!("there must be at most {OPTIONS_MAX}, names and values of at most {most} bytes");
        return Err(Problem::of_body(&field("options"), says));
    }
    let mut terms = terms_of(field, max_downloads.as_deref(), expires.as_deref())?;
    terms.note = problem::read_field(&field("note"), &note)?;
    let found = match file {
        Some(file) => file_of(site, &field("file"), &file).await.map(Some),
        None => Ok(None),
    };
    let (file, lacks) = found.map_or_else(|problem| (None, Some(problem)), |file| (file, None));
    terms.file = file;
    let line = ReportedLine {
        terms,
        key: key.map(|key| problem::read_field(&field("line"), &key)).transpose()?,
        sku: problem::read_field(&field("sku"), &sku)?,
        options,
        quantity,
        state: state.map_or(Ok(OrderState::Paid), |state| state_of(&field("state"), &state))?,
        lacks_file: lacks.is_some(),
    };
    Ok((line, lacks))
}

/// More is not chosen of one product.
const OPTIONS_MAX: usize = 32;

/// What is wrong with the files that lines name, by their places from 0.
pub(super) type Lacking = BTreeMap<usize, Problem>;

/// Who ordered, without the blanks that come along where people type.
fn who(CustomerView { id, name, email, language }: CustomerView) -> Customer {
    let [id, name, email, language] = [id, name, email, language].map(|text| text.trim().to_owned());
    Customer { id, name, email, language }
}

/// Reads what a shop reports.
pub(super) async fn reported(site: &Site, order: NewOrder, bound: &Bound) -> Result<(Report, Lacking), Problem> {
    let NewOrder { shop, external_id, state, customer, lines, placed } = order;
    let customer = customer.map(who);
    let (shop, state) = (shop_of(shop.as_deref(), bound, Problem::of_body)?, state_of("state", &state)?);
    let external_id: ExternalId = problem::read_field("external_id", &external_id)?;
    let mut read = lines.as_ref().map(|lines| Vec::with_capacity(lines.len()));
    let mut lacking = Lacking::new();
    for (place, line) in lines.into_iter().flatten().enumerate() {
        let (line, lacks) = line_of(site, place, line).await?;
        lacking.extend(lacks.map(|problem| (place, problem)));
        read.get_or_insert_default().push(line);
    }
    let when =
        |text: String| wording::moment(&text, Edge::Begins).map_err(|why| Problem::of_body("placed", format_args!("`{text}` {why}")));
    let placed = placed.map(when).transpose()?;
    Ok((Report { shop, external_id, customer, state: Some(state), lines: read, placed, telling: Telling::Customer }, lacking))
}

pub(super) async fn add(
    State(site): State<Arc<Site>>,
    Author(author): Author,
    bound: Bound,
    body: Result<Json<NewOrder>, JsonRejection>,
) -> Result<Json<OrderView>, Problem> {
    let (wanted, mut lacking) = reported(&site, problem::body(body)?, &bound).await?;
    let wrong = |fault| match fault {
        NotReported::NoFile(place) => lacking.remove(&place).unwrap_or_else(|| not_reported(&fault)),
        fault => not_reported(&fault),
    };
    let reported = report(&site, wanted, author).await.map_err(wrong)?;
    Ok(Json(OrderView::with_urls(&reported, clock::now())))
}

pub(super) async fn set(
    State(site): State<Arc<Site>>,
    id: Result<Path<String>, PathRejection>,
    Author(author): Author,
    bound: Bound,
    body: Result<Json<NewState>, JsonRejection>,
) -> Result<Json<OrderView>, Problem> {
    let id: OrderId = problem::read_name(id)?;
    let state = state_of("state", &problem::body(body)?.state)?;
    seen(&site, id, &bound).await?;
    let reported = set_state(&site, id, state, author).await.map_err(|fault| not_reported(&fault))?;
    Ok(Json(OrderView::of(&reported, clock::now())))
}

pub(super) async fn show(
    State(site): State<Arc<Site>>,
    id: Result<Path<String>, PathRejection>,
    bound: Bound,
) -> Result<Json<OrderView>, Problem> {
    let id: OrderId = problem::read_name(id)?;
    seen(&site, id, &bound).await?;
    let known = show_order(&site, id).await.map_err(|fault| not_reported(&fault))?;
    Ok(Json(OrderView::of(&known, clock::now())))
}

pub(super) async fn page(
    State(site): State<Arc<Site>>,
    id: Result<Path<String>, PathRejection>,
    bound: Bound,
) -> Result<Json<OrderPageView>, Problem> {
    let id: OrderId = problem::read_name(id)?;
    seen(&site, id, &bound).await?;
    let order = site.orders.order(id).await?.ok_or_else(|| not_reported(&NotReported::Unknown))?;
    page_of(&site, &order)
}

pub(super) async fn renew_page(
    State(site): State<Arc<Site>>,
    id: Result<Path<String>, PathRejection>,
    Author(author): Author,
    bound: Bound,
) -> Result<Json<OrderPageView>, Problem> {
    let id: OrderId = problem::read_name(id)?;
    seen(&site, id, &bound).await?;
    let order = renew(&site, id, &author).await?.ok_or_else(|| not_reported(&NotReported::Unknown))?;
    page_of(&site, &order)
}

fn page_of(site: &Site, order: &Order) -> Result<Json<OrderPageView>, Problem> {
    let url = url_of(site, order).ok_or_else(|| not_reported(&NotReported::NoKey))?;
    Ok(Json(OrderPageView { url }))
}

pub(super) async fn list(
    State(site): State<Arc<Site>>,
    bound: Bound,
    uri: Uri,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Listed<ListedOrder>, Problem> {
    let Which { shop, external_id, customer, before, limit } = problem::query(which)?;
    if let Some(external_id) = external_id {
        let external_id: ExternalId = problem::read_parameter("external_id", &external_id)?;
        let found = site.orders.order_named(shop_of(shop.as_deref(), &bound, Problem::of_query)?, external_id).await?;
        return Ok(Listed::whole(found.iter().map(ListedOrder::of).collect()));
    }
    let before: Option<OrderId> = before.as_deref().map(|text| problem::read_parameter("before", text)).transpose()?;
    if let Some(before) = before
        && site.orders.order(before).await?.is_none()
    {
        return Err(Problem::unknown(format!("before: there is no order {before}")));
    }
    let shop = match (shop, &bound.0) {
        (None, None) => None,
        (shop, _) => Some(shop_of(shop.as_deref(), &bound, Problem::of_query)?),
    };
    let limit = problem::limit(limit, LIST_MAX)?;
    let which = Orders { shop, customer, before, limit };
    let found = site.orders.orders(which).await?.iter().map(ListedOrder::of).collect();
    Ok(Listed::page(&uri, found, limit, "before", |order: &ListedOrder| &order.id))
}

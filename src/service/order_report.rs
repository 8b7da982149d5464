//! What a shop reports of an order, put together with what it reported before.

use std::collections::BTreeSet;

use super::issue::CUSTOMER_BYTES_MAX;
use super::order::NotReported;
use super::site::Site;
use crate::domain::id::OrderId;
use crate::domain::line_keys::{Told, keys};
use crate::domain::moment::Moment;
use crate::domain::order::{Customer, ExternalId, Line, LineKey, Options, Order, OrderState, ShopName, Sku, Terms};
use crate::random;
use crate::store::Telling;

/// What a shop reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The shop.
    pub shop: ShopName,
    /// What the shop calls the order.
    pub external_id: ExternalId,
    /// Who ordered; `None` is whoever was reported before.
    pub customer: Option<Customer>,
    /// What became of it; `None` is as it stands.
    pub state: Option<OrderState>,
    /// What was ordered; `None` is what was reported before.
    pub lines: Option<Vec<ReportedLine>>,
    /// When, where the shop says it.
    pub placed: Option<Moment>,
    /// Whether the customer is written to.
    pub telling: Telling,
}

/// A line as a shop reports it. Which line of the order it is follows from what was reported before, where it says no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedLine {
    /// Its key, where the shop says one.
    pub key: Option<LineKey>,
    /// What was ordered.
    pub sku: Sku,
    /// What of it was chosen.
    pub options: Options,
    /// How many.
    pub quantity: u32,
    /// What became of this line alone.
    pub state: OrderState,
    /// What the shop says itself of what it sells.
    pub terms: Terms,
    /// Whether the file that the shop says is not to be found. It lies elsewhere now, or is there no more: that must not keep a
    /// refund out.
    pub lacks_file: bool,
}

impl From<Line> for ReportedLine {
    fn from(line: Line) -> Self {
        let Line { key, sku, options, quantity, state, terms } = line;
        Self { key: Some(key), sku, options, quantity, state, terms, lacks_file: false }
    }
}

/// The lines under the keys that they have in an order that is `known`, perhaps, and in `state` now.
pub(super) fn keyed(lines: Vec<ReportedLine>, known: Option<&Order>, state: OrderState) -> Result<Vec<Line>, NotReported> {
    let before = known.map_or(&[][..], |known| &known.lines);
    let told = |line: &ReportedLine| line.key.as_ref().map(|key| key.as_str().to_owned());
    let said: Vec<Option<String>> = lines.iter().map(told).collect();
    let told = lines.iter().zip(&said).map(|(line, key)| Told {
        key: key.as_deref(),
        sku: line.sku.as_str(),
        options: &line.options,
        quantity: line.quantity,
    });
    let keys = keys(&told.collect::<Vec<_>>(), before);
    let line = |(place, (line, key)): (usize, (ReportedLine, String))| {
        let ReportedLine { key: _, sku, options, quantity, state: own, mut terms, lacks_file } = line;
        let key: LineKey = key.parse().map_err(|why| NotReported::Field("lines", format!("`{key}` {why}")))?;
        if lacks_file {
            terms.file = before.iter().find(|known| known.key == key).and_then(|known| known.terms.file);
            if terms.file.is_none() && state == OrderState::Paid {
                return Err(NotReported::NoFile(place));
            }
        }
        Ok(Line { key, sku, options, quantity, state: own, terms })
    };
    lines.into_iter().zip(keys).enumerate().map(line).collect()
}

/// What is reported, with what was reported before where nothing is said. Whoever keeps it amends alone.
pub(super) async fn whole(site: &Site, report: Report, now: Moment) -> Result<Order, NotReported> {
    let Report { shop, external_id, customer, state, lines, placed, telling: _ } = report;
    let known = site.orders.order_named(shop.clone(), external_id.clone()).await?;
    let needed = || NotReported::Field("lines", "must have what was ordered: this order was not reported before".to_owned());
    let unsaid = || NotReported::Field("state", "must be said: this order was not reported before".to_owned());
    let state_before = known.as_ref().map(|known| known.state);
    let lines = match lines {
        Some(lines) => keyed(lines, known.as_ref(), state.or(state_before).ok_or_else(unsaid)?)?,
        None => known.as_ref().map(|known| known.lines.clone()).ok_or_else(needed)?,
    };
    let state = state.or(state_before).ok_or_else(unsaid)?;
    let customer = customer.or_else(|| known.as_ref().map(|known| known.customer.clone())).unwrap_or_default();
    let placed = placed.or_else(|| known.as_ref().and_then(|known| known.placed));
    let (id, page) = (OrderId::new(random::bytes()), known.map(|known| known.page).unwrap_or_default());
    Ok(Order { id, shop, external_id, customer, state, lines, placed, created: now, changed: now, page })
}

/// Refuses what is too much, or stands there twice.
pub(super) fn check(order: &Order) -> Result<(), NotReported> {
    let Customer { id, name, email, language } = &order.customer;
    for (field, text) in [("customer.id", id), ("customer.name", name), ("customer.email", email), ("customer.language", language)] {
        if text.len() > CUSTOMER_BYTES_MAX || text.chars().any(char::is_control) {
            return Err(NotReported::Field(field, format!("must have at most {CUSTOMER_BYTES_MAX} bytes and no control characters")));
        }
    }
    if order.lines.len() > Order::LINES_MAX {
        return Err(NotReported::Field("lines", format!("there must be at most {} of them", Order::LINES_MAX)));
    }
    let mut keys = BTreeSet::new();
    match order.lines.iter().find(|line| !keys.insert(&line.key)) {
        Some(twice) => Err(NotReported::Field("lines", format!("`{}` stands there twice; each line has a key of its own", twice.key))),
        None => Ok(()),
    }
}

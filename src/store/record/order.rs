//! Orders, and what grants were sold as, as they are written down.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Unreadable, Written};
use crate::domain::grant::UNLIMITED;
use crate::domain::moment::Moment;
use crate::domain::order::{Customer, Line, Order, OrderState, Own, PageNumber, ShopName, Sold, Terms};

/// An order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderRecord {
    pub(in crate::store) id: String,
    shop: String,
    external_id: String,
    state: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    customer_id: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    customer_name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    email: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    language: String,
    lines: Vec<OrderLineRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    placed: Option<u64>,
    created: u64,
    changed: u64,
    /// Missing where it is the first, and in what was written before there were others.
    #[serde(default, skip_serializing_if = "is_first")]
    page: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives it so")]
const fn is_first(page: &u32) -> bool {
    *page == 0
}

/// A line of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderLineRecord {
    key: String,
    sku: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    options: BTreeMap<String, String>,
    quantity: u32,
    state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// `unlimited`, or a number; missing where the policy says it. The same of the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_downloads: Option<String>,
    /// Milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    note: String,
}

fn own<T: Display>(limit: Own<T>) -> Option<String> {
    match limit {
        Own::Policy => None,
        Own::Unlimited => Some(UNLIMITED.to_owned()),
        Own::Limit(limit) => Some(limit.to_string()),
    }
}

fn read_own<T: FromStr>(text: Option<&str>, field: &'static str) -> Result<Own<T>, Unreadable> {
    match text {
        None => Ok(Own::Policy),
        Some(UNLIMITED) => Ok(Own::Unlimited),
        Some(text) => text.parse().map(Own::Limit).map_err(|_| Unreadable::new(field, text)),
    }
}

fn terms(line: &OrderLineRecord) -> Result<Terms, Unreadable> {
    let expires = match read_own(line.expires.as_deref(), "expires")? {
        Own::Policy => Own::Policy,
        Own::Unlimited => Own::Unlimited,
        Own::Limit(millis) => Own::Limit(Moment::from_millis(millis)),
    };
    Ok(Terms {
        note: line.note.parse().map_err(|_| Unreadable::new("note", &line.note))?,
        file: line.file.as_deref().map(|file| Written::read(file, "file")).transpose()?,
        max_downloads: read_own(line.max_downloads.as_deref(), "max_downloads")?,
        expires,
    })
}

impl From<&Order> for OrderRecord {
    fn from(order: &Order) -> Self {
        let line = |line: &Line| OrderLineRecord {
            key: line.key.written(),
            sku: line.sku.written(),
            options: line.options.clone(),
            quantity: line.quantity,
            state: line.state.written(),
            file: line.terms.file.map(|file| file.written()),
            note: line.terms.note.as_str().to_owned(),
            max_downloads: own(line.terms.max_downloads),
            expires: own(match line.terms.expires {
                Own::Policy => Own::Policy,
                Own::Unlimited => Own::Unlimited,
                Own::Limit(moment) => Own::Limit(moment.millis()),
            }),
        };
        let Customer { id, name, email, language } = order.customer.clone();
        Self {
            id: order.id.written(),
            shop: order.shop.as_str().to_owned(),
            external_id: order.external_id.written(),
            state: order.state.written(),
            customer_id: id,
            customer_name: name,
            email,
            language,
            lines: order.lines.iter().map(line).collect(),
            placed: order.placed.map(Moment::millis),
            created: order.created.millis(),
            changed: order.changed.millis(),
            page: order.page.number(),
        }
    }
}

impl TryFrom<OrderRecord> for Order {
    type Error = Unreadable;

    fn try_from(record: OrderRecord) -> Result<Self, Unreadable> {
        let line = |line: OrderLineRecord| {
            Ok(Line {
                terms: terms(&line)?,
                key: Written::read(&line.key, "key")?,
                sku: Written::read(&line.sku, "sku")?,
                options: line.options,
                quantity: line.quantity,
                state: Written::read(&line.state, "state")?,
            })
        };
        Ok(Self {
            id: Written::read(&record.id, "order")?,
            shop: ShopName::parse(&record.shop).ok_or_else(|| Unreadable::new("shop", &record.shop))?,
            external_id: Written::read(&record.external_id, "external_id")?,
            state: Written::read(&record.state, "state")?,
            customer: Customer { id: record.customer_id, name: record.customer_name, email: record.email, language: record.language },
            lines: record.lines.into_iter().map(line).collect::<Result<_, _>>()?,
            placed: record.placed.map(Moment::from_millis),
            created: Moment::from_millis(record.created),
            changed: Moment::from_millis(record.changed),
            page: PageNumber::parse(record.page).ok_or_else(|| Unreadable::new("page", record.page))?,
        })
    }
}

/// What a grant was sold as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoldRecord {
    pub(in crate::store) order: String,
    pub(in crate::store) line: String,
    pub(in crate::store) sku: String,
    pub(in crate::store) file: String,
    pub(in crate::store) unit: u32,
    pub(in crate::store) gate: String,
}

impl From<&Sold> for SoldRecord {
    fn from(sold: &Sold) -> Self {
        Self {
            order: sold.order.written(),
            line: sold.line.written(),
            sku: sold.sku.written(),
            file: sold.file.written(),
            unit: sold.unit,
            gate: sold.gate.written(),
        }
    }
}

impl TryFrom<SoldRecord> for Sold {
    type Error = Unreadable;

    fn try_from(record: SoldRecord) -> Result<Self, Unreadable> {
        Ok(Self {
            order: Written::read(&record.order, "order")?,
            line: Written::read(&record.line, "line")?,
            sku: Written::read(&record.sku, "sku")?,
            file: Written::read(&record.file, "file")?,
            unit: record.unit,
            gate: Written::read(&record.gate, "gate")?,
        })
    }
}

impl Written for OrderState {
    fn written(&self) -> String {
        self.word().to_owned()
    }
    fn read(text: &str, field: &'static str) -> Result<Self, Unreadable> {
        Self::parse(text).ok_or_else(|| Unreadable::new(field, text))
    }
}

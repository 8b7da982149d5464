//! Orders, and what grants were sold as, as they are written down.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Unreadable, Written};
use crate::domain::moment::Moment;
use crate::domain::order::{Customer, Line, Order, OrderState, ShopName, Sold};

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
}

impl From<&Order> for OrderRecord {
    fn from(order: &Order) -> Self {
        let line = |line: &Line| OrderLineRecord {
            key: line.key.written(),
            sku: line.sku.written(),
            options: line.options.clone(),
            quantity: line.quantity,
            state: line.state.written(),
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
        }
    }
}

impl TryFrom<OrderRecord> for Order {
    type Error = Unreadable;

    fn try_from(record: OrderRecord) -> Result<Self, Unreadable> {
        let line = |line: OrderLineRecord| {
            Ok(Line {
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

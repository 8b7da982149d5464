//! What shops report: what every store promises about it.

use std::collections::BTreeSet;

use super::Later;
use crate::domain::grant::Grant;
use crate::domain::history::Author;
use crate::domain::id::{GrantId, OrderId};
use crate::domain::link::Link;
use crate::domain::order::{ExternalId, Order, OrderState, ShopName, Sold, SoldKey};
use crate::domain::placed::NewCopy;

/// A grant that an order is to have, with its first link and the row of its copy.
#[derive(Clone, Debug)]
pub struct Sale {
    /// The grant, which [was sold](Grant::sold).
    pub grant: Grant,
    /// Its link.
    pub link: Link,
    /// Its copy, where it is fetched as one.
    pub copy: Option<NewCopy>,
}

impl Sale {
    /// What tells these from each other.
    pub fn keys(sales: &[Self]) -> BTreeSet<SoldKey> {
        sales.iter().filter_map(|sale| sale.grant.sold.as_ref().map(Sold::key)).collect()
    }

    /// This as a part of `order`, and what tells it from others of it; `None` where the order does not open it.
    pub fn of(mut self, order: &Order) -> Option<(Self, SoldKey)> {
        let part = self.grant.sold.as_mut()?;
        let key = part.key();
        (part.order, part.gate) = (order.id, order.gate_of(part, &BTreeSet::from([key.clone()]), None));
        (part.gate == OrderState::Paid).then_some((self, key))
    }
}

/// The words in which `grant` is to name the customer of `order` from now on, where it is open and names another. Nobody is no
/// correction of somebody.
pub(super) fn corrected_customer<'a>(order: &'a Order, grant: &Grant) -> Option<&'a str> {
    let customer = order.customer.in_words();
    (grant.check().is_ok() && !customer.is_empty() && grant.customer != customer).then_some(customer)
}

/// What became of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptOrder {
    /// The order as it is now, under the id that it got when it was first reported.
    pub order: Order,
    /// Its grants, the oldest first.
    pub grants: Vec<Grant>,
    /// Those that were made by this report.
    pub issued: Vec<GrantId>,
    /// Those that this report opened or shut.
    pub amended: Vec<GrantId>,
    /// Whether anything is other than before.
    pub changed: bool,
}

/// Whether the customer of an order is written to, where letters are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Telling {
    /// They are, in the same step, if the report makes grants.
    #[default]
    Customer,
    /// Nobody is: they bought it elsewhere, long ago.
    Nobody,
}

/// Which orders to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orders {
    /// Only those of this shop.
    pub shop: Option<ShopName>,
    /// Only those of this customer: a mail address, an id or a name, as [`in_words`](crate::domain::order::Customer::in_words) has it.
    pub customer: Option<String>,
    /// Only those reported first before this one: the last of the page before.
    pub before: Option<OrderId>,
    /// At most so many, the newest first; 0 is the store's own limit.
    pub limit: usize,
}

/// The part of a store that keeps orders.
pub trait OrderStore: Send + Sync {
    /// Remembers what a shop reported, in one durable step, by shop and external id: the order; the grants of `sales`
    /// that it [has not yet](crate::domain::order::Sold::key), if they are paid; and of those that it has, whether they are
    /// [open](Order::gate_of); those that are open name the customer of the order. The same once more changes nothing.
    fn keep_order(&self, order: Order, sales: Vec<Sale>, author: Author) -> Later<'_, KeptOrder> {
        self.keep_order_telling(order, sales, Telling::Customer, author)
    }

    /// The same, telling nobody where that is said.
    fn keep_order_telling(&self, order: Order, sales: Vec<Sale>, telling: Telling, author: Author) -> Later<'_, KeptOrder>;

    /// The order, if it is known.
    fn order(&self, id: OrderId) -> Later<'_, Option<Order>>;

    /// The order that the shop calls so.
    fn order_named(&self, shop: ShopName, external_id: ExternalId) -> Later<'_, Option<Order>>;

    /// Orders, the newest first.
    fn orders(&self, which: Orders) -> Later<'_, Vec<Order>>;

    /// Gives the page of an order its [next](crate::domain::order::PageNumber::next) address; the order then. `None` where it is
    /// not known.
    fn renew_page(&self, id: OrderId) -> Later<'_, Option<Order>>;

    /// The grants of an order, the oldest first.
    fn grants_of_order(&self, id: OrderId) -> Later<'_, Vec<Grant>>;
}

//! Orders, and the grants that were sold by them.

use std::collections::BTreeSet;

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params};

use super::fault::Fault;
use super::schema::{catalogue as skus, orders as schema};
use super::upkeep::PAGE;
use super::working::Working;
use super::{Sqlite, catalogue, most, rows};
use crate::domain::grant::{Amendment, Grant};
use crate::domain::history::Author;
use crate::domain::id::{GrantId, OrderId};
use crate::domain::moment::Moment;
use crate::domain::order::{ExternalId, Order, OrderState, ShopName, SoldKey};
use crate::store::orders::corrected_customer;
use crate::store::outbox::Tells as _;
use crate::store::record::{OrderRecord, Unreadable, Written};
use crate::store::{Down, KeptOrder, Later, OrderStore, Orders, Sale, Telling};

/// Reads a row that has a record only.
pub(super) fn order(row: &Row<'_>) -> Result<Order, Fault> {
    let text: String = row.get(0)?;
    let record: OrderRecord = serde_json::from_str(&text).map_err(|_| Unreadable::new("order", &text))?;
    Ok(Order::try_from(record)?)
}

/// Writes an order, new or changed.
pub(super) fn put(database: &Connection, order: &Order) -> Result<(), Fault> {
    let record = serde_json::to_string(&OrderRecord::from(order)).map_err(|fault| Unreadable::new("order", fault))?;
    let (id, created) = (order.id.written(), rows::millis(order.created));
    let row = params![id, order.shop.as_str(), order.external_id.as_str(), order.customer.in_words(), created, record];
    database.prepare_cached(schema::PUT_ORDER)?.execute(row)?;
    database.prepare_cached(skus::FORGET_ORDER_SKUS)?.execute([order.id.written()])?;
    for line in &order.lines {
        database.prepare_cached(skus::ADD_ORDER_SKU)?.execute([line.sku.as_str(), &order.id.written()])?;
    }
    Ok(())
}

/// Every order, by id.
pub(super) fn each(database: &Connection, told: &mut dyn FnMut(&Order) -> Result<(), Fault>) -> Result<(), Fault> {
    let page = |after: &String| rows::all(database, schema::ORDERS_FROM, params![after, PAGE], order);
    rows::each(String::new(), page, |order| order.id.written(), told)
}

/// Tells what of orders and the catalogue does not fit together.
pub(super) fn verify(database: &Connection, told: &mut dyn FnMut(String)) -> Result<(), Fault> {
    each(database, &mut |order| {
        for id in ids(database, order.id)? {
            let grant = rows::one(database, super::schema::GRANT_BY_ID, [id.written()], rows::grant)?;
            let sold = grant.and_then(|(_, grant)| grant.sold);
            let says = sold.map(|sold| sold.gate).filter(|gate| order.state != OrderState::Paid && *gate != order.state);
            if let Some(says) = says {
                told(format!("{id}: it is {} by its order {}, which is {}", says.word(), order.id, order.state.word()));
            }
        }
        Ok(())
    })?;
    for id in rows::all(database, schema::SOLD_BY_NOBODY, [], |row| Ok(row.get::<_, String>(0)?))? {
        told(format!("{id}: the order that it was sold by is not there"));
    }
    catalogue::each_file(database, &mut |_| Ok(()))?;
    catalogue::each_product(database, &mut |product| {
        for attached in &product.files {
            if rows::one(database, schema::FILE, [attached.file.written()], catalogue::file)?.is_none() {
                told(format!("the product {}: its file {} is not there", product.sku, attached.file));
            }
        }
        Ok(())
    })
}

fn listed(database: &Connection, which: &Orders) -> Result<Vec<Order>, Fault> {
    let before = match which.before {
        None => (rows::END_OF_TIME, String::new()),
        Some(id) => {
            let last = rows::one(database, schema::ORDER, [id.written()], order)?;
            (last.map_or(Moment::EPOCH, |order| order.created), id.written())
        }
    };
    let mut parameters = vec![Value::from(rows::millis(before.0)), Value::from(before.1), Value::from(most(which.limit))];
    parameters.extend(which.shop.as_ref().map(|shop| Value::from(shop.as_str().to_owned())));
    parameters.extend(which.customer.clone().map(Value::from));
    let sql = match (&which.shop, &which.customer) {
        (None, None) => schema::ORDERS,
        (Some(_), None) => schema::ORDERS_OF_SHOP,
        (None, Some(_)) => schema::ORDERS_OF_CUSTOMER,
        (Some(_), Some(_)) => schema::ORDERS_OF_SHOP_AND_CUSTOMER,
    };
    rows::all(database, sql, rows::values(parameters), order)
}

pub(super) fn ids(database: &Connection, order: OrderId) -> Result<Vec<GrantId>, Fault> {
    rows::all(database, schema::GRANTS_OF_ORDER, [order.written()], |row| Ok(Written::read(&row.get::<_, String>(0)?, "grant")?))
}

impl Working {
    pub(super) fn keep_order(
        &mut self,
        order: Order,
        sales: Vec<Sale>,
        telling: Telling,
        author: &Author,
    ) -> Result<Result<KeptOrder, Down>, Fault> {
        let named = params![order.shop.as_str(), order.external_id.as_str()];
        let before = rows::one(&self.database, schema::ORDER_NAMED, named, self::order)?;
        let (order, is_new) = order.after(before.as_ref());
        if is_new {
            put(&self.database, &order)?;
        }
        let mut kept = KeptOrder { order, grants: Vec::new(), issued: Vec::new(), amended: Vec::new(), changed: is_new };
        let mut sold = self.follow(&mut kept, &sales, before.as_ref(), author)?;
        for sale in sales {
            let Some((Sale { grant, link, copy }, key)) = sale.of(&kept.order) else { continue };
            if !sold.insert(key) {
                continue;
            }
            if let Err(down) = self.issue(&grant, &link, author.clone(), copy)? {
                return Ok(Err(down));
            }
            kept.issued.push(grant.id);
            kept.grants.push(grant);
        }
        if !kept.issued.is_empty() && telling == Telling::Customer {
            self.outbox.sold(&kept.order, author.at);
        }
        kept.changed |= !kept.issued.is_empty() || !kept.amended.is_empty();
        Ok(Ok(kept))
    }

    /// Opens and shuts what was sold before; tells what that is.
    fn follow(
        &mut self,
        kept: &mut KeptOrder,
        sales: &[Sale],
        before_it: Option<&Order>,
        author: &Author,
    ) -> Result<BTreeSet<SoldKey>, Fault> {
        let wanted = Sale::keys(sales);
        let mut before = BTreeSet::new();
        for id in ids(&self.database, kept.order.id)? {
            let Some(grant) = self.account(id)?.map(|account| account.grant.clone()) else { continue };
            let Some(sold) = grant.sold.clone() else { continue };
            before.insert(sold.key());
            let gate = kept.order.gate_of(&sold, &wanted, before_it);
            let grant = if gate == sold.gate {
                grant
            } else {
                kept.amended.push(id);
                self.amend(id, Amendment::Gate(gate), author.clone())?.unwrap_or(grant)
            };
            let grant = match corrected_customer(&kept.order, &grant) {
                Some(customer) => self.correct_customer(grant, customer)?,
                None => grant,
            };
            kept.grants.push(grant);
        }
        Ok(before)
    }
}

impl Working {
    fn correct_customer(&mut self, grant: Grant, customer: &str) -> Result<Grant, Fault> {
        if let Some(kept) = self.account_mut(grant.id)? {
            customer.clone_into(&mut kept.customer);
        }
        self.database.prepare_cached(schema::CORRECT_CUSTOMER)?.execute([grant.id.written().as_str(), customer])?;
        Ok(Grant { customer: customer.to_owned(), ..grant })
    }
}

impl OrderStore for Sqlite {
    fn keep_order_telling(&self, order: Order, sales: Vec<Sale>, telling: Telling, author: Author) -> Later<'_, KeptOrder> {
        Box::pin(self.writer.decide(move |working| working.keep_order(order, sales, telling, &author)))
    }

    fn order(&self, id: OrderId) -> Later<'_, Option<Order>> {
        Box::pin(self.read(move |database| rows::one(database, schema::ORDER, [id.written()], order)))
    }

    fn order_named(&self, shop: ShopName, external_id: ExternalId) -> Later<'_, Option<Order>> {
        Box::pin(self.read(move |database| rows::one(database, schema::ORDER_NAMED, [shop.as_str(), external_id.as_str()], order)))
    }

    fn orders(&self, which: Orders) -> Later<'_, Vec<Order>> {
        Box::pin(self.read(move |database| listed(database, &which)))
    }

    fn renew_page(&self, id: OrderId) -> Later<'_, Option<Order>> {
        Box::pin(self.decide(move |working| {
            let Some(known) = rows::one(&working.database, schema::ORDER, [id.written()], order)? else { return Ok(None) };
            let renewed = Order { page: known.page.next(), ..known };
            put(&working.database, &renewed)?;
            Ok(Some(renewed))
        }))
    }

    fn grants_of_order(&self, id: OrderId) -> Later<'_, Vec<Grant>> {
        Box::pin(self.read(move |database| {
            // All are of one moment.
            let together = database.unchecked_transaction()?;
            let grant = |id: GrantId| rows::one(&together, super::schema::GRANT_BY_ID, [id.written()], rows::grant);
            let found: Result<Vec<_>, Fault> = ids(&together, id)?.into_iter().map(grant).collect();
            Ok(found?.into_iter().flatten().map(|(_, grant)| grant).collect())
        }))
    }
}

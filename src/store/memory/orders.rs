//! Orders, and what is sold.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Kept, Limits, Memory};
use crate::domain::catalogue::{File, Product};
use crate::domain::delivery::Delivery;
use crate::domain::event::{Event, Kind};
use crate::domain::file::FileRef;
use crate::domain::grant::{Amendment, Grant, Standing};
use crate::domain::history::Author;
use crate::domain::id::{FileId, GrantId, OrderId};
use crate::domain::moment::Moment;
use crate::domain::order::{ExternalId, Line, Order, OrderState, ShopName, Sku, Sold, SoldKey};
use crate::domain::policy::Edition;
use crate::store::orders::corrected_customer;
use crate::store::outbox::Tells as _;
use crate::store::privacy::without_customer;
use crate::store::{CatalogueStore, Down, Files, KeptOrder, Later, Lead, OrderStore, Orders, Sale, SoldCount, Telling, most};

#[derive(Debug, Default)]
pub(super) struct Sales {
    orders: HashMap<OrderId, Order>,
    named: HashMap<(ShopName, ExternalId), OrderId>,
    made: BTreeSet<(Moment, OrderId)>,
    grants: HashMap<OrderId, Vec<GrantId>>,
    files: BTreeMap<FileId, File>,
    products: BTreeMap<Sku, Product>,
}

impl Sales {
    fn named(&self, shop: &ShopName, external_id: &ExternalId) -> Option<&Order> {
        self.orders.get(self.named.get(&(shop.clone(), external_id.clone()))?)
    }

    fn put(&mut self, order: &Order) {
        self.named.insert((order.shop.clone(), order.external_id.clone()), order.id);
        self.made.insert((order.created, order.id));
        self.orders.insert(order.id, order.clone());
    }

    /// All orders, the oldest first.
    pub(super) fn oldest(&self) -> impl Iterator<Item = &Order> {
        self.made.iter().filter_map(|(_, id)| self.orders.get(id))
    }

    pub(super) fn grants_of(&self, order: OrderId) -> Vec<GrantId> {
        self.grants.get(&order).cloned().unwrap_or_default()
    }

    /// Puts another customer in the place of that of an order; `false` when it is not known.
    pub(super) fn forget_customer(&mut self, order: OrderId, pseudonym: &str) -> bool {
        self.orders.get_mut(&order).map(|order| *order = without_customer(order.clone(), pseudonym)).is_some()
    }

    fn list(&self, which: &Orders) -> Vec<Order> {
        let before = which.before.map(|id| (self.orders.get(&id).map_or(Moment::EPOCH, |order| order.created), id));
        let older = self.made.iter().rev().filter(|key| before.is_none_or(|before| **key < before));
        let found = older.filter_map(|(_, id)| self.orders.get(id));
        let of_shop = |order: &&Order| which.shop.as_ref().is_none_or(|shop| order.shop == *shop);
        let of_customer = |order: &&Order| which.customer.as_ref().is_none_or(|customer| order.customer.in_words() == customer);
        found.filter(of_shop).filter(of_customer).take(most(which.limit)).cloned().collect()
    }
}

impl Kept {
    fn keep_order(&mut self, order: Order, sales: Vec<Sale>, telling: Telling, author: &Author, limits: Limits) -> Result<KeptOrder, Down> {
        if self.accounts.len() + sales.len() > limits.grants {
            return Err(Down::Full);
        }
        let before = self.sales.named(&order.shop, &order.external_id).cloned();
        let (order, is_new) = order.after(before.as_ref());
        self.sales.put(&order);
        let mut kept = KeptOrder { order, grants: Vec::new(), issued: Vec::new(), amended: Vec::new(), changed: is_new };
        let mut sold = self.follow(&mut kept, &sales, before.as_ref(), author);
        for sale in sales {
            let Some((Sale { grant, link, copy }, key)) = sale.of(&kept.order) else { continue };
            if !sold.insert(key) {
                continue;
            }
            self.issue(grant.clone(), link, author.clone(), copy, limits)?;
            self.sales.grants.entry(kept.order.id).or_default().push(grant.id);
            kept.issued.push(grant.id);
            kept.grants.push(grant);
        }
        if !kept.issued.is_empty() && telling == Telling::Customer {
            self.outbox.sold(&kept.order, author.at);
        }
        kept.changed |= !kept.issued.is_empty() || !kept.amended.is_empty();
        Ok(kept)
    }

    /// Opens and shuts what was sold before; tells what that is.
    fn follow(&mut self, kept: &mut KeptOrder, sales: &[Sale], before_it: Option<&Order>, author: &Author) -> BTreeSet<SoldKey> {
        let wanted = Sale::keys(sales);
        let mut before = BTreeSet::new();
        for id in self.sales.grants.get(&kept.order.id).cloned().unwrap_or_default() {
            let Some(grant) = self.accounts.get(&id).map(|account| account.grant.clone()) else { continue };
            let Some(sold) = grant.sold.clone() else { continue };
            before.insert(sold.key());
            let gate = kept.order.gate_of(&sold, &wanted, before_it);
            let grant = if gate == sold.gate {
                grant
            } else {
                kept.amended.push(id);
                self.amend(id, Amendment::Gate(gate), author.clone()).unwrap_or(grant)
            };
            let grant = match corrected_customer(&kept.order, &grant) {
                Some(customer) => self.correct_customer(grant, customer),
                None => grant,
            };
            kept.grants.push(grant);
        }
        before
    }

    fn correct_customer(&mut self, grant: Grant, customer: &str) -> Grant {
        if let Some(account) = self.accounts.get_mut(&grant.id) {
            customer.clone_into(&mut account.grant.customer);
        }
        Grant { customer: customer.to_owned(), ..grant }
    }
}

impl Kept {
    /// Grants of a file.
    fn sold_of(&self, file: FileId) -> impl Iterator<Item = &Grant> {
        let grants = self.accounts.values().map(|account| &account.grant);
        grants.filter(move |grant| grant.sold.as_ref().is_some_and(|sold| sold.file == file))
    }

    fn lead(&mut self, file: &File, lead: &Lead) -> u64 {
        let Some(to) = file.here() else { return 0 };
        let is_led = |grant: &Grant| match lead {
            Lead::Nobody => false,
            Lead::Latest => grant.policy.edition == Edition::Latest && grant.file != *to,
            Lead::From(from) => grant.file == *from,
        };
        let of_file: HashMap<GrantId, bool> = self.sold_of(file.id).map(|grant| (grant.id, is_led(grant))).collect();
        let leads_all = |grant: &GrantId| of_file.get(grant).copied().unwrap_or(false);
        let before: HashMap<GrantId, FileRef> = self.sold_of(file.id).map(|grant| (grant.id, grant.file.clone())).collect();
        let lies = |delivery: &Delivery| match lead {
            _ if delivery.closed.is_some() => delivery.at.clone(),
            Lead::Latest if leads_all(&delivery.grant) && delivery.link.is_some() => {
                delivery.at.clone().or_else(|| before.get(&delivery.grant).cloned()).filter(|at| at != to)
            }
            Lead::From(from) if delivery.at.as_ref() == Some(from) && of_file.contains_key(&delivery.grant) => Some(to.clone()),
            Lead::Nobody | Lead::Latest | Lead::From(_) => delivery.at.clone(),
        };
        for grant in of_file.keys() {
            let Some(account) = self.accounts.get_mut(grant) else { continue };
            account.deliveries = account.deliveries.iter().map(|known| Delivery { at: lies(known), ..known.clone() }).collect();
            match lead {
                Lead::Latest if leads_all(grant) => self.public.lead(*grant, None, to),
                Lead::From(from) => self.public.lead(*grant, Some(from), to),
                Lead::Nobody | Lead::Latest => {}
            }
            if leads_all(grant) {
                account.grant.file = to.clone();
            }
        }
        of_file.values().filter(|led| **led).count() as u64
    }
}

impl OrderStore for Memory {
    fn keep_order_telling(&self, order: Order, sales: Vec<Sale>, telling: Telling, author: Author) -> Later<'_, KeptOrder> {
        Box::pin(async move { self.kept()?.keep_order(order, sales, telling, &author, self.limits) })
    }

    fn order(&self, id: OrderId) -> Later<'_, Option<Order>> {
        Box::pin(async move { Ok(self.kept()?.sales.orders.get(&id).cloned()) })
    }

    fn order_named(&self, shop: ShopName, external_id: ExternalId) -> Later<'_, Option<Order>> {
        Box::pin(async move { Ok(self.kept()?.sales.named(&shop, &external_id).cloned()) })
    }

    fn orders(&self, which: Orders) -> Later<'_, Vec<Order>> {
        Box::pin(async move { Ok(self.kept()?.sales.list(&which)) })
    }

    fn renew_page(&self, id: OrderId) -> Later<'_, Option<Order>> {
        Box::pin(async move {
            let mut kept = self.kept()?;
            let Some(order) = kept.sales.orders.get_mut(&id) else { return Ok(None) };
            order.page = order.page.next();
            Ok(Some(order.clone()))
        })
    }

    fn grants_of_order(&self, id: OrderId) -> Later<'_, Vec<Grant>> {
        Box::pin(async move {
            let kept = self.kept()?;
            let ids = kept.sales.grants.get(&id).into_iter().flatten();
            Ok(ids.filter_map(|id| kept.accounts.get(id)).map(|account| account.grant.clone()).collect())
        })
    }
}

impl CatalogueStore for Memory {
    fn put_file(&self, file: File) -> Later<'_, ()> {
        Box::pin(async move { self.kept().map(|mut kept| drop(kept.sales.files.insert(file.id, file))) })
    }

    fn lead(&self, file: File, lead: Lead) -> Later<'_, u64> {
        Box::pin(async move {
            let mut kept = self.kept()?;
            if kept.sales.files.get(&file.id).is_some_and(|before| before.current.id != file.current.id) {
                kept.outbox.tell(Kind::FileVersionReleased, || Event::released(&file));
            }
            let count = kept.lead(&file, &lead);
            kept.sales.files.insert(file.id, file);
            Ok(count)
        })
    }

    fn file(&self, id: FileId) -> Later<'_, Option<File>> {
        Box::pin(async move { Ok(self.kept()?.sales.files.get(&id).cloned()) })
    }

    fn file_at(&self, at: FileRef) -> Later<'_, Option<File>> {
        Box::pin(async move {
            let kept = self.kept()?;
            Ok(kept.sales.files.values().filter(|file| file.here() == Some(&at)).min_by_key(|file| (file.added, file.id)).cloned())
        })
    }

    fn files(&self, which: Files) -> Later<'_, Vec<File>> {
        Box::pin(async move {
            let kept = self.kept()?;
            let behind = kept.sales.files.values().filter(|file| which.after.is_none_or(|after| file.id > after));
            Ok(behind.take(most(which.limit)).cloned().collect())
        })
    }

    fn remove_file(&self, id: FileId) -> Later<'_, bool> {
        Box::pin(async move { Ok(self.kept()?.sales.files.remove(&id).is_some()) })
    }

    fn put_product(&self, product: Product) -> Later<'_, ()> {
        Box::pin(async move { self.kept().map(|mut kept| drop(kept.sales.products.insert(product.sku.clone(), product))) })
    }

    fn products_named(&self, skus: Vec<Sku>) -> Later<'_, Vec<Product>> {
        Box::pin(async move {
            let kept = self.kept()?;
            Ok(skus.iter().filter_map(|sku| kept.sales.products.get(sku)).cloned().collect())
        })
    }

    fn products(&self, after: Option<Sku>, limit: usize) -> Later<'_, Vec<Product>> {
        Box::pin(async move {
            let kept = self.kept()?;
            let behind = kept.sales.products.values().filter(|product| after.as_ref().is_none_or(|after| product.sku > *after));
            Ok(behind.take(most(limit)).cloned().collect())
        })
    }

    fn remove_product(&self, sku: Sku) -> Later<'_, bool> {
        Box::pin(async move { Ok(self.kept()?.sales.products.remove(&sku).is_some()) })
    }

    fn products_with(&self, file: FileId) -> Later<'_, Vec<Sku>> {
        Box::pin(async move {
            let kept = self.kept()?;
            let holding = kept.sales.products.values().filter(|product| product.files.iter().any(|attached| attached.file == file));
            Ok(holding.map(|product| product.sku.clone()).collect())
        })
    }

    fn sold_of(&self, file: FileId, now: Moment) -> Later<'_, SoldCount> {
        Box::pin(async move {
            let kept = self.kept()?;
            let is_open = |grant: &&Grant| {
                let is_paid = grant.sold.as_ref().is_some_and(|sold| sold.gate == OrderState::Paid);
                is_paid && grant.standing != Standing::Revoked && !grant.is_over(now)
            };
            let open: Vec<&Grant> = kept.sold_of(file).filter(is_open).collect();
            let stay = open.iter().filter(|grant| grant.policy.edition == Edition::Purchased).count();
            Ok(SoldCount { all: kept.sold_of(file).count() as u64, open: open.len() as u64, kept: stay as u64 })
        })
    }

    fn sold_as(&self, sku: Sku, after: Option<GrantId>, limit: usize) -> Later<'_, Vec<GrantId>> {
        Box::pin(async move {
            let kept = self.kept()?;
            let grants = kept.accounts.values().map(|account| &account.grant);
            let sold = grants.filter(|grant| grant.sold.as_ref().is_some_and(|sold| sold.sku == sku)).map(|grant| grant.id);
            let sold: BTreeSet<GrantId> = sold.filter(|id| after.is_none_or(|after| *id > after)).collect();
            Ok(sold.into_iter().take(most(limit)).collect())
        })
    }

    fn orders_waiting(&self, sku: Sku, file: Option<FileId>, after: Option<OrderId>, limit: usize) -> Later<'_, Vec<OrderId>> {
        Box::pin(async move {
            let kept = self.kept()?;
            let waits = |order: &Order| {
                let grants = kept.sales.grants.get(&order.id).into_iter().flatten();
                let sold: Vec<&Sold> = grants.filter_map(|id| kept.accounts.get(id)?.grant.sold.as_ref()).collect();
                let is_of =
                    |sold: &&&Sold, line: &Line| (&sold.line, &sold.sku) == (&line.key, &sku) && file.is_none_or(|file| sold.file == file);
                let of_sku = order.lines.iter().filter(|line| line.sku == sku);
                of_sku.into_iter().any(|line| !sold.iter().any(|sold| is_of(&sold, line)))
            };
            let paid = kept.sales.orders.values().filter(|order| order.state == OrderState::Paid && waits(order));
            let with: BTreeSet<OrderId> = paid.map(|order| order.id).filter(|id| after.is_none_or(|after| *id > after)).collect();
            Ok(with.into_iter().take(most(limit)).collect())
        })
    }

    fn unknown_skus(&self, after: Option<Sku>, limit: usize) -> Later<'_, Vec<(Sku, u64)>> {
        Box::pin(async move {
            let kept = self.kept()?;
            let mut unknown: BTreeMap<Sku, u64> = BTreeMap::new();
            for order in kept.sales.orders.values() {
                let skus: BTreeSet<&Sku> = order.lines.iter().map(|line| &line.sku).collect();
                for sku in skus.into_iter().filter(|sku| !kept.sales.products.contains_key(sku)) {
                    *unknown.entry(sku.clone()).or_default() += 1;
                }
            }
            let behind = unknown.into_iter().filter(|(sku, _)| after.as_ref().is_none_or(|after| sku > after));
            Ok(behind.take(most(limit)).collect())
        })
    }
}

//! Orders.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{GrantView, OfferedView};
use crate::api::orders::CustomerView;
use crate::domain::grant::UNLIMITED;
use crate::domain::moment::Moment;
use crate::domain::order::{Customer, Line, Options, Order, Own};
use crate::service::order::{Opened, Reported};

/// An order in a list.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ListedOrder {
    /// `o-…`.
    pub id: String,
    /// The shop.
    pub shop: String,
    /// What the shop calls it.
    pub external_id: String,
    /// pending, paid, `on_hold`, refunded, cancelled or `charged_back`.
    pub state: String,
    /// Who ordered.
    pub customer: CustomerView,
    /// How many lines it has.
    pub lines: usize,
    /// When it was ordered, where the shop said it.
    pub placed: Option<String>,
    /// When it was first reported.
    pub created: String,
    /// When it was last reported with something new.
    pub changed_at: String,
}

impl ListedOrder {
    pub(in crate::api) fn of(order: &Order) -> Self {
        Self {
            id: order.id.to_string(),
            shop: order.shop.to_string(),
            external_id: order.external_id.to_string(),
            state: order.state.word().to_owned(),
            customer: customer(&order.customer),
            lines: order.lines.len(),
            placed: order.placed.map(|moment| moment.to_string()),
            created: order.created.to_string(),
            changed_at: order.changed.to_string(),
        }
    }
}

fn customer(customer: &Customer) -> CustomerView {
    let Customer { id, name, email, language } = customer.clone();
    CustomerView { id, name, email, language }
}

/// An order with what it opens. The URL of its page is answered and not printed.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct OrderView {
    /// `o-…`.
    pub id: String,
    /// The shop.
    pub shop: String,
    /// What the shop calls it.
    pub external_id: String,
    /// pending, paid, `on_hold`, refunded, cancelled or `charged_back`.
    pub state: String,
    /// Who ordered.
    pub customer: CustomerView,
    /// What was ordered.
    pub lines: Vec<LineView>,
    /// What was sold of lines that are no longer in it: it opens nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<SoldGrant>,
    /// When it was ordered, where the shop said it.
    pub placed: Option<String>,
    /// When it was first reported.
    pub created: String,
    /// When it was last reported with something new.
    pub changed_at: String,
    /// Whether this call changed anything.
    pub changed: bool,
    /// What stands in the way of telling its customer, in sentences; what stands in the way of a line is told there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// The URL of the customer's page of all its downloads, where one is told: whoever has it can use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_url: Option<String>,
}

impl fmt::Debug for OrderView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, state, lines, .. } = self;
        f.debug_struct("OrderView").field("id", id).field("state", state).field("lines", lines).finish_non_exhaustive()
    }
}

/// The customer's page of an order. Its URL is answered and not printed.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct OrderPageView {
    /// Whoever has it can see and download what the order opens.
    pub url: String,
}

impl fmt::Debug for OrderPageView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OrderPageView")
    }
}

/// A line of an order.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LineView {
    /// What tells it from the others.
    pub line: String,
    /// What was ordered.
    pub sku: String,
    /// What was chosen of it.
    #[serde(default, skip_serializing_if = "Options::is_empty")]
    pub options: Options,
    /// How many.
    pub quantity: u32,
    /// What became of it: the order's, or where that is paid, its own.
    pub state: String,
    /// `f-…`, where the shop said the file itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// A number or `unlimited`, where the shop said it itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_downloads: Option<String>,
    /// A time or `unlimited`, where the shop said it itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// What the customer is told beside its files.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// What it opens.
    pub grants: Vec<SoldGrant>,
    /// What stands in the way of it, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// A grant that a line was sold as. URL and password are answered and not printed.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct SoldGrant {
    /// Under which name people see the file.
    pub name: String,
    /// The URL for the customer, where one is told: whoever has it can use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `l-…`, the newest one that was not withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// From when on the link is not answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_expires: Option<String>,
    /// The grant.
    pub grant: GrantView,
    /// The copy that the link leads to, where it is fetched as one, and one is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy: Option<OfferedView>,
}

impl fmt::Debug for SoldGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, link, grant, url: _, link_expires: _, copy: _ } = self;
        f.debug_struct("SoldGrant").field("name", name).field("link", link).field("grant", grant).finish_non_exhaustive()
    }
}

impl SoldGrant {
    fn of(opened: &Opened, now: Moment) -> Self {
        let link = opened.link.as_ref();
        Self {
            name: opened.name.clone(),
            url: link.map(|(_, url)| url.clone()),
            link: link.map(|(link, _)| link.id.to_string()),
            link_expires: link.map(|(link, _)| link.expires.to_string()),
            grant: GrantView::of(&opened.grant, now),
            copy: opened.copy.as_ref().map(OfferedView::of),
        }
    }
}

impl OrderView {
    /// For who may see the URLs: whoever reports the order hands them on.
    pub(in crate::api) fn with_urls(reported: &Reported, now: Moment) -> Self {
        let Reported { order, grants, problems, changed, page, unmailed } = reported;
        let line = |line: &Line| LineView {
            line: line.key.to_string(),
            sku: line.sku.to_string(),
            options: line.options.clone(),
            quantity: line.quantity,
            state: order.state_of(line).word().to_owned(),
            file: line.terms.file.map(|file| file.to_string()),
            max_downloads: said(line.terms.max_downloads),
            expires: said(line.terms.expires),
            note: line.terms.note.as_str().to_owned(),
            grants: grants.iter().filter(|opened| is_of(opened, line)).map(|opened| SoldGrant::of(opened, now)).collect(),
            problems: problems.iter().filter(|(key, _)| *key == line.key).map(|(_, what)| what.clone()).collect(),
        };
        let ListedOrder { id, shop, external_id, state, customer, placed, created, changed_at, lines: _ } = ListedOrder::of(order);
        let lines = order.lines.iter().map(line).collect();
        let is_former = |opened: &&Opened| !order.lines.iter().any(|line| is_of(opened, line));
        let former = grants.iter().filter(is_former).map(|opened| SoldGrant::of(opened, now)).collect();
        Self {
            id,
            shop,
            external_id,
            state,
            customer,
            lines,
            former,
            placed,
            created,
            changed_at,
            changed: *changed,
            problems: unmailed.iter().cloned().collect(),
            page_url: page.as_ref().map(|page| page.0.clone()),
        }
    }

    /// Without them.
    pub(in crate::api) fn of(reported: &Reported, now: Moment) -> Self {
        let mut view = Self { page_url: None, ..Self::with_urls(reported, now) };
        for grant in view.lines.iter_mut().flat_map(|line| &mut line.grants).chain(&mut view.former) {
            (grant.url, grant.copy) = (None, None);
        }
        view
    }
}

fn said<T: fmt::Display>(limit: Own<T>) -> Option<String> {
    match limit {
        Own::Policy => None,
        Own::Unlimited => Some(UNLIMITED.to_owned()),
        Own::Limit(limit) => Some(limit.to_string()),
    }
}

fn is_of(opened: &Opened, line: &Line) -> bool {
    opened.grant.sold.as_ref().is_some_and(|sold| sold.line == line.key)
}

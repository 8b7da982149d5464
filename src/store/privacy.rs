//! What is kept about people, and forgetting it: what every store promises about it.

use super::Later;
use crate::domain::id::{GrantId, OrderId};
use crate::domain::moment::Moment;
use crate::domain::note::Note;
use crate::domain::order::{Customer, Line, Order, Terms};

/// Deliveries that lose their addresses in one step.
pub(super) const BLURRED_MAX: usize = 64;

/// What is kept about a customer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Their orders, the oldest first.
    pub orders: Vec<OrderId>,
    /// Their grants, those of these orders among them, the oldest first.
    pub grants: Vec<GrantId>,
    /// How many letters to them are about none of these.
    pub letters: u64,
}

/// How much of it was forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Orders without customer.
    pub orders: u64,
    /// Grants without customer.
    pub grants: u64,
    /// Deliveries without addresses, agents and cookies.
    pub deliveries: u64,
    /// Deliveries that have not ended, and keep theirs until then.
    pub running: u64,
    /// Messages about them, which are gone.
    pub messages: u64,
}

/// What became of the addresses of ended deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Blurred {
    /// Deliveries whose addresses are networks now.
    pub deliveries: u64,
    /// When the first of those ended that still have theirs; `None` where there is none.
    pub next: Option<Moment>,
}

/// Whether `who` is this customer: their mail address, in whatever case, what the shop calls them, or their name.
pub(super) fn is_customer(customer: &Customer, who: &str) -> bool {
    let Customer { id, name, email, language: _ } = customer;
    // Blanks around them were kept once.
    let is_one = || email.trim().eq_ignore_ascii_case(who) || [email, id, name].into_iter().any(|text| text == who || text.trim() == who);
    !who.is_empty() && is_one()
}

/// Whether `who` is the customer of a grant: as it stands there, a mail address in whatever case.
pub(super) fn is_customer_of_grant(customer: &str, who: &str) -> bool {
    !who.is_empty() && (customer == who || who.contains('@') && customer.eq_ignore_ascii_case(who))
}

/// What is left of an order: nobody's name, no words that were said of or by the customer, and no page whose address they had.
pub(super) fn without_customer(order: Order, pseudonym: &str) -> Order {
    let line = |line: Line| Line {
        options: line.options.into_keys().map(|name| (name, String::new())).collect(),
        terms: Terms { note: Note::default(), ..line.terms },
        ..line
    };
    let customer = Customer { id: pseudonym.to_owned(), ..Customer::default() };
    Order { customer, page: order.page.next(), lines: order.lines.into_iter().map(line).collect(), ..order }
}

/// The part of a store that knows what is kept about people.
pub trait PrivacyStore: Send + Sync {
    /// What is kept about `who`: a mail address, what a shop calls a customer, a name, or the words of grants.
    fn held_of(&self, who: String) -> Later<'_, Held>;

    /// Puts `pseudonym` in the place of the customer of a grant, and [takes](crate::domain::privacy::Keep::Nothing) who came
    /// out of its deliveries that have ended, and its networks; messages about it are gone. What was sold and counted stays.
    fn forget_grant(&self, grant: GrantId, pseudonym: String) -> Later<'_, Forgotten>;

    /// Puts `pseudonym` in the place of the customer of an order; messages about it, the notes of its lines and what was
    /// chosen there are gone, and its page has another address.
    fn forget_order(&self, order: OrderId, pseudonym: String) -> Later<'_, Forgotten>;

    /// Forgets all letters to a mail address, in whatever case; how many that were.
    fn forget_letters(&self, address: String) -> Later<'_, u64>;

    /// Puts networks in the place of addresses in deliveries that ended before this moment, the first of them first: a part
    /// of them, if `next` is before it, too. Where the clock ran ahead and was set back, all are looked at anew.
    fn blur_addresses(&self, before: Moment) -> Later<'_, Blurred>;
}

//! Orders: what a shop reports, and how its state opens and shuts what was sold.
//!
//! | state | what was sold | refusal | a grant is made |
//! |---|---|---|---|
//! | [`OrderState::Pending`] | is shut | `not_paid` | no |
//! | [`OrderState::Paid`] | is open | – | for each line, file and unit that has none |
//! | [`OrderState::OnHold`] | is shut | `on_hold` | no |
//! | [`OrderState::Refunded`] | is shut | `refunded` | no |
//! | [`OrderState::Cancelled`] | is shut | `cancelled` | no |
//! | [`OrderState::ChargedBack`] | is shut | `refunded` | no |
//!
//! Each state may follow each other: a shop reports facts, and a later `paid` opens again what was made before. Nothing
//! that was sold is ever made twice: a grant is known by order, line, file and unit ([`Sold`]).

use std::collections::{BTreeMap, BTreeSet};

use super::id::{FileId, OrderId};
use super::moment::Moment;
use super::note::Note;
use super::refusal::Refusal;
use super::section_name::section_name;
use super::short_text::short_text;

section_name! {
    /// The name of a shop, by which its orders are told from those of another.
    ShopName
}

short_text! {
    /// What the shop calls an order: its number.
    ExternalId, 128
}

short_text! {
    /// What the shop calls what it sells (stock keeping unit).
    Sku, 128
}

short_text! {
    /// What tells a line of an order from the others, however often the order is reported: the shop's number of it, else
    /// [what it was known by before](super::line_keys).
    LineKey, 64
}

/// What became of an order, or of a line of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrderState {
    /// It is not paid yet.
    Pending,
    /// It is paid.
    Paid,
    /// The shop looks into it.
    OnHold,
    /// The money went back.
    Refunded,
    /// It was called off.
    Cancelled,
    /// The customer's bank took the money back.
    ChargedBack,
}

impl OrderState {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Pending, Self::Paid, Self::OnHold, Self::Refunded, Self::Cancelled, Self::ChargedBack];

    /// Its word in API, store and history.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Paid => "paid",
            Self::OnHold => "on_hold",
            Self::Refunded => "refunded",
            Self::Cancelled => "cancelled",
            Self::ChargedBack => "charged_back",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Refuses what was sold, unless it is paid.
    pub const fn check(self) -> Result<(), Refusal> {
        match self {
            Self::Pending => Err(Refusal::NotPaid),
            Self::Paid => Ok(()),
            Self::OnHold => Err(Refusal::OnHold),
            Self::Refunded | Self::ChargedBack => Err(Refusal::Refunded),
            Self::Cancelled => Err(Refusal::Cancelled),
        }
    }
}

/// Who ordered, as far as the shop tells. Each may be empty, but not all of it need be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Customer {
    /// What the shop calls them.
    pub id: String,
    /// Their name.
    pub name: String,
    /// Where mails to them go.
    pub email: String,
    /// The language that they read, such as `de`.
    pub language: String,
}

impl Customer {
    /// In the words of a grant: the mail address, else the shop's id, else the name.
    pub fn in_words(&self) -> &str {
        [&self.email, &self.id, &self.name].into_iter().find(|text| !text.is_empty()).map_or("", String::as_str)
    }
}

/// What the customer chose of a product: `size` = `large`.
pub type Options = BTreeMap<String, String>;

/// A limit that a line may have of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Own<Limit> {
    /// As the policy of its product says.
    #[default]
    Policy,
    /// There is none.
    Unlimited,
    /// This one.
    Limit(Limit),
}

impl<Limit> Own<Limit> {
    /// The limit that holds, where the policy's is `policy`; `None` is none.
    pub fn or(self, policy: Option<Limit>) -> Option<Limit> {
        match self {
            Self::Policy => policy,
            Self::Unlimited => None,
            Self::Limit(limit) => Some(limit),
        }
    }
}

/// What a shop says of a line itself, in place of what its product says. It is for the grants that are made from then on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// The file; `None` is the product's.
    pub file: Option<FileId>,
    /// How many downloads.
    pub max_downloads: Own<u32>,
    /// From when on no download starts.
    pub expires: Own<Moment>,
    /// What the customer is told beside its files: a serial number.
    pub note: Note,
}

/// One line of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its key.
    pub key: LineKey,
    /// What was ordered.
    pub sku: Sku,
    /// What of it was chosen.
    pub options: Options,
    /// How many.
    pub quantity: u32,
    /// What became of this line alone, where the order itself is paid: a part of an order may be refunded.
    pub state: OrderState,
    /// What the shop says itself of what it sells.
    pub terms: Terms,
}

/// An order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// The shop.
    pub shop: ShopName,
    /// What the shop calls it.
    pub external_id: ExternalId,
    /// Who ordered.
    pub customer: Customer,
    /// What became of it.
    pub state: OrderState,
    /// What was ordered.
    pub lines: Vec<Line>,
    /// When it was ordered, where the shop says it.
    pub placed: Option<Moment>,
    /// When it was first reported.
    pub created: Moment,
    /// When it was last reported with something new.
    pub changed: Moment,
    /// How often the address of its page was made anew: those before lead nowhere.
    pub page: PageNumber,
}

/// Which address the page of an order has: the first is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PageNumber(u32);

impl PageNumber {
    /// Bytes of it.
    pub const BYTES: usize = 3;

    /// The number that these bytes are, the highest first.
    pub const fn of_bytes([a, b, c]: [u8; Self::BYTES]) -> Self {
        Self(u32::from_be_bytes([0, a, b, c]))
    }

    /// Its bytes, the highest first.
    pub const fn bytes(self) -> [u8; Self::BYTES] {
        let [_, a, b, c] = self.0.to_be_bytes();
        [a, b, c]
    }

    /// The number behind it. The last has none.
    #[must_use]
    pub const fn next(self) -> Self {
        let next = Self::of_bytes([u8::MAX; Self::BYTES]);
        if self.0 < next.0 { Self(self.0 + 1) } else { next }
    }

    /// Whether no address was made before this one.
    pub const fn is_first(self) -> bool {
        self.0 == 0
    }

    /// The number as a store keeps it.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Reads what a store kept; `None` where that is larger than it can be.
    pub fn parse(number: u32) -> Option<Self> {
        (number.to_be_bytes().first() == Some(&0)).then_some(Self(number))
    }
}

impl Order {
    /// More lines than this are nobody's basket.
    pub const LINES_MAX: usize = 200;

    /// The state of a line: its own counts while the order is paid.
    pub fn state_of(&self, line: &Line) -> OrderState {
        if self.state == OrderState::Paid { line.state } else { self.state }
    }

    /// What opens or shuts a grant of this order that was made before. A line that is no longer in the order, or ordered
    /// in smaller numbers, or is of something else now (another SKU, other options, another file), is cancelled; a product
    /// that has other files since is not: who bought keeps what was bought. `wanted` has what the order would be sold today,
    /// `before` is the order as it was reported before.
    pub fn gate_of(&self, sold: &Sold, wanted: &BTreeSet<SoldKey>, before: Option<&Self>) -> OrderState {
        let line = self.lines.iter().find(|line| line.key == sold.line && sold.unit <= line.quantity);
        match line {
            Some(line) if wanted.contains(&sold.key()) || self.is_the_same(line, sold, before) => self.state_of(line),
            _ if self.state == OrderState::Paid => OrderState::Cancelled,
            _ => self.state,
        }
    }

    /// Whether a line is of what it was of when this was sold.
    fn is_the_same(&self, line: &Line, sold: &Sold, before: Option<&Self>) -> bool {
        let known = before.and_then(|before| before.lines.iter().find(|known| known.key == line.key));
        let is_chosen = known.is_none_or(|known| (&known.options, known.terms.file) == (&line.options, line.terms.file));
        // What was cancelled since something else was chosen stays so, unless the whole order had been, or the shop said it of the
        // line.
        let by_shop = known.is_some_and(|known| known.state == OrderState::Cancelled);
        let was_paid = before.is_some_and(|before| before.state == OrderState::Paid);
        let was_cancelled = sold.gate == OrderState::Cancelled && was_paid && !by_shop;
        line.sku == sold.sku && (self.state != OrderState::Paid || is_chosen && !was_cancelled)
    }

    /// This order as it is once it is reported after `before`: under the id and from the moment that it got first, and as it
    /// was where nothing of it is new; and whether something is.
    pub fn after(self, before: Option<&Self>) -> (Self, bool) {
        match before {
            None => (self, true),
            Some(before) if before.says_the_same(&self) => (before.clone(), false),
            Some(before) => (Self { id: before.id, created: before.created, page: before.page, ..self }, true),
        }
    }

    /// The same order as far as the shop says: nothing of it is new.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let said = |order: &Self| Self { id: self.id, created: self.created, changed: self.changed, page: self.page, ..order.clone() };
        said(self) == said(other)
    }
}

/// What a grant was sold as. Of one order there is one grant for each line, file and unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sold {
    /// The order.
    pub order: OrderId,
    /// The line.
    pub line: LineKey,
    /// What was ordered there.
    pub sku: Sku,
    /// The file.
    pub file: FileId,
    /// 1, or for products that are sold by the unit 1 to the quantity.
    pub unit: u32,
    /// What the order says about it.
    pub gate: OrderState,
}

/// What tells one grant of an order from another.
pub type SoldKey = (LineKey, FileId, u32);

impl Sold {
    /// What tells it from others of its order.
    pub fn key(&self) -> SoldKey {
        (self.line.clone(), self.file, self.unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(key: &str, sku: &str, quantity: u32, state: OrderState) -> Line {
        let (key, sku) = (key.parse().expect(key), sku.parse().expect(sku));
        Line { key, sku, options: Options::new(), quantity, state, terms: Terms::default() }
    }

    fn order(state: OrderState, lines: Vec<Line>) -> Order {
        Order {
            id: OrderId::new([7; 12]),
            shop: ShopName::parse("shop").expect("a name"),
            external_id: "1".parse().expect("an id"),
            customer: Customer::default(),
            state,
            lines,
            placed: None,
            created: Moment::EPOCH,
            changed: Moment::EPOCH,
            page: PageNumber::default(),
        }
    }

    fn sold(line: &str, sku: &str, file: u8, unit: u32) -> Sold {
        let (line, sku) = (line.parse().expect(line), sku.parse().expect(sku));
        Sold { order: OrderId::new([7; 12]), line, sku, file: FileId::new([file; 12]), unit, gate: OrderState::Paid }
    }

    #[test]
    fn only_what_is_paid_is_open_and_each_word_is_read_back() {
        for (state, refusal) in [
            (OrderState::Pending, Some(Refusal::NotPaid)),
            (OrderState::Paid, None),
            (OrderState::OnHold, Some(Refusal::OnHold)),
            (OrderState::Refunded, Some(Refusal::Refunded)),
            (OrderState::Cancelled, Some(Refusal::Cancelled)),
            (OrderState::ChargedBack, Some(Refusal::Refunded)),
        ] {
            assert_eq!(state.check().err(), refusal, "{state:?}");
            assert_eq!(OrderState::parse(state.word()), Some(state));
        }
        assert_eq!(OrderState::parse("PAID"), None);
    }

    #[test]
    fn what_was_sold_follows_its_order_and_its_line() {
        use OrderState::{Cancelled, OnHold, Paid, Pending, Refunded};
        let wanted = BTreeSet::from([sold("1", "new", 1, 1).key()]);
        let mut seen = 0;
        for (state, line_state, sku, quantity, sold, gate) in [
            (Paid, Paid, "a", 1, sold("1", "a", 1, 1), Paid),
            (Paid, Refunded, "a", 1, sold("1", "a", 1, 1), Refunded),
            (Refunded, Paid, "a", 1, sold("1", "a", 1, 1), Refunded),
            (OnHold, Refunded, "a", 1, sold("1", "a", 1, 1), OnHold),
            (Pending, Paid, "a", 1, sold("1", "a", 1, 1), Pending),
            // A file that the product has no more.
            (Paid, Paid, "a", 1, sold("1", "a", 9, 1), Paid),
            // Fewer than before; another line; something else in its place, with another file and with the same.
            (Paid, Paid, "a", 1, sold("1", "a", 1, 2), Cancelled),
            (Paid, Paid, "a", 2, sold("1", "a", 1, 2), Paid),
            (Paid, Paid, "a", 0, sold("1", "a", 1, 1), Cancelled),
            (Paid, Paid, "a", 1, sold("2", "a", 1, 1), Cancelled),
            (Refunded, Paid, "a", 1, sold("2", "a", 1, 1), Refunded),
            (Paid, Paid, "new", 1, sold("1", "a", 9, 1), Cancelled),
            (Paid, Paid, "new", 1, sold("1", "a", 1, 1), Paid),
        ] {
            let order = order(state, vec![line("1", sku, quantity, line_state)]);
            assert_eq!(order.gate_of(&sold, &wanted, None), gate, "{order:?} {sold:?}");
            seen += 1;
        }
        assert_eq!(seen, 13);
    }

    #[test]
    fn a_line_that_is_of_something_else_now_is_cancelled_and_stays_so_until_it_is_wanted_again() {
        use OrderState::{Cancelled, Paid, Refunded};
        let chosen = |value: &str| Options::from([("edition".to_owned(), value.to_owned())]);
        let of = |state, options: Options| order(state, vec![Line { options, ..line("1", "a", 1, Paid) }]);
        let (pro, basic) = (of(Paid, chosen("pro")), of(Paid, chosen("basic")));
        let (none, wanted) = (BTreeSet::new(), BTreeSet::from([sold("1", "a", 1, 1).key()]));
        let cancelled = Sold { gate: Cancelled, ..sold("1", "a", 1, 1) };
        assert_eq!(basic.gate_of(&sold("1", "a", 1, 1), &none, Some(&pro)), Cancelled, "what was bought was another");
        assert_eq!(basic.gate_of(&sold("1", "a", 1, 1), &wanted, Some(&pro)), Paid, "it has the same file");
        assert_eq!(basic.gate_of(&cancelled, &none, Some(&basic)), Cancelled, "reported once more");
        assert_eq!(pro.gate_of(&cancelled, &wanted, Some(&basic)), Paid, "and back");
        assert_eq!(of(Refunded, chosen("basic")).gate_of(&sold("1", "a", 1, 1), &none, Some(&pro)), Refunded);
        assert_eq!(pro.gate_of(&cancelled, &none, Some(&of(Cancelled, chosen("pro")))), Paid, "the whole order had been");
        let line_cancelled = order(Paid, vec![Line { options: chosen("pro"), ..line("1", "a", 1, Cancelled) }]);
        assert_eq!(line_cancelled.gate_of(&cancelled, &none, Some(&line_cancelled)), Cancelled, "the shop says so");
        assert_eq!(pro.gate_of(&cancelled, &none, Some(&line_cancelled)), Paid, "the shop had cancelled the line");
        assert_eq!(basic.gate_of(&cancelled, &none, Some(&line_cancelled)), Cancelled, "and something else is chosen now");
    }

    #[test]
    fn a_report_says_the_same_whenever_it_comes_and_whatever_id_it_would_get() {
        let first = order(OrderState::Paid, vec![line("1", "a", 1, OrderState::Paid)]);
        let again =
            Order { id: OrderId::new([8; 12]), created: Moment::from_seconds(9), changed: Moment::from_seconds(9), ..first.clone() };
        assert!(first.says_the_same(&again));
        assert!(!first.says_the_same(&Order { state: OrderState::Refunded, ..again.clone() }));
        assert!(!first.says_the_same(&Order { lines: Vec::new(), ..again.clone() }));
        assert_eq!(first.clone().after(None), (first.clone(), true));
        assert_eq!(again.clone().after(Some(&first)), (first.clone(), false));
        let refunded = Order { state: OrderState::Refunded, ..again };
        let (kept, is_new) = refunded.clone().after(Some(&first));
        assert_eq!((kept.id, kept.created, kept.changed, kept.state), (first.id, first.created, refunded.changed, refunded.state));
        assert!(is_new);
    }
}

//! Messages that are to leave: what every store promises about them.

use tokio::sync::watch;

use super::{Later, Sale};
use crate::domain::account::Change;
use crate::domain::delivery::State;
use crate::domain::event::{Event, Kind};
use crate::domain::grant::{Amendment, Grant};
use crate::domain::history::Author;
use crate::domain::id::{GrantId, MessageId, OrderId};
use crate::domain::message::{Lane, Letter, Message, Tried, Try, Wanted};
use crate::domain::moment::Moment;
use crate::domain::order::{Order, OrderState};

/// More events than this do not wait: a webhook that is away for days must not fill the disk. Letters are not counted, each was
/// asked for; nor are notices that a grant ends, which are as many as there are grants, and wait until then.
pub const EVENTS_WAITING_MAX: u64 = 100_000;

/// What those who send hear of the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// How often messages were written.
    pub written: u64,
    /// How many events were not, since too many wait.
    pub lost: u64,
}

/// What is to be sent by one lane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DueMessages {
    /// What is due, the first first.
    pub messages: Vec<Message>,
    /// When the first that is not among them is due; `None` where none waits.
    pub next: Option<Moment>,
}

/// Which messages to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Messages {
    /// Only those that leave by this lane.
    pub lane: Option<Lane>,
    /// Only those in this state, by its word.
    pub state: Option<String>,
    /// Only those about this grant.
    pub grant: Option<GrantId>,
    /// Only those about this order.
    pub order: Option<OrderId>,
    /// Only those written before this one: the last of the page before. None, where it is not known.
    pub before: Option<MessageId>,
    /// At most so many, the newest first; 0 is the store's own limit.
    pub limit: usize,
}

/// What is sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Again {
    /// This message, if it was given up.
    One(MessageId),
    /// All of a lane that were given up.
    Lane(Lane),
}

/// How many messages of a lane are in one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneCount {
    /// The lane.
    pub lane: Lane,
    /// The word of the state.
    pub state: String,
    /// How many.
    pub count: u64,
}

/// What an engine tells of its decisions, to whoever wants to hear it.
pub(super) trait Tells {
    /// Who wants to hear what.
    fn wanted(&self) -> &Wanted;

    /// Takes a message, to be written in the step of the decision.
    fn take(&mut self, message: Message);

    /// `event` happened.
    fn tell(&mut self, kind: Kind, event: impl FnOnce() -> Event) {
        if self.wanted().wants(kind) {
            self.wanted().messages(&event()).into_iter().for_each(|message| self.take(message));
        }
    }

    /// A grant can be used from `at` on.
    fn activated(&mut self, grant: &Grant, at: Moment) {
        self.tell(Kind::GrantActivated, || Event::activated(grant, at));
        self.ends(grant, at);
    }

    /// A grant has this end from `now` on.
    fn ends(&mut self, grant: &Grant, now: Moment) {
        self.wanted().notices(grant, now).into_iter().for_each(|message| self.take(message));
    }

    /// A grant was changed.
    fn amended(&mut self, grant: &Grant, amendment: &Amendment, at: Moment) {
        match amendment {
            Amendment::Expire(_) => self.ends(grant, at),
            Amendment::Gate(OrderState::Paid) => self.activated(grant, at),
            Amendment::Gate(_) | Amendment::Stand(_) | Amendment::Reset | Amendment::Allow(_) => {}
        }
    }

    /// Downloads of a grant, of which `used` were used before, may have been used.
    fn used(&mut self, grant: &Grant, used: u32, at: Moment) {
        if grant.is_used_up_since(used) {
            self.tell(Kind::GrantExhausted, || Event::exhausted(grant, at));
        }
    }

    /// An order was kept, and grants were made by it.
    fn sold(&mut self, order: &Order, at: Moment) {
        if let Some(letter) = Letter::of_order(order).filter(|_| self.wanted().letters) {
            self.take(Message::of_letter(letter, at));
        }
    }

    /// Whether anybody wants to hear of a change of a delivery.
    fn hears(&self, change: &Change) -> bool {
        change.state == State::Completed && change.before != change.state && self.wanted().wants(Kind::DeliveryCompleted)
    }

    /// A delivery of `grant` changed in a way that somebody [wants to hear of](Self::hears).
    fn changed(&mut self, grant: &Grant, change: &Change) {
        self.tell(Kind::DeliveryCompleted, || Event::completed(grant, change));
    }
}

/// The part of a store that keeps messages. Those of events, and of orders that are paid, are written in the step that they
/// tell of.
pub trait OutboxStore: Send + Sync {
    /// From now on messages are written for `wanted`, and for nobody else; `told` changes whenever something was.
    fn write_for(&self, wanted: Wanted, told: watch::Sender<Told>) -> Later<'_, ()>;

    /// [Issues](super::Store::issue_with), and writes a letter in the same step.
    fn issue_and_write(&self, sale: Sale, author: Author, letter: Message) -> Later<'_, ()>;

    /// Writes messages that tell of nothing that the store decides. What was written before under its id changes nothing.
    fn post(&self, messages: Vec<Message>) -> Later<'_, ()>;

    /// What a lane has to send at `now`, at most `limit`.
    fn due_messages(&self, lane: Lane, now: Moment, limit: usize) -> Later<'_, DueMessages>;

    /// Remembers what became of tries.
    fn tried(&self, tried: Vec<Tried>) -> Later<'_, ()>;

    /// Forgets messages that nobody needs any more at `now`, the oldest first, at most
    /// [`FORGOTTEN_MAX`](super::FORGOTTEN_MAX); tells how many.
    fn forget_old_messages(&self, now: Moment) -> Later<'_, usize>;

    /// Messages, the newest first.
    fn messages(&self, which: Messages) -> Later<'_, Vec<Message>>;

    /// Sends again, from the first try on, what was given up; tells how many.
    fn send_again(&self, which: Again, now: Moment) -> Later<'_, u64>;

    /// Gives up all that waits in a lane; tells how many.
    fn give_up(&self, lane: Lane, last: Try) -> Later<'_, u64>;

    /// How many messages there are, by lane and state.
    fn count_messages(&self) -> Later<'_, Vec<LaneCount>>;
}

//! Messages that wait to leave: an event for a webhook, or a letter to a customer. Each is tried until it has arrived, or
//! is given up; what a try leads to is decided here.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::event::{Event, Kind};
use super::grant::Grant;
use super::id::{GrantId, ID_BYTES, LinkId, MessageId, OrderId};
use super::mail_address::MailAddress;
use super::moment::{Moment, Span};
use super::order::Order;
use super::section_name::section_name;

section_name! {
    /// The name of a `[[webhook]]`.
    WebhookName
}

/// After which time each further try is made: about four days in all, so that a weekend is no loss.
const AGAIN: [Span; 9] = [
    Span::from_seconds(5),
    Span::from_seconds(300),
    Span::from_seconds(1800),
    Span::from_hours(2),
    Span::from_hours(5),
    Span::from_hours(10),
    Span::from_hours(14),
    Span::from_hours(20),
    Span::from_hours(24),
];

/// So long what arrived is remembered, to be looked at.
pub const SENT_KEPT: Span = Span::from_days(7);

/// So long what was given up can still be sent.
pub const DEAD_KEPT: Span = Span::from_days(30);

/// What was answered is kept to so many bytes: it comes from elsewhere.
const ANSWER_BYTES_MAX: usize = 500;

/// Messages that leave by one way, one endpoint: what holds one up holds no other up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// To a `[[webhook]]`.
    Webhook(WebhookName),
    /// By mail.
    Mail,
}

/// `webhook:NAME` or `mail`.
impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Webhook(name) => write!(f, "webhook:{name}"),
            Self::Mail => f.write_str("mail"),
        }
    }
}

/// A text that is no [`Lane`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotALane;

impl fmt::Display for NotALane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be `mail`, or `webhook:` and the name of a [[webhook]]")
    }
}

impl std::error::Error for NotALane {}

impl FromStr for Lane {
    type Err = NotALane;

    fn from_str(text: &str) -> Result<Self, NotALane> {
        match text.strip_prefix("webhook:") {
            Some(name) => WebhookName::parse(name).map(Self::Webhook).ok_or(NotALane),
            None if text == "mail" => Ok(Self::Mail),
            None => Err(NotALane),
        }
    }
}

/// What a letter is about. Its links are made when it is sent, and stand nowhere before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// A grant: its link leads to the file.
    Grant(GrantId, LinkId),
    /// An order: all that it opens.
    Order(OrderId),
    /// Nothing: somebody tries whether mail arrives.
    Nothing,
}

/// A letter to a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// To whom.
    pub to: MailAddress,
    /// What about.
    pub about: About,
    /// The language that it is wanted in, as `de`; the configured one where there is none.
    pub language: Option<String>,
}

impl Letter {
    /// The letter that tells the customer of `order` what it opens, where it says to whom that goes.
    pub fn of_order(order: &Order) -> Option<Self> {
        let to = order.customer.email.trim().parse().ok()?;
        let language = Some(order.customer.language.clone()).filter(|language| !language.is_empty());
        Some(Self { to, about: About::Order(order.id), language })
    }
}

/// What leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// An event, with its body as it is sent.
    Event {
        /// Its kind.
        kind: Kind,
        /// The grant that it is about.
        grant: Option<GrantId>,
        /// The body of the request.
        body: String,
    },
    /// A letter.
    Letter(Letter),
}

/// How far a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is tried at this moment.
    Waiting(Moment),
    /// It arrived.
    Sent,
    /// It was given up.
    Dead,
}

impl State {
    /// Its word: `waiting`, `sent`, `dead`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Waiting(_) => "waiting",
            Self::Sent => "sent",
            Self::Dead => "dead",
        }
    }
}

/// The last try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Try {
    /// When.
    pub at: Moment,
    /// What was answered, or what went wrong.
    pub answer: String,
}

impl Try {
    /// A try at `at`, of which so much is remembered as fits.
    pub fn new(at: Moment, answer: &str) -> Self {
        let plain: String = answer.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
        let mut answer = plain.trim().to_owned();
        if answer.len() > ANSWER_BYTES_MAX {
            answer.truncate(answer.floor_char_boundary(ANSWER_BYTES_MAX));
            answer.push('…');
        }
        Self { at, answer }
    }
}

/// A message that is to leave, or has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its id: the same at each try, so that whoever hears it twice can tell.
    pub id: MessageId,
    /// The way by which it leaves.
    pub lane: Lane,
    /// What it says.
    pub content: Content,
    /// When it was written.
    pub at: Moment,
    /// How far it is.
    pub state: State,
    /// How often it was tried.
    pub tries: u32,
    /// The last try.
    pub last: Option<Try>,
}

impl Message {
    /// `event`, for `webhook`, not before `due`.
    pub fn of_event(event: &Event, webhook: &WebhookName, due: Moment) -> Self {
        let lane = Lane::Webhook(webhook.clone());
        let id = id_of(&[&lane.to_string(), event.kind.word(), &event.key]);
        let content = Content::Event { kind: event.kind, grant: event.grant, body: event.body() };
        Self { id, lane, content, at: event.at, state: State::Waiting(due), tries: 0, last: None }
    }

    /// Whether it is one of those of which only so many may wait: an event that is due as soon as it is written.
    pub const fn is_counted(&self) -> bool {
        matches!(self.content, Content::Event { kind, .. } if !matches!(kind, Kind::GrantExpiring))
    }

    /// `letter`, written at `at`.
    pub fn of_letter(letter: Letter, at: Moment) -> Self {
        let about = match letter.about {
            About::Grant(grant, link) => format!("{grant} {link}"),
            About::Order(order) => order.to_string(),
            About::Nothing => String::new(),
        };
        let id = id_of(&["mail", letter.to.as_str(), &about, &at.millis().to_string()]);
        Self { id, lane: Lane::Mail, content: Content::Letter(letter), at, state: State::Waiting(at), tries: 0, last: None }
    }

    /// Whether this, which tells that a grant ends soon, still says when `grant` ends, and there is something left to use.
    pub fn still_expires(&self, grant: &Grant) -> bool {
        let Lane::Webhook(name) = &self.lane else { return false };
        let same = Event::expiring(grant).is_some_and(|event| Self::of_event(&event, name, self.at).id == self.id);
        same && grant.has_unit() && grant.check().is_ok()
    }
}

/// The id of what these parts tell from everything else.
fn id_of(parts: &[&str]) -> MessageId {
    let mut hash = Sha256::new_with_prefix("cloakroom message 1");
    for part in parts {
        hash.update([0]);
        hash.update(part);
    }
    let mut bits = [0; ID_BYTES];
    for (bit, byte) in bits.iter_mut().zip(hash.finalize()) {
        *bit = byte;
    }
    MessageId::new(bits)
}

/// What became of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It arrived.
    Sent,
    /// It did not, and may later.
    Failed,
    /// It did not, and never will.
    Refused,
    /// What it says is no longer true: it is forgotten.
    Void,
}

/// What is remembered of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Of which message.
    pub id: MessageId,
    /// When, and what was answered.
    pub last: Try,
    /// How far it is now; `None` where it is forgotten.
    pub state: Option<State>,
}

impl Tried {
    /// What follows from `outcome` for a message that was tried `tries` times before. `jitter`, which is random, spreads tries
    /// that failed together.
    pub fn new(id: MessageId, tries: u32, last: Try, outcome: Outcome, jitter: u8) -> Self {
        let state = match outcome {
            Outcome::Sent => Some(State::Sent),
            Outcome::Refused => Some(State::Dead),
            Outcome::Void => None,
            Outcome::Failed => Some(again(tries, jitter).map_or(State::Dead, |span| State::Waiting(last.at + span))),
        };
        Self { id, last, state }
    }

    /// The same; tried again not before `asked` is over, where whoever failed asks for that; 24 hours later at most.
    #[must_use]
    pub fn after(self, asked: Option<Span>) -> Self {
        const MOST: Span = Span::from_hours(24);
        let (State::Waiting(due), Some(asked)) = (self.state.unwrap_or(State::Dead), asked) else { return self };
        Self { state: Some(State::Waiting(due.max(self.last.at + asked.min(MOST)))), ..self }
    }
}

/// When a message that was tried `tries` times before is tried again after one more: a tenth earlier or later, by `jitter`.
/// `None` where it was tried often enough.
fn again(tries: u32, jitter: u8) -> Option<Span> {
    let span = AGAIN.get(usize::try_from(tries).ok()?)?.millis();
    let least = span - span / 10;
    Some(Span::from_millis(least + span / 5 * u64::from(jitter) / u64::from(u8::MAX)))
}

/// What one webhook wants to hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscriber {
    /// Its name.
    pub name: WebhookName,
    /// The events.
    pub kinds: Vec<Kind>,
    /// How long before its end it hears that a grant ends.
    pub notice: Span,
}

/// What anybody wants to hear: nothing else is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The webhooks.
    pub subscribers: Vec<Subscriber>,
    /// Whether customers get a letter when what they ordered is opened.
    pub letters: bool,
}

impl Wanted {
    /// Whether anybody wants to hear of this.
    pub fn wants(&self, kind: Kind) -> bool {
        self.subscribers.iter().any(|subscriber| subscriber.kinds.contains(&kind))
    }

    /// The messages that tell of `event`.
    pub fn messages(&self, event: &Event) -> Vec<Message> {
        let wants = self.subscribers.iter().filter(|subscriber| subscriber.kinds.contains(&event.kind));
        wants.map(|subscriber| Message::of_event(event, &subscriber.name, event.at)).collect()
    }

    /// The messages that tell, when its time comes, that `grant` ends. A grant that is shorter than that time is not told of.
    pub fn notices(&self, grant: &Grant, now: Moment) -> Vec<Message> {
        let Some((ends, event)) = grant.expires.zip(Event::expiring(grant)) else { return Vec::new() };
        let told =
            |subscriber: &&Subscriber| subscriber.kinds.contains(&Kind::GrantExpiring) && ends.since(now) > subscriber.notice && ends > now;
        let due = |subscriber: &Subscriber| Moment::EPOCH + Span::from_millis(ends.since(Moment::EPOCH + subscriber.notice).millis());
        self.subscribers.iter().filter(told).map(|subscriber| Message::of_event(&event, &subscriber.name, due(subscriber))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::file::{FileRef, StorageName};
    use crate::domain::grant::{Amendment, Standing};
    use crate::domain::path::FilePath;
    use crate::domain::policy::Policy;

    const CREATED: Moment = Moment::from_seconds(1_800_000_000);

    fn grant(expires: Option<Moment>) -> Grant {
        let file = FileRef { storage: StorageName::parse("masters").expect("a name"), path: FilePath::parse("a.zip").expect("a path") };
        Grant::new(GrantId::new([7; 12]), file, String::new(), Policy::default(), CREATED, expires)
    }

    fn wanted(kinds: &[Kind]) -> Wanted {
        let subscriber = |name: &str| Subscriber {
            name: WebhookName::parse(name).expect("a name"),
            kinds: kinds.to_vec(),
            notice: Span::from_hours(48),
        };
        Wanted { subscribers: vec![subscriber("shop"), subscriber("other")], letters: false }
    }

    #[test]
    fn lanes_read_back() {
        for (text, good) in
            [("mail", true), ("webhook:shop", true), ("webhook:", false), ("webhook:A", false), ("mails", false), ("", false)]
        {
            assert_eq!(text.parse::<Lane>().map(|lane| lane.to_string()).ok().as_deref(), good.then_some(text));
        }
    }

    #[test]
    fn tries_come_at_growing_distances_and_end_after_about_four_days() {
        let (mut total, mut before) = (0, 0);
        for tries in 0..9 {
            let (least, most) = (again(tries, 0).expect("another try").millis(), again(tries, 255).expect("another try").millis());
            assert!(least < most && most - least <= most / 4 && most > before, "{tries}");
            (total, before) = (total + most, most);
        }
        assert_eq!((again(9, 7), again(u32::MAX, 7)), (None, None));
        assert!((3 * 24 * 3_600_000..4 * 24 * 3_600_000).contains(&total), "{total}");
    }

    #[test]
    fn what_is_tried_is_sent_or_waits_or_is_given_up() {
        let (id, last) = (MessageId::new([1; 12]), Try::new(CREATED, "503"));
        let state = |tries, outcome| Tried::new(id, tries, last.clone(), outcome, 128).state;
        assert_eq!(state(0, Outcome::Sent), Some(State::Sent));
        assert_eq!(state(0, Outcome::Refused), Some(State::Dead));
        assert_eq!(state(0, Outcome::Void), None);
        assert!(matches!(state(0, Outcome::Failed), Some(State::Waiting(due)) if due.since(CREATED).seconds_up() <= 6 && due > CREATED));
        assert_eq!(state(9, Outcome::Failed), Some(State::Dead));
    }

    #[test]
    fn who_asks_for_a_pause_gets_it_within_bounds_and_none_that_is_shorter_than_ours() {
        let own = Tried::new(MessageId::new([1; 12]), 0, Try::new(CREATED, "503"), Outcome::Failed, 128);
        for (asked, pause) in [(600, 600), (86_400, 86_400), (86_401, 86_400), (u64::MAX, 86_400)] {
            let state = own.clone().after(Some(Span::from_seconds(asked))).state;
            assert_eq!(state, Some(State::Waiting(CREATED + Span::from_seconds(pause))), "{asked}");
        }
        assert_eq!((own.clone().after(None), own.clone().after(Some(Span::from_seconds(1)))), (own.clone(), own));
    }

    #[test]
    fn an_answer_is_one_line_and_short() {
        let long = "ü".repeat(400);
        for (answer, kept) in [("250 2.0.0 ok\r\n", "250 2.0.0 ok"), ("a\u{1b}[2Jb", "a [2Jb"), ("", "")] {
            assert_eq!(Try::new(CREATED, answer).answer, kept);
        }
        assert_eq!(Try::new(CREATED, &long).answer, format!("{}…", "ü".repeat(250)));
    }

    #[test]
    fn the_same_event_is_the_same_message_for_one_webhook_and_another_for_another() {
        let grant = grant(None);
        let wanted = wanted(&[Kind::GrantActivated]);
        let (one, again) = (wanted.messages(&Event::activated(&grant, CREATED)), wanted.messages(&Event::activated(&grant, CREATED)));
        assert_eq!((one.len(), &one), (2, &again));
        assert_ne!(one.first().map(|message| message.id), one.last().map(|message| message.id));
        assert!(wanted.messages(&Event::exhausted(&grant, CREATED)).is_empty() && !wanted.wants(Kind::Refused));
    }

    #[test]
    fn that_a_grant_ends_is_told_in_time_and_once_for_each_end() {
        let ends = CREATED + Span::from_days(30);
        let wanted = wanted(&[Kind::GrantExpiring]);
        let mut sold = grant(Some(ends));
        let notices = wanted.notices(&sold, CREATED);
        let notice = notices.first().expect("a notice").clone();
        assert_eq!((notices.len(), notice.state), (2, State::Waiting(CREATED + Span::from_days(28))));
        assert!(notice.still_expires(&sold));
        for (amendment, stays) in [
            (Amendment::Expire(Some(ends + Span::from_days(1))), false),
            (Amendment::Expire(None), false),
            (Amendment::Allow(Some(0)), false),
            (Amendment::Stand(Standing::Suspended), false),
            (Amendment::Reset, true),
        ] {
            let mut other = sold.clone();
            other.amend(&amendment);
            assert_eq!(notice.still_expires(&other), stays, "{amendment:?}");
        }
        sold.amend(&Amendment::Expire(Some(CREATED + Span::from_hours(48))));
        assert!(wanted.notices(&sold, CREATED).is_empty(), "it is as short as the notice");
        assert!(wanted.notices(&grant(None), CREATED).is_empty());
    }
}

//! Messages that are to leave.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tokio::sync::watch;

use super::{Kept, Memory};
use crate::domain::account::Change;
use crate::domain::history::Author;
use crate::domain::id::{GrantId, MessageId, OrderId};
use crate::domain::message::{About, Content, Lane, Letter, Message, State, Tried, Try, Wanted};
use crate::domain::moment::Moment;
use crate::store::outbox::{Again, DueMessages, EVENTS_WAITING_MAX, LaneCount, Messages, OutboxStore, Tells, Told};
use crate::store::record::forgotten;
use crate::store::{FORGOTTEN_MAX, Later, Sale, most};

#[derive(Debug, Default)]
pub(super) struct Outbox {
    wanted: Wanted,
    told: watch::Sender<Told>,
    /// By the order in which they were written.
    messages: BTreeMap<u64, Message>,
    numbers: HashMap<MessageId, u64>,
    due: BTreeSet<(Lane, Moment, u64)>,
    forgotten: BTreeSet<(Moment, u64)>,
    serial: u64,
    /// How many events wait.
    waiting: u64,
}

impl Outbox {
    /// Writes a new message; one whose id is known changes nothing.
    fn post(&mut self, message: Message) {
        if self.numbers.contains_key(&message.id) {
            return;
        }
        if message.is_counted() && self.waiting >= EVENTS_WAITING_MAX {
            self.told.send_modify(|told| told.lost = told.lost.wrapping_add(1));
            return;
        }
        self.serial += 1;
        self.numbers.insert(message.id, self.serial);
        self.put(self.serial, message);
        self.told.send_modify(|told| told.written = told.written.wrapping_add(1));
    }

    pub(super) fn post_all(&mut self, messages: Vec<Message>) {
        for message in messages {
            self.post(message);
        }
    }

    fn put(&mut self, number: u64, message: Message) {
        self.take_out(number);
        match message.state {
            State::Waiting(due) => drop(self.due.insert((message.lane.clone(), due, number))),
            State::Sent | State::Dead => {}
        }
        if let Some(until) = forgotten(message.state, message.at, message.last.as_ref()) {
            self.forgotten.insert((until, number));
        }
        self.waiting += u64::from(is_waiting_event(&message));
        self.messages.insert(number, message);
    }

    fn take_out(&mut self, number: u64) -> Option<Message> {
        let before = self.messages.remove(&number)?;
        if let State::Waiting(due) = before.state {
            self.due.remove(&(before.lane.clone(), due, number));
        }
        if let Some(until) = forgotten(before.state, before.at, before.last.as_ref()) {
            self.forgotten.remove(&(until, number));
        }
        self.waiting -= u64::from(is_waiting_event(&before));
        Some(before)
    }

    fn forget(&mut self, number: u64) {
        if let Some(message) = self.take_out(number) {
            self.numbers.remove(&message.id);
        }
    }

    /// Forgets what is about a grant or an order; how much that was.
    pub(super) fn forget_about(&mut self, grant: Option<GrantId>, order: Option<OrderId>) -> u64 {
        let is_about = |message: &Message| {
            let about = about(message);
            about.0.is_some() && about.0 == grant || about.1.is_some() && about.1 == order
        };
        self.forget_those(is_about)
    }

    /// How many letters to an address are about none of these.
    pub(super) fn letters_to(&self, address: &str, grants: &[GrantId], orders: &[OrderId]) -> u64 {
        let is_other = |message: &&Message| {
            let (grant, order) = about(message);
            is_to(message, address)
                && !grant.is_some_and(|grant| grants.contains(&grant))
                && !order.is_some_and(|order| orders.contains(&order))
        };
        self.messages.values().filter(is_other).count() as u64
    }

    /// Forgets all letters to an address; how many that were.
    pub(super) fn forget_letters(&mut self, address: &str) -> u64 {
        self.forget_those(|message| is_to(message, address))
    }

    fn forget_those(&mut self, fits: impl Fn(&Message) -> bool) -> u64 {
        let numbers: Vec<u64> = self.messages.iter().filter(|(_, message)| fits(message)).map(|(number, _)| *number).collect();
        for number in &numbers {
            self.forget(*number);
        }
        numbers.len() as u64
    }

    fn due(&self, lane: &Lane, now: Moment, limit: usize) -> DueMessages {
        let mut due = DueMessages::default();
        for (_, when, number) in self.due.range((lane.clone(), Moment::EPOCH, 0)..).take_while(|(of, ..)| of == lane) {
            if *when > now || due.messages.len() == limit {
                due.next = Some(*when);
                break;
            }
            due.messages.extend(self.messages.get(number).cloned());
        }
        due
    }

    fn tried(&mut self, tried: Vec<Tried>) {
        for Tried { id, last, state } in tried {
            let Some(number) = self.numbers.get(&id).copied() else { continue };
            match (state, self.messages.get(&number)) {
                (Some(state), Some(known)) => {
                    let message = Message { state, tries: known.tries + 1, last: Some(last), ..known.clone() };
                    self.put(number, message);
                }
                (None, _) => self.forget(number),
                (Some(_), None) => {}
            }
        }
    }

    /// Forgets messages that nobody needs any more; tells how many.
    fn forget_old(&mut self, now: Moment) -> usize {
        let over = self.forgotten.iter().take_while(|(until, _)| *until <= now).take(FORGOTTEN_MAX);
        let over: Vec<u64> = over.map(|(_, number)| *number).collect();
        for number in &over {
            self.forget(*number);
        }
        over.len()
    }

    fn list(&self, which: &Messages) -> Vec<Message> {
        let before = match which.before.map(|id| self.numbers.get(&id)) {
            None => u64::MAX,
            Some(Some(number)) => *number,
            Some(None) => return Vec::new(),
        };
        let fits = |message: &&Message| {
            which.lane.as_ref().is_none_or(|lane| message.lane == *lane)
                && which.state.as_ref().is_none_or(|state| message.state.word() == state)
                && which.grant.is_none_or(|grant| about(message).0 == Some(grant))
                && which.order.is_none_or(|order| about(message).1 == Some(order))
        };
        self.messages.range(..before).rev().map(|(_, message)| message).filter(fits).take(most(which.limit)).cloned().collect()
    }

    /// Changes those that `fits` chooses; tells how many.
    fn change(&mut self, fits: impl Fn(&Message) -> bool, change: impl Fn(Message) -> Message) -> u64 {
        let chosen: Vec<(u64, Message)> =
            self.messages.iter().filter(|(_, message)| fits(message)).map(|(number, message)| (*number, message.clone())).collect();
        let count = chosen.len() as u64;
        for (number, message) in chosen {
            self.put(number, change(message));
        }
        count
    }

    fn send_again(&mut self, which: &Again, now: Moment) -> u64 {
        let is_meant = |message: &Message| match which {
            Again::One(id) => message.id == *id,
            Again::Lane(lane) => message.lane == *lane,
        };
        let again = |message: Message| Message { state: State::Waiting(now), tries: 0, ..message };
        let changed = self.change(|message| message.state == State::Dead && is_meant(message), again);
        self.told.send_modify(|told| told.written = told.written.wrapping_add(changed));
        changed
    }

    fn give_up(&mut self, lane: &Lane, last: &Try) -> u64 {
        let is_meant = |message: &Message| message.lane == *lane && matches!(message.state, State::Waiting(_));
        self.change(is_meant, |message| Message { state: State::Dead, last: Some(last.clone()), ..message })
    }

    fn lanes(&self) -> Vec<LaneCount> {
        let mut counts: BTreeMap<(String, &str), LaneCount> = BTreeMap::new();
        for message in self.messages.values() {
            let (lane, state) = (&message.lane, message.state.word());
            let new = || LaneCount { lane: lane.clone(), state: state.to_owned(), count: 0 };
            counts.entry((lane.to_string(), state)).or_insert_with(new).count += 1;
        }
        counts.into_values().collect()
    }
}

fn is_to(message: &Message, address: &str) -> bool {
    matches!(&message.content, Content::Letter(letter) if letter.to.as_str().eq_ignore_ascii_case(address))
}

fn is_waiting_event(message: &Message) -> bool {
    message.is_counted() && matches!(message.state, State::Waiting(_))
}

/// The grant and the order that a message is about.
const fn about(message: &Message) -> (Option<GrantId>, Option<OrderId>) {
    match &message.content {
        Content::Event { grant, .. } => (*grant, None),
        Content::Letter(Letter { about: About::Grant(grant, _), .. }) => (Some(*grant), None),
        Content::Letter(Letter { about: About::Order(order), .. }) => (None, Some(*order)),
        Content::Letter(Letter { about: About::Nothing, .. }) => (None, None),
    }
}

impl Tells for Outbox {
    fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    fn take(&mut self, message: Message) {
        self.post(message);
    }
}

impl Kept {
    /// Tells of changes of deliveries.
    pub(super) fn tell_changes(&mut self, changes: &[Change]) {
        for change in changes {
            if self.outbox.hears(change)
                && let Some(account) = self.accounts.get(&change.grant)
            {
                self.outbox.changed(&account.grant, change);
            }
        }
    }
}

impl OutboxStore for Memory {
    fn write_for(&self, wanted: Wanted, told: watch::Sender<Told>) -> Later<'_, ()> {
        Box::pin(async move { self.kept().map(|mut kept| (kept.outbox.wanted, kept.outbox.told) = (wanted, told)) })
    }

    fn issue_and_write(&self, sale: Sale, author: Author, letter: Message) -> Later<'_, ()> {
        Box::pin(async move {
            let mut kept = self.kept()?;
            kept.issue(sale.grant, sale.link, author, sale.copy, self.limits)?;
            kept.outbox.post(letter);
            Ok(())
        })
    }

    fn post(&self, messages: Vec<Message>) -> Later<'_, ()> {
        Box::pin(async move { self.kept().map(|mut kept| kept.outbox.post_all(messages)) })
    }

    fn due_messages(&self, lane: Lane, now: Moment, limit: usize) -> Later<'_, DueMessages> {
        Box::pin(async move { Ok(self.kept()?.outbox.due(&lane, now, most(limit))) })
    }

    fn tried(&self, tried: Vec<Tried>) -> Later<'_, ()> {
        Box::pin(async move { self.kept().map(|mut kept| kept.outbox.tried(tried)) })
    }

    fn forget_old_messages(&self, now: Moment) -> Later<'_, usize> {
        Box::pin(async move { self.kept().map(|mut kept| kept.outbox.forget_old(now)) })
    }

    fn messages(&self, which: Messages) -> Later<'_, Vec<Message>> {
        Box::pin(async move { Ok(self.kept()?.outbox.list(&which)) })
    }

    fn send_again(&self, which: Again, now: Moment) -> Later<'_, u64> {
        Box::pin(async move { Ok(self.kept()?.outbox.send_again(&which, now)) })
    }

    fn give_up(&self, lane: Lane, last: Try) -> Later<'_, u64> {
        Box::pin(async move { Ok(self.kept()?.outbox.give_up(&lane, &last)) })
    }

    fn count_messages(&self) -> Later<'_, Vec<LaneCount>> {
        Box::pin(async move { Ok(self.kept()?.outbox.lanes()) })
    }
}

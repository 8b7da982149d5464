//! Messages that are to leave: rows of the outbox, written in the step that they tell of.

use rusqlite::{Connection, Row, params};
use tokio::sync::watch;

use super::Sqlite;
use super::fault::Fault;
use super::rows::{self, Number};
use super::schema::outbox as schema;
use super::upkeep::PAGE;
use super::working::Working;
use crate::domain::history::Author;
use crate::domain::message::{Lane, Message, State, Tried, Try, Wanted};
use crate::domain::moment::Moment;
use crate::store::outbox::{Again, DueMessages, EVENTS_WAITING_MAX, LaneCount, Messages, OutboxStore, Tells, Told};
use crate::store::record::{MessageRecord, Unreadable, Written, forgotten};
use crate::store::{FORGOTTEN_MAX, Later, Sale, most};

/// What the writer knows of messages.
#[derive(Default)]
pub(super) struct Outbox {
    /// Who wants to hear what.
    wanted: Wanted,
    /// What is to be written with this batch.
    new: Vec<Message>,
    told: watch::Sender<Told>,
    /// What is to be told once it is durable.
    news: Told,
    /// So many events wait at most; `None` where that is to be counted.
    waiting: Option<u64>,
}

impl Outbox {
    /// Forgets what is not in the file.
    pub(super) fn forget(&mut self) {
        self.new.clear();
        (self.news, self.waiting) = (Told::default(), None);
    }

    /// What was written is durable.
    pub(super) fn committed(&mut self) {
        if self.news != Told::default() {
            let Told { written, lost } = std::mem::take(&mut self.news);
            self.told.send_modify(|told| {
                told.written = told.written.wrapping_add(written);
                told.lost = told.lost.wrapping_add(lost);
            });
        }
    }
}

impl Tells for Outbox {
    fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    fn take(&mut self, message: Message) {
        self.new.push(message);
    }
}

/// Reads a row that a statement selected by its columns.
pub(super) fn message(row: &Row<'_>) -> Result<(Number, Message), Fault> {
    let number = |at: usize| -> Result<Option<u64>, Fault> { Ok(row.get::<_, Option<i64>>(at)?.map(i64::cast_unsigned)) };
    let tries: i64 = row.get(13)?;
    let record = MessageRecord {
        id: row.get(1)?,
        lane: row.get(2)?,
        kind: row.get(3)?,
        grant: row.get(4)?,
        order: row.get(5)?,
        body: row.get(6)?,
        address: row.get(7)?,
        link: row.get(8)?,
        language: row.get(9)?,
        at: number(10)?.unwrap_or_default(),
        state: row.get(11)?,
        due: number(12)?,
        tries: u32::try_from(tries).map_err(|_| Unreadable::new("tries", tries))?,
        tried: number(14)?,
        answer: row.get(15)?,
    };
    Ok((row.get(0)?, Message::try_from(record)?))
}

/// Writes a new row; whether there was none of this id.
pub(super) fn add(database: &Connection, message: &Message) -> Result<bool, Fault> {
    let record = MessageRecord::from(message);
    let until = forgotten(message.state, message.at, message.last.as_ref());
    let added = database.prepare_cached(schema::ADD_MESSAGE)?.execute(params![
        record.id,
        record.lane,
        record.kind,
        record.grant,
        record.order,
        record.body,
        record.address,
        record.link,
        record.language,
        rows::stored(record.at),
        record.state,
        record.due.map(rows::stored),
        record.tries,
        record.tried.map(rows::stored),
        record.answer,
        until.map(rows::millis),
    ])?;
    Ok(added > 0)
}

/// Every message, in the order in which they were written.
pub(super) fn each(database: &Connection, told: &mut dyn FnMut(&Message) -> Result<(), Fault>) -> Result<(), Fault> {
    let page = |after: &Number| rows::all(database, schema::MESSAGES_FROM, params![after, PAGE], message);
    rows::each(0, page, |(number, _)| *number, &mut |(_, message)| told(message))
}

fn list(database: &Connection, which: &Messages) -> Result<Vec<Message>, Fault> {
    let before = match which.before {
        None => Some(i64::MAX),
        Some(id) => rows::value(database, schema::NUMBER_OF_MESSAGE, [id.written()])?,
    };
    let Some(before) = before else { return Ok(Vec::new()) };
    let lane = which.lane.as_ref().map(Lane::to_string).unwrap_or_default();
    let state = which.state.clone().unwrap_or_default();
    let limit = rows::stored(most(which.limit) as u64);
    let read = |row: &Row<'_>| Ok(message(row)?.1);
    match (which.grant, which.order) {
        (Some(grant), _) => rows::all(database, schema::MESSAGES_OF_GRANT, params![before, limit, lane, state, grant.written()], read),
        (None, Some(order)) => rows::all(database, schema::MESSAGES_OF_ORDER, params![before, limit, lane, state, order.written()], read),
        (None, None) if state.is_empty() => rows::all(database, schema::MESSAGES, params![before, limit, lane], read),
        (None, None) => rows::all(database, schema::MESSAGES_IN_STATE, params![before, limit, lane, state], read),
    }
}

/// How many messages there are, by lane and state.
pub(super) fn lanes(database: &Connection) -> Result<Vec<LaneCount>, Fault> {
    rows::all(database, schema::LANES, [], |row| {
        let lane: String = row.get(0)?;
        let lane = lane.parse().map_err(|_| Unreadable::new("lane", &lane))?;
        Ok(LaneCount { lane, state: row.get(1)?, count: row.get::<_, i64>(2)?.cast_unsigned() })
    })
}

impl Working {
    /// Writes what this batch tells.
    pub(super) fn write_messages(&mut self) -> Result<(), Fault> {
        let new = std::mem::take(&mut self.outbox.new);
        let mut room = if new.iter().any(Message::is_counted) { EVENTS_WAITING_MAX.saturating_sub(self.events_waiting()?) } else { 0 };
        for message in new {
            let is_counted = message.is_counted();
            if is_counted && room == 0 {
                self.outbox.news.lost += 1;
            } else if add(&self.database, &message)? {
                self.outbox.news.written += 1;
                room -= u64::from(is_counted);
                self.outbox.waiting = self.outbox.waiting.map(|waiting| waiting + u64::from(is_counted));
            }
        }
        Ok(())
    }

    /// At least so many events wait: once for each batch that tells of any.
    fn events_waiting(&mut self) -> Result<u64, Fault> {
        // What was sent since then is counted out only where it would be too many.
        if let Some(waiting) = self.outbox.waiting.filter(|waiting| *waiting < EVENTS_WAITING_MAX) {
            return Ok(waiting);
        }
        let waiting: i64 = rows::value(&self.database, schema::EVENTS_WAITING, [])?.unwrap_or_default();
        self.outbox.waiting = Some(waiting.cast_unsigned());
        Ok(waiting.cast_unsigned())
    }

    /// Messages that tell of nothing that is decided here.
    pub(super) fn post(&mut self, messages: Vec<Message>) {
        self.outbox.new.extend(messages);
    }

    /// Messages were taken out: how many wait is to be counted.
    pub(super) fn messages_are_gone(&mut self) {
        self.outbox.waiting = None;
    }

    fn due_messages(&mut self, lane: &Lane, now: Moment, limit: usize) -> Result<DueMessages, Fault> {
        let first = params![lane.to_string(), rows::stored(limit as u64).saturating_add(1)];
        let mut due = DueMessages::default();
        for (_, found) in rows::all(&self.database, schema::MESSAGES_DUE, first, message)? {
            let State::Waiting(when) = found.state else { continue };
            if when > now || due.messages.len() == limit {
                due.next = Some(when);
                break;
            }
            due.messages.push(found);
        }
        Ok(due)
    }

    fn tried(&mut self, tried: &[Tried]) -> Result<(), Fault> {
        for Tried { id, last, state } in tried {
            let Some(state) = state else {
                self.database.prepare_cached(schema::FORGET_MESSAGE)?.execute([id.written()])?;
                continue;
            };
            let due = match state {
                State::Waiting(due) => Some(rows::millis(*due)),
                State::Sent | State::Dead => None,
            };
            let until = forgotten(*state, last.at, Some(last)).map(rows::millis);
            let now = params![id.written(), state.word(), due, rows::millis(last.at), last.answer, until];
            self.database.prepare_cached(schema::TRIED)?.execute(now)?;
        }
        Ok(())
    }

    fn forget_old_messages(&mut self, now: Moment) -> Result<usize, Fault> {
        let over = params![rows::millis(now), rows::stored(FORGOTTEN_MAX as u64)];
        let gone = self.database.prepare_cached(schema::FORGET_OLD_MESSAGES)?.execute(over)?;
        Ok(gone)
    }

    fn send_again(&mut self, which: &Again, now: Moment) -> Result<u64, Fault> {
        let due = rows::millis(now);
        let changed = match which {
            Again::One(id) => self.database.prepare_cached(schema::AGAIN_ONE)?.execute(params![id.written(), due])?,
            Again::Lane(lane) => self.database.prepare_cached(schema::AGAIN_LANE)?.execute(params![lane.to_string(), due])?,
        };
        self.outbox.waiting = None;
        self.outbox.news.written += changed as u64;
        Ok(changed as u64)
    }

    fn give_up(&mut self, lane: &Lane, last: &Try) -> Result<u64, Fault> {
        let until = forgotten(State::Dead, last.at, Some(last)).map(rows::millis);
        let given_up = params![lane.to_string(), rows::millis(last.at), last.answer, until];
        let changed = self.database.prepare_cached(schema::GIVE_UP)?.execute(given_up)?;
        Ok(changed as u64)
    }
}

impl OutboxStore for Sqlite {
    fn write_for(&self, wanted: Wanted, told: watch::Sender<Told>) -> Later<'_, ()> {
        Box::pin(self.decide(move |working| {
            working.outbox.wanted = wanted;
            working.outbox.told = told;
            Ok(())
        }))
    }

    fn issue_and_write(&self, sale: Sale, author: Author, letter: Message) -> Later<'_, ()> {
        Box::pin(self.writer.decide(move |working| {
            let issued = working.issue(&sale.grant, &sale.link, author, sale.copy)?;
            if issued.is_ok() {
                working.post(vec![letter]);
            }
            Ok(issued)
        }))
    }

    fn post(&self, messages: Vec<Message>) -> Later<'_, ()> {
        Box::pin(self.decide(move |working| {
            working.post(messages);
            Ok(())
        }))
    }

    fn due_messages(&self, lane: Lane, now: Moment, limit: usize) -> Later<'_, DueMessages> {
        // The writer is asked, so that what it just remembered of a try is known.
        Box::pin(self.decide(move |working| working.due_messages(&lane, now, most(limit))))
    }

    fn tried(&self, tried: Vec<Tried>) -> Later<'_, ()> {
        Box::pin(self.decide(move |working| working.tried(&tried)))
    }

    fn forget_old_messages(&self, now: Moment) -> Later<'_, usize> {
        Box::pin(self.decide(move |working| working.forget_old_messages(now)))
    }

    fn messages(&self, which: Messages) -> Later<'_, Vec<Message>> {
        Box::pin(self.read(move |database| list(database, &which)))
    }

    fn send_again(&self, which: Again, now: Moment) -> Later<'_, u64> {
        Box::pin(self.decide(move |working| working.send_again(&which, now)))
    }

    fn give_up(&self, lane: Lane, last: Try) -> Later<'_, u64> {
        Box::pin(self.decide(move |working| working.give_up(&lane, &last)))
    }

    fn count_messages(&self) -> Later<'_, Vec<LaneCount>> {
        Box::pin(self.read(lanes))
    }
}

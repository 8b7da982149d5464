//! The sessions that may still go on, never more than [`OPEN_MAX`].

use std::collections::HashMap;

use super::keyed::{Keyed, Mix};
use super::session::{Closed, RANGES_FEW, RANGES_MAX, Session, key};
use super::{OPEN_MAX, RANGES_ALL_MAX};
use crate::domain::moment::Span;

/// Sessions by file and client.
#[derive(Debug)]
pub(super) struct Open {
    /// Seconds.
    grace: u64,
    /// Seconds.
    life: u64,
    places: HashMap<u64, u32, Mix>,
    sessions: Vec<Session>,
    ranges: usize,
    /// The latest time seen.
    now: u64,
    max: usize,
}

impl Open {
    pub(super) fn new(grace: Span, life: Span) -> Self {
        Self {
            grace: grace.seconds(),
            life: life.seconds(),
            places: HashMap::default(),
            sessions: Vec::new(),
            ranges: 0,
            now: 0,
            max: OPEN_MAX,
        }
    }

    /// Adds a request to the session that it joins, or to a new one. Sessions that are over for it go to `closed`; tells
    /// how many of these were ended early.
    pub(super) fn join(&mut self, file: u32, client: u32, keyed: &Keyed<'_>, closed: &mut Vec<Closed>) -> u64 {
        self.now = self.now.max(keyed.hit.at);
        let ranges_max = if self.ranges > RANGES_ALL_MAX { RANGES_FEW } else { RANGES_MAX };
        let place = *self.places.entry(key(file, client)).or_insert_with(|| {
            self.sessions.push(Session::new(file, client, keyed));
            u32::try_from(self.sessions.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(session) = self.sessions.get_mut(place as usize) {
            if !session.joins(keyed.hit.at, self.grace, self.life) {
                self.ranges = self.ranges.saturating_sub(session.ranges());
                closed.push(session.close());
                *session = Session::new(file, client, keyed);
            }
            self.ranges = self.ranges.saturating_add_signed(session.add(keyed, ranges_max));
        }
        if self.sessions.len() > self.max { self.make_room(closed) } else { 0 }
    }

    /// Closes the sessions that are over, and, if those are few, the older half of the others.
    fn make_room(&mut self, closed: &mut Vec<Closed>) -> u64 {
        self.close_before(self.now.saturating_sub(self.grace), closed);
        if self.sessions.len() <= self.max / 2 {
            return 0;
        }
        let mut lasts: Vec<u64> = self.sessions.iter().map(|session| session.last).collect();
        let middle = lasts.len() / 2;
        let before = *lasts.select_nth_unstable(middle).1;
        // At least the middle one goes, also if all are of one second.
        self.close_before(before + 1, closed)
    }

    fn close_before(&mut self, before: u64, closed: &mut Vec<Closed>) -> u64 {
        let at = closed.len();
        closed.extend(self.sessions.extract_if(.., |session| session.last < before).map(|session| session.close()));
        self.places.clear();
        self.places.extend(self.sessions.iter().map(Session::key).zip(0..));
        self.ranges = self.sessions.iter().map(Session::ranges).sum();
        (closed.len() - at) as u64
    }

    /// The end of the log.
    pub(super) fn close_all(&mut self, closed: &mut Vec<Closed>) {
        closed.extend(self.sessions.drain(..).map(|session| session.close()));
        self.places.clear();
        self.ranges = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::{Hit, Keys, Method, Sent};

    fn hit(at: u64) -> Keyed<'static> {
        let hit = Hit {
            at,
            host: b"",
            path: b"/a.zip",
            query: None,
            client: b"::1",
            agent: b"",
            delivery: None,
            method: Method::Get,
            status: 200,
            sent: Sent::Bytes(1),
            part: None,
        };
        Keys::default().of(hit)
    }

    #[test]
    fn when_there_are_too_many_those_that_are_over_end_first_and_then_the_oldest() {
        let mut open = Open { max: 8, ..Open::new(Span::from_seconds(100), Span::from_seconds(1000)) };
        let mut closed = Vec::new();
        for client in 0..6 {
            assert_eq!(open.join(0, client, &hit(1), &mut closed), 0);
        }
        for client in 6..9 {
            assert_eq!(open.join(0, client, &hit(200), &mut closed), 0);
        }
        assert_eq!(closed.len(), 6, "none was ended early");
        let early: u64 = (9..15).map(|client| open.join(0, client, &hit(200 + u64::from(client)), &mut closed)).sum();
        assert!(early > 0 && closed.len() as u64 == 6 + early);
        assert_eq!(closed[6..].iter().map(|one| one.client).collect::<Vec<_>>(), [6, 7, 8, 9, 10]);
        // Those that are left are found by their places.
        open.join(0, 14, &hit(220), &mut closed);
        open.close_all(&mut closed);
        assert_eq!(closed.iter().map(|one| u64::from(one.requests)).sum::<u64>(), 16);
        assert_eq!(closed.len(), 15);
    }
}

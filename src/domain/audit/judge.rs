//! How large a file is, and whether a session has all of it.
//!
//! The usual logs tell neither sizes nor ranges, so that a size is inferred: an answer 200 carries at most the whole
//! file, hence the largest one seen is the size, or a transfer that broke off very late. The same number to two clients
//! is agreement. A smaller number that three clients got is another version of the file (or an encoding of it), unless
//! it is a multiple of 4 KiB: there buffers end, and with them transfers that break off.

use super::session::Closed;

/// So many clients make a number that is not the largest a size.
const WITNESSES: u32 = 3;

/// So many clients make the largest number sure.
pub(super) const AGREE: u32 = 2;

/// Buffers of web servers and kernels are multiples of it.
const PAGE_BYTES: u64 = 4096;

/// No more versions of one file are told apart.
const VERSIONS_MAX: usize = 16;

/// What the log's column of bytes counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Measure {
    /// Nothing in the log shows it; it is read as bodies.
    #[default]
    Unknown,
    /// Bytes of the body: nginx's `$body_bytes_sent`, which is `0` for answers without a body.
    Body,
    /// With the answer's head: Apache's `%O`, nginx's `$bytes_sent`; answers without a body are not 0.
    WithHead,
    /// `-` for answers without a body: Apache's `%b`, which tells what was to be sent, not what was.
    Intended,
}

impl Measure {
    /// How much more than the body a number may be.
    pub(super) const fn slack(self) -> u64 {
        match self {
            // Heads of answers with files are some hundreds of bytes long, and not all of one length.
            Self::WithHead => 1024,
            Self::Unknown | Self::Body | Self::Intended => 0,
        }
    }
}

/// What is known of a file's size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sizes {
    /// The largest body of a 200; 0 where there was none.
    pub(super) largest: u64,
    /// How many clients got as much.
    pub(super) witnesses: u32,
    /// Smaller ones that count as sizes, too.
    pub(super) others: Vec<u64>,
    /// The size as the log tells it, if it does: that of the largest version.
    pub(super) told: Option<u64>,
}

impl Sizes {
    /// Takes in that so many clients had 200s of `size` at most.
    fn take(&mut self, size: u64, witnesses: u32, measure: Measure) {
        if size == 0 {
            return;
        }
        let other = witnesses >= WITNESSES && (measure.slack() > 0 || !size.is_multiple_of(PAGE_BYTES)) || measure == Measure::Intended;
        if size > self.largest.saturating_add(measure.slack()) {
            let before = (self.largest, self.witnesses);
            (self.largest, self.witnesses) = (size, witnesses);
            self.take(before.0, before.1, measure);
        } else if size.saturating_add(measure.slack()) >= self.largest {
            self.largest = self.largest.max(size);
            self.witnesses = self.witnesses.saturating_add(witnesses);
        } else if other && !self.others.contains(&size) && self.others.len() < VERSIONS_MAX {
            self.others.push(size);
        }
    }

    /// The size of the largest version, if it is known at all.
    pub(super) fn size(&self) -> Option<u64> {
        if self.largest > 0 { Some(self.largest) } else { self.told }
    }

    /// Whether one answer with so many bytes was a whole file.
    fn has(&self, bytes: u64, slack: u64) -> bool {
        let whole = |size: u64| bytes.abs_diff(size) <= slack;
        bytes > 0 && (self.size().is_some_and(|size| bytes >= size.saturating_sub(slack)) || self.others.iter().any(|&size| whole(size)))
    }
}

/// Learns the sizes from `closed` into `sizes`, which has a place for every file.
pub(super) fn learn(closed: &[Closed], sizes: &mut [Sizes], measure: Measure) {
    let mut seen: Vec<(u32, u64, u32)> = closed.iter().filter(|one| one.whole > 0).map(|one| (one.file, one.whole, one.client)).collect();
    seen.sort_unstable();
    seen.dedup();
    let near = |a: &(u32, u64, u32), b: &(u32, u64, u32)| a.0 == b.0 && b.1.abs_diff(a.1) <= measure.slack();
    for run in seen.chunk_by(near) {
        let (Some(&(file, ..)), Some(&(_, size, _))) = (run.first(), run.last()) else { continue };
        // With heads of several lengths one client may stand there more than once, and a run may be longer than a head.
        let mut clients: Vec<u32> =
            run.iter().filter(|&&(_, near, _)| near.saturating_add(measure.slack()) >= size).map(|&(.., client)| client).collect();
        if measure.slack() > 0 {
            clients.sort_unstable();
            clients.dedup();
        }
        if let Some(sizes) = sizes.get_mut(file as usize) {
            sizes.take(size, u32::try_from(clients.len()).unwrap_or(u32::MAX), measure);
        }
    }
    for one in closed {
        if let (Some((total, _)), Some(sizes)) = (one.told, sizes.get_mut(one.file as usize)) {
            sizes.told = sizes.told.max(Some(total));
        }
    }
}

/// What a session was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// One answer brought the whole file.
    Whole {
        /// How many bytes that are.
        size: u64,
        /// How often it was sent whole once more.
        again: u32,
    },
    /// Several answers together did.
    Joined {
        /// How many bytes the file has.
        size: u64,
    },
    /// It began at the first byte, and not all came.
    BrokenOff,
    /// Only ranges, and not all: a player or reader that looked at parts, or the end of something older.
    Parts,
    /// How large the file is was never seen.
    Unknown,
}

/// Judges one session of a file of these sizes.
pub(super) fn judge(one: &Closed, sizes: &Sizes, measure: Measure) -> Verdict {
    let slack = measure.slack();
    if let Some((size, whole)) = one.told {
        return match whole {
            true if one.whole.max(one.largest_part) >= size => Verdict::Whole { size, again: one.again },
            true => Verdict::Joined { size },
            false => incomplete(one),
        };
    }
    let Some(size) = sizes.size() else { return Verdict::Unknown };
    if sizes.has(one.whole, slack) {
        Verdict::Whole { size: one.whole, again: one.wholes.saturating_sub(1) }
    } else if sizes.has(one.largest_part, slack) {
        Verdict::Whole { size: one.largest_part, again: 0 }
    } else if one.requests > 1 && one.whole.saturating_add(one.parts) >= size {
        Verdict::Joined { size }
    } else {
        incomplete(one)
    }
}

const fn incomplete(one: &Closed) -> Verdict {
    if one.ranged == one.requests { Verdict::Parts } else { Verdict::BrokenOff }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(client: u32, whole: u64, parts: &[u64]) -> Closed {
        let ranged = u32::try_from(parts.len()).unwrap();
        Closed {
            file: 0,
            client,
            network: u64::from(client),
            link: 0,
            requests: ranged + u32::from(whole > 0),
            ranged,
            whole,
            wholes: u32::from(whole > 0),
            largest_part: parts.iter().copied().max().unwrap_or(0),
            parts: parts.iter().sum(),
            told: None,
            again: 0,
        }
    }

    fn learnt(sessions: &[Closed], measure: Measure) -> Sizes {
        let mut sizes = vec![Sizes::default()];
        learn(sessions, &mut sizes, measure);
        sizes.remove(0)
    }

    #[test]
    fn a_size_is_the_largest_answer_or_what_three_clients_agree_on() {
        let of = |wholes: &[(u32, u64)]| wholes.iter().map(|&(client, whole)| session(client, whole, &[])).collect::<Vec<_>>();
        for (wholes, measure, largest, witnesses, others) in [
            (&[][..], Measure::Body, 0, 0, &[][..]),
            (&[(1, 0), (2, 0)], Measure::Body, 0, 0, &[]),
            (&[(1, 900)], Measure::Body, 900, 1, &[]),
            (&[(1, 900), (2, 900), (3, 500)], Measure::Body, 900, 2, &[]),
            (&[(1, 900), (1, 900)], Measure::Body, 900, 1, &[]),
            (&[(1, 900), (2, 700), (3, 700), (4, 700)], Measure::Body, 900, 1, &[700]),
            (&[(1, 9000), (2, 4096), (3, 4096), (4, 4096)], Measure::Body, 9000, 1, &[]),
            (&[(1, 900), (2, 700)], Measure::Intended, 900, 1, &[700]),
            (&[(1, 90_300), (2, 90_311), (2, 90_312), (3, 50_000)], Measure::WithHead, 90_312, 2, &[]),
        ] {
            let found = learnt(&of(wholes), measure);
            assert_eq!((found.largest, found.witnesses, found.others.as_slice()), (largest, witnesses, others), "{wholes:?}");
        }
    }

    #[test]
    fn sizes_learnt_in_two_halves_are_those_of_the_whole() {
        let sessions: Vec<Closed> = [(1, 900), (2, 900), (3, 700), (4, 700), (5, 700), (6, 900)].map(|(c, w)| session(c, w, &[])).to_vec();
        let mut halves = vec![Sizes::default()];
        learn(&sessions[2..], &mut halves, Measure::Body);
        learn(&sessions[..2], &mut halves, Measure::Body);
        assert_eq!(halves[0], learnt(&sessions, Measure::Body));
    }

    #[test]
    fn a_session_is_judged_by_what_was_sent() {
        let sizes = learnt(&[session(1, 900, &[]), session(2, 900, &[])], Measure::Body);
        for (whole, parts, verdict) in [
            (900, &[][..], Verdict::Whole { size: 900, again: 0 }),
            (0, &[900], Verdict::Whole { size: 900, again: 0 }),
            (400, &[500], Verdict::Joined { size: 900 }),
            (400, &[499], Verdict::BrokenOff),
            (899, &[], Verdict::BrokenOff),
            (0, &[300, 300, 300], Verdict::Joined { size: 900 }),
            (0, &[300, 300], Verdict::Parts),
            (0, &[1], Verdict::Parts),
        ] {
            assert_eq!(judge(&session(7, whole, parts), &sizes, Measure::Body), verdict, "{whole} {parts:?}");
        }
        assert_eq!(judge(&session(7, 0, &[300]), &Sizes::default(), Measure::Body), Verdict::Unknown);
        assert_eq!(judge(&Closed { told: Some((900, false)), ..session(7, 900, &[900]) }, &sizes, Measure::Body), Verdict::BrokenOff);
        assert_eq!(
            judge(&Closed { told: Some((300, true)), ..session(7, 100, &[200]) }, &sizes, Measure::Body),
            Verdict::Joined { size: 300 }
        );
    }

    #[test]
    fn bytes_with_heads_are_compared_with_room_for_a_head() {
        let sessions = [session(1, 90_300, &[]), session(2, 90_311, &[])];
        let sizes = learnt(&sessions, Measure::WithHead);
        assert!(matches!(judge(&sessions[0], &sizes, Measure::WithHead), Verdict::Whole { .. }));
        assert_eq!(judge(&session(3, 80_000, &[]), &sizes, Measure::WithHead), Verdict::BrokenOff);
    }
}

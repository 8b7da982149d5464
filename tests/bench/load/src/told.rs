//! What is told of a run.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

/// Answers of one kind.
#[derive(Default)]
pub(crate) struct Times {
    statuses: BTreeMap<u16, u64>,
    /// Microseconds of each, in the order in which they came.
    micros: Vec<u32>,
}

impl Times {
    pub(crate) fn note(&mut self, status: u16, took: Duration) {
        *self.statuses.entry(status).or_default() += 1;
        self.micros.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    pub(crate) fn add(&mut self, other: Self) {
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.micros.extend(other.micros);
    }

    fn json(self) -> Value {
        let statuses: BTreeMap<String, u64> = self.statuses.into_iter().map(|(status, count)| (status.to_string(), count)).collect();
        json!({ "statuses": statuses, "micros": self.micros })
    }
}

/// A whole run.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) took: Duration,
    pub(crate) asked: Times,
    pub(crate) followed: Times,
    /// Where answers led that nobody followed, by the number of the target.
    pub(crate) locations: BTreeMap<usize, String>,
}

impl Told {
    pub(crate) fn json(self) -> Value {
        json!({ "seconds": self.took.as_secs_f64(), "asked": self.asked.json(), "followed": self.followed.json() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_told() {
        let mut times = Times::default();
        for micros in [3, 1] {
            times.note(200, Duration::from_micros(micros));
        }
        let mut more = Times::default();
        more.note(503, Duration::from_millis(5));
        times.add(more);
        assert_eq!(times.json(), json!({ "statuses": { "200": 2, "503": 1 }, "micros": [3, 1, 5000] }));
    }
}

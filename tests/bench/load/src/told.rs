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

    fn json(mut self) -> Value {
        self.micros.sort_unstable();
        // The smallest time that so many thousandths of all do not exceed.
        let quantile = |thousandths: usize| {
            let at = (self.micros.len() * thousandths).div_ceil(1000).saturating_sub(1);
            self.micros.get(at).copied()
        };
        let statuses: BTreeMap<String, u64> = self.statuses.into_iter().map(|(status, count)| (status.to_string(), count)).collect();
        json!({
            "requests": self.micros.len(), "statuses": statuses,
            "micros": { "p50": quantile(500), "p90": quantile(900), "p99": quantile(990), "p999": quantile(999), "max": self.micros.last() },
        })
    }
}

/// A whole run.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) took: Duration,
    pub(crate) asked: Times,
    pub(crate) followed: Times,
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
    fn quantiles_are_times_that_were_measured() {
        let mut times = Times::default();
        for micros in (1..=1000).rev() {
            times.note(200, Duration::from_micros(micros));
        }
        let mut more = Times::default();
        more.note(503, Duration::from_millis(5));
        times.add(more);
        let told = times.json();
        assert_eq!(told["requests"], 1001);
        assert_eq!(told["statuses"], json!({ "200": 1000, "503": 1 }));
        assert_eq!(told["micros"], json!({ "p50": 501, "p90": 901, "p99": 991, "p999": 1000, "max": 5000 }));
        assert_eq!(Times::default().json()["micros"]["p99"], Value::Null);
    }
}

//! Numbers over time.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::problem::{self, Problem};
use super::wording::{self, Edge};
use crate::clock;
use crate::domain::moment::{Moment, Span};
use crate::domain::policy::Method;
use crate::domain::tally::{Counted, Tally};
use crate::service::refusals;
use crate::service::site::Site;

/// Nobody reads more hours or days at once: ten years of days, more than a year of hours.
const PERIODS_MAX: u64 = 10_000;

/// What is counted where nothing else is said.
const USUAL_DAYS: u64 = 7;

/// Up to so many days are shown by hour where nothing else is said.
const BY_HOUR_DAYS_MAX: u64 = 2;

/// Which numbers.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    to: Option<String>,
    #[serde(default)]
    by: Option<String>,
}

/// Numbers of a time, whole and in parts.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Stats {
    /// The first moment that is counted.
    pub from: String,
    /// The first moment that is not counted any more.
    pub to: String,
    /// hour or day, UTC.
    pub by: String,
    /// All of it.
    pub total: Counts,
    /// Its hours or days, the first one first; those without numbers too.
    pub periods: Vec<Period>,
    /// Whether anybody reports what is sent.
    pub measured: bool,
    /// The methods of the policies that lead customers to where requests do not pass by Cloakroom: what they fetch there is
    /// `completed` by the log of the public path (stub, copy), or `started` alone, at the redirect (public). Left out where
    /// there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub led_away: Vec<String>,
    /// So many of the last seconds before a crash, or before the daemon was killed, refusals may not be counted.
    pub refusals_lost_seconds: u64,
}

/// One hour or day.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Period {
    /// Its first moment.
    pub from: String,
    /// Its numbers.
    #[serde(flatten)]
    pub counts: Counts,
}

/// What happened in a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Counts {
    /// Deliveries whose first request was admitted.
    pub started: u64,
    /// Deliveries that arrived.
    pub completed: u64,
    /// Deliveries that may have arrived, and count.
    pub presumed: u64,
    /// Deliveries that did not arrive, and do not count.
    pub released: u64,
    /// Body bytes of counted downloads, as reported.
    pub bytes: u64,
    /// Questions that were refused, by reason.
    pub refused: BTreeMap<String, u64>,
}

impl Counts {
    fn add(&mut self, tally: &Tally) {
        let number = match tally.what {
            Counted::Started => &mut self.started,
            Counted::Completed => &mut self.completed,
            Counted::Presumed => &mut self.presumed,
            Counted::Released => &mut self.released,
            Counted::Bytes => &mut self.bytes,
            Counted::Refused(refusal) => self.refused.entry(refusal.code().to_owned()).or_default(),
        };
        *number = number.saturating_add(tally.count);
    }
}

/// What a number stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Hour,
    Day,
}

impl By {
    const fn span(self) -> Span {
        match self {
            Self::Hour => Span::from_hours(1),
            Self::Day => Span::from_days(1),
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// The first moment of the hour or day of `at`.
    fn begin(self, at: Moment) -> Moment {
        Moment::from_millis(at.millis() - at.millis() % self.span().millis())
    }
}

/// What was asked for, in order.
fn range(which: &Which, now: Moment) -> Result<(Moment, Moment, By), Problem> {
    let moment = |field: &str, text: &Option<String>, edge| {
        let read = text.as_deref().map(|text| wording::moment(text, edge).map_err(|why| (why, text)));
        read.transpose().map_err(|(why, text)| Problem::of_query(field, format_args!("`{text}` {why}")))
    };
    let to = moment("to", &which.to, Edge::Ends)?.unwrap_or(now);
    let usual = Moment::from_millis(to.millis().saturating_sub(Span::from_days(USUAL_DAYS - 1).millis()));
    let from = moment("from", &which.from, Edge::Begins)?.unwrap_or_else(|| By::Day.begin(usual));
    if from >= to {
        return Err(Problem::of_query("from", format_args!("{from} must be before the end, {to}")));
    }
    let by = match which.by.as_deref() {
        Some("hour") => By::Hour,
        Some("day") => By::Day,
        Some(other) => return Err(Problem::of_query("by", format_args!("`{other}` must be `hour` or `day`"))),
        None if to.since(from) <= Span::from_days(BY_HOUR_DAYS_MAX) => By::Hour,
        None => By::Day,
    };
    let from = by.begin(from);
    let periods = to.since(from).millis().div_ceil(by.span().millis());
    if periods > PERIODS_MAX {
        let word = by.word();
        return Err(Problem::unreadable(format!("from {from} to {to} are {periods} {word}s; at most {PERIODS_MAX} are told at once")));
    }
    Ok((from, to, by))
}

pub(super) async fn stats(State(site): State<Arc<Site>>, which: Result<Query<Which>, QueryRejection>) -> Result<Json<Stats>, Problem> {
    let (from, to, by) = range(&problem::query(which)?, clock::now())?;
    // What is still being gathered belongs to it.
    refusals::bring(&site.refusals, &*site.store).await?;
    let tallies = site.store.tallies(from, to).await?;
    let mut total = Counts::default();
    let mut counts: BTreeMap<Moment, Counts> = BTreeMap::new();
    let mut begin = from;
    while begin < to {
        counts.insert(begin, Counts::default());
        begin = begin + by.span();
    }
    for tally in &tallies {
        total.add(tally);
        counts.entry(by.begin(tally.hour)).or_default().add(tally);
    }
    let period = |(from, counts): (Moment, Counts)| Period { from: from.to_string(), counts };
    Ok(Json(Stats {
        from: from.to_string(),
        to: to.to_string(),
        by: by.word().to_owned(),
        total,
        periods: counts.into_iter().map(period).collect(),
        measured: site.configuration.knows_what_arrived(),
        led_away: led_away(&site),
        refusals_lost_seconds: refusals::GATHER.as_secs(),
    }))
}

fn led_away(site: &Site) -> Vec<String> {
    let named = |method: &Method| site.configuration.policies.iter().any(|(_, policy)| policy.methods.contains(method));
    let led = Method::ALL.iter().filter(|method| method.leads_away() && named(method));
    led.map(|method| method.word().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_begins_with_a_whole_hour_or_day_and_has_a_last_moment() {
        let now = "2027-01-31T10:20:30Z";
        let moment = |text: &str| wording::moment(text, Edge::Begins).expect(text);
        for (from, to, by, expected) in [
            (None, None, None, ("2027-01-25T00:00:00Z", now, "day")),
            (Some("2027-01-31"), None, None, ("2027-01-31T00:00:00Z", now, "hour")),
            (Some("2027-01-31"), None, Some("day"), ("2027-01-31T00:00:00Z", now, "day")),
            (Some("2027-01-30"), Some("2027-01-30"), None, ("2027-01-30T00:00:00Z", "2027-01-31T00:00:00Z", "hour")),
            (Some("2027-01-30T05:30:00Z"), None, Some("hour"), ("2027-01-30T05:00:00Z", now, "hour")),
            (None, Some("2027-01-10"), None, ("2027-01-05T00:00:00Z", "2027-01-11T00:00:00Z", "day")),
            (Some("2020-01-01"), None, None, ("2020-01-01T00:00:00Z", now, "day")),
        ] {
            let which = Which { from: from.map(str::to_owned), to: to.map(str::to_owned), by: by.map(str::to_owned) };
            let (from, to, by) = range(&which, moment(now)).expect("a time");
            assert_eq!((from.to_string().as_str(), to.to_string().as_str(), by.word()), expected, "{which:?}");
        }
        for (from, to, by, words) in [
            (Some("soon"), None, None, "from: `soon` must be"),
            (None, Some("2027-13-01"), None, "to: `2027-13-01` must be"),
            (Some("2027-02-02"), Some("2027-02-01"), None, "must be before the end"),
            (None, None, Some("month"), "must be `hour` or `day`"),
            (Some("1970-01-01"), None, Some("day"), "at most 10000"),
            (Some("2020-01-01"), None, Some("hour"), "at most 10000"),
        ] {
            let which = Which { from: from.map(str::to_owned), to: to.map(str::to_owned), by: by.map(str::to_owned) };
            let problem = range(&which, moment(now)).expect_err("a problem");
            assert!(problem.detail.contains(words), "{words}: {}", problem.detail);
        }
    }
}

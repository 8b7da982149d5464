//! The page that stays while a download runs: how it goes, and what to do when it breaks.

use minijinja::context;
use minijinja::value::Value;

use super::landing::{self, Shown};
use super::said;
use super::words::Words;
use crate::domain::delivery::{Delivery, State};
use crate::domain::moment::{Moment, Span};

/// How a download goes, as far as anybody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing was asked for yet: the browser is sent there by this page.
    Starts,
    /// It is on its way; of its bytes so many have arrived before.
    Running(u64),
    /// All of it has arrived.
    Arrived,
    /// Nothing is on its way, and so many bytes have arrived.
    Interrupted(u64),
    /// It was started, and nobody tells more.
    Started,
    /// It ended before all of it had arrived, and so many bytes had.
    Over(u64),
}

impl Progress {
    /// How `delivery` goes.
    pub fn of(delivery: &Delivery) -> Self {
        match delivery.state {
            State::Offered => Self::Starts,
            State::Completed => Self::Arrived,
            State::Started | State::Presumed => Self::Started,
            State::Open if delivery.in_flight() > 0 => Self::Running(delivery.covered()),
            // Whoever was led away is known by what has ended.
            State::Open if delivery.is_led_away() && delivery.covered() == 0 => Self::Running(0),
            State::Open => Self::Interrupted(delivery.covered()),
            State::Released => Self::Over(delivery.covered()),
        }
    }

    /// The word that begins its keys in the table of words.
    const fn word(self) -> &'static str {
        match self {
            Self::Starts => "starts",
            Self::Running(_) => "running",
            Self::Arrived => "arrived",
            Self::Interrupted(_) => "interrupted",
            Self::Started => "started",
            Self::Over(_) => "over",
        }
    }

    /// What was received, as far as that is known.
    pub(super) fn received(self, words: &Words, size: u64) -> Option<String> {
        match self {
            Self::Arrived => Some(words.text("started.received_whole").to_owned()),
            Self::Running(covered) | Self::Interrupted(covered) | Self::Over(covered) => {
                let (share, bytes) = (said::share(covered, size)?, said::size(words, covered));
                Some(words.fill("started.received_at_least", &[("share", &share), ("bytes", &bytes)]))
            }
            Self::Starts | Self::Started => None,
        }
    }
}

/// What the page of a download tells. It does not print: its paths hold tokens.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Started {
    /// The file.
    pub file: Shown,
    /// How it goes.
    pub progress: Progress,
    /// The path at which it goes on or begins; `None` where it does no longer.
    pub way: Option<String>,
    /// Until when it can go on.
    pub ends: Option<Moment>,
    /// The whole URL of the link that it came from: a secret of the customer's own.
    pub url: Option<String>,
    /// The path of that link.
    pub back: Option<String>,
    /// The path of the page of the whole order, where there is one.
    pub all: Option<String>,
    /// Whether the web server will ask for a name and a password.
    pub login: bool,
    /// When this is told.
    pub now: Moment,
}

impl Started {
    /// How `file` goes, with nothing else to tell.
    pub const fn new(file: Shown, progress: Progress, now: Moment) -> Self {
        Self { file, progress, way: None, ends: None, url: None, back: None, all: None, login: false, now }
    }

    /// As templates know it.
    pub(super) fn value(&self, words: &Words) -> Value {
        let word = self.progress.word();
        context! {
            sentence => words.text(&format!("started.{word}")),
            why => words.text(&format!("started.{word}_why")),
            state => word,
            file => self.file.value(words, self.now),
            received => self.progress.received(words, self.file.version.size),
            way => self.way.as_deref(),
            ends => self.ends.map(|ends| said::moment(words, ends, self.now)),
            command => self.url.as_deref().map(landing::command),
            back => self.back.as_deref(),
            all => self.all.as_deref(),
            login => self.login,
        }
    }
}

/// Every shape that a template can meet, to try it on.
pub(super) fn samples() -> Vec<Started> {
    let now = Moment::from_seconds(1_795_010_700);
    let all = [
        Progress::Starts,
        Progress::Running(0),
        Progress::Running(40_000_000),
        Progress::Arrived,
        Progress::Interrupted(20_000_000),
        Progress::Started,
        Progress::Over(1),
    ];
    let mut samples = Vec::new();
    for progress in all {
        samples.push(Started {
            way: Some("/dl/d/Eg0AAQIDBAUGBwgJCgsnq3JfUhr5oBCiXp9-JhOw/The%20Book.zip".to_owned()),
            ends: Some(now + Span::from_hours(24)),
            url: Some("https://shop.example/dl/l/EQ0AAQIDBAUGBwgJCgtRlKx0dN6a6pvUxLWuaJzY/The%20Book.zip".to_owned()),
            back: Some("/dl/l/EQ0AAQIDBAUGBwgJCgtRlKx0dN6a6pvUxLWuaJzY/The%20Book.zip".to_owned()),
            all: Some("/dl/o/Ew0AAQIDBAUGBwgJCgtRlKx0dN6a6pvUxLWuaJzY".to_owned()),
            login: true,
            ..Started::new(landing::sample_file(None), progress, now)
        });
        samples.push(Started::new(landing::sample_file(Some(crate::domain::checksum::Checksum::new([1; 32]))), progress, now));
    }
    samples
}

//! The page of all downloads of one order.

use minijinja::context;
use minijinja::value::Value;

use super::landing::{Left, Shown, sample_file};
use super::said;
use super::started::Progress;
use super::words::Words;
use crate::domain::checksum::Checksum;
use crate::domain::moment::{Moment, Span};
use crate::domain::order::ExternalId;
use crate::domain::refusal::Refusal;

/// Whether a file can be downloaded now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Yes.
    Open,
    /// No, and why.
    Shut(Refusal),
}

/// One file of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Under which name people see it.
    pub name: String,
    /// The file, where it is there.
    pub file: Option<Shown>,
    /// Whether it can be downloaded.
    pub standing: Standing,
    /// How many downloads are left.
    pub left: Left,
    /// From when on none begins; `None` is never.
    pub ends: Option<Moment>,
    /// When it was last downloaded, or begun where nobody tells more.
    pub last: Option<Moment>,
    /// How a download that has not ended goes.
    pub progress: Option<Progress>,
    /// What the shop tells beside the file: text of some lines each.
    pub notes: Vec<String>,
}

impl Row {
    /// The word of its badge; beside it stand a sign and a colour.
    const fn badge(&self) -> (&'static str, &'static str) {
        match (self.standing, self.progress) {
            (_, Some(Progress::Running(_))) | (Standing::Shut(Refusal::DownloadRunning), _) => ("running", "◐"),
            (Standing::Open, Some(Progress::Interrupted(_))) => ("interrupted", "!"),
            (Standing::Open, _) => ("ready", "●"),
            (Standing::Shut(Refusal::LimitReached), _) => ("used", "✓"),
            (Standing::Shut(Refusal::Preparing | Refusal::NotPaid), _) => ("waits", "⧗"),
            (Standing::Shut(Refusal::OnHold | Refusal::Suspended), _) => ("held", "‖"),
            (Standing::Shut(_), _) => ("shut", "✕"),
        }
    }
}

/// The way to what a [`Row`] tells. It does not print: it holds tokens.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Ways {
    /// The path of its link, whose page begins a download.
    pub link: Option<String>,
    /// The path at which more is asked for.
    pub ask: Option<String>,
    /// Whether that was done.
    pub asked: bool,
}

/// What the page of an order tells. It does not print.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrderPage {
    /// What the shop calls the order.
    pub number: ExternalId,
    /// What shuts all of it.
    pub shut: Option<Refusal>,
    /// Its files.
    pub rows: Vec<(Row, Ways)>,
    /// The path of the page before, where there are more than fit one.
    pub before: Option<String>,
    /// The path of the page behind.
    pub behind: Option<String>,
    /// Whether somebody just asked for more.
    pub told: bool,
    /// When this is told.
    pub now: Moment,
}

impl OrderPage {
    /// Of an order without files.
    pub const fn new(number: ExternalId, now: Moment) -> Self {
        Self { number, shut: None, rows: Vec::new(), before: None, behind: None, told: false, now }
    }

    /// As templates know it.
    pub(super) fn value(&self, words: &Words) -> Value {
        let refusal = |refusal: Refusal| context! { code => refusal.code(), sentence => words.of(refusal, "sentence"), why => words.of(refusal, "why"), advice => words.of(refusal, "advice") };
        let row = |(row, ways): &(Row, Ways)| {
            let (state, sign) = row.badge();
            let reason = match row.standing {
                Standing::Shut(why) => Some(refusal(why)),
                Standing::Open => None,
            };
            let size = row.file.as_ref().map_or(0, |file| file.version.size);
            context! {
                name => &row.name,
                notes => &row.notes,
                file => row.file.as_ref().map(|file| file.value(words, self.now)),
                state => state,
                sign => sign,
                badge => words.text(&format!("order.{state}")),
                reason => reason,
                left => row.left.said(words),
                ends => row.ends.map(|ends| said::moment(words, ends, self.now)),
                last => row.last.map(|last| said::moment(words, last, self.now)),
                received => row.progress.and_then(|progress| progress.received(words, size)),
                link => ways.link.as_deref(),
                ask => ways.ask.as_deref(),
                asked => ways.asked,
            }
        };
        context! {
            sentence => words.text("order.title"),
            number => self.number.as_str(),
            shut => self.shut.map(refusal),
            rows => self.rows.iter().map(row).collect::<Vec<_>>(),
            before => self.before.as_deref(),
            behind => self.behind.as_deref(),
            told => self.told,
        }
    }
}

/// Every shape that a template can meet, to try it on.
pub(super) fn samples() -> Vec<OrderPage> {
    let now = Moment::from_seconds(1_795_010_700);
    let (Ok(plain), Ok(odd)) = ("1001".parse(), "<b>\"'&".parse()) else { return Vec::new() };
    let row = |standing, progress| Row {
        notes: vec!["Serial number\n<7F3K>".to_owned()],
        name: "Ünï & <b>.zip".to_owned(),
        file: Some(sample_file(Some(Checksum::new([3; 32])))),
        standing,
        left: Left::Of { left: 2, most: 5 },
        ends: Some(now + Span::from_days(3)),
        last: Some(now),
        progress,
    };
    let path = || Some("/dl/o/EQ0AAQIDBAUGBwgJCgtRlKx0dN6a6pvUxLWuaJzY".to_owned());
    let all = || Ways { link: path(), ask: path(), asked: false };
    let mut rows = vec![
        (row(Standing::Open, None), all()),
        (row(Standing::Open, Some(Progress::Running(1000))), all()),
        (row(Standing::Open, Some(Progress::Interrupted(40_000_000))), Ways { asked: true, ..all() }),
        (Row { file: None, left: Left::Unlimited, ends: None, last: None, ..row(Standing::Open, None) }, Ways::default()),
    ];
    rows.extend(Refusal::ALL.iter().map(|refusal| (row(Standing::Shut(*refusal), None), all())));
    let full = OrderPage { shut: Some(Refusal::OnHold), rows, before: path(), behind: path(), told: true, ..OrderPage::new(odd, now) };
    vec![OrderPage::new(plain, now), full]
}

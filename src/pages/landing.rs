//! The page about a file that a link opens, with the button that begins the download.

use minijinja::context;
use minijinja::value::Value;

use super::said;
use super::words::Words;
use crate::domain::checksum::Checksum;
use crate::domain::file::Version;
use crate::domain::moment::{Moment, Span};

/// What is told of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The name under which it is saved.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// Of its bytes, where they were read.
    pub checksum: Option<Checksum>,
}

impl Shown {
    /// As templates know it.
    pub(super) fn value(&self, words: &Words, now: Moment) -> Value {
        context! {
            name => &self.name,
            size => said::size(words, self.version.size),
            bytes => self.version.size,
            kind => said::kind(words, &self.version.media_type),
            media_type => &self.version.media_type,
            changed => said::moment(words, self.version.modified, now),
            sha256 => self.checksum.map(|checksum| checksum.to_string()),
        }
    }
}

/// How many downloads there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Without a limit.
    Unlimited,
    /// So many are left.
    Of {
        /// Left.
        left: u32,
        /// In all.
        most: u32,
    },
}

impl Left {
    /// In words: `4 of 5`.
    pub(super) fn said(self, words: &Words) -> String {
        match self {
            Self::Unlimited => words.text("landing.left_unlimited").to_owned(),
            Self::Of { left, most } => words.fill("landing.left_of", &[("left", &left.to_string()), ("most", &most.to_string())]),
        }
    }
}

/// What the page of a link tells. It does not print: its URL is a secret.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Landing {
    /// The file.
    pub file: Shown,
    /// How many downloads are left.
    pub left: Left,
    /// From when on nothing begins; `None` is never.
    pub ends: Option<Moment>,
    /// Whether a download of theirs is open, with which the button goes on.
    pub mine: bool,
    /// Whether it counts when it has arrived; else when it starts.
    pub is_measured: bool,
    /// Whether the web server will ask for a name and a password.
    pub login: bool,
    /// The whole URL of the link, a secret of the customer's own, where that alone opens it.
    pub url: Option<String>,
    /// The path of the page of the whole order, where there is one.
    pub all: Option<String>,
    /// What the shop tells beside the file: text of some lines each.
    pub notes: Vec<String>,
    /// When this is told.
    pub now: Moment,
}

impl Landing {
    /// Of a file, with nothing else to tell than how many are left and until when.
    pub const fn new(file: Shown, left: Left, ends: Option<Moment>, url: Option<String>, now: Moment) -> Self {
        Self { file, left, ends, mine: false, is_measured: true, login: false, url, all: None, notes: Vec::new(), now }
    }

    /// As templates know it.
    pub(super) fn value(&self, words: &Words) -> Value {
        context! {
            sentence => &self.file.name,
            file => self.file.value(words, self.now),
            left => self.left.said(words),
            ends => self.ends.map(|ends| said::moment(words, ends, self.now)),
            mine => self.mine,
            is_measured => self.is_measured,
            login => self.login,
            command => self.url.as_deref().map(command),
            all => self.all.as_deref(),
            notes => &self.notes,
        }
    }
}

/// What goes on with a download on a command line. Of a URL nothing means anything to a shell but `'`, which none has.
pub(super) fn command(url: &str) -> String {
    format!("curl -C - -OL '{}'", url.replace('\'', "%27"))
}

/// Every shape that a template can meet, to try it on.
pub(super) fn samples() -> Vec<Landing> {
    let url = "https://shop.example/dl/l/EQ0AAQIDBAUGBwgJCgtRlKx0dN6a6pvUxLWuaJzY/The%20Book.zip".to_owned();
    let url = Some(url);
    let now = Moment::from_seconds(1_795_010_700);
    let one =
        Landing::new(sample_file(Some(Checksum::new([7; 32]))), Left::Of { left: 4, most: 5 }, Some(now + Span::from_days(29)), url, now);
    let other = Landing {
        file: Shown { name: "<b>\"Ünï\" & 'co'.zip".to_owned(), ..sample_file(None) },
        left: Left::Unlimited,
        ends: None,
        mine: true,
        is_measured: false,
        login: true,
        url: None,
        all: Some("/dl/o/EQ0AAQIDBAUGBwgJCgtRlKx0dN6a6pvUxLWuaJzY".to_owned()),
        notes: vec!["Licence: for <one> person & one desk.".to_owned(), "Serial number\n7F3K-22AB".to_owned()],
        ..one.clone()
    };
    vec![one, other]
}

/// A file to try templates on.
pub(super) fn sample_file(checksum: Option<Checksum>) -> Shown {
    let modified = Moment::from_seconds(1_790_000_000);
    let version = Version { size: 48_123_456, modified, etag: "\"1\"".to_owned(), media_type: "application/zip".to_owned() };
    Shown { name: "The Book.zip".to_owned(), version, checksum }
}

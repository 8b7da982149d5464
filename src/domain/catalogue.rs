//! What a shop sells: files with ids that stay and versions that follow each other, and products that hold them.

use super::checksum::Checksum;
use super::file::{FileRef, Version};
use super::file_name::{clean, with_extension_of};
use super::id::{FileId, VersionId};
use super::locator::Locator;
use super::moment::Moment;
use super::note::Note;
use super::order::{Options, Sku};

/// A file as customers know it. Its id stays whatever becomes of its name and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its id.
    pub id: FileId,
    /// Under which name people see it.
    pub name: String,
    /// In which folder of the catalogue it is, parts by `/`; empty is at the top.
    pub folder: String,
    /// The version that is delivered now.
    pub current: Release,
    /// Those before it, the oldest first; at most [`File::VERSIONS_MAX`].
    pub before: Vec<Release>,
    /// Where versions of it lay before they were moved, the oldest first; at most [`File::MOVES_MAX`].
    pub moved_from: Vec<FileRef>,
    /// When it was added.
    pub added: Moment,
    /// Since when the master of the current version is not found; `None` where it is, or was never looked for.
    pub missing: Option<Moment>,
}

/// One version of a file: these bytes. What is known of them is added, and never changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Its id.
    pub id: VersionId,
    /// Where it lies.
    pub at: Locator,
    /// Its size in bytes, where that is known.
    pub size: Option<u64>,
    /// When its master was changed last; `None` of what lies elsewhere.
    pub modified: Option<Moment>,
    /// What its bytes are, once they were read.
    pub checksum: Option<Checksum>,
    /// Media type, ASCII.
    pub media_type: String,
    /// From when on it was the current one.
    pub released: Moment,
}

/// What became of the master of a file, as it was seen when it was last looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is there, and its bytes are known.
    Ok,
    /// It is there, and its bytes are not known yet.
    Hashing,
    /// It is there, and is another than the current version: it is looked at anew.
    Changed,
    /// It is not there.
    Missing,
    /// It lies elsewhere: nothing delivers it yet.
    Remote,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Ok, Self::Hashing, Self::Changed, Self::Missing, Self::Remote];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Hashing => "hashing",
            Self::Changed => "changed",
            Self::Missing => "missing",
            Self::Remote => "remote",
        }
    }
}

impl Release {
    /// The version that a master is now, of whose bytes nothing is known yet.
    pub fn of_master(id: VersionId, at: FileRef, version: &Version, released: Moment) -> Self {
        Self {
            id,
            at: Locator::Here(at),
            size: Some(version.size),
            modified: Some(version.modified),
            checksum: None,
            media_type: version.media_type.clone(),
            released,
        }
    }

    /// Whether nothing was ever known of its bytes: it was added while its master was not there, and what comes is it.
    pub const fn is_awaited(&self) -> bool {
        self.size.is_none() && self.checksum.is_none()
    }

    /// Whether a master that was just looked at is this version, as far as size and time of change tell.
    pub fn is(&self, version: &Version) -> bool {
        (self.size, self.modified) == (Some(version.size), Some(version.modified))
    }
}

impl File {
    /// More versions than this are not remembered: of those before the current one the oldest goes first.
    pub const VERSIONS_MAX: usize = 100;

    /// More places than this are not remembered.
    pub const MOVES_MAX: usize = 100;

    /// The master of the current version, where it is one.
    pub const fn here(&self) -> Option<&FileRef> {
        self.current.at.here()
    }

    /// Where the master of the current version is waited for, if it [is](Release::is_awaited).
    pub fn awaited_at(&self) -> Option<&FileRef> {
        self.here().filter(|_| self.current.is_awaited())
    }

    /// Every version, the oldest first.
    pub fn versions(&self) -> impl DoubleEndedIterator<Item = &Release> {
        self.before.iter().chain([&self.current])
    }

    /// The version that was current at that moment: what a grant bought that was made then. Before the first one it is the
    /// first that is known.
    pub fn version_at(&self, moment: Moment) -> &Release {
        let bought = self.versions().rev().find(|version| version.released <= moment);
        bought.or_else(|| self.before.first()).unwrap_or(&self.current)
    }

    /// Where a version that was delivered lay, by the versions that are known; of several with its size and time at `told`, if
    /// one of them was there, else the last. `None` where it is none of them, or lies elsewhere.
    pub fn lay(&self, version: &Version, told: &FileRef) -> Option<&FileRef> {
        let mut found = self.versions().rev().filter(|release| release.is(version)).filter_map(|release| release.at.here()).peekable();
        let last = found.peek().copied();
        found.find(|at| *at == told).or(last)
    }

    /// Whether a master at `at` that was just looked at has the bytes of `bought`: by size and time, or since it is a version
    /// whose bytes were read and are the same, as after a restore that gave it another time.
    pub fn has_bytes_of(&self, bought: &Release, at: &FileRef, seen: &Version) -> bool {
        let is_same = |known: &Release| known.checksum.is_some() && known.checksum == bought.checksum;
        bought.is(seen) || self.versions().any(|known| known.at.here() == Some(at) && known.is(seen) && is_same(known))
    }

    /// Every place where a version of it lies or lay.
    pub fn places(&self) -> impl Iterator<Item = &FileRef> {
        self.versions().filter_map(|version| version.at.here()).chain(&self.moved_from)
    }

    /// Under which name customers save what lies at `at`: that which people see, if somebody gave it one; what was called as its
    /// master when it was added is called as its master is now.
    pub fn saved_as(&self, at: &FileRef) -> String {
        let lies = at.path.file_name();
        let is_given = self.places().all(|place| place.path.file_name() != self.name);
        if is_given { clean(&with_extension_of(&self.name, lies)) } else { lies.to_owned() }
    }

    /// The bytes of its current version lie elsewhere: `there` says where, and what is known of them.
    pub fn moved(&mut self, there: Release) {
        let now = Release { id: self.current.id, released: self.current.released, ..there };
        let before = std::mem::replace(&mut self.current, now);
        if let Locator::Here(from) = before.at
            && !self.places().any(|place| *place == from)
        {
            self.moved_from.push(from);
            let over = self.moved_from.len().saturating_sub(Self::MOVES_MAX);
            self.moved_from.drain(..over);
        }
        self.missing = None;
    }

    /// Puts `release` in the place of the current version. Versions follow each other in time, whatever the clock says.
    pub fn release(&mut self, release: Release) {
        let released = release.released.max(self.current.released);
        let before = std::mem::replace(&mut self.current, Release { released, ..release });
        self.before.push(before);
        let over = self.before.len().saturating_sub(Self::VERSIONS_MAX);
        self.before.drain(..over);
        self.missing = None;
    }

    /// What its master is, as `seen`: its version, or that there is none.
    pub fn state(&self, seen: Option<&Version>) -> State {
        match (self.here(), seen) {
            (None, _) => State::Remote,
            (Some(_), None) => State::Missing,
            (Some(_), Some(seen)) if !self.current.is(seen) => State::Changed,
            (Some(_), Some(_)) if self.current.checksum.is_none() => State::Hashing,
            (Some(_), Some(_)) => State::Ok,
        }
    }
}

/// How many grants a line of an order makes of each file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Units {
    /// One, whatever its quantity.
    #[default]
    PerLine,
    /// One for each that was ordered.
    PerUnit,
}

impl Units {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::PerLine => "per_line",
            Self::PerUnit => "per_unit",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::PerLine, Self::PerUnit].into_iter().find(|units| units.word() == word)
    }

    /// The units of a line of this quantity: from 1 to this.
    pub const fn of(self, quantity: u32) -> u32 {
        match self {
            Self::PerLine if quantity > 0 => 1,
            Self::PerLine | Self::PerUnit => quantity,
        }
    }
}

/// What is sold under one SKU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Its SKU.
    pub sku: Sku,
    /// Its name; may be empty.
    pub name: String,
    /// The name of the policy whose limits its grants get; `None` is `default`.
    pub policy: Option<String>,
    /// How many grants a line makes.
    pub units: Units,
    /// What all who bought it are told beside its files: its licence.
    pub note: Note,
    /// Its files, in order.
    pub files: Vec<Attachment>,
}

/// A file of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The file.
    pub file: FileId,
    /// What the customer must have chosen to get it; empty is anything.
    pub options: Options,
}

impl Product {
    /// More files than this are sold in an archive.
    pub const FILES_MAX: usize = 200;

    /// The files of a line with these options, in order, each once.
    pub fn files_of(&self, chosen: &Options) -> Vec<FileId> {
        let mut files = Vec::new();
        for Attachment { file, options } in &self.files {
            let is_chosen = options.iter().all(|(option, value)| chosen.get(option) == Some(value));
            if is_chosen && !files.contains(file) {
                files.push(*file);
            }
        }
        files
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::file::StorageName;
    use crate::domain::path::FilePath;

    fn seen(size: u64) -> Version {
        Version { size, modified: Moment::from_seconds(size), etag: String::new(), media_type: "a/b".to_owned() }
    }

    fn version(number: u8, size: u64, released: u64) -> Release {
        let storage = StorageName::parse("masters").expect("a name");
        let at = FileRef { storage, path: FilePath::parse(&format!("a-{number}.zip")).expect("a path") };
        Release::of_master(VersionId::new([number; 12]), at, &seen(size), Moment::from_seconds(released))
    }

    fn file(current: Release) -> File {
        let (id, added) = (FileId::new([1; 12]), current.released);
        File { id, name: "a".into(), folder: String::new(), current, before: Vec::new(), moved_from: Vec::new(), added, missing: None }
    }

    #[test]
    fn what_was_bought_is_the_version_of_that_moment() {
        let mut file = file(version(1, 10, 100));
        file.release(version(2, 20, 200));
        // A clock that was set back.
        file.release(version(3, 30, 150));
        assert_eq!(file.versions().map(|version| version.released.seconds()).collect::<Vec<_>>(), [100, 200, 200]);
        for (moment, number) in [(0, 1), (99, 1), (100, 1), (199, 1), (200, 3), (999, 3)] {
            assert_eq!(file.version_at(Moment::from_seconds(moment)).id, VersionId::new([number; 12]), "{moment}");
        }
        for number in 0..120_u8 {
            file.release(version(number, 1, 300));
        }
        assert_eq!(file.before.len(), File::VERSIONS_MAX);
        assert_eq!(file.version_at(Moment::EPOCH).id, VersionId::new([19; 12]), "the oldest that is known");
    }

    #[test]
    fn a_file_is_known_by_each_place_that_it_ever_lay_in() {
        let mut file = file(version(1, 10, 100));
        let place = |number: u8| version(number, 1, 1).at.here().cloned().expect("a master");
        file.moved(version(2, 10, 900));
        file.release(version(3, 30, 200));
        file.moved(version(4, 30, 900));
        file.moved(version(3, 30, 900));
        file.moved(version(4, 30, 900));
        let known: Vec<FileRef> = file.places().cloned().collect();
        assert_eq!(known, [place(2), place(4), place(1), place(3), place(4)]);
        assert_eq!(file.versions().map(|version| version.released.seconds()).collect::<Vec<_>>(), [100, 200], "the same versions");
        for number in 5..=255 {
            file.moved(version(number, 1, 900));
        }
        assert!(file.moved_from.len() == File::MOVES_MAX && file.places().any(|at| *at == place(254)));
    }

    #[test]
    fn where_a_version_lay_is_told_by_its_size_and_time() {
        let place = |number: u8| version(number, 1, 0).at.here().cloned().expect("a master");
        let mut file = file(version(1, 10, 100));
        file.release(version(2, 20, 200));
        file.release(Release { at: version(3, 1, 0).at, ..version(4, 10, 300) });
        file.release(Release { at: "https://h.example/c.zip:40".parse().expect("a place"), ..version(5, 40, 400) });
        for (size, told, lay) in [
            (20, 9, Some(place(2))),
            (10, 9, Some(place(3))),
            (10, 1, Some(place(1))),
            (10, 3, Some(place(3))),
            (30, 1, None),
            (40, 1, None),
        ] {
            assert_eq!(file.lay(&seen(size), &place(told)), lay.as_ref(), "{size} {told}");
        }
    }

    #[test]
    fn bytes_that_come_back_at_another_time_are_those_that_were_bought_once_they_were_read() {
        let place = |release: &Release| release.at.here().cloned().expect("a master");
        let sum = |byte: u8| Some(Checksum::new([byte; 32]));
        let mut file = file(Release { checksum: sum(1), ..version(1, 10, 100) });
        let (bought, at) = (file.current.clone(), place(&file.current));
        file.release(Release { checksum: sum(2), at: bought.at.clone(), ..version(2, 20, 200) });
        let restored = Version { modified: Moment::from_seconds(300), ..seen(10) };
        let again = Release::of_master(VersionId::new([3; 12]), at.clone(), &restored, Moment::from_seconds(300));
        let unread = |file: &File| file.has_bytes_of(&bought, &at, &restored);
        assert!(file.has_bytes_of(&bought, &at, &seen(10)) && !file.has_bytes_of(&bought, &at, &seen(20)) && !unread(&file));
        file.release(again);
        assert!(!unread(&file), "its bytes are not known yet");
        for (checksum, is_same) in [(sum(3), false), (sum(1), true)] {
            file.current.checksum = checksum;
            assert_eq!(unread(&file), is_same, "{checksum:?}");
        }
        assert!(!file.has_bytes_of(&bought, &place(&version(9, 1, 1)), &restored), "elsewhere");
        let unknown = Release { checksum: None, ..bought.clone() };
        file.current.checksum = None;
        assert!(!file.has_bytes_of(&unknown, &at, &restored), "two that were not read are not the same");
    }

    #[test]
    fn a_master_that_is_another_or_gone_is_told_from_one_that_was_not_read_yet() {
        let mut file = file(version(1, 10, 100));
        for (seen, state) in [(Some(seen(10)), State::Hashing), (Some(seen(11)), State::Changed), (None, State::Missing)] {
            assert_eq!(file.state(seen.as_ref()), state);
        }
        file.current.checksum = Some(Checksum::new([7; 32]));
        assert_eq!(file.state(Some(&seen(10))), State::Ok);
        file.current.at = "https://h.example/a.zip".parse().expect("a locator");
        assert_eq!((file.state(None), file.here()), (State::Remote, None));
        assert_eq!(State::ALL.map(State::word).join(" "), "ok hashing changed missing remote");
    }

    #[test]
    fn a_line_gets_what_fits_its_options_in_order_and_once() {
        let options = |pairs: &[(&str, &str)]| -> Options { pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect() };
        let attach = |file: u8, pairs: &[(&str, &str)]| Attachment { file: FileId::new([file; 12]), options: options(pairs) };
        let product = Product {
            sku: "set".parse().expect("a sku"),
            name: String::new(),
            policy: None,
            units: Units::PerLine,
            note: Note::default(),
            files: vec![
                attach(3, &[]),
                attach(1, &[("format", "pdf")]),
                attach(2, &[("format", "epub")]),
                attach(4, &[("format", "pdf"), ("size", "large")]),
                attach(3, &[("format", "pdf")]),
            ],
        };
        for (chosen, files) in [
            (vec![], vec![3]),
            (vec![("format", "pdf")], vec![3, 1]),
            (vec![("format", "epub"), ("size", "large")], vec![3, 2]),
            (vec![("format", "pdf"), ("size", "large"), ("gift", "yes")], vec![3, 1, 4]),
            (vec![("Format", "pdf")], vec![3]),
        ] {
            let found: Vec<u8> = product.files_of(&options(&chosen)).iter().map(|file| file.bits()[0]).collect();
            assert_eq!(found, files, "{chosen:?}");
        }
    }

    #[test]
    fn units_follow_the_quantity_where_they_are_sold_one_by_one() {
        for (units, quantity, most) in [(Units::PerLine, 0, 0), (Units::PerLine, 7, 1), (Units::PerUnit, 0, 0), (Units::PerUnit, 7, 7)] {
            assert_eq!(units.of(quantity), most, "{units:?} {quantity}");
            assert_eq!(Units::parse(units.word()), Some(units));
        }
        assert_eq!(Units::parse("per unit"), None);
    }
}

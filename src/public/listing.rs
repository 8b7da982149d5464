//! What lies in a public directory, by name: what may be ours, and what cannot be. Of others there may be a million names:
//! they are counted where they are read, and few of them are kept.

use std::collections::{BTreeSet, HashSet};
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::Dir;
use rustix::io::Errno;

use super::directory::{ASIDE, PublicDirectory, look};
use crate::domain::placed::Placed;

/// The names in a public directory.
#[derive(Debug, Default)]
pub struct Listing {
    /// Those that have the form of ours; whose they are only the store knows.
    pub ours: HashSet<String>,
    /// The others.
    pub others: Others,
}

/// Names that are not ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Others {
    /// Those that were asked for.
    pub known: BTreeSet<OsString>,
    /// The first of the rest, by name.
    pub first: BTreeSet<OsString>,
    /// How many there are in all.
    pub total: usize,
}

impl Others {
    /// Adds `name`. Those of `asked` are known; of the rest the first `most` are kept.
    pub fn add(&mut self, name: &OsStr, asked: &BTreeSet<OsString>, most: usize) {
        self.total += 1;
        if asked.contains(name) {
            self.known.insert(name.to_owned());
        } else if self.first.len() < most || self.first.last().is_some_and(|last| name < last.as_os_str()) {
            self.first.insert(name.to_owned());
            if self.first.len() > most {
                self.first.pop_last();
            }
        }
    }
}

impl Listing {
    /// Adds `name`, as [`Others::add`] does where it has not the form of ours.
    pub fn add(&mut self, name: &OsStr, asked: &BTreeSet<OsString>, most: usize) {
        match name.to_str().filter(|name| Placed::name_in(name).is_some()) {
            Some(ours) => drop(self.ours.insert(ours.to_owned())),
            None => self.others.add(name, asked, most),
        }
    }
}

/// The names in a public directory, while they are read.
#[derive(Debug)]
pub struct Names {
    entries: Dir,
}

impl Names {
    /// Adds further names to `listing`, as [`Listing::add`] does: all that are left, which gives `true`, or until it has
    /// `ours` that have the form of ours. Those for which `is_expected` holds are not told.
    pub fn read(
        &mut self,
        listing: &mut Listing,
        ours: usize,
        is_expected: impl Fn(&OsStr) -> bool,
        asked: &BTreeSet<OsString>,
        most: usize,
    ) -> Result<bool, Errno> {
        while listing.ours.len() < ours {
            let Some(entry) = self.entries.next().transpose()? else { return Ok(true) };
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if ![".", "..", ASIDE].iter().any(|skipped| name == *skipped) && !is_expected(name) {
                listing.add(name, asked, most);
            }
        }
        Ok(false)
    }
}

impl PublicDirectory {
    /// The names in the directory, to be read, without the one for what is half made.
    pub fn names(&self) -> Result<Names, Errno> {
        Ok(Names { entries: Dir::read_from(&self.root)? })
    }

    /// Whether anything lies there under `name`, whoever's; what cannot be looked at lies there.
    pub fn has(&self, name: &OsStr) -> bool {
        look(&self.root, name).map_or(true, |stat| stat.is_some())
    }
}

/// `name` as text: each byte that is no UTF-8 as `\xff`.
pub fn shown(name: &OsStr) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.as_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::placed::PlacedName;

    #[test]
    fn of_a_million_names_the_first_are_kept_and_all_are_counted() {
        let name = PlacedName::new([1; 16]);
        let asked: BTreeSet<OsString> = ["000007", "away"].map(OsString::from).into();
        let mut listing = Listing::default();
        for number in (0..1_000_000).rev() {
            listing.add(OsStr::new(&format!("{number:06}")), &asked, 3);
        }
        for ours in [name.to_string(), format!("a-{name}.zip")] {
            listing.add(OsStr::new(&ours), &asked, 3);
            assert!(listing.ours.contains(&ours));
        }
        assert_eq!((listing.others.total, listing.ours.len()), (1_000_000, 2));
        assert_eq!(listing.others.known, ["000007"].map(OsString::from).into());
        assert_eq!(listing.others.first, ["000000", "000001", "000002"].map(OsString::from).into());
    }

    #[test]
    fn a_name_that_is_no_utf_8_is_told_with_its_bytes() {
        for (name, told) in [
            (&b"a.zip"[..], "a.zip"),
            ("Grüße".as_bytes(), "Grüße"),
            (b"Gr\xfc\xdfe", "Gr\\xfc\\xdfe"),
            (b"\xff", "\\xff"),
            (b"a\xe2\x82", "a\\xe2\\x82"),
        ] {
            assert_eq!(shown(OsStr::from_bytes(name)), told);
        }
    }
}

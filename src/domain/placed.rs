//! What lies in a public directory because Cloakroom put it there.
//!
//! A row is written before the file is made, and says that it is gone after the file is: a crash between any two steps
//! leaves a row to look at, never a file that nobody knows.

use std::fmt;
use std::str::FromStr;

use super::checksum::Checksum;
use super::file::{FileRef, Version};
use super::id::{DeliveryId, GrantId, base32};
use super::moment::Moment;
use super::path::percent_encode;
use super::section_name::section_name;

section_name! {
    /// The name of a public directory.
    DirectoryName
}

/// 128 random bits in base32: the part of a name in public that nobody guesses. Never used twice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlacedName(String);

impl PlacedName {
    /// Random bytes in a name.
    pub const BYTES: usize = 16;

    /// Letters and digits in a name.
    pub const LETTERS: usize = 26;

    /// The name made of these bits, which must be random.
    pub fn new(bits: [u8; Self::BYTES]) -> Self {
        Self(base32(&bits))
    }

    /// As it stands in paths.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PlacedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no [`PlacedName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAName;

impl FromStr for PlacedName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let known = |byte: u8| byte.is_ascii_digit() || (byte.is_ascii_lowercase() && !b"ilou".contains(&byte));
        let good = text.len() == Self::LETTERS && text.bytes().all(known);
        good.then(|| Self(text.to_owned())).ok_or(NotAName)
    }
}

/// What was placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A directory with one symbolic link to the master, for one delivery: `<name>/<leaf>`.
    Stub(DeliveryId),
    /// A file with the master's bytes, for one grant: `<stem>-<name>.<extension>`.
    Copy(CopyState),
}

/// What is known of a copy besides its row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopyState {
    /// What was made last; `None` while it is made for the first time.
    pub made: Option<Made>,
    /// Since when its grant is over, where that was seen: what begins later keeps it no longer.
    pub over: Option<Moment>,
}

/// A copy as it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// How.
    pub how: How,
    /// Its inode, by which a hard link is known again.
    pub inode: u64,
    /// The version of the master whose bytes it has.
    pub version: Version,
    /// Of its bytes, which were compared with the master's one by one. `None` where it shares the master's blocks, or is the
    /// master itself: there is nothing that could differ.
    pub checksum: Option<Checksum>,
}

/// How a copy was made, the cheapest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It shares its blocks with the master until one of them is written.
    Reflink,
    /// It is another name of the master.
    HardLink,
    /// Every byte was copied.
    Copied,
    /// It was there when nobody remembered any more how it was made: the process had ended in between.
    Found,
}

impl How {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Reflink, Self::HardLink, Self::Copied, Self::Found];

    /// The word of log, API and store.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Reflink => "reflink",
            Self::HardLink => "hard-link",
            Self::Copied => "copied",
            Self::Found => "found",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|how| how.word() == word)
    }
}

impl What {
    /// The delivery that it is for, if it is for one alone.
    pub const fn delivery(&self) -> Option<DeliveryId> {
        match self {
            Self::Stub(delivery) => Some(*delivery),
            Self::Copy(_) => None,
        }
    }
}

/// A stub that is to be made where none is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewStub {
    /// Its name: fresh random bits.
    pub name: PlacedName,
    /// The public directory.
    pub directory: DirectoryName,
    /// The file's name as the customer sees it.
    pub leaf: String,
}

/// A copy that is to be made where a grant has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCopy {
    /// Its name: fresh random bits.
    pub name: PlacedName,
    /// The public directory.
    pub directory: DirectoryName,
    /// The file's name as the customer sees it.
    pub leaf: String,
}

impl NewCopy {
    /// Its row for `grant`, which is for `file`, at `now`.
    pub fn row(self, grant: GrantId, file: FileRef, now: Moment) -> Placed {
        let Self { name, directory, leaf } = self;
        let what = What::Copy(CopyState::default());
        Placed { name, directory, what, grant, file, leaf, placed: now, due: now, stay: Stay::Preparing }
    }
}

/// Where a placed thing stands. From one to the next, and never back, but for a copy that others took away: it is made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stay {
    /// A copy that is not there yet: it is being made, or is tried again when it is due.
    Preparing,
    /// It is there; a stub may be on its way there.
    Live,
    /// It is being taken away; nobody is sent there any more.
    Going,
    /// It was gone at this moment.
    Gone(Moment),
}

/// One thing in a public directory, or one that was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The unguessable part of its name.
    pub name: PlacedName,
    /// The public directory.
    pub directory: DirectoryName,
    /// What it is.
    pub what: What,
    /// The grant that it is for.
    pub grant: GrantId,
    /// The master.
    pub file: FileRef,
    /// The file's name as the customer sees it.
    pub leaf: String,
    /// When its row was written.
    pub placed: Moment,
    /// When it is to be looked at next: not later than it is to go. Of what is gone, [`Moment::EPOCH`].
    pub due: Moment,
    /// Whether it is still there.
    pub stay: Stay,
}

impl Placed {
    /// The same, gone at `now`; what was gone before is as it was.
    #[must_use]
    pub fn gone(self, now: Moment) -> Self {
        match self.stay {
            Stay::Gone(_) => self,
            Stay::Preparing | Stay::Live | Stay::Going => Self { stay: Stay::Gone(now), due: Moment::EPOCH, ..self },
        }
    }

    /// Its path in the public directory, decoded.
    pub fn path(&self) -> String {
        match self.what {
            What::Stub(_) => format!("{}/{}", self.name, self.leaf),
            What::Copy(_) => copy_name(&self.leaf, &self.name),
        }
    }

    /// The same as part of a URL.
    pub fn encoded(&self) -> String {
        percent_encode(&self.path(), b"/")
    }

    /// Its name in the public directory itself: the first part of its path.
    pub fn entry(&self) -> String {
        let mut path = self.path();
        path.truncate(path.find('/').unwrap_or(path.len()));
        path
    }

    /// The name in `path` in a public directory, if one can stand there: that of a stub is its first part, that of a copy
    /// stands before the extension of the only one.
    pub fn name_in(path: &str) -> Option<PlacedName> {
        let first = path.split('/').next()?;
        first.parse().ok().or_else(|| {
            let stem = split(path).0;
            let (_, name) = stem.split_at_checked(stem.len().checked_sub(PlacedName::LETTERS + 1)?)?;
            if path.contains('/') { None } else { name.strip_prefix('-')?.parse().ok() }
        })
    }
}

/// The longest name that Linux takes, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// A longer one says no type.
const EXTENSION_BYTES_MAX: usize = 16;

/// The name of a copy: `<stem>-<name>.<extension>`, so that web servers and people see its type. A stem that is too long
/// loses its end.
fn copy_name(leaf: &str, name: &PlacedName) -> String {
    let (stem, extension) = split(leaf);
    let room = NAME_BYTES_MAX.saturating_sub(PlacedName::LETTERS + 1 + extension.len());
    let end = (0..=stem.len().min(room)).rev().find(|end| stem.is_char_boundary(*end)).unwrap_or(0);
    format!("{}-{name}{extension}", stem.get(..end).unwrap_or_default())
}

/// A file's name in front of its extension, and the extension with its dot: ASCII letters and digits, and the `.tar` before
/// them. Where there is none, it is empty.
fn split(name: &str) -> (&str, &str) {
    let plain = |part: &str| (1..=EXTENSION_BYTES_MAX).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let Some((stem, _)) = name.rsplit_once('.').filter(|(stem, last)| !stem.is_empty() && plain(last)) else { return (name, "") };
    let stem = stem.strip_suffix(".tar").filter(|stem| !stem.is_empty()).unwrap_or(stem);
    name.split_at_checked(stem.len()).unwrap_or((name, ""))
}

/// `name` as a file may be called in public: see [`is_leaf`]. A leading dot would hide it, or make it a web server's
/// configuration.
pub fn leaf(name: &str) -> String {
    let mut kept: String = name.chars().map(|char| if is_harmful(char) { '_' } else { char }).collect();
    if kept.is_empty() || kept.starts_with('.') {
        kept.replace_range(..kept.len().min(1), "_");
    }
    kept.truncate(kept.floor_char_boundary(NAME_BYTES_MAX));
    kept
}

/// Whether a file in public can be called so: one name, never a way out of its directory.
pub fn is_leaf(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('.') && text.len() <= NAME_BYTES_MAX && !text.chars().any(is_harmful)
}

/// What no name may have.
fn is_harmful(char: char) -> bool {
    char == '/' || char.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_26_letters_that_can_be_told_apart() {
        let name = PlacedName::new([7; 16]);
        assert_eq!(name.as_str().len(), PlacedName::LETTERS);
        assert_eq!(name.as_str().parse(), Ok(name.clone()));
        for bad in [
            "",
            "x",
            &name.as_str()[1..],
            &name.as_str().to_uppercase(),
            &name.as_str().replacen('0', "o", 1),
            "../../../../../etc/passwd01",
        ] {
            assert_eq!(bad.parse::<PlacedName>(), Err(NotAName), "{bad}");
        }
        assert_eq!(Placed::name_in(&format!("{name}/a.zip")), Some(name.clone()));
        for none in ["", "a.zip", "/a.zip", &format!("x{name}/a.zip")] {
            assert_eq!(Placed::name_in(none), None, "{none}");
        }
    }

    #[test]
    fn the_name_of_a_copy_stands_before_its_extension_and_is_found_again() {
        let name = PlacedName::new([7; 16]);
        let long = "ü".repeat(120);
        let cut = |letters: usize| "ü".repeat(letters);
        for (leaf, stem, extension) in [
            ("a.zip", "a", ".zip"),
            ("Grüße & Küsse.pdf", "Grüße & Küsse", ".pdf"),
            ("set.v1.2.zip", "set.v1.2", ".zip"),
            ("backup.tar.gz", "backup", ".tar.gz"),
            ("x.tar", "x", ".tar"),
            ("_.tar.gz", "_", ".tar.gz"),
            ("README", "README", ""),
            ("a.", "a.", ""),
            ("a. b", "a. b", ""),
            ("a.b-c", "a.b-c", ""),
            ("a.Ünicode", "a.Ünicode", ""),
            ("_htaccess", "_htaccess", ""),
            ("a.abcdefghijklmnop", "a", ".abcdefghijklmnop"),
            ("a.abcdefghijklmnopq", "a.abcdefghijklmnopq", ""),
            // What looks like a name already.
            (&format!("a-{name}.zip"), &format!("a-{name}"), ".zip"),
            (&format!("a.b-{name}"), &format!("a.b-{name}"), ""),
            (name.as_str(), name.as_str(), ""),
            // 255 bytes: 228 are left, of which an odd one is no letter.
            (&long, &cut(114), ""),
            (&format!("{long}.zip"), &cut(112), ".zip"),
            (&format!("a{long}.zip"), &format!("a{}", cut(111)), ".zip"),
        ] {
            let copy = copy_name(leaf, &name);
            assert_eq!(copy, format!("{stem}-{name}{extension}"), "{leaf}");
            assert!(copy.len() <= NAME_BYTES_MAX, "{leaf}");
            assert_eq!(Placed::name_in(&copy), Some(name.clone()), "{leaf}");
            assert_eq!(Placed::name_in(&format!("{copy}/x")), None, "{leaf}");
        }
        for none in ["", "-", ".", ".zip", "a-.zip", &format!("a{name}.zip"), &format!("a-{name}0.zip"), &format!("a-{name}.z-p")] {
            assert_eq!(Placed::name_in(none), None, "{none}");
        }
    }

    #[test]
    fn how_a_copy_was_made_reads_back() {
        for &how in How::ALL {
            assert_eq!(How::parse(how.word()), Some(how));
        }
        assert_eq!((How::ALL.len(), How::parse("magic")), (4, None));
    }

    #[test]
    fn no_name_in_public_begins_with_a_dot() {
        for (name, seen) in [("a.zip", "a.zip"), (".htaccess", "_htaccess"), ("..", "_."), ("Grüße & Küsse.zip", "Grüße & Küsse.zip")]
        {
            assert_eq!(leaf(name), seen);
        }
    }

    #[test]
    fn every_name_in_public_is_one_name_that_leads_nowhere_else() {
        let (long, longer) = ("x".repeat(255), "ü".repeat(200));
        for good in ["a.zip", "Grüße & Küsse.zip", "a..b", "-", "a\\b", long.as_str()] {
            assert!(is_leaf(good), "{good:?}");
            assert_eq!(leaf(good), good);
        }
        let bad = ["", ".", "..", ".htaccess", "/", "a/b", "../../x", "/etc/passwd", "a/..", "a\0b", "a\nb", "a\u{85}b", longer.as_str()];
        for bad in bad {
            assert!(!is_leaf(bad), "{bad:?}");
            assert!(is_leaf(&leaf(bad)), "{bad:?}");
        }
        assert_eq!(leaf(&longer), "ü".repeat(127));
    }
}

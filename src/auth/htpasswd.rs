//! A htpasswd file as read.

use std::collections::HashMap;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};

use crate::domain::authorization::PASSWORD_BYTES_MAX;
use crate::proof::htpasswd::file::{self, Line};
use crate::proof::htpasswd::hash::Hash;

/// No file is longer: it is read whole, by a thread that answers.
pub const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// No file has more names.
pub const ENTRIES_MAX: usize = 50_000;

/// So many faulty lines are told one by one; of more, how many there are.
const WARNINGS_MAX: usize = 20;

/// The names of a file and their hashes.
#[derive(Debug, Default)]
pub struct Htpasswd {
    entries: HashMap<Box<str>, Entry>,
    /// The dearest of all hashes; see [`Htpasswd::decoy`].
    dearest: Option<Hash>,
    /// The dearest of those that take every password.
    dearest_of_long: Option<Hash>,
    generation: [u8; 32],
}

/// What stands for a name; the first line of the name decides.
#[derive(Debug)]
pub struct Entry {
    /// Its line, counted from 1.
    pub line: usize,
    /// Its hash; `None` where the line is faulty: nobody logs in under its name.
    pub hash: Option<Hash>,
}

/// A line that is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// What was found and what would be right; nothing of a hash.
    pub wrong: String,
}

/// A file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The file.
    pub file: PathBuf,
    /// Why.
    pub wrong: String,
    /// What mends it, with the command to run, where there is one.
    pub remedy: Option<String>,
}

impl Unreadable {
    /// Something is wrong with the file at `path`.
    pub fn new(path: &Path, wrong: String) -> Self {
        Self { file: path.to_owned(), wrong, remedy: None }
    }

    /// The system does not let us read it.
    pub fn of_error(path: &Path, error: &io::Error) -> Self {
        let file = path.display();
        let remedy = match error.kind() {
            ErrorKind::NotFound => Some(format!("make it with `cloakroom htpasswd add {file} NAME`")),
            ErrorKind::PermissionDenied => Some(format!(
                "let the daemon's user read it with `setfacl -m u:cloakroom:r {file}`, or put that user into the group of the file"
            )),
            _ => None,
        };
        Self { remedy, ..Self::new(path, format!("cannot be read: {error}")) }
    }
}

impl Htpasswd {
    /// Reads the file at `path`. Faulty lines are skipped and told.
    pub fn load(path: &Path) -> Result<(Self, Vec<Warning>), Unreadable> {
        let bytes = bytes(path)?;
        Self::read(path, &bytes)
    }

    /// Reads these bytes of the file at `path`.
    pub fn read(path: &Path, bytes: &[u8]) -> Result<(Self, Vec<Warning>), Unreadable> {
        let (mut all, mut warnings, mut skipped) = (Self::default(), Vec::new(), 0_usize);
        all.generation = Sha256::digest(bytes).into();
        for (number, line) in (1..).zip(file::lines(bytes)) {
            let (user, hash, wrong) = match file::read(line) {
                Line::Nothing => continue,
                Line::Entry { user, hash } => (Some(user), Some(*hash), None),
                Line::Faulty { user, wrong } => (user, None, Some(wrong)),
            };
            let before = user.and_then(|user| all.entries.get(user)).map(|entry| entry.line);
            let wrong = before.map(|before| format!("this name stands on line {before} already, and the first counts")).or(wrong);
            if let Some(wrong) = wrong {
                skipped += 1;
                if warnings.len() < WARNINGS_MAX {
                    warnings.push(Warning { file: path.to_owned(), line: number, wrong });
                }
            }
            let (Some(user), None) = (user, before) else { continue };
            if all.entries.len() >= ENTRIES_MAX {
                return Err(Unreadable::new(path, format!("must have at most {ENTRIES_MAX} names")));
            }
            if let Some(hash) = &hash {
                dearer(&mut all.dearest, hash);
                if hash.takes(&[0; PASSWORD_BYTES_MAX]) {
                    dearer(&mut all.dearest_of_long, hash);
                }
            }
            all.entries.insert(user.into(), Entry { line: number, hash });
        }
        if skipped > warnings.len() {
            let rest = skipped - warnings.len();
            let more = if rest == 1 { "1 more line".to_owned() } else { format!("{rest} more lines") };
            let last = warnings.last().map_or(0, |warning| warning.line);
            warnings.push(Warning {
                file: path.to_owned(),
                line: last,
                wrong: format!("{more} below cannot be used: see `cloakroom htpasswd lint`"),
            });
        }
        Ok((all, warnings))
    }

    /// What stands for the name.
    pub fn entry(&self, user: &str) -> Option<&Entry> {
        self.entries.get(user)
    }

    /// The dearest hash of the file that takes the password, to compute for names that are unknown, and for a wrong password
    /// of a name whose own hash costs less: so that nobody tells by the time which names there are. `None` where no line
    /// takes it: then all names are alike.
    pub fn decoy(&self, password: &[u8]) -> Option<&Hash> {
        [&self.dearest, &self.dearest_of_long].into_iter().flatten().find(|hash| hash.takes(password))
    }

    /// What stands for the file as it reads: another for every other text.
    pub const fn generation(&self) -> &[u8; 32] {
        &self.generation
    }

    /// How many names can log in.
    pub fn users(&self) -> usize {
        self.entries.values().filter(|entry| entry.hash.is_some()).count()
    }
}

fn dearer(dearest: &mut Option<Hash>, hash: &Hash) {
    if dearest.as_ref().is_none_or(|dearest| dearest.work() < hash.work()) {
        *dearest = Some(hash.clone());
    }
}

/// The bytes of a file, if it is not too long.
pub fn bytes(path: &Path) -> Result<Vec<u8>, Unreadable> {
    let unreadable = |error: io::Error| Unreadable::of_error(path, &error);
    let mut bytes = Vec::new();
    // Whoever waits for the other end of a pipe waits for ever, and this is a thread that answers.
    let without_waiting = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(without_waiting).open(path).map_err(unreadable)?;
    if file.metadata().is_ok_and(|found| !found.is_file()) {
        return Err(Unreadable::new(path, "must be a file, and is a directory, a device or a pipe".to_owned()));
    }
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > FILE_BYTES_MAX) {
        return Err(Unreadable::new(path, format!("must have at most {} MiB", FILE_BYTES_MAX / 1024 / 1024)));
    }
    Ok(bytes)
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.wrong)
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.wrong)?;
        self.remedy.as_ref().map_or(Ok(()), |remedy| write!(f, "; {remedy}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof::htpasswd::make;
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let pipe = directory.path().join("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
        for path in [pipe.as_path(), directory.path(), Path::new("/dev/null")] {
            let unreadable = bytes(path).expect_err("no file");
            assert_eq!(unreadable.wrong, "must be a file, and is a directory, a device or a pipe", "{}", path.display());
        }
    }

    #[test]
    fn the_decoy_is_the_dearest_line_that_takes_the_password() {
        let bcrypt = make::hash(make::New::Bcrypt(4), b"secret", [3; 16]).expect("a hash");
        let (bcrypt, sha) = (bcrypt.as_str(), "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=");
        let read = |lines: &str| Htpasswd::read(Path::new("file"), lines.as_bytes()).expect("it reads").0;
        let (short, long) = ([b'a'; 72], [b'a'; 73]);
        for (lines, for_short, for_long) in [
            (String::new(), None, None),
            (format!("a:{bcrypt}\n"), Some(bcrypt), None),
            (format!("a:{sha}\n"), Some(sha), Some(sha)),
            (format!("a:{bcrypt}\nb:{sha}\n"), Some(bcrypt), Some(sha)),
            (format!("a:{sha}\nb:{bcrypt}\n"), Some(bcrypt), Some(sha)),
        ] {
            let file = read(&lines);
            assert_eq!(file.decoy(&short).map(Hash::text), for_short, "{lines}");
            assert_eq!(file.decoy(&long).map(Hash::text), for_long, "{lines}");
        }
        assert_eq!(read("a:b\n").generation(), read("a:b\n").generation());
        assert_ne!(read("a:b\n").generation(), read("a:b\n\n").generation());
    }
}

//! A file with one name more or less. Every other line stays byte for byte: comments, faulty lines, line ends.

use super::file::lines;
use crate::domain::authorization::USER_BYTES_MAX;

/// A name that a new line may have; the error says what would be right.
pub fn name(name: &str) -> Result<&str, String> {
    let is_good = !name.is_empty()
        && name.len() <= USER_BYTES_MAX
        && name.trim() == name
        && !name.starts_with(['#', '\u{feff}'])
        && !name.chars().any(|sign| sign.is_control() || sign == ':');
    if is_good {
        return Ok(name);
    }
    Err(format!("a name must have 1 to {USER_BYTES_MAX} bytes, no `:`, no control character, no blank around it, and not begin with `#`"))
}

/// What stands before the colon of a line, whatever follows.
pub(super) fn name_of(line: &[u8]) -> Option<&[u8]> {
    let line = line.trim_ascii();
    let colon = line.iter().position(|&byte| byte == b':')?;
    line.get(..colon).filter(|_| !line.starts_with(b"#"))
}

/// The file with `hash` for `user`: in the first line of that name, whose further fields stay, or in a new last line.
/// Gives the number of the line, and whether there was one.
pub fn put(bytes: &[u8], user: &str, hash: &str) -> (Vec<u8>, usize, Was) {
    let (mut new, mut found) = (Vec::with_capacity(bytes.len() + user.len() + hash.len() + 2), None);
    let mut count = 0;
    for line in lines(bytes).filter(|_| !bytes.is_empty()) {
        count += 1;
        if found.is_none() && name_of(line) == Some(user.as_bytes()) {
            found = Some(count);
            let further = line.splitn(3, |&byte| byte == b':').nth(2);
            new.extend([user.as_bytes(), b":", hash.as_bytes()].concat());
            if let Some(further) = further {
                new.extend([b":", further].concat());
            } else if line.ends_with(b"\r") {
                new.push(b'\r');
            }
        } else {
            new.extend(line);
        }
        new.push(b'\n');
    }
    if let Some(line) = found {
        return (new, line, Was::There);
    }
    new.extend([user.as_bytes(), b":", hash.as_bytes(), b"\n"].concat());
    (new, count + 1, Was::New)
}

/// Whether a name was in the file before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Was {
    /// It was.
    There,
    /// It was not.
    New,
}

/// The file without `user`, and how many lines of that name there were: a second one would count once the first is gone.
pub fn remove(bytes: &[u8], user: &str) -> (Vec<u8>, usize) {
    let mut new = Vec::with_capacity(bytes.len());
    let mut removed = 0;
    for line in lines(bytes).filter(|_| !bytes.is_empty()) {
        if name_of(line) == Some(user.as_bytes()) {
            removed += 1;
        } else {
            new.extend(line);
            new.push(b'\n');
        }
    }
    (new, removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_changes_and_all_others_stay_byte_for_byte() {
        for (before, after, line, was) in [
            ("", "alice:NEW\n", 1, Was::New),
            ("bob:x", "bob:x\nalice:NEW\n", 2, Was::New),
            ("# a comment\n\nbob:x\r\nnonsense\n", "# a comment\n\nbob:x\r\nnonsense\nalice:NEW\n", 5, Was::New),
            ("alice:old\nbob:x\n", "alice:NEW\nbob:x\n", 1, Was::There),
            ("bob:x\r\nalice:old\r\nbob:y\r\n", "bob:x\r\nalice:NEW\r\nbob:y\r\n", 2, Was::There),
            ("alice:old:Alice of accounting:more\n", "alice:NEW:Alice of accounting:more\n", 1, Was::There),
            ("alice:old:more\r\n", "alice:NEW:more\r\n", 1, Was::There),
            ("  alice:old\nalice:second\n", "alice:NEW\nalice:second\n", 1, Was::There),
            ("#alice:old\nalicf:x\nAlice:x\n", "#alice:old\nalicf:x\nAlice:x\nalice:NEW\n", 4, Was::New),
            ("alice\n\u{feff}alice:x\n", "alice\n\u{feff}alice:x\nalice:NEW\n", 3, Was::New),
        ] {
            let (new, number, found) = put(before.as_bytes(), "alice", "NEW");
            assert_eq!((String::from_utf8_lossy(&new).as_ref(), number, found), (after, line, was), "{before:?}");
        }
    }

    #[test]
    fn every_line_of_a_name_goes_with_it() {
        for (before, after, removed) in [
            ("", "", 0),
            ("alice:x\n", "", 1),
            ("alice:x", "", 1),
            ("bob:x\nalice:1\r\n# alice:c\nalice:!\nalicf:x", "bob:x\n# alice:c\nalicf:x\n", 2),
            ("bob:x\n", "bob:x\n", 0),
        ] {
            let (new, count) = remove(before.as_bytes(), "alice");
            assert_eq!((String::from_utf8_lossy(&new).as_ref(), count), (after, removed), "{before:?}");
        }
    }

    #[test]
    fn a_name_that_a_line_cannot_carry_is_refused() {
        for good in ["alice", "jörg", "a b", "alice@shop.example", "a#"] {
            assert_eq!(name(good), Ok(good));
        }
        for bad in ["", "a:b", " a", "a ", "#a", "a\nb", "a\u{7}", "\u{feff}a", &"a".repeat(257)] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }
}

//! The lines of a htpasswd file, as Apache and nginx read them: `name:hash`, further fields ignored, `#` begins a comment,
//! and of two lines with one name the first counts.

use super::hash::Hash;
use crate::domain::authorization::USER_BYTES_MAX;

/// A longer line is none that any tool writes.
const LINE_BYTES_MAX: usize = 4096;

/// What a line turns out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// Nothing, or a comment.
    Nothing,
    /// A name and its hash.
    Entry {
        /// The name.
        user: &'a str,
        /// The hash.
        hash: Box<Hash>,
    },
    /// Something that cannot be used.
    Faulty {
        /// The name, where that much can be read: nobody logs in under it, whatever stands in a later line.
        user: Option<&'a str>,
        /// What was found and what would be right; nothing of the hash.
        wrong: String,
    },
}

/// The lines of a file, without their ends.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|&byte| byte == b'\n')
}

/// Reads one line, without its end. Blanks and a carriage return around it are no part of it.
pub fn read(line: &[u8]) -> Line<'_> {
    let faulty = |user, wrong: String| Line::Faulty { user, wrong };
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with(b"#") {
        return Line::Nothing;
    }
    if line.len() > LINE_BYTES_MAX {
        return faulty(None, format!("a line must have at most {LINE_BYTES_MAX} bytes, found {}", line.len()));
    }
    let Some(colon) = line.iter().position(|&byte| byte == b':') else {
        // nginx and Apache take it for the line of that name, which then has no password.
        return faulty(name_of(line).ok(), "a line must be NAME:HASH, found no `:`".to_owned());
    };
    let (name, rest) = (line.get(..colon).unwrap_or_default(), line.get(colon + 1..).unwrap_or_default());
    let user = match name_of(name) {
        Ok(user) => user,
        Err(wrong) => return faulty(None, wrong),
    };
    let field = rest.split(|&byte| byte == b':').next().unwrap_or_default();
    let Ok(text) = std::str::from_utf8(field) else {
        return faulty(Some(user), "a hash must be ASCII, found other bytes: the line is cut off or altered".to_owned());
    };
    match Hash::parse(text) {
        Ok(hash) => Line::Entry { user, hash: Box::new(hash) },
        Err(wrong) => faulty(Some(user), wrong),
    }
}

fn name_of(name: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(name).map_err(|_| "the name must be UTF-8: write the file in UTF-8".to_owned())?;
    if text.is_empty() {
        return Err("there is no name before the `:`".to_owned());
    }
    if text.starts_with('\u{feff}') {
        return Err("the file begins with a byte order mark, which no web server takes off: write it without".to_owned());
    }
    if text.len() > USER_BYTES_MAX || text.chars().any(char::is_control) {
        return Err(format!("the name must have 1 to {USER_BYTES_MAX} bytes and no control character"));
    }
    Ok(text)
}

//! What is wrong with a configuration, shown as a compiler shows it: file, line, key, what would be right, what was
//! found, and the line itself with a caret.

use std::fmt::{self, Write as _};
use std::ops::Range;

/// More of a source line than this is cut out around the caret: it has to fit on a screen.
const EXCERPT_CHARS_MAX: usize = 120;

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file as it was named to us.
    pub file: String,
    /// The line, counted from 1; `None` when the file could not be read at all.
    pub line: Option<usize>,
    /// The key with its section, as `listener[1].dialect` (entries of a list are counted from 1); empty where the
    /// fault is the file's.
    pub key: String,
    /// What would be right and what was found.
    pub message: String,
    excerpt: Option<Excerpt>,
    column: usize,
}

/// The source line of a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Excerpt {
    line: String,
    before: usize,
    width: usize,
}

/// All the faults of a configuration, by line; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors {
    faults: Vec<Fault>,
}

impl Errors {
    /// A file that could not be read at all.
    pub(super) fn of_file(file: &str, message: String) -> Self {
        Self { faults: vec![Fault::at(file, None, "", message)] }
    }

    /// The faults, by line.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

impl Fault {
    /// One that is found only once the file is read, and shown without its line.
    pub(super) fn at(file: &str, line: Option<usize>, key: &str, message: String) -> Self {
        Self { file: file.to_owned(), line, key: key.to_owned(), message, excerpt: None, column: 0 }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        f.write_str(": ")?;
        if !self.key.is_empty() {
            write!(f, "`{}` ", self.key)?;
        }
        f.write_str(&self.message)?;
        if let (Some(line), Some(excerpt)) = (self.line, &self.excerpt) {
            let number = line.to_string();
            let margin = " ".repeat(number.len());
            let (before, carets) = (" ".repeat(excerpt.before), "^".repeat(excerpt.width));
            write!(f, "\n{margin} |\n{number} | {}\n{margin} | {before}{carets}", excerpt.line)?;
        }
        Ok(())
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, fault) in self.faults.iter().enumerate() {
            if place > 0 {
                f.write_char('\n')?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}

/// Whether `letter` shows where it stands: no control character, and none that turns the direction of writing.
pub(super) fn is_plain(letter: char) -> bool {
    !letter.is_control() && !matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Collects the faults of one text.
pub(super) struct Faults<'t> {
    file: &'t str,
    text: &'t str,
    line_starts: Vec<usize>,
    list: Vec<Fault>,
    syntax: Option<Syntax>,
}

/// What broken TOML leaves standing: only what does not depend on what was lost is told beside it.
struct Syntax {
    /// Lines that are no TOML.
    lines: Vec<usize>,
    /// From this line on, sections may have swallowed each other.
    lost_from: Option<usize>,
}

impl<'t> Faults<'t> {
    pub(super) fn new(file: &'t str, text: &'t str) -> Self {
        let after_breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(place, _)| place + 1);
        let line_starts = std::iter::once(0).chain(after_breaks).collect();
        Self { file, text, line_starts, list: Vec::new(), syntax: None }
    }

    /// The line of the byte at `offset`, counted from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    /// A line that is no TOML. One fault a line is told: what follows on it is mostly its echo.
    pub(super) fn syntax(&mut self, span: Range<usize>, message: String, structural: bool) {
        let line = self.line(span.start);
        let syntax = self.syntax.get_or_insert(Syntax { lines: Vec::new(), lost_from: None });
        if syntax.lost_from.is_some_and(|from| from <= line) || syntax.lines.contains(&line) {
            return;
        }
        syntax.lines.push(line);
        if structural {
            syntax.lost_from = Some(line);
        }
        self.push(span, "", message);
    }

    /// The value at `span` is wrong: `message` follows after the key.
    pub(super) fn value(&mut self, span: Range<usize>, key: &str, message: String) {
        let line = self.line(span.start);
        if self.syntax.as_ref().is_none_or(|syntax| !syntax.lines.contains(&line) && syntax.lost_from.is_none_or(|from| line < from)) {
            self.push(span, key, message);
        }
    }

    /// Something is missing, or two things do not go together. Where the TOML is broken this may be its echo, and it
    /// is not told.
    pub(super) fn whole(&mut self, span: Range<usize>, key: &str, message: String) {
        if self.syntax.is_none() {
            self.push(span, key, message);
        }
    }

    fn push(&mut self, span: Range<usize>, key: &str, message: String) {
        let (line, key) = (self.line(span.start), key.to_owned());
        let (excerpt, column) = self.excerpt(&span);
        self.list.push(Fault { file: self.file.to_owned(), line: Some(line), key, message, excerpt, column });
    }

    fn excerpt(&self, span: &Range<usize>) -> (Option<Excerpt>, usize) {
        let start = self.line_starts.get(self.line(span.start).saturating_sub(1)).copied().unwrap_or(0);
        let column = span.start.saturating_sub(start);
        let excerpt = || {
            let line = self.text.get(start..)?.lines().next().unwrap_or("");
            let before = line.get(..column.min(line.len()))?.chars().count();
            let end = span.end.saturating_sub(start).min(line.len());
            let width = line.get(column.min(line.len())..end.max(column.min(line.len())))?.chars().count().max(1);
            // A tab would shift the caret, and a control character could write anywhere on a terminal.
            let clean = line.chars().map(|letter| if is_plain(letter) { letter } else { ' ' });
            let skipped = if line.chars().count() > EXCERPT_CHARS_MAX { before.saturating_sub(EXCERPT_CHARS_MAX / 4) } else { 0 };
            let shown: String = clean.skip(skipped).take(EXCERPT_CHARS_MAX).collect();
            let before = before - skipped;
            let width = width.min(shown.chars().count().saturating_sub(before)).max(1);
            (!shown.trim().is_empty()).then_some(Excerpt { line: shown, before, width })
        };
        (excerpt(), column)
    }

    /// `value`, unless there was a fault.
    pub(super) fn end<T>(mut self, value: Option<T>) -> Result<T, Errors> {
        self.list.sort_by_key(|fault| (fault.line, fault.column));
        match value {
            Some(value) if self.list.is_empty() => Ok(value),
            _ if self.list.is_empty() => Err(Errors::of_file(self.file, "cannot be used".to_owned())),
            _ => Err(Errors { faults: self.list }),
        }
    }

    /// How many faults there are so far.
    pub(super) fn count(&self) -> usize {
        self.list.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, span: Range<usize>) -> String {
        let mut faults = Faults::new("a.toml", text);
        faults.value(span, "x", "is wrong".to_owned());
        faults.end(None::<()>).expect_err("a fault").to_string()
    }

    #[test]
    fn the_caret_stands_under_what_is_meant() {
        let text = "a = 1\n\tü = \"ä\"\r\nend";
        assert_eq!(shown(text, 4..5), "a.toml:1: `x` is wrong\n  |\n1 | a = 1\n  |     ^");
        assert_eq!(shown(text, 12..16), "a.toml:2: `x` is wrong\n  |\n2 |  ü = \"ä\"\n  |      ^^^");
        assert_eq!(shown(text, 17..17), "a.toml:2: `x` is wrong\n  |\n2 |  ü = \"ä\"\n  |         ^");
        assert_eq!(shown(text, 18..400), "a.toml:3: `x` is wrong\n  |\n3 | end\n  | ^^^");
        assert_eq!(shown("", 0..0), "a.toml:1: `x` is wrong");
        assert_eq!(shown("\n\n", 2..2), "a.toml:3: `x` is wrong");
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let text = format!("a = \"{}\" # {}", "b".repeat(1000), "c".repeat(1000));
        let said = shown(&text, 1010..1020);
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines.iter().all(|line| line.chars().count() <= EXCERPT_CHARS_MAX + 10), "{said}");
        assert!(lines[3].ends_with("^^^^^^^^^^"), "{said}");
    }

    #[test]
    fn faults_are_told_by_line() {
        let text = "a\nb\nc\n";
        let mut faults = Faults::new("a.toml", text);
        for (start, key) in [(4, "c"), (0, "a"), (2, "b")] {
            faults.value(start..start + 1, key, "is wrong".to_owned());
        }
        let errors = faults.end(Some(())).expect_err("three faults");
        let lines: Vec<_> = errors.faults().iter().map(|fault| fault.line).collect();
        assert_eq!(lines, [Some(1), Some(2), Some(3)]);
    }
}

//! Reads one section of the file key by key and goes on after each fault, so that all of them are told at once.

use std::collections::HashMap;
use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Faults, is_plain};
use super::keys::{Known, SECTIONS, Section};
use super::suggest::closest;
use super::values::Wrong;

/// More letters of a wrong value are not repeated: the line with its caret stands below.
const FOUND_CHARS_MAX: usize = 60;

/// A value and where it stands.
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// What reading a key gave.
pub(super) enum Read<T> {
    /// It is not written.
    Absent,
    /// It is wrong; that has been told.
    Faulty,
    /// It is right.
    Good(Placed<T>),
}

impl<T> Read<T> {
    /// The value, or `default` where it is not written.
    pub(super) fn or(self, default: T) -> Option<T> {
        match self {
            Self::Absent => Some(default),
            Self::Faulty => None,
            Self::Good(placed) => Some(placed.value),
        }
    }

    /// Where it stands, if it is written and right.
    pub(super) fn span(&self) -> Option<Range<usize>> {
        match self {
            Self::Absent | Self::Faulty => None,
            Self::Good(placed) => Some(placed.span.clone()),
        }
    }

    /// The value and where it stands, if it is written and right.
    pub(super) fn placed(self) -> Option<Placed<T>> {
        match self {
            Self::Absent | Self::Faulty => None,
            Self::Good(placed) => Some(placed),
        }
    }

    /// The value if it is written and right. What is wrong has been told, and nothing is used of a file with faults.
    pub(super) fn optional(self) -> Option<T> {
        self.placed().map(|placed| placed.value)
    }
}

/// What must be different in each section of a name, and where it stood first.
pub(super) type Once = HashMap<String, (String, usize)>;

/// One table of the file.
pub(super) struct Table<'f, 't> {
    pub(super) faults: &'f mut Faults<'t>,
    section: &'static Section,
    /// `server`, `listener[1]`.
    name: String,
    /// The header, `[server]`.
    pub(super) header: Range<usize>,
    values: &'t DeTable<'t>,
}

/// A table of the tree, before it is read.
pub(super) struct Entry<'t> {
    name: String,
    header: Range<usize>,
    values: &'t DeTable<'t>,
}

/// The tables of `section`; what is written in another form is told.
pub(super) fn entries<'t>(faults: &mut Faults<'t>, root: &'t DeTable<'t>, section: &'static Section) -> Vec<Entry<'t>> {
    let Some(found) = root.get(section.name) else { return Vec::new() };
    let header = section.header();
    match found.get_ref() {
        DeValue::Table(values) if !section.many => vec![Entry { name: section.name.to_owned(), header: found.span(), values }],
        DeValue::Array(list) if section.many => {
            let mut entries = Vec::new();
            for (place, item) in list.iter().enumerate() {
                let name = format!("{}[{}]", section.name, place + 1);
                match item.get_ref() {
                    DeValue::Table(values) => entries.push(Entry { name, header: item.span(), values }),
                    other => faults.value(item.span(), &name, format!("must be a section {header}, found {}", found_text(other))),
                }
            }
            entries
        }
        DeValue::Table(_) => {
            faults.value(found.span(), section.name, format!("must be written {header}, found [{}]", section.name));
            Vec::new()
        }
        DeValue::Array(list) if !list.is_empty() && list.iter().all(|item| item.get_ref().is_table()) => {
            faults.value(found.span(), section.name, format!("must stand once, as {header}, found [[{}]]", section.name));
            Vec::new()
        }
        other => {
            faults.value(found.span(), section.name, format!("must be a section {header}, found {}", found_text(other)));
            Vec::new()
        }
    }
}

/// Whether every section of the file is written in its form.
pub(super) fn all_formed(root: &DeTable<'_>) -> bool {
    SECTIONS.iter().all(|section| match root.get(section.name).map(Spanned::get_ref) {
        None => true,
        Some(DeValue::Table(_)) => !section.many,
        Some(DeValue::Array(list)) => section.many && list.iter().all(|item| item.get_ref().is_table()),
        Some(_) => false,
    })
}

/// Tells every name at the top of the file that is no section.
pub(super) fn unknown_sections(faults: &mut Faults<'_>, root: &DeTable<'_>) {
    for name in root.keys() {
        let word: &str = name.get_ref();
        if SECTIONS.iter().any(|section| section.name == word) {
            continue;
        }
        let home = SECTIONS.iter().find(|section| matches!(section.knows(word), Known::Yes | Known::Later));
        let near = closest(word, SECTIONS.iter().map(|section| section.name));
        let near = near.and_then(|near| SECTIONS.iter().find(|section| section.name == near));
        let is_section = root.get(word).is_some_and(|value| value.get_ref().is_table() || value.get_ref().is_array());
        let message = match (home, near) {
            (Some(home), _) if !is_section => format!("must stand in a section, under {}", home.header()),
            (_, Some(near)) => format!("is not a section; did you mean {}?", near.header()),
            _ => {
                let headers: Vec<String> = SECTIONS.iter().map(|section| section.header()).collect();
                format!("is not a section; there are {}", headers.join(", "))
            }
        };
        faults.value(name.span(), &clean(word), message);
    }
}

impl<'f, 't> Table<'f, 't> {
    /// Begins to read; every key that the section does not have is told.
    pub(super) fn new(faults: &'f mut Faults<'t>, section: &'static Section, entry: Entry<'t>) -> Self {
        let Entry { name, header, values } = entry;
        for key in values.keys() {
            let word: &str = key.get_ref();
            let title = section.header();
            let message = match section.knows(word) {
                Known::Yes => continue,
                Known::Later => format!("is not in this version; the keys of {title} are {}", section.names()),
                Known::No(Some(near)) => format!("is not a key of {title}; did you mean `{near}`?"),
                Known::No(None) => format!("is not a key of {title}; its keys are {}", section.names()),
            };
            faults.value(key.span(), &format!("{name}.{}", clean(word)), message);
        }
        Self { faults, section, name, header, values }
    }

    /// `server`, `listener[1]`.
    pub(super) fn name(&self) -> String {
        self.name.clone()
    }

    /// The key with its section.
    pub(super) fn path(&self, key: &str) -> String {
        format!("{}.{key}", self.name)
    }

    /// Whether the key is written at all.
    pub(super) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    fn refuse(&mut self, key: &str, found: &Spanned<DeValue<'_>>, wrong: Wrong, hint: &str) {
        let shape = self.section.key(key).shape;
        let (must, after) = match wrong {
            Wrong::Shape => (shape.to_owned(), hint.to_owned()),
            Wrong::Must(must) => (must, hint.to_owned()),
            Wrong::Hint(hint) => (shape.to_owned(), hint),
            Wrong::Later => (shape.to_owned(), ", which is not in this version".to_owned()),
        };
        let message = format!("must be {must}, found {}{after}", found_text(found.get_ref()));
        self.faults.value(found.span(), &self.path(key), message);
    }

    fn read<T>(&mut self, key: &str, read: impl FnOnce(&DeValue<'_>) -> Result<T, Wrong>) -> Read<T> {
        let Some(found) = self.values.get(key) else { return Read::Absent };
        match read(found.get_ref()) {
            Ok(value) => Read::Good(Placed { value, span: found.span() }),
            Err(wrong) => {
                self.refuse(key, found, wrong, "");
                Read::Faulty
            }
        }
    }

    /// A string.
    pub(super) fn text<T>(&mut self, key: &str, read: impl FnOnce(&str) -> Result<T, Wrong>) -> Read<T> {
        self.read(key, |value| read(value.as_str().ok_or(Wrong::Shape)?))
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, key: &str) -> Read<bool> {
        self.read(key, |value| value.as_bool().ok_or(Wrong::Shape))
    }

    /// A whole number.
    pub(super) fn number(&mut self, key: &str, range: RangeInclusive<u32>) -> Read<u32> {
        self.read(key, |value| {
            number(value).and_then(|number| u32::try_from(number).ok()).filter(|n| range.contains(n)).ok_or(Wrong::Shape)
        })
    }

    /// A whole number or a string.
    pub(super) fn number_or_text<T>(
        &mut self,
        key: &str,
        from_number: impl FnOnce(u64) -> Result<T, Wrong>,
        from_text: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Read<T> {
        self.read(key, |value| match value.as_str() {
            Some(text) => from_text(text),
            None => from_number(number(value).ok_or(Wrong::Shape)?),
        })
    }

    /// One word of `words`; those of `later` are known, but not in this version.
    pub(super) fn word<T: Copy>(&mut self, key: &str, words: &[(&'static str, T)], later: &[&str]) -> Read<T> {
        let Some(found) = self.values.get(key) else { return Read::Absent };
        match self.one_word(key, found, words, later) {
            Some(value) => Read::Good(Placed { value, span: found.span() }),
            None => Read::Faulty,
        }
    }

    fn one_word<T: Copy>(&mut self, key: &str, found: &Spanned<DeValue<'_>>, words: &[(&'static str, T)], later: &[&str]) -> Option<T> {
        let typed = found.get_ref().as_str();
        let value = typed.and_then(|typed| words.iter().find(|(word, _)| *word == typed));
        if value.is_none() {
            let wrong = if typed.is_some_and(|typed| later.contains(&typed)) { Wrong::Later } else { Wrong::Shape };
            let near = typed.and_then(|typed| closest(typed, words.iter().map(|(word, _)| *word)));
            let hint = near.map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
            self.refuse(key, found, wrong, &hint);
        }
        value.map(|(_, value)| *value)
    }

    /// A list of at least one, in which nothing stands twice. `read` tells what is wrong with an item.
    fn list<T: PartialEq>(
        &mut self,
        key: &str,
        mut read: impl FnMut(&mut Self, &Spanned<DeValue<'_>>) -> Option<T>,
    ) -> Read<Vec<Placed<T>>> {
        let Some(found) = self.values.get(key) else { return Read::Absent };
        let Some(items) = found.get_ref().as_array() else {
            self.refuse(key, found, Wrong::Shape, "");
            return Read::Faulty;
        };
        if items.is_empty() {
            self.refuse(key, found, Wrong::Shape, " that is empty");
            return Read::Faulty;
        }
        let mut values: Vec<Placed<T>> = Vec::new();
        let mut good = true;
        for item in items {
            match read(self, item) {
                Some(value) if values.iter().any(|other| other.value == value) => {
                    let message = format!("must name each once, found {} again", found_text(item.get_ref()));
                    self.faults.value(item.span(), &self.path(key), message);
                    good = false;
                }
                Some(value) => values.push(Placed { value, span: item.span() }),
                None => good = false,
            }
        }
        if good { Read::Good(Placed { value: values, span: found.span() }) } else { Read::Faulty }
    }

    /// A list of strings.
    pub(super) fn texts<T: PartialEq>(&mut self, key: &str, read: impl Fn(&str) -> Result<T, Wrong>) -> Read<Vec<Placed<T>>> {
        self.list(key, |table, item| match item.get_ref().as_str().ok_or(Wrong::Shape).and_then(&read) {
            Ok(value) => Some(value),
            Err(wrong) => {
                table.refuse(key, item, wrong, "");
                None
            }
        })
    }

    /// A list of words.
    pub(super) fn words<T: Copy + PartialEq>(&mut self, key: &str, words: &[(&'static str, T)], later: &[&str]) -> Read<Vec<Placed<T>>> {
        self.list(key, |table, item| table.one_word(key, item, words, later))
    }

    /// The value of a key that has to be written.
    pub(super) fn needed<T>(&mut self, key: &str, read: Read<T>) -> Option<Placed<T>> {
        match read {
            Read::Absent => {
                self.missing(key, "");
                None
            }
            Read::Faulty => None,
            Read::Good(placed) => Some(placed),
        }
    }

    /// A string that has to be written.
    pub(super) fn needed_text<T>(&mut self, key: &str, read: impl FnOnce(&str) -> Result<T, Wrong>) -> Option<Placed<T>> {
        let read = self.text(key, read);
        self.needed(key, read)
    }

    /// Tells that a key has to be written; `why` follows.
    pub(super) fn missing(&mut self, key: &str, why: &str) {
        let message = format!("is missing: it must be {}{why}", self.section.key(key).shape);
        self.faults.whole(self.header.clone(), &self.path(key), message);
    }

    /// Tells that a key, if it is written, has no place beside the others of this table.
    pub(super) fn misplaced(&mut self, key: &str, message: &str) {
        if let Some(found) = self.values.get(key) {
            self.faults.value(found.span(), &self.path(key), message.to_owned());
        }
    }

    /// Tells if `same`, which the value at `key` stands for, was there before.
    pub(super) fn once(&mut self, seen: &mut Once, key: &str, same: &str) {
        let Some(found) = self.values.get(key) else { return };
        let (path, line) = (self.path(key), self.faults.line(found.span().start));
        match seen.entry(format!("{}.{key} {same}", self.section.name)) {
            std::collections::hash_map::Entry::Occupied(first) => {
                let (other, other_line) = first.get();
                let message = format!("must differ from `{other}` on line {other_line}, found {}", found_text(found.get_ref()));
                self.faults.value(found.span(), &path, message);
            }
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert((path, line));
            }
        }
    }
}

/// A whole number that is not negative.
fn number(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// A value as it is shown in an error.
pub(super) fn found_text(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("\"{}\"", clean(text)),
        DeValue::Integer(number) => clean(&number.to_string()),
        DeValue::Float(number) => clean(number.as_str()),
        DeValue::Boolean(yes) => yes.to_string(),
        DeValue::Datetime(when) => when.to_string(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// `text` as it can be shown on a terminal, in one line and not too long.
fn clean(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(FOUND_CHARS_MAX)
        .flat_map(|letter| match letter {
            letter if !is_plain(letter) || letter == '"' || letter == '\\' => letter.escape_default().collect::<Vec<_>>(),
            letter => vec![letter],
        })
        .collect();
    if text.chars().nth(FOUND_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

//! What pages say, in every language: one table each, the same keys and the same `{…}` in all of them.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use minijinja::value::{Kwargs, Value};
use minijinja::{Error, ErrorKind};
use toml::Table;

use crate::domain::language::Language;
use crate::domain::refusal::Refusal;

const ENGLISH: &str = include_str!("words/en.toml");
const GERMAN: &str = include_str!("words/de.toml");

/// The texts of one language.
#[derive(Debug)]
pub(super) struct Words {
    /// `landing.button` → its text.
    texts: BTreeMap<String, String>,
    /// The same as templates know it: `words.landing.button`.
    value: Value,
    /// Whose time is said.
    pub(super) zone: TimeZone,
}

impl Words {
    /// The built-in texts of `language`; the error is a fault of this crate.
    pub(super) fn built_in(language: Language) -> Result<Self, String> {
        let source = match language {
            Language::English => ENGLISH,
            Language::German => GERMAN,
        };
        let mut table: Table = source.parse().map_err(|fault| format!("the words of `{}`: {fault}", language.tag()))?;
        if language == Language::English {
            say_as_the_log_does(&mut table);
        }
        let mut texts = BTreeMap::new();
        flatten("", &table, &mut texts)?;
        Ok(Self { texts, value: value(&table), zone: TimeZone::UTC })
    }

    /// As templates know it.
    pub(super) const fn value(&self) -> &Value {
        &self.value
    }

    /// The text of `key`; nothing where there is none, which no test lets happen.
    pub(super) fn text(&self, key: &str) -> &str {
        self.texts.get(key).map_or("", String::as_str)
    }

    /// The text of `key` with what is filled in.
    pub(super) fn fill(&self, key: &str, with: &[(&str, &str)]) -> String {
        filled(self.text(key), with)
    }

    /// The text of `key` for so many: 1 has a form of its own in English and in German.
    pub(super) fn count(&self, key: &str, n: u64) -> String {
        let form = if n == 1 { "one" } else { "other" };
        self.fill(&format!("{key}.{form}"), &[("n", &n.to_string())])
    }

    /// What is said of `refusal`; `what` is `sentence`, `why` or `advice`.
    pub(super) fn of(&self, refusal: Refusal, what: &str) -> &str {
        self.text(&format!("refusals.{}.{what}", refusal.code()))
    }
}

/// Puts `with` into the places of `text`. What is put in is not looked at again.
fn filled(text: &str, with: &[(&str, &str)]) -> String {
    let mut said = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        said.push_str(before);
        let Some((name, after)) = behind.split_once('}') else {
            said.push('{');
            rest = behind;
            continue;
        };
        if let Some((_, value)) = with.iter().find(|(known, _)| *known == name) {
            said.push_str(value);
        } else {
            said.push('{');
            said.push_str(name);
            said.push('}');
        }
        rest = after;
    }
    said.push_str(rest);
    said
}

/// The filter `fill` of templates: `{{ words.common.support_note | fill(site=site) }}`.
// A filter's arguments are its own.
#[allow(clippy::needless_pass_by_value)]
pub(super) fn fill(text: &str, with: Kwargs) -> Result<String, Error> {
    let mut values = Vec::new();
    for name in with.args() {
        let value: Value = with.get(name)?;
        values.push((name, value.to_string()));
    }
    let with: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let said = filled(text, &with);
    if placeholders(text).iter().any(|name| !with.iter().any(|(known, _)| known == name)) {
        return Err(Error::new(ErrorKind::MissingArgument, format!("`{text}` needs more to be filled in")));
    }
    Ok(said)
}

/// The names in `{…}`.
fn placeholders(text: &str) -> Vec<&str> {
    text.split('{').skip(1).filter_map(|part| Some(part.split_once('}')?.0)).collect()
}

/// In English the sentences of the table of refusals are the ones that log and API say.
fn say_as_the_log_does(table: &mut Table) {
    let Some(refusals) = table.get_mut("refusals").and_then(toml::Value::as_table_mut) else { return };
    for &refusal in Refusal::ALL {
        if let Some(said) = refusals.get_mut(refusal.code()).and_then(toml::Value::as_table_mut) {
            said.insert("sentence".to_owned(), refusal.sentence().into());
            said.insert("advice".to_owned(), refusal.advice().into());
        }
    }
}

/// A table as templates know it.
fn value(table: &Table) -> Value {
    Value::from_pairs(table.iter().map(|(key, there)| (key.clone(), there.as_table().map_or_else(|| there.as_str().into(), value))))
}

fn flatten(under: &str, table: &Table, texts: &mut BTreeMap<String, String>) -> Result<(), String> {
    for (key, value) in table {
        let key = if under.is_empty() { key.clone() } else { format!("{under}.{key}") };
        match value {
            toml::Value::String(text) => {
                texts.insert(key, text.clone());
            }
            toml::Value::Table(table) => flatten(&key, table, texts)?,
            _ => return Err(format!("`{key}` must be a text")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_languages_say_the_same_things_with_the_same_places_to_fill_in() {
        let english = Words::built_in(Language::English).unwrap();
        let mut seen = 0;
        for &language in Language::ALL {
            let words = Words::built_in(language).unwrap();
            let keys = |words: &Words| words.texts.keys().cloned().collect::<Vec<_>>();
            assert_eq!(keys(&words), keys(&english), "{language:?}");
            for (key, text) in &words.texts {
                let sorted = |text: &str| {
                    let mut names: Vec<String> = placeholders(text).into_iter().map(str::to_owned).collect();
                    names.sort();
                    names
                };
                // Of one thing the number need not be said.
                if key.strip_suffix(".one").is_none() {
                    assert_eq!(sorted(text), sorted(english.text(key)), "{language:?} {key}");
                }
                assert!(!text.trim().is_empty() && text.trim() == text, "{language:?} {key}");
                assert!(!text.contains('!') && !text.contains('<'), "{language:?} {key}: {text}");
                seen += 1;
            }
            for &refusal in Refusal::ALL {
                for what in ["sentence", "why", "advice"] {
                    assert!(words.of(refusal, what).ends_with('.'), "{language:?} {refusal} {what}");
                }
            }
        }
        assert!(seen > 300, "{seen}");
    }

    #[test]
    fn what_is_filled_in_is_not_looked_at_again() {
        for (text, with, said) in [
            ("{a} of {b}", &[("a", "1"), ("b", "2")][..], "1 of 2"),
            ("{a}{a}", &[("a", "{b}"), ("b", "no")], "{b}{b}"),
            ("{a", &[("a", "1")], "{a"),
            ("a}{", &[("a", "1")], "a}{"),
            ("{c} {a}", &[("a", "1")], "{c} 1"),
            ("", &[], ""),
        ] {
            assert_eq!(filled(text, with), said, "{text}");
        }
    }
}

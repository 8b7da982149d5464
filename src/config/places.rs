//! Where things stand in the file, for what turns out to be wrong only once what is named there is read.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use super::fault::{Fault, Faults};
use super::sections::{File, ReadStore};

/// The lines of a configuration file. Two configurations do not differ by them.
#[derive(Clone, Default)]
pub struct Places {
    file: String,
    /// By key, as `key.file`, and what the entry is called there.
    found: BTreeMap<(&'static str, String), Place>,
}

/// One place.
#[derive(Clone)]
struct Place {
    line: usize,
    /// `key[1].file`.
    key: String,
}

/// That a configuration is written with other lines changes nothing of what holds.
impl PartialEq for Places {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Places {}

/// Says nothing, for the same reason: [`Configuration::digest`](super::Configuration::digest) is made of what prints.
impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Places")
    }
}

impl Places {
    /// Those of a file as read.
    pub(super) fn of(faults: &Faults<'_>, name: &str, file: &File) -> Self {
        let mut places = Self { file: name.to_owned(), found: BTreeMap::new() };
        let mut put = |key: &'static str, of: String, section: &str, span: &Range<usize>| {
            let (_, last) = key.rsplit_once('.').unwrap_or(("", key));
            let place = Place { line: faults.line(span.start), key: format!("{section}.{last}") };
            // Of two that name the same, the first is told.
            places.found.entry((key, of)).or_insert(place);
        };
        for (number, listener) in (1..).zip(&file.listeners) {
            let Some(address) = listener.listener.as_ref().map(|listener| listener.address.to_string()) else { continue };
            for (key, span) in [("listener.dialect", &listener.dialect_at), ("listener.trusted_peers", &listener.peers_at)] {
                if let Some(span) = span {
                    put(key, address.clone(), &format!("listener[{number}]"), span);
                }
            }
        }
        for key in &file.keys {
            if let (Some(id), Some(path)) = (&key.id, &key.file) {
                put("key.file", id.clone(), &key.name, &path.span);
            }
        }
        for storage in &file.storages {
            if let (Some((entry, _)), Some(path)) = (&storage.storage, &storage.path) {
                put("storage.path", entry.name.as_str().to_owned(), &storage.name, &path.span);
            }
        }
        for directory in &file.directories {
            if let (Some(name), Some(path)) = (&directory.known_as, &directory.path) {
                put("directory.path", name.as_str().to_owned(), &directory.name, &path.span);
            }
        }
        for rule in &file.rules {
            if let Some(path) = &rule.htpasswd {
                put("rule.htpasswd", path.value.to_string_lossy().into_owned(), &rule.name, &path.span);
            }
            if let (Some(entry), Some(span)) = (&rule.rule, &rule.accept_at) {
                put("rule.accept", entry.path.encoded().to_owned(), &rule.name, span);
            }
        }
        for (key, span) in file.feed.iter().flat_map(|feed| ["feed.access_log", "feed.syslog"].map(|key| (key, &feed.span))) {
            put(key, String::new(), "feed", span);
        }
        if let Some(ReadStore::Sqlite { file: Some(path), .. }) = &file.store {
            put("store.file", String::new(), "store", &path.span);
        }
        for webhook in &file.webhooks {
            if let (Some(name), Some(path)) = (&webhook.known_as, &webhook.secret) {
                put("webhook.secret", name.as_str().to_owned(), &webhook.name, &path.span);
            }
        }
        if let Some(mail) = &file.mail {
            for (key, path) in [("mail.password_file", &mail.password), ("mail.templates", &mail.templates)] {
                if let Some(path) = path {
                    put(key, String::new(), "mail", &path.span);
                }
            }
        }
        if let Some(path) = &file.templates {
            put("pages.templates", String::new(), "pages", &path.span);
        }
        places
    }

    /// That something is wrong with the value of `key`, as `key.file`, in the entry that is called `of`; both as they
    /// stand in the file, `of` empty where a section stands once.
    pub fn fault(&self, key: &'static str, of: &str, message: impl Into<String>) -> Fault {
        match self.found.get(&(key, of.to_owned())) {
            Some(place) => Fault::at(&self.file, Some(place.line), &place.key, message.into()),
            // Said by nobody's line: it holds by default.
            None => Fault::at(&self.file, None, key, message.into()),
        }
    }

    /// Whether the key is written in that entry.
    pub fn has(&self, key: &'static str, of: &str) -> bool {
        self.found.contains_key(&(key, of.to_owned()))
    }
}

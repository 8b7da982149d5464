//! The keys of a `[[directory]]` about its user names and passwords.

use std::path::PathBuf;

use super::policies;
use super::reader::{Once, Placed, Read, Table};
use super::values::{self, Wrong};
use crate::domain::credential::Sharing;
use crate::domain::moment::Span;

/// How the user names and passwords of a directory are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The htpasswd file by which the web server checks them.
    pub htpasswd: PathBuf,
    /// What one is made for.
    pub sharing: Sharing,
    /// After so long a shared one is replaced, if ever.
    pub rotate_every: Option<Span>,
    /// So long one that was replaced still opens.
    pub overlap: Span,
}

/// The same as read.
pub(super) struct ReadCredentials {
    /// The file, known even where something else is wrong.
    pub(super) htpasswd: Option<Placed<PathBuf>>,
    /// All of them, where the directory has them and nothing is wrong.
    pub(super) credentials: Option<Credentials>,
    /// Whether something is wrong.
    pub(super) is_faulty: bool,
}

/// Without `htpasswd` these have nothing to be about.
const BESIDE: [&str; 3] = ["credential", "rotate_every", "overlap"];

const SHARINGS: [(&str, Sharing); 2] = [("grant", Sharing::Grant), ("shared", Sharing::Shared)];

/// A customer who was told a password lately is not shut out by the next one.
const OVERLAP: Span = Span::from_days(7);

pub(super) fn credentials(table: &mut Table<'_, '_>, seen: &mut Once) -> ReadCredentials {
    let htpasswd = table.text("htpasswd", |text| match values::key_path(text) {
        Ok(_) => values::absolute_path(text),
        Err(_) => Err(Wrong::Shape),
    });
    if let Read::Good(file) = &htpasswd {
        table.once(seen, "htpasswd", &file.value.components().collect::<PathBuf>().to_string_lossy());
    }
    if !table.has("htpasswd") {
        for key in BESIDE {
            table.misplaced(key, "has its place beside `htpasswd` only, the file by which the web server checks passwords");
        }
    }
    let sharing = table.word("credential", &SHARINGS, &[]).or(Sharing::Grant);
    let rotate_every = table.text("rotate_every", |text| policies::span(text, ""));
    let overlap = table.text("overlap", |text| policies::span(text, "")).or(OVERLAP);
    if sharing == Some(Sharing::Grant) {
        let message = "has its place beside credential = \"shared\" only: that of a grant ends with the grant; `cloakroom credential rotate` replaces those";
        table.misplaced("rotate_every", message);
    }
    if let (Read::Good(every), Some(overlap)) = (&rotate_every, overlap)
        && overlap >= every.value
        && sharing == Some(Sharing::Shared)
    {
        table.misplaced("rotate_every", "must be longer than `overlap` (\"7d\" where it is not written): else old passwords pile up");
    }
    let is_faulty = matches!(htpasswd, Read::Faulty) || matches!(rotate_every, Read::Faulty);
    let (htpasswd, rotate_every) = (htpasswd.placed(), rotate_every.optional());
    let is_faulty = is_faulty || sharing.is_none() || overlap.is_none();
    let complete = || {
        let file = htpasswd.as_ref().map(|file| file.value.clone());
        Some(Credentials { htpasswd: file?, sharing: sharing?, rotate_every, overlap: overlap? })
    };
    let credentials = complete();
    ReadCredentials { htpasswd, credentials, is_faulty }
}

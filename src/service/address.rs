//! Addresses under `public_url`: `l/<link token>/<name>`, `d/<delivery token>/<name>`, `s/<token>/<name>`,
//! `o/<order token>`, `o/<order token>/ask/<grant>`, `f/<storage>/<path>`.

use crate::config::PublicUrl;
use crate::domain::file::{FileRef, StorageName};
use crate::domain::path::{CanonicalPath, FilePath};

/// What a download address names. It does not print: it may hold a token.
#[derive(Clone, PartialEq, Eq)]
pub enum Address<'a> {
    /// `l/<token>/…`: a link. The name that follows is for people and browsers.
    Link(&'a str),
    /// `d/<token>/…`: a delivery.
    Delivery(&'a str),
    /// `s/<token>/…`: the page that stays while a delivery runs, or, by the token of its link, the copy of a grant.
    Started(&'a str),
    /// `o/<token>`: the page of all downloads of an order; what follows is asked for there.
    Order(&'a str, &'a str),
    /// `f/<storage>/<path>`: a file, opened by a stateless proof.
    File(FileRef),
}

impl<'a> Address<'a> {
    /// Reads the part of a path that follows `public_url`.
    pub fn read(path: &'a CanonicalPath, public: &CanonicalPath) -> Option<Self> {
        let (kind, rest) = path.below(public)?.split_once('/')?;
        match kind {
            "l" => Some(Self::Link(token_of(rest))),
            "d" => Some(Self::Delivery(token_of(rest))),
            "s" => Some(Self::Started(token_of(rest))),
            "o" => {
                let (token, asked) = rest.split_once('/').unwrap_or((rest, ""));
                Some(Self::Order(token, asked))
            }
            "f" => {
                let (storage, inside) = rest.split_once('/')?;
                Some(Self::File(FileRef { storage: StorageName::parse(storage)?, path: FilePath::parse(inside).ok()? }))
            }
            _ => None,
        }
    }
}

fn token_of(rest: &str) -> &str {
    rest.split_once('/').map_or(rest, |(token, _)| token)
}

/// The path of a link.
pub fn link_path(public: &PublicUrl, token: &str, file: &FileRef) -> String {
    format!("{}l/{token}/{}", public.path, name_in_path(file))
}

/// The path of a delivery.
pub fn delivery_path(public: &PublicUrl, token: &str, file: &FileRef) -> String {
    format!("{}d/{token}/{}", public.path, name_in_path(file))
}

/// The path of the page that stays while a delivery runs, or the copy of a link's grant is fetched.
pub fn started_path(public: &PublicUrl, token: &str, file: &FileRef) -> String {
    format!("{}s/{token}/{}", public.path, name_in_path(file))
}

/// The path of the page of all downloads of an order.
pub fn order_path(public: &PublicUrl, token: &str) -> String {
    format!("{}o/{token}", public.path)
}

/// The path of a file, as stateless proofs sign it.
pub fn file_path(public: &PublicUrl, file: &FileRef) -> String {
    format!("{}f/{}/{}", public.path, file.storage, file.path.encoded())
}

/// The last segment of the file's path; what saves a download without looking at headers names it so.
fn name_in_path(file: &FileRef) -> String {
    let encoded = file.path.encoded();
    encoded.rsplit('/').next().unwrap_or_default().to_owned()
}

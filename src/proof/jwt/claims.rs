//! What a token claims, read after its signature held: each claim that is known has the type that it must have.

use ipnet::IpNet;

use super::json::{Json, Object};
use super::{Fault, Scope, Wanted};
use crate::domain::file::{FileRef, StorageName};
use crate::domain::moment::Moment;
use crate::domain::path::{CanonicalPath, FilePath};
use crate::domain::units::Rate;
use crate::proof::signed_url::network_of;

/// Longest `sub`, as long as a customer's name may be.
pub(super) const USER_BYTES_MAX: usize = 256;

/// Longest `jti`.
const ID_BYTES_MAX: usize = 128;

/// The claims, none of them compared with anything yet.
pub(super) struct Claims {
    audience: Vec<String>,
    pub(super) expires: Moment,
    pub(super) not_before: Option<Moment>,
    pub(super) issued: Option<Moment>,
    pub(super) scope: Scope,
    pub(super) network: Option<IpNet>,
    pub(super) user: Option<String>,
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) rate: Option<Rate>,
    pub(super) max: Option<u32>,
}

impl Claims {
    /// Reads them all; what is not known is passed over.
    pub(super) fn read(object: &Object) -> Result<Self, Fault> {
        let moment = |name| read(object, name, |value| value.millis().map(Moment::from_millis));
        let text = |name, bytes_max| read(object, name, |value| plain(value.text()?, bytes_max));
        Ok(Self {
            audience: read(object, "aud", audience)?.ok_or(Fault::Missing("aud"))?,
            expires: moment("exp")?.ok_or(Fault::Missing("exp"))?,
            not_before: moment("nbf")?,
            issued: moment("iat")?,
            scope: scope(object)?,
            network: read(object, "net", |value| network_of(value.text()?))?,
            user: text("sub", USER_BYTES_MAX)?,
            id: text("jti", ID_BYTES_MAX)?,
            name: read(object, "name", |value| value.text().filter(|name| !name.is_empty()).map(str::to_owned))?,
            rate: read(object, "rate", |value| value.whole().and_then(std::num::NonZeroU64::new).map(Rate))?,
            max: read(object, "max", |value| value.whole().filter(|max| *max > 0).and_then(|max| u32::try_from(max).ok()))?,
        })
    }

    /// Whether they are made for `site`.
    pub(super) fn are_for(&self, site: &str) -> bool {
        self.audience.iter().any(|audience| audience == site)
    }

    /// Whether they open what is asked for.
    pub(super) fn check_scope(&self, wanted: &Wanted<'_>) -> Result<(), Fault> {
        let opens = match (&self.scope, wanted.file) {
            (Scope::File(_), None) => return Err(Fault::OnlyDownloads),
            (Scope::File(file), Some(asked)) => file == asked,
            (Scope::Path(path), _) => path == wanted.path,
            (Scope::Prefix(prefix), _) => wanted.path.below(prefix).is_some(),
        };
        if opens { Ok(()) } else { Err(Fault::WrongPath) }
    }

    /// A number of downloads is counted where there is one file, and a name for the token.
    pub(super) fn check_max(&self, wanted: &Wanted<'_>) -> Result<(), Fault> {
        match (self.max, wanted.file, &self.scope, &self.id) {
            (None, ..) => Ok(()),
            // A grant is saved under the name of its file.
            (Some(_), Some(_), Scope::File(_), Some(_)) => {
                if self.name.is_some() {
                    Err(Fault::MaxWithName)
                } else {
                    Ok(())
                }
            }
            (Some(_), None, ..) => Err(Fault::NotCounted),
            (Some(_), Some(_), Scope::Path(_) | Scope::Prefix(_), _) => Err(Fault::MaxNeeds("file")),
            (Some(_), Some(_), Scope::File(_), None) => Err(Fault::MaxNeeds("jti")),
        }
    }
}

fn read<T>(object: &Object, name: &'static str, parse: impl Fn(&Json) -> Option<T>) -> Result<Option<T>, Fault> {
    object.get(name).map(|value| parse(value).ok_or(Fault::BadValue(name))).transpose()
}

/// One name, or a list of names.
fn audience(value: &Json) -> Option<Vec<String>> {
    match value {
        Json::List(list) => list.iter().map(|value| value.text().map(str::to_owned)).collect(),
        value => value.text().map(|name| vec![name.to_owned()]),
    }
}

/// Exactly one of `file`, `path` and `prefix`, each written as the file is called and not as a URL is.
fn scope(object: &Object) -> Result<Scope, Fault> {
    let path = |value: &Json| CanonicalPath::of_decoded(value.text()?).ok();
    let file = read(object, "file", |value| file_of(value.text()?))?.map(Scope::File);
    let path_claim = read(object, "path", path)?.map(Scope::Path);
    let prefix = read(object, "prefix", path)?.map(Scope::Prefix);
    let mut scopes = [file, path_claim, prefix].into_iter().flatten();
    match (scopes.next(), scopes.next()) {
        (Some(scope), None) => Ok(scope),
        (None, _) | (Some(_), Some(_)) => Err(Fault::NoScope),
    }
}

fn file_of(text: &str) -> Option<FileRef> {
    let (storage, path) = text.split_once('/')?;
    Some(FileRef { storage: StorageName::parse(storage)?, path: FilePath::parse(path).ok()? })
}

/// A text that can stand in a log and in a header.
fn plain(text: &str, bytes_max: usize) -> Option<String> {
    let good = !text.is_empty() && text.len() <= bytes_max && !text.chars().any(char::is_control);
    good.then(|| text.to_owned())
}

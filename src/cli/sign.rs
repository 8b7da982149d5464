//! `cloakroom sign`: a stateless URL, offline.

use std::str::FromStr;

use clap::Args;
use ipnet::IpNet;

use super::failure::Failure;
use super::{Common, lines, say, say_json};
use crate::config::{self, Configuration};
use crate::domain::file::{FileRef, StorageName};
use crate::domain::moment::{Moment, Span};
use crate::domain::path::{CanonicalPath, FilePath};
use crate::domain::units::{self, Rate};
use crate::proof::signed_url::{self, Terms};
use crate::service::address;
use crate::{clock, keys};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A file as STORAGE/PATH, or a path of the site that begins with `/`.
    #[arg(value_name = "FILE|/PATH")]
    what: String,

    /// How long it is valid: 90s, 24h, 7d.
    #[arg(long = "for", value_name = "TIME", value_parser = Span::from_str, default_value = "24h", conflicts_with = "until")]
    valid_for: Span,

    /// Until when it is valid: seconds since 1970, or RFC 3339.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Moment>,

    /// From when on it is valid: seconds since 1970, or RFC 3339.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<Moment>,

    /// The network that it can be used from: an address or a CIDR.
    #[arg(long, value_name = "NETWORK", value_parser = units::parse_network)]
    network: Option<IpNet>,

    /// Open everything under PATH (whole segments), and give the URL of the path itself.
    #[arg(long)]
    prefix: bool,

    /// The name under which the file is saved.
    #[arg(long)]
    name: Option<String>,

    /// Bytes per second: 500k/s, 2MB/s.
    #[arg(long, value_name = "RATE", value_parser = Rate::from_str)]
    rate: Option<Rate>,

    /// The key; the first with use = "sign" if none is named.
    #[arg(long, value_name = "ID")]
    key: Option<String>,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<(), Failure> {
    let configuration = config::load(&common.config).map_err(|errors| Failure::configuration(errors.to_string()))?;
    let ring = keys::load(&configuration.keys).map_err(|faults| Failure::configuration(lines(&faults)))?;
    let path = path_of(&configuration, &arguments.what)?;
    let key = match &arguments.key {
        Some(id) => ring
            .find(id)
            .map(|(key, _)| key)
            .ok_or_else(|| Failure::usage(format!("--key: the configuration has no [[key]] with id = \"{id}\"")))?,
        None => ring.signing().ok_or_else(|| Failure::configuration("no [[key]] has use = \"sign\""))?,
    };
    let expires = arguments.until.unwrap_or_else(|| clock::now() + arguments.valid_for);
    let terms = Terms {
        expires,
        not_before: arguments.from,
        network: arguments.network,
        prefix: arguments.prefix.then(|| path.clone()),
        name: arguments.name.clone(),
        rate: arguments.rate,
    };
    let signed = signed_url::sign(&configuration.site, &path, &terms, key);
    let url = format!("{}{signed}", configuration.public_url.origin);
    if common.json {
        return say_json(&serde_json::json!({ "url": url, "path": path.encoded(), "kid": key.id(), "expires": expires.to_string() }));
    }
    say(url)
}

/// The canonical URL path of a file or of a path of the site.
fn path_of(configuration: &Configuration, what: &str) -> Result<CanonicalPath, Failure> {
    if what.starts_with('/') {
        // As a person types it: a decoded path. What is written encoded is taken as it is.
        return CanonicalPath::parse(what).map_err(|fault| Failure::usage(format!("`{what}`: {fault}")));
    }
    let file = file_of(configuration, what)?;
    CanonicalPath::parse(&address::file_path(&configuration.public_url, &file))
        .map_err(|fault| Failure::usage(format!("`{what}`: {fault}")))
}

/// Reads STORAGE/PATH and checks that the storage is configured.
pub(super) fn file_of(configuration: &Configuration, what: &str) -> Result<FileRef, Failure> {
    let known = || configuration.storages.iter().map(|storage| storage.name.as_str()).collect::<Vec<_>>().join(", ");
    let (storage, inside) = what
        .split_once('/')
        .ok_or_else(|| Failure::usage(format!("`{what}` must be STORAGE/PATH (storages: {}) or begin with `/`", known())))?;
    let storage = StorageName::parse(storage)
        .filter(|name| configuration.storages.iter().any(|storage| storage.name == *name))
        .ok_or_else(|| Failure::usage(format!("`{storage}` must be the name of a [[storage]] (there are: {})", known())))?;
    let path = FilePath::parse(inside).map_err(|fault| Failure::usage(format!("`{inside}`: {fault}")))?;
    Ok(FileRef { storage, path })
}

fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(Moment::from_seconds(seconds));
    }
    let stamp: jiff::Timestamp =
        text.parse().map_err(|_| "must be seconds since 1970 or RFC 3339, such as 2027-01-31T12:00:00Z".to_owned())?;
    u64::try_from(stamp.as_second()).map(Moment::from_seconds).map_err(|_| "must not lie before 1970".to_owned())
}

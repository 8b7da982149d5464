//! `cloakroom sign`: a stateless URL, offline.

use std::str::FromStr;

use clap::Args;
use ipnet::IpNet;

use super::failure::{Failure, warn};
use super::reload::key_faults;
use super::{Common, say, say_json};
use crate::config::{Configuration, ProofKind, Purpose};
use crate::domain::file::{FileRef, StorageName};
use crate::domain::moment::{Moment, Span};
use crate::domain::path::{CanonicalPath, FilePath};
use crate::domain::refusal::Refusal;
use crate::domain::units::{self, Rate};
use crate::proof::signed_url::{self, NAME_BYTES_MAX, Terms};
use crate::service::address::Address;
use crate::storage::{Absent, Storages};
use crate::{clock, keys};

/// What stands below the options.
pub(super) const AFTER_HELP: &str = "\
Names are taken as they are, not percent-encoded: `masters/100% a?.zip` is the file of that name, and `%41` are three \
characters. What looks wrong (no such file, no rule) is told on standard error; the URL is printed all the same.

Examples:
  cloakroom sign masters/set/a.zip --for 7d
  cloakroom sign masters/x.zip --name 'Müller, final.zip' --rate 2MB/s
  cloakroom sign masters/a.zip --until 2027-01-31T12:00:00Z
  cloakroom sign /members/ --prefix --network 203.0.113.0/24";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A file as STORAGE/PATH, or a path of the site that begins with `/`.
    #[arg(value_name = "FILE|/PATH")]
    what: String,

    /// How long it is valid: 90s, 24h, 7d.
    #[arg(long = "for", value_name = "TIME", value_parser = Span::from_str, default_value = "24h", conflicts_with = "until")]
    valid_for: Span,

    /// Until when it is valid: 2027-01-31T12:00:00Z, or seconds since 1970.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    until: Option<Moment>,

    /// From when on it is valid: 2027-01-31T12:00:00Z, or seconds since 1970.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    from: Option<Moment>,

    /// Only clients in this network can use it: 203.0.113.0/24, or one address.
    #[arg(long, value_name = "NETWORK", value_parser = units::parse_network)]
    network: Option<IpNet>,

    /// Let it open everything under the path too: the same query works for each.
    #[arg(long)]
    prefix: bool,

    /// The name under which the file is saved.
    #[arg(long, value_name = "NAME", value_parser = save_name)]
    name: Option<String>,

    /// Bytes per second: 500k/s (k = 1024), 2MB/s (MB = 1000000).
    #[arg(long, value_name = "RATE", value_parser = Rate::from_str)]
    rate: Option<Rate>,

    /// The key to sign with; the first with use = "sign" if none is named.
    #[arg(long, value_name = "ID")]
    key: Option<String>,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<(), Failure> {
    let configuration = common.load()?;
    let path = path_of(&configuration, &arguments.what)?;
    let key_of = |id: &String| configuration.keys.iter().find(|entry| entry.id == *id).ok_or_else(|| unknown_key(&configuration, id));
    let wanted = arguments.key.as_ref().map(key_of).transpose()?;
    let ring = keys::load(&configuration.keys).map_err(|faults| Failure::named(&key_faults(&configuration, &faults)))?;
    let key = match wanted {
        Some(entry) => {
            let nothing = || Failure::usage(format!("--key {}: it is a public key, with which nothing can be signed", entry.id));
            ring.find(&entry.id).map(|(key, _)| key).ok_or_else(nothing)?
        }
        None => ring.signing().ok_or_else(|| Failure::configuration("there must be a [[key]] with use = \"sign\", found none"))?,
    };
    let now = clock::now();
    let terms = Terms {
        expires: arguments.until.unwrap_or_else(|| now + arguments.valid_for),
        not_before: arguments.from,
        network: arguments.network,
        prefix: arguments.prefix.then(|| path.clone()),
        name: arguments.name.clone(),
        rate: arguments.rate,
    };
    if let Some(from) = terms.not_before.filter(|from| *from >= terms.expires) {
        return Err(Failure::usage(format!("--from {from} must be before the URL's end, {}", terms.expires)));
    }
    let mut warnings = doubts(&configuration, &path, arguments);
    if terms.expires <= now {
        warnings.push(format!("it has expired already, at {}", terms.expires));
    }
    for warning in &warnings {
        warn(&format!("cloakroom: warning: {warning}"));
    }
    let signed = signed_url::sign(&configuration.site, &path, &terms, key);
    let url = format!("{}{signed}", configuration.public_url.origin);
    if common.json {
        return say_json(&serde_json::json!({
            "url": url, "path": path.encoded(), "kid": key.id(), "expires": terms.expires.to_string(), "warnings": warnings,
        }));
    }
    say(url)
}

fn unknown_key(configuration: &Configuration, id: &str) -> Failure {
    let known: Vec<&str> = configuration.keys.iter().map(|entry| entry.id.as_str()).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Failure::usage(format!("--key {id}: the configuration has no [[key]] with this id (there are: {known})"))
}

/// What may keep the URL from opening anything, though it is well signed.
fn doubts(configuration: &Configuration, path: &CanonicalPath, arguments: &Arguments) -> Vec<String> {
    let mut doubts = Vec::new();
    if let Some(entry) = arguments.key.as_ref().and_then(|id| configuration.keys.iter().find(|entry| entry.id == *id))
        && entry.purpose != Purpose::Sign
    {
        doubts.push(format!("the key `{}` has use = \"{}\", not \"sign\"", entry.id, entry.purpose.word()));
    }
    if arguments.name.as_ref().is_some_and(|name| name.contains(|sign: char| sign.is_control() || matches!(sign, '/' | '\\'))) {
        doubts.push("--name: `/`, `\\` and control characters are left out when the file is saved".to_owned());
    }
    let public = CanonicalPath::parse(&configuration.public_url.path).ok();
    if let Some(public) = public.filter(|public| path.below(public).is_some()) {
        match Address::read(path, &public) {
            Some(Address::File(file)) => doubts.extend(file_doubt(configuration, &file, arguments.prefix)),
            Some(Address::Link(_) | Address::Delivery(_) | Address::Started(_) | Address::Order(..)) => {
                doubts.push(format!("{path} is a link, a delivery or the page of an order, which a signature does not open"));
            }
            None if arguments.prefix => {}
            None => doubts.push(format!("{path} is no file: files are {}f/STORAGE/PATH", configuration.public_url.path)),
        }
        return doubts;
    }
    match configuration.rule_for(path) {
        None => doubts.push(format!("no [[rule]] of the configuration covers {path}: it is refused with `no_rule`")),
        Some(rule) if !rule.accept.contains(&ProofKind::SignedUrl) => {
            let prefix = rule.path.encoded();
            let refusal = if rule.takes_logins() { Refusal::LoginRequired } else { Refusal::NoProof };
            let message = format!(
                "takes no signed URLs, and is the rule for {prefix}: the URL is refused with `{refusal}`; add \"signed-url\" there"
            );
            doubts.push(configuration.places.fault("rule.accept", prefix, message).to_string());
        }
        Some(_) => {}
    }
    if looks_encoded(&arguments.what) {
        doubts.push(format!("`{}` is taken as it is written: `?` begins no query here, and `%XX` is not decoded", arguments.what));
    }
    if arguments.name.is_some() {
        doubts.push("--name changes nothing here: the web server sends its own file under its own name".to_owned());
    }
    doubts
}

fn looks_encoded(what: &str) -> bool {
    let mut after_percent = what.split('%').skip(1);
    what.contains('?') || after_percent.any(|rest| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2)
}

fn file_doubt(configuration: &Configuration, file: &FileRef, prefix: bool) -> Option<String> {
    let Some(entry) = configuration.storage(&file.storage) else {
        return Some(format!("there is no [[storage]] named `{}`", file.storage));
    };
    let opened = match Storages::open(std::slice::from_ref(entry)) {
        Ok(opened) => opened,
        Err(faults) => return Some(format!("whether the file is there cannot be seen: {}", faults.first()?)),
    };
    match opened.look(file) {
        Ok(_) => None,
        Err(Absent::NotAFile) if prefix => None,
        Err(absent) => Some(format!("{file}: {absent}")),
    }
}

/// The canonical URL path of a file or of a path of the site.
fn path_of(configuration: &Configuration, what: &str) -> Result<CanonicalPath, Failure> {
    let fault = |fault: &dyn std::fmt::Display| Failure::usage(format!("`{what}`: {fault}"));
    if what.starts_with('/') {
        return CanonicalPath::of_decoded(what).map_err(|wrong| fault(&wrong));
    }
    let file = file_of(configuration, what)?;
    CanonicalPath::of_decoded(&format!("{}f/{}/{}", configuration.public_url.path, file.storage, file.path)).map_err(|wrong| fault(&wrong))
}

/// Reads STORAGE/PATH and checks that the storage is configured.
fn file_of(configuration: &Configuration, what: &str) -> Result<FileRef, Failure> {
    let known = || {
        let names: Vec<&str> = configuration.storages.iter().map(|storage| storage.name.as_str()).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    if what.contains("://") {
        return Err(Failure::usage(format!("`{what}` must be STORAGE/PATH or a path of the site such as /members/, not a whole URL")));
    }
    let (storage, inside) = what
        .split_once('/')
        .ok_or_else(|| Failure::usage(format!("`{what}` must be STORAGE/PATH (storages: {}) or begin with `/`", known())))?;
    let storage = StorageName::parse(storage)
        .filter(|name| configuration.storage(name).is_some())
        .ok_or_else(|| Failure::usage(format!("`{storage}` must be the name of a [[storage]] (there are: {})", known())))?;
    let path = FilePath::parse(inside).map_err(|fault| Failure::usage(format!("`{what}`: {fault}")))?;
    Ok(FileRef { storage, path })
}

/// Reads RFC 3339, or seconds since 1970.
fn moment(text: &str) -> Result<Moment, String> {
    const WANTED: &str = "must be a time such as 2027-01-31T12:00:00Z, or seconds since 1970";
    if text.bytes().all(|byte| byte.is_ascii_digit())
        && let Ok(seconds) = text.parse::<i64>()
    {
        // What RFC 3339 cannot write is a mistake, mostly milliseconds.
        jiff::Timestamp::from_second(seconds).map_err(|_| "must be seconds since 1970, not milliseconds".to_owned())?;
        return Ok(Moment::from_seconds(seconds.unsigned_abs()));
    }
    let stamp: jiff::Timestamp = text.parse().map_err(|_| WANTED.to_owned())?;
    u64::try_from(stamp.as_second()).map(Moment::from_seconds).map_err(|_| "must not lie before 1970".to_owned())
}

/// A name that can be written whole into the URL.
fn save_name(text: &str) -> Result<String, String> {
    if text.trim().is_empty() || text.len() > NAME_BYTES_MAX {
        return Err(format!("must have 1 to {NAME_BYTES_MAX} bytes"));
    }
    Ok(text.to_owned())
}

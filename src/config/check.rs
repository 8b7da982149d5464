//! What does not go together, though each part of it is right.

use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::dialect::Dialect;
use crate::domain::policy::{Edition, Method, Policy};
use crate::domain::question::Kind;

use super::fault::Faults;
use super::possible::{Limit, heard, holds, keeps_versions, possible};
use super::reader::Placed;
use super::sections::{File, ReadRule, ReadStorage, Server};
use super::{Address, Feed, ProofKind, Purpose, Serve, policies};

/// The dialects of the web listeners, each once. `None` where a listener is faulty: then nothing is said about what
/// the listeners cannot do.
fn dialects(file: &File) -> Option<Vec<Dialect>> {
    let mut dialects = Vec::new();
    for listener in &file.listeners {
        match listener.serve? {
            Serve::Web(dialect) if !dialects.contains(&dialect) => dialects.push(dialect),
            Serve::Web(_) | Serve::Api | Serve::Admin => {}
        }
    }
    Some(dialects)
}

/// Tells what does not go together; the policies, where it could be seen what they are for.
pub(super) fn check(faults: &mut Faults<'_>, file: &File) -> Option<Vec<(String, Policy)>> {
    if file.all_formed {
        keys(faults, file);
    }
    if let Some(server) = &file.server {
        directories(faults, file, server);
        apart(faults, file);
    }
    if file.all_formed {
        feed(faults, file);
        policies::endings(faults, &file.policies);
    }
    let dialects = dialects(file).filter(|_| file.all_formed)?;
    listeners(faults, file, &dialects);
    if !dialects.is_empty() {
        rules(faults, file, &dialects);
        methods(faults, file, &dialects);
        redirects(faults, file);
    }
    let policies = policies::policies(&file.policies, &dialects);
    if file.policies.iter().all(|part| part.methods_known) {
        handoff(faults, file, &dialects, &policies);
        limits(faults, file, &dialects, &policies);
        versions(faults, file, &policies);
    }
    file.policies.iter().all(|part| part.good).then_some(policies)
}

fn listeners(faults: &mut Faults<'_>, file: &File, dialects: &[Dialect]) {
    if dialects.is_empty() {
        let (span, key) = file.listeners.first().map_or((0..0, "listener"), |first| (first.header.clone(), "listener[1].serve"));
        let found = if file.listeners.is_empty() { "is missing: there" } else { "is not enough: there" };
        faults.whole(span, key, format!("{found} must be at least one [[listener]] with serve = \"web\""));
    }
}

/// A feed over the API needs one, and a feed's socket a path of its own.
fn feed(faults: &mut Faults<'_>, file: &File) {
    let Some(feed) = &file.feed else { return };
    let told = |message: String, key: &str, faults: &mut Faults<'_>| faults.whole(feed.span.clone(), &format!("feed.{key}"), message);
    match &feed.value {
        Feed::Api if file.listeners.iter().all(|listener| listener.serve.is_some_and(|serve| serve != Serve::Api)) => {
            let message = "must have a [[listener]] with serve = \"api\", over which `cloakroom feed` reaches the daemon, found none";
            told(message.to_owned(), "from", faults);
        }
        Feed::Syslog { path: socket, .. } => {
            let taken = file.listeners.iter().position(|listener| {
                let address = listener.listener.as_ref().map(|listener| &listener.address);
                matches!(address, Some(Address::Unix { path, .. }) if path == socket)
            });
            if let Some(place) = taken {
                let message = format!("must differ from `listener[{}].address`, found \"unix:{}\"", place + 1, shown(socket));
                told(message, "syslog", faults);
            }
        }
        Feed::Api | Feed::AccessLog(_) => {}
    }
}

fn keys(faults: &mut Faults<'_>, file: &File) {
    let Some(first) = file.keys.first() else { return };
    let signs = |purpose: Option<Purpose>| purpose.is_none_or(|purpose| purpose == Purpose::Sign);
    if !file.keys.iter().any(|key| signs(key.purpose)) {
        faults.whole(first.header.clone(), "key", "must be one with use = \"sign\" at least, found none".to_owned());
    }
}

fn rules(faults: &mut Faults<'_>, file: &File, dialects: &[Dialect]) {
    let Some(first) = file.rules.first() else { return };
    let answers: Vec<_> = dialects.iter().map(|dialect| possible(Kind::Authorize, *dialect, Method::Handoff)).collect();
    if let (Some(Err(why)), true) = (answers.first(), answers.iter().all(Result::is_err)) {
        faults.whole(
            first.header.clone(),
            &first.name,
            format!("must have a [[listener]] to ask by, with dialect = \"nginx\", or dialect = \"apache\" and protocol = \"fastcgi\", found none: {why}"),
        );
    }
    // A URL signed by a key that is unknown opens nothing: the rule would shut its path for everybody.
    let signed = |rule: &&ReadRule| {
        let is_signed = |kind: &ProofKind| matches!(kind, ProofKind::SignedUrl | ProofKind::Jwt);
        rule.rule.as_ref().is_some_and(|rule| rule.accept.iter().any(is_signed))
    };
    if let Some(first) = file.rules.iter().find(signed)
        && file.keys.iter().all(|key| key.purpose == Some(Purpose::Retired))
    {
        faults.whole(first.header.clone(), &first.name, "must have a [[key]] to check signed URLs and JWTs with, found none".to_owned());
    }
}

/// A method of redirects needs a storage that says where to; and what a storage names must be there.
fn redirects(faults: &mut Faults<'_>, file: &File) {
    for storage in &file.storages {
        for (key, named) in [("stub", &storage.stub), ("copy", &storage.copy)] {
            let Some(named) = named else { continue };
            if !file.directories.iter().any(|directory| directory.known_as.as_ref() == Some(&named.value)) {
                let message = format!("must be the name of a [[directory]], found \"{}\", and there is none of this name", named.value);
                faults.whole(named.span.clone(), &format!("{}.{key}", storage.name), message);
            }
        }
    }
    let has = |method| match method {
        Method::Stub => file.storages.iter().any(|storage| storage.stub.is_some()),
        Method::Copy => file.storages.iter().any(|storage| storage.copy.is_some()),
        Method::Public => file.storages.iter().any(|storage| storage.has_public),
        Method::Handoff | Method::Stream | Method::Presigned | Method::Proxy => true,
    };
    for part in &file.policies {
        for method in part.methods.iter().flatten().filter(|method| !has(method.value)) {
            let word = method.value.word();
            let message = format!("needs a [[storage]] that has a key `{word}`, which says where \"{word}\" leads to; none has");
            faults.whole(method.span.clone(), &format!("{}.method", part.section), message);
        }
    }
}

/// A method that no listener can do is told, where it stands.
fn methods(faults: &mut Faults<'_>, file: &File, dialects: &[Dialect]) {
    for part in &file.policies {
        for method in part.methods.iter().flatten() {
            let answers: Vec<_> = dialects.iter().map(|dialect| possible(Kind::Download, *dialect, method.value)).collect();
            if let (Some(Err(why)), true) = (answers.first(), answers.iter().all(Result::is_err)) {
                let message = format!("must be what a listener can do, found \"{}\": {why}", method.value.word());
                faults.whole(method.span.clone(), &format!("{}.method", part.section), message);
            }
        }
    }
}

/// A limit that a method of its policy cannot hold is told, where it stands.
fn limits(faults: &mut Faults<'_>, file: &File, dialects: &[Dialect], policies: &[(String, Policy)]) {
    let can = |method: &Method| dialects.iter().any(|dialect| possible(Kind::Download, *dialect, *method).is_ok());
    for part in &file.policies {
        let Some((_, policy)) = policies.iter().find(|(name, _)| part.name.as_ref() == Some(name)) else { continue };
        for (limit, span) in &part.limits {
            let unheard = |method: Method| {
                let mut all = dialects.iter().filter(|_| method == Method::Handoff);
                all.find_map(|dialect| heard(*limit, *dialect).err())
            };
            let broken = |method: &Method| {
                let why = holds(*limit, *method, file.measured).err().or_else(|| unheard(*method))?;
                Some((*method, why))
            };
            if let Some((method, why)) = policy.methods.iter().filter(|method| can(method)).find_map(broken) {
                let message = format!("cannot hold with method \"{}\": {why}", method.word());
                faults.whole(span.clone(), &format!("{}.{}", part.section, limit.key()), message);
            }
        }
        // A number that nobody wrote would seem to hold.
        let is_written = part.limits.iter().any(|(limit, _)| *limit == Limit::Downloads);
        let copies = part.methods.iter().flatten().find(|method| method.value == Method::Copy && can(&method.value));
        if let (Some(copies), Some(most), false) = (copies, policy.max_downloads, is_written)
            && let Err(why) = holds(Limit::Downloads, Method::Copy, file.measured)
        {
            let message = format!("is {most} where nothing is said, which cannot hold with method \"copy\": {why}; say \"unlimited\"");
            faults.whole(copies.span.clone(), &format!("{}.{}", part.section, Limit::Downloads.key()), message);
        }
    }
}

/// A version that a method of its policy cannot keep is told, where it stands: at the version, else at the methods.
fn versions(faults: &mut Faults<'_>, file: &File, policies: &[(String, Policy)]) {
    for part in &file.policies {
        let Some((_, policy)) = policies.iter().find(|(name, _)| part.name.as_ref() == Some(name)) else { continue };
        if policy.edition == Edition::Latest {
            continue;
        }
        let broken = |method: &Method| Some((*method, keeps_versions(*method).err()?));
        let Some((method, why)) = policy.methods.iter().find_map(broken) else { continue };
        let message = format!("cannot be \"{}\" with method \"{}\": {why}", policy.edition.word(), method.word());
        let at = part.methods.iter().flatten().find(|written| written.value == method);
        if let Some(span) = part.version.as_ref().map(|version| &version.span).or(at.map(|at| &at.span)) {
            faults.whole(span.clone(), &format!("{}.version", part.section), message);
        }
    }
}

/// Each storage has to say where the web server finds it, if a policy may hand off to one, unless it says another way to its
/// files.
fn handoff(faults: &mut Faults<'_>, file: &File, dialects: &[Dialect], policies: &[(String, Policy)]) {
    let Some((policy, _)) = policies.iter().find(|(_, policy)| policy.methods.contains(&Method::Handoff)) else { return };
    if !dialects.iter().any(|dialect| possible(Kind::Download, *dialect, Method::Handoff).is_ok()) {
        return;
    }
    let leads_away = |storage: &&ReadStorage| storage.stub.is_some() || storage.copy.is_some() || storage.has_public;
    for storage in file.storages.iter().filter(|storage| !storage.has_handoff && !leads_away(storage)) {
        let key = format!("{}.handoff", storage.name);
        let message = format!(
            "is missing: it must be the web server's internal address of this storage, such as \"/_cloakroom/masters/\", since the policy \"{policy}\" hands its files off"
        );
        faults.whole(storage.header.clone(), &key, message);
    }
}

const STATE_DIR: &str = "server.state_dir";

/// What is secret must not lie where files are handed out.
fn directories(faults: &mut Faults<'_>, file: &File, server: &Server) {
    let mut secrets: Vec<(String, &Range<usize>, PathBuf)> =
        vec![(STATE_DIR.to_owned(), &server.state_dir.span, server.state_dir.value.clone())];
    for key in &file.keys {
        if let Some(path) = &key.file {
            secrets.push((format!("{}.file", key.name), &path.span, server.state_dir.value.join(&path.value)));
        }
    }
    for listener in &file.listeners {
        if let Some(path) = &listener.secret {
            secrets.push((format!("{}.secret", listener.name), &path.span, server.state_dir.value.join(&path.value)));
        }
    }
    for rule in &file.rules {
        if let Some(path) = &rule.htpasswd {
            secrets.push((format!("{}.htpasswd", rule.name), &path.span, path.value.clone()));
        }
    }
    for webhook in &file.webhooks {
        if let Some(path) = &webhook.secret {
            secrets.push((format!("{}.secret", webhook.name), &path.span, server.state_dir.value.join(&path.value)));
        }
    }
    if let Some(path) = file.mail.as_ref().and_then(|mail| mail.password.as_ref()) {
        secrets.push(("mail.password_file".to_owned(), &path.span, server.state_dir.value.join(&path.value)));
    }
    for directory in &file.directories {
        let Some(path) = &directory.credentials.htpasswd else { continue };
        let key = format!("{}.htpasswd", directory.name);
        if path.value.starts_with(&server.state_dir.value) {
            let message = format!(
                "must lie outside of `{STATE_DIR}`, which the web server cannot enter, found inside it on line {}: \"{}\"",
                faults.line(server.state_dir.span.start),
                shown(&server.state_dir.value)
            );
            faults.whole(path.span.clone(), &key, message);
        }
        secrets.push((key, &path.span, path.value.clone()));
    }
    let storages = file.storages.iter().map(|storage| (&storage.name, &storage.path));
    let public = file.directories.iter().map(|directory| (&directory.name, &directory.path));
    let zen_carts = file.zen_carts.iter().map(|zen_cart| (&zen_cart.name, &zen_cart.path));
    for (name, path) in storages.chain(public).chain(zen_carts) {
        let Some(path) = path else { continue };
        let mut told_all = false;
        for (key, span, secret) in &secrets {
            if secret.starts_with(&path.value) && !told_all {
                // What lies under state_dir is told with it.
                told_all = key == STATE_DIR;
                let message = format!(
                    "must lie outside of every storage and public directory, since their files are handed out, found inside `{}.path` on line {}: \"{}\"",
                    name,
                    faults.line(path.span.start),
                    shown(&path.value)
                );
                faults.whole((*span).clone(), key, message);
            }
        }
    }
}

/// What is private must not lie where everybody may look, and what is public must not be a master; what others fill must
/// not lie in what we fill.
fn apart(faults: &mut Faults<'_>, file: &File) {
    for directory in &file.directories {
        let Some(public) = &directory.path else { continue };
        for storage in &file.storages {
            let Some(private) = storage.path.as_ref().filter(|private| overlap(&public.value, &private.value)) else { continue };
            beside(faults, (&directory.name, &public.span), "storage", (&storage.name, private), "");
        }
    }
    for (number, zen_cart) in file.zen_carts.iter().enumerate() {
        let Some(links) = &zen_cart.path else { continue };
        let ours = (zen_cart.name.as_str(), &links.span);
        for directory in &file.directories {
            let Some(public) = directory.path.as_ref().filter(|public| overlap(&links.value, &public.value)) else { continue };
            let why = "; Zen Cart would clean up what we place: give the [[directory]] a place outside of the shop's `pub/`";
            beside(faults, ours, "public directory", (&directory.name, public), why);
        }
        for storage in &file.storages {
            let Some(private) = storage.path.as_ref().filter(|private| overlap(&links.value, &private.value)) else { continue };
            let why = if links.value.starts_with(&private.value) {
                "; its links would be files to sell: let the storage begin where the masters lie, such as the shop's `download/`"
            } else {
                "; everybody may fetch what lies there: move the masters out of the shop's `pub/`"
            };
            beside(faults, ours, "storage", (&storage.name, private), why);
        }
        for other in file.zen_carts.iter().take(number) {
            // Two that are equal are told where they are read.
            let inside = |other: &&Placed<PathBuf>| links.value != other.value && overlap(&links.value, &other.value);
            let Some(path) = other.path.as_ref().filter(inside) else { continue };
            beside(faults, ours, "other [[zen_cart]]", (&other.name, path), "");
        }
    }
}

/// Whether one lies inside the other, or both are one.
fn overlap(one: &Path, other: &Path) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

/// Says of the path at `span` in `section` from every one of what it must lie apart, beside which it was found, and why that
/// breaks.
fn beside(
    faults: &mut Faults<'_>,
    (section, span): (&str, &Range<usize>),
    every: &str,
    (other, there): (&str, &Placed<PathBuf>),
    why: &str,
) {
    let line = faults.line(there.span.start);
    let message =
        format!("must lie apart from every {every}, found beside `{other}.path` on line {line}: \"{}\"{why}", shown(&there.value));
    faults.whole(span.clone(), &format!("{section}.path"), message);
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().escape_debug().to_string()
}

//! Public directories as a customer and a stranger see them: stubs and copies of a file that would be run, rendered or
//! changed if anything there did so, and a login where one is asked for. Everything that is planted goes again, whatever
//! happens.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::finding::{Finding, or_ok};
use super::http::Answer;
use super::live::{Visit, shown};
use super::public_login_live;
use super::public_planted::{Kind, LEAVES, Planted};
use crate::config::{Configuration, Directory, Feed, Storage};
use crate::domain::placed::DirectoryName;
use crate::public::ASIDE;

/// What is looked at of a report.
const END_BYTES: u64 = 64 * 1024;

/// A line of a log comes within a moment.
pub(super) const LOOKS: usize = 30;
pub(super) const LOOK: Duration = Duration::from_millis(100);

/// All public directories.
pub(super) async fn look(visit: &mut Visit<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for directory in &visit.configuration.directories {
        found.extend(one(visit, directory).await);
    }
    found
}

async fn one(visit: &mut Visit<'_>, directory: &Directory) -> Vec<Finding> {
    let configuration = visit.configuration;
    let not_asked = |why: String| Finding::not_asked("public-live", format!("`{}` was not tried: {why}", directory.name));
    if directory.url.origin != configuration.public_url.origin {
        return vec![not_asked(format!("it is served by {}", directory.url.origin))];
    }
    let with = |named: fn(&Storage) -> Option<&DirectoryName>| {
        configuration.storages.iter().find(|storage| named(storage) == Some(&directory.name))
    };
    let mut found = Vec::new();
    if let Some(storage) = with(|storage| storage.stub.as_ref()) {
        match Planted::stubs(storage, directory) {
            Ok(planted) => found.extend(tried(visit, directory, planted).await),
            Err(why) => found.push(not_asked(format!("nothing can be planted in {} and there: {why}", storage.path.display()))),
        }
    }
    if with(|storage| storage.copy.as_ref()).is_some() {
        match Planted::copies(directory) {
            Ok(planted) => found.extend(tried(visit, directory, planted).await),
            Err(why) => found.push(not_asked(format!("no copy can be planted there: {why}"))),
        }
    }
    if found.is_empty() {
        found.push(not_asked("no [[storage]] has stubs or copies there".to_owned()));
    }
    found
}

/// Everything about what was planted.
async fn tried(visit: &mut Visit<'_>, directory: &Directory, mut planted: Planted) -> Vec<Finding> {
    let at = format!("location ^~ {} {{ … }}", directory.url.path);
    if let Some(fault) = public_login_live::asks(visit, directory, &planted, &at).await {
        // Nothing else of it can be right before this is.
        return vec![fault];
    }
    let mut wrong = Vec::new();
    let mut is_served = true;
    for leaf in LEAVES {
        let fault = served(visit, directory, &planted, leaf, &at).await;
        is_served &= fault.is_none();
        wrong.extend(fault);
    }
    // One cause has many of these.
    wrong.dedup_by(|one, other| one.says == other.says);
    wrong.extend(listed(visit, directory, &planted, &at).await);
    wrong.extend(aside(visit, directory, &planted).await);
    if is_served {
        wrong.extend(part(visit, &planted, &at).await);
        wrong.extend(gone(visit, &mut planted, &at).await);
        wrong.extend(told(visit.configuration, &planted, &at).await);
        wrong.extend(public_login_live::ends(visit, &mut planted, &at).await);
    }
    let asked = if planted.has_login() { "; each asked for a password, also once it was withdrawn" } else { "" };
    let says = format!(
        "`{}`: {} {} of one file came as they are, as attachments; nothing is listed; what is removed is gone at once{asked}",
        directory.name,
        LEAVES.len(),
        planted.kind.many(),
    );
    or_ok("public-live", says, wrong)
}

/// One of them: every byte, to be saved.
async fn served(visit: &mut Visit<'_>, directory: &Directory, planted: &Planted, leaf: &str, at: &str) -> Option<Finding> {
    let target = planted.target(leaf);
    let (one, many) = (planted.kind.one(), planted.kind.many());
    let asked = planted.get(visit, &target, &[("accept-encoding", "gzip, deflate, br"), ("accept", "text/html")]).await;
    let said = planted.hidden(&shown("GET", &target, &asked));
    let fault = |says: &str| Finding::fault("public-live", says).found(&said);
    let Ok(answer) = &asked else {
        return Some(fault(&format!("a {one} gets no answer")).right("200 and the file").run("tail -n 5 /var/log/nginx/error.log"));
    };
    let (encoding, media_type) = (answer.header("content-encoding"), answer.header("content-type"));
    if !encoding.is_empty() {
        return Some(
            fault(&format!("{many} are changed on their way"))
                .found(format!("{said}, Content-Encoding: {encoding}"))
                .right("the bytes of the file")
                .add("gzip off;", at),
        );
    }
    match answer.status {
        200 if *answer.body == *planted.bytes => {}
        200 | 500..=599 => {
            let fault = fault("a file of a customer is run or changed on this server");
            return Some(
                fault.right("the bytes of the file, whatever it is called").replace(format!("location ^~ {} {{", directory.url.path), at),
            );
        }
        403 if planted.kind == Kind::Copy => {
            let fault = fault("nginx may not read the copies: customers see 403");
            let run = format!("chgrp www-data {0} && chmod 2750 {0}", directory.path.display());
            return Some(fault.right("its workers enter the public directory, and copies have its group").run(run));
        }
        403 => {
            let fault = fault("nginx may not follow a stub to its file: customers see 403");
            return Some(fault.right("its workers enter the public directory and read the masters").add("disable_symlinks off;", at));
        }
        _ => {
            let fault = fault(&format!("a {one} does not lead to its file"));
            return Some(fault.right("200 and the file").add(format!("alias {}/;", directory.path.display()), at));
        }
    }
    for (name, value, line) in [
        ("content-disposition", "attachment", "add_header Content-Disposition attachment always;"),
        ("x-content-type-options", "nosniff", "add_header X-Content-Type-Options nosniff always;"),
    ] {
        let there = answer.header(name);
        if !there.contains(value) {
            let fault = fault("browsers show or run the file of a customer as a part of the shop");
            return Some(fault.found(format!("{said}, {name}: {there}")).right(format!("{name}: {value}")).add(line, at));
        }
    }
    if media_type.contains("html") || media_type.contains("svg") || media_type.contains("php") {
        let warning =
            Finding::warning("public-live", "a file has the type of a page or a picture; only its headers keep browsers from showing it");
        return Some(
            warning
                .found(format!("{said}, Content-Type: {media_type}"))
                .right("application/octet-stream")
                .add("types { }\ndefault_type application/octet-stream;", at),
        );
    }
    None
}

/// Neither the directory nor a stub's own shows what is in it.
async fn listed(visit: &mut Visit<'_>, directory: &Directory, planted: &Planted, at: &str) -> Option<Finding> {
    for target in [Some(directory.url.path.clone()), planted.own.clone()].into_iter().flatten() {
        let asked = planted.get(visit, &target, &[]).await;
        let Ok(answer) = &asked else { continue };
        let body = String::from_utf8_lossy(&answer.body);
        let shows = planted.is_named(&body) || LEAVES.iter().any(|leaf| body.contains(leaf));
        let renders = answer.status == 200 && *answer.body == *planted.bytes;
        if !shows && !renders {
            continue;
        }
        let fault = if shows {
            let says = format!("everybody sees the names of the {}, and each name opens its file", planted.kind.many());
            Finding::fault("public-live", says).add("autoindex off;", at)
        } else {
            Finding::fault("public-live", "a page of a customer is shown as a page of the shop").add("index .none;", at)
        };
        return Some(fault.found(planted.hidden(&shown("GET", &target, &asked))).right("403 or 404"));
    }
    None
}

/// What is half made is nobody's.
async fn aside(visit: &mut Visit<'_>, directory: &Directory, planted: &Planted) -> Option<Finding> {
    let url = &directory.url.path;
    for target in [format!("{url}{ASIDE}/"), format!("{url}%2e{}/", ASIDE.trim_start_matches('.')), format!("{url}/{ASIDE}/")] {
        let asked = planted.get(visit, &target, &[]).await;
        if asked.as_ref().is_ok_and(|answer: &Answer| (200..400).contains(&answer.status)) {
            let fault = Finding::fault("public-live", "what is half made can be looked into");
            let line = format!("location ^~ {url}. {{ return 404; }}");
            return Some(fault.found(shown("GET", &target, &asked)).right("404").add(line, "the server of the site"));
        }
    }
    None
}

/// A download can be resumed.
async fn part(visit: &mut Visit<'_>, planted: &Planted, at: &str) -> Option<Finding> {
    let target = planted.target("check.php");
    let asked = planted.get(visit, &target, &[("range", "bytes=100-199")]).await;
    let is_right = asked.as_ref().is_ok_and(|answer| answer.status == 206 && planted.bytes.get(100..200) == Some(&*answer.body));
    let fault = || Finding::fault("public-live", "a part of a file cannot be asked for: downloads cannot be resumed");
    (!is_right)
        .then(|| fault().found(planted.hidden(&shown("GET", &target, &asked))).right("206 and these bytes").add("max_ranges 64;", at))
}

/// What is removed is gone at once.
async fn gone(visit: &mut Visit<'_>, planted: &mut Planted, at: &str) -> Option<Finding> {
    planted.take("check.php").ok()?;
    let target = planted.target("check.php");
    let asked = planted.get(visit, &target, &[]).await;
    let is_right = asked.as_ref().is_ok_and(|answer| answer.status == 404);
    let fault =
        || Finding::fault("public-live", format!("a {} that was taken away is served on, or not answered with 404", planted.kind.one()));
    (!is_right).then(|| fault().found(planted.hidden(&shown("GET", &target, &asked))).right("404").add("open_file_cache off;", at))
}

/// What was asked for stands in the report.
async fn told(configuration: &Configuration, planted: &Planted, at: &str) -> Option<Finding> {
    let Some(Feed::AccessLog(log)) = &configuration.feed else { return None };
    for _ in 0..LOOKS {
        match end_of(log) {
            Ok(end) if planted.is_named(&end) => return None,
            // Another user's log is looked at by another check.
            Err(_) => return None,
            Ok(_) => tokio::time::sleep(LOOK).await,
        }
    }
    let fault = Finding::fault("public-live", planted.kind.unreported());
    let found = format!("no line about them at the end of {}", log.display());
    Some(fault.found(found).right("a line for each request").add(format!("access_log {} cloakroom_public;", log.display()), at))
}

/// The end of a log.
pub(super) fn end_of(log: &Path) -> io::Result<String> {
    use std::io::{Read as _, Seek as _};
    let mut file = fs::File::open(log)?;
    let size = file.metadata()?.len();
    file.seek(io::SeekFrom::Start(size.saturating_sub(END_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(END_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

//! What surrounds the questions: the guarded parts of the site, the masters, the report. Pure.

use std::path::Path;

use super::apache_asking::{SETUP, all};
use super::apache_conf::{Line, Tree};
use super::finding::{Finding, or_ok};
use super::nginx_conf::matches;
use crate::config::{Configuration, Feed};

/// The shipped format of the report.
const LOG: &str = include_str!("../../../conf-examples/apache/log.conf");

/// What the guard of the masters has: the secret from /dl/ alone, what the client has asked for, and no dots in it.
const GUARD: [&str; 3] = ["CLOAKROOM_HANDOFF", "THE_REQUEST", "%2e"];

/// All of it.
pub(super) fn look(tree: &Tree, configuration: &Configuration) -> Vec<Finding> {
    let mut found = guarded(tree, configuration);
    found.extend(masters(tree, configuration));
    found.extend(handed_off(tree, configuration));
    found.extend(directories(tree, configuration));
    found.extend(reported(tree, configuration));
    found
}

/// The sections of this name whose path is `path`, or lies above it.
fn above<'t>(lines: &[&'t Line], name: &str, path: &str) -> Vec<&'t Line> {
    let is_above = |line: &&&Line| {
        let there = line.word(0).trim_end_matches('/');
        line.name == name && (path.trim_end_matches('/') == there || path.starts_with(&format!("{there}/")) || matches(there, path))
    };
    lines.iter().filter(is_above).copied().collect()
}

/// Each rule has a place that asks before Apache serves.
fn guarded(tree: &Tree, configuration: &Configuration) -> Vec<Finding> {
    let lines = all(&tree.lines);
    let mut found = Vec::new();
    let asks = |section: &&Line| section.own("authnzfcgicheckauthnprovider").next().is_some();
    let by_htaccess = lines.iter().any(|line| {
        line.name == "allowoverride"
            && line.words.iter().any(|word| word.eq_ignore_ascii_case("authconfig") || word.eq_ignore_ascii_case("all"))
    });
    for rule in &configuration.rules {
        let path = rule.path.decoded();
        if !above(&lines, "location", path).iter().any(asks) {
            let finding = if by_htaccess {
                Finding::not_asked("guarded", format!("whether a .htaccess asks about {path}: `cloakroom check --url` tells"))
            } else {
                Finding::fault("guarded", format!("everybody sees what lies below {path}: Apache asks nobody about it"))
                    .found(format!("a [[rule]] for {path}, and no <Location> with AuthnzFcgiCheckAuthnProvider"))
                    .right("one that asks")
                    .run(SETUP)
            };
            found.push(finding);
        }
    }
    for any in lines.iter().filter(|line| line.name == "satisfy" && line.word(0).eq_ignore_ascii_case("any")) {
        let fault = Finding::fault("guarded", "`Satisfy Any` lets through who passes any other test");
        found.push(fault.found(any.shown()).right("no `Satisfy` where a rule holds").remove(any.place.clone()));
    }
    or_ok("guarded", "what a rule covers asks before it is served", found)
}

/// Nothing else than a hand-off leads to the masters.
fn masters(tree: &Tree, configuration: &Configuration) -> Vec<Finding> {
    let lines = all(&tree.lines);
    let mut found = Vec::new();
    for storage in configuration.storages.iter().filter(|storage| storage.public.is_none()) {
        let path = storage.path.as_path();
        let is_ours = |line: &Line| {
            storage.handoff.as_deref().is_some_and(|handoff| line.word(0).trim_end_matches('/') == handoff.trim_end_matches('/'))
        };
        for line in &lines {
            let (shows, what) = match line.name.as_str() {
                "documentroot" => (path.starts_with(Path::new(line.word(0))), "lies below a DocumentRoot"),
                "alias" if !is_ours(line) => (path.starts_with(Path::new(line.word(1))), "is shown by an Alias"),
                _ => (false, ""),
            };
            if shows {
                let fault = Finding::fault(
                    "masters-shut",
                    format!("everybody can fetch the files of the storage `{}` past Cloakroom", storage.name),
                );
                found.push(
                    fault
                        .found(format!("{}: {} {what}", line.shown(), path.display()))
                        .right("the directory of a storage lies below no DocumentRoot and no other Alias; move it, and change `path`")
                        .run(format!("mv {} /srv/downloads", crate::cli::setup::shell(&path.to_string_lossy()))),
                );
            }
        }
    }
    or_ok("masters-shut", "nothing else shows the files of a storage", found)
}

/// The internal addresses: there, guarded, and sent as they are.
fn handed_off(tree: &Tree, configuration: &Configuration) -> Vec<Finding> {
    let lines = all(&tree.lines);
    let mut found = Vec::new();
    for line in lines.iter().filter(|line| line.name == "proxyscgisendfile" && !line.word(0).eq_ignore_ascii_case("off")) {
        let fault = Finding::fault("handoff", "a header of any answer opens any file of this machine, and ranges are not honoured");
        found.push(fault.found(line.shown()).right("ProxySCGIInternalRedirect X-Accel-Redirect").remove(line.place.clone()));
    }
    let by_file = lines.iter().any(|line| line.name == "xsendfile" && line.word(0).eq_ignore_ascii_case("on"));
    for storage in &configuration.storages {
        let path = storage.path.to_string_lossy();
        let Some(handoff) = &storage.handoff else { continue };
        if by_file {
            if !lines.iter().any(|line| line.name == "xsendfilepath" && storage.path.starts_with(line.word(0))) {
                let fault = Finding::fault("handoff", format!("mod_xsendfile refuses the files of the storage `{}`", storage.name));
                found.push(fault.found(format!("no XSendFilePath above {path}")).right("one for each storage").run(SETUP));
            }
        } else {
            let alias = lines.iter().find(|line| line.name == "alias" && line.word(0) == handoff);
            if alias.is_none_or(|line| line.word(1).trim_end_matches('/') != path.trim_end_matches('/')) {
                let there = alias.map_or_else(|| format!("no Alias \"{handoff}\""), |line| line.shown());
                let fault = Finding::fault("handoff", format!("customers get 404 in place of the files of the storage `{}`", storage.name));
                found.push(fault.found(there).right(format!("Alias \"{handoff}\" \"{}/\"", path.trim_end_matches('/'))).run(SETUP));
            }
            let is_guard = |section: &&Line| section.own("require").any(|line| GUARD.iter().all(|word| line.written.contains(word)));
            if alias.is_some() && !above(&lines, "location", handoff).iter().any(is_guard) {
                let fault =
                    Finding::fault("masters-shut", format!("everybody can fetch the files of the storage `{}` by {handoff}", storage.name));
                found.push(fault.found(format!("no <Location> with the guard of {handoff}")).right("the shipped one").run(SETUP));
            }
        }
        let compresses = ["deflate", "brotli"].iter().any(|module| tree.modules.contains(*module));
        let is_plain = |section: &&Line| {
            all(section.inside.as_deref().unwrap_or_default())
                .iter()
                .any(|line| line.name.starts_with("setenv") && line.written.contains("no-gzip"))
        };
        let sections = [above(&lines, "directory", &path), above(&lines, "location", &configuration.public_url.path)].concat();
        if compresses && !sections.iter().any(is_plain) {
            let warning = Finding::warning(
                "whole",
                "Apache may compress what is handed off: it has no ranges then, and nobody can tell what arrived",
            );
            found.push(
                warning
                    .found(format!("mod_deflate or mod_brotli is enabled, and {path} is not kept from it"))
                    .right("SetEnvIfExpr true no-gzip no-brotli")
                    .add("SetEnvIfExpr true no-gzip no-brotli", format!("<Directory \"{path}\">")),
            );
        }
    }
    or_ok("handoff", "each storage is handed off, guarded, and sent as it is", found)
}

/// A `.htaccess` in a public directory is read.
fn directories(tree: &Tree, configuration: &Configuration) -> Vec<Finding> {
    let lines = all(&tree.lines);
    let mut found = Vec::new();
    for directory in &configuration.directories {
        let path = directory.path.to_string_lossy();
        let mut sections = above(&lines, "directory", &path);
        sections.sort_by_key(|section| section.word(0).len());
        let asks = sections.iter().any(|section| section.own("authuserfile").next().is_some());
        let has_file = directory.path.join(".htaccess").exists();
        let allowed = sections.iter().rev().find_map(|section| section.own("allowoverride").last());
        let is_read = allowed.is_some_and(|line| !line.word(0).eq_ignore_ascii_case("none"));
        // What stands in the <Directory> needs no file.
        let is_said = sections.iter().any(|section| section.own("filesmatch").next().is_some());
        if has_file && !is_read && !is_said {
            let fault = Finding::fault(
                "htaccess",
                format!("the .htaccess of `{}` is not read: its files are shown, run, or open to everybody", directory.name),
            );
            let there = allowed.map_or_else(|| format!("no AllowOverride for {path}"), Line::shown);
            found.push(fault.found(there).right("what the head of conf-examples/apache/goods.htaccess says").add(
                "AllowOverride AuthConfig FileInfo Indexes Options=Indexes,ExecCGI,Includes,MultiViews,FollowSymLinks",
                format!("<Directory \"{path}\">"),
            ));
        }
        if directory.credentials.is_some() && !asks && !has_file {
            let fault = Finding::fault("htaccess", format!("nobody asks for a password of `{}`", directory.name));
            found.push(
                fault
                    .found(format!("no .htaccess in {path}, and no <Directory> of it with AuthUserFile"))
                    .right("one of them, as `cloakroom setup apache` makes it")
                    .run(SETUP),
            );
        }
    }
    if configuration.directories.is_empty() { found } else { or_ok("htaccess", "each public directory is served as it has to be", found) }
}

/// The words of a `LogFormat` of this name in a text.
fn format(text: &str, name: &str) -> Option<String> {
    let mut none = |_: &str| Vec::new();
    let tree = super::apache_conf::read("log.conf", text, &[], &mut none).ok()?;
    tree.lines.iter().find(|line| line.name == "logformat" && line.word(1) == name).map(|line| line.word(0).to_owned())
}

/// The report: in the shipped format, where it is read.
fn reported(tree: &Tree, configuration: &Configuration) -> Vec<Finding> {
    let Some(feed) = configuration.feed.as_ref().filter(|feed| !matches!(feed, Feed::Syslog { .. })) else { return Vec::new() };
    let lines = all(&tree.lines);
    let mut found = Vec::new();
    let names = if configuration.directories.is_empty() { &["cloakroom"][..] } else { &["cloakroom", "cloakroom_public"] };
    for name in names {
        let there = lines.iter().find(|line| line.name == "logformat" && line.word(1) == *name);
        if there.map(|line| line.word(0).to_owned()) != format(LOG, name) {
            let fault = Finding::fault("log-format", "Cloakroom does not understand the report: downloads are not seen to arrive");
            let shown =
                there.map_or_else(|| format!("no LogFormat `{name}`"), |line| format!("{}: another LogFormat `{name}`", line.place));
            found.push(fault.found(shown).right("the shipped one, in log.conf").run(SETUP));
        }
        let logs: Vec<&&Line> = lines.iter().filter(|line| line.name == "customlog" && line.word(1) == *name).collect();
        let goes_there = |line: &&&Line| match feed {
            Feed::AccessLog(log) => Path::new(line.word(0)) == log,
            Feed::Api | Feed::Syslog { .. } => line.word(0).starts_with('|') && line.word(0).contains(" feed"),
        };
        if !logs.iter().any(goes_there) {
            let right = match feed {
                Feed::AccessLog(log) => log.display().to_string(),
                Feed::Api | Feed::Syslog { .. } => "\"|cloakroom feed --piped\"".to_owned(),
            };
            let shown = logs.first().map_or_else(|| format!("no CustomLog in the format `{name}`"), |line| line.shown());
            let fault = Finding::fault("report", "Apache does not report where Cloakroom reads: downloads are not seen to arrive");
            found.push(fault.found(shown).right(format!("a CustomLog to {right}, in the <VirtualHost>")).run(SETUP));
        }
    }
    or_ok("report", "Apache reports in the shipped format, to where it is read", found)
}

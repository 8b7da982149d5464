//! What surrounds the questions: the guarded parts of the site, the masters, the report. Pure.

use std::path::Path;

use super::apache_asking::{in_hosts, mended};
use super::apache_conf::Line;
use super::apache_guarded::{self, ReadHtaccess, above, demands, last_word, taken};
use super::apache_site::{ApacheSite, Host, all};
use super::finding::{Finding, or_ok};
use crate::cli::setup;
use crate::config::{Configuration, Directory, Feed, Storage};

/// The shipped format of the report.
const LOG: &str = include_str!("../../../conf-examples/apache/log.conf");

/// What the guard of the masters has: the secret from /dl/ alone, what the client has asked for, and no dots in it.
const GUARD: [&str; 3] = ["CLOAKROOM_HANDOFF", "THE_REQUEST", "%2e"];

/// Where masters may be moved.
const PLACES: [&str; 3] = ["/srv/downloads", "/var/lib/downloads", "/opt/downloads"];

/// All of it.
pub(super) fn look(site: &ApacheSite<'_>, configuration: &Configuration, htaccess: ReadHtaccess<'_>) -> Vec<Finding> {
    let mut found = masters(site, configuration);
    // Where no host is the site, that is what has to be mended first.
    if !site.hosts.is_empty() {
        found.extend(apache_guarded::look(site, configuration, htaccess));
        found.extend(handed_off(site, configuration));
    }
    found.extend(directories(site, configuration));
    found.extend(reported(site, configuration));
    // What stands outside of every host is the same in each.
    let mut seen: Vec<Finding> = Vec::new();
    for finding in found {
        if !seen.contains(&finding) {
            seen.push(finding);
        }
    }
    seen
}

/// What an `Alias` leads to; in a `<Location>`, whose path it is for, that is its only word.
fn leads_to(alias: &Line) -> &Path {
    Path::new(alias.words.last().map_or("", String::as_str))
}

/// Whether nobody passes a section without having been handed off.
fn is_guard(section: &Line) -> bool {
    let is_handed_off = |line: &Line| GUARD.iter().all(|word| line.written.contains(word));
    section.inside.as_deref().is_some_and(|inside| demands(inside, &is_handed_off))
}

/// Whether a line is the `Alias` by which a storage is handed off.
fn hands_off(line: &Line, storage: &Storage) -> bool {
    let is_same = |handoff: &str| line.word(0).trim_end_matches('/') == handoff.trim_end_matches('/');
    line.name == "alias" && storage.handoff.as_deref().is_some_and(is_same)
}

/// The directory whose files a line shows, and whether files far below it are among them.
fn shown_by(line: &Line) -> Option<(&Path, bool)> {
    let (path, is_whole) = match line.name.as_str() {
        "documentroot" => (Path::new(line.word(0)), true),
        "alias" | "scriptalias" => (leads_to(line), true),
        "aliasmatch" | "scriptaliasmatch" => match line.word(1).split_once('$') {
            None => (leads_to(line), true),
            // `/home/$1/www` shows what has that end, `/home/$1` all.
            Some((before, behind)) => {
                let directory = before.rsplit_once('/').map_or("", |(directory, _)| directory);
                (Path::new(directory), !behind.contains('/'))
            }
        },
        _ => return None,
    };
    path.is_absolute().then_some((path, is_whole))
}

/// Whether a line shows files of a storage to everybody, or all of them.
fn shown_past(line: &Line, storage: &Storage, everywhere: &[&Line]) -> Option<Finding> {
    let (there, is_whole) = shown_by(line)?;
    let path = storage.path.as_path();
    let is_below = there.starts_with(path);
    if !(is_below || is_whole && path.starts_with(there)) {
        return None;
    }
    let what = format!("everybody can fetch files of the storage `{}` past Cloakroom", storage.name);
    let fault = Finding::fault("masters-shut", what);
    let right = "the directory of a storage lies below no DocumentRoot and no other Alias, and has none in it";
    let fault = fault.found(format!("{}: the storage is {}", line.shown(), path.display())).right(right);
    if line.name != "documentroot" || is_below {
        return Some(fault.remove(line.place.clone()));
    }
    let is_free = |place: &&&str| {
        let roots = everywhere.iter().filter(|line| line.name == "documentroot").map(|line| Path::new(line.word(0)));
        roots.chain([path]).all(|taken| !Path::new(place).starts_with(taken) && !taken.starts_with(place))
    };
    let place = PLACES.iter().find(is_free).unwrap_or(&"/srv/downloads-of-cloakroom");
    Some(fault.right(format!("{right}; move it, and change `path`")).run(format!("mv {} {place}", setup::shell(&path.to_string_lossy()))))
}

/// Nothing else than a hand-off leads to the masters, in any host.
fn masters(site: &ApacheSite<'_>, configuration: &Configuration) -> Vec<Finding> {
    let mut found = Vec::new();
    for storage in configuration.storages.iter().filter(|storage| storage.public.is_none()) {
        let path = storage.path.as_path();
        let is_ours = |line: &Line| hands_off(line, storage);
        for line in &site.everywhere {
            // Each hand-off is looked at for itself.
            if !configuration.storages.iter().any(|storage| hands_off(line, storage)) {
                found.extend(shown_past(line, storage, &site.everywhere));
            }
        }
        let Some(handoff) = &storage.handoff else { continue };
        for host in &site.all {
            let leads = |line: &&&Line| line.name == "alias" && is_ours(line) && path.starts_with(leads_to(line));
            let Some(alias) = host.lines.iter().find(leads) else { continue };
            let sections = above(&host.lines, "location", handoff);
            let last = last_word(&sections);
            if last.is_some_and(is_guard) {
                continue;
            }
            let fault =
                Finding::fault("masters-shut", format!("everybody can fetch the files of the storage `{}` by {handoff}", storage.name));
            if let Some((guard, last)) = sections.iter().rfind(|section| is_guard(section)).zip(last) {
                found.push(taken(fault, handoff, guard, last));
                continue;
            }
            let fault = fault.found(format!("{} has {}, and no <Location> with the guard of {handoff}", host.shown(), alias.shown()));
            found.push(fault.right("the shipped one").run(&site.made_by.command));
        }
    }
    or_ok("masters-shut", "nothing else shows the files of a storage", found)
}

/// The internal addresses, in each host that asks for downloads: there, and sent as they are.
fn handed_off(site: &ApacheSite<'_>, configuration: &Configuration) -> Vec<Finding> {
    let hosts = site.handing_off(configuration);
    let mut found = Vec::new();
    for host in &hosts {
        let is_any = |line: &&&Line| line.name == "proxyscgisendfile" && !line.word(0).eq_ignore_ascii_case("off");
        for line in host.lines.iter().filter(is_any) {
            let fault = Finding::fault("handoff", "a header of any answer opens any file of this machine, and ranges are not honoured");
            found.push(fault.found(line.shown()).right("ProxySCGIInternalRedirect X-Accel-Redirect").remove(line.place.clone()));
        }
        let by_file = host.lines.iter().any(|line| line.name == "xsendfile" && line.word(0).eq_ignore_ascii_case("on"));
        for (storage, handoff) in configuration.storages.iter().filter_map(|storage| Some((storage, storage.handoff.as_ref()?))) {
            found.extend(sent(site, host, storage, handoff, by_file));
            found.extend(whole(site, host, storage, configuration));
        }
    }
    or_ok("handoff", in_hosts("each storage is handed off, guarded, and sent as it is", hosts.len()), found)
}

/// Whether `host` comes to the files of a storage that is handed off to it.
fn sent(site: &ApacheSite<'_>, host: &Host<'_>, storage: &Storage, handoff: &str, by_file: bool) -> Option<Finding> {
    let path = storage.path.to_string_lossy();
    if by_file {
        let is_allowed = host.lines.iter().any(|line| line.name == "xsendfilepath" && storage.path.starts_with(line.word(0)));
        let fault = || Finding::fault("handoff", format!("mod_xsendfile refuses the files of the storage `{}`", storage.name));
        let there = || format!("{} has no XSendFilePath above {path}", host.shown());
        return (!is_allowed).then(|| fault().found(there()).right("one for each storage").run(&site.made_by.command));
    }
    let alias = host.lines.iter().find(|line| line.name == "alias" && line.word(0) == handoff);
    let is_right = alias.is_some_and(|line| line.word(1).trim_end_matches('/') == path.trim_end_matches('/'));
    let there = || alias.map_or_else(|| format!("{} has no Alias \"{handoff}\"", host.shown()), |line| line.shown());
    let fault = || Finding::fault("handoff", format!("customers get 404 in place of the files of the storage `{}`", storage.name));
    (!is_right).then(|| {
        fault().found(there()).right(format!("Alias \"{handoff}\" \"{}/\"", path.trim_end_matches('/'))).run(&site.made_by.command)
    })
}

/// Whether `host` sends the files of a storage as they are.
fn whole(site: &ApacheSite<'_>, host: &Host<'_>, storage: &Storage, configuration: &Configuration) -> Option<Finding> {
    let path = storage.path.to_string_lossy();
    let compresses = ["deflate", "brotli"].iter().any(|module| site.tree.modules.contains(*module));
    let is_plain = |section: &&Line| {
        all(section.inside.as_deref().unwrap_or_default())
            .iter()
            .any(|line| line.name.starts_with("setenv") && line.written.contains("no-gzip"))
    };
    let sections = [above(&host.lines, "directory", &path), above(&host.lines, "location", &configuration.public_url.path)].concat();
    let warning = || {
        Finding::warning("whole", "Apache may compress what is handed off: it has no ranges then, and nobody can tell what arrived")
            .found(format!("mod_deflate or mod_brotli is enabled, and {} does not keep {path} from it", host.shown()))
            .right("SetEnvIfExpr true no-gzip no-brotli")
            .add("SetEnvIfExpr true no-gzip no-brotli", format!("<Directory \"{path}\"> of {}", host.shown()))
    };
    (compresses && !sections.iter().any(is_plain)).then(warning)
}

/// A `.htaccess` in a public directory is read.
fn directories(site: &ApacheSite<'_>, configuration: &Configuration) -> Vec<Finding> {
    let mut found = Vec::new();
    for directory in &configuration.directories {
        let shows = |host: &&Host<'_>| {
            host.lines.iter().any(|line| match line.name.as_str() {
                "documentroot" => directory.path.starts_with(line.word(0)),
                "alias" => directory.path.starts_with(leads_to(line)),
                _ => false,
            })
        };
        let showing: Vec<&Host<'_>> = site.all.iter().filter(shows).collect();
        let hosts = if showing.is_empty() { site.hosts.iter().collect() } else { showing };
        found.extend(hosts.into_iter().flat_map(|host| served(site, host, directory)));
    }
    if configuration.directories.is_empty() { found } else { or_ok("htaccess", "each public directory is served as it has to be", found) }
}

/// Whether `host` reads what says how a public directory is served, and asks for passwords where there are any.
fn served(site: &ApacheSite<'_>, host: &Host<'_>, directory: &Directory) -> Vec<Finding> {
    let mut found = Vec::new();
    let path = directory.path.to_string_lossy();
    let mut sections = above(&host.lines, "directory", &path);
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
        let there = allowed.map_or_else(|| format!("{} has no AllowOverride for {path}", host.shown()), Line::shown);
        found.push(
            fault
                .found(there)
                .right("what the head of the shipped .htaccess says")
                .add(setup::allow_override(directory), format!("<Directory \"{path}\">")),
        );
    }
    if directory.credentials.is_some() && !asks && !has_file {
        let fault = Finding::fault("htaccess", format!("nobody asks for a password of `{}`", directory.name));
        found.push(
            fault
                .found(format!("no .htaccess in {path}, and {} has no <Directory> of it with AuthUserFile", host.shown()))
                .right("one of them, as `cloakroom setup apache` makes it")
                .run(&site.made_by.command),
        );
    }
    found
}

/// The words of a `LogFormat` of this name in a text.
fn format(text: &str, name: &str) -> Option<String> {
    let mut none = |_: &str| Vec::new();
    let tree = super::apache_conf::read("log.conf", text, &[], &mut none).ok()?;
    tree.lines.iter().find(|line| line.name == "logformat" && line.word(1) == name).map(|line| line.word(0).to_owned())
}

/// The report: in the shipped format, where it is read, of each host that asks for downloads.
fn reported(site: &ApacheSite<'_>, configuration: &Configuration) -> Vec<Finding> {
    let Some(feed) = configuration.feed.as_ref().filter(|feed| !matches!(feed, Feed::Syslog { .. })) else { return Vec::new() };
    let hosts = site.handing_off(configuration);
    if hosts.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let names = if configuration.directories.is_empty() { &["cloakroom"][..] } else { &["cloakroom", "cloakroom_public"] };
    for name in names {
        // Whichever host names a format, each may write in it.
        let there = site.everywhere.iter().find(|line| line.name == "logformat" && line.word(1) == *name);
        if there.map(|line| line.word(0).to_owned()) != format(LOG, name) {
            let fault = Finding::fault("log-format", "Cloakroom does not understand the report: downloads are not seen to arrive");
            let shown =
                there.map_or_else(|| format!("no LogFormat `{name}`"), |line| format!("{}: another LogFormat `{name}`", line.place));
            found.push(fault.found(shown).right("the shipped one, in log.conf").run(&site.made_by.command));
        }
        let goes_there = |line: &&Line| match feed {
            Feed::AccessLog(log) => Path::new(line.word(0)) == log,
            Feed::Api | Feed::Syslog { .. } => line.word(0).starts_with('|') && line.word(0).contains(" feed"),
        };
        let (good, wrong): (Vec<&Host<'_>>, Vec<&Host<'_>>) = hosts.iter().partition(|host| host.logs(name).iter().any(goes_there));
        for host in wrong {
            let right = match feed {
                Feed::AccessLog(log) => log.display().to_string(),
                Feed::Api | Feed::Syslog { .. } => "\"|cloakroom feed --piped\"".to_owned(),
            };
            let others = host.logs(name);
            let none = || format!("{} has no CustomLog in the format `{name}`", host.shown());
            let shown = others.first().map_or_else(none, |line| line.shown());
            let fault = Finding::fault("report", "Apache does not report where Cloakroom reads: downloads are not seen to arrive");
            let fault = fault.found(shown).right(format!("a CustomLog to {right}, in the <VirtualHost>"));
            found.push(mended(fault, host, !good.is_empty() && others.is_empty(), site, configuration));
        }
    }
    let says = format!("{} in the shipped format, to where it is read", in_hosts("Apache reports", hosts.len()));
    or_ok("report", says, found)
}

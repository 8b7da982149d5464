//! Whether Apache asks before it serves what a rule covers, and whether what it asks holds. Pure: whoever calls reads the
//! `.htaccess` files.
//!
//! Of the sections that fit an address the last one that says who may pass holds alone, unless `AuthMerging` says otherwise;
//! what a `<Location>` says goes before what a `<Directory>` or a `.htaccess` does.

use std::path::{Path, PathBuf};

use super::apache_asking::{in_hosts, mended};
use super::apache_conf::{Line, read};
use super::apache_elsewhere::is_everything;
use super::apache_site::{ApacheSite, Beside, BesideBy, Host, all};
use super::finding::{Finding, or_ok};
use super::nginx_conf::matches;
use crate::config::Configuration;

/// A `.htaccess`.
pub(super) enum Htaccess {
    /// What is in it.
    Says(String),
    /// There is none.
    Absent,
    /// Nobody may read it here.
    Unread,
}

/// Reads the `.htaccess` of a directory.
pub(super) type ReadHtaccess<'r> = &'r dyn Fn(&Path) -> Htaccess;

/// The sections of this name whose path is `path`, or lies above it, in their order.
pub(super) fn above<'t>(lines: &[&'t Line], name: &str, path: &str) -> Vec<&'t Line> {
    let is_above = |line: &&&Line| {
        let by_pattern = format!("{name}match");
        match line.word(0) {
            pattern if line.name == by_pattern => fits(pattern, path),
            "~" => line.name == name && fits(line.word(1), path),
            there => line.name == name && lies_above(there, path),
        }
    };
    lines.iter().filter(is_above).copied().collect()
}

/// Whether a regular expression fits `path` and what lies below it, as far as that is seen without taking it apart.
fn fits(pattern: &str, path: &str) -> bool {
    let is_plain = |text: &str| text.chars().all(|letter| letter.is_alphanumeric() || "/-_".contains(letter));
    is_everything(pattern) || pattern.strip_prefix('^').is_some_and(|start| is_plain(start) && path.starts_with(start))
}

fn lies_above(section: &str, path: &str) -> bool {
    let there = section.trim_end_matches('/');
    path.trim_end_matches('/') == there || path.starts_with(&format!("{there}/")) || matches(there, path)
}

/// Of these sections the one that says who may pass.
pub(super) fn last_word<'t>(sections: &[&'t Line]) -> Option<&'t Line> {
    let says = |section: &&&Line| {
        let inside = section.inside.as_deref().unwrap_or_default();
        // What is joined to what was said before takes nothing of it away.
        let is_joined = section.own("authmerging").any(|line| line.word(0).eq_ignore_ascii_case("and"));
        !is_joined && decides(inside)
    };
    sections.iter().rfind(says).copied()
}

/// Whether these lines say who may pass.
fn decides(lines: &[Line]) -> bool {
    all(lines).iter().any(|line| matches!(line.name.as_str(), "require" | "authnzfcgicheckauthnprovider"))
}

/// Whether nobody passes by these lines without a proof. Each `Require` is a way in of its own, unless `<RequireAll>` joins them.
pub(super) fn demands(lines: &[Line], is_proof: &dyn Fn(&Line) -> bool) -> bool {
    let inside = |line: &'_ Line| line.inside.clone().unwrap_or_default();
    let is_way = |line: &&Line| match line.name.as_str() {
        "require" | "requireall" | "requireany" => true,
        "limit" | "limitexcept" => decides(&inside(line)),
        _ => false,
    };
    let mut ways = lines.iter().filter(is_way).peekable();
    ways.peek().is_some()
        && ways.all(|way| match way.name.as_str() {
            "require" => is_proof(way),
            "requireany" => demands(&inside(way), is_proof),
            "requireall" => inside(way).iter().any(|one| demands(std::slice::from_ref(one), is_proof)),
            // Other methods are not asked about.
            _ => false,
        })
}

/// Whether these lines ask Cloakroom, and let in nobody else; or let in nobody.
fn asks(lines: &[Line]) -> bool {
    let is_user = |line: &Line| matches!(line.word(0).to_ascii_lowercase().as_str(), "valid-user" | "user" | "group");
    names_us(lines) && demands(lines, &is_user) || demands(lines, &|line| line.written.to_ascii_lowercase().ends_with("all denied"))
}

fn names_us(lines: &[Line]) -> bool {
    lines.iter().rfind(|line| line.name == "authnzfcgicheckauthnprovider").is_some_and(|line| line.word(0) == "cloakroom")
}

/// What a host does before it serves what lies below a path.
enum Seen<'t> {
    Asks,
    /// Of this section a later one takes the effect.
    Taken(&'t Line, &'t Line),
    /// This section asks, and lets in others.
    Beside(&'t Line),
    /// Nothing asks; nor does a `.htaccess` of this directory, where one would be read.
    Silent(Option<PathBuf>),
    /// A `.htaccess` of this directory may ask.
    Unread(PathBuf),
}

fn seen<'t>(host: &Host<'t>, path: &str, htaccess: ReadHtaccess<'_>) -> Seen<'t> {
    let is_asking = |section: &&&Line| section.inside.as_deref().is_some_and(asks);
    let locations = above(&host.lines, "location", path);
    let Some(last) = last_word(&locations) else { return seen_in_directory(host, path, htaccess) };
    if asks(last.inside.as_deref().unwrap_or_default()) {
        return Seen::Asks;
    }
    match locations.iter().rfind(is_asking) {
        Some(asking) => Seen::Taken(asking, last),
        None if names_us(last.inside.as_deref().unwrap_or_default()) => Seen::Beside(last),
        None => Seen::Silent(None),
    }
}

/// The same where no `<Location>` says anything.
fn seen_in_directory<'t>(host: &Host<'t>, path: &str, htaccess: ReadHtaccess<'_>) -> Seen<'t> {
    let Some(directory) = shown_from(host, path) else { return Seen::Silent(None) };
    let mut sections = above(&host.lines, "directory", &directory.to_string_lossy());
    sections.sort_by_key(|section| section.word(0).len());
    let allowing: Vec<&Line> = sections.iter().copied().filter(|section| section.own("allowoverride").any(allows)).collect();
    let is_allowed = |place: &&Path| allowing.iter().any(|section| lies_above(section.word(0), &place.to_string_lossy()));
    for place in directory.ancestors().take_while(is_allowed) {
        match htaccess(place) {
            Htaccess::Absent => {}
            Htaccess::Unread => return Seen::Unread(place.to_owned()),
            Htaccess::Says(text) => match read(".htaccess", &text, &[], &mut |_| Vec::new()) {
                Err(_) => return Seen::Unread(place.to_owned()),
                Ok(tree) if asks(&tree.lines) => return Seen::Asks,
                Ok(tree) if decides(&tree.lines) => return Seen::Silent(Some(directory)),
                Ok(_) => {}
            },
        }
    }
    match last_word(&sections) {
        Some(section) if section.inside.as_deref().is_some_and(asks) => Seen::Asks,
        Some(section) if section.inside.as_deref().is_some_and(names_us) => Seen::Beside(section),
        _ => Seen::Silent(Some(directory).filter(|_| !allowing.is_empty())),
    }
}

fn allows(line: &Line) -> bool {
    line.words.iter().any(|word| word.eq_ignore_ascii_case("authconfig") || word.eq_ignore_ascii_case("all"))
}

/// The directory whose files a host shows below `path`.
fn shown_from(host: &Host<'_>, path: &str) -> Option<PathBuf> {
    let behind = |prefix: &str| path.strip_prefix(prefix).filter(|rest| prefix.ends_with('/') || rest.is_empty() || rest.starts_with('/'));
    let aliased = host.lines.iter().find_map(|line| match line.name.as_str() {
        "alias" => line.words.get(1).and_then(|to| Some((to.as_str(), behind(line.word(0))?))),
        "location" => line.own("alias").find(|alias| alias.words.len() == 1).and_then(|alias| Some((alias.word(0), behind(line.word(0))?))),
        _ => None,
    });
    let (root, rest) = aliased.or_else(|| Some((host.root()?, path)))?;
    Some(Path::new(root).join(rest.trim_start_matches('/')).components().collect())
}

/// Each rule has a place that asks before Apache serves, in each host of the site.
pub(super) fn look(site: &ApacheSite<'_>, configuration: &Configuration, htaccess: ReadHtaccess<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for rule in &configuration.rules {
        let path = rule.path.decoded();
        let all: Vec<(&Host<'_>, Seen<'_>)> = site.hosts.iter().map(|host| (host, seen(host, path, htaccess))).collect();
        let any_asks = all.iter().any(|(_, seen)| matches!(seen, Seen::Asks));
        for (host, seen) in all {
            let fault = || Finding::fault("guarded", format!("everybody sees what lies below {path}: Apache asks nobody about it"));
            found.extend(told(host, path, &seen, fault).map(|finding| match finding.mend {
                None if !matches!(seen, Seen::Unread(_)) => mended(finding, host, any_asks, site, configuration),
                _ => finding,
            }));
        }
        found.extend(site.beside.iter().flat_map(|beside| shown_beside(site, beside, path, htaccess)));
    }
    for any in site.hosts.iter().chain(site.beside.iter().map(|beside| &beside.host)).flat_map(|host| lets_through(host, configuration)) {
        let fault = Finding::fault("guarded", "`Satisfy Any` lets through who passes any other test");
        found.push(fault.found(any.shown()).right("no `Satisfy` where a rule holds").remove(any.place.clone()));
    }
    or_ok("guarded", in_hosts("what a rule covers asks before it is served", site.hosts.len()), found)
}

/// What is told of a host by which who asks in an unusual way sees what lies below `path`.
fn shown_beside(site: &ApacheSite<'_>, beside: &Beside<'_>, path: &str, htaccess: ReadHtaccess<'_>) -> Vec<Finding> {
    let host = &beside.host;
    let addresses = match beside.way {
        BesideBy::Unled => vec![path.to_owned()],
        BesideBy::Name => addresses(site, host, path),
    };
    let open = |address: &String| {
        let seen = seen(host, address, htaccess);
        let finding = told(host, address, &seen, || match beside.way {
            BesideBy::Unled => Finding::warning(
                "guarded",
                format!("who asks by another name, or with a port in it, is not led elsewhere, and sees what lies below {path}"),
            ),
            BesideBy::Name => {
                let name = host.names().first().copied().unwrap_or("another name").to_owned();
                Finding::fault(
                    "guarded",
                    format!("everybody sees what lies below {path} as {address} of {name}, which shows the same files"),
                )
            }
        })?;
        let right = match beside.way {
            _ if finding.mend.is_some() || matches!(seen, Seen::Unread(_)) => return Some(finding),
            BesideBy::Unled => "the Include here, too; or a redirect without conditions on names or ports",
            // The shipped files guard the address that the rule has.
            BesideBy::Name if address != path => {
                return Some(finding.right("another DocumentRoot for that name").remove(host.shown_root()));
            }
            BesideBy::Name => "the Include here, too; or another DocumentRoot for that name",
        };
        Some(finding.right(right).add(&site.made_by.include, host.shown()))
    };
    addresses.iter().filter_map(open).collect()
}

/// The addresses under which `host` shows what the site shows below `path`.
fn addresses(site: &ApacheSite<'_>, host: &Host<'_>, path: &str) -> Vec<String> {
    let shown = site.hosts.iter().filter(|one| !one.passes_on(path)).filter_map(|one| shown_from(one, path));
    let end = if path.ends_with('/') { "/" } else { "" };
    let mut all: Vec<String> = shown
        .filter_map(|directory| Some(format!("/{}{end}", directory.strip_prefix(host.root()?).ok()?.to_string_lossy())))
        .filter(|address| !host.passes_on(address))
        .collect();
    all.sort();
    all.dedup();
    all
}

/// What is told of a host, but for what the shipped files mend.
fn told(host: &Host<'_>, path: &str, seen: &Seen<'_>, fault: impl Fn() -> Finding) -> Option<Finding> {
    let none = || format!("{} has no <Location> with AuthnzFcgiCheckAuthnProvider for {path}", host.shown());
    Some(match seen {
        Seen::Asks => return None,
        Seen::Taken(asking, later) => taken(fault(), path, asking, later),
        Seen::Beside(section) => {
            let has_require = all(section.inside.as_deref().unwrap_or_default()).iter().any(|line| line.name == "require");
            let fault = if has_require {
                let says = format!("what lies below {path} is open to some who are not asked for a proof, or to everybody");
                Finding { says, ..fault() }.found(format!("{} asks Cloakroom, and lets in others beside", section.shown()))
            } else {
                fault().found(format!("{} has no `Require`, without which nobody is asked", section.shown()))
            };
            fault.right("`AuthnzFcgiCheckAuthnProvider cloakroom` with `Require valid-user` and no other `Require`")
        }
        Seen::Silent(None) => fault().found(none()).right("one that asks"),
        Seen::Silent(Some(directory)) => fault()
            .found(format!("{}, and no .htaccess of {} asks", none(), directory.display()))
            .right("one that asks, or a copy of members.htaccess in that directory, called .htaccess"),
        Seen::Unread(directory) => Finding::not_asked(
            "guarded",
            format!(
                "whether the .htaccess of {} asks about {path} in {}: run this as root; `cloakroom check --url` tells, too",
                directory.display(),
                host.shown()
            ),
        ),
    })
}

/// That a later section takes away what an earlier one says.
pub(super) fn taken(fault: Finding, path: &str, asking: &Line, later: &Line) -> Finding {
    let fault = fault
        .found(format!(
            "{} takes away what {} says, as of several that fit the last one with a `Require` holds",
            later.shown(),
            asking.shown()
        ))
        .right(format!("no `Require` in a later <Location> above {path}; or the Include of vhost.conf stands behind that one"));
    let inside = all(later.inside.as_deref().unwrap_or_default());
    let place = inside.iter().find(|line| line.name == "require").map_or(&later.place, |line| &line.place);
    fault.remove(place.clone())
}

/// The lines `Satisfy Any` that hold for something that a rule covers.
fn lets_through<'t>(host: &Host<'t>, configuration: &Configuration) -> Vec<&'t Line> {
    let is_any = |line: &&Line| line.name == "satisfy" && line.word(0).eq_ignore_ascii_case("any");
    let touches = |there: &str, path: &str| lies_above(there, path) || lies_above(path, there);
    let is_elsewhere = |section: &&&Line| {
        let paths = || configuration.rules.iter().map(|rule| rule.path.decoded());
        match section.name.as_str() {
            "location" => section.word(0).starts_with('/') && !paths().any(|path| touches(section.word(0), path)),
            "directory" => {
                let mut shown = paths().filter_map(|path| shown_from(host, path));
                section.word(0).starts_with('/') && !shown.any(|place| touches(section.word(0), &place.to_string_lossy()))
            }
            _ => false,
        }
    };
    let elsewhere: Vec<&Line> =
        host.lines.iter().filter(is_elsewhere).flat_map(|section| all(section.inside.as_deref().unwrap_or_default())).collect();
    let holds = |line: &&Line| !elsewhere.iter().any(|other| std::ptr::eq(*other, *line));
    host.lines.iter().copied().filter(is_any).filter(holds).collect()
}

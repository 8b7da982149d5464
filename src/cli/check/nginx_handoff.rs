//! The locations that files are handed over from: shut from outside, of the right directory, byte for byte, reported.
//! Pure.

use super::finding::{Finding, or_ok};
use super::nginx_conf::Directive;
use super::nginx_site::{Level, NginxSite};
use crate::config::{Configuration, Feed, Storage};

/// What changes a body on its way, or shows another one, with what is right.
const UNTOUCHED: &[(&str, &str, &str)] = &[
    ("gzip", "gzip off;", "a compressed body has another length and no ranges: it counts as bytes, and resumes nowhere"),
    ("gzip_static", "gzip_static off;", "another file, the one that ends with .gz, would be sent"),
    ("gunzip", "gunzip off;", "a body that is changed on its way has another length and no ranges"),
    ("ssi", "ssi off;", "a page among the files would be changed on its way"),
    ("charset", "charset off;", "the media type would not be the one that Cloakroom said"),
    ("autoindex", "autoindex off;", "a directory would be listed where Cloakroom hands one over"),
    ("open_file_cache", "open_file_cache off;", "a file that was replaced or removed is sent on for a while"),
    ("expires", "expires off;", "a copy may be kept by a cache, which gives it to others"),
];

/// Filters that no word switches off again: they must not be set where files are handed over.
pub(super) const FILTERS: &[&str] = &[
    "sub_filter",
    "add_before_body",
    "add_after_body",
    "image_filter",
    "xslt_stylesheet",
    "mp4",
    "flv",
    "slice",
    "body_filter_by_lua_block",
];

/// Cloakroom reserves the bytes of at most so many parts of a file.
const RANGES_MAX: u64 = 64;

/// All about the storages' locations.
pub(super) fn look(site: &NginxSite<'_>, configuration: &Configuration) -> Vec<Finding> {
    let mut found = Vec::new();
    for storage in &configuration.storages {
        let Some(handoff) = storage.handoff.as_deref() else { continue };
        let locations: Vec<&Level<'_>> = site.locations.iter().filter(|location| location.path() == Some(handoff)).collect();
        if locations.is_empty() {
            found.push(missing(site, storage, handoff, &configuration.public_url.host));
        }
        for location in locations {
            found.extend(place(site, location, storage));
            found.extend(untouched(location));
            found.extend(ranges(location));
            found.extend(headers(location));
            found.extend(report_of(location, configuration, "report", "cloakroom", Some(IF)));
        }
    }
    found
}

fn missing(site: &NginxSite<'_>, storage: &Storage, handoff: &str, host: &str) -> Finding {
    let near = site
        .locations
        .iter()
        .find(|location| location.path().is_some_and(|path| path.trim_end_matches('/') == handoff.trim_end_matches('/')));
    let right = format!("location ^~ {handoff} {{ internal; alias {}/; … }} as in locations.conf", plain(storage));
    let finding = Finding::fault("handoff", format!("nginx cannot send the files of the storage `{}`: customers see 404", storage.name));
    if let Some(near) = near {
        let wanted = format!("the path of the location is that of `handoff`, {handoff}, to the last slash");
        return finding.found(near.shown()).right(wanted).replace(format!("location ^~ {handoff} {{"), near.directive.place.to_string());
    }
    let into = site.server_of(host);
    finding.found(format!("no location {handoff} in any server")).right(right).add("include cloakroom/locations.conf;", into)
}

fn plain(storage: &Storage) -> String {
    storage.path.to_string_lossy().trim_end_matches('/').to_owned()
}

/// `internal`, the modifier, the directory, no question about a question.
fn place(site: &NginxSite<'_>, location: &Level<'_>, storage: &Storage) -> Vec<Finding> {
    let mut found = Vec::new();
    if location.own("internal").is_none() {
        let fault = Finding::fault("internal", "everybody can fetch the files of the storage, without any proof");
        found.push(
            fault
                .found(format!("{} without `internal`", location.shown()))
                .right("only Cloakroom leads here")
                .add("internal;", location.shown()),
        );
    }
    if location.yields()
        && let Some(other) = site.locations_of(location.server).find(|other| other.is_regular_expression())
    {
        let path = location.path().unwrap_or_default();
        let warning = Finding::fault("handoff-first", "a regular expression of the site takes the files that it fits");
        found.push(
            warning
                .found(format!("{}, beside {}", location.shown(), other.shown()))
                .right("`^~` keeps regular expressions away")
                .replace(format!("location ^~ {path} {{"), location.directive.place.to_string()),
        );
    }
    found.extend(directory(location, storage));
    if let Some(asked) = location.value("auth_request").filter(|one| one.argument(0) != "off") {
        let fault = Finding::fault("handoff-asked", "what was decided is asked about a second time, and refused");
        found.push(fault.found(asked.shown()).right("no question about a handed-over file").add("auth_request off;", location.shown()));
    }
    or_ok("handoff", format!("{} is internal and shows {}", location.path().unwrap_or_default(), storage.path.display()), found)
}

fn directory(location: &Level<'_>, storage: &Storage) -> Option<Finding> {
    let right = format!("alias {}/;", plain(storage));
    let Some(alias) = location.own("alias") else {
        let root = location.value("root").map_or_else(|| "no `alias`".to_owned(), |root| format!("{}, and no `alias`", root.shown()));
        let fault = Finding::fault("alias", "nginx looks for the files in another directory: customers see 404");
        return Some(fault.found(root).right("the directory of the storage").add(right, location.shown()));
    };
    let written = alias.argument(0);
    if !written.ends_with('/') {
        let fault = Finding::fault("alias-slash", "without the slash the name of the file is glued to the directory's: customers see 404");
        return Some(
            fault
                .found(alias.shown())
                .right("an alias of a location that ends with `/` ends with `/`")
                .replace(right, alias.place.to_string()),
        );
    }
    if written.trim_end_matches('/') == plain(storage) || same_directory(written, storage) {
        return None;
    }
    let fault = Finding::fault("alias", "nginx looks for the files in another directory than Cloakroom: other files, or 404");
    let wanted = format!("the directory of the storage `{}`, {}", storage.name, storage.path.display());
    Some(fault.found(alias.shown()).right(wanted).replace(right, alias.place.to_string()))
}

/// The same place by another name, a symbolic link say.
fn same_directory(written: &str, storage: &Storage) -> bool {
    let real = |path: &std::path::Path| path.canonicalize().ok();
    real(std::path::Path::new(written)).is_some_and(|one| real(&storage.path) == Some(one))
}

fn untouched(location: &Level<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (name, right, why) in UNTOUCHED {
        let Some(holds) = location.value(name).filter(|one| one.argument(0) != "off") else { continue };
        let fault = Finding::fault("untouched", *why).found(holds.shown()).right(format!("`{right}` where files are handed over"));
        found.push(mended(fault, location, holds, right));
    }
    for name in FILTERS {
        let Some(holds) = location.value(name) else { continue };
        let fault = Finding::fault("untouched", format!("`{name}` changes the body on its way: another length, no ranges"));
        let fault = fault.found(holds.shown()).right("no such filter where files are handed over; move it into the locations that need it");
        found.push(fault.remove(holds.place.to_string()));
    }
    or_ok("untouched", "files leave byte for byte: no compression, no filter", found)
}

/// A line in place of the one that holds if that is the location's own, else one more.
pub(super) fn mended(finding: Finding, location: &Level<'_>, holds: &Directive, right: &str) -> Finding {
    let own = location.own(&holds.name).is_some_and(|own| own.place == holds.place);
    if own { finding.replace(right, holds.place.to_string()) } else { finding.add(right, location.shown()) }
}

fn ranges(location: &Level<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let holds = location.value("max_ranges");
    let most = holds.map(|one| one.argument(0).parse::<u64>().unwrap_or(u64::MAX));
    let right = format!("max_ranges {RANGES_MAX};");
    let finding = match (holds, most) {
        (Some(holds), Some(0)) => {
            let fault = Finding::fault("ranges", "nobody can resume a download: each further try sends the whole file");
            Some(mended(fault.found(holds.shown()).right("ranges are answered"), location, holds, &right))
        }
        (Some(holds), Some(most)) if most > RANGES_MAX => {
            let fault =
                Finding::fault("ranges", format!("a request for more than {RANGES_MAX} parts sends more bytes than Cloakroom reserved"));
            Some(mended(fault.found(holds.shown()).right("as many parts as Cloakroom reserves bytes for"), location, holds, &right))
        }
        (None, _) => {
            let fault =
                Finding::fault("ranges", format!("a request for more than {RANGES_MAX} parts sends more bytes than Cloakroom reserved"));
            Some(
                fault
                    .found(format!("no `max_ranges` for {}", location.shown()))
                    .right("as many parts as Cloakroom reserves bytes for")
                    .add(right, location.shown()),
            )
        }
        _ => None,
    };
    found.extend(finding);
    if let Some(off) = location.value("etag").filter(|one| one.argument(0) == "off") {
        let fault = Finding::fault("ranges", "browsers that resume with If-Match or If-Range begin again");
        found.push(mended(fault.found(off.shown()).right("nginx tests the ETag that it makes itself"), location, off, "etag on;"));
    }
    if let Some(limit) = location.value("limit_rate").filter(|one| one.argument(0) != "0") {
        let warning = Finding::warning("ranges", "this rate holds for each download for which Cloakroom says none");
        found.push(warning.found(limit.shown()).right("rates stand in [[policy]] of cloakroom.toml").remove(limit.place.to_string()));
    }
    or_ok("ranges", "resumed in as many parts as are reserved, not more", found)
}

fn headers(location: &Level<'_>) -> Vec<Finding> {
    let all = location.holds("add_header");
    let mut found = Vec::new();
    for (name, right, why) in [
        ("ETag", "add_header ETag $upstream_http_etag;", "a download that goes on after the file was replaced may mix the two"),
        (
            "X-Content-Type-Options",
            "add_header X-Content-Type-Options nosniff always;",
            "browsers may take a file for a page of the shop and run it",
        ),
        (
            "Content-Security-Policy",
            "add_header Content-Security-Policy \"sandbox; default-src 'none'\" always;",
            "a page among the files can act as the shop",
        ),
    ] {
        if !all.iter().any(|one| one.argument(0).eq_ignore_ascii_case(name)) {
            let there = all
                .first()
                .map_or_else(|| format!("no `add_header` for {}", location.shown()), |one| format!("{} and no {name}", one.shown()));
            found.push(Finding::warning("headers", why).found(there).right(format!("a header {name}")).add(right, location.shown()));
        }
    }
    for doubled in all
        .iter()
        .filter(|one| ["cache-control", "content-disposition", "content-type"].contains(&one.argument(0).to_ascii_lowercase().as_str()))
    {
        let warning = Finding::fault("headers", "this header comes twice, and browsers and caches choose one of them");
        found.push(warning.found(doubled.shown()).right("name, type and caching come from Cloakroom").remove(doubled.place.to_string()));
    }
    or_ok("headers", "nosniff, a sandbox, the name that Cloakroom said", found)
}

/// On which condition a request is one of a delivery.
const IF: &str = "if=$upstream_http_cloakroom_delivery";

/// Whether each request is reported, in the `format` of ours, into the log that is followed; of `condition` alone, where there
/// is one.
pub(super) fn report_of(
    location: &Level<'_>,
    configuration: &Configuration,
    check: &'static str,
    format: &str,
    condition: Option<&str>,
) -> Vec<Finding> {
    let target = match &configuration.feed {
        Some(Feed::AccessLog(log)) => log.display().to_string(),
        Some(Feed::Syslog { path, .. }) => format!("syslog:server=unix:{}", path.display()),
        Some(Feed::Api) | None => return Vec::new(),
    };
    let only = condition.map_or_else(String::new, |condition| format!(" {condition}"));
    let right = match &configuration.feed {
        Some(Feed::Syslog { .. }) => format!("access_log {target},nohostname,tag=cloakroom {format}{only};"),
        _ => format!("access_log {target} {format}{only};"),
    };
    let all = location.holds("access_log");
    let mut found = Vec::new();
    let unread = "downloads are not seen to arrive: each counts, and is called presumed";
    match all.iter().find(|one| one.argument(0).split(',').next() == Some(target.as_str())) {
        None => {
            let there = all.first().map_or_else(|| format!("no `access_log` for {}", location.shown()), |one| one.shown());
            let fault = Finding::fault(check, unread)
                .found(there)
                .right(format!("the report goes to {target}, which [feed] of cloakroom.toml names"));
            found.push(match all.first().filter(|one| location.own("access_log").is_some_and(|own| own.place == one.place)) {
                Some(other) => fault.replace(right, other.place.to_string()),
                None => fault.add(right, location.shown()),
            });
        }
        Some(log) => {
            let argument = |start: &str| log.arguments.iter().skip(1).find(|argument| argument.starts_with(start));
            let fault = |says: &str, wanted: &str| {
                Finding::fault(check, says).found(log.shown()).right(wanted).replace(&right, log.place.to_string())
            };
            if log.argument(1) != format {
                found.push(fault(unread, &format!("the format of the report is `{format}`")));
            } else if argument("gzip").is_some() {
                found.push(fault("a compressed report cannot be followed", "the report is plain text"));
            } else if argument("buffer=").is_some() {
                found.push(Finding {
                    verdict: super::finding::Verdict::Warning,
                    ..fault(
                        "lines wait in nginx: downloads are seen to arrive late, and are lost with a worker",
                        "each line is written at once",
                    )
                });
            } else if argument("if=").is_some_and(|found| Some(found.as_str()) != condition) {
                found.push(fault(unread, "each request of a delivery is reported"));
            }
        }
    }
    let own_pages = location.own("error_page").is_some();
    if let Some(page) = location.value("error_page").filter(|_| !own_pages) {
        let fault =
            Finding::fault("report-errors", "a request that ends with an error page is reported to another log: its download counts");
        found.push(
            fault
                .found(page.shown())
                .right("no error page of the site where files are handed over")
                .add("error_page 599 @cloakroom_refused;", location.shown()),
        );
    }
    or_ok(check, format!("each request of a delivery, to {target}"), found)
}

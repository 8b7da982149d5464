//! The locations of public directories: hostile ground, since what lies there is served as it is. Pure but for the question
//! whether two paths are one directory.

use std::path::Path;

use super::finding::{Finding, or_ok};
use super::nginx_conf::Directive;
use super::nginx_handoff::{FILTERS, mended, report_of};
use super::nginx_site::{Level, NginxSite};
use crate::config::{Configuration, Directory};

/// What changes or shows what lies there, with what is right.
const OFF: &[(&str, &str, &str)] = &[
    ("gzip", "gzip off;", "a compressed body has another length and no ranges: it counts as bytes, and resumes nowhere"),
    ("gzip_static", "gzip_static off;", "another file, the one that ends with .gz, would be sent"),
    ("gunzip", "gunzip off;", "a body that is changed on its way has another length and no ranges"),
    ("ssi", "ssi off;", "a page among the files would be run on the server, and changed on its way"),
    ("autoindex", "autoindex off;", "everybody sees the names of the stubs, and each name opens its file"),
    ("open_file_cache", "open_file_cache off;", "a stub that was taken away is served on for a while"),
    ("auth_request", "auth_request off;", "Cloakroom is asked about its own stubs, and refuses them"),
];

/// What runs a file, or asks somebody else for it.
const RUNS: &[&str] = &["fastcgi_pass", "proxy_pass", "uwsgi_pass", "scgi_pass", "grpc_pass", "perl", "js_content", "content_by_lua_block"];

/// All about the public directories.
pub(super) fn look(site: &NginxSite<'_>, configuration: &Configuration) -> Vec<Finding> {
    let mut found = Vec::new();
    for directory in &configuration.directories {
        // Another host has a web server of its own.
        if directory.url.origin != configuration.public_url.origin {
            let says = format!("`{}` is served by {}: its web server was not looked at", directory.name, directory.url.origin);
            found.push(Finding::not_asked("public-site", says));
            continue;
        }
        let url = directory.url.path.as_str();
        let locations: Vec<&Level<'_>> = site.locations.iter().filter(|location| location.path() == Some(url)).collect();
        if locations.is_empty() {
            found.push(missing(site, directory, &configuration.public_url.host));
        }
        for location in locations {
            let mut wrong = place(site, location, directory);
            wrong.extend(login(site, location, directory));
            wrong.extend(run(site, location));
            wrong.extend(off(location));
            wrong.extend(links(location, configuration, directory));
            wrong.extend(headers(location));
            wrong.extend(shut(site, location, url));
            let says = format!("{url} is downloaded from {}, never run, shown, listed or changed", directory.path.display());
            found.extend(or_ok("public-site", says, wrong));
            found.extend(report_of(location, configuration, "public-report", "cloakroom_public", None));
        }
        found.extend(elsewhere(site, directory));
    }
    found
}

fn missing(site: &NginxSite<'_>, directory: &Directory, host: &str) -> Finding {
    let url = &directory.url.path;
    let plain = url.trim_end_matches('/');
    let near = site.locations.iter().find(|location| location.path().is_some_and(|path| path.trim_end_matches('/') == plain));
    let finding = Finding::fault("public-site", format!("nginx has no location for {url}: customers see 404, or files are run"));
    if let Some(near) = near {
        return finding
            .found(near.shown())
            .right(format!("the path of the location is that of `url`, {url}, to the last slash"))
            .replace(format!("location ^~ {url} {{"), near.directive.place.to_string());
    }
    finding
        .found(format!("no location {url} in any server"))
        .right(format!("location ^~ {url} {{ alias {}/; … }} as in pub.conf", plain_path(directory)))
        .add("include cloakroom/pub.conf;", site.server_of(host))
}

fn plain_path(directory: &Directory) -> String {
    directory.path.to_string_lossy().trim_end_matches('/').to_owned()
}

/// The directory that it shows, to everybody.
fn place(site: &NginxSite<'_>, location: &Level<'_>, directory: &Directory) -> Vec<Finding> {
    let mut found = Vec::new();
    let right = format!("alias {}/;", plain_path(directory));
    if let Some(internal) = location.own("internal") {
        let fault = Finding::fault("public-place", "only redirects of nginx get here: customers see 404");
        found.push(fault.found(internal.shown()).right("everybody may ask here").remove(internal.place.to_string()));
    }
    match location.own("alias") {
        Some(alias) if !alias.argument(0).ends_with('/') => {
            let fault = Finding::fault("public-place", "without the slash the name is glued to the directory's: customers see 404");
            found.push(fault.found(alias.shown()).right("an alias that ends with `/`").replace(right, alias.place.to_string()));
        }
        Some(alias) if is_same(alias.argument(0), &directory.path) => {}
        Some(alias) => {
            let fault =
                Finding::fault("public-place", "nginx looks for stubs in another directory than Cloakroom puts them: customers see 404");
            let wanted = format!("the directory of `{}`, {}", directory.name, directory.path.display());
            found.push(fault.found(alias.shown()).right(wanted).replace(right, alias.place.to_string()));
        }
        None => {
            let root = location.value("root");
            let below = root.map(|root| format!("{}{}", root.argument(0).trim_end_matches('/'), directory.url.path));
            if !below.is_some_and(|below| is_same(&below, &directory.path)) {
                let there =
                    root.map_or_else(|| "neither `alias` nor `root`".to_owned(), |root| format!("{}, and no `alias`", root.shown()));
                let fault = Finding::fault(
                    "public-place",
                    "nginx looks for stubs in another directory than Cloakroom puts them: customers see 404",
                );
                found.push(fault.found(there).right(format!("the directory of `{}`", directory.name)).add(right, location.shown()));
            }
        }
    }
    if location.yields()
        && let Some(other) = site.locations_of(location.server).find(|other| other.is_regular_expression())
    {
        let url = &directory.url.path;
        let fault = Finding::fault("public-run", "a regular expression of the site takes the names that it fits: it runs or shows them");
        found.push(
            fault
                .found(format!("{}, beside {}", location.shown(), other.shown()))
                .right("`^~` keeps regular expressions away")
                .replace(format!("location ^~ {url} {{"), location.directive.place.to_string()),
        );
    }
    found
}

/// The same place, by this name or another one, a symbolic link say.
fn is_same(written: &str, path: &Path) -> bool {
    let written = Path::new(written);
    // Without the slashes at the end.
    written.components().eq(path.components())
        || written.canonicalize().is_ok_and(|one| path.canonicalize().is_ok_and(|other| one == other))
}

/// Who is asked for a password, and by which file.
fn login(site: &NginxSite<'_>, location: &Level<'_>, directory: &Directory) -> Vec<Finding> {
    const CHECK: &str = "public-password";
    let realm = location.value("auth_basic").filter(|realm| realm.argument(0) != "off");
    let Some(credentials) = &directory.credentials else {
        let Some(realm) = realm else { return Vec::new() };
        let warning = Finding::warning(CHECK, "customers are asked for a password, and Cloakroom gives them none");
        let right = format!("`htpasswd` in the [[directory]] `{}`, or no `auth_basic` in {}", directory.name, location.shown());
        return vec![mended(warning.found(realm.shown()).right(right), location, realm, "auth_basic off;")];
    };
    let mut found = Vec::new();
    if realm.is_none() {
        let fault = Finding::fault(CHECK, "nobody is asked for a password: whoever knows a name has the file");
        let right = "auth_basic \"Downloads\";";
        found.push(match location.value("auth_basic") {
            Some(off) => mended(fault.found(off.shown()).right("a realm, which browsers show"), location, off, right),
            None => fault.found("no `auth_basic`").right("a realm, which browsers show").add(right, location.shown()),
        });
    }
    let file = credentials.htpasswd.display();
    let right = format!("auth_basic_user_file {file};");
    match location.value("auth_basic_user_file") {
        None => {
            let fault = Finding::fault(CHECK, "nginx asks nobody for a password, since no file says who has one");
            found.push(
                fault
                    .found("no `auth_basic_user_file`")
                    .right(format!("the file of `{}`, {file}", directory.name))
                    .add(right, location.shown()),
            );
        }
        Some(names) if !is_same(&beside(site, names.argument(0)), &credentials.htpasswd) => {
            let fault = Finding::fault(CHECK, "nginx asks for passwords by another file than Cloakroom writes: customers see 401");
            let fault = fault.found(names.shown()).right(format!("the file of `{}`, {file}", directory.name));
            found.push(mended(fault, location, names, &right));
        }
        Some(_) => {}
    }
    if let Some(any) = location.value("satisfy").filter(|one| one.argument(0) == "any") {
        let fault = Finding::fault(CHECK, "who comes from an address that is allowed is asked for no password");
        found.push(mended(fault.found(any.shown()).right("address and password"), location, any, "satisfy all;"));
    }
    found
}

/// A path as nginx reads it: beside its main file, where it does not begin with `/`.
fn beside(site: &NginxSite<'_>, written: &str) -> String {
    let main = site.main.first().map_or("", |first| &*first.place.file);
    match main.rsplit_once('/') {
        Some((prefix, _)) if !written.starts_with('/') => format!("{prefix}/{written}"),
        _ => written.to_owned(),
    }
}

/// What runs there, or is no plain file.
fn run(site: &NginxSite<'_>, location: &Level<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let inside =
        |one: &&Level<'_>| location.directive.inside().iter().any(|own| own.name == "location" && own.place == one.directive.place);
    for one in std::iter::once(location).chain(site.locations_of(location.server).filter(inside)) {
        for name in RUNS {
            let Some(runs) = one.own(name) else { continue };
            let fault = Finding::fault("public-run", "a file of a customer is run on this server, or asked for elsewhere");
            found.push(fault.found(runs.shown()).right("plain files, and nothing else").remove(runs.place.to_string()));
        }
    }
    found
}

fn off(location: &Level<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (name, right, why) in OFF {
        let Some(holds) = location.value(name).filter(|one| one.argument(0) != "off") else { continue };
        let fault = Finding::fault("public-off", *why).found(holds.shown()).right(format!("`{right}` where stubs are"));
        found.push(mended(fault, location, holds, right));
    }
    for name in FILTERS {
        let Some(holds) = location.value(name) else { continue };
        let fault = Finding::fault("public-off", format!("`{name}` changes the body on its way: another length, no ranges"));
        let fault = fault.found(holds.shown()).right("no such filter where stubs are; move it into the locations that need it");
        found.push(fault.remove(holds.place.to_string()));
    }
    if let Some(none) = location.value("max_ranges").filter(|one| one.argument(0) == "0") {
        let fault = Finding::fault("public-off", "nobody can resume a download").found(none.shown()).right("ranges are answered");
        found.push(mended(fault, location, none, "max_ranges 64;"));
    }
    found
}

/// Stubs are links, which nginx has to follow; copies are files, and a link among them is somebody else's.
fn links(location: &Level<'_>, configuration: &Configuration, directory: &Directory) -> Option<Finding> {
    let with_stubs = configuration.storages.iter().any(|storage| storage.stub.as_ref() == Some(&directory.name));
    let written = location.value("disable_symlinks");
    let holds = written.filter(|one| one.argument(0) != "off");
    if with_stubs {
        let fault = Finding::fault("public-off", "nginx does not follow the stub to the file: customers see 403");
        return holds.map(|holds| {
            mended(fault.found(holds.shown()).right("`disable_symlinks off;` where stubs are"), location, holds, "disable_symlinks off;")
        });
    }
    if holds.is_some() {
        return None;
    }
    let says = "a link that somebody else puts among the copies shows any file that nginx may read";
    let right = format!("disable_symlinks on from={}/;", plain_path(directory));
    let warning = Finding::warning("public-off", says).right("copies are files: no link is followed where only copies are");
    Some(match written {
        Some(off) => mended(warning.found(off.shown()), location, off, &right),
        None => warning.found("no `disable_symlinks`").add(right, location.shown()),
    })
}

/// What a browser does with a file.
fn headers(location: &Level<'_>) -> Vec<Finding> {
    let all = location.holds("add_header");
    let mut found = Vec::new();
    for (name, value, right, why, is_fault) in [
        (
            "Content-Disposition",
            "attachment",
            "add_header Content-Disposition attachment always;",
            "browsers show a page or a picture of a customer as part of the shop",
            true,
        ),
        (
            "X-Content-Type-Options",
            "nosniff",
            "add_header X-Content-Type-Options nosniff always;",
            "browsers may take a file for a page of the shop and run it",
            true,
        ),
        (
            "Content-Security-Policy",
            "sandbox",
            "add_header Content-Security-Policy \"sandbox; default-src 'none'\" always;",
            "a page among the files can act as the shop",
            false,
        ),
        (
            "Cache-Control",
            "no-store",
            "add_header Cache-Control \"private, no-store\" always;",
            "a cache may keep the file, and give it to others",
            false,
        ),
    ] {
        if all.iter().any(|one| one.argument(0).eq_ignore_ascii_case(name) && one.argument(1).contains(value)) {
            continue;
        }
        let there = all.first().map_or_else(
            || format!("no `add_header` for {}", location.shown()),
            |one| format!("{}, and no {name} with {value}", one.shown()),
        );
        let finding = if is_fault { Finding::fault("public-headers", why) } else { Finding::warning("public-headers", why) };
        found.push(finding.found(there).right(format!("a header {name} with {value}")).add(right, location.shown()));
    }
    let types = location.value("types").filter(|types| types.inside().is_empty());
    let default = location.value("default_type").map_or("text/plain", |one| one.argument(0));
    if types.is_none() || default != "application/octet-stream" {
        let there = match (location.value("types"), location.value("default_type")) {
            (Some(types), _) if !types.inside().is_empty() => types.shown(),
            (_, Some(default)) => default.shown(),
            _ => format!("no `types` for {}", location.shown()),
        };
        let warning = Finding::warning("public-headers", "files have the type of their ending: pages, scripts, pictures");
        found.push(
            warning
                .found(there)
                .right("every file is application/octet-stream")
                .add("types { }\ndefault_type application/octet-stream;", location.shown()),
        );
    }
    found
}

/// What is half made is nobody's.
fn shut(site: &NginxSite<'_>, location: &Level<'_>, url: &str) -> Vec<Finding> {
    let hides = |one: &Level<'_>| {
        let path = one.directive.arguments.last().map_or("", String::as_str);
        path == format!("{url}.") || one.is_regular_expression() && path.contains("/\\.")
    };
    if site.locations_of(location.server).any(hides) {
        return Vec::new();
    }
    let warning = Finding::warning("public-shut", "names that begin with a dot are asked for like others; only their mode keeps them shut");
    let line = format!("location ^~ {url}. {{ return 404; }}");
    vec![warning.found(format!("no location for {url}.")).right("404 for everybody").add(line, site.server_of(""))]
}

/// Other ways into the directory, on which nothing of the above holds.
fn elsewhere(site: &NginxSite<'_>, directory: &Directory) -> Vec<Finding> {
    let url = directory.url.path.as_str();
    let servers = site.servers.iter().filter_map(|server| Some(("/", server.value("root")?)));
    let open = site.locations.iter().filter(|location| location.own("internal").is_none() && location.path() != Some(url));
    let locations = open.filter_map(|location| {
        let path = location.path().filter(|path| !path.starts_with('@'))?;
        location.own("alias").map(|alias| (path, alias)).or_else(|| location.own("root").map(|root| ("/", root)))
    });
    let leads = |(at, shows): &(&str, &Directive)| {
        let written = shows.argument(0);
        let inside = directory.path.strip_prefix(written).ok().filter(|_| !written.contains('$'))?;
        let reached = format!("{at}{}/", inside.to_string_lossy()).replace("//", "/");
        (reached != url).then_some(reached)
    };
    let mut found: Vec<Finding> = Vec::new();
    for way in servers.chain(locations) {
        let Some(reached) = leads(&way) else { continue };
        let fault =
            Finding::fault("public-elsewhere", "stubs can be asked for at another address, where files may be run, shown and listed");
        let fault = fault
            .found(format!("{}: {reached} leads to {}", way.1.shown(), directory.path.display()))
            .right(format!("only {url} leads there: the directory lies below no other root and no other alias"))
            .run(format!("mv {} /srv/www/ && editor /etc/cloakroom/cloakroom.toml", plain_path(directory)));
        if !found.iter().any(|known| known.found == fault.found) {
            found.push(fault);
        }
    }
    found
}

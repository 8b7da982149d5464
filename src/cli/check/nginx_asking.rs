//! The locations that ask Cloakroom: what it is told of a request, and what becomes of its answer. Pure.

use super::finding::{Finding, Verdict, or_ok};
use super::nginx_conf::Directive;
use super::nginx_site::{Level, NginxSite};
use crate::config::{Address, Configuration, Serve};
use crate::dialect::Dialect;

/// What a location asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asks {
    /// A download, below the path of `public_url`.
    Download,
    /// Whether a request may pass.
    Authorize,
    /// The page of a refusal.
    Refused,
}

/// What every question is told: the header, its value, what comes of another one.
const TOLD: &[(&str, &str, &str)] = &[
    ("X-Original-URI", "$request_uri", "Cloakroom is not told which address is asked for, or believes the client about it"),
    ("X-Original-Method", "$request_method", "Cloakroom is not told the method, or believes the client about it"),
    ("X-Request-Id", "$request_id", "one request may count twice or never: its id must be nginx's own, and the one in the report"),
    ("X-Real-IP", "$remote_addr", "the client's address is not known, or is what the client says it is"),
    ("Connection", "", "the connection to Cloakroom is closed after each question, and a restart costs requests"),
    ("Content-Length", "", "a POST waits for a body that never comes"),
    ("Transfer-Encoding", "", "a request with a body is refused, as none follows"),
];

/// What a client could say besides, which Cloakroom refuses: empty, nginx passes none of them on.
const SILENCED: &[&str] = &["X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Uri", "X-Forwarded-Method"];

/// With more than so many headers missing, the file with all of them is what is missing.
const FEW: usize = 2;

/// All about the locations that ask.
pub(super) fn look(site: &NginxSite<'_>, configuration: &Configuration) -> Vec<Finding> {
    let addresses = addresses(configuration);
    let asking: Vec<(&Level<'_>, &Directive)> = site
        .locations
        .iter()
        .filter_map(|location| Some((location, location.own("proxy_pass")?)))
        .filter(|(_, pass)| leads_to_us(site, pass, &addresses))
        .collect();
    // Where a passed socket is, only systemd knows.
    let all_known = !configuration.listeners.iter().any(|listener| matches!(listener.address, Address::Passed(_)));
    let mut found = upstreams(site, &addresses, all_known);
    let path = configuration.public_url.path.as_str();
    let into = || site.server_of(&configuration.public_url.host);
    if !asking.iter().any(|(location, _)| location.path() == Some(path)) {
        let fault =
            Finding::fault("download", format!("nobody reaches Cloakroom at {path}: each link is answered by the site, mostly with 404"));
        found.push(
            fault
                .found(format!("no location {path} that passes its requests to Cloakroom"))
                .right("the path is that of public_url")
                .add("include cloakroom/locations.conf;", into()),
        );
    }
    let (mut said, mut heard, mut number) = (Vec::new(), Vec::new(), 0);
    for (location, _) in asking {
        let asks = match location.path() {
            Some(there) if there == path => Asks::Download,
            Some(name) if name.starts_with('@') => Asks::Refused,
            Some(there) if location.directive.argument(0) == "=" && there != path => Asks::Authorize,
            _ => continue,
        };
        number += 1;
        said.extend(told(location, asks));
        heard.extend(answered(location, asks));
        if asks == Asks::Download {
            found.extend(download(site, location));
        } else if asks == Asks::Authorize && location.own("internal").is_none() {
            let fault = Finding::fault("authorize-shut", "anybody can ask Cloakroom as if it were nginx");
            found.push(
                fault
                    .found(format!("{} without `internal`", location.shown()))
                    .right("only nginx asks here")
                    .add("internal;", location.shown()),
            );
        }
    }
    if number > 0 {
        // One line that all of them include is said once.
        for findings in [&mut said, &mut heard] {
            let mut seen = Vec::new();
            findings.retain(|finding: &Finding| {
                let is_new = !seen.contains(&finding.says);
                seen.push(finding.says.clone());
                is_new
            });
        }
        found.extend(or_ok("told", format!("{number} locations tell what nginx knows, not clients"), said));
        found.extend(or_ok("answer", "answers are heard, kept by nobody, not replaced", heard));
    }
    found
}

/// Where the web server reaches us, as nginx writes it.
fn addresses(configuration: &Configuration) -> Vec<String> {
    let web = configuration.listeners.iter().filter(|listener| listener.serve == Serve::Web(Dialect::Nginx));
    web.flat_map(|listener| match &listener.address {
        Address::Unix { path, .. } => vec![format!("unix:{}", path.display())],
        // Who listens everywhere is reached on loopback.
        Address::Tcp(address) if address.ip().is_unspecified() => {
            let port = address.port();
            vec![format!("127.0.0.1:{port}"), format!("[::1]:{port}"), address.to_string()]
        }
        Address::Tcp(address) => vec![address.to_string()],
        Address::Passed(_) => Vec::new(),
    })
    .collect()
}

/// Whether a `proxy_pass` leads to one of our listeners, by an upstream or directly.
fn leads_to_us(site: &NginxSite<'_>, pass: &Directive, addresses: &[String]) -> bool {
    let Some(target) = pass.argument(0).strip_prefix("http://") else { return false };
    if addresses
        .iter()
        .any(|address| target.strip_prefix(address.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/'])))
    {
        return true;
    }
    let name = target.split(['/', ':']).next().unwrap_or_default();
    // One that is called as ours but leads elsewhere is found wrong as an upstream.
    site.upstream(name).is_some_and(|upstream| name == "cloakroom" || servers(upstream).any(|server| is_ours(server, addresses)))
}

fn servers(upstream: &Directive) -> impl Iterator<Item = &Directive> {
    upstream.inside().iter().filter(|one| one.name == "server")
}

fn is_ours(server: &Directive, addresses: &[String]) -> bool {
    let written = server.argument(0);
    let written = written.strip_prefix("localhost:").map_or_else(|| written.to_owned(), |port| format!("127.0.0.1:{port}"));
    addresses.contains(&written)
}

fn upstreams(site: &NginxSite<'_>, addresses: &[String], all_known: bool) -> Vec<Finding> {
    let ours = site.http.iter().copied().filter(|one| one.name == "upstream");
    let mut found = Vec::new();
    let mut is_there = false;
    for upstream in ours.filter(|one| one.argument(0) == "cloakroom" || servers(one).any(|server| is_ours(server, addresses))) {
        is_there = true;
        let mut faults = Vec::new();
        let line = |address: &str| format!("server {address} max_fails=0;");
        for server in servers(upstream) {
            if !is_ours(server, addresses) && all_known {
                let fault = Finding::fault("upstream", "nginx asks where no Cloakroom of this configuration listens: customers see 502");
                let address = addresses.first().map_or("unix:/run/cloakroom/nginx.sock", String::as_str);
                faults.push(
                    fault
                        .found(server.shown())
                        .right(format!("the address of a [[listener]]: {}", addresses.join(", ")))
                        .replace(line(address), server.place.to_string()),
                );
            } else if !server.arguments.iter().any(|argument| argument == "max_fails=0") {
                let fault = Finding::fault("restart", "after one failure nginx asks nobody for ten seconds: each restart costs requests");
                faults.push(
                    fault
                        .found(server.shown())
                        .right("`max_fails=0` on each line")
                        .replace(line(server.argument(0)), server.place.to_string()),
                );
            }
        }
        let shown = upstream.shown();
        if let [only] = servers(upstream).collect::<Vec<_>>().as_slice() {
            let fault = Finding::fault("restart", "nginx tries once: customers see 502 while Cloakroom restarts");
            faults.push(
                fault
                    .found(only.shown())
                    .right("the same line twice; the second is nginx's second try")
                    .add(line(only.argument(0)), &shown),
            );
        }
        if !upstream.inside().iter().any(|one| one.name == "keepalive") {
            let fault = Finding::fault("keepalive", "each question costs a connection, and a restart costs requests");
            faults.push(
                fault
                    .found(format!("{shown} without `keepalive`"))
                    .right("connections to Cloakroom stay open")
                    .add("keepalive 32;", &shown),
            );
        }
        found.extend(or_ok("upstream", format!("nginx asks {}, over connections that stay open", addresses.join(", ")), faults));
    }
    if !is_there {
        let fault = Finding::fault("upstream", "nginx does not know where Cloakroom answers");
        found.push(
            fault
                .found("no upstream leads to a [[listener]]")
                .right(addresses.join(", "))
                .add("include cloakroom/cloakroom.conf;", "http { … }"),
        );
    }
    found
}

/// What Cloakroom is told.
fn told(location: &Level<'_>, asks: Asks) -> Vec<Finding> {
    let mut found = Vec::new();
    let all = location.holds("proxy_set_header");
    let said = |name: &str| all.iter().copied().find(|one| one.argument(0).eq_ignore_ascii_case(name));
    let line = |name: &str, value: &str| {
        if value.is_empty() { format!("proxy_set_header {name} \"\";") } else { format!("proxy_set_header {name} {value};") }
    };
    let missing = TOLD.iter().filter(|(name, ..)| said(name).is_none()).count();
    for &(name, value, why) in TOLD {
        match said(name) {
            Some(one) if one.argument(1) == value => {}
            Some(one) => {
                let fault = Finding::fault("told", why).found(one.shown()).right(line(name, value));
                found.push(fault.replace(line(name, value), one.place.to_string()));
            }
            None if missing > FEW => {}
            None => {
                // Beside those that hold: nginx inherits all of them or none.
                let (there, into) = match all.first() {
                    Some(one) => (format!("{}, and no {name} beside it", one.shown()), one.place.to_string()),
                    None => (format!("no `proxy_set_header` for {}", location.shown()), location.shown()),
                };
                found.push(Finding::fault("told", why).found(there).right(line(name, value)).add(line(name, value), into));
            }
        }
    }
    if missing > FEW {
        let fault = Finding::fault("told", "Cloakroom is not told what it has to know, and refuses each request");
        let there = all.first().map_or_else(
            || format!("no `proxy_set_header` for {}", location.shown()),
            |one| format!("{}, and {missing} of ours missing: a location inherits all of them, or none", one.shown()),
        );
        found.push(fault.found(there).right("the shipped headers").add("include cloakroom/headers.conf;", location.shown()));
    }
    if asks == Asks::Download {
        for name in SILENCED.iter().filter(|name| said(name).is_none_or(|one| !one.argument(1).is_empty())) {
            let warning =
                Finding::warning("told", format!("a customer whose proxy sends {name} is refused: it is another source of the address"));
            found.push(
                warning
                    .found(format!("{} passes {name} on", location.shown()))
                    .right("what the client says of the address is dropped")
                    .add(line(name, ""), location.shown()),
            );
        }
        if said("Range").is_none_or(|one| one.argument(1) != "$cloakroom_range") {
            let there = said("Range").map_or_else(|| format!("{} passes the client's Range on", location.shown()), Directive::shown);
            let fault = Finding::fault("told", "an odd Range gets the whole file from nginx for the price of one byte");
            found.push(
                fault.found(there).right("only a range that nginx itself honours").add(line("Range", "$cloakroom_range"), location.shown()),
            );
        }
    } else if location.value("proxy_pass_request_headers").is_none_or(|one| one.argument(0) != "off") {
        let fault = Finding::fault("told", "the client's own headers reach Cloakroom beside nginx's, and the request is refused");
        found.push(
            fault
                .found(format!("{} passes the client's headers on", location.shown()))
                .right("only what nginx says")
                .add("proxy_pass_request_headers off;", location.shown()),
        );
    }
    for (name, right, why) in [
        ("proxy_http_version", "1.1", "the connection to Cloakroom is closed after each question, and a restart costs requests"),
        ("proxy_pass_request_body", "off", "a request with a body waits for it, or is refused"),
    ] {
        let holds = location.value(name);
        if holds.is_none_or(|one| one.argument(0) != right) {
            let finding = Finding::fault(if right == "off" { "request-body" } else { "keepalive" }, why);
            found.push(put(finding, location, holds, name, right));
        }
    }
    found
}

/// What becomes of the answer.
fn answered(location: &Level<'_>, asks: Asks) -> Vec<Finding> {
    let mut found = Vec::new();
    let ignored = location.value("proxy_ignore_headers");
    let is_deaf_to = |name: &str| ignored.is_some_and(|one| one.arguments.iter().any(|argument| argument.eq_ignore_ascii_case(name)));
    if asks == Asks::Download {
        for (name, why) in [
            ("X-Accel-Redirect", "customers get an empty page instead of the file"),
            ("X-Accel-Limit-Rate", "no rate of a policy or of a link holds"),
        ] {
            if let Some(one) = ignored.filter(|_| is_deaf_to(name)) {
                found.push(
                    Finding::fault("answer", why).found(one.shown()).right(format!("nginx hears {name}")).remove(one.place.to_string()),
                );
            }
        }
    } else if !is_deaf_to("X-Accel-Redirect") {
        let fault = Finding::fault("answer", "a hand-off in the answer would be followed, and a file at its end would be a yes");
        found.push(
            fault
                .found(format!("{} follows X-Accel-Redirect", location.shown()))
                .right("no hand-off here")
                .add("proxy_ignore_headers X-Accel-Redirect;", location.shown()),
        );
    }
    for (name, right, verdict, check, why) in [
        ("proxy_cache", "off", Verdict::Fault, "answer", "the answer for one customer is given to others"),
        (
            "proxy_intercept_errors",
            "off",
            Verdict::Fault,
            "answer",
            "customers see the site's error pages, without the reason and the support code",
        ),
        ("proxy_buffering", "on", Verdict::Warning, "answer", "slow customers hold a connection to Cloakroom while they read a page"),
        ("proxy_force_ranges", "off", Verdict::Warning, "answer", "parts of pages are sent"),
        ("auth_request", "off", Verdict::Fault, "answer", "a question is put behind another question"),
    ] {
        if let Some(one) = location.value(name).filter(|one| one.argument(0) != right) {
            let finding = Finding { verdict, ..Finding::fault(check, why) };
            found.push(put(finding, location, Some(one), name, right));
        }
    }
    if location.value("proxy_ignore_client_abort").is_none_or(|one| one.argument(0) != "on") {
        let warning = Finding::warning("answer", "who hangs up while Cloakroom decides leaves a request that nobody reports: it counts");
        found.push(put(warning, location, location.value("proxy_ignore_client_abort"), "proxy_ignore_client_abort", "on"));
    }
    for hidden in location.holds("proxy_hide_header") {
        if ["content-disposition", "content-type", "cache-control", "set-cookie", "location"]
            .contains(&hidden.argument(0).to_ascii_lowercase().as_str())
        {
            let fault = Finding::fault("answer", "what Cloakroom says does not reach the customer");
            found.push(fault.found(hidden.shown()).right("the answer goes on as it is").remove(hidden.place.to_string()));
        }
    }
    found
}

/// What is only about downloads.
fn download(site: &NginxSite<'_>, location: &Level<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    if location.yields()
        && let Some(other) = site.locations_of(location.server).find(|other| other.is_regular_expression())
    {
        let path = location.path().unwrap_or_default();
        let fault = Finding::fault("download", "a regular expression of the site takes the links that it fits");
        found.push(
            fault
                .found(format!("{}, beside {}", location.shown(), other.shown()))
                .right("`^~` keeps regular expressions away")
                .replace(format!("location ^~ {path} {{"), location.directive.place.to_string()),
        );
    }
    let body = location.value("client_max_body_size");
    if body.is_none_or(|one| size(one.argument(0)).is_none_or(|bytes| bytes == 0 || bytes > 1024 * 1024)) {
        let warning = Finding::warning("download", "nginx reads a body before it asks, and a large one lies on the disk meanwhile");
        found.push(put(warning, location, body, "client_max_body_size", "1k"));
    }
    or_ok("download", format!("{} reaches Cloakroom, whatever the name of the file", location.path().unwrap_or_default()), found)
}

/// A size as nginx writes it, in bytes.
fn size(text: &str) -> Option<u64> {
    let (digits, unit) = match text.to_ascii_lowercase().strip_suffix(['k', 'm', 'g']) {
        Some(digits) => (digits.to_owned(), text.chars().last()?.to_ascii_lowercase()),
        None => (text.to_owned(), ' '),
    };
    let unit = match unit {
        'k' => 1024,
        'm' => 1024 * 1024,
        'g' => 1024 * 1024 * 1024,
        _ => 1,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// The right line in place of the location's own, or as one more.
fn put(finding: Finding, location: &Level<'_>, holds: Option<&Directive>, name: &str, right: &str) -> Finding {
    let line = format!("{name} {right};");
    let there = holds.map_or_else(|| format!("no `{name}` for {}", location.shown()), Directive::shown);
    let finding = finding.found(there).right(&line);
    match holds.filter(|holds| location.own(name).is_some_and(|own| own.place == holds.place)) {
        Some(own) => finding.replace(line, own.place.to_string()),
        None => finding.add(line, location.shown()),
    }
}

//! What surrounds the locations of Cloakroom: guarded parts of the site, the format of the report, and settings of whole
//! servers. Pure.

use super::finding::{Finding, or_ok};
use super::nginx_conf::Directive;
use super::nginx_site::{Level, NginxSite};
use crate::config::{Configuration, Feed};

/// The shipped file with the format of the report.
const SHIPPED: &str = include_str!("../../../conf-examples/nginx/cloakroom.conf");

/// Settings of servers that let others say what nginx says, or that see other paths than Cloakroom does.
const SERVERS: &[(&str, &str, &str, &str)] = &[
    ("underscores", "underscores_in_headers", "off", "a client's X_Real_IP comes along beside X-Real-IP, and its requests are refused"),
    ("headers-odd", "ignore_invalid_headers", "on", "a client's odd headers come along beside nginx's own, and its requests are refused"),
    ("slashes", "merge_slashes", "on", "//members/a reaches files past the location that guards /members/"),
];

/// All of it.
pub(super) fn look(site: &NginxSite<'_>, configuration: &Configuration) -> Vec<Finding> {
    let mut found = format(site, configuration, "cloakroom");
    if !configuration.directories.is_empty() {
        found.extend(format(site, configuration, "cloakroom_public"));
    }
    found.extend(servers(site));
    found.extend(guarded(site, configuration));
    found
}

/// The `log_format` of this name, of the report, held against the shipped one key by key.
fn format(site: &NginxSite<'_>, configuration: &Configuration, name: &str) -> Vec<Finding> {
    if !matches!(configuration.feed, Some(Feed::AccessLog(_) | Feed::Syslog { .. })) {
        return Vec::new();
    }
    let shipped = super::nginx_conf::read("cloakroom.conf", SHIPPED, &mut |_| Vec::new()).unwrap_or_default();
    let of = |one: &&Directive| one.name == "log_format" && one.argument(0) == name;
    let Some(right) = shipped.iter().find(of) else { return Vec::new() };
    let unread = "Cloakroom does not understand the report: downloads are not seen to arrive";
    let Some(there) = site.http.iter().copied().find(of) else {
        let fault = Finding::fault("log-format", unread).found(format!("no log_format `{name}`")).right("the shipped one");
        return vec![fault.add("include cloakroom/cloakroom.conf;", "http { … }")];
    };
    let mut found = Vec::new();
    if there.argument(1) != "escape=json" {
        let fault = Finding::fault("log-format", "a quote in a value breaks the line, and its download is not seen to arrive");
        found.push(
            fault
                .found(there.shown())
                .right("escape=json after the name")
                .replace(format!("log_format {name} escape=json"), there.place.to_string()),
        );
    }
    let (wanted, said) = (pairs(right), pairs(there));
    for (key, variable) in &wanted {
        let pair = format!("\"{key}\":\"{variable}\"");
        let fault = Finding::fault("log-format", unread);
        match said.iter().find(|(known, _)| known == key) {
            Some((_, value)) if value == variable => {}
            Some((_, value)) => {
                let fault = fault.found(format!("{}: log_format {name} has \"{key}\":\"{value}\"", there.place));
                found.push(fault.right(format!("'{pair}'")).replace(format!("'{pair},'"), there.place.to_string()));
            }
            None => {
                let fault = fault.found(format!("{}: log_format {name} has no \"{key}\"", there.place));
                found.push(fault.right(format!("'{pair}'")).add(format!("'{pair},'"), there.place.to_string()));
            }
        }
    }
    or_ok("log-format", format!("the format `{name}` of the report is the shipped one"), found)
}

/// The keys and values of a format that is a JSON object of strings, which begins anywhere behind the name.
fn pairs(format: &Directive) -> Vec<(String, String)> {
    let text: String = format.arguments.iter().skip(1).filter(|argument| !argument.starts_with("escape=")).map(String::as_str).collect();
    let inside = text.trim().trim_start_matches('{').trim_end_matches('}');
    let of = |pair: &str| pair.trim().trim_matches('"').split_once("\":\"").map(|(key, value)| (key.to_owned(), value.to_owned()));
    inside.split("\",\"").filter_map(of).collect()
}

fn servers(site: &NginxSite<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let ours: Vec<&Level<'_>> = site.servers.iter().filter(|server| site.locations_of(server.server).any(asks)).collect();
    for (check, name, right, why) in SERVERS {
        let mut faults = Vec::new();
        for server in &ours {
            if let Some(one) = server.value(name).filter(|one| one.argument(0) != *right) {
                let line = format!("{name} {right};");
                faults.push(Finding::fault(check, *why).found(one.shown()).right(&line).replace(line, one.place.to_string()));
            }
        }
        faults.dedup();
        found.extend(or_ok(check, format!("{name} is {right}"), faults));
    }
    for server in &ours {
        for trusted in server.holds("set_real_ip_from").into_iter().filter(|one| one.argument(0).ends_with("/0")) {
            let fault = Finding::fault("real-ip", "each client chooses its own address: limits by network and lock-outs hold nobody");
            found.push(fault.found(trusted.shown()).right("the addresses of your own proxies only").remove(trusted.place.to_string()));
        }
        let shut =
            site.locations_of(server.server).any(|location| location.path() == Some("/_cloakroom/") && location.own("return").is_some());
        if !shut {
            let warning =
                Finding::warning("internal-shut", "what lies below /_cloakroom/ and is no location of ours is answered by the site");
            found.push(
                warning
                    .found(format!("{} without a location ^~ /_cloakroom/", server.shown()))
                    .right("404 for everybody")
                    .add("location ^~ /_cloakroom/ { return 404; }", server.shown()),
            );
        }
    }
    found
}

/// Whether a location is one of those that ask, or are handed over from.
fn asks(location: &Level<'_>) -> bool {
    location.path().is_some_and(|path| path.starts_with("/_cloakroom/") || path == "@cloakroom_refused")
}

/// Each rule has a location that asks before it serves, and nothing there goes round the question.
fn guarded(site: &NginxSite<'_>, configuration: &Configuration) -> Vec<Finding> {
    let mut found = Vec::new();
    for rule in &configuration.rules {
        let path = rule.path.decoded();
        let of_rule = locations_of(site, path);
        let mut faults = Vec::new();
        if of_rule.is_empty() && !site.servers.iter().any(asked) {
            let fault = Finding::fault("guarded", format!("everybody sees what lies below {path}: nginx asks nobody about it"));
            faults.push(
                fault
                    .found(format!("a [[rule]] for {path}, and no location with auth_request"))
                    .right("a location of that path which asks")
                    .add(
                        format!("location ^~ {path} {{ include cloakroom/protect.conf; }}"),
                        site.server_of(&configuration.public_url.host),
                    ),
            );
        }
        for location in of_rule {
            faults.extend(guard(site, location, path));
        }
        found.extend(or_ok("guarded", format!("{path} asks before it serves"), faults));
    }
    found
}

/// The locations of a rule's path; where there is none, those above it that ask.
fn locations_of<'s, 'a>(site: &'s NginxSite<'a>, path: &str) -> Vec<&'s Level<'a>> {
    let plain = path.trim_end_matches('/');
    let with_path = |fits: &dyn Fn(&str) -> bool| -> Vec<&'s Level<'a>> {
        site.locations.iter().filter(|location| location.path().is_some_and(|there| !there.starts_with('@') && fits(there))).collect()
    };
    let exact = with_path(&|there| there.trim_end_matches('/') == plain);
    if exact.is_empty() {
        with_path(&|there| path.starts_with(there)).into_iter().filter(|location| asked(location)).collect()
    } else {
        exact
    }
}

fn asked(level: &Level<'_>) -> bool {
    level.value("auth_request").is_some_and(|one| one.argument(0) != "off")
}

fn guard(site: &NginxSite<'_>, location: &Level<'_>, path: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let shown = location.shown();
    if !asked(location) {
        let fault = Finding::fault("guarded", format!("everybody sees what lies below {path}"));
        return vec![
            fault
                .found(format!("{shown} without auth_request"))
                .right("it asks before it serves")
                .add("include cloakroom/protect.conf;", shown),
        ];
    }
    if location.yields()
        && let Some(other) = site.locations_of(location.server).find(|other| other.is_regular_expression() && !asked(other))
    {
        let fault =
            Finding::fault("guarded", format!("a regular expression of the site serves what it fits below {path}, and asks nobody"));
        found.push(
            fault
                .found(format!("{shown}, beside {}", other.shown()))
                .right("`^~` keeps regular expressions away")
                .replace(format!("location ^~ {path} {{"), location.directive.place.to_string()),
        );
    }
    if let Some(returned) = location.own("return") {
        let fault = Finding::fault("guarded", "`return` is done before the question: everybody gets through");
        found.push(fault.found(returned.shown()).right("no `return` beside the question").remove(returned.place.to_string()));
    }
    if let Some(any) = location.value("satisfy").filter(|one| one.argument(0) == "any") {
        let fault = Finding::fault("guarded", "`satisfy any` lets through who passes any other test");
        found.push(fault.found(any.shown()).right("satisfy all;").replace("satisfy all;", any.place.to_string()));
    }
    if let Some(basic) = location.value("auth_basic").filter(|one| one.argument(0) != "off") {
        let warning = Finding::warning("guarded", "nginx asks for a password, too, and hashes it for each request while others wait");
        found.push(
            warning
                .found(basic.shown())
                .right("Cloakroom asks: accept = [\"basic\"] and htpasswd under [[rule]]")
                .remove(basic.place.to_string()),
        );
    }
    let leads = |code: &str| {
        let page = location.holds("error_page").into_iter().find(|page| page.arguments.iter().any(|argument| argument == code))?;
        let target = page.arguments.last()?;
        site.locations_of(location.server).any(|there| there.path() == Some(target) && there.own("proxy_pass").is_some()).then_some(())
    };
    if leads("401").is_none() || leads("403").is_none() {
        let there = location.value("error_page").map_or_else(|| format!("no `error_page` for {shown}"), Directive::shown);
        let fault = Finding::fault("refused", "a customer who is refused sees a bare 401 or 403, without the reason and the support code");
        found.push(
            fault.found(there).right("401 and 403 lead to the page of the refusal").add("error_page 401 403 = @cloakroom_refused;", &shown),
        );
    }
    for (variable, header, check, why) in [
        ("$cloakroom_heard", "$upstream_http_cloakroom_refusal", "refused", "each refusal looks like `no_rule`, a 404"),
        ("$cloakroom_rate", "$upstream_http_cloakroom_rate", "rate", "rates of signed URLs hold nobody here"),
    ] {
        if !location.holds("auth_request_set").iter().any(|one| one.argument(0) == variable && one.argument(1) == header) {
            let line = format!("auth_request_set {variable} {header};");
            found.push(Finding::fault(check, why).found(format!("{shown} does not keep {header}")).right(&line).add(line, &shown));
        }
    }
    if location.value("limit_rate").is_none_or(|one| one.argument(0) != "$cloakroom_rate") {
        let there = location.value("limit_rate").map_or_else(|| format!("no `limit_rate` for {shown}"), Directive::shown);
        found.push(
            Finding::warning("rate", "rates of signed URLs hold nobody here")
                .found(there)
                .right("limit_rate $cloakroom_rate;")
                .add("limit_rate $cloakroom_rate;", &shown),
        );
    }
    found
}

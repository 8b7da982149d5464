//! Faults of nginx's configuration, each made in the shipped one: found by name, at the right line of the right file, and
//! nothing else with it. Each is one that nginx itself accepts.

use std::fs;

use super::servers::nginx::{self, NginxSetup};
use super::{one_of, only, run, site, spoil, wrong};

/// What is changed, what is found, words of the finding, and the file and the line that are named.
struct Row {
    instead: &'static [(&'static str, &'static str)],
    http: &'static str,
    server: &'static str,
    check: &'static str,
    words: &'static [&'static str],
    at: (&'static str, &'static str),
}

const MASTERS: (&str, &str) = ("locations.conf", "location ^~ /_cloakroom/masters/ {");
const DOWNLOADS: (&str, &str) = ("locations.conf", "location ^~ /dl/ {");
const AUTHORIZE: (&str, &str) = ("locations.conf", "location = /_cloakroom/authorize {");
const UPSTREAM: (&str, &str) = ("cloakroom.conf", "upstream cloakroom {");
const MEMBERS: (&str, &str) = ("members.conf", "location ^~ /members/ {");

/// A row of changed words.
const fn changed(
    instead: &'static [(&'static str, &'static str)],
    check: &'static str,
    words: &'static [&'static str],
    at: (&'static str, &'static str),
) -> Row {
    Row { instead, http: "", server: "", check, words, at }
}

/// A row of lines of the site, in `http` or in `server`.
const fn added(
    http: &'static str,
    server: &'static str,
    instead: &'static [(&'static str, &'static str)],
    check: &'static str,
    words: &'static [&'static str],
    at: (&'static str, &'static str),
) -> Row {
    Row { instead, http, server, check, words, at }
}

const FAULTS: &[Row] = &[
    // Where files are handed over from.
    changed(&[("    internal;\n    alias", "    alias")], "internal", &["internal;", "without any proof"], MASTERS),
    changed(&[("downloads/;", "downloads;")], "alias-slash", &["alias ", "downloads/;"], ("locations.conf", "alias ")),
    changed(&[("alias /", "alias /elsewhere/")], "alias", &["alias ", "downloads/;"], ("locations.conf", "alias ")),
    changed(&[("alias /", "root /")], "alias", &["root ", "no `alias`"], MASTERS),
    changed(&[("^~ /_cloakroom/masters/ {", "^~ /_cloakroom/files/ {")], "handoff", &["locations.conf"], ("site.conf", "server {")),
    changed(
        &[("^~ /_cloakroom/masters/ {", "^~ /_cloakroom/masters {")],
        "handoff",
        &["location ^~ /_cloakroom/masters/ {"],
        ("locations.conf", "location ^~ /_cloakroom/masters {"),
    ),
    changed(&[("    gzip off;\n", "")], "untouched", &["gzip on;"], MASTERS).in_http("gzip on;"),
    changed(&[("gzip off;", "gzip on;")], "untouched", &["gzip on;", "gzip off;"], ("locations.conf", "gzip on;")),
    changed(&[("gzip_static off;", "gzip_static on;")], "untouched", &["gzip_static off;"], ("locations.conf", "gzip_static on;")),
    changed(&[("ssi off;", "ssi on;")], "untouched", &["ssi off;"], ("locations.conf", "ssi on;")),
    changed(
        &[("open_file_cache off;", "open_file_cache max=100;")],
        "untouched",
        &["open_file_cache off;"],
        ("locations.conf", "open_file_cache max"),
    ),
    changed(&[("autoindex off;", "autoindex on;")], "untouched", &["autoindex off;"], ("locations.conf", "autoindex on;")),
    added("sub_filter a b;", "", &[], "untouched", &["sub_filter a b;", "remove"], ("nginx.conf", "sub_filter a b;")),
    changed(&[("    max_ranges 64;\n", "")], "ranges", &["max_ranges 64;"], MASTERS),
    changed(&[("max_ranges 64;", "max_ranges 1000;")], "ranges", &["max_ranges 64;"], ("locations.conf", "max_ranges 1000;")),
    changed(&[("max_ranges 64;", "max_ranges 0;")], "ranges", &["resume"], ("locations.conf", "max_ranges 0;")),
    changed(&[("etag on;", "etag off;")], "ranges", &["etag on;"], ("locations.conf", "etag off;")),
    changed(
        &[("types { }", "add_header Cache-Control public;")],
        "headers",
        &["twice"],
        ("locations.conf", "add_header Cache-Control public;"),
    ),
    changed(
        &[("cloakroom.log cloakroom if", "cloakroom.log combined if")],
        "report",
        &["`cloakroom`"],
        ("locations.conf", "cloakroom.log combined"),
    ),
    changed(
        &[("log/cloakroom.log cloakroom if", "log/other.log cloakroom if")],
        "report",
        &["cloakroom.log cloakroom if="],
        ("locations.conf", "other.log"),
    ),
    changed(
        &[
            ("cloakroom if=$upstream_http_cloakroom_delivery;\n    # access_log /", "cloakroom if=$no;\n    # access_log /"),
            ("upstream cloakroom {", "map x $no { default 0; }\nupstream cloakroom {"),
        ],
        "report",
        &["each request of a delivery"],
        ("locations.conf", "if=$no;"),
    ),
    changed(&[("    error_page 599 @cloakroom_refused;\n", "")], "report-errors", &["error_page 599"], MASTERS)
        .in_server("error_page 404 /404.html;"),
    changed(
        &[
            ("    alias", "    auth_request /_cloakroom/authorize;\n    alias"),
            ("    auth_request off;\n\n    # Each", "    # Each"),
            ("    auth_request off;\n\n    # Without", "    # Without"),
        ],
        "handoff-asked",
        &["auth_request off;"],
        MASTERS,
    ),
    changed(&[("/www;", ";")], "masters-shut", &["root ", "mv "], ("site.conf", "root ")),
    // What Cloakroom is told.
    changed(
        &[("proxy_set_header X-Original-URI $request_uri;\n", "")],
        "told",
        &["proxy_set_header X-Original-URI $request_uri;"],
        ("headers.conf", "proxy_set_header Host"),
    ),
    changed(
        &[("X-Original-URI $request_uri;", "X-Original-URI $uri;")],
        "told",
        &["X-Original-URI $request_uri;"],
        ("headers.conf", "X-Original-URI $uri;"),
    ),
    changed(
        &[("X-Real-IP $remote_addr;", "X-Real-IP $http_x_real_ip;")],
        "told",
        &["X-Real-IP $remote_addr;"],
        ("headers.conf", "X-Real-IP $http"),
    ),
    changed(
        &[("X-Request-Id $request_id;", "X-Request-Id $http_x_request_id;")],
        "told",
        &["X-Request-Id $request_id;"],
        ("headers.conf", "X-Request-Id $http"),
    ),
    changed(
        &[("proxy_set_header Content-Length \"\";\n", "")],
        "told",
        &["proxy_set_header Content-Length \"\";"],
        ("headers.conf", "proxy_set_header Host"),
    ),
    changed(&[("Range $cloakroom_range;", "Range $http_range;")], "told", &["Range $cloakroom_range;"], DOWNLOADS),
    changed(
        &[("    proxy_pass_request_headers off;\n    include", "    include")],
        "told",
        &["proxy_pass_request_headers off;"],
        AUTHORIZE,
    ),
    changed(
        &[("proxy_pass_request_body off;", "proxy_pass_request_body on;")],
        "request-body",
        &["proxy_pass_request_body off;"],
        ("headers.conf", "proxy_pass_request_body on;"),
    ),
    changed(&[("proxy_http_version 1.1;\n", "")], "keepalive", &["proxy_http_version 1.1;"], DOWNLOADS),
    changed(
        &[
            ("    include cloakroom/headers.conf;\n    proxy_set_header Range", "    proxy_set_header Range"),
            ("X-Forwarded-Method \"\";", "X-Forwarded-Method \"\";\n proxy_http_version 1.1; proxy_pass_request_body off;"),
        ],
        "told",
        &["include cloakroom/headers.conf;"],
        DOWNLOADS,
    ),
    changed(
        &[("proxy_set_header Authorization $http_authorization;\n", "")],
        "told",
        &["proxy_set_header Authorization $http_authorization;"],
        ("headers.conf", "proxy_set_header Host"),
    ),
    changed(
        &[("Cookie $http_cookie;", "Cookie \"\";")],
        "told",
        &["proxy_set_header Cookie $http_cookie;"],
        ("headers.conf", "proxy_set_header Cookie"),
    ),
    // What becomes of its answer.
    changed(
        &[("proxy_set_header Upgrade \"\";", "proxy_ignore_headers X-Accel-Redirect;")],
        "answer",
        &["remove"],
        ("locations.conf", "proxy_ignore_headers X-Accel-Redirect;"),
    ),
    changed(
        &[(
            "    # Yes is 2xx. Without this line a hand-off in any answer would be followed, and a file at its end would be a yes.\n    proxy_ignore_headers X-Accel-Redirect;\n",
            "",
        )],
        "answer",
        &["proxy_ignore_headers X-Accel-Redirect;"],
        AUTHORIZE,
    ),
    changed(&[("proxy_cache off;", "proxy_cache z;")], "answer", &["proxy_cache off;"], ("headers.conf", "proxy_cache z;"))
        .in_http("proxy_cache_path /tmp/cloakroom-none keys_zone=z:1m;"),
    changed(
        &[("proxy_intercept_errors off;", "proxy_intercept_errors on;")],
        "answer",
        &["proxy_intercept_errors off;"],
        ("headers.conf", "proxy_intercept_errors on;"),
    ),
    changed(&[("    internal;\n    proxy_pass", "    proxy_pass")], "authorize-shut", &["internal;"], AUTHORIZE),
    changed(&[("location ^~ /dl/", "location ^~ /download/")], "download", &["/dl/"], ("site.conf", "server {")),
    changed(&[("location ^~ /dl/", "location /dl/")], "download", &["location ^~ /dl/ {"], ("locations.conf", "location /dl/"))
        .in_server("location ~ \\.zip$ { }"),
    // Where it answers.
    changed(&[("    keepalive 32;\n", "")], "keepalive", &["keepalive 32;"], UPSTREAM),
    changed(&[("nginx.sock max_fails=0;", "nginx.sock;")], "restart", &["max_fails=0"], ("cloakroom.conf", "nginx.sock;")),
    changed(&[("/nginx.sock max", "/elsewhere.sock max")], "upstream", &["nginx.sock max_fails=0;"], ("cloakroom.conf", "elsewhere.sock")),
    // Around it.
    changed(
        &[("log_format cloakroom escape=json", "log_format cloakroom")],
        "log-format",
        &["escape=json"],
        ("cloakroom.conf", "log_format cloakroom"),
    ),
    changed(
        &[("'\"request\":\"$request_id\",'", "")],
        "log-format",
        &["\"request\":\"$request_id\""],
        ("cloakroom.conf", "log_format cloakroom"),
    ),
    changed(
        &[("\"bytes\":\"$body_bytes_sent\"", "\"bytes\":\"$bytes_sent\"")],
        "log-format",
        &["$body_bytes_sent", "$bytes_sent"],
        ("cloakroom.conf", "log_format cloakroom"),
    ),
    added(
        "",
        "underscores_in_headers on;",
        &[],
        "underscores",
        &["underscores_in_headers off;"],
        ("site.conf", "underscores_in_headers on;"),
    ),
    added(
        "",
        "ignore_invalid_headers off;",
        &[],
        "headers-odd",
        &["ignore_invalid_headers on;"],
        ("site.conf", "ignore_invalid_headers off;"),
    ),
    added("merge_slashes off;", "", &[], "slashes", &["merge_slashes on;"], ("nginx.conf", "merge_slashes off;")),
    added("", "set_real_ip_from 0.0.0.0/0;", &[], "real-ip", &["remove"], ("site.conf", "set_real_ip_from")),
    changed(&[("    include cloakroom/protect.conf;\n", "")], "guarded", &["include cloakroom/protect.conf;"], MEMBERS),
    changed(&[("    include cloakroom/members.conf;\n", "")], "guarded", &["location ^~ /members/"], ("site.conf", "server {")),
    changed(
        &[("location ^~ /members/", "location /members/")],
        "guarded",
        &["location ^~ /members/ {"],
        ("members.conf", "location /members/"),
    )
    .in_server("location ~ \\.php$ { }"),
    changed(
        &[("    expires off;\n    add_header Cache", "    return 200 x;\n    add_header Cache")],
        "guarded",
        &["return 200 x;"],
        ("members.conf", "return 200"),
    ),
    changed(
        &[("    expires off;\n    add_header Cache", "    satisfy any;\n    add_header Cache")],
        "guarded",
        &["satisfy all;"],
        ("members.conf", "satisfy any;"),
    ),
    changed(&[("error_page 401 403 = @cloakroom_refused;\n", "")], "refused", &["error_page 401 403 = @cloakroom_refused;"], MEMBERS),
    changed(
        &[("auth_request_set $cloakroom_heard $upstream_http_cloakroom_refusal;\n", "")],
        "refused",
        &["auth_request_set $cloakroom_heard"],
        MEMBERS,
    ),
    changed(
        &[("auth_request_set $cloakroom_rate $upstream_http_cloakroom_rate;\n", ""), ("limit_rate $cloakroom_rate;", "")],
        "rate",
        &["auth_request_set $cloakroom_rate"],
        MEMBERS,
    ),
];

impl Row {
    const fn in_http(self, http: &'static str) -> Self {
        Self { http, ..self }
    }

    const fn in_server(self, server: &'static str) -> Self {
        Self { server, ..self }
    }

    fn setup(&self) -> NginxSetup {
        NginxSetup { http: self.http.to_owned(), server: self.server.to_owned(), instead: self.instead, ..NginxSetup::default() }
    }

    fn name(&self) -> String {
        format!("{:?} {} {}", self.instead, self.http, self.server)
    }
}

/// The first line of a written file with this text, from 1.
#[track_caller]
fn line_of(site: &super::Site, file: &str, text: &str) -> usize {
    let conf = site.nginx.conf();
    let folder = conf.parent().unwrap();
    let path = if file == "nginx.conf" { conf.clone() } else { folder.join("cloakroom").join(file) };
    let written = fs::read_to_string(path).unwrap();
    let is_there = |line: &&str| line.contains(text) && !line.trim_start().starts_with('#');
    1 + written.lines().position(|line| is_there(&line)).unwrap_or_else(|| panic!("no {text:?} in {file}"))
}

#[test]
fn each_fault_of_nginx_configuration_is_found_with_its_line() {
    let site = site(&NginxSetup::default());
    let mut seen = 0;
    for row in FAULTS {
        let setup = row.setup();
        nginx::test(&setup).unwrap_or_else(|words| panic!("nginx refuses {}: {words}", row.name()));
        spoil(&site, &setup);
        let found = wrong(&run(&site, &["--json"]));
        let finding = only(&found, row.check, row.words, &row.name());
        let (file, text) = row.at;
        let place = format!("{file}:{}", line_of(&site, file, text));
        let mend = finding["mend"].to_string();
        let told = if mend.contains(".conf:") { mend } else { finding["found"].to_string() };
        assert!(told.contains(&place), "{}: {place} is not in {finding:#}", row.name());
        seen += 1;
    }
    assert!(seen >= 50, "{seen}");
}

#[test]
fn what_works_and_is_not_right_is_a_warning() {
    let site = site(&NginxSetup::default());
    let mut seen = 0;
    for (instead, server, check, words) in [
        (&[("    add_header X-Content-Type-Options nosniff always;\n", "")][..], "", "headers", "nosniff always;"),
        (&[("    add_header Content-Security-Policy \"sandbox; default-src 'none'\" always;\n", "")], "", "headers", "sandbox"),
        (&[("sendfile on;", "limit_rate 10k;")], "", "ranges", "limit_rate 10k;"),
        (
            &[(
                "cloakroom if=$upstream_http_cloakroom_delivery;\n    # access_log /",
                "cloakroom if=$upstream_http_cloakroom_delivery buffer=8k;\n    # access_log /",
            )],
            "",
            "report",
            "late",
        ),
        (&[("    proxy_set_header X-Rewrite-URL \"\";\n", "")], "", "told", "X-Rewrite-URL"),
        (&[("proxy_ignore_client_abort on;\n", "")], "", "answer", "proxy_ignore_client_abort on;"),
        (&[("expires off;\n\n# A question", "proxy_buffering off;\n\n# A question")], "", "answer", "proxy_buffering on;"),
        (&[("client_max_body_size 1k;", "client_max_body_size 2g;")], "", "download", "client_max_body_size 1k;"),
        (&[("location ^~ /_cloakroom/ {\n    return 404;\n}", "")], "", "internal-shut", "return 404;"),
        (&[(" backup;", ";")], "", "restart", "max_fails=0 backup;"),
        (&[("limit_rate $cloakroom_rate;", "limit_rate 10k;")], "", "rate", "limit_rate 10k;"),
    ] {
        let setup = NginxSetup { server: server.to_owned(), instead, ..NginxSetup::default() };
        nginx::test(&setup).unwrap_or_else(|words| panic!("nginx refuses {instead:?}: {words}"));
        spoil(&site, &setup);
        let output = run(&site, &["--json"]);
        let found = wrong(&output);
        let finding = one_of(&found, check, &[words], &format!("{instead:?}"));
        assert_eq!(finding["verdict"], "warning", "{finding}");
        assert_eq!(output.status.code(), Some(0), "{instead:?}");
        seen += 1;
    }
    assert_eq!(seen, 11);
}

#[test]
fn a_configuration_that_cannot_be_read_is_a_fault_and_one_of_another_site_a_warning() {
    let site = site(&NginxSetup::default());
    let conf = site.nginx.conf();
    for (text, check, verdict) in [
        ("events {}\nhttp {\n", "nginx-conf", "fault"),
        ("}", "nginx-conf", "fault"),
        ("events {}\nhttp { server { listen 81; } }", "included", "warning"),
        ("", "included", "warning"),
    ] {
        fs::write(&conf, text).unwrap();
        let found = wrong(&run(&site, &["--json"]));
        assert_eq!(one_of(&found, check, &["nginx"], text)["verdict"], verdict, "{text}");
    }
}

//! Faults that are seen from outside: a real nginx that is really wrong, asked over HTTP. What its configuration says is
//! not looked at: it is read from a file that is as shipped.

use std::fs;

use super::servers::nginx::NginxSetup;
use super::servers::site::Site;
use super::servers::until;
use super::{one_of, site, spoil, tidy, wrong};

/// Changed words, lines of the server, what is found, words of the finding.
type Row = (&'static [(&'static str, &'static str)], &'static str, &'static str, &'static [&'static str]);

const FAULTS: &[Row] = &[
    (&[("    internal;\n    alias", "    alias")], "", "site-internal", &["without any proof", "internal;"]),
    (&[("    internal;\n    proxy_pass", "    proxy_pass")], "", "site-internal", &["as if it were nginx", "internal;"]),
    (&[("gzip off;", "gzip on;")], "", "bytes", &["Content-Encoding: gzip", "gzip off;"]),
    (&[], "sub_filter_once off; sub_filter 'test of' 'toast of';", "bytes", &["200"]),
    (&[("downloads/;", "downloads;")], "", "bytes", &["404", "alias "]),
    (&[("proxy_set_header Upgrade \"\";", "proxy_ignore_headers X-Accel-Redirect;")], "", "bytes", &["0 bytes"]),
    (&[("max_ranges 64;", "max_ranges 0;")], "", "site-ranges", &["206", "resume"]),
    (
        &[("    add_header X-Content-Type-Options nosniff always;\n", "")],
        "",
        "site-headers",
        &["x-content-type-options", "nosniff always;"],
    ),
    (&[("types { }", "add_header Cache-Control public;")], "", "site-headers", &["cache-control", "and"]),
    (&[], "set_real_ip_from 127.0.0.1; real_ip_header X-Real-IP;", "claims", &["x-real-ip", "chooses its own address"]),
    (&[], "set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;", "claims", &["x-forwarded-for"]),
    (&[], "underscores_in_headers on;", "claims", &["underscores_in_headers off;"]),
    (&[("    proxy_set_header X-Forwarded-Uri \"\";\n", "")], "", "claims", &["x-forwarded-uri"]),
    (&[("    keepalive 32;\n", "")], "", "site-keepalive", &["keepalive 32;"]),
    (&[("log/cloakroom.log cloakroom if", "log/other.log cloakroom if")], "", "counted", &["presumed", "access_log "]),
    (&[("location ^~ /dl/", "location ^~ /download/")], "", "reach", &["something else", "locations.conf"]),
    (&[("/nginx.sock max", "/elsewhere.sock max")], "", "reach", &["502", "does not reach"]),
    (&[("proxy_set_header X-Request-Id $request_id;\n", "")], "", "reach", &["400", "headers.conf"]),
    (&[("    proxy_pass http://cloakroom;\n", "    root /etc; return 200 x;\n")], "", "reach", &["without any proof"]),
    (
        &[("proxy_intercept_errors off;", "proxy_intercept_errors on;")],
        "error_page 403 /403.html;",
        "refused",
        &["proxy_intercept_errors off;"],
    ),
    (&[("    include cloakroom/protect.conf;\n", "")], "", "site-rules", &["include cloakroom/protect.conf;"]),
    (&[("error_page 401 403 = @cloakroom_refused;\n", "")], "", "site-rules", &["error_page 401 403"]),
    (
        &[
            ("X-Request-Id $request_id;", "X-Request-Id $any_id;"),
            (
                "upstream cloakroom {",
                "map $http_x_request_id $any_id { \"\" $request_id; default $http_x_request_id; }\nupstream cloakroom {",
            ),
        ],
        "",
        "claims",
        &["one for many", "X-Request-Id $request_id;"],
    ),
    (&[], "merge_slashes off;", "site-rules", &["//members/"]),
    (&[("location ^~ /members/", "location /members/")], "location ~ \\.php$ { }", "site-rules", &[".php"]),
    (&[("/www;", "/downloads;")], "", "site-masters", &["past Cloakroom", "mv "]),
];

/// Makes what is written hold, and waits until nobody answers who knows it otherwise.
#[track_caller]
pub(crate) fn reload(site: &Site) {
    let gone = || site.nginx.error_log().matches("exited with code 0").count();
    let before = gone();
    site.nginx.reload();
    until("the end of the old workers", || (gone() >= before + 2).then_some(()));
}

#[test]
fn each_fault_of_a_running_nginx_is_seen_from_outside() {
    let site = site(&NginxSetup::default());
    let mut seen = 0;
    for (instead, server, check, words) in FAULTS {
        spoil(&site, &NginxSetup { server: (*server).to_owned(), instead, ..NginxSetup::default() });
        reload(&site);
        // The rows are about what is seen from outside.
        let output = site.cloakroom.command(&["check", "--json", "--url", "--nginx-conf", "/dev/null"]);
        let row = format!("{instead:?} {server}");
        let finding = one_of(&wrong(&output), check, words, &row);
        assert_eq!(finding["verdict"], "fault", "{row}: {finding}");
        assert_eq!(output.status.code(), Some(1), "{row}");
        let left = fs::read_dir(site.nginx.downloads()).unwrap().count();
        assert_eq!(left, 1, "{row}: nothing is left");
        seen += 1;
    }
    assert!(seen >= 24, "{seen}");
    site.nginx.rewrite(&NginxSetup::default());
    reload(&site);
    let output = site.cloakroom.command(&["check", "--json", "--url", "--nginx-conf", "/dev/null"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn a_cache_in_front_and_a_daemon_that_does_not_run_are_told() {
    let mut site = site(&NginxSetup { server: "add_header X-Cache HIT always;".to_owned(), ..NginxSetup::default() });
    let found = wrong(&site.cloakroom.command(&["check", "--json", "--url", "--nginx-conf", "/dev/null"]));
    one_of(&found, "cache", &["x-cache: HIT"], "a cache");
    assert_eq!(found.len(), 2, "the rest is asked all the same: {found:#?}");
    site.cloakroom.stop();
    let output = site.cloakroom.command(&["check", "--json", "--url", "--nginx-conf", "/dev/null"]);
    let found = wrong(&output);
    one_of(&found, "daemon", &["systemctl start cloakroom"], "no daemon");
    one_of(&found, "reach", &["502"], "no daemon");
    site.cloakroom.start();
}

#[test]
fn a_site_is_asked_over_tls_and_a_certificate_that_is_not_trusted_is_told() {
    let tls = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/check/tls");
    let port = super::servers::free_port();
    let server = format!("listen 127.0.0.1:{port} ssl; ssl_certificate {tls}/shop.pem; ssl_certificate_key {tls}/shop.key;");
    let site = Site::around(&NginxSetup { server, ..NginxSetup::default() }, "");
    tidy(&site);
    let url = format!("https://shop.example:{port}/");
    let at = format!("127.0.0.1:{port}");
    let run = |trusted: &str, url: &str| {
        let mut program = super::servers::program::Program::configured(&site.cloakroom.config());
        program.args(["check", "--json", "--nginx-conf", "/dev/null", "--url", url, "--connect", &at]);
        program.env("SSL_CERT_FILE", format!("{tls}/{trusted}")).env_remove("SSL_CERT_DIR").output()
    };
    let good = run("authority.pem", &url);
    assert_eq!(good.status.code(), Some(0), "{good:?}");
    assert!(String::from_utf8(good.stdout).unwrap().contains("unchanged"));
    for (trusted, url) in [("other.pem", url.as_str()), ("authority.pem", &format!("https://other.example:{port}/"))] {
        let found = wrong(&run(trusted, url));
        one_of(&found, "reach", &["TLS", "certificate"], url);
    }
}

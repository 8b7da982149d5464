//! `cloakroom check` reads Apache's configuration: as `setup` writes it all is well, and each fault that is made is found by its
//! name, with what mends it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod servers;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use serde_json::Value;
use servers::program::Program;
use tempfile::TempDir;

/// A site whose files lie in a directory of their own; nobody runs.
struct Site {
    home: TempDir,
}

const MODULES: &str = "alias auth_basic authn_core authn_file authnz_fcgi authz_core authz_user dir deflate env headers proxy proxy_scgi \
    ratelimit setenvif unique_id";

impl Site {
    fn new() -> Self {
        let site = Self { home: tempfile::tempdir().unwrap() };
        let root = site.home.path().display().to_string();
        for name in ["state", "downloads", "www", "goods", "htpasswd", "log"] {
            fs::create_dir(site.place(name)).unwrap();
        }
        fs::set_permissions(site.place("state"), Permissions::from_mode(0o700)).unwrap();
        let toml = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/conf-examples/apache/cloakroom.toml")).unwrap();
        let toml =
            [("/var/lib/cloakroom", "state"), ("/srv/downloads", "downloads"), ("/var/log/apache2", "log"), ("/run/cloakroom", "state")]
                .iter()
                .fold(toml, |toml, (from, to)| toml.replace(from, &format!("{root}/{to}")));
        let directory = format!(
            "\n[[directory]]\nname = \"goods\"\npath = \"{root}/goods\"\nurl = \"/goods/\"\nhtpasswd = \"{root}/htpasswd/goods\"\n"
        );
        fs::write(site.place("cloakroom.toml"), toml + &directory).unwrap();
        for id in ["main", "apache"] {
            assert!(site.command(&["key", "new", id]).status.success());
        }
        let written = site.command(&["setup", "apache", "--write", &format!("{root}/conf")]);
        assert!(written.status.success(), "{written:?}");
        let modules = MODULES.split_whitespace().flat_map(|name| ["LoadModule ", name, "_module x.so\n"]).collect::<String>();
        fs::write(site.place("modules.load"), modules).unwrap();
        fs::write(site.place("envvars"), "export APACHE_RUN_USER=www-data\n").unwrap();
        let main = format!(
            "User ${{APACHE_RUN_USER}}\nInclude modules.load\nInclude conf/server.conf\n<VirtualHost *:80>\n  DocumentRoot {root}/www\n  \
             Include {root}/conf/vhost.conf\n</VirtualHost>\n"
        );
        fs::write(site.place("apache2.conf"), main).unwrap();
        site
    }

    fn place(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> std::process::Output {
        Program::configured(&self.place("cloakroom.toml")).args(arguments).output()
    }

    /// What is found of Apache's configuration.
    #[track_caller]
    fn found(&self) -> Vec<Value> {
        let output = self.command(&["check", "--json", "--apache-conf", self.place("apache2.conf").to_str().unwrap()]);
        let all: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        let secret = fs::read_to_string(self.place("state/keys/apache")).unwrap();
        assert!(!all.to_string().contains(secret.trim()), "the secret is shown");
        let parts = all["parts"].as_array().unwrap();
        let part = parts.iter().find(|part| part["title"].as_str().unwrap().starts_with("Apache's configuration")).expect("a part");
        part["findings"].as_array().unwrap().clone()
    }
}

fn wrong(found: &[Value]) -> Vec<&Value> {
    found.iter().filter(|finding| ["warning", "fault"].contains(&finding["verdict"].as_str().unwrap())).collect()
}

#[test]
fn all_is_well_as_setup_writes_it() {
    let site = Site::new();
    let found = site.found();
    assert!(wrong(&found).is_empty(), "{found:#?}");
    for check in ["modules", "asks", "secret", "guarded", "masters-shut", "handoff", "htaccess", "log-format", "report"] {
        // The format is told with the report.
        let check = if check == "log-format" { "report" } else { check };
        assert!(found.iter().any(|finding| finding["check"] == check && finding["verdict"] == "ok"), "{check}: {found:#?}");
    }
}

/// A section behind all others.
const OPENS: &str = "  <Location />\n    Require all granted\n  </Location>\n</VirtualHost>";

#[test]
fn each_fault_is_found_by_its_name_with_what_mends_it() {
    let mut seen = 0;
    for (file, from, to, check, words) in [
        ("modules.load", "LoadModule unique_id_module x.so\n", "", "modules", "a2enmod unique_id"),
        ("modules.load", "LoadModule proxy_scgi_module x.so\n", "", "modules", "a2enmod proxy_scgi"),
        ("conf/cloakroom.conf", "127.0.0.1:8471", "127.0.0.1:9999", "asks", "127.0.0.1:8471"),
        ("conf/downloads.conf", "apache.sock", "other.sock", "asks", "apache.sock"),
        ("conf/cloakroom-secret.conf", "CLOAKROOM_SECRET ", "CLOAKROOM_SECRET x", "secret", "differ"),
        ("conf/cloakroom-secret.conf", "Define CLOAKROOM_SECRET", "Define OTHER", "secret", "no `Define"),
        ("conf/members.conf", "AuthnzFcgiCheckAuthnProvider", "#", "guarded", "/members/"),
        ("apache2.conf", "</VirtualHost>", "  <Location /members/>\n  Satisfy Any\n</Location>\n</VirtualHost>", "guarded", "Satisfy Any"),
        ("apache2.conf", "</VirtualHost>", OPENS, "guarded", "takes away what"),
        ("apache2.conf", "</VirtualHost>", OPENS, "masters-shut", "takes away what"),
        ("apache2.conf", "</VirtualHost>", "<LocationMatch ^/>\nRequire all granted\n</LocationMatch>\n</VirtualHost>", "guarded", "takes"),
        ("apache2.conf", "</VirtualHost>", "<Location ~ ^/mem>\nRequire all granted\n</Location>\n</VirtualHost>", "guarded", "takes"),
        ("conf/members.conf", "Provider cloakroom", "Provider other", "guarded", "/members/"),
        ("conf/members.conf", "    Require valid-user", "    Require valid-user\n    Require all granted", "guarded", "beside"),
        ("conf/members.conf", "    Require valid-user", "", "guarded", "has no `Require`"),
        ("conf/downloads.conf", "    Require expr", "    Require all granted\n    Require expr", "masters-shut", "guard"),
        ("apache2.conf", "/www\n", "\n", "masters-shut", "DocumentRoot"),
        ("apache2.conf", "</VirtualHost>", "Alias /all/ DOWNLOADS\n</VirtualHost>", "masters-shut", "Alias"),
        ("conf/downloads.conf", "    Require expr", "    #", "masters-shut", "guard"),
        ("conf/downloads.conf", "Alias \"/_cloakroom/masters/\"", "Alias \"/_cloakroom/others/\"", "handoff", "no Alias"),
        ("conf/downloads.conf", "ProxySCGIInternalRedirect X-Accel-Redirect", "ProxySCGISendfile On", "handoff", "ProxySCGISendfile"),
        ("conf/downloads.conf", "no-gzip", "other", "whole", "no-gzip"),
        ("conf/directory-goods.conf", "AuthUserFile", "#", "htaccess", "password"),
        ("conf/log.conf", "%{end:msec}t", "%t", "log-format", "LogFormat"),
        ("conf/vhost.conf", "cloakroom.log\" cloakroom ", "other.log\" cloakroom ", "report", "other.log"),
        ("apache2.conf", "<VirtualHost *:80>", "<Location /a>\n<VirtualHost *:80>", "apache-conf", "not closed"),
        ("apache2.conf", "Include", "#", "included", "setup apache --write"),
    ] {
        let site = Site::new();
        let path = site.place(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from:?} is not in {file}: {text}");
        let downloads = format!("\"{}/\"", site.place("downloads").display());
        fs::write(&path, text.replace(from, &to.replace("DOWNLOADS", &downloads))).unwrap();
        let found = site.found();
        let wrong = wrong(&found);
        let one = wrong.iter().find(|finding| finding["check"] == check && finding.to_string().contains(words));
        let one = one.unwrap_or_else(|| panic!("no {check} with {words:?} for {to:?} in {file}: {found:#?}"));
        assert!(["found", "right", "mend"].iter().all(|part| !one[part].is_null()), "a finding that does not help: {one}");
        seen += 1;
    }
    assert_eq!(seen, 27);
}

#[test]
fn a_port_without_a_secret_and_a_secret_that_others_read_are_told() {
    let site = Site::new();
    fs::set_permissions(site.place("conf/cloakroom-secret.conf"), Permissions::from_mode(0o644)).unwrap();
    assert!(wrong(&site.found()).iter().any(|finding| finding["check"] == "secret" && finding.to_string().contains("chmod 0600")));
    fs::set_permissions(site.place("conf/cloakroom-secret.conf"), Permissions::from_mode(0o600)).unwrap();
    let toml = fs::read_to_string(site.place("cloakroom.toml")).unwrap();
    let without: String = toml.split_inclusive('\n').filter(|line| !line.starts_with("secret")).collect();
    fs::write(site.place("cloakroom.toml"), without).unwrap();
    assert!(wrong(&site.found()).iter().any(|finding| finding["check"] == "secret" && finding["verdict"] == "warning"));
}

#[test]
fn a_htaccess_that_is_not_read_is_told() {
    let site = Site::new();
    fs::write(site.place("goods/.htaccess"), "Require all denied\n").unwrap();
    assert!(wrong(&site.found()).is_empty(), "what stands in the <Directory> needs no file");
    let section = format!("<Directory {}>\nAllowOverride None\n</Directory>\n", site.place("goods").display());
    fs::write(site.place("conf/directory-goods.conf"), section).unwrap();
    let found = site.found();
    let one = wrong(&found).into_iter().find(|finding| finding["check"] == "htaccess").expect("a fault").to_string();
    assert!(one.contains("AllowOverride AuthConfig FileInfo Indexes Options=") && one.contains("SymLinksIfOwnerMatch"), "{one}");
}

/// What stands in the hosts of these tests: names, the site's own files, and ours.
const NAMED: &str = "  ServerName shop.example:443\n  ServerAlias *.shop.example\n  DocumentRoot ROOT/www\n";
const OTHER: &str = "  ServerName other.example\n  <Location /pictures/>\n    Alias /srv/pictures/\n  </Location>\n  DocumentRoot ROOT/other\n  RewriteEngine on\n  RewriteMap other prg:/bin/cat\n  \
    ProxyPass / http://127.0.0.1:3000/\n  CustomLog ROOT/log/other.log common\n  <Location /members/>\n    Satisfy Any\n  </Location>\n";
const ALLOWS: &str = "  <Directory ROOT/www>\n    AllowOverride All\n  </Directory>\n";
const OURS: &str = "  Include ROOT/conf/vhost.conf\n";
const PLAIN: &str = "  ServerName shop.example\n  ServerAlias www.shop.example\n  DocumentRoot ROOT/www\n";
const ELSEWHERE: &str = "  RewriteEngine on\n  RewriteCond %{SERVER_NAME} =shop.example [OR]\n  RewriteCond %{SERVER_NAME} =www.shop.example\n  \
    RewriteRule ^ https://%{SERVER_NAME}%{REQUEST_URI} [END,NE,R=permanent]\n";

impl Site {
    /// Apache's main file, with these hosts: what stands in them.
    fn with_hosts(hosts: &[(&str, &[&str])]) -> Self {
        let site = Self::new();
        let root = site.home.path().display().to_string();
        let mut main =
            "User ${APACHE_RUN_USER}\nInclude modules.load\nInclude conf/server.conf\nCustomLog log/all.log combined\n".to_owned();
        for (head, lines) in hosts {
            let inside = lines.concat().replace("ROOT", &root);
            main.extend(["<VirtualHost ", head, ">\n", &inside, "</VirtualHost>\n"]);
        }
        fs::write(site.place("apache2.conf"), main).unwrap();
        site
    }

    /// `file:line: <VirtualHost …>` of a host.
    fn head(&self, head: &str) -> String {
        let line = format!("<VirtualHost {head}>");
        format!("{}:{}: {line}", self.place("apache2.conf").display(), self.line(&line))
    }

    /// The number of the first line that begins with these words.
    fn line(&self, words: &str) -> usize {
        let text = fs::read_to_string(self.place("apache2.conf")).unwrap();
        text.lines().position(|there| there.trim_start().starts_with(words)).expect("a line") + 1
    }
}

#[test]
fn each_host_of_the_site_is_looked_at_and_no_host_of_another_one() {
    let other = ("*:8080", &[OTHER][..]);
    for hosts in [
        [("*:80", &[NAMED, OURS][..]), ("*:443", &[NAMED, OURS]), other],
        [("*:80", &[OURS]), ("*:443", &[OURS]), other],
        [("*:80", &[NAMED, "Redirect permanent / https://shop.example/\n"]), ("*:443", &[NAMED, OURS]), other],
        // As certbot leaves it.
        [("*:80", &[PLAIN, OURS, ELSEWHERE]), ("*:443", &[NAMED, OURS]), other],
        // Whoever says another name gets to the first host.
        [("*:80", &[OTHER]), ("*:80", &[PLAIN, ELSEWHERE]), ("*:443", &[OURS])],
    ] {
        let site = Site::with_hosts(&hosts);
        let found = site.found();
        assert!(wrong(&found).is_empty(), "{hosts:?}: {found:#?}");
        let serving = hosts.iter().filter(|(_, lines)| lines.contains(&OURS) && !lines.contains(&ELSEWHERE)).count();
        let says = found.iter().filter(|finding| finding["says"].as_str().unwrap().contains("in each of 2 hosts")).count();
        assert_eq!(says, if serving == 2 { 4 } else { 0 }, "{hosts:?}: {found:#?}");
    }
}

#[test]
fn a_host_of_the_site_that_does_not_ask_is_told_with_its_place_and_the_line_that_it_lacks() {
    for (hosts, silent, verdict) in [
        ([("*:80", &[NAMED, OURS][..]), ("*:443", &[NAMED]), ("*:81", &[OTHER])], &["*:443"][..], "fault"),
        ([("*:80", &[OURS]), ("*:443", &[NAMED]), ("*:81", &[OTHER])], &["*:443"], "fault"),
        ([("*:80", &[OURS]), ("*:443", &["DocumentRoot /www\n"]), ("*:81", &[OTHER])], &["*:443"], "fault"),
        // Links lead to the other one.
        ([("*:80", &[NAMED]), ("*:443", &[NAMED, OURS]), ("*:81", &[OTHER])], &["*:80"], "warning"),
        ([("*:80", &["DocumentRoot ROOT/www\n"]), ("*:443", &[NAMED, OURS]), ("*:81", &[OTHER])], &["*:80"], "warning"),
        ([("*:80", &[NAMED]), ("*:443", &[NAMED]), ("*:81", &[OTHER])], &["*:80", "*:443"], "fault"),
        // A .htaccess could ask, and is not what asks on port 80.
        ([("*:80", &[NAMED, OURS]), ("*:443", &[NAMED, ALLOWS]), ("*:81", &[OTHER])], &["*:443"], "fault"),
    ] {
        let site = Site::with_hosts(&hosts);
        let include = format!("Include {}", site.place("conf/vhost.conf").display());
        let found = site.found();
        let wrong = wrong(&found);
        for head in silent {
            let place = site.head(head);
            let of = |check: &str| -> Vec<&&Value> {
                let here = |finding: &&&Value| finding["check"] == check && finding["found"].as_str().unwrap().starts_with(&place);
                wrong.iter().filter(here).collect()
            };
            let ([guarded], [download]) = (&of("guarded")[..], &of("download")[..]) else { panic!("{hosts:?}: {found:#?}") };
            assert_eq!((&guarded["verdict"], &download["verdict"]), (&"fault".into(), &verdict.into()), "{hosts:?}");
            for finding in [guarded, download] {
                assert_eq!(finding["mend"]["add"], serde_json::json!({ "line": include, "into": place }), "{finding}");
            }
        }
        let told = wrong.iter().filter(|finding| ["guarded", "download"].contains(&finding["check"].as_str().unwrap())).count();
        assert_eq!(told, silent.len() * 2, "{hosts:?}: {found:#?}");
        let others = site.head("*:81");
        assert!(!wrong.iter().any(|finding| finding.to_string().contains(&others)), "{hosts:?}: {found:#?}");
    }
}

#[test]
fn a_host_that_shows_the_files_of_the_site_to_who_asks_in_another_way_is_told() {
    const SAME: &str = "  ServerName other.example\n  DocumentRoot ROOT/www\n";
    const SHUT: &str = "  <Location /members/>\n    Require all denied\n  </Location>\n";
    const INNER: &str = "  ServerName shop.example\n  DocumentRoot ROOT/www/shop\n";
    const SCHEME: &str = "  RewriteCond %{HTTPS} off\n";
    let ours: &[&str] = &[PLAIN, OURS];
    for (other, ours, verdict, words) in [
        (&[PLAIN, ELSEWHERE][..], ours, "warning", "by another name"),
        (&[NAMED, "  RewriteEngine on\n  RewriteCond %{SERVER_PORT} 80\n  RewriteRule ^ https://a/ [R]\n"], ours, "warning", "port"),
        (&[SAME], ours, "fault", "of other.example"),
        (&[SAME], &[INNER, OURS], "fault", "/shop/members/"),
        (&[SAME, "  ProxyPass / http://127.0.0.1:3000/\n"], ours, "", ""),
        (&[SAME, OURS], ours, "", ""),
        (&[SAME, SHUT], ours, "", ""),
        (&[SAME, "  Redirect / https://shop.example/\n"], ours, "", ""),
        (&[PLAIN, "  RewriteEngine on\n", SCHEME, "  RewriteRule ^ https://shop.example/ [R]\n"], ours, "", ""),
    ] {
        let site = Site::with_hosts(&[("*:80", other), ("*:443", ours)]);
        let found = site.found();
        let wrong: Vec<_> = wrong(&found).into_iter().filter(|finding| finding["check"] == "guarded").collect();
        assert_eq!(wrong.len(), usize::from(!verdict.is_empty()), "{other:?}: {found:#?}");
        let Some(one) = wrong.first().filter(|_| !verdict.is_empty()) else { continue };
        assert!(one["verdict"] == verdict && one["says"].as_str().unwrap().contains(words), "{one}");
        assert!(one["found"].as_str().unwrap().contains(&site.head("*:80")), "{one}");
        let is_inner = words == "/shop/members/";
        assert_eq!(one["mend"]["add"]["into"].as_str(), Some(site.head("*:80").as_str()).filter(|_| !is_inner), "{one}");
        let line = format!("{}:{}", site.place("apache2.conf").display(), site.line("DocumentRoot"));
        assert_eq!(one["mend"]["remove"]["at"].as_str(), Some(line.as_str()).filter(|_| is_inner), "{one}");
    }
}

#[test]
fn the_main_server_is_looked_at_where_it_serves_a_port_alone() {
    for (listen, is_told) in [("80", true), ("443 https", false), ("[::]:8080", true)] {
        let site = Site::with_hosts(&[("_default_:443", &[OURS])]);
        let main = fs::read_to_string(site.place("apache2.conf")).unwrap();
        let outside = format!("Listen {listen}\nDocumentRoot {}/www\n", site.home.path().display());
        fs::write(site.place("apache2.conf"), outside + &main).unwrap();
        let found = site.found();
        let is_here = |finding: &&&Value| finding["found"].as_str().unwrap().contains("outside of every section");
        let guarded = wrong(&found).iter().filter(|finding| finding["check"] == "guarded").filter(is_here).count();
        assert_eq!(guarded, usize::from(is_told), "{listen}: {found:#?}");
    }
}

#[test]
fn a_htaccess_asks_where_it_is_read_and_where_nothing_else_takes_that_away() {
    let site = Site::with_hosts(&[("*:80", &[NAMED, OURS, ALLOWS]), ("*:443", &[NAMED, OURS, ALLOWS])]);
    fs::write(site.place("conf/members.conf"), "").unwrap();
    fs::create_dir(site.place("www/members")).unwrap();
    let guarded = || -> Vec<Value> { wrong(&site.found()).into_iter().filter(|finding| finding["check"] == "guarded").cloned().collect() };
    let asks = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/conf-examples/apache/members.htaccess")).unwrap();
    let place = site.place("www/members/.htaccess");
    for (text, is_open) in [
        (None, true),
        (Some(asks.clone()), false),
        (Some(asks.replace("Require valid-user", "Require all granted")), true),
        (Some("Options None\n".to_owned()), true),
        (Some("Require all denied\n".to_owned()), false),
    ] {
        if let Some(text) = &text {
            fs::write(&place, text).unwrap();
        }
        let found = guarded();
        assert_eq!(found.len(), if is_open { 2 } else { 0 }, "{text:?}: {found:#?}");
        assert!(found.iter().all(|finding| finding["found"].as_str().unwrap().contains("www/members")), "{found:#?}");
    }
    fs::write(&place, &asks).unwrap();
    assert!(wrong(&site.found()).is_empty());
    // What nobody can read.
    fs::remove_file(&place).unwrap();
    symlink(&place, &place).unwrap();
    let found = site.found();
    assert!(wrong(&found).is_empty(), "{found:#?}");
    assert_eq!(found.iter().filter(|finding| finding["verdict"] == "not-asked").count(), 2, "{found:#?}");
    fs::remove_file(&place).unwrap();
    fs::write(&place, &asks).unwrap();
    let main = fs::read_to_string(site.place("apache2.conf")).unwrap();
    for (from, to) in [("AllowOverride All", "AllowOverride FileInfo"), ("ROOT/www>", "/elsewhere>"), ("</VirtualHost>", OPENS)] {
        let from = from.replace("ROOT", &site.home.path().display().to_string());
        assert!(main.contains(&from), "{from}: {main}");
        fs::write(site.place("apache2.conf"), main.replace(&from, to)).unwrap();
        assert_eq!(guarded().len(), 2, "{from}: {:#?}", site.found());
    }
}

#[test]
fn what_stands_before_or_beside_what_asks_takes_nothing_of_it_away() {
    const BEFORE: &str = "  <Location />\n    Require all granted\n  </Location>\n";
    const JOINED: &str = "  <Location />\n    AuthMerging And\n    Require all granted\n  </Location>\n";
    const BELOW: &str = "  <Location /members/free/>\n    Require all granted\n  </Location>\n";
    const ALL: &str = "  <Location /members/>\n    AuthnzFcgiCheckAuthnProvider cloakroom\n    <RequireAll>\n      Require valid-user\n      \
        Require ip 10.0.0.0/8\n    </RequireAll>\n  </Location>\n";
    const FILES: &str = "  <Directory ROOT/www>\n    <Files *.zip>\n      Satisfy Any\n    </Files>\n  </Directory>\n";
    const SATISFY: &str =
        "  <Location /pictures/>\n    Satisfy Any\n  </Location>\n  <Directory ROOT/www/pictures>\n    Satisfy Any\n  </Directory>\n";
    const OTHERS: &str = "  <LocationMatch ^/(mem)?$>\n    Require all granted\n  </LocationMatch>\n";
    for lines in [
        &[NAMED, OURS, OTHERS][..],
        &[NAMED, BEFORE, OURS],
        &[NAMED, OURS, JOINED],
        &[NAMED, OURS, BELOW],
        &[NAMED, OURS, ALL],
        &[NAMED, OURS, SATISFY],
    ] {
        let found = Site::with_hosts(&[("*:443", lines)]).found();
        assert!(wrong(&found).is_empty(), "{lines:?}: {found:#?}");
    }
    let site = Site::with_hosts(&[("*:443", &[NAMED, OURS, BEFORE.trim_end(), "\n", FILES])]);
    let found = site.found();
    let lines: Vec<_> = wrong(&found).iter().filter_map(|finding| finding["mend"]["remove"]["at"].as_str()).map(str::to_owned).collect();
    let place = |words: &str| format!("{}:{}", site.place("apache2.conf").display(), site.line(words));
    let require = place("Require all granted");
    assert_eq!(lines, [require.clone(), require, place("Satisfy Any")], "{found:#?}");
}

#[test]
fn a_proxypass_that_takes_the_downloads_first_is_told() {
    const APP: &str = "  ProxyPass /d http://127.0.0.1:3000/\n  ProxyPass / http://127.0.0.1:3000/\n";
    let before = Site::with_hosts(&[("*:443", &[NAMED, OURS, APP])]);
    assert!(wrong(&before.found()).is_empty(), "{:#?}", before.found());
    for app in [APP, "  ProxyPass /dl/ !\n", "  <Location /dl/>\n    ProxyPass http://127.0.0.1:3000/\n  </Location>\n"] {
        let site = Site::with_hosts(&[("*:443", &[NAMED, app, OURS])]);
        let found = site.found();
        let [one] = &wrong(&found)[..] else { panic!("{app}: {found:#?}") };
        let (line, include) = (site.line("ProxyPass"), format!("Include {}", site.place("conf/vhost.conf").display()));
        let line = if app == APP { line + 1 } else { line };
        let place = format!("{}:{line}", site.place("apache2.conf").display());
        assert_eq!((one["check"].as_str(), one["verdict"].as_str()), (Some("download"), Some("fault")), "{one}");
        // What a section says goes before what stands outside, wherever that is.
        let mend = if app.contains("<Location") {
            serde_json::json!({ "remove": { "at": place } })
        } else {
            serde_json::json!({ "move": { "line": include, "before": place } })
        };
        assert_eq!(one["mend"], mend, "{one}");
    }
}

#[test]
fn a_proxypass_in_a_section_is_one_of_ours_and_where_no_secret_is_said_none_is_asked_for() {
    let site = Site::with_hosts(&[("*:443", &[NAMED, OURS])]);
    let path = site.place("conf/downloads.conf");
    let text = fs::read_to_string(&path).unwrap();
    let line = text.lines().find(|line| line.starts_with("ProxyPass")).unwrap();
    let within = format!("<Location \"/dl/\">\n    {}", line.replacen("\"/dl/\" ", "", 1));
    fs::write(&path, text.replacen(line, "", 1).replacen("<Location \"/dl/\">", &within, 1)).unwrap();
    assert!(wrong(&site.found()).is_empty(), "{:#?}", site.found());
    // By HTTP over a socket alone.
    let site = Site::with_hosts(&[("*:443", &[NAMED, OURS])]);
    let toml = fs::read_to_string(site.place("cloakroom.toml")).unwrap();
    let (start, end) = (toml.find("[[listener]]").unwrap(), toml.find("# Downloads").unwrap());
    let toml = toml.replace(&toml[start..end], "").replace("\"scgi\"", "\"http\"");
    let toml = toml.replace(&toml[toml.find("[[rule]]").unwrap()..toml.find("[feed]").unwrap()], "");
    fs::write(site.place("cloakroom.toml"), toml).unwrap();
    fs::remove_dir_all(site.place("conf")).unwrap();
    let written = site.command(&["setup", "apache", "--write", site.place("conf").to_str().unwrap()]);
    assert!(written.status.success() && !site.place("conf/cloakroom-secret.conf").exists(), "{written:?}");
    let modules = fs::read_to_string(site.place("modules.load")).unwrap();
    fs::write(site.place("modules.load"), modules + "LoadModule proxy_http_module x\nLoadModule xsendfile_module x\n").unwrap();
    assert!(wrong(&site.found()).is_empty(), "{:#?}", site.found());
    let vhost = fs::read_to_string(site.place("conf/vhost.conf")).unwrap();
    fs::write(site.place("conf/vhost.conf"), vhost + "SetEnv X ${CLOAKROOM_SECRET}\n").unwrap();
    assert!(wrong(&site.found()).iter().any(|finding| finding["check"] == "secret"), "{:#?}", site.found());
}

#[test]
fn one_fault_of_several_hosts_is_told_of_each() {
    let site = Site::with_hosts(&[("*:80", &[NAMED, OURS]), ("*:443", &[NAMED, OURS])]);
    for (file, from, check) in [
        ("members.conf", "AuthnzFcgiCheckAuthnProvider", "guarded"),
        ("downloads.conf", "    Require expr", "masters-shut"),
        ("downloads.conf", "Alias", "handoff"),
        ("downloads.conf", "SetEnvIfExpr true no-gzip", "whole"),
        ("downloads.conf", "ProxyPass", "download"),
        ("vhost.conf", "CustomLog", "report"),
        ("directory-goods.conf", "AuthUserFile", "htaccess"),
    ] {
        let path = site.place("conf").join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from:?} is not in {file}: {text}");
        fs::write(&path, text.replace(from, "#")).unwrap();
        let found = site.found();
        for head in ["*:80", "*:443"] {
            let place = site.head(head);
            let is_told = |finding: &&Value| finding["check"] == check && finding["found"].as_str().unwrap().contains(&place);
            assert!(wrong(&found).into_iter().any(|finding| is_told(&finding)), "{check} of {head}: {found:#?}");
        }
        fs::write(&path, text).unwrap();
    }
    assert!(wrong(&site.found()).is_empty());
}

#[test]
fn masters_that_another_host_shows_are_told_and_a_site_without_a_host_too() {
    for shows in [
        "  Alias /all/ ROOT/downloads/\n",
        "  DocumentRoot ROOT/downloads\n",
        "  <Location /all/>\n    Alias ROOT/downloads/\n  </Location>\n",
        "  Alias /_cloakroom/masters/ ROOT/downloads/\n",
    ] {
        let site = Site::with_hosts(&[("*:80", &[NAMED, OURS]), ("*:81", &["  ServerName other.example\n", shows])]);
        let found = site.found();
        let [one] = &wrong(&found)[..] else { panic!("{shows}: {found:#?}") };
        assert!(one["check"] == "masters-shut" && one["found"].as_str().unwrap().contains("apache2.conf:"), "{one}");
    }
    for hosts in [
        [("*:80", &[OTHER][..]), ("*:443", &["ServerName third.example\n"][..])],
        [("*:80", &[OTHER]), ("*:443", &[NAMED, "Redirect / https://other.example/\n"])],
    ] {
        let site = Site::with_hosts(&hosts);
        let found = site.found();
        let [one] = &wrong(&found).into_iter().filter(|finding| finding["check"] == "download").collect::<Vec<_>>()[..] else {
            panic!("{hosts:?}: {found:#?}")
        };
        assert!(one["verdict"] == "fault" && one["right"].as_str().unwrap().contains("ServerName shop.example"), "{one}");
        assert!(!found.iter().any(|finding| finding["check"] == "guarded" && finding["verdict"] == "ok"), "{found:#?}");
    }
}

#[test]
fn what_shows_masters_past_cloakroom_is_told_whichever_way_with_a_mend_that_changes_something() {
    for (line, mend) in [
        ("Alias /all/ ROOT/downloads/", "remove"),
        ("Alias /pictures/ ROOT/downloads/pictures/", "remove"),
        ("ScriptAlias /all/ ROOT/", "remove"),
        ("AliasMatch ^/all/(.*) ROOT/$1", "remove"),
        ("AliasMatch ^/all/([a-z]+)/(.*) ROOT/downloads/$1/x/$2", "remove"),
        ("DocumentRoot ROOT", "run"),
        ("DocumentRoot ROOT/downloads/pictures", "remove"),
        ("AliasMatch ^/~([a-z]+)/(.*) ROOT/$1/public/$2", ""),
        ("Alias /all/ ROOT/downloads-of-others/", ""),
        ("DocumentRoot ROOT/pictures", ""),
    ] {
        let line = format!("  {line}\n");
        let site = Site::with_hosts(&[("*:443", &[NAMED, OURS]), ("*:81", &["  ServerName other.example\n", &line])]);
        let found = site.found();
        let wrong: Vec<_> = wrong(&found).into_iter().filter(|finding| finding["check"] == "masters-shut").collect();
        assert_eq!(wrong.len(), usize::from(!mend.is_empty()), "{line}: {found:#?}");
        assert!(wrong.iter().all(|finding| !finding["mend"][mend].is_null()), "{line}: {wrong:#?}");
    }
}

#[test]
fn what_cannot_be_read_is_told_and_not_taken_for_absent_and_a_directory_is_read_whole() {
    let site = Site::with_hosts(&[("*:443", &[NAMED, OURS])]);
    let main = fs::read_to_string(site.place("apache2.conf")).unwrap();
    let secret = site.place("conf/cloakroom-secret.conf");
    fs::create_dir_all(site.place("more/inner")).unwrap();
    fs::rename(&secret, site.place("more/inner/.secret")).unwrap();
    fs::write(site.place("apache2.conf"), format!("Include more\nIncludeOptional none/*.conf\n{main}")).unwrap();
    assert!(wrong(&site.found()).is_empty(), "{:#?}", site.found());
    fs::remove_file(site.place("more/inner/.secret")).unwrap();
    let is_secret = |found: &[Value]| wrong(found).iter().any(|finding| finding["check"] == "secret");
    assert!(is_secret(&site.found()));
    symlink(&secret, &secret).unwrap();
    let found = site.found();
    assert!(wrong(&found).is_empty(), "{found:#?}");
    let one = found.iter().find(|finding| finding["verdict"] == "not-asked").expect("what was not read").to_string();
    assert!(one.contains(secret.to_str().unwrap()) && one.contains("as root"), "{one}");
    // Nothing is said of Cloakroom in the rest.
    fs::write(site.place("apache2.conf"), format!("Include {}\n", secret.display())).unwrap();
    let found = site.found();
    assert_eq!((found.len(), &found[0]["verdict"]), (1, &Value::from("not-asked")), "{found:#?}");
}

#[test]
fn a_main_file_is_named_from_here_and_the_environment_says_nothing_of_how_files_were_made() {
    let site = Site::new();
    let log = site.place("conf/log.conf");
    let text = fs::read_to_string(&log).unwrap().replace("%{end:msec}t", "%t");
    let said = text.lines().nth(1).unwrap().to_owned();
    for file in fs::read_dir(site.place("conf")).unwrap().map(|file| file.unwrap().path()) {
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace(&said, "# Made by `cloakroom setup apache --write /etc/a`.")).unwrap();
    }
    fs::write(&log, text.replace(&said, "# Made by `cloakroom setup apache --write /etc/a`.")).unwrap();
    let mut program = Program::new();
    program.env("CLOAKROOM_CONFIG", site.place("cloakroom.toml")).current_dir(site.home.path());
    let output = program.args(["check", "--json", "--apache-conf", "apache2.conf"]).output();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("\"cloakroom setup apache --write /etc/a --force\"") && !said.contains("not closed"), "{said}");
    assert!(said.contains(&format!("Apache's configuration: {}", site.place("apache2.conf").display())), "{said}");
}

#[test]
fn what_makes_the_files_once_more_is_told_as_they_say_it_and_never_what_somebody_else_wrote_there() {
    let site = Site::new();
    let (config, conf) = (site.place("cloakroom.toml").display().to_string(), site.place("conf").display().to_string());
    let written = site.command(&["setup", "apache", "--passed", "a b=unix:/run/it's", "--force", "--write", &conf, "--htaccess"]);
    assert!(written.status.success(), "{written:?}");
    let said = "setup apache --htaccess --passed 'a b=unix:/run/it'\\''s' --write";
    let said = format!("cloakroom --config {config} {said} {conf}");
    let log = fs::read_to_string(site.place("conf/log.conf")).unwrap();
    assert_eq!(log.lines().nth(1), Some(format!("# Made by `{said}` from {config}.").as_str()));
    let again = site.command(&["setup", "apache", "--write", &format!("{conf}/"), "--htaccess", "--passed", "a b=unix:/run/it's"]);
    assert!(!String::from_utf8_lossy(&again.stdout).contains("replaced"), "the same command makes the same files: {again:?}");
    fs::write(site.place("conf/log.conf"), log.replace("%{end:msec}t", "%t")).unwrap();
    let command = || {
        let found = site.found();
        let one = wrong(&found).into_iter().find(|finding| finding["check"] == "log-format").expect("a fault").clone();
        one["mend"]["run"]["command"].as_str().unwrap().to_owned()
    };
    assert_eq!(command(), format!("{said} --force"));
    for other in ["cloakroom setup apache --write /etc/a; reboot", "reboot", "cloakroom setup apache --write '/etc/\u{1b}[2J'"] {
        for file in fs::read_dir(site.place("conf")).unwrap() {
            let path = file.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let lines: Vec<String> = text.lines().skip(2).map(|line| format!("{line}\n")).collect();
            let is_made = text.contains("# Made by ");
            fs::write(&path, if is_made { format!("# x\n# Made by `{other}`.\n{}", lines.concat()) } else { text }).unwrap();
        }
        let usual = format!("cloakroom --config {config} setup apache --write /etc/apache2/cloakroom --force");
        assert_eq!(command(), usual, "{other}");
    }
}

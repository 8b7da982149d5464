//! `cloakroom check --url` behind a real Apache, in each way in which downloads are passed on: all is well as shipped, what a
//! way cannot do is told as that, and what is really wrong is a fault all the same.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use super::servers::apache::{Apache, ApacheSetup, Downloads};
use super::servers::cloakroom::Cloakroom;
use super::servers::site::content;
use super::{mode, one_of, wrong};

/// Group of the web server, on Debian.
const WWW_DATA: u32 = 33;

/// A daemon behind a running Apache, with a report.
struct Site {
    apache: Apache,
    cloakroom: Cloakroom,
}

impl Site {
    fn open(setup: &ApacheSetup) -> Self {
        let apache = Apache::start(setup);
        let feed = format!("[feed]\naccess_log = \"{}\"\n", apache.access_log().display());
        let cloakroom = Cloakroom::behind_apache(&apache, &feed);
        symlink(cloakroom.config(), apache.configuration()).unwrap();
        mode(cloakroom.state(), 0o700);
        mode(&apache.place("conf/secret"), 0o600);
        fs::write(apache.downloads().join("a.zip"), content(1000)).unwrap();
        chown(apache.downloads(), None, Some(WWW_DATA)).unwrap();
        mode(&apache.downloads(), 0o2750);
        Self { apache, cloakroom }
    }

    /// What is found, where this is Apache's configuration.
    fn check(&self, conf: &Path) -> Output {
        let rotation = self.cloakroom.state().join("logrotate.d");
        let (conf, rotation) = (conf.to_str().unwrap(), rotation.to_str().unwrap());
        self.cloakroom.command(&["check", "--json", "--url", "--apache-conf", conf, "--logrotate", rotation])
    }
}

/// How downloads are passed on, words of the examples and what stands there instead, lines of the host, what is found, words of it.
type Row = (Downloads, &'static [(&'static str, &'static str)], &'static str, &'static str, &'static [&'static str]);

/// Shows the masters to everybody.
const SHOWS: &str = "Alias /downloads/ {home}/downloads/\n<Directory {home}/downloads>\n  Require all granted\n</Directory>\n";

const FAULTS: &[Row] = &[
    (Downloads::Xsendfile, &[], SHOWS, "site-masters", &["past Cloakroom"]),
    (Downloads::RewriteMap, &[], SHOWS, "site-masters", &["past Cloakroom"]),
    (Downloads::Scgi, &[("    ProxySCGIInternalRedirect", "    #")], "", "bytes", &["a good URL"]),
    (Downloads::Xsendfile, &[("ProxyErrorOverride Off", "ProxyErrorOverride On")], "", "reach", &["something else"]),
    (Downloads::Xsendfile, &[("    RequestHeader unset X-Original-URI\n", "")], "", "claims", &["x-original-uri"]),
    (Downloads::Xsendfile, &[("    XSendFilePath", "    #")], "", "bytes", &["a good URL"]),
    (Downloads::RewriteMap, &[("Header always set Cloakroom-Support", "Header always set X-Support")], "", "refused", &["support code"]),
    (Downloads::RewriteMap, &[("    Require expr", "    Require all granted\n    #")], "", "site-internal", &["without any proof"]),
];

#[test]
fn each_way_is_well_as_shipped_and_what_it_cannot_do_is_told_as_that() {
    for (downloads, check, says) in [
        (Downloads::Scgi, "refused", "a wrong signature gets 403 and a support code"),
        (Downloads::Xsendfile, "claims", "refused, since by HTTP"),
        (Downloads::RewriteMap, "refused", "the page is Apache's own"),
    ] {
        let site = Site::open(&ApacheSetup { downloads, ..ApacheSetup::default() });
        let output = site.check(&site.apache.place("apache.conf"));
        assert!(wrong(&output).is_empty(), "{downloads:?}: {:#?}", wrong(&output));
        let said = String::from_utf8(output.stdout).unwrap();
        let all: Value = serde_json::from_str(&said).unwrap();
        let findings = all["parts"].as_array().unwrap().iter().flat_map(|part| part["findings"].as_array().unwrap());
        let told = findings.filter(|finding| finding["check"] == check && finding["says"].as_str().unwrap().contains(says)).count();
        assert!(told == 1 && all["summary"]["not_asked"] == 0, "{downloads:?}: {said}");
        // Of an Apache whose configuration nobody knows, nothing is excused.
        if downloads == Downloads::RewriteMap {
            one_of(&wrong(&site.check(Path::new("/dev/null"))), "refused", &["does not see Cloakroom's page"], "no configuration");
        }
    }
}

#[test]
fn what_is_really_wrong_is_seen_from_outside_in_each_way() {
    let mut seen = 0;
    for (downloads, instead, host, check, words) in FAULTS {
        let setup = ApacheSetup { downloads: *downloads, instead, host: (*host).to_owned(), ..ApacheSetup::default() };
        let site = Site::open(&setup);
        let text = fs::read_to_string(site.apache.place("apache.conf")).unwrap();
        assert!(instead.iter().all(|(_, other)| text.contains(other)), "{instead:?} is not in the configuration");
        let row = format!("{downloads:?} {instead:?} {host}");
        let output = site.check(&site.apache.place("apache.conf"));
        let finding = one_of(&wrong(&output), check, words, &row);
        assert_eq!((finding["verdict"].as_str(), output.status.code()), (Some("fault"), Some(1)), "{row}: {finding}");
        assert_eq!(fs::read_dir(site.apache.downloads()).unwrap().count(), 1, "{row}: nothing is left");
        seen += 1;
    }
    assert_eq!(seen, FAULTS.len());
}

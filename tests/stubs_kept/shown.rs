//! What customers bought is downloaded, whatever it is called: never run, never shown.

use std::fs;

use crate::pub_directory::{around, click, link, master, site};
use crate::servers::cloakroom::Cloakroom;
use crate::servers::nginx::NginxSetup;
use crate::servers::site::content;
use crate::servers::until;

#[test]
fn scripts_and_pages_are_sent_as_files_beside_a_site_that_runs_them() {
    let setup = NginxSetup {
        server: "location ~ \\.php$ { return 200 \"it ran\"; }\nlocation ~* \\.(html|svg)$ { default_type text/html; return 200 \"it was shown\"; }"
            .to_owned(),
        ..NginxSetup::default()
    };
    let site = around(&setup, "", true);
    assert_eq!(site.get("/x.php").text(), "it ran", "the site runs what is called so");
    for file in ["a.php", "a.PHP", "a.phtml", "page.html", "page.htm", "picture.svg", "set/index.php", "index.html", "x.shtml", ".htaccess"]
    {
        let link = master(&site, file, 5000);
        let to = click(&site, &link, "one");
        let answer = site.get(&to);
        assert_eq!(answer.status, 200, "{file}: {to}");
        assert!(answer.body == content(5000), "{file}");
        for (header, value) in [
            ("content-type", "application/octet-stream"),
            ("content-disposition", "attachment"),
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "sandbox; default-src 'none'"),
            ("cache-control", "private, no-store"),
        ] {
            assert_eq!(answer.header(header), Some(value), "{file}");
        }
        let directory = to.rsplit_once('/').unwrap().0;
        for below in [format!("{to}/"), format!("{to}/x.php"), format!("{directory}/"), directory.to_owned()] {
            let answer = site.get(&below);
            assert!([301, 403, 404].contains(&answer.status), "{file}: {below}: {answer:?}");
        }
    }
    assert_eq!(site.get("/pub/").status / 100, 4, "nobody lists it");
    assert_eq!(site.get("/pub/.cloakroom/").status, 404);
}

#[test]
fn the_second_daemon_on_one_directory_is_refused_and_the_first_is_not_disturbed() {
    let site = site("");
    master(&site, "a.zip", 1000);
    let link = link(&site, "a.zip", 1);
    let to = click(&site, &link, "one");
    let text = fs::read_to_string(site.cloakroom.config()).unwrap();
    let mut second =
        Cloakroom::with("http://127.0.0.1:9/dl/", "[[listener]]\naddress = \"127.0.0.1:0\"\ndialect = \"nginx\"\nserve = \"web\"\n");
    assert!(second.stop());
    let socket = second.state().join("web.sock");
    let text = text.replace(site.cloakroom.state().to_str().unwrap(), second.state().to_str().unwrap());
    let text = text.replace(site.nginx.socket().to_str().unwrap(), socket.to_str().unwrap());
    let log = second.state().join("other.log");
    fs::write(&log, "").unwrap();
    fs::write(second.config(), text.replace(site.nginx.access_log().to_str().unwrap(), log.to_str().unwrap())).unwrap();
    second.launch();
    until("the second ends", || second.has_ended().then_some(()));
    second.logged(&["directory `pub`", "is another daemon's", "take away each other's files"]);
    assert_eq!(site.get(&to).status, 200);
    assert_eq!(click(&site, &link, "one"), to);
}

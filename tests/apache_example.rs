//! `conf-examples/apache/goods.htaccess` and `pub.htaccess` in a real Apache, within a site that would run, show, list and
//! compress what lies there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod servers;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, lchown, symlink};
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use servers::apache::{Apache, Public, allowed};
use servers::http::{Answer, ask};
use sha1::{Digest as _, Sha1};
use tempfile::TempDir;

const PASSWORD: &str = "k7m29xqtk7m29xqtk7m29xqtk7";

/// Names that a site may have made something of.
const NAMES: [&str; 13] = [
    "a-k7m2.zip",
    "a.php",
    "a.php.zip",
    "a.cgi",
    "a.shtml",
    "a.html",
    "a.svg",
    "a.gz",
    "a.html.gz",
    "a.html.de",
    "a.txt",
    "index.html",
    "noending",
];

/// Whom the shop's files belong to, where root runs the test, and whom Cloakroom's links.
const SHOP: u32 = 60_001;
const CLOAKROOM: u32 = 60_002;

/// A public directory with masters, and a file of passwords beside it.
struct Place {
    public: Public,
    directory: TempDir,
}

impl Place {
    fn new(public: Public) -> Self {
        let directory = tempfile::Builder::new().prefix("cloakroom-public-").tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        let place = Self { public, directory };
        for path in [place.public(), place.public().join(".cloakroom"), place.path("masters")] {
            fs::create_dir(path).unwrap();
        }
        let hash = STANDARD.encode(Sha1::digest(PASSWORD));
        fs::write(place.path("htpasswd"), format!("k7m2-9xqt:{{SHA}}{hash}\n")).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn public(&self) -> PathBuf {
        self.path(self.public.name())
    }

    /// Puts a file where customers find it, as Cloakroom does: a file, or a link to the file of somebody else.
    fn put(&self, name: &str, text: &str) {
        let path = self.public().join(name);
        if self.public == Public::Copies || name.starts_with('.') {
            fs::write(path, text).unwrap();
            return;
        }
        let master = self.path("masters").join(name);
        fs::write(&master, text).unwrap();
        symlink(&master, &path).unwrap();
        if rustix::process::geteuid().is_root() {
            chown(master, Some(SHOP), None).unwrap();
            lchown(path, Some(CLOAKROOM), None).unwrap();
        }
    }

    fn apache(&self) -> Apache {
        Apache::serving(self.public, &self.public(), &self.path("htpasswd"))
    }

    /// The address of a file there.
    fn target(&self, name: &str) -> String {
        format!("/{}/{name}", self.public.name())
    }

    /// With a password, where one is asked for.
    fn asked(&self, apache: &Apache, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
        let login = format!("Basic {}", STANDARD.encode(format!("k7m2-9xqt:{PASSWORD}")));
        let login = [("Authorization", login.as_str())];
        let own: &[(&str, &str)] = if self.public == Public::Copies { &login } else { &[] };
        ask(apache.port, method, target, &[own, headers].concat())
    }
}

#[test]
fn whatever_a_file_is_called_it_is_downloaded_byte_for_byte() {
    for public in [Public::Stubs, Public::Copies] {
        let place = Place::new(public);
        let text = "<?php echo 1 ?><!--#exec cmd=\"id\" --><script>alert(1)</script>\n".repeat(100);
        for name in NAMES {
            place.put(name, &text);
        }
        let apache = place.apache();
        for name in NAMES {
            let target = place.target(name);
            let answer = place.asked(&apache, "GET", &target, &[("Accept-Encoding", "gzip, deflate, br")]);
            assert_eq!(answer.status, 200, "{target}");
            assert!(answer.body == text.as_bytes(), "{target}");
            for (header, value) in [
                ("Content-Type", Some("application/octet-stream")),
                ("Content-Disposition", Some("attachment")),
                ("X-Content-Type-Options", Some("nosniff")),
                ("Content-Security-Policy", Some("sandbox; default-src 'none'")),
                ("Cache-Control", Some("private, no-store")),
                ("Referrer-Policy", Some("no-referrer")),
                ("Content-Encoding", None),
                ("Content-Length", Some(text.len().to_string().as_str())),
            ] {
                assert_eq!(answer.header(header), value, "{target}: {header}");
            }
            let part = place.asked(&apache, "GET", &target, &[("Range", "bytes=10-19"), ("Accept-Encoding", "gzip")]);
            assert_eq!((part.status, part.body.as_slice()), (206, &text.as_bytes()[10..20]), "{target}");
            assert_eq!(place.asked(&apache, "HEAD", &target, &[]).status, 200, "{target}");
            let stranger = if public == Public::Copies { 401 } else { 200 };
            assert_eq!(ask(apache.port, "GET", &target, &[]).status, stranger, "{target}");
        }
    }
}

#[test]
fn nothing_is_listed_guessed_or_written() {
    for public in [Public::Stubs, Public::Copies] {
        let place = Place::new(public);
        place.put("a.zip", "goods");
        place.put("index.html", "index");
        place.put(".hidden", "hidden");
        fs::create_dir(place.public().join("7q2m")).unwrap();
        fs::write(place.path("secret"), "secret").unwrap();
        fs::write(place.public().join(".cloakroom/new-a"), "half").unwrap();
        let apache = place.apache();
        for (method, name, statuses) in [
            ("GET", "a.zip", &[200][..]),
            ("GET", "", &[403, 404]),
            ("GET", "7q2m", &[301, 403, 404]),
            ("GET", "7q2m/", &[403, 404]),
            ("GET", "a", &[404]),
            ("GET", ".hidden", &[403, 404]),
            ("GET", ".htaccess", &[403, 404]),
            ("GET", ".cloakroom/new-a", &[403, 404]),
            ("GET", ".cloakroom/", &[403, 404]),
            ("GET", "../secret", &[400, 403, 404]),
            ("GET", "%2e%2e/secret", &[400, 403, 404]),
            ("POST", "a.zip", &[403, 405]),
            ("PUT", "b.zip", &[403, 405]),
            ("DELETE", "a.zip", &[403, 405]),
            ("OPTIONS", "a.zip", &[403, 405]),
        ] {
            let target = place.target(name);
            let answer = place.asked(&apache, method, &target, &[]);
            assert!(statuses.contains(&answer.status), "{method} {target}: {}", answer.status);
            assert!(!["secret", "hidden", "half", "index"].contains(&answer.text().as_str()), "{method} {target}");
        }
    }
}

#[test]
fn a_copy_is_no_link_and_needs_the_file_of_passwords() {
    let place = Place::new(Public::Copies);
    place.put("a.zip", "goods");
    fs::write(place.path("secret"), "secret").unwrap();
    symlink(place.path("secret"), place.public().join("link.zip")).unwrap();
    let apache = place.apache();
    assert_eq!(place.asked(&apache, "GET", "/goods/a.zip", &[]).status, 200);
    assert_eq!(place.asked(&apache, "GET", "/goods/link.zip", &[]).status, 403);
    fs::remove_file(place.path("htpasswd")).unwrap();
    assert!(place.asked(&apache, "GET", "/goods/a.zip", &[]).status >= 400, "without the file nobody gets in");
}

/// As shared hosts have it; the site around says so, too.
#[test]
fn links_to_the_files_of_somebody_else_are_not_followed_where_owners_must_match() {
    if !rustix::process::geteuid().is_root() {
        println!("not looked at: who is not root gives no file away");
        return;
    }
    let place = Place::new(Public::Stubs);
    place.put("a.zip", "goods");
    let text = Public::Stubs.example();
    for (options, status) in [
        ("+FollowSymLinks -SymLinksIfOwnerMatch", 200),
        ("+FollowSymLinks", 403),
        ("-FollowSymLinks +SymLinksIfOwnerMatch", 403),
        ("-FollowSymLinks -SymLinksIfOwnerMatch", 403),
    ] {
        let htaccess = text.replace("+FollowSymLinks -SymLinksIfOwnerMatch", options);
        let apache = Apache::allowing(&allowed(&text), Public::Stubs, &place.public(), &htaccess);
        assert_eq!(place.asked(&apache, "GET", "/pub/a.zip", &[]).status, status, "{options}");
    }
}

#[test]
fn the_file_needs_what_its_first_lines_say_and_no_less() {
    for public in [Public::Stubs, Public::Copies] {
        let place = Place::new(public);
        place.put("a.zip", "goods");
        let text = public.example();
        let htaccess = text.replace("/var/lib/cloakroom-htpasswd/goods", place.path("htpasswd").to_str().unwrap());
        let all = allowed(&text);
        let options = all.split("Options=").nth(1).unwrap();
        let mut less: Vec<String> =
            all.split(' ').map(|word| all.replace(word, "").split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        less.extend(options.split(',').map(|word| {
            let others: Vec<&str> = options.split(',').filter(|other| *other != word).collect();
            all.replace(options, &others.join(","))
        }));
        assert!(less.len() >= 6, "{less:?}");
        let status = |allowed: &str| {
            let apache = Apache::allowing(allowed, public, &place.public(), &htaccess);
            place.asked(&apache, "GET", &place.target("a.zip"), &[]).status
        };
        for allowed in less {
            assert_eq!(status(&allowed), 500, "{public:?}: AllowOverride {allowed}");
        }
        assert_eq!(status(&all), 200, "{public:?}");
    }
}

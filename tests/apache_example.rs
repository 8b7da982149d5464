//! `conf-examples/apache/.htaccess` in a real Apache, within a site that would run, show, list and compress what lies there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod servers;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use servers::apache::{Apache, allowed, example};
use servers::http::{Answer, ask};
use sha1::{Digest as _, Sha1};
use tempfile::TempDir;

const PASSWORD: &str = "k7m29xqtk7m29xqtk7m29xqtk7";

/// A public directory, and a file of passwords beside it.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("cloakroom-goods-").tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        let place = Self { directory };
        for name in ["goods", "goods/.cloakroom"] {
            fs::create_dir(place.path(name)).unwrap();
        }
        let hash = STANDARD.encode(Sha1::digest(PASSWORD));
        fs::write(place.path("htpasswd"), format!("k7m2-9xqt:{{SHA}}{hash}\n")).unwrap();
        place
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.path("goods").join(name), text).unwrap();
    }

    fn apache(&self) -> Apache {
        Apache::serving(&self.path("goods"), &self.path("htpasswd"))
    }
}

fn asked(apache: &Apache, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
    let login = format!("Basic {}", STANDARD.encode(format!("k7m2-9xqt:{PASSWORD}")));
    ask(apache.port, method, target, &[&[("Authorization", login.as_str())], headers].concat())
}

#[test]
fn whatever_a_file_is_called_it_is_downloaded_byte_for_byte() {
    let place = Place::new();
    let text = "<?php echo 1 ?><!--#exec cmd=\"id\" --><script>alert(1)</script>\n".repeat(100);
    let names = [
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
    for name in names {
        place.put(name, &text);
    }
    let apache = place.apache();
    for name in names {
        let target = format!("/goods/{name}");
        let answer = asked(&apache, "GET", &target, &[("Accept-Encoding", "gzip, deflate, br")]);
        assert_eq!(answer.status, 200, "{name}");
        assert!(answer.body == text.as_bytes(), "{name}");
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
            assert_eq!(answer.header(header), value, "{name}: {header}");
        }
        let part = asked(&apache, "GET", &target, &[("Range", "bytes=10-19"), ("Accept-Encoding", "gzip")]);
        assert_eq!((part.status, part.body.as_slice()), (206, &text.as_bytes()[10..20]), "{name}");
        assert_eq!(asked(&apache, "HEAD", &target, &[]).status, 200, "{name}");
        assert_eq!(ask(apache.port, "GET", &target, &[]).status, 401, "{name}");
    }
}

#[test]
fn nothing_is_listed_guessed_written_or_reached_through_a_link() {
    let place = Place::new();
    place.put("a.zip", "goods");
    place.put("index.html", "index");
    place.put(".hidden", "hidden");
    fs::write(place.path("secret"), "secret").unwrap();
    fs::write(place.path("goods/.cloakroom/new-a"), "half").unwrap();
    symlink(place.path("secret"), place.path("goods/link.zip")).unwrap();
    let apache = place.apache();
    for (method, target, statuses) in [
        ("GET", "/goods/a.zip", &[200][..]),
        ("GET", "/goods/", &[403, 404]),
        ("GET", "/goods", &[301, 403, 404]),
        ("GET", "/goods/a", &[404]),
        ("GET", "/goods/.hidden", &[403, 404]),
        ("GET", "/goods/.htaccess", &[403, 404]),
        ("GET", "/goods/.cloakroom/new-a", &[403, 404]),
        ("GET", "/goods/.cloakroom/", &[403, 404]),
        ("GET", "/goods/link.zip", &[403, 404]),
        ("GET", "/goods/../secret", &[400, 403, 404]),
        ("GET", "/goods/%2e%2e/secret", &[400, 403, 404]),
        ("POST", "/goods/a.zip", &[403, 405]),
        ("PUT", "/goods/b.zip", &[403, 405]),
        ("DELETE", "/goods/a.zip", &[403, 405]),
    ] {
        let answer = asked(&apache, method, target, &[]);
        assert!(statuses.contains(&answer.status), "{method} {target}: {}", answer.status);
        assert!(!["secret", "hidden", "half", "index"].contains(&answer.text().as_str()), "{method} {target}");
    }
    fs::remove_file(place.path("htpasswd")).unwrap();
    assert!(asked(&apache, "GET", "/goods/a.zip", &[]).status >= 400, "without the file nobody gets in");
}

#[test]
fn the_file_needs_what_its_first_lines_say_and_no_less() {
    let place = Place::new();
    place.put("a.zip", "goods");
    let text = example().replace("/var/lib/cloakroom-htpasswd/goods", place.path("htpasswd").to_str().unwrap());
    let all = allowed(&example());
    let options = all.split("Options=").nth(1).unwrap();
    let mut less: Vec<String> = all.split(' ').map(|word| all.replace(word, "").split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    less.extend(options.split(',').map(|word| {
        let others: Vec<&str> = options.split(',').filter(|other| *other != word).collect();
        all.replace(options, &others.join(","))
    }));
    assert!(less.len() >= 6, "{less:?}");
    for allowed in less {
        let apache = Apache::allowing(&allowed, &place.path("goods"), &text);
        assert_eq!(asked(&apache, "GET", "/goods/a.zip", &[]).status, 500, "AllowOverride {allowed}");
    }
    let apache = Apache::allowing(&all, &place.path("goods"), &text);
    assert_eq!(asked(&apache, "GET", "/goods/a.zip", &[]).status, 200);
}

//! A real Apache that reads what was written for it.

use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::servers::cloakroom::Cloakroom;
use super::servers::http::ask;
use super::servers::{free_port, until};

/// What Debian's package enables, and what `a2enmod` adds to it by itself.
const STOCK: &str = "mpm_event access_compat alias auth_basic authn_core authn_file authz_core authz_host authz_user autoindex deflate \
    dir env filter mime negotiation reqtimeout setenvif status";

/// A site with a private Apache before it.
struct Site {
    home: TempDir,
    daemon: Cloakroom,
    child: Option<Child>,
    port: u16,
}

impl Drop for Site {
    fn drop(&mut self) {
        let Some(child) = &mut self.child else { return };
        if matches!(child.try_wait(), Ok(None)) {
            let _ = kill_process(Pid::from_child(child), Signal::TERM);
            until("the end of Apache", || child.try_wait().unwrap());
        }
    }
}

/// What differs between sites.
struct Row {
    /// What stands in front of names of directories.
    odd: &'static str,
    /// The path of `public_url`, and the beginning of the storages' internal addresses.
    paths: (&'static str, &'static str),
    /// How Apache connects for downloads: `PROTOCOL unix`, or `PROTOCOL tcp`.
    connects: &'static str,
    /// More arguments of `setup`.
    arguments: &'static [&'static str],
}

impl Site {
    fn place(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Writes the configurations of both, and starts both.
    #[track_caller]
    fn open(row: &Row) -> Self {
        let home = tempfile::Builder::new().prefix("cloakroom-setup-").tempdir().unwrap();
        let (root, odd, port) = (home.path().to_owned(), row.odd, free_port());
        fs::set_permissions(&root, Permissions::from_mode(0o755)).unwrap();
        for name in [
            "run",
            "log",
            "www/members",
            "www/b ä",
            &format!("one{odd}"),
            &format!("two{odd}"),
            &format!("pub{odd}"),
            &format!("goods{odd}"),
            "htpasswd",
        ] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        for name in [format!("pub{odd}"), format!("goods{odd}"), "htpasswd".to_owned()] {
            assert!(Command::new("chgrp").arg("www-data").arg(root.join(&name)).status().unwrap().success());
            fs::set_permissions(root.join(name), Permissions::from_mode(0o2750)).unwrap();
        }
        let secret = root.join("secret");
        fs::write(&secret, "k7m29xqtk7m29xqtk7m29xqtk7m29xqtk7m29xqt\n").unwrap();
        fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
        let (protocol, by) = row.connects.split_once(' ').unwrap();
        let asks = free_port();
        let downloads = if by == "tcp" {
            format!("address = \"127.0.0.1:{}\"\nsecret = \"{}\"\n", free_port(), secret.display())
        } else {
            format!("address = \"unix:{}/run/a.sock\"\nmode = \"0666\"\n", root.display())
        };
        let place = |name: &str| serde_json::to_string(root.join(format!("{name}{odd}")).to_str().unwrap()).unwrap();
        let (path, handoff) = row.paths;
        let toml = format!(
            "[[listener]]\naddress = \"127.0.0.1:{asks}\"\ndialect = \"apache\"\nprotocol = \"fastcgi\"\nsecret = \"{secret}\"\n\n\
             [[listener]]\n{downloads}dialect = \"apache\"\nprotocol = \"{protocol}\"\n\n\
             [[storage]]\nname = \"one\"\npath = {one}\nhandoff = \"{handoff}one/\"\nstub = \"pub\"\n\n\
             [[storage]]\nname = \"two\"\npath = {two}\nhandoff = \"{handoff}two/\"\ncopy = \"goods\"\n\n\
             [[directory]]\nname = \"pub\"\npath = {stubs}\nurl = \"/pub/\"\n\n\
             [[directory]]\nname = \"goods\"\npath = {goods}\nurl = \"/goods/\"\nhtpasswd = \"{home}/htpasswd/goods\"\n\n\
             [[rule]]\npath = \"/members/\"\naccept = [\"signed-url\"]\n\n[[rule]]\npath = \"/b%20%C3%A4/\"\naccept = [\"signed-url\"]\n\n\
             [[policy]]\nname = \"stubs\"\nmethod = [\"stub\"]\n\n[[policy]]\nname = \"copies\"\nmethod = [\"copy\"]\n\n\
             [feed]\naccess_log = \"{home}/log/cloakroom.log\"\n",
            secret = secret.display(),
            home = root.display(),
            one = place("one"),
            two = place("two"),
            stubs = place("pub"),
            goods = place("goods"),
        );
        let daemon = Cloakroom::with(&format!("http://127.0.0.1:{port}{path}"), &toml);
        let mut site = Self { home, daemon, child: None, port };
        site.set_up(row);
        site
    }

    #[track_caller]
    fn set_up(&mut self, row: &Row) {
        let made = self.place("conf it's");
        let arguments = [&["setup", "apache", "--write", made.to_str().unwrap()], row.arguments].concat();
        self.daemon.say(&arguments);
        let json = self.daemon.json(&[&["setup", "apache"], row.arguments].concat());
        if let Ok(text) = fs::read_to_string(made.join("rewrite-map.conf")) {
            // There is no such user where the tests run.
            fs::write(made.join("rewrite-map.conf"), text.replace(" rewrite-map\" cloakroom:www-data", " rewrite-map\"")).unwrap();
        }
        let mut modules: Vec<&str> = STOCK.split_whitespace().collect();
        modules.extend(json["modules"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).filter(|name| !STOCK.contains(name)));
        let home = self.home.path().display();
        let mut text = String::new();
        // What proxies comes after what it needs.
        modules.sort_by_key(|name| (name.starts_with("proxy_"), *name));
        for module in modules {
            writeln!(text, "LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so").unwrap();
        }
        write!(
            text,
            "Listen 127.0.0.1:{port}\nServerName localhost\nPidFile {home}/run/apache.pid\nErrorLog {home}/log/error.log\n\
             DefaultRuntimeDir {home}/run\nMutex file:{home}/run\nUser www-data\nGroup www-data\nTypesConfig /etc/mime.types\n\
             <Directory />\n  Require all denied\n  AllowOverride None\n</Directory>\n\
             Include \"{made}/server.conf\"\n\
             <VirtualHost 127.0.0.1:{port}>\n  DocumentRoot {home}/www\n  SetOutputFilter DEFLATE\n\
             <Directory {home}/www>\n  Require all granted\n</Directory>\n  Include \"{made}/vhost.conf\"\n</VirtualHost>\n",
            port = self.port,
            made = made.display(),
        )
        .unwrap();
        let main = self.place("apache.conf");
        fs::write(&main, text).unwrap();
        let tested = Command::new("apache2").arg("-t").arg("-f").arg(&main).output().expect("apache2 is installed (tests/run does it)");
        assert!(tested.status.success(), "{}: {tested:?}", row.connects);
        let stderr = File::create(self.place("log/stderr")).unwrap();
        let child = Command::new("apache2").args(["-DFOREGROUND", "-f"]).arg(&main).stdin(Stdio::null()).stderr(stderr).spawn().unwrap();
        let child = self.child.insert(child);
        let pid = self.home.path().join("run/apache.pid");
        until("Apache listens", || {
            assert!(child.try_wait().unwrap().is_none(), "Apache ended");
            pid.exists().then_some(())
        });
    }

    fn target(&self, url: &str) -> String {
        url.strip_prefix(&format!("http://127.0.0.1:{}", self.port)).unwrap_or(url).to_owned()
    }

    #[track_caller]
    fn serves(&self, target: &str, headers: &[(&str, &str)], bytes: &[u8]) {
        let answer = ask(self.port, "GET", target, &[headers, &[("Accept-Encoding", "gzip")]].concat());
        let said = fs::read_to_string(self.place("log/error.log")).unwrap();
        assert!(answer.status == 200 && answer.body == bytes, "{target}: {} {:?}\n{said}", answer.status, answer.headers);
        let part = ask(self.port, "GET", target, &[headers, &[("Range", "bytes=2-4")]].concat());
        assert_eq!((part.status, part.body.as_slice()), (206, &bytes[2..5]), "{target}");
    }
}

fn put(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_is_written_serves_whatever_the_paths_are_called() {
    let bytes = b"the goods, ".repeat(200);
    let mut seen = 0;
    for row in [
        Row { odd: " ä'\\\"[1]*", paths: ("/dl/", "/_cloakroom/"), connects: "scgi unix", arguments: &[] },
        Row { odd: "", paths: ("/a.b/dl/", "/inner.x/"), connects: "scgi tcp", arguments: &[] },
        Row { odd: " ä'[", paths: ("/dl/", "/_cloakroom/"), connects: "http unix", arguments: &[] },
        Row { odd: "", paths: ("/a.b/dl/", "/_cloakroom/"), connects: "http tcp", arguments: &[] },
        Row { odd: " ä'[", paths: ("/a.b/dl/", "/_cloakroom/"), connects: "scgi unix", arguments: &["--downloads", "rewrite-map"] },
    ] {
        let site = Site::open(&row);
        for storage in ["one", "two"] {
            put(&site.place(&format!("{storage}{}", row.odd)).join("a b.zip"), &bytes);
            let url = site.daemon.sign(&format!("{storage}/a b.zip"));
            site.serves(&site.target(&url), &[], &bytes);
            let (plain, _) = url.split_once('?').unwrap();
            let refused = ask(site.port, "GET", &site.target(plain), &[]);
            assert!([401, 403].contains(&refused.status) && refused.header("Cloakroom-Refusal") == Some("no_proof"), "{}", row.connects);
            let internal = ask(site.port, "GET", &format!("{}{storage}/a%20b.zip", row.paths.1), &[]);
            assert!([403, 404].contains(&internal.status), "{}: {}", row.connects, internal.status);
        }
        for (name, target) in [("members/a.html", "/members/a.html"), ("b ä/a.html", "/b%20%C3%A4/a.html")] {
            put(&site.place("www").join(name), &bytes);
            assert_eq!(ask(site.port, "GET", target, &[]).status, 401, "{target}");
            site.serves(&site.target(&site.daemon.sign(&format!("/{name}"))), &[], &bytes);
        }
        let link = site.daemon.say(&["grant", "add", "--file", "one/a b.zip", "--policy", "stubs"]);
        let clicked = ask(site.port, "GET", &site.target(&link), &[]);
        assert_eq!(clicked.status, 303, "{}", row.connects);
        // By CGI Apache makes a whole URL of a path, with the name that the client has asked for.
        let stub = clicked.header("Location").unwrap();
        let stub = &stub[stub.find("/pub/").expect("a stub")..];
        site.serves(stub, &[], &bytes);
        let made = site.daemon.json(&["grant", "add", "--file", "two/a b.zip", "--policy", "copies"]);
        let copy = &made["copy"];
        let login =
            format!("Basic {}", STANDARD.encode(format!("{}:{}", copy["user"].as_str().unwrap(), copy["password"].as_str().unwrap())));
        let copied = site.target(copy["url"].as_str().unwrap());
        assert!(copied.starts_with("/goods/"), "{copied}");
        until("the copy", || (ask(site.port, "HEAD", &copied, &[("Authorization", &login)]).status == 200).then_some(()));
        site.serves(&copied, &[("Authorization", &login)], &bytes);
        assert_eq!(ask(site.port, "GET", &copied, &[]).status, 401);
        // What arrived is counted: the log that was set up is the one that is followed.
        until("a completed delivery", || site.daemon.states().iter().any(|state| state == "completed").then_some(()));
        seen += 1;
    }
    assert_eq!(seen, 5);
}

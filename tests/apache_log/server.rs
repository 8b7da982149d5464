//! A private Apache that reports as the example says.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::servers::{free_port, until};

const MODULES: &[&str] = &[
    "mpm_event",
    "authz_core",
    "alias",
    "headers",
    "setenvif",
    "env",
    "mime",
    "filter",
    "deflate",
    "ratelimit",
    "unique_id",
    "socache_shmcb",
    "ssl",
    "http2",
    "proxy",
    "proxy_http",
];

/// Ports may be taken between choosing and listening.
const TRIES: usize = 5;

/// Where an Apache will be.
pub struct Ground {
    directory: TempDir,
    pub port: u16,
    tls_port: u16,
}

/// A running Apache, in front of files in `files`. Ends with this value.
pub struct Apache {
    ground: Ground,
    child: Child,
    pub port: u16,
    /// Where it speaks TLS, and HTTP/2.
    pub tls_port: u16,
}

/// What is different from one Apache to the other.
pub struct Setup<'a> {
    /// Where lines go: a file, or a pipe.
    pub to: &'a dyn Fn(&Path) -> String,
    /// More lines of the server's configuration.
    pub more: &'a str,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self { to: &|home| home.join("cloakroom.log").display().to_string(), more: "" }
    }
}

/// The `CustomLog` of the example that has these words, with `to` in place of its file.
fn custom_log(example: &str, words: &str, to: &str) -> String {
    let lines: Vec<&str> = example.lines().filter(|line| line.contains("CustomLog /") && line.contains(words)).collect();
    let [line] = lines[..] else { panic!("{} lines with {words:?}", lines.len()) };
    let line = line.trim_start_matches('#').trim();
    assert!(line.contains("/var/log/apache2/cloakroom.log"), "{line}");
    line.replace("/var/log/apache2/cloakroom.log", &format!("\"{to}\""))
}

impl Ground {
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("cloakroom-apache-").tempdir().unwrap();
        let home = directory.path();
        fs::set_permissions(home, Permissions::from_mode(0o755)).unwrap();
        for name in ["files", "pub", "masters"] {
            fs::create_dir(home.join(name)).unwrap();
            fs::set_permissions(home.join(name), Permissions::from_mode(0o755)).unwrap();
        }
        // As the example of the directory says: its group reads what is placed there.
        assert!(Command::new("chgrp").arg("www-data").arg(home.join("pub")).status().unwrap().success());
        fs::set_permissions(home.join("pub"), Permissions::from_mode(0o2750)).unwrap();
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=shop",
            ])
            .args(["-keyout", "key.pem", "-out", "cert.pem"])
            .current_dir(home)
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success(), "openssl is installed (tests/run does it)");
        Self { directory, port: free_port(), tls_port: free_port() }
    }

    pub fn home(&self) -> &Path {
        self.directory.path()
    }

    /// `None` where somebody else took a port meanwhile.
    #[track_caller]
    pub fn start(self, setup: &Setup<'_>) -> Option<Apache> {
        let home = self.home();
        let (port, tls_port) = (self.port, self.tls_port);
        fs::write(home.join("apache.conf"), Apache::configuration(home, port, tls_port, setup)).unwrap();
        let mut child = Command::new("apache2")
            .args(["-DFOREGROUND", "-f"])
            .arg(home.join("apache.conf"))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("apache2 is installed (tests/run does it)");
        let listens = until("apache listens or ends", || {
            if child.try_wait().unwrap().is_some() {
                return Some(false);
            }
            let up = "resuming normal operations";
            fs::read_to_string(home.join("error.log")).is_ok_and(|log| log.contains(up)).then_some(true)
        });
        let apache = Apache { ground: self, child, port, tls_port };
        assert!(listens || apache.error_log().contains("Address already in use"), "Apache does not start: {}", apache.error_log());
        listens.then_some(apache)
    }
}

impl Apache {
    #[track_caller]
    pub fn start(setup: &Setup<'_>) -> Self {
        (0..TRIES).find_map(|_| Ground::new().start(setup)).unwrap_or_else(|| panic!("Apache found no free port in {TRIES} tries"))
    }

    fn configuration(home: &Path, port: u16, tls_port: u16, setup: &Setup<'_>) -> String {
        let mut text = String::new();
        for module in MODULES {
            writeln!(text, "LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so").unwrap();
        }
        let example_path = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf-examples/apache/log.conf");
        let example = fs::read_to_string(&example_path).unwrap();
        let to = (setup.to)(home);
        let logs = [custom_log(&example, "cloakroom \"", &to), custom_log(&example, "cloakroom_public", &to)].join("\n");
        let (example, more, home) = (example_path.display(), setup.more, home.display());
        // The header stands for Cloakroom's own answer, whose files the site's other half hands over.
        write!(
            text,
            "Listen 127.0.0.1:{port}\nListen 127.0.0.1:{tls_port}\nServerName localhost\nPidFile {home}/apache.pid\n\
             ErrorLog {home}/error.log\nMutex file:{home}\nUser www-data\nGroup www-data\nDocumentRoot {home}/files\n\
             TypesConfig /dev/null\nStartServers 1\nServerLimit 4\nThreadsPerChild 25\nMaxRequestWorkers 100\nTimeout 5\n\
             Protocols h2 h2c http/1.1\nH2Direct on\n\
             Header set Cloakroom-Delivery d-00000000000000000000 \"expr=%{{REQUEST_URI}} =~ m#^/dl/#\"\n\
             Include {example}\n\
             <Directory />\n  Require all denied\n</Directory>\n\
             <Directory {home}/files>\n  Require all granted\n  AddType application/zip .zip\n  AddType text/plain .txt\n</Directory>\n\
             <Directory {home}/pub>\n  Require all granted\n  Options FollowSymLinks\n  SetEnv CLOAKROOM_PUBLIC 1\n</Directory>\n\
             <Directory {home}/masters>\n  Require all granted\n</Directory>\n\
             {more}\n",
        )
        .unwrap();
        for (port, tls) in [
            (port, String::new()),
            (tls_port, format!("SSLEngine on\nSSLCertificateFile {home}/cert.pem\nSSLCertificateKeyFile {home}/key.pem\n")),
        ] {
            write!(
                text,
                "<VirtualHost 127.0.0.1:{port}>\n{tls}{logs}\nAlias /dl/ {home}/files/\nAlias /pub/ {home}/pub/\n\
                 <Location /pub/>\n  SetOutputFilter RATE_LIMIT\n  SetEnv rate-limit 400\n</Location>\n\
                 <Location /dl/slow/>\n  SetOutputFilter RATE_LIMIT\n  SetEnv rate-limit 400\n</Location>\n\
                 <Location /dl/packed/>\n  SetOutputFilter DEFLATE\n</Location>\n</VirtualHost>\n"
            )
            .unwrap();
        }
        text
    }

    pub fn home(&self) -> &Path {
        self.ground.home()
    }

    /// Where its lines are, unless they go into a pipe.
    pub fn log(&self) -> PathBuf {
        self.home().join("cloakroom.log")
    }

    /// Puts a file where `/dl/` leads.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.home().join("files").join(name);
        let parent = path.parent().unwrap();
        fs::create_dir_all(parent).unwrap();
        fs::set_permissions(parent, Permissions::from_mode(0o755)).unwrap();
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    }

    /// The lines so far.
    pub fn lines(&self) -> Vec<String> {
        fs::read_to_string(self.log()).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// As `apache2ctl graceful` does.
    pub fn reload(&self) {
        let times = |log: String| log.matches("resuming normal operations").count();
        let before = times(self.error_log());
        kill_process(Pid::from_child(&self.child), Signal::USR1).unwrap();
        until("the reload", || (times(self.error_log()) > before).then_some(()));
    }

    /// What Apache, and what it starts, says of itself.
    pub fn error_log(&self) -> String {
        fs::read_to_string(self.home().join("error.log")).unwrap_or_default()
    }
}

impl Drop for Apache {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
            until("the end of Apache", || self.child.try_wait().unwrap());
        }
    }
}

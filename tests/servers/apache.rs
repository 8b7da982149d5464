//! A private Apache that serves a public directory by `conf-examples/apache/.htaccess`, within a site that is careless in all
//! ways against which that file guards.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{free_port, until};

/// A running Apache. Ends with this value.
pub struct Apache {
    directory: TempDir,
    child: Child,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
}

/// Ports may be taken between choosing and listening.
const TRIES: usize = 5;

const MODULES: &[&str] = &[
    "mpm_event",
    "authz_core",
    "authz_user",
    "authn_core",
    "authn_file",
    "auth_basic",
    "headers",
    "env",
    "mime",
    "dir",
    "autoindex",
    "alias",
    "rewrite",
    "filter",
    "deflate",
    "include",
    "negotiation",
    "status",
    "setenvif",
];

/// What the site does with files of these names, wherever they lie.
const CARELESS: &str = "AddType text/html .html .svg\nAddEncoding x-gzip .gz\nAddLanguage de .de\nAddDefaultCharset utf-8\n\
    AddOutputFilter INCLUDES .shtml\nSetOutputFilter DEFLATE\nAddHandler server-status .cgi\n\
    <FilesMatch \"\\.php$\">\n  SetHandler server-status\n</FilesMatch>\n\
    RewriteEngine on\nDirectoryIndex index.html\nHeader always set Cache-Control \"public, max-age=86400\"\n";

/// The example, as it is shipped.
pub fn example() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf-examples/apache/.htaccess");
    fs::read_to_string(path).unwrap()
}

/// What the example says in its first lines that it needs.
pub fn allowed(example: &str) -> String {
    let line = example.lines().find_map(|line| line.strip_prefix("#     AllowOverride "));
    line.expect("the example says what it needs").to_owned()
}

impl Apache {
    /// Serves `public` as `/goods/`, with the example in it as `.htaccess` and `htpasswd` as its file of passwords.
    #[track_caller]
    pub fn serving(public: &Path, htpasswd: &Path) -> Self {
        let text = example();
        Self::allowing(&allowed(&text), public, &text.replace("/var/lib/cloakroom-htpasswd/goods", &htpasswd.display().to_string()))
    }

    /// The same, where the site allows a `.htaccess` other things.
    #[track_caller]
    pub fn allowing(allowed: &str, public: &Path, htaccess: &str) -> Self {
        fs::write(public.join(".htaccess"), htaccess).unwrap();
        fs::set_permissions(public.join(".htaccess"), Permissions::from_mode(0o644)).unwrap();
        for _ in 0..TRIES {
            if let Some(apache) = Self::try_start(allowed, public) {
                return apache;
            }
        }
        panic!("Apache found no free port in {TRIES} tries");
    }

    fn try_start(allowed: &str, public: &Path) -> Option<Self> {
        let directory = tempfile::Builder::new().prefix("cloakroom-apache-").tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        let (port, home, public) = (free_port(), directory.path().display(), public.display());
        let mut text = String::new();
        for module in MODULES {
            writeln!(text, "LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so").unwrap();
        }
        write!(
            text,
            "Listen 127.0.0.1:{port}\nServerName localhost\nPidFile {home}/apache.pid\nErrorLog {home}/error.log\nMutex file:{home}\n\
             User www-data\nGroup www-data\nDocumentRoot {home}\nTypesConfig /dev/null\nAlias /goods/ {public}/\n{CARELESS}\
             <Directory />\n  Require all denied\n  AllowOverride None\n</Directory>\n\
             <Directory {public}>\n  Options All\n  AllowOverride {allowed}\n  Require all granted\n</Directory>\n"
        )
        .unwrap();
        let main = directory.path().join("apache.conf");
        fs::write(&main, text).unwrap();
        let mut child = Command::new("apache2")
            .args(["-X", "-f"])
            .arg(&main)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("apache2 is installed (tests/run does it)");
        let pid_file = directory.path().join("apache.pid");
        let listens = until("apache listens or ends", || {
            if child.try_wait().unwrap().is_some() {
                return Some(false);
            }
            // Written when it listens for good: whoever connects before may meet a socket that is opened once more.
            pid_file.exists().then_some(true)
        });
        let apache = Self { directory, child, port };
        assert!(listens || apache.error_log().contains("Address already in use"), "Apache does not start: {}", apache.error_log());
        listens.then_some(apache)
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("error.log")
    }

    /// What Apache says of itself.
    pub fn error_log(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
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

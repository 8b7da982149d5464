//! A private Apache that loads `conf-examples/apache/` itself: as a site whose pages and downloads Cloakroom opens
//! ([`Apache::start`]), or as one that serves a public directory by `.htaccess` ([`Apache::serving`]), and is careless
//! in all ways against which that file guards. Only the places are others than in the examples: the directories become
//! directories below a temporary one, and the ports free ports of loopback.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::ops::Deref;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::home::Home;
use super::program::Program;
use super::{free_port, quiet_port, secrecy, until};

/// Who asks whether a page may pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Members {
    /// `members.conf`, in the server's configuration.
    #[default]
    Location,
    /// `members.htaccess`, in the directory itself.
    Htaccess,
}

/// How a download is passed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Downloads {
    /// `downloads.conf`: SCGI, and an internal redirect.
    #[default]
    Scgi,
    /// `xsendfile.conf`: HTTP, and `mod_xsendfile`.
    Xsendfile,
    /// `rewrite-map.conf`: `mod_rewrite`, and `cloakroom rewrite-map` with the configuration that [`Apache::configuration`] names.
    RewriteMap,
}

/// Which of the examples are loaded, and what stands around them.
#[derive(Clone, Debug, Default)]
pub struct ApacheSetup {
    pub members: Members,
    pub downloads: Downloads,
    /// Lines at server level, before everything else.
    pub server: String,
    /// Lines inside the `<VirtualHost>`, before the examples; `{home}` is the site's directory, `{port}` its port.
    pub host: String,
    /// Modules beside those that Debian enables and those that the examples name.
    pub modules: &'static [&'static str],
    /// Words of the examples, and what stands there instead.
    pub instead: &'static [(&'static str, &'static str)],
}

/// A running Apache. Ends with this value.
pub struct Apache {
    home: Home,
    child: Child,
    /// The port of 127.0.0.1 on which it looks for who says whether a page may pass.
    pub authorizer: u16,
    passing: Downloads,
}

impl Deref for Apache {
    type Target = Home;

    fn deref(&self) -> &Home {
        &self.home
    }
}

/// Ports may be taken between choosing and listening.
const TRIES: usize = 5;

/// Group of the web server, on Debian.
const WWW_DATA: u32 = 33;

/// What Debian's package enables.
const STOCK: &[&str] = &[
    "mpm_event",
    "access_compat",
    "alias",
    "auth_basic",
    "authn_core",
    "authn_file",
    "authz_core",
    "authz_host",
    "authz_user",
    "autoindex",
    "deflate",
    "dir",
    "env",
    "filter",
    "mime",
    "negotiation",
    "reqtimeout",
    "setenvif",
    "status",
];

/// What a public directory is tried with.
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

/// A public directory, and the `.htaccess` that the examples have for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Public {
    /// `pub.htaccess`: stubs.
    Stubs,
    /// `goods.htaccess`: copies, and a password.
    Copies,
}

impl Public {
    /// The name of the directory.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stubs => "pub",
            Self::Copies => "goods",
        }
    }

    /// The example, as it is shipped.
    pub fn example(self) -> String {
        shipped(&format!("{}.htaccess", self.name()))
    }
}

fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf-examples/apache").join(name);
    fs::read_to_string(path).unwrap()
}

/// The line `CustomLog` of `log.conf` with these words.
fn custom_log(log: &str, words: &str) -> String {
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("CustomLog /") && line.contains(words)).collect();
    let [line] = lines[..] else { panic!("{} lines with {words:?}", lines.len()) };
    line.trim_start_matches('#').trim().to_owned()
}

/// What the example says in its first lines that it needs.
pub fn allowed(example: &str) -> String {
    let line = example.lines().find_map(|line| line.strip_prefix("#     AllowOverride "));
    line.expect("the example says what it needs").to_owned()
}

/// The modules that an example says must be enabled.
pub fn enabled(example: &str) -> Vec<&str> {
    let lines = example.lines().filter_map(|line| line.split_once("a2enmod "));
    lines.flat_map(|(_, names)| names.split_whitespace()).collect()
}

impl Apache {
    /// Starts a site and waits until it listens.
    #[track_caller]
    pub fn start(setup: &ApacheSetup) -> Self {
        let mut apache = Self::of(|home, port, authorizer| site(setup, home, port, authorizer));
        apache.passing = setup.downloads;
        apache
    }

    /// Serves `path` as `/pub/` or `/goods/`, with the example in it as `.htaccess` and `htpasswd` as its file of passwords.
    #[track_caller]
    pub fn serving(public: Public, path: &Path, htpasswd: &Path) -> Self {
        let text = public.example();
        let htaccess = text.replace("/var/lib/cloakroom-htpasswd/goods", &htpasswd.display().to_string());
        Self::allowing(&allowed(&text), public, path, &htaccess)
    }

    /// The same, where the site allows a `.htaccess` other things.
    #[track_caller]
    pub fn allowing(allowed: &str, public: Public, path: &Path, htaccess: &str) -> Self {
        readable(&path.join(".htaccess"), htaccess);
        Self::of(|home, port, _| careless(allowed, public, path, home, port))
    }

    /// Runs with the configuration that `configure` makes of a directory and two ports.
    #[track_caller]
    fn of(configure: impl Fn(&Path, u16, u16) -> String) -> Self {
        for _ in 0..TRIES {
            let (home, authorizer) = (Home::new("apache", free_port()), quiet_port());
            fs::set_permissions(home.home(), Permissions::from_mode(0o755)).unwrap();
            for name in ["run", "log", "conf", "www/members", "downloads", "pub", "goods", "htpasswd"] {
                fs::create_dir_all(home.place(name)).unwrap();
            }
            for name in ["pub", "goods", "htpasswd"] {
                for_the_group(&home.place(name));
            }
            fs::write(home.place("apache.conf"), configure(home.home(), home.port, authorizer)).unwrap();
            if let Some(apache) = Self::try_start(home, authorizer) {
                return apache;
            }
        }
        panic!("Apache found no free port in {TRIES} tries");
    }

    fn try_start(home: Home, authorizer: u16) -> Option<Self> {
        let child = Command::new("apache2")
            .args(["-DFOREGROUND", "-f"])
            .arg(home.place("apache.conf"))
            .stdin(Stdio::null())
            .stderr(fs::File::create(home.place("log/stderr")).unwrap())
            .spawn()
            .expect("apache2 is installed (tests/run does it)");
        let mut apache = Self { home, child, authorizer, passing: Downloads::default() };
        // Written when it listens for good: whoever connects before may meet a socket that is opened once more.
        let pid_file = apache.place("run/apache.pid");
        let listens = until("apache listens or ends", || {
            if apache.child.try_wait().unwrap().is_some() {
                return Some(false);
            }
            pid_file.exists().then_some(true)
        });
        let said = [fs::read_to_string(apache.place("log/stderr")).unwrap_or_default(), apache.error_log()].concat();
        assert!(listens || said.contains("Address already in use"), "Apache does not start: {said}");
        listens.then_some(apache)
    }

    /// The socket on which it looks for Cloakroom by SCGI.
    pub fn scgi(&self) -> PathBuf {
        self.place("run/apache.sock")
    }

    /// The socket on which it looks for Cloakroom by HTTP.
    pub fn http(&self) -> PathBuf {
        self.place("run/apache-http.sock")
    }

    /// The protocol in which it passes downloads on, and its socket.
    pub fn downloads_to(&self) -> (&'static str, PathBuf) {
        match self.passing {
            Downloads::Scgi | Downloads::RewriteMap => ("scgi", self.scgi()),
            Downloads::Xsendfile => ("http", self.http()),
        }
    }

    /// The file of the secret that it says to the authorizer.
    pub fn secret(&self) -> PathBuf {
        self.place("conf/secret")
    }

    /// Where `cloakroom rewrite-map` finds its configuration.
    pub fn configuration(&self) -> PathBuf {
        self.place("conf/cloakroom.toml")
    }

    /// Fails the test if Apache had something grave to say, or lost a process.
    #[track_caller]
    pub fn assert_calm(&self) {
        let log = self.error_log();
        let grave = [":crit]", ":alert]", ":emerg]", "exit signal"];
        let found: Vec<&str> = log.lines().filter(|line| grave.iter().any(|word| line.contains(word))).collect();
        assert!(found.is_empty(), "{found:#?}");
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

fn readable(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
}

/// What every configuration begins with.
fn beginning(modules: &[&str], home: &Path, port: u16) -> String {
    let (mut text, home) = (String::new(), home.display());
    let mut loaded: Vec<&str> = Vec::new();
    for module in modules {
        if !loaded.contains(module) {
            loaded.push(module);
            writeln!(text, "LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so").unwrap();
        }
    }
    write!(
        text,
        "Listen 127.0.0.1:{port}\nServerName localhost\nPidFile {home}/run/apache.pid\nDefaultRuntimeDir {home}/run\n\
         ErrorLog {home}/log/error.log\nMutex file:{home}/run\nUser www-data\nGroup www-data\nStartServers 1\n\
         <Directory />\n  Require all denied\n  AllowOverride None\n</Directory>\n"
    )
    .unwrap();
    text
}

/// A careless site with this public directory.
fn careless(allowed: &str, public: Public, path: &Path, home: &Path, port: u16) -> String {
    let (begins, name, path) = (beginning(MODULES, home, port), public.name(), path.display());
    format!(
        "{begins}DocumentRoot {home}\nTypesConfig /dev/null\nAlias /{name}/ {path}/\n{CARELESS}\
         <Directory {path}>\n  Options All SymLinksIfOwnerMatch\n  AllowOverride {allowed}\n  Require all granted\n</Directory>\n",
        home = home.display()
    )
}

/// Lets Apache read what Cloakroom puts there, as the examples say: its group is the web server's.
fn for_the_group(path: &Path) {
    if rustix::process::geteuid().is_root() {
        chown(path, None, Some(WWW_DATA)).unwrap();
    }
    fs::set_permissions(path, Permissions::from_mode(0o2750)).unwrap();
}

/// A site with the examples of `setup`.
fn site(setup: &ApacheSetup, home: &Path, port: u16, authorizer: u16) -> String {
    // Nobody has guessed it, and any other test has another one.
    let random = || RandomState::new().build_hasher().finish();
    let secret = format!("{:016x}{:016x}", random(), random());
    secrecy::learn_password(&secret);
    fs::write(home.join("conf/secret"), format!("{secret}\n")).unwrap();
    fs::write(home.join("conf/cloakroom-secret.conf"), format!("Define CLOAKROOM_SECRET {secret}\n")).unwrap();
    for name in ["conf/secret", "conf/cloakroom-secret.conf"] {
        fs::set_permissions(home.join(name), Permissions::from_mode(0o600)).unwrap();
    }
    let place = |name: &str| home.join(name).to_str().unwrap().to_owned();
    let adapted = |name: &str| {
        let text = shipped(name)
            .replace("/etc/apache2/cloakroom-secret.conf", &place("conf/cloakroom-secret.conf"))
            .replace("127.0.0.1:8471", &format!("127.0.0.1:{authorizer}"))
            .replace("/run/cloakroom", &place("run"))
            .replace("/srv/downloads", &place("downloads"))
            .replace("/srv/www/pub", &place("pub"))
            .replace("/srv/www/goods", &place("goods"))
            .replace("/var/lib/cloakroom-htpasswd", &place("htpasswd"))
            .replace("/var/log/apache2", &place("log"));
        setup.instead.iter().fold(text, |text, (words, others)| text.replace(words, others))
    };
    let server = adapted("cloakroom.conf");
    let downloads = adapted(match setup.downloads {
        Downloads::Scgi => "downloads.conf",
        Downloads::Xsendfile => "xsendfile.conf",
        Downloads::RewriteMap => "rewrite-map.conf",
    });
    let program = format!("/usr/local/bin/cloakroom --config {} rewrite-map\"", place("conf/cloakroom.toml"));
    let downloads = downloads.replace("/usr/local/bin/cloakroom rewrite-map\" cloakroom:www-data", &program);
    let downloads = Program::named_in(&downloads, "/usr/local/bin/cloakroom");
    let mut directory = String::from("  Options FollowSymLinks\n  Require all granted\n");
    let members = match setup.members {
        Members::Location => adapted("members.conf"),
        Members::Htaccess => {
            let htaccess = adapted("members.htaccess");
            // What its head tells the server's administrator to say.
            directory.extend(htaccess.lines().filter_map(|line| line.strip_prefix("#     ")).map(|line| format!("  {line}\n")));
            assert!(directory.contains("AllowOverride "), "the example says what it needs");
            readable(&home.join("www/members/.htaccess"), &htaccess);
            String::new()
        }
    };
    let log = adapted("log.conf");
    let mut publics = [custom_log(&log, "cloakroom \""), custom_log(&log, "cloakroom_public")].join("\n");
    for public in [Public::Stubs, Public::Copies] {
        let (name, path) = (public.name(), place(public.name()));
        let htaccess = adapted(&format!("{name}.htaccess"));
        readable(&home.join(name).join(".htaccess"), &htaccess);
        write!(
            publics,
            "\nAlias /{name}/ {path}/\n<Directory {path}>\n  AllowOverride {}\n  Require all granted\n</Directory>",
            allowed(&htaccess)
        )
        .unwrap();
    }
    let modules: Vec<&str> = [STOCK, &enabled(&server), &enabled(&downloads), setup.modules].concat();
    let begins = beginning(&modules, home, port);
    let (root, more) = (place("www"), &setup.server);
    let host = setup.host.replace("{home}", &home.display().to_string()).replace("{port}", &port.to_string());
    format!(
        "{begins}TypesConfig /etc/mime.types\n{more}\n{server}\n{log}\n<VirtualHost 127.0.0.1:{port}>\n  DocumentRoot {root}\n\
         {host}\n<Directory {root}>\n{directory}</Directory>\n{members}\n{downloads}\n{publics}\n</VirtualHost>\n"
    )
}

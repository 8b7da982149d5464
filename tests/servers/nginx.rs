//! A private nginx that loads `conf-examples/nginx/` itself. Only the places are others: the directories of the
//! examples become directories below a temporary one, and port 80 a free port of loopback.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::home::Home;
use super::{free_port, until};

/// What stands around the examples.
#[derive(Clone, Debug, Default)]
pub struct NginxSetup {
    /// Lines inside `http { … }`, before everything else: what the sysadmin of a site may have there.
    pub http: String,
    /// Lines inside the `server { … }` of `site.conf`, before everything else.
    pub server: String,
    /// Whether the report goes by syslog, as the examples have it in a comment.
    pub syslog: bool,
    /// Words of the examples, and what stands there instead.
    pub instead: &'static [(&'static str, &'static str)],
    /// Whether the public directory of copies asks for a password, as the examples have it.
    pub passwords: bool,
    /// How many connections a worker takes; 512, as nginx has it, where nothing is said.
    pub connections: Option<u32>,
}

/// A running nginx. Ends with this value.
pub struct Nginx {
    home: Home,
    child: Child,
}

impl Deref for Nginx {
    type Target = Home;

    fn deref(&self) -> &Home {
        &self.home
    }
}

/// Ports may be taken between choosing and listening.
const TRIES: usize = 5;

const WORKERS: usize = 2;

impl Nginx {
    /// Starts one and waits until it listens.
    #[track_caller]
    pub fn start(setup: &NginxSetup) -> Self {
        for _ in 0..TRIES {
            if let Some(nginx) = Self::try_start(setup) {
                return nginx;
            }
        }
        panic!("nginx found no free port in {TRIES} tries");
    }

    /// The socket on which it looks for Cloakroom.
    pub fn socket(&self) -> PathBuf {
        self.place("run/nginx.sock")
    }

    /// The socket to which it reports by syslog.
    pub fn log_socket(&self) -> PathBuf {
        self.place("run/log.sock")
    }

    /// Its main configuration file.
    pub fn conf(&self) -> PathBuf {
        self.place("conf/nginx.conf")
    }

    /// Writes its configuration anew; [`Nginx::reload`] makes it hold.
    pub fn rewrite(&self, setup: &NginxSetup) {
        write(self.home(), self.port, setup);
    }

    /// Fails the test if nginx had something grave to say; an upstream that does not answer is not grave.
    #[track_caller]
    pub fn assert_calm(&self) {
        let log = self.error_log();
        let grave = ["[warn]", "[crit]", "[alert]", "[emerg]"];
        // A socket that is not there is [crit] to nginx, and is what a stopped Cloakroom leaves.
        let lines = log.lines().filter(|line| !line.contains("while connecting to upstream"));
        let found: Vec<&str> = lines.filter(|line| grave.iter().any(|word| line.contains(word))).collect();
        assert!(found.is_empty(), "{found:#?}");
    }

    /// Reads the configuration again and waits until new workers answer.
    pub fn reload(&self) {
        let before = self.says("start worker process ");
        self.signal(Signal::HUP);
        until("new workers of nginx", || (self.says("start worker process ") >= before + WORKERS).then_some(()));
    }

    /// Rotates the report as logrotate does: renamed to `cloakroom.log.1`, and every process of nginx told to open anew.
    pub fn rotate(&self) {
        fs::rename(self.access_log(), self.place("log/cloakroom.log.1")).unwrap();
        self.reopen();
    }

    /// Tells every process of nginx to open its logs anew, and waits until they did.
    pub fn reopen(&self) {
        let before = self.says("reopening logs");
        self.signal(Signal::USR1);
        until("the new logs of nginx", || (self.says("reopening logs") > before + WORKERS).then_some(()));
    }

    fn says(&self, words: &str) -> usize {
        self.error_log().matches(words).count()
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    fn try_start(setup: &NginxSetup) -> Option<Self> {
        let home = Home::new("nginx", free_port());
        let main = write(home.home(), home.port, setup);
        let mut command = nginx(home.home(), &main);
        let child = command.stderr(Stdio::null()).spawn().expect("nginx is installed (tests/run does it)");
        let mut nginx = Self { home, child };
        let pid_file = nginx.place("nginx.pid");
        // The pid file is written once all ports are bound, and the workers say that they started after that.
        let listens = until("nginx listens or ends", || {
            if nginx.child.try_wait().unwrap().is_some() {
                return Some(false);
            }
            (pid_file.exists() && nginx.says("start worker process ") >= WORKERS).then_some(true)
        });
        let log = nginx.error_log();
        assert!(listens || log.contains("Address already in use"), "nginx does not start:\n{log}");
        listens.then_some(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // TERM lets the master end its workers; KILL would leave them behind.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill_process(self.pid(), Signal::TERM);
            until("the end of nginx", || self.child.try_wait().unwrap());
        }
    }
}

/// What `nginx -t` says about the examples in `setup`: `Err` with its words where it refuses them.
pub fn test(setup: &NginxSetup) -> Result<(), String> {
    let directory = tempfile::tempdir().unwrap();
    let main = write(directory.path(), free_port(), setup);
    let said = nginx(directory.path(), &main).arg("-t").output().expect("nginx is installed (tests/run does it)");
    let log = fs::read_to_string(directory.path().join("log/error.log")).unwrap_or_default();
    let words = String::from_utf8_lossy(&said.stderr).into_owned() + &log;
    if said.status.success() && !words.contains("[warn]") { Ok(()) } else { Err(words) }
}

/// The line of the access log becomes a comment, and the comment about syslog a line.
fn by_syslog(text: &str) -> String {
    let lines = text.split_inclusive('\n').map(|line| match line.trim_start() {
        there if there.starts_with("# access_log syslog:") => line.replacen("# ", "", 1),
        there if there.starts_with("access_log ") && there.contains("cloakroom.log") => line.replacen("access_log", "# access_log", 1),
        _ => line.to_owned(),
    });
    lines.collect()
}

/// What asks for a password of the public directory becomes a comment.
fn without_passwords(text: &str) -> String {
    let is_about = |line: &str| line.trim_start().starts_with("auth_basic");
    text.split_inclusive('\n').map(|line| if is_about(line) { format!("# {line}") } else { line.to_owned() }).collect()
}

fn nginx(directory: &Path, main: &Path) -> Command {
    let mut command = Command::new("nginx");
    command.arg("-p").arg(directory).arg("-c").arg(main).arg("-e").arg(directory.join("log/error.log")).stdin(Stdio::null());
    command
}

/// Writes the configuration below `directory`; the path of its main file.
fn write(directory: &Path, port: u16, setup: &NginxSetup) -> PathBuf {
    for name in ["conf/cloakroom", "run", "downloads", "pub", "goods", "htpasswd", "log", "www/members", "tmp"] {
        fs::create_dir_all(directory.join(name)).unwrap();
    }
    let place = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf-examples/nginx");
    let mut seen = 0;
    for entry in fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "conf") {
            continue;
        }
        let text = fs::read_to_string(&path)
            .unwrap()
            .replace("/run/cloakroom", &place("run"))
            .replace("/srv/downloads", &place("downloads"))
            .replace("/srv/www/pub", &place("pub"))
            .replace("/srv/www/goods", &place("goods"))
            .replace("/var/lib/cloakroom-htpasswd", &place("htpasswd"))
            .replace("/var/log/nginx", &place("log"))
            .replace("/var/www/shop", &place("www"))
            .replace("listen 80;", &format!("listen 127.0.0.1:{port};\n{}", setup.server));
        let text = if setup.syslog { by_syslog(&text) } else { text };
        let text = if setup.passwords { text } else { without_passwords(&text) };
        let text = setup.instead.iter().fold(text, |text, (words, others)| text.replace(words, others));
        fs::write(directory.join("conf/cloakroom").join(path.file_name().unwrap()), text).unwrap();
        seen += 1;
    }
    assert!(seen >= 6, "{seen} example files");
    // As root the workers would be `nobody`, who cannot look into temporary directories.
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    let temporary: String = ["client_body", "proxy", "fastcgi", "scgi", "uwsgi"]
        .map(|what| format!("    {what}_temp_path {}/{what};\n", place("tmp")))
        .concat();
    let main = directory.join("conf/nginx.conf");
    let text = format!(
        "{user}\n{descriptors}daemon off;\nworker_processes {WORKERS};\npid {pid};\nerror_log {error} notice;\nevents {{ {connections} }}\nhttp {{\n{temporary}    access_log off;\n{http}\n    include cloakroom/cloakroom.conf;\n    include cloakroom/site.conf;\n}}\n",
        pid = place("nginx.pid"),
        error = place("log/error.log"),
        http = setup.http,
        // As many for the files that are sent, and as many for Cloakroom.
        descriptors = setup.connections.map_or_else(String::new, |most| format!("worker_rlimit_nofile {};\n", 3 * most)),
        connections = setup.connections.map_or_else(String::new, |most| format!("worker_connections {most};")),
    );
    fs::write(&main, text).unwrap();
    main
}

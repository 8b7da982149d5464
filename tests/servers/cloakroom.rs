//! The real daemon, with a configuration for a private nginx or Apache or alone, and its commands.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::apache::Apache;
use super::nginx::Nginx;
use super::program::{Program, Running};
use super::until;

/// A running daemon and its directory. Ends with this value.
pub struct Cloakroom {
    directory: TempDir,
    child: Option<Running>,
    /// What it logs goes into one file of these for each start: a line that was written before an answer is there with it.
    logs: TempDir,
    starts: usize,
    level: &'static str,
    /// What more stands in its environment when it is started.
    pub environment: Vec<(&'static str, String)>,
    /// A shell's words that run before the daemon in its place, if any: in a namespace of its own, say. They end with
    /// `exec "$0" "$@"`.
    pub inside: Option<(Vec<&'static str>, &'static str)>,
    /// What more stands behind `serve`.
    pub arguments: Vec<&'static str>,
    /// The user that it runs as; that of the test, where none is said.
    pub runs_as: Option<u32>,
    /// Sockets that it is started with, as systemd passes them, and their names; at most two.
    pub passed: Vec<(String, OwnedFd)>,
}

/// Puts standard input and output where systemd puts what it passes, and becomes the daemon. What it
/// prints on standard output is heard as its log then.
const PASS: &str = r#"exec 3<&0 0</dev/null; if [ "$LISTEN_FDS" = 2 ]; then exec 4>&1; fi; exec 1>&2; LISTEN_PID=$$ exec "$0" "$@""#;

impl Cloakroom {
    /// A daemon behind `nginx`: storage `masters`, a rule for `/members/`, key `main`, the feed, an API socket.
    /// `public_url` is `http://127.0.0.1:PORT/dl/`. `more` is added to the configuration.
    #[track_caller]
    pub fn behind(nginx: &Nginx, more: &str) -> Self {
        Self::fed(nginx, &format!("access_log = \"{}\"\n", nginx.access_log().display()), more)
    }

    /// The same with these lines under `[feed]`.
    #[track_caller]
    pub fn fed(nginx: &Nginx, feed: &str, more: &str) -> Self {
        Self::storing(nginx, "", &format!("[feed]\n{feed}\n{more}"))
    }

    /// The same with these lines under `[[storage]]`, and no feed but what `more` says.
    #[track_caller]
    pub fn storing(nginx: &Nginx, storage: &str, more: &str) -> Self {
        let text = format!(
            "[[listener]]\naddress = \"unix:{}\"\nmode = \"0666\"\ndialect = \"nginx\"\nserve = \"web\"\n\n\
             [[storage]]\nname = \"masters\"\npath = \"{}\"\nhandoff = \"/_cloakroom/masters/\"\n{storage}\n\
             [[rule]]\npath = \"/members/\"\naccept = [\"signed-url\"]\n\n{more}",
            nginx.socket().display(),
            nginx.downloads().display(),
        );
        Self::with(&format!("http://127.0.0.1:{}/dl/", nginx.port), &text)
    }

    /// A daemon behind `apache` in the protocols in which it asks: storage `masters`, a rule for `/members/`, key `main`, an API
    /// socket, and no feed but what `more` says.
    #[track_caller]
    pub fn behind_apache(apache: &Apache, more: &str) -> Self {
        Self::storing_behind_apache(apache, "", more)
    }

    /// The same with these lines under `[[storage]]`.
    #[track_caller]
    pub fn storing_behind_apache(apache: &Apache, storage: &str, more: &str) -> Self {
        let (protocol, socket) = apache.downloads_to();
        let text = format!(
            "[[listener]]\naddress = \"127.0.0.1:{}\"\ndialect = \"apache\"\nprotocol = \"fastcgi\"\nsecret = \"{}\"\n\n\
             [[listener]]\naddress = \"unix:{}\"\nmode = \"0666\"\ndialect = \"apache\"\nprotocol = \"{protocol}\"\n\n\
             [[storage]]\nname = \"masters\"\npath = \"{}\"\nhandoff = \"/_cloakroom/masters/\"\n{storage}\n\
             [[rule]]\npath = \"/members/\"\naccept = [\"signed-url\"]\n\n{more}",
            apache.authorizer,
            apache.secret().display(),
            socket.display(),
            apache.downloads().display(),
        );
        Self::with(&format!("http://127.0.0.1:{}/dl/", apache.port), &text)
    }

    /// A daemon with `[server]`, the key `main` and an API socket; all else is `more`.
    #[track_caller]
    pub fn with(public_url: &str, more: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let root = directory.path().display();
        let text = format!(
            "[server]\nstate_dir = \"{root}\"\npublic_url = \"{public_url}\"\n\n\
             [[key]]\nid = \"main\"\nfile = \"keys/main\"\nuse = \"sign\"\n\n\
             [[listener]]\naddress = \"unix:{root}/api.sock\"\nserve = \"api\"\n\n{more}"
        );
        fs::write(directory.path().join("cloakroom.toml"), text).unwrap();
        let mut daemon = Self {
            directory,
            child: None,
            logs: TempDir::new().unwrap(),
            starts: 0,
            level: "info",
            environment: Vec::new(),
            inside: None,
            arguments: Vec::new(),
            runs_as: None,
            passed: Vec::new(),
        };
        let made = daemon.command(&["key", "new", "main"]);
        assert!(made.status.success(), "{made:?}");
        daemon.start();
        daemon
    }

    /// Starts it again after [`Cloakroom::kill`] or [`Cloakroom::stop`], and waits until its commands reach it.
    #[track_caller]
    pub fn start(&mut self) {
        self.launch();
        until("the daemon answers", || {
            assert!(!self.has_ended(), "the daemon ended: {:#?}", self.log());
            self.command(&["delivery", "list"]).status.success().then_some(())
        });
    }

    /// Whether it ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.as_mut().expect("it was started").try_wait().unwrap().is_some()
    }

    /// Starts it and waits for nothing.
    #[track_caller]
    pub fn launch(&mut self) {
        let mut sockets = self.passed.iter().map(|(_, socket)| Stdio::from(socket.try_clone().unwrap()));
        let (first, second) = (sockets.next(), sockets.next());
        assert!(sockets.next().is_none(), "at most two");
        let mut program = if let Some(first) = first {
            let names: Vec<&str> = self.passed.iter().map(|(name, _)| name.as_str()).collect();
            let mut program = Program::through("sh", &["-c", PASS]);
            program.env("LISTEN_FDS", names.len().to_string()).env("LISTEN_FDNAMES", names.join(":")).stdin(first);
            program
        } else if let Some(user) = self.runs_as {
            Program::through("setpriv", &[&format!("--reuid={user}"), &format!("--regid={user}"), "--clear-groups"])
        } else if let Some((words, script)) = &self.inside {
            let script = ["sh", "-c", script];
            Program::through(words[0], &[&words[1..], &script].concat())
        } else {
            Program::new()
        };
        if let Some(second) = second {
            program.stdout_to(second);
        }
        program.arg("--config").arg(self.config()).arg("serve").args(&self.arguments).env("CLOAKROOM_LOG", self.level);
        self.starts += 1;
        program.stderr_into(&self.log_of(self.starts));
        for (name, value) in &self.environment {
            program.env(name, value);
        }
        self.child = Some(program.spawn());
    }

    /// Starts it again, saying everything that it can say.
    #[track_caller]
    pub fn talk(&mut self) {
        self.stop();
        self.level = "trace";
        self.start();
    }

    /// The configuration's file.
    pub fn config(&self) -> PathBuf {
        self.directory.path().join("cloakroom.toml")
    }

    /// The state directory.
    pub fn state(&self) -> &Path {
        self.directory.path()
    }

    /// The daemon's process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Everything that it logged so far, in whole lines.
    pub fn log(&self) -> Vec<String> {
        let texts = (1..=self.starts).map(|start| fs::read(self.log_of(start)).unwrap());
        let whole = |text: Vec<u8>| text.iter().rposition(|byte| *byte == b'\n').map(|end| text[..end].to_owned());
        let lines = |text: Vec<u8>| String::from_utf8(text).unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
        texts.filter_map(whole).flat_map(lines).collect()
    }

    fn log_of(&self, start: usize) -> PathBuf {
        self.logs.path().join(start.to_string())
    }

    /// Waits for a log line with all of these words.
    #[track_caller]
    pub fn logged(&self, words: &[&str]) -> String {
        until(&format!("a log line with {words:?}"), || self.log().into_iter().find(|line| words.iter().all(|word| line.contains(word))))
    }

    /// How many lines of its log have all of these words.
    pub fn said(&self, words: &[&str]) -> usize {
        self.log().iter().filter(|line| words.iter().all(|word| line.contains(word))).count()
    }

    /// How its deliveries stand.
    #[track_caller]
    pub fn states(&self) -> Vec<String> {
        let list = self.json(&["delivery", "list"]);
        let rows = list.as_array().or_else(|| list["deliveries"].as_array()).unwrap();
        rows.iter().map(|delivery| delivery["state"].as_str().unwrap().to_owned()).collect()
    }

    /// Runs a command with its configuration.
    pub fn command(&self, arguments: &[&str]) -> Output {
        Program::configured(&self.config()).args(arguments).output()
    }

    /// Runs a command that must succeed, and gives what it printed, without the last line end.
    #[track_caller]
    pub fn say(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Runs a command with `--json` that must succeed.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.say(&[arguments, &["--json"]].concat())).unwrap()
    }

    /// A URL signed for an hour.
    #[track_caller]
    pub fn sign(&self, what: &str) -> String {
        self.say(&["sign", what, "--for", "1h"])
    }

    /// A grant for a file: the URL of its link.
    #[track_caller]
    pub fn link(&self, file: &str, max: u32) -> String {
        self.say(&["grant", "add", "--file", file, "--max", &max.to_string()])
    }

    /// Ends it at once, as a power cut would.
    pub fn kill(&mut self) {
        self.end(Signal::KILL);
    }

    /// Asks it to stop, waits until it did, and gives whether it ended well.
    pub fn stop(&mut self) -> bool {
        self.end(Signal::TERM)
    }

    #[track_caller]
    fn end(&mut self, signal: Signal) -> bool {
        let Some(mut child) = self.child.take() else { return true };
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        let _ = kill_process(pid, signal);
        let ended = child.wait().unwrap();
        if !std::thread::panicking() {
            child.search(ended);
        }
        ended.success()
    }
}

impl Drop for Cloakroom {
    fn drop(&mut self) {
        self.end(Signal::KILL);
        // A panic anywhere is a fault of the program, whatever the test was about. Secrets were looked for at its end.
        if !std::thread::panicking() {
            let panics: Vec<String> = self.log().into_iter().filter(|line| line.contains("panicked")).collect();
            assert!(panics.is_empty(), "{panics:#?}");
        }
    }
}

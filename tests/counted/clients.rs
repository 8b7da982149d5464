//! Programs that customers download with, and how they break off.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Barrier;
use std::thread;

use tempfile::TempDir;

use crate::servers::until;

/// A customer: a directory to download into, and a cookie jar in it.
pub struct Customer(TempDir);

impl Customer {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Where the download lies.
    pub fn file(&self) -> PathBuf {
        self.0.path().join("album.zip")
    }

    /// The bytes that arrived.
    pub fn got(&self) -> Vec<u8> {
        fs::read(self.file()).unwrap_or_default()
    }

    /// `curl` that follows the link, says nothing, and resumes what is there.
    pub fn curl(&self, url: &str) -> Command {
        let mut curl = self.program("curl");
        curl.args(["-sS", "-L", "--fail", "-C", "-", "-o"]).arg(self.file()).arg(url);
        curl
    }

    /// The same, with a cookie jar.
    pub fn curl_with_jar(&self, url: &str) -> Command {
        let mut curl = self.curl(url);
        let jar = self.0.path().join("jar");
        curl.arg("-b").arg(&jar).arg("-c").arg(&jar);
        curl
    }

    /// `curl` as above, from another address of loopback.
    pub fn curl_from(&self, address: &str, url: &str) -> Command {
        let mut curl = self.curl(url);
        curl.args(["--interface", address]);
        curl
    }

    /// `wget` that resumes what is there. It keeps cookies in memory, for one run.
    pub fn wget(&self, url: &str) -> Command {
        let mut wget = self.program("wget");
        wget.args(["-q", "-c", "--tries=1", "-O"]).arg(self.file()).arg(url);
        wget
    }

    /// `aria2c` with sixteen connections, which notes each second how far it is and resumes from there.
    pub fn aria2c(&self, url: &str) -> Command {
        let mut aria = self.program("aria2c");
        aria.args(["--no-conf", "-q", "-c", "-x16", "-s16", "-k1M", "--file-allocation=none"]);
        aria.args(["--auto-save-interval=1", "--max-tries=1", "-d"]).arg(self.0.path()).args(["-o", "album.zip"]).arg(url);
        aria
    }

    /// What aria2c noted last.
    pub fn control_file(&self) -> Vec<u8> {
        fs::read(self.0.path().join("album.zip.aria2")).unwrap_or_default()
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        // No proxy or start file of whoever runs the tests.
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.0.path());
        command.current_dir(self.0.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// Runs it to its end, which must be good.
#[track_caller]
pub fn whole(mut command: Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} (tests/run installs it): {error}"));
    assert!(output.status.success(), "{command:?}: {output:?}");
}

/// Runs it to its end, whatever that is.
#[track_caller]
pub fn ends(mut command: Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?} (tests/run installs it): {error}"))
}

/// Runs it until `enough`, then kills it as `kill -9` does.
#[track_caller]
pub fn killed_when(command: Command, enough: impl Fn() -> bool) {
    let name = format!("{command:?}");
    assert_eq!(runs_until(command, enough), None, "{name} ended before it was killed");
}

/// Runs it to its end, which is given, or until `enough`, and then kills it.
#[track_caller]
pub fn runs_until(mut command: Command, enough: impl Fn() -> bool) -> Option<ExitStatus> {
    let mut child: Child = command.spawn().unwrap_or_else(|error| panic!("{command:?} (tests/run installs it): {error}"));
    let ended = until("enough bytes to be killed after", || match child.try_wait().unwrap() {
        Some(ended) => Some(Some(ended)),
        None => enough().then_some(None),
    });
    if ended.is_none() {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    ended
}

/// Kills it once `file` has so many bytes.
#[track_caller]
pub fn killed_after(command: Command, file: &Path, bytes: u64) {
    killed_when(command, || fs::metadata(file).is_ok_and(|there| there.len() >= bytes));
}

/// Many at the same moment; what each of them came to.
pub fn at_once<T: Send>(clients: usize, ask: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(clients);
    thread::scope(|scope| {
        let asking: Vec<_> = (0..clients)
            .map(|number| {
                let (start, ask) = (&start, &ask);
                scope.spawn(move || {
                    start.wait();
                    ask(number)
                })
            })
            .collect();
        asking.into_iter().map(|client| client.join().unwrap()).collect()
    })
}

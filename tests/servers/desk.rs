//! What every test does at a site, whichever web server it has: files are put there, URLs signed by a second hand, the
//! server asked; and no log may hold what was secret in it.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};

use super::cloakroom::Cloakroom;
use super::home::Home;
use super::http::{Answer, ask};
use super::site::{NAME, signature};

/// The daemon, and where the web server before it listens and finds its files.
pub struct Desk {
    pub cloakroom: Cloakroom,
    /// Where the web server listens, on 127.0.0.1.
    pub port: u16,
    /// The directory of the masters.
    pub downloads: PathBuf,
    /// The site's document root.
    pub root: PathBuf,
    secrets: RefCell<Vec<String>>,
}

impl Desk {
    pub fn new(cloakroom: Cloakroom, home: &Home) -> Self {
        let key = fs::read_to_string(cloakroom.state().join("keys/main")).unwrap().trim().to_owned();
        Self { cloakroom, port: home.port, downloads: home.downloads(), root: home.root(), secrets: RefCell::new(vec![key]) }
    }

    /// Puts a file into the storage, whole at once, as a careful person replaces one.
    pub fn master(&self, name: &str, bytes: &[u8]) -> PathBuf {
        place(&self.downloads, name, bytes)
    }

    /// Puts a file below the site's document root.
    pub fn page(&self, name: &str, bytes: &[u8]) -> PathBuf {
        place(&self.root, name, bytes)
    }

    /// What `cloakroom sign` prints, from its path on.
    #[track_caller]
    pub fn sign(&self, what: &str, more: &[&str]) -> String {
        let url = self.cloakroom.say(&[&["sign", what], more].concat());
        self.target(&url)
    }

    /// The path and query of a URL of this site.
    #[track_caller]
    pub fn target(&self, url: &str) -> String {
        let target = url.strip_prefix(&format!("http://{NAME}:{}", self.port));
        self.remember(target.unwrap_or_else(|| panic!("{url} is of another site")))
    }

    /// Signs with the key `main`, as anybody could who read how: `path` encoded, `query` up to the signature.
    pub fn mint(&self, path: &str, query: &str) -> String {
        let key = fs::read_to_string(self.cloakroom.state().join("keys/main")).unwrap();
        self.remember(&format!("{path}?{query}&sig={}", signature(&key, path, query)))
    }

    /// Asks nginx. What is secret in the question may stand in no log.
    #[track_caller]
    pub fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
        self.remember(target);
        let answer = ask(self.port, method, target, headers);
        if let Some(location) = answer.header("Location") {
            self.remember(location);
        }
        answer
    }

    #[track_caller]
    pub fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, &[])
    }

    /// Adds what is secret in `target` to what no log may hold, and gives it back.
    pub fn remember(&self, target: &str) -> String {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let signatures = query.split('&').filter_map(|pair| pair.strip_prefix("sig="));
        let tokens = ["/dl/l/", "/dl/d/", "/dl/s/", "/dl/o/"].into_iter().filter_map(|under| path.split_once(under)?.1.split('/').next());
        let jwts = query.split('&').filter_map(|pair| pair.strip_prefix("jwt="));
        let jwts = jwts.flat_map(|token| [token, token.rsplit('.').next().unwrap_or_default()]);
        // What is shorter than a token may be any word.
        self.secrets.borrow_mut().extend(signatures.chain(tokens).chain(jwts).filter(|secret| secret.len() >= 40).map(str::to_owned));
        target.to_owned()
    }

    /// Ends the daemon, and fails the test if it does not end well, or if a log holds a secret that went through the site.
    #[track_caller]
    pub fn close(&mut self, home: &Home) {
        // It has said everything once it has ended.
        assert!(self.cloakroom.stop(), "the daemon ends well");
        let logs = [("the web server's report", home.reported().join("\n")), ("the web server's error log", home.error_log())];
        self.assert_clean_logs(&logs);
    }

    /// Fails the test if one of these logs, or the daemon's, holds the key, a signature or a token.
    #[track_caller]
    pub fn assert_clean_logs(&self, logs: &[(&str, String)]) {
        let own = [("the daemon's log", self.cloakroom.log().join("\n"))];
        let secrets = self.secrets.borrow();
        assert!(secrets.first().is_some_and(|key| key.len() >= 43), "the key is among the secrets");
        for (name, text) in own.iter().chain(logs) {
            for secret in secrets.iter() {
                let line = text.lines().find(|line| line.contains(secret));
                assert_eq!(line, None, "{name} holds a secret");
            }
        }
    }
}

fn place(root: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let aside = root.join(".aside");
    fs::write(&aside, bytes).unwrap();
    fs::rename(aside, &path).unwrap();
    path
}

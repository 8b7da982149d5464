//! A whole site: the real nginx, the real daemon behind it, URLs signed by a second hand, and a look into every log at
//! the end.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::cloakroom::Cloakroom;
use super::http::{Answer, ask};
use super::nginx::{Nginx, NginxSetup};
use super::until;

/// The site's name, as `cloakroom` takes it from its `public_url`.
pub const NAME: &str = "127.0.0.1";

/// Both servers. When this value ends, no log may hold a secret that went through it.
pub struct Site {
    pub cloakroom: Cloakroom,
    pub nginx: Nginx,
    secrets: RefCell<Vec<String>>,
}

impl Site {
    /// As [`Cloakroom::behind`].
    #[track_caller]
    pub fn open() -> Self {
        Self::with("")
    }

    /// With more lines in `cloakroom.toml`.
    #[track_caller]
    pub fn with(more: &str) -> Self {
        Self::around(&NginxSetup::default(), more)
    }

    /// With more lines in nginx's configuration too.
    #[track_caller]
    pub fn around(setup: &NginxSetup, more: &str) -> Self {
        let nginx = Nginx::start(setup);
        let cloakroom = Cloakroom::behind(&nginx, more);
        Self::of(nginx, cloakroom)
    }

    /// With more lines under `[[storage]]` and in `cloakroom.toml`, and no feed but what these say.
    #[track_caller]
    pub fn storing(setup: &NginxSetup, storage: &str, more: &str) -> Self {
        let nginx = Nginx::start(setup);
        let cloakroom = Cloakroom::storing(&nginx, storage, more);
        Self::of(nginx, cloakroom)
    }

    /// With the public directory of the examples, `pub`, and stubs in it as the method of the policy `default`, which holds
    /// `policy`, too. Reports come from nginx's log if `is_measured`.
    #[track_caller]
    pub fn with_stubs(setup: &NginxSetup, policy: &str, is_measured: bool) -> Self {
        let nginx = Nginx::start(setup);
        let more = if is_measured { format!("[feed]\naccess_log = \"{}\"\n", nginx.access_log().display()) } else { String::new() };
        let more = format!(
            "[[directory]]\nname = \"pub\"\npath = \"{}\"\nurl = \"/pub/\"\n\n\
             [[policy]]\nname = \"default\"\n{policy}\n\n{more}",
            nginx.public().display()
        );
        let cloakroom = Cloakroom::storing(&nginx, "stub = \"pub\"\n", &more);
        Self::of(nginx, cloakroom)
    }

    /// The same with the directory `goods`, which asks for a password, and copies in it.
    #[track_caller]
    pub fn with_copies(policy: &str, is_measured: bool) -> Self {
        let nginx = Nginx::start(&NginxSetup { passwords: true, ..NginxSetup::default() });
        let (path, directory) = (nginx.goods(), format!("htpasswd = \"{}\"", nginx.htpasswd().display()));
        Self::copying_to(nginx, &path, &directory, policy, is_measured)
    }

    /// The same with another directory at the place of `goods`, which holds `directory`, too.
    #[track_caller]
    pub fn copying_to(nginx: Nginx, path: &Path, directory: &str, policy: &str, is_measured: bool) -> Self {
        let more = if is_measured { format!("[feed]\naccess_log = \"{}\"\n", nginx.access_log().display()) } else { String::new() };
        let more = format!(
            "[[directory]]\nname = \"goods\"\npath = \"{}\"\nurl = \"/goods/\"\n{directory}\n\
             [[policy]]\nname = \"default\"\nmethod = [\"copy\"]\n{policy}\n\n{more}",
            path.display()
        );
        let cloakroom = Cloakroom::storing(&nginx, "copy = \"goods\"\n", &more);
        Self::of(nginx, cloakroom)
    }

    fn of(nginx: Nginx, cloakroom: Cloakroom) -> Self {
        let key = fs::read_to_string(cloakroom.state().join("keys/main")).unwrap().trim().to_owned();
        Self { cloakroom, nginx, secrets: RefCell::new(vec![key]) }
    }

    /// Puts a file into the storage, whole at once, as a careful person replaces one.
    pub fn master(&self, name: &str, bytes: &[u8]) -> PathBuf {
        place(&self.nginx.downloads(), name, bytes)
    }

    /// Puts a file below the site's document root.
    pub fn page(&self, name: &str, bytes: &[u8]) -> PathBuf {
        place(&self.nginx.root(), name, bytes)
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
        let target = url.strip_prefix(&format!("http://{NAME}:{}", self.nginx.port));
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
        let answer = ask(self.nginx.port, method, target, headers);
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

    /// Fails the test if a log holds the key, a signature or a token.
    #[track_caller]
    fn assert_clean_logs(&self) {
        let logs = [
            ("the daemon's log", self.cloakroom.log().join("\n")),
            ("nginx's report", self.nginx.reported().join("\n")),
            ("nginx's error log", self.nginx.error_log()),
        ];
        let secrets = self.secrets.borrow();
        assert!(secrets.first().is_some_and(|key| key.len() >= 43), "the key is among the secrets");
        for (name, text) in logs {
            for secret in secrets.iter() {
                let line = text.lines().find(|line| line.contains(secret));
                assert_eq!(line, None, "{name} holds a secret");
            }
        }
    }

    /// Fails the test unless nginx reported exactly `lines` deliveries.
    #[track_caller]
    pub fn assert_reported(&self, lines: usize) {
        until("the report", || (self.nginx.reported().len() >= lines).then_some(()));
        assert_eq!(self.nginx.reported().len(), lines, "{:#?}", self.nginx.reported());
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // It has said everything once it has ended.
            assert!(self.cloakroom.stop(), "the daemon ends well");
            self.assert_clean_logs();
            self.nginx.assert_calm();
        }
    }
}

/// The signature of `path?query` for this site, under a key as its file has it.
pub fn signature(key: &str, path: &str, query: &str) -> String {
    // Padded or not: the padding of 32 bytes is one `=`.
    let key = URL_SAFE.decode(format!("{}=", key.trim().trim_end_matches('='))).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("cloakroom-1\n{NAME}\n{path}?{query}").as_bytes());
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}

/// The path as README says it is signed: unreserved characters and `/` as they are, all else `%XX`.
pub fn encoded(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// `length` bytes of which no two stretches are alike.
pub fn content(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn place(root: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let aside = root.join(".aside");
    fs::write(&aside, bytes).unwrap();
    fs::rename(aside, &path).unwrap();
    path
}

//! A whole site: the real nginx, or the real Apache, the real daemon behind it, URLs signed by a second hand, and a look into every log at
//! the end.

use std::ops::{Deref, DerefMut};
use std::os::unix::fs::symlink;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::apache::{Apache, ApacheSetup};
use super::cloakroom::Cloakroom;
use super::desk::Desk;
use super::nginx::{Nginx, NginxSetup};
use super::until;

/// The site's name, as `cloakroom` takes it from its `public_url`.
pub const NAME: &str = "127.0.0.1";

/// Both servers. When this value ends, no log may hold a secret that went through it.
pub struct Site {
    desk: Desk,
    pub nginx: Nginx,
}

impl Deref for Site {
    type Target = Desk;

    fn deref(&self) -> &Desk {
        &self.desk
    }
}

impl DerefMut for Site {
    fn deref_mut(&mut self) -> &mut Desk {
        &mut self.desk
    }
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
        Self { desk: Desk::new(cloakroom, &nginx), nginx }
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
            self.desk.close(&self.nginx);
            self.nginx.assert_calm();
        }
    }
}

/// A site whose web server is Apache. When this value ends, no log may hold a secret that went through it.
pub struct ApacheSite {
    desk: Desk,
    pub apache: Apache,
}

impl Deref for ApacheSite {
    type Target = Desk;

    fn deref(&self) -> &Desk {
        &self.desk
    }
}

impl DerefMut for ApacheSite {
    fn deref_mut(&mut self) -> &mut Desk {
        &mut self.desk
    }
}

impl ApacheSite {
    /// With these examples, and more lines in `cloakroom.toml`; as [`Cloakroom::behind_apache`].
    #[track_caller]
    pub fn around(setup: &ApacheSetup, more: &str) -> Self {
        let apache = Apache::start(setup);
        let cloakroom = Cloakroom::behind_apache(&apache, more);
        symlink(cloakroom.config(), apache.configuration()).unwrap();
        Self { desk: Desk::new(cloakroom, &apache), apache }
    }
}

impl Drop for ApacheSite {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.desk.close(&self.apache);
            self.apache.assert_calm();
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

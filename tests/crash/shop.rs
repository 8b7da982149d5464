//! A shop whose daemon can be killed at any moment, and what its API says.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::servers::cloakroom::Cloakroom;
use crate::servers::nginx::{Nginx, NginxSetup};
use crate::servers::until;

/// nginx, the daemon, and a small and a larger file.
pub struct Shop {
    pub nginx: Nginx,
    pub cloakroom: Cloakroom,
}

/// The files: their names and sizes. At 1 MB/s the larger one is sent over two seconds.
pub const FILES: [(&str, u64); 2] = [("small.bin", 20_000), ("large.bin", 1_500_000)];

impl Shop {
    /// Opens one; `policy` stands in the policy `default`, and `more` at the end of the configuration.
    #[track_caller]
    pub fn open(policy: &str, more: &str) -> Self {
        let nginx = Nginx::start(&NginxSetup::default());
        for (name, size) in FILES {
            let bytes: Vec<u8> = (0..size).map(|at| u8::try_from((at * 31 + at / 251) % 256).unwrap()).collect();
            fs::write(nginx.downloads().join(name), bytes).unwrap();
        }
        let cloakroom = Cloakroom::behind(&nginx, &format!("[[policy]]\nname = \"default\"\n{policy}\n{more}"));
        Self { nginx, cloakroom }
    }

    /// The store's file.
    pub fn file(&self) -> PathBuf {
        self.cloakroom.state().join("cloakroom.db")
    }

    /// Kills the daemon, starts it again and waits until it listens.
    #[track_caller]
    pub fn crash(&mut self) {
        self.cloakroom.kill();
        self.cloakroom.launch();
        self.listens();
    }

    /// Waits until the daemon takes connections.
    #[track_caller]
    pub fn listens(&mut self) {
        let (api, web) = (self.cloakroom.state().join("api.sock"), self.nginx.socket());
        until("the daemon listens", || {
            assert!(!self.cloakroom.has_ended(), "the daemon ended: {:#?}", self.cloakroom.log());
            (UnixStream::connect(&api).is_ok() && UnixStream::connect(&web).is_ok()).then_some(())
        });
    }

    /// Asks the API; `None` when nobody answers, or not with 200.
    pub fn api(&self, method: &str, target: &str, body: &str) -> Option<Value> {
        let mut stream = UnixStream::connect(self.cloakroom.state().join("api.sock")).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        if !head.starts_with("HTTP/1.1 200") {
            return None;
        }
        serde_json::from_str(body).ok()
    }

    /// A link of `file` for `max` downloads: its grant, and its path at nginx.
    pub fn link(&self, file: &str, max: u32) -> Option<(String, String)> {
        let wanted = format!("{{\"file\":\"masters/{file}\",\"max_downloads\":\"{max}\"}}");
        let issued = self.api("POST", "/api/v1/grants", &wanted)?;
        let url = issued["url"].as_str().unwrap();
        let target = url.strip_prefix(&format!("http://127.0.0.1:{}", self.nginx.port)).unwrap();
        Some((issued["grant"]["id"].as_str().unwrap().to_owned(), target.to_owned()))
    }
}

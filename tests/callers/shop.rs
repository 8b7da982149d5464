//! A daemon whose API is reached over TCP, and callers of it.

use std::fmt::Write as _;
use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::servers::cloakroom::Cloakroom;
use crate::servers::free_port;
use crate::servers::http::{Answer, Download};

/// A daemon with one storage, one file, and the API on a port.
pub struct Shop {
    pub daemon: Cloakroom,
    pub port: u16,
    _masters: TempDir,
}

impl Shop {
    pub fn open() -> Self {
        Self::with("")
    }

    /// The same with more in its configuration.
    pub fn with(more: &str) -> Self {
        let masters = TempDir::new().unwrap();
        fs::write(masters.path().join("album.zip"), "the goods").unwrap();
        let port = free_port();
        let more = format!(
            "[[listener]]\naddress = \"127.0.0.1:0\"\ndialect = \"standalone\"\n\n\
             [[listener]]\naddress = \"127.0.0.1:{port}\"\nserve = \"api\"\n\n\
             [[storage]]\nname = \"masters\"\npath = \"{}\"\n\n\
             [[policy]]\nname = \"default\"\nmethod = [\"stream\"]\n\n{more}",
            masters.path().display()
        );
        Self { daemon: Cloakroom::with("https://shop.example/dl/", &more), port, _masters: masters }
    }

    /// A new key with these scopes: its text.
    #[track_caller]
    pub fn key(&self, name: &str, scopes: &[&str]) -> String {
        let mut arguments = vec!["apikey", "new", name];
        for scope in scopes {
            arguments.extend(["--scope", scope]);
        }
        self.daemon.say(&arguments)
    }

    /// Calls over TCP, with these headers.
    #[track_caller]
    pub fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: cloakroom\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        if !body.is_empty() {
            head.push_str("Content-Type: application/json\r\n");
        }
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        Download::send(self.port, format!("{head}\r\n{body}").as_bytes(), method == "HEAD").finish()
    }

    /// The same with a key.
    #[track_caller]
    pub fn by(&self, key: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.call(method, path, &[("Authorization", &format!("Bearer {key}"))], body)
    }

    /// A grant for the file, made with a key.
    #[track_caller]
    pub fn grant(&self, key: &str) -> Value {
        let made = self.by(key, "POST", "/api/v1/grants", Some(&json!({ "file": "masters/album.zip", "customer": "anna" })));
        assert_eq!(made.status, 200, "{made:?}");
        json_of(&made)
    }
}

/// The body of an answer.
#[track_caller]
pub fn json_of(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("no JSON: {answer:?}"))
}

/// The answer is a problem with this status, and with these words in its detail; gives it.
#[track_caller]
pub fn is_problem(answer: &Answer, status: u16, words: &[&str]) -> Value {
    assert_eq!((answer.status, answer.header("content-type")), (status, Some("application/problem+json")), "{answer:?}");
    let problem = json_of(answer);
    assert_eq!(problem["status"], status, "{problem}");
    for word in words {
        assert!(problem["detail"].as_str().unwrap().contains(word), "{word:?} is not in {problem}");
    }
    problem
}

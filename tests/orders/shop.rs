//! A shop that sells: products with files, and what it reports.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::servers::cloakroom::Cloakroom;
use crate::servers::free_port;
use crate::servers::site::{Site, content};

/// Bytes of each master.
pub(crate) const SIZE: usize = 20_000;

/// Adds the master `path` and gives its id in the catalogue.
#[track_caller]
pub(crate) fn file(site: &Site, path: &str) -> String {
    site.master(path, &content(SIZE));
    site.cloakroom.say(&["file", "add", &format!("masters/{path}")])
}

/// A shop that sells `set` (a book in two formats) and `poster` (one file for all, two for a size).
#[track_caller]
pub(crate) fn stocked(site: &Site) -> Vec<String> {
    let names = ["book.pdf", "book.epub", "poster.pdf", "large.pdf", "large.svg"];
    let files: Vec<String> = names.iter().map(|name| file(site, name)).collect();
    site.cloakroom.say(&["product", "add", "set", "--name", "The set", "--file", &files[0], "--file", &files[1]]);
    site.cloakroom.say(&["product", "add", "poster", "--file", &files[2]]);
    for file in &files[3..] {
        site.cloakroom.say(&["product", "attach", "poster", file, "--option", "size=large"]);
    }
    files
}

/// One call to the API; status and answer.
#[track_caller]
pub(crate) fn call(site: &Site, method: &str, path: &str, body: &Value) -> (u16, Value) {
    call_at(&site.cloakroom.state().join("api.sock"), method, path, body)
}

/// The same by the API's socket.
#[track_caller]
pub(crate) fn call_at(socket: &Path, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = body.to_string();
    let mut stream = UnixStream::connect(socket).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_else(|fault| panic!("{fault}: {answer}")))
}

/// Reports an order, which must be understood.
#[track_caller]
pub(crate) fn report(site: &Site, order: &Value) -> Value {
    let (status, answer) = call(site, "POST", "/api/v1/orders", order);
    assert_eq!(status, 200, "{answer}");
    for url in urls(&answer) {
        site.target(&url);
    }
    answer
}

/// An order of the set and a large poster.
pub(crate) fn two_products(state: &str) -> Value {
    json!({
        "external_id": "1001",
        "state": state,
        "customer": {"id": "7", "name": "Anna", "email": "anna@b.example"},
        "lines": [{"sku": "set"}, {"sku": "poster", "options": {"size": "large"}, "quantity": 2}]
    })
}

/// All grants of an answer, by line.
pub(crate) fn grants(order: &Value) -> Vec<Value> {
    order["lines"].as_array().unwrap().iter().flat_map(|line| line["grants"].as_array().unwrap().clone()).collect()
}

pub(crate) fn urls(order: &Value) -> Vec<String> {
    grants(order).iter().filter_map(|sold| sold["url"].as_str()).map(str::to_owned).collect()
}

/// What was sold, as the ids of its grants.
pub(crate) fn ids(order: &Value) -> Vec<String> {
    grants(order).iter().map(|sold| sold["grant"]["id"].as_str().unwrap().to_owned()).collect()
}

/// A shop with no web server in front, which sends its files itself.
pub(crate) struct Alone {
    pub(crate) files: TempDir,
    pub(crate) port: u16,
    /// What its URLs begin with.
    pub(crate) origin: String,
    pub(crate) cloakroom: Cloakroom,
}

impl Alone {
    pub(crate) fn open() -> Self {
        let files = tempfile::tempdir().unwrap();
        let port = free_port();
        let text = format!(
            "[[listener]]\naddress = \"127.0.0.1:{port}\"\ndialect = \"standalone\"\nserve = \"web\"\n\n\
             [[storage]]\nname = \"masters\"\npath = \"{}\"\n\n[[policy]]\nname = \"default\"\nmethod = [\"stream\"]\n",
            files.path().display()
        );
        let origin = format!("http://127.0.0.1:{port}");
        let cloakroom = Cloakroom::with(&format!("{origin}/dl/"), &text);
        Self { files, port, origin, cloakroom }
    }
}

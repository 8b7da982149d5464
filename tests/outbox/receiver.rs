//! Webhooks that hear: one of the test's own, which answers as it is told, and one in Python that speaks TLS and checks
//! signatures with the library of the standard.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use tempfile::TempDir;

use crate::servers::secrecy;
use crate::servers::until;

/// What a webhook does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Does {
    /// It answers so, with these lines of a header.
    Answers(u16, &'static str),
    /// It is busy, and asks to be left alone for so long, or until then.
    Asks(&'static str),
    /// It leads elsewhere.
    Redirects(String),
    /// It says nothing, and keeps the connection.
    Waits,
    /// It answers, and does not stop.
    Talks,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Heard {
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> String {
        let line = self.head.lines().find_map(|line| line.split_once(": ").filter(|(found, _)| found.eq_ignore_ascii_case(name)));
        line.unwrap_or_else(|| panic!("{name}: {self:?}")).1.to_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// What kind of event it tells.
    pub(crate) fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }
}

/// A webhook on loopback.
pub(crate) struct Receiver {
    pub(crate) port: u16,
    heard: Arc<Mutex<Vec<Heard>>>,
    does: Arc<Mutex<Does>>,
    secrets: TempDir,
}

/// A secret of 32 bytes.
fn secret(directory: &Path, name: &str) -> String {
    let secret = format!("whsec_{}", STANDARD.encode(format!("{name:_<32}")));
    let path = directory.join(name);
    fs::write(&path, format!("{secret}\n")).unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    secrecy::learn_password(&secret);
    secret
}

impl Receiver {
    pub(crate) fn open() -> Self {
        Self::at(0)
    }

    /// One that listens at this port, where nobody did.
    pub(crate) fn at(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        let receiver = Self {
            port: listener.local_addr().unwrap().port(),
            heard: Arc::default(),
            does: Arc::new(Mutex::new(Does::Answers(204, ""))),
            secrets: TempDir::new().unwrap(),
        };
        let (heard, does) = (Arc::clone(&receiver.heard), Arc::clone(&receiver.does));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (heard, does) = (Arc::clone(&heard), Arc::clone(&does));
                thread::spawn(move || drop(hear(stream.unwrap(), &heard, &does)));
            }
        });
        receiver
    }

    /// From now on it does this.
    pub(crate) fn does(&self, what: Does) {
        *self.does.lock().unwrap() = what;
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// The requests that told of this kind of event.
    pub(crate) fn told(&self, kind: &str) -> Vec<Heard> {
        self.heard().into_iter().filter(|heard| heard.kind() == kind).collect()
    }

    /// Waits until it has heard `count` of a kind.
    #[track_caller]
    pub(crate) fn until(&self, kind: &str, count: usize) -> Vec<Heard> {
        until(&format!("{count} of {kind}"), || Some(self.told(kind)).filter(|told| told.len() >= count))
    }

    /// Its section of the configuration, called `name`.
    pub(crate) fn section(&self, name: &str, events: &[&str], more: &str) -> String {
        secret(self.secrets.path(), name);
        section(name, &format!("http://127.0.0.1:{}/hooks?shop=1", self.port), events, &self.secrets.path().join(name), more)
    }

    /// Fails the test unless `heard` was signed with the secret of `name`, as the standard says.
    #[track_caller]
    pub(crate) fn assert_signed(&self, name: &str, heard: &Heard) {
        let secret = fs::read_to_string(self.secrets.path().join(name)).unwrap();
        let key = STANDARD.decode(secret.trim().strip_prefix("whsec_").unwrap()).unwrap();
        let text = format!("{}.{}.{}", heard.header("webhook-id"), heard.header("webhook-timestamp"), heard.body);
        let mac = Hmac::<Sha256>::new_from_slice(&key).unwrap().chain_update(text).finalize().into_bytes();
        assert_eq!(heard.header("webhook-signature"), format!("v1,{}", STANDARD.encode(mac)));
    }
}

/// The section of a webhook at `url`.
pub(crate) fn section(name: &str, url: &str, events: &[&str], secret: &Path, more: &str) -> String {
    format!("[[webhook]]\nname = \"{name}\"\nurl = \"{url}\"\nevents = {events:?}\nsecret = \"{}\"\n{more}\n", secret.display())
}

fn hear(stream: TcpStream, heard: &Mutex<Vec<Heard>>, does: &Mutex<Does>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut lines, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
        lines.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    // What it does is fixed before anybody sees that it heard.
    let what = does.lock().unwrap().clone();
    heard.lock().unwrap().push(Heard { head: lines, body: String::from_utf8(body).unwrap() });
    let mut stream = stream;
    match what {
        Does::Asks(pause) => write!(stream, "HTTP/1.1 429 X\r\nContent-Length: 0\r\nRetry-After: {pause}\r\n\r\n"),
        Does::Answers(status, more) => write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\n{more}\r\n"),
        Does::Redirects(to) => write!(stream, "HTTP/1.1 307 X\r\nContent-Length: 0\r\nLocation: {to}\r\n\r\n"),
        Does::Waits => {
            // Until the other side has had enough.
            let _ = stream.read(&mut [0; 1]);
            Ok(())
        }
        Does::Talks => {
            write!(stream, "HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            loop {
                write!(stream, "400\r\n{}\r\n", "a".repeat(1024))?;
            }
        }
    }
}

/// A webhook in Python, by TLS, whose certificate a CA of its own has signed. It answers 204 to what the library of the
/// standard finds good, and 400 to all else.
pub(crate) struct Verifier {
    child: Child,
    directory: TempDir,
    port: u16,
}

const VERIFIER: &str = r#"
import http.server, ssl, sys
sys.path.insert(0, sys.argv[2])
from standardwebhooks.webhooks import Webhook
secret = open(sys.argv[1] + "/verified").read().strip()
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            told = Webhook(secret).verify(body, dict(self.headers))
            status, line = 204, told["type"]
        except Exception as fault:
            status, line = 400, "refused: %r" % fault
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()
        with open(sys.argv[1] + "/heard", "a") as heard:
            heard.write(line + "\n")
server = http.server.HTTPServer(("127.0.0.1", 0), Hook)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1] + "/server.pem", sys.argv[1] + "/server.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
open(sys.argv[1] + "/port.new", "w").write(str(server.server_port))
import os
os.rename(sys.argv[1] + "/port.new", sys.argv[1] + "/port")
server.serve_forever()
"#;

impl Verifier {
    #[track_caller]
    pub(crate) fn open() -> Self {
        let directory = TempDir::new().unwrap();
        certificates(directory.path());
        secret(directory.path(), "verified");
        let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/oracles");
        assert!(library.join("standardwebhooks").is_dir(), "the library is there (tests/run installs it)");
        let child = Command::new("/usr/bin/python3")
            .args(["-c", VERIFIER])
            .arg(directory.path())
            .arg(&library)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let port = until("the verifier listens", || fs::read_to_string(directory.path().join("port")).ok()?.parse().ok());
        Self { child, directory, port }
    }

    /// Its section, called `verified`.
    pub(crate) fn section(&self, events: &[&str]) -> String {
        section("verified", &format!("https://localhost:{}/", self.port), events, &self.directory.path().join("verified"), "")
    }

    /// Who signed its certificate.
    pub(crate) fn authority(&self) -> String {
        self.directory.path().join("ca.pem").display().to_string()
    }

    /// What it heard: kinds of events that were signed well, and what else came.
    pub(crate) fn heard(&self) -> Vec<String> {
        fs::read_to_string(self.directory.path().join("heard")).unwrap_or_default().lines().map(str::to_owned).collect()
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A certificate for `localhost`, and the CA that signed it: `ca.pem`, `server.pem`, `server.key`.
#[track_caller]
pub(crate) fn certificates(directory: &Path) {
    let script = r"
set -e
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=test-ca
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout server.key -out server.csr -subj /CN=localhost
printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n' > ext
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out server.pem
chmod 644 server.key
";
    let made = Command::new("sh").args(["-c", script]).current_dir(directory).output().unwrap();
    assert!(made.status.success(), "{made:?}");
}

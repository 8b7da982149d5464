//! A plain HTTP/1.1 client that sends exactly what it is told and hides nothing of the answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::secrecy;

/// No answer of a test takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer as it came.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// Names as they were written, in their order.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The header's value; fails the test if it is there more than once.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(there, _)| there.eq_ignore_ascii_case(name));
        let first = values.next().map(|(_, value)| value.as_str());
        assert_eq!(values.next(), None, "{name} is there twice: {:?}", self.headers);
        first
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Asks with GET and waits for the whole answer.
#[track_caller]
pub fn get(port: u16, target: &str, headers: &[(&str, &str)]) -> Answer {
    ask(port, "GET", target, headers)
}

/// Asks with GET; `None` when there is no answer, or it breaks off.
pub fn try_get(port: u16, target: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n").as_bytes()).ok()?;
    let mut bytes = vec![];
    stream.read_to_end(&mut bytes).ok()?;
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Some(Answer { status, headers, body: bytes[end + 4..].to_vec() })
}

/// Asks with `method` and waits for the whole answer.
#[track_caller]
pub fn ask(port: u16, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
    Download::open(port, method, target, headers).finish()
}

/// An answer whose head has come and whose body is still coming. Dropping it hangs up.
pub struct Download {
    stream: BufReader<TcpStream>,
    pub answer: Answer,
    bodyless: bool,
}

impl Download {
    /// Asks, and reads the head of the answer.
    #[track_caller]
    pub fn open(port: u16, method: &str, target: &str, headers: &[(&str, &str)]) -> Self {
        let mut head = format!("{method} {target} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head.push_str("Host: shop.example\r\n");
        }
        for (name, value) in headers {
            if name.eq_ignore_ascii_case("authorization") {
                secrecy::learn_authorization(value);
            }
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("Connection: close\r\n\r\n");
        Self::send(port, head.as_bytes(), method == "HEAD")
    }

    /// Sends these bytes, and reads the head of the answer; `bodyless` for an answer to HEAD.
    #[track_caller]
    pub fn send(port: u16, request: &[u8], bodyless: bool) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(request).unwrap();
        Self::of(stream, bodyless)
    }

    /// Reads the head of the answer to what was sent on this connection.
    #[track_caller]
    pub fn of(stream: TcpStream, bodyless: bool) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut stream = BufReader::new(stream);
        let status = line(&mut stream);
        let status: u16 = status.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no status: {status:?}"));
        let mut headers = vec![];
        loop {
            let line = line(&mut stream);
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("no header: {line:?}"));
            if name.eq_ignore_ascii_case("location") {
                secrecy::learn_tokens(value);
            }
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let bodyless = bodyless || status == 304 || status == 204;
        Self { stream, answer: Answer { status, headers, body: vec![] }, bodyless }
    }

    /// Asks on a connection that stays open, and reads the whole answer and nothing behind it.
    #[track_caller]
    pub fn next_on(stream: &mut TcpStream, request: &[u8], bodyless: bool) -> Answer {
        stream.write_all(request).unwrap();
        let mut answered = Self::of(stream.try_clone().unwrap(), bodyless);
        if answered.bodyless {
            return answered.answer;
        }
        match answered.answer.header("content-length").map(|length| length.parse().unwrap()) {
            Some(length) => {
                answered.read(length);
            }
            None => answered.chunks(),
        }
        answered.answer
    }

    /// Reads until `bytes` bytes of the body are there.
    pub fn read(&mut self, bytes: usize) -> &mut Self {
        let mut more = vec![0; bytes - self.answer.body.len()];
        self.stream.read_exact(&mut more).unwrap();
        self.answer.body.append(&mut more);
        self
    }

    /// Reads the rest, and checks that it is as long as the head said.
    #[track_caller]
    pub fn finish(mut self) -> Answer {
        if self.bodyless {
            let mut rest = vec![];
            self.stream.read_to_end(&mut rest).unwrap();
            assert!(rest.is_empty(), "a body where there must be none: {rest:?}");
            return self.answer;
        }
        let chunked = self.answer.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
        if chunked {
            self.chunks();
        } else {
            self.stream.read_to_end(&mut self.answer.body).unwrap();
        }
        if let Some(length) = self.answer.header("content-length") {
            assert_eq!(length, self.answer.body.len().to_string(), "the body is as long as Content-Length says");
        }
        self.answer
    }

    fn chunks(&mut self) {
        loop {
            let size = line(&mut self.stream);
            let size = usize::from_str_radix(size.trim(), 16).unwrap_or_else(|_| panic!("no chunk: {size:?}"));
            let before = self.answer.body.len();
            self.read(before + size);
            assert_eq!(line(&mut self.stream), "");
            if size == 0 {
                return;
            }
        }
    }
}

fn line(stream: &mut impl BufRead) -> String {
    let mut line = vec![];
    stream.read_until(b'\n', &mut line).unwrap();
    let text = String::from_utf8_lossy(&line);
    text.trim_end_matches(['\r', '\n']).to_owned()
}

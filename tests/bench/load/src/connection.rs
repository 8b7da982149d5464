//! One connection: a question, and its answer.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// A longer head is no answer of ours.
const HEAD_BYTES_MAX: usize = 64 * 1024;

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// A connection that stays open.
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    read: Vec<u8>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The path of `Location`, if there is one.
    pub(crate) location: Option<String>,
}

impl Connection {
    /// Connects to `unix:PATH` or an address and port.
    pub(crate) async fn open(to: &str) -> io::Result<Self> {
        let stream: Box<dyn Stream> = if let Some(path) = to.strip_prefix("unix:") {
            Box::new(UnixStream::connect(path).await?)
        } else {
            let stream = TcpStream::connect(to).await?;
            stream.set_nodelay(true)?;
            Box::new(stream)
        };
        Ok(Self { stream, read: Vec::with_capacity(16 * 1024) })
    }

    /// Sends `question` and reads the whole answer.
    pub(crate) async fn ask(&mut self, question: &[u8]) -> io::Result<Answer> {
        self.stream.write_all(question).await?;
        self.read.clear();
        let (head, answer, body) = loop {
            self.more().await?;
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                let (answer, body) = understood(self.read.get(..end).unwrap_or_default())?;
                break (end + 4, answer, body);
            }
            if self.read.len() > HEAD_BYTES_MAX {
                return Err(odd("the head of the answer does not end"));
            }
        };
        while self.read.len() < head + body {
            self.more().await?;
        }
        if self.read.len() > head + body {
            return Err(odd("something stands behind the answer"));
        }
        Ok(answer)
    }

    async fn more(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.read).await? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was closed before the answer was whole")),
            _ => Ok(()),
        }
    }
}

/// The answer of a head, and the length of its body.
fn understood(head: &[u8]) -> io::Result<(Answer, usize)> {
    let head = std::str::from_utf8(head).map_err(|_| odd("the head of the answer is not text"))?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
    let status = status.ok_or_else(|| odd("the answer does not begin with a status"))?;
    let (mut location, mut length) = (None, None);
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().ok();
        } else if name.eq_ignore_ascii_case("location") {
            location = Some(path_of(value).to_owned());
        }
    }
    let length = length.ok_or_else(|| odd("the answer has no Content-Length"))?;
    Ok((Answer { status, location }, length))
}

/// What stands behind the origin, if there is one.
fn path_of(address: &str) -> &str {
    match address.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        None => address,
    }
}

fn odd(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_tells_status_length_and_where_to_go_on() {
        let read = |head: &str| understood(head.as_bytes()).map(|(answer, length)| (answer.status, answer.location, length)).ok();
        assert_eq!(read("HTTP/1.1 200 OK\r\nContent-Length: 12"), Some((200, None, 12)));
        let moved = "HTTP/1.1 303 See Other\r\nlocation: http://shop.example/dl/d/x/a.zip\r\ncontent-length: 0";
        assert_eq!(read(moved), Some((303, Some("/dl/d/x/a.zip".to_owned()), 0)));
        let mut seen = 0;
        for bad in ["", "HTTP/1.0 200 OK\r\nContent-Length: 1", "HTTP/1.1 x\r\nContent-Length: 1", "HTTP/1.1 200 OK"] {
            assert_eq!(read(bad), None, "{bad}");
            seen += 1;
        }
        assert_eq!(seen, 4);
    }
}

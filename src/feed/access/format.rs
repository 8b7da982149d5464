//! A `log_format` of the site's own: nginx's notation, read line by line.

use std::fmt;

use memchr::memmem;

use super::line::{self, LineFault};
use super::time;
use crate::domain::audit::{Hit, Method, Part, Sent};

/// More variables no log has.
const VARIABLES_MAX: usize = 128;

/// A `log_format`, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// What stands before the first variable.
    start: Vec<u8>,
    /// The variables, each with what stands behind it.
    variables: Vec<(Variable, Vec<u8>)>,
}

/// The variables that are read. Of two that say the same the later one counts, if it says anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variable {
    Client,
    Host,
    Local,
    Iso,
    Msec,
    Request,
    Method,
    Target,
    Arguments,
    Status,
    Sent,
    Agent,
    Completion,
    Range,
    Length,
    Encoding,
    Unread,
}

impl Variable {
    fn of(name: &str) -> Self {
        match name {
            "remote_addr" | "realip_remote_addr" | "http_x_real_ip" => Self::Client,
            "host" | "http_host" | "server_name" => Self::Host,
            "time_local" => Self::Local,
            "time_iso8601" => Self::Iso,
            "msec" => Self::Msec,
            "request" => Self::Request,
            "request_method" => Self::Method,
            "request_uri" | "uri" | "document_uri" => Self::Target,
            "args" | "query_string" => Self::Arguments,
            "status" => Self::Status,
            "body_bytes_sent" | "bytes_sent" => Self::Sent,
            "http_user_agent" => Self::Agent,
            "request_completion" => Self::Completion,
            "sent_http_content_range" => Self::Range,
            "sent_http_content_length" => Self::Length,
            "sent_http_content_encoding" => Self::Encoding,
            _ => Self::Unread,
        }
    }
}

/// What is wrong with a `log_format`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormatFault {
    /// `$` without a name.
    NoName,
    /// Nothing stands between this variable and the one behind it.
    NothingBehind(String),
    /// It has more variables than any log.
    TooMany,
    /// One of these variables is needed.
    Lacks(&'static str),
}

impl fmt::Display for FormatFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoName => f.write_str("a `$` in it has no name of a variable behind it"),
            Self::NothingBehind(name) => write!(f, "between `${name}` and the next variable nothing tells where the first ends"),
            Self::TooMany => write!(f, "it has more than {VARIABLES_MAX} variables"),
            Self::Lacks(what) => write!(f, "it must have {what}"),
        }
    }
}

impl std::error::Error for FormatFault {}

impl std::str::FromStr for Format {
    type Err = FormatFault;

    /// The text of nginx's `log_format`, its quoted pieces joined.
    fn from_str(text: &str) -> Result<Self, FormatFault> {
        let mut pieces = text.split('$');
        let start = pieces.next().unwrap_or_default().as_bytes().to_vec();
        let pieces: Vec<&str> = pieces.collect();
        if pieces.len() > VARIABLES_MAX {
            return Err(FormatFault::TooMany);
        }
        let mut variables = Vec::with_capacity(pieces.len());
        for (place, piece) in pieces.iter().enumerate() {
            let (name, behind) = named(piece).ok_or(FormatFault::NoName)?;
            if behind.is_empty() && place + 1 < pieces.len() {
                return Err(FormatFault::NothingBehind(name.to_owned()));
            }
            variables.push((Variable::of(name), behind.as_bytes().to_vec()));
        }
        let format = Self { start, variables };
        let needed: [(&[Variable], &str); 5] = [
            (&[Variable::Client], "$remote_addr"),
            (&[Variable::Local, Variable::Iso, Variable::Msec], "$time_local, $time_iso8601 or $msec"),
            (&[Variable::Request, Variable::Target], "$request or $request_uri"),
            (&[Variable::Status], "$status"),
            (&[Variable::Sent], "$body_bytes_sent or $bytes_sent"),
        ];
        match needed.iter().find(|(any, _)| !format.variables.iter().any(|(variable, _)| any.contains(variable))) {
            Some((_, what)) => Err(FormatFault::Lacks(what)),
            None => Ok(format),
        }
    }
}

/// The name of a variable, as it is or in braces, and what stands behind it.
fn named(piece: &str) -> Option<(&str, &str)> {
    let (name, behind) = match piece.strip_prefix('{') {
        Some(braced) => braced.split_once('}')?,
        None => piece.split_at(piece.find(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_').unwrap_or(piece.len())),
    };
    (!name.is_empty()).then_some((name, behind))
}

impl Format {
    /// What `line`, without its line end, tells.
    pub fn read<'a>(&self, line: &'a [u8]) -> Result<Hit<'a>, LineFault> {
        const OTHER: LineFault = LineFault::Lacks("text that the --format has");
        if line.len() > line::LINE_BYTES_MAX {
            return Err(LineFault::TooLong);
        }
        let mut rest = line.strip_prefix(self.start.as_slice()).ok_or(OTHER)?;
        let mut told = Told::default();
        for (variable, behind) in &self.variables {
            let end = if behind.is_empty() { rest.len() } else { memmem::find(rest, behind).ok_or(OTHER)? };
            let (value, after) = rest.split_at_checked(end).ok_or(OTHER)?;
            rest = after.get(behind.len()..).unwrap_or_default();
            told.take(*variable, value)?;
        }
        told.hit()
    }
}

/// The values of a line so far.
#[derive(Default)]
struct Told<'a> {
    at: Option<u64>,
    host: &'a [u8],
    client: &'a [u8],
    agent: &'a [u8],
    method: Option<Method>,
    path: Option<&'a [u8]>,
    query: Option<&'a [u8]>,
    status: Option<u16>,
    sent: Option<Sent>,
    completed: bool,
    range: Option<Part>,
    length: Option<u64>,
    encoded: bool,
}

impl<'a> Told<'a> {
    fn take(&mut self, variable: Variable, value: &'a [u8]) -> Result<(), LineFault> {
        // So nginx writes a variable that has no value.
        let empty = value.is_empty() || value == b"-";
        match variable {
            Variable::Unread => {}
            Variable::Local => self.at = Some(time::local(value).ok_or(LineFault::Odd("$time_local"))?),
            Variable::Iso => self.at = Some(time::iso(value).ok_or(LineFault::Odd("$time_iso8601"))?),
            Variable::Msec => self.at = Some(time::msec(value).ok_or(LineFault::Odd("$msec"))?),
            Variable::Status => self.status = Some(line::status(value).ok_or(LineFault::Odd("$status"))?),
            Variable::Sent => self.sent = Some(line::sent(value).ok_or(LineFault::Odd("number of bytes"))?),
            _ if empty => {}
            Variable::Client => self.client = value,
            Variable::Host => self.host = value,
            Variable::Agent => self.agent = value,
            Variable::Request => {
                let (method, path, query) = line::request_parts(value);
                (self.method, self.path, self.query) = (Some(method), Some(path), query);
            }
            Variable::Method => self.method = Some(Method::of(value)),
            Variable::Target => {
                let (path, query) = line::target_parts(value);
                (self.path, self.query) = (Some(path), query.or(self.query));
            }
            Variable::Arguments => self.query = Some(value),
            Variable::Completion => self.completed = value == b"OK",
            // A 416 tells the size alone: `bytes */300`.
            Variable::Range if value.starts_with(b"bytes */") => {}
            Variable::Range => self.range = Some(line::content_range(value).ok_or(LineFault::Odd("$sent_http_content_range"))?),
            Variable::Length => self.length = Some(line::number(value).ok_or(LineFault::Odd("$sent_http_content_length"))?),
            Variable::Encoding => self.encoded = value != b"identity",
        }
        Ok(())
    }

    fn hit(self) -> Result<Hit<'a>, LineFault> {
        let lacks = LineFault::Lacks;
        let (status, sent) = (self.status.ok_or(lacks("status"))?, self.sent.ok_or(lacks("number of bytes"))?);
        if self.client.is_empty() {
            return Err(lacks("client"));
        }
        let whole = || self.length.or_else(|| self.completed.then(|| sent.bytes()));
        let part = match status {
            _ if self.encoded => None,
            200 => whole().map(|total| Part { first: 0, end: total, total }),
            206 => self.range,
            _ => None,
        };
        Ok(Hit {
            at: self.at.ok_or(lacks("time"))?,
            host: self.host,
            path: self.path.unwrap_or_default(),
            query: self.query,
            client: self.client,
            agent: self.agent,
            delivery: None,
            method: self.method.unwrap_or(Method::Get),
            status,
            sent,
            part,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RICH: &str = r#"$remote_addr [$time_local] $http_host "$request" $status $body_bytes_sent "$sent_http_content_range" "${http_user_agent}" rt=$request_time"#;

    #[test]
    fn a_line_is_read_by_the_format_that_wrote_it() {
        let format: Format = RICH.parse().unwrap();
        let line = br#"2001:db8::1 [21/Nov/2026:23:02:10 +0000] shop.example "GET /a.zip?t=1 HTTP/1.1" 206 100 "bytes 200-299/300" "curl \x22x\x22" rt=0.004"#;
        let hit = format.read(line).unwrap();
        assert_eq!(
            (hit.client, hit.host, hit.path, hit.query),
            (&b"2001:db8::1"[..], &b"shop.example"[..], &b"/a.zip"[..], Some(&b"t=1"[..]))
        );
        assert_eq!((hit.status, hit.sent, hit.part), (206, Sent::Bytes(100), Some(Part { first: 200, end: 300, total: 300 })));
        assert_eq!((hit.agent, hit.at), (&br"curl \x22x\x22"[..], 1_795_302_130));
        let json: Format = r#"{"t":"$msec","a":"$remote_addr","m":"$request_method","u":"$request_uri","s":"$status","b":"$body_bytes_sent","d":"$request_completion"}"#
            .parse()
            .unwrap();
        let line = br#"{"t":"1795293130.948","a":"::1","m":"GET","u":"/a.zip","s":"200","b":"300","d":"OK"}"#;
        assert_eq!(json.read(line).unwrap().part, Some(Part { first: 0, end: 300, total: 300 }));
        let line = br#"{"t":"1795293130.948","a":"::1","m":"GET","u":"/a.zip","s":"200","b":"299","d":""}"#;
        assert_eq!(json.read(line).unwrap().part, None);
    }

    #[test]
    fn a_line_of_another_format_is_a_fault() {
        let format: Format = RICH.parse().unwrap();
        for bad in [
            "",
            "x",
            r#"::1 [21/Nov/2026:23:02:10 +0000] h "GET / HTTP/1.1" 200"#,
            r#"::1 [yesterday] h "GET / HTTP/1.1" 200 1 "-" "-" rt=0"#,
            r#"::1 [21/Nov/2026:23:02:10 +0000] h "GET / HTTP/1.1" 2000 1 "-" "-" rt=0"#,
            r#"::1 [21/Nov/2026:23:02:10 +0000] h "GET / HTTP/1.1" 200 1 "bytes 3-2/1" "-" rt=0"#,
            r#"- [21/Nov/2026:23:02:10 +0000] h "GET / HTTP/1.1" 200 1 "-" "-" rt=0"#,
        ] {
            assert!(format.read(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_format_that_cannot_be_read_says_why() {
        for (text, why) in [
            ("$remote_addr$status", "between `$remote_addr`"),
            ("$ $status", "no name"),
            ("$remote_addr", "$time_local"),
            ("$remote_addr [$time_local] $status $request", "$body_bytes_sent"),
            ("", "$remote_addr"),
        ] {
            let fault = text.parse::<Format>().unwrap_err().to_string();
            assert!(fault.contains(why), "{text}: {fault}");
        }
        assert_eq!("$a ".repeat(200).parse::<Format>(), Err(FormatFault::TooMany));
    }
}

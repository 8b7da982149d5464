//! One line of a log that `conf-examples/nginx/cloakroom.conf` makes nginx write: one JSON object a line, version 1,
//! every value a string. A request of a delivery names it by `delivery`; one in a public directory, which Cloakroom did not
//! see, says by `path` (`$uri`) what was asked for, and by `agent` who asked.

use std::borrow::Cow;

use serde::Deserialize;

use super::line::{Head, LineFault, PublicReport, Told, WebServer, agent, merged, number, status};
use crate::domain::account::Reported;
use crate::domain::client::Client;
use crate::domain::delivery::Report;
use crate::domain::id::RequestId;
use crate::domain::moment::Moment;

/// The version of the format that is read.
pub(super) const VERSION: &str = "1";

/// The keys that are read; others may stand beside them.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    v: Cow<'a, str>,
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(borrow)]
    request: Cow<'a, str>,
    #[serde(borrow, default)]
    delivery: Cow<'a, str>,
    #[serde(borrow, default)]
    path: Cow<'a, str>,
    #[serde(borrow, default)]
    client: Cow<'a, str>,
    #[serde(borrow, default)]
    agent: Cow<'a, str>,
    #[serde(borrow, default)]
    user: Cow<'a, str>,
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    bytes: Cow<'a, str>,
    #[serde(borrow)]
    done: Cow<'a, str>,
    #[serde(borrow)]
    range: Cow<'a, str>,
    #[serde(borrow)]
    length: Cow<'a, str>,
    #[serde(borrow)]
    encoding: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    media_type: Cow<'a, str>,
}

/// What `line`, without its line end, tells; `None` where it names neither a delivery nor a path. Bytes that are not UTF-8,
/// which nginx leaves as they are, are read as U+FFFD: what a client says of itself takes no line away.
pub(super) fn read(line: &[u8]) -> Result<Option<Told>, LineFault> {
    // A JSON list of strings would otherwise pass for the object.
    if line.first() != Some(&b'{') {
        return Err(LineFault::NotTheFormat("it does not begin with `{`".to_owned()));
    }
    let text = String::from_utf8_lossy(line);
    let line: Line<'_> = serde_json::from_str(&text).map_err(|fault| LineFault::NotTheFormat(fault.to_string()))?;
    if line.v != VERSION {
        return Err(LineFault::AnotherVersion(WebServer::Nginx));
    }
    if line.delivery.is_empty() {
        return if line.path.is_empty() { Ok(None) } else { line.public().map(Told::Public).map(Some) };
    }
    let delivery = line.delivery.parse().map_err(|_| odd("delivery"))?;
    Ok(Some(Told::Delivery(Reported { delivery, request: line.request()?, report: line.report()?, seen: None })))
}

impl Line<'_> {
    fn request(&self) -> Result<RequestId, LineFault> {
        RequestId::parse(&self.request).ok_or(odd("request"))
    }

    fn public(&self) -> Result<PublicReport, LineFault> {
        let address = self.client.parse().map_err(|_| odd("client"))?;
        Ok(PublicReport {
            path: merged(&self.path),
            user: Some(&*self.user).filter(|user| !user.is_empty()).map(str::to_owned),
            request: self.request()?,
            report: self.report()?,
            client: Client::new(address, agent(&self.agent)),
        })
    }

    fn report(&self) -> Result<Report, LineFault> {
        let ended = moment(&self.time).ok_or(odd("time"))?;
        let status = status(&self.status).ok_or(odd("status"))?;
        let sent = number(&self.bytes).ok_or(odd("bytes"))?;
        let finished = match &*self.done {
            "OK" => true,
            "" => false,
            _ => return Err(odd("done")),
        };
        // HEAD sends no body, whatever Content-Length says.
        let sent = if self.method == "HEAD" { 0 } else { sent };
        let head = Head {
            status,
            method: &self.method,
            range: &self.range,
            length: &self.length,
            encoding: &self.encoding,
            media_type: &self.media_type,
        };
        let part = head.part(WebServer::Nginx)?;
        // The bytes of a range are never more than it holds; were they, those inside it were sent.
        let bytes = part.as_ref().map_or(sent, |part| sent.min(part.bytes));
        Ok(Report { ended, status, bytes, finished, from: part.map(|part| (part.first, part.total)) })
    }
}

const fn odd(key: &'static str) -> LineFault {
    LineFault::Odd(WebServer::Nginx, key)
}

/// `$msec`: seconds, a point, three digits.
fn moment(text: &str) -> Option<Moment> {
    let (seconds, millis) = text.split_once('.')?;
    let millis = (millis.len() == 3).then(|| number(millis)).flatten()?;
    number(seconds)?.checked_mul(1000)?.checked_add(millis).map(Moment::from_millis)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::feed::line::{LINE_BYTES_MAX, read};

    const GOOD: &str = r#"{"v":"1","time":"1795292217.083","request":"967f98bf42db0d3fd624ec50e8a62b7a","delivery":"d-00000000000000000000","status":"200","method":"GET","bytes":"300","done":"OK","range":"","length":"300","encoding":"","type":"application/zip","client":"127.0.0.1","took":"0.000"}"#;

    fn with(key: &str, value: &str) -> String {
        let from = GOOD.find(&format!("\"{key}\":\"")).unwrap() + key.len() + 4;
        let end = from + GOOD[from..].find('"').unwrap();
        format!("{}{value}{}", &GOOD[..from], &GOOD[end..])
    }

    #[test]
    fn a_value_that_nginx_does_not_write_is_a_fault_that_names_its_key() {
        assert!(read(GOOD.as_bytes()).unwrap().is_some());
        let mut seen = 0;
        for (key, values) in [
            ("time", &["", "1", "1.5", "-1.000", "1795292217,083", "99999999999999999999.000", "18446744073709551.999"][..]),
            ("request", &["", "a b", "é", "../x"][..]),
            ("delivery", &["d-", "g-00000000000000000000", "d-0000000000000000000O", "-"][..]),
            ("status", &["", "20", "2000", "-20", "2e2", "OK"][..]),
            ("bytes", &["", "-1", "1.0", "0x1", " 1", "18446744073709551616"][..]),
            ("done", &["ok", "-", "OK "][..]),
            ("length", &["-1", "3e2", "18446744073709551616"][..]),
            ("range", &["bytes 0-1/2", "x"][..]),
        ] {
            for value in values {
                assert_eq!(read(with(key, value).as_bytes()), Err(odd(key)), "{key} {value:?}");
                seen += 1;
            }
        }
        assert_eq!(seen, 35);
    }

    #[test]
    fn a_content_range_is_read_only_in_the_form_that_nginx_writes() {
        let line = |range: &str| with("status", "206").replace(r#""range":"""#, &format!(r#""range":"{range}""#));
        let from = |range: &str| read(line(range).as_bytes()).map(|read| read.unwrap().report().from);
        assert_eq!(from("bytes 0-299/300"), Ok(Some((0, 300))));
        assert_eq!(from("bytes 7-299/9000000000000"), Ok(Some((7, 9_000_000_000_000))));
        for bad in [
            "bytes */300",
            "bytes 0-300/300",
            "bytes 5-4/300",
            "bytes 0-/300",
            "bytes 0-1/*",
            "bytes=0-1/300",
            "items 0-1/300",
            "bytes 0-1",
        ] {
            assert_eq!(from(bad), Err(odd("range")), "{bad}");
        }
    }

    #[test]
    fn a_line_that_is_not_of_the_format_is_a_fault() {
        let twice = GOOD.replace(r#""v":"1","#, r#""v":"1","v":"1","#);
        let list = r#"["1","1.000","a","d-00000000000000000000","200","GET","1","OK","","1","",""]"#;
        for bad in
            ["", "{}", "null", "[]", list, "{", &GOOD[..GOOD.len() - 1], &format!("{GOOD}{GOOD}"), &twice, &GOOD.replace("\"300\"", "300")]
        {
            assert!(matches!(read(bad.as_bytes()), Err(LineFault::NotTheFormat(_))), "{bad}");
        }
        assert!(matches!(read(b"{\"v\":\"\xff\"}"), Err(LineFault::NotTheFormat(_))));
        assert!(matches!(read(b"{\xff}"), Err(LineFault::NotTheFormat(_))));
        assert_eq!(read(with("v", "2").as_bytes()), Err(LineFault::AnotherVersion(WebServer::Nginx)));
        assert_eq!(read(" ".repeat(LINE_BYTES_MAX + 1).as_bytes()), Err(LineFault::TooLong));
        let deep = format!("{{\"x\":{}{}", "[".repeat(8000), "]".repeat(8000));
        assert!(matches!(read(deep.as_bytes()), Err(LineFault::NotTheFormat(_))));
    }

    #[test]
    fn a_line_of_a_request_without_a_delivery_reports_nothing() {
        assert_eq!(read(with("delivery", "").as_bytes()), Ok(None));
    }

    #[test]
    fn more_bytes_than_the_range_holds_are_the_range() {
        let told = read(with("bytes", "301").as_bytes()).unwrap().unwrap();
        let report = told.report();
        assert_eq!((report.bytes, report.from), (300, Some((0, 300))));
    }

    proptest! {
        #[test]
        fn no_input_panics(line in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let _ = read(&line);
        }

        #[test]
        fn no_change_of_a_good_line_panics(at in 0..GOOD.len(), byte in any::<u8>(), cut in 0..GOOD.len()) {
            let mut line = GOOD.as_bytes().to_vec();
            line[at] = byte;
            let _ = read(&line);
            let _ = read(&line[..cut]);
        }

        #[test]
        fn what_is_read_never_reaches_beyond_the_file(first in any::<u64>(), last in any::<u64>(), total in any::<u64>(), bytes in any::<u64>()) {
            let line = with("status", "206").replace(r#""range":"""#, &format!(r#""range":"bytes {first}-{last}/{total}""#)).replace(r#""bytes":"300""#, &format!(r#""bytes":"{bytes}""#));
            if let Ok(Some(told)) = read(line.as_bytes())
                && let Report { from: Some((first, total)), bytes, .. } = *told.report()
            {
                prop_assert!(first.checked_add(bytes).is_some_and(|end| end <= total));
            }
        }
    }
}

//! One request, and what everybody who asks it gets, whichever way the web server asks.
//!
//! What is expected is written as what [`seen`] says. Where a web server cannot do otherwise, the row says what it does
//! and why; a difference that is no more is a fault of the table.

use cloakroom::clock;

use crate::places::{Kind, Places, Way};
use crate::servers::desk::Desk;
use crate::servers::http::Answer;

/// A request and its answer.
#[derive(Clone)]
pub struct Row {
    method: &'static str,
    /// The target's path as it is sent; `@` is where the files of this kind of question lie.
    spelling: String,
    /// What is behind the path, signature apart.
    query: Option<String>,
    /// The path that is signed; the path that is sent, where nothing is said.
    signed_path: Option<String>,
    is_signed: bool,
    headers: Vec<(&'static str, String)>,
    /// For each of [`Kind::ALL`]; `None` where it is not asked.
    expected: [Option<String>; 2],
    differences: Vec<(Way, String, &'static str)>,
}

/// A query that opens: `{soon}` is in an hour, `{past}` a moment ago, `{later}` in two hours.
pub const GOOD: &str = "kid=main&exp={soon}";

/// A request with a signature for its own path, which opens it.
pub fn signed(path: &str) -> Row {
    Row {
        method: "GET",
        spelling: path.to_owned(),
        query: Some(GOOD.to_owned()),
        signed_path: None,
        is_signed: true,
        headers: Vec::new(),
        expected: [Some("200 whole".to_owned()), Some("200 whole".to_owned())],
        differences: Vec::new(),
    }
}

/// A request without any proof.
pub fn bare(path: &str) -> Row {
    Row { query: None, is_signed: false, ..signed(path) }.is("401 no_proof")
}

impl Row {
    /// Another query that is signed.
    pub fn with(self, query: &str) -> Self {
        Self { query: Some(query.to_owned()), ..self }
    }

    /// The same signature behind another spelling of the path, or another path.
    pub fn spelled(self, spelling: &str) -> Self {
        let signed_path = self.signed_path.or(Some(self.spelling));
        Self { spelling: spelling.to_owned(), signed_path, ..self }
    }

    pub fn method(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    /// `{etag}`, `{weak}` and `{date}` are what the file's own answer says.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub fn is(self, seen: &str) -> Self {
        self.are(seen, seen)
    }

    /// Where a page and a download differ whoever asks.
    pub fn are(self, page: &str, download: &str) -> Self {
        Self { expected: [Some(page.to_owned()), Some(download.to_owned())], ..self }
    }

    /// Asked about a page alone.
    pub fn page(self) -> Self {
        let [page, _] = self.expected;
        Self { expected: [page, None], ..self }
    }

    /// What one way makes of it, and why it cannot be otherwise.
    pub fn but(mut self, way: Way, seen: &str, why: &'static str) -> Self {
        self.differences.push((way, seen.to_owned(), why));
        self
    }

    /// The same for several ways.
    pub fn but_by(self, ways: &[Way], seen: &str, why: &'static str) -> Self {
        ways.iter().fold(self, |row, way| row.but(*way, seen, why))
    }

    fn name(&self, kind: Kind) -> String {
        let Self { method, spelling, query, headers, .. } = self;
        let spelling: String = spelling.replace('@', kind.base()).chars().take(120).collect();
        let headers: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.chars().take(60).collect::<String>())).collect();
        format!("{method} {spelling} with {query:?} {headers:?}")
    }

    /// The target as this site's client sends it.
    fn target(&self, kind: Kind, desk: &Desk) -> String {
        let spelling = self.spelling.replace('@', kind.base());
        let Some(query) = &self.query else { return spelling };
        let now = clock::now().seconds();
        let query = query
            .replace("{soon}", &(now + 3600).to_string())
            .replace("{later}", &(now + 7200).to_string())
            .replace("{past}", &(now - 10).to_string())
            .replace('@', &kind.base().replace('/', "%2F"));
        if !self.is_signed {
            return format!("{spelling}?{query}");
        }
        let path = self.signed_path.as_ref().map_or_else(|| spelling.clone(), |path| path.replace('@', kind.base()));
        // What others put behind a signature stands behind `{sig}`.
        let (query, behind) = query.split_once("{sig}").map_or((query.as_str(), ""), |(query, behind)| (query, behind));
        let minted = desk.mint(&path, query);
        format!("{spelling}?{}{behind}", minted.split_once('?').unwrap().1)
    }

    fn ask(&self, kind: Kind, desk: &Desk, file: &[u8]) -> String {
        let target = self.target(kind, desk);
        let needs_own = self.headers.iter().any(|(_, value)| value.contains('{'));
        let own = needs_own.then(|| desk.ask("HEAD", &target, &[]));
        let said = |name: &str| own.as_ref().and_then(|own| own.header(name)).unwrap_or_default().to_owned();
        let headers: Vec<(&str, String)> = self
            .headers
            .iter()
            .map(|(name, value)| {
                (
                    *name,
                    value
                        .replace("{etag}", &said("ETag"))
                        .replace("{weak}", &format!("W/{}", said("ETag")))
                        .replace("{date}", &said("Last-Modified")),
                )
            })
            .collect();
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        seen(&desk.ask(self.method, &target, &headers), file, self.method == "HEAD")
    }
}

/// Asks each row in each way. `file` is what lies at the place of each row that opens.
#[track_caller]
pub fn hold(places: &Places, rows: &[Row], file: &[u8]) {
    let mut faults = Vec::new();
    let (mut asked, mut differing) = (0, 0);
    for row in rows {
        for (kind, expected) in Kind::ALL.into_iter().zip(&row.expected) {
            let Some(expected) = expected else { continue };
            for (way, desk) in places.ways(kind) {
                let difference = row.differences.iter().find(|(of, _, _)| *of == way);
                let seen = row.ask(kind, desk, file);
                asked += 1;
                let good = match difference {
                    Some((_, differs, _)) => {
                        differing += 1;
                        seen == *differs && differs != expected
                    }
                    None => seen == *expected,
                };
                if !good {
                    let listed = difference.map_or(String::new(), |(_, differs, why)| format!(", listed as `{differs}` because {why}"));
                    faults.push(format!("{}: {way:?} `{seen}`, expected `{expected}`{listed}", row.name(kind)));
                }
            }
        }
    }
    println!("{} rows, asked {asked} times, {differing} of them with a listed difference", rows.len());
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    let listed: usize = rows.iter().map(|row| row.differences.len()).sum();
    assert_eq!(differing, listed, "each difference was looked at");
    assert!(asked >= rows.len() * 3, "each row was asked in three ways");
}

/// What came: the status, and the refusal, or how much of the file.
pub fn seen(answer: &Answer, file: &[u8], is_head: bool) -> String {
    let status = answer.status;
    let what = if let Some(code) = answer.header("Cloakroom-Refusal") {
        assert!(!holds(answer, file), "a refusal with bytes of the file");
        code.to_owned()
    } else if is_head && status < 300 {
        format!("length {}", answer.header("Content-Length").unwrap_or("-"))
    } else if status == 200 && answer.body == file {
        "whole".to_owned()
    } else if status == 206 {
        let parts = parts(answer);
        let is_true = parts.iter().all(|(first, size, bytes)| *size == file.len() && file[*first..].starts_with(bytes));
        let names: Vec<String> = parts.iter().map(|(first, _, bytes)| format!("{first}-{}", first + bytes.len() - 1)).collect();
        if is_true { names.join(",") } else { "OTHER BYTES".to_owned() }
    } else if holds(answer, file) {
        "SOME OF THE FILE".to_owned()
    } else {
        String::new()
    };
    format!("{status} {what}").trim_end().to_owned()
}

fn holds(answer: &Answer, file: &[u8]) -> bool {
    file.len() >= 16 && answer.body.windows(16).any(|window| window == &file[..16] || window == &file[file.len() - 16..])
}

/// The parts of an answer with parts: first byte, size of the file, bytes.
#[track_caller]
pub fn parts(answer: &Answer) -> Vec<(usize, usize, Vec<u8>)> {
    let span = |range: &str| {
        let (span, size) = range.split_once('/').unwrap();
        let (first, last) = span.split_once('-').unwrap();
        (first.parse::<usize>().unwrap(), last.parse::<usize>().unwrap(), size.trim().parse::<usize>().unwrap())
    };
    if let Some(range) = answer.header("Content-Range") {
        let (first, last, size) = span(range.strip_prefix("bytes ").unwrap());
        assert_eq!(answer.body.len(), last - first + 1, "{range}");
        return vec![(first, size, answer.body.clone())];
    }
    let media_type = answer.header("Content-Type").unwrap();
    let boundary = media_type.split_once("boundary=").unwrap_or_else(|| panic!("{media_type}")).1;
    let mark = format!("\r\n--{boundary}");
    let find = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|window| window == what);
    let (mut rest, mut found) = (answer.body.as_slice(), vec![]);
    loop {
        rest = &rest[find(rest, mark.as_bytes()).expect("a boundary") + mark.len()..];
        if rest.starts_with(b"--") {
            return found;
        }
        let head_end = find(rest, b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&rest[..head_end]).unwrap().to_ascii_lowercase();
        let (first, last, size) = span(head.lines().find_map(|line| line.strip_prefix("content-range: bytes ")).unwrap());
        rest = &rest[head_end + 4..];
        found.push((first, size, rest[..=last - first].to_vec()));
        rest = &rest[last - first + 1..];
    }
}

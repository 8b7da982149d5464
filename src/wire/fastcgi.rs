//! FastCGI, as an AUTHORIZER speaks it: one request a connection, its variables, our answer, the end.
//!
//! Format: the FastCGI Specification 1.0 (Open Market, 1996): records of 8 bytes of head (version, type, request id, length,
//! padding), content, padding; names and values with lengths of 1 or 4 bytes before them. A web server may keep a connection
//! (`FCGI_KEEP_CONN`): we answer and close it. It may not put a second request into it: that one is answered with
//! `FCGI_CANT_MPX_CONN`, and another role than that of an authorizer with `FCGI_UNKNOWN_ROLE`.

use std::fmt;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use crate::dialect::cgi::{Place, VARIABLES_EXPECTED, VARIABLES_MAX, VariableFault, Variables};

use super::limits::VARIABLES_BYTES_MAX;

/// The version of the protocol.
const VERSION: u8 = 1;

/// Bytes of a record's head.
const HEAD_BYTES: usize = 8;

/// So much of an answer stands in one record; the lengths end at 65535.
const CONTENT_BYTES_MAX: usize = 32 * 1024;

/// More records than this are no request: Apache sends three.
const RECORDS_MAX: usize = 64;

const BEGIN_REQUEST: u8 = 1;
const ABORT_REQUEST: u8 = 2;
const END_REQUEST: u8 = 3;
const PARAMS: u8 = 4;
const STDIN: u8 = 5;
const STDOUT: u8 = 6;
const DATA: u8 = 8;
const GET_VALUES: u8 = 9;
const GET_VALUES_RESULT: u8 = 10;
const UNKNOWN_TYPE: u8 = 11;

const AUTHORIZER: u16 = 2;

const REQUEST_COMPLETE: u8 = 0;
const CANT_MPX_CONN: u8 = 1;
const UNKNOWN_ROLE: u8 = 3;

/// What we tell a web server that asks: one request a connection.
const VALUES: [(&[u8], &[u8]); 1] = [(b"FCGI_MPXS_CONNS", b"0")];

/// Why nothing more is read. What is not FastCGI is not answered; the words are for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The version is not 1.
    Version(u8),
    /// A record of this type has no place here.
    Record(u8),
    /// Many more records than a web server sends, before the request was complete.
    TooMany,
    /// The variables have more bytes than [`VARIABLES_BYTES_MAX`].
    TooLong,
    /// The lengths of the variables do not fit together.
    Lengths,
    /// The variables are not believed.
    Variables(VariableFault),
}

impl Fault {
    /// Whether less would have been let in.
    pub const fn is_too_long(&self) -> bool {
        matches!(self, Self::TooLong | Self::Variables(VariableFault::TooMany))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "not FastCGI: version {version}, not {VERSION}"),
            Self::Record(kind) => write!(f, "a FastCGI record of type {kind} that has no place there"),
            Self::TooMany => write!(f, "more than {RECORDS_MAX} FastCGI records before a request was complete"),
            Self::TooLong => write!(f, "the variables have more than {VARIABLES_BYTES_MAX} bytes"),
            Self::Lengths => f.write_str("the lengths of the variables do not fit together"),
            Self::Variables(fault) => fault.fmt(f),
        }
    }
}

/// How far a request has come.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// More bytes are needed.
    More,
    /// Here it is: its id and its variables.
    Asked(u16, Variables),
    /// The web server has taken the request back, or asked for what we are not; what there is to say is in `replies`.
    Over,
}

/// Reads the records of one connection.
#[derive(Debug, Default)]
pub struct Reader {
    /// The request that has begun.
    request: Option<u16>,
    variables: BytesMut,
    records: usize,
    /// Records to send before anything else.
    pub replies: BytesMut,
}

impl Reader {
    /// Takes whole records from the start of `bytes`, which has what came so far.
    pub fn read(&mut self, bytes: &mut BytesMut) -> Result<Progress, Fault> {
        loop {
            let Some(record) = Record::take(bytes)? else { return Ok(Progress::More) };
            self.records += 1;
            if self.records > RECORDS_MAX {
                return Err(Fault::TooMany);
            }
            match self.step(&record)? {
                Progress::More => {}
                done => return Ok(done),
            }
        }
    }

    /// The id of the request that has begun.
    pub const fn request(&self) -> Option<u16> {
        self.request
    }

    fn step(&mut self, record: &Record) -> Result<Progress, Fault> {
        let Record { kind, request, ref content } = *record;
        let is_ours = self.request == Some(request);
        match kind {
            GET_VALUES if request == 0 => self.tell_values(content)?,
            _ if request == 0 => put(&mut self.replies, UNKNOWN_TYPE, 0, &[kind, 0, 0, 0, 0, 0, 0, 0]),
            BEGIN_REQUEST if self.request.is_none() => {
                let role = content.get(..2).and_then(|role| role.try_into().ok()).map(u16::from_be_bytes);
                if content.len() != 8 {
                    return Err(Fault::Record(kind));
                }
                if role != Some(AUTHORIZER) {
                    end(&mut self.replies, request, UNKNOWN_ROLE);
                    return Ok(Progress::Over);
                }
                self.request = Some(request);
            }
            BEGIN_REQUEST if !is_ours => end(&mut self.replies, request, CANT_MPX_CONN),
            ABORT_REQUEST if is_ours => {
                end(&mut self.replies, request, REQUEST_COMPLETE);
                return Ok(Progress::Over);
            }
            PARAMS if is_ours && content.is_empty() => {
                let pairs = pairs(&self.variables)?;
                return Variables::new(self.variables.split().freeze(), pairs)
                    .map(|variables| Progress::Asked(request, variables))
                    .map_err(Fault::Variables);
            }
            PARAMS if is_ours => {
                if self.variables.len() + content.len() > VARIABLES_BYTES_MAX {
                    return Err(Fault::TooLong);
                }
                self.variables.extend_from_slice(content);
            }
            // An authorizer has no use for a body; and what belongs to a request that was turned away is passed over.
            STDIN | DATA | PARAMS | ABORT_REQUEST => {}
            other => return Err(Fault::Record(other)),
        }
        Ok(Progress::More)
    }

    fn tell_values(&mut self, asked: &[u8]) -> Result<(), Fault> {
        let mut told = Vec::new();
        for (name, _) in pairs(asked)? {
            if let Some((name, value)) = VALUES.iter().find(|(known, _)| asked.get(name.clone()) == Some(known)) {
                for part in [name, value] {
                    told.push(u8::try_from(part.len()).unwrap_or_default());
                }
                told.extend_from_slice(name);
                told.extend_from_slice(value);
            }
        }
        put(&mut self.replies, GET_VALUES_RESULT, 0, &told);
        Ok(())
    }
}

/// One record.
struct Record {
    kind: u8,
    request: u16,
    content: Bytes,
}

impl Record {
    /// The record at the start of `bytes`, once it is there to its end.
    fn take(bytes: &mut BytesMut) -> Result<Option<Self>, Fault> {
        let Some(&version) = bytes.first() else { return Ok(None) };
        if version != VERSION {
            return Err(Fault::Version(version));
        }
        let Some(mut head) = bytes.get(..HEAD_BYTES) else { return Ok(None) };
        head.advance(1);
        let (kind, request, length, padding) = (head.get_u8(), head.get_u16(), usize::from(head.get_u16()), usize::from(head.get_u8()));
        if bytes.len() < HEAD_BYTES + length + padding {
            return Ok(None);
        }
        bytes.advance(HEAD_BYTES);
        let content = bytes.split_to(length).freeze();
        bytes.advance(padding);
        Ok(Some(Self { kind, request, content }))
    }
}

/// Names and values, each with its length before it.
fn pairs(all: &[u8]) -> Result<Vec<(Place, Place)>, Fault> {
    let mut rest = all;
    let mut pairs = Vec::with_capacity(VARIABLES_EXPECTED);
    while !rest.is_empty() {
        if pairs.len() > VARIABLES_MAX {
            return Err(Fault::Variables(VariableFault::TooMany));
        }
        let (name, value) = (length(&mut rest)?, length(&mut rest)?);
        let start = all.len() - rest.len();
        rest = rest.get(name..).and_then(|rest| rest.get(value..)).ok_or(Fault::Lengths)?;
        let end = all.len() - rest.len();
        pairs.push((start..end - value, end - value..end));
    }
    Ok(pairs)
}

/// One byte below 128, or four whose first bit is set.
fn length(bytes: &mut &[u8]) -> Result<usize, Fault> {
    let first = *bytes.first().ok_or(Fault::Lengths)?;
    if first < 0x80 {
        bytes.advance(1);
        return Ok(usize::from(first));
    }
    if bytes.len() < 4 {
        return Err(Fault::Lengths);
    }
    usize::try_from(bytes.get_u32() & 0x7fff_ffff).map_err(|_| Fault::Lengths)
}

/// Appends part of an answer.
pub fn output(out: &mut BytesMut, request: u16, content: &[u8]) {
    for piece in content.chunks(CONTENT_BYTES_MAX) {
        put(out, STDOUT, request, piece);
    }
}

/// Appends what ends an answer.
pub fn complete(out: &mut BytesMut, request: u16) {
    put(out, STDOUT, request, &[]);
    end(out, request, REQUEST_COMPLETE);
}

fn end(out: &mut BytesMut, request: u16, status: u8) {
    put(out, END_REQUEST, request, &[0, 0, 0, 0, status, 0, 0, 0]);
}

fn put(out: &mut BytesMut, kind: u8, request: u16, content: &[u8]) {
    out.put_u8(VERSION);
    out.put_u8(kind);
    out.put_u16(request);
    out.put_u16(u16::try_from(content.len()).unwrap_or(u16::MAX));
    out.put_u16(0);
    out.extend_from_slice(content);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, request: u16, content: &[u8], padding: u8) -> Vec<u8> {
        let mut bytes = vec![VERSION, kind];
        bytes.extend(request.to_be_bytes());
        bytes.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
        bytes.extend([padding, 0]);
        bytes.extend(content);
        bytes.extend(vec![0; usize::from(padding)]);
        bytes
    }

    fn begin(request: u16, role: u8) -> Vec<u8> {
        record(BEGIN_REQUEST, request, &[0, role, 0, 0, 0, 0, 0, 0], 0)
    }

    fn asked(records: &[Vec<u8>]) -> (Result<Progress, Fault>, Vec<u8>) {
        let mut reader = Reader::default();
        let read = reader.read(&mut BytesMut::from(records.concat().as_slice()));
        (read, reader.replies.to_vec())
    }

    const NAME: &[u8] = b"\x01\x02Abc";

    #[test]
    fn a_request_is_its_variables_however_the_bytes_come() {
        let long = [&b"\x04\x80\x00\x01\x2cLONG"[..], &[b'x'; 300]].concat();
        let whole = [
            begin(1, 2),
            record(PARAMS, 1, &[NAME, &long[..50]].concat(), 3),
            record(PARAMS, 1, &long[50..], 0),
            record(PARAMS, 1, &[], 7),
        ]
        .concat();
        for piece in [1, 2, 7, 8, 100, whole.len()] {
            let (mut reader, mut bytes, mut seen) = (Reader::default(), BytesMut::new(), None);
            for part in whole.chunks(piece) {
                assert_eq!(seen, None);
                bytes.extend_from_slice(part);
                match reader.read(&mut bytes).unwrap() {
                    Progress::More => {}
                    done => seen = Some(done),
                }
            }
            let Some(Progress::Asked(1, variables)) = seen else { panic!("{seen:?}") };
            assert_eq!((variables.text("A"), variables.text("LONG").map(str::len)), (Some("bc"), Some(300)));
        }
    }

    #[test]
    fn a_second_request_and_another_role_are_turned_away_in_words_of_the_protocol() {
        let (read, replies) = asked(&[begin(1, 2), begin(2, 2), record(PARAMS, 2, NAME, 0), record(PARAMS, 1, &[], 0)]);
        assert!(matches!(read, Ok(Progress::Asked(1, _))), "{read:?}");
        assert_eq!(replies, record(END_REQUEST, 2, &[0, 0, 0, 0, CANT_MPX_CONN, 0, 0, 0], 0));
        for role in [0, 1, 3] {
            let (read, replies) = asked(&[begin(9, role)]);
            assert_eq!((read, replies), (Ok(Progress::Over), record(END_REQUEST, 9, &[0, 0, 0, 0, UNKNOWN_ROLE, 0, 0, 0], 0)));
        }
        let (read, replies) = asked(&[begin(1, 2), record(ABORT_REQUEST, 1, &[], 0)]);
        assert_eq!((read, replies), (Ok(Progress::Over), record(END_REQUEST, 1, &[0; 8], 0)));
    }

    #[test]
    fn what_is_asked_of_us_ourselves_is_told() {
        let asks = b"\x0f\x00FCGI_MPXS_CONNS\x0e\x00FCGI_MAX_CONNS";
        let (read, replies) = asked(&[record(GET_VALUES, 0, asks, 0), record(77, 0, b"x", 0)]);
        assert_eq!(read, Ok(Progress::More));
        let told = record(GET_VALUES_RESULT, 0, b"\x0f\x01FCGI_MPXS_CONNS0", 0);
        assert_eq!(replies, [told, record(UNKNOWN_TYPE, 0, &[77, 0, 0, 0, 0, 0, 0, 0], 0)].concat());
    }

    #[test]
    fn what_is_no_request_is_a_fault() {
        let params = |content: &[u8]| vec![begin(1, 2), record(PARAMS, 1, content, 0), record(PARAMS, 1, &[], 0)];
        let huge = vec![0_u8; 60_000];
        let cases = [
            (vec![b"GET / HTTP/1.1\r\n".to_vec()], Fault::Version(b'G')),
            (vec![record(STDOUT, 1, &[], 0)], Fault::Record(STDOUT)),
            (vec![record(BEGIN_REQUEST, 1, &[0, 2], 0)], Fault::Record(BEGIN_REQUEST)),
            (vec![begin(1, 2), begin(1, 2)], Fault::Record(BEGIN_REQUEST)),
            (vec![record(STDIN, 1, &[], 0); RECORDS_MAX + 1], Fault::TooMany),
            (vec![begin(1, 2), record(PARAMS, 1, &huge, 0), record(PARAMS, 1, &huge, 0)], Fault::TooLong),
            (params(b"\x05\x00A"), Fault::Lengths),
            (params(b"\x01\x80\x00"), Fault::Lengths),
            (params(b"\x80\xff\xff\xff\x01A"), Fault::Lengths),
            (params(b"\xff\xff\xff\xff\xff\xff\xff\xffA"), Fault::Lengths),
            (params(&[NAME, NAME].concat()), Fault::Variables(VariableFault::Twice("A".to_owned()))),
            (params(b"\x00\x01x"), Fault::Variables(VariableFault::Name)),
            (params(&b"\x00\x00".repeat(VARIABLES_MAX + 2)), Fault::Variables(VariableFault::TooMany)),
        ];
        for (records, fault) in cases {
            assert_eq!(asked(&records).0, Err(fault));
        }
    }

    #[test]
    fn an_answer_is_cut_into_records_and_ended() {
        let mut out = BytesMut::new();
        output(&mut out, 258, &vec![b'a'; CONTENT_BYTES_MAX + 1]);
        complete(&mut out, 258);
        let expected = [
            record(STDOUT, 258, &vec![b'a'; CONTENT_BYTES_MAX], 0),
            record(STDOUT, 258, b"a", 0),
            record(STDOUT, 258, &[], 0),
            record(END_REQUEST, 258, &[0; 8], 0),
        ];
        assert_eq!(out.to_vec(), expected.concat());
    }
}

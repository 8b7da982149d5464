//! Where a version of a file lies, as people write it.
//!
//! | written | is |
//! |---|---|
//! | `STORAGE/PATH` | a master in a storage of the configuration |
//! | `https://host[:port]/path[?query][:bytes]` | a file that another server sends |
//! | `aws:bucket/key[:bytes]` | an object in an S3 bucket |
//!
//! `:bytes` at the end is its size, where the shop knows it. It is looked for behind the host alone, so that a port is
//! never taken for it. A URL whose path itself ends so is written with `%3A`.

use std::fmt;
use std::str::FromStr;

use super::file::{FileRef, StorageName};
use super::path::FilePath;
use super::share::{Share, direct};

/// A longer one is nobody's.
pub const LOCATOR_BYTES_MAX: usize = 2048;

/// The shortest and the longest name of a bucket (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>).
const BUCKET_BYTES: std::ops::RangeInclusive<usize> = 3..=63;

/// The longest key of an object.
const KEY_BYTES_MAX: usize = 1024;

/// Where a version lies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Locator {
    /// In a storage of ours.
    Here(FileRef),
    /// With somebody else.
    Remote(Remote),
}

/// What lies elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Remote {
    /// Where.
    pub place: Place,
    /// How many bytes it has, where that was said.
    pub bytes: Option<u64>,
}

/// Where something lies elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// At this URL, which gives the file itself; and whose share link that is, where it is one.
    Https(String, Option<Share>),
    /// In this bucket, under this key.
    Aws(String, String),
}

/// Why something is no locator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocatorFault {
    /// It is too long, or has spaces or control characters.
    Characters,
    /// It is a share link, and too long once it gives the file itself.
    Grown,
    /// It begins like a URL, and not with `https://`.
    Scheme,
    /// It has a user name or a password, which would stand in logs.
    User,
    /// Its host is none.
    Host,
    /// Its port is none.
    Port,
    /// It names no file.
    Path,
    /// It has a fragment, which no server is sent.
    Fragment,
    /// Its bucket or its key is none.
    Bucket,
    /// It is neither a storage and a path nor anything else.
    Storage,
}

impl fmt::Display for LocatorFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Characters => "must have at most 2048 bytes, no spaces and no control characters: write them as %20",
            Self::Grown => "must be shorter: what gives the file of this share link has more than 2048 bytes; shorten its query",
            Self::Scheme => "must begin with https://, with aws: or with the name of a storage",
            Self::User => "must not have a user name or a password in it",
            Self::Host => "must have a host name behind https://",
            Self::Port => "must have a port from 1 to 65535 behind the host, or none",
            Self::Path => "must name a file behind the host",
            Self::Fragment => "must not have a fragment (#…): no server is sent it",
            Self::Bucket => "must be aws:BUCKET/KEY, the bucket of 3 to 63 lower-case letters, digits, `-` and `.`",
            Self::Storage => "must be STORAGE/PATH, https://HOST/PATH or aws:BUCKET/KEY",
        })
    }
}

impl std::error::Error for LocatorFault {}

impl Locator {
    /// The master, where it is one.
    pub const fn here(&self) -> Option<&FileRef> {
        match self {
            Self::Here(at) => Some(at),
            Self::Remote(_) => None,
        }
    }

    /// Under which name people see it where none is given: the last part of its path.
    pub fn file_name(&self) -> &str {
        let last = |text: &'_ str| text.rsplit('/').next().map_or(0, str::len);
        let (text, length) = match self {
            Self::Here(at) => return at.path.file_name(),
            Self::Remote(Remote { place: Place::Https(url, _), .. }) => {
                let path = url.split(['?', '#']).next().unwrap_or(url);
                (path, last(path))
            }
            Self::Remote(Remote { place: Place::Aws(_, key), .. }) => (key.as_str(), last(key)),
        };
        text.get(text.len() - length..).unwrap_or(text)
    }
}

impl fmt::Display for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(at) => write!(f, "{at}"),
            Self::Remote(remote) => write!(f, "{remote}"),
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Https(url, _) => f.write_str(url)?,
            Place::Aws(bucket, key) => write!(f, "aws:{bucket}/{key}")?,
        }
        self.bytes.map_or(Ok(()), |bytes| write!(f, ":{bytes}"))
    }
}

impl FromStr for Locator {
    type Err = LocatorFault;

    fn from_str(text: &str) -> Result<Self, LocatorFault> {
        if text.len() > LOCATOR_BYTES_MAX {
            return Err(LocatorFault::Characters);
        }
        if let Some(rest) = text.strip_prefix("aws:") {
            return aws(rest).map(Self::Remote);
        }
        if let Some(rest) = stripped_scheme(text) {
            let remote = https(rest)?;
            // What it is written as is read back: a share link grows when it becomes what gives the file itself.
            return if remote.to_string().len() > LOCATOR_BYTES_MAX { Err(LocatorFault::Grown) } else { Ok(Self::Remote(remote)) };
        }
        if text.contains("://") {
            return Err(LocatorFault::Scheme);
        }
        let (storage, path) = text.split_once('/').ok_or(LocatorFault::Storage)?;
        let storage = StorageName::parse(storage).ok_or(LocatorFault::Storage)?;
        let path = FilePath::parse(path).map_err(|_| LocatorFault::Storage)?;
        Ok(Self::Here(FileRef { storage, path }))
    }
}

fn stripped_scheme(text: &str) -> Option<&str> {
    const SCHEME: &str = "https://";
    text.get(..SCHEME.len()).filter(|scheme| scheme.eq_ignore_ascii_case(SCHEME)).and_then(|_| text.get(SCHEME.len()..))
}

/// Takes the size off the end of what stands behind a host or a bucket.
fn sized(text: &str) -> (&str, Option<u64>) {
    let is_number = |end: &str| !end.is_empty() && end.bytes().all(|byte| byte.is_ascii_digit());
    let split = text.rsplit_once(':').filter(|(_, end)| is_number(end));
    match split.and_then(|(before, end)| Some((before, end.parse().ok()?))) {
        Some((before, bytes)) => (before, Some(bytes)),
        None => (text, None),
    }
}

fn https(rest: &str) -> Result<Remote, LocatorFault> {
    if !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(LocatorFault::Characters);
    }
    if rest.contains('#') {
        return Err(LocatorFault::Fragment);
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, behind) = rest.split_at_checked(end).ok_or(LocatorFault::Path)?;
    if authority.contains('@') {
        return Err(LocatorFault::User);
    }
    let authority = authority_of(authority)?;
    let (behind, bytes) = sized(behind);
    let (path, query) = behind.split_once('?').map_or((behind, None), |(path, query)| (path, Some(query)));
    if !path.starts_with('/') || (path == "/" && query.is_none()) {
        return Err(LocatorFault::Path);
    }
    let (url, share) = direct(&authority, path, query);
    Ok(Remote { place: Place::Https(url, share), bytes })
}

/// The host in lower case, with its port where that is not the usual one.
fn authority_of(text: &str) -> Result<String, LocatorFault> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (inside, port) = rest.split_once(']').ok_or(LocatorFault::Host)?;
        inside.parse::<std::net::Ipv6Addr>().map_err(|_| LocatorFault::Host)?;
        (format!("[{}]", inside.to_ascii_lowercase()), port.strip_prefix(':').or_else(|| port.is_empty().then_some("443")))
    } else {
        let (host, port) = text.split_once(':').map_or((text, Some("443")), |(host, port)| (host, Some(port)));
        let good =
            |part: &str| (1..=63).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if host.len() > 253 || !host.split('.').all(good) {
            return Err(LocatorFault::Host);
        }
        (host.to_ascii_lowercase(), port)
    };
    let digits = port.filter(|port| port.bytes().all(|byte| byte.is_ascii_digit())).ok_or(LocatorFault::Port)?;
    let port: u16 = digits.parse().ok().filter(|port| *port > 0).ok_or(LocatorFault::Port)?;
    Ok(if port == 443 { host } else { format!("{host}:{port}") })
}

fn aws(rest: &str) -> Result<Remote, LocatorFault> {
    let (bucket, behind) = rest.split_once('/').ok_or(LocatorFault::Bucket)?;
    let (key, bytes) = sized(behind);
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    if !BUCKET_BYTES.contains(&bucket.len())
        || !bucket.bytes().all(good)
        || !bucket.starts_with(|first: char| first.is_ascii_alphanumeric())
    {
        return Err(LocatorFault::Bucket);
    }
    if key.is_empty() || key.len() > KEY_BYTES_MAX || key.chars().any(char::is_control) {
        return Err(LocatorFault::Bucket);
    }
    Ok(Remote { place: Place::Aws(bucket.to_owned(), key.to_owned()), bytes })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_port_is_no_size_and_a_size_is_no_port() {
        for (written, place, bytes, name) in [
            ("https://h.example/a.zip", "https://h.example/a.zip", None, "a.zip"),
            ("https://h.example/a.zip:12345", "https://h.example/a.zip", Some(12345), "a.zip"),
            ("https://h.example:8443/a.zip", "https://h.example:8443/a.zip", None, "a.zip"),
            ("https://h.example:8443/a.zip:12345", "https://h.example:8443/a.zip", Some(12345), "a.zip"),
            ("HTTPS://H.Example:443/A.zip", "https://h.example/A.zip", None, "A.zip"),
            ("https://[2001:db8::1]/a.zip:7", "https://[2001:db8::1]/a.zip", Some(7), "a.zip"),
            ("https://[2001:DB8::1]:8443/a.zip", "https://[2001:db8::1]:8443/a.zip", None, "a.zip"),
            ("https://h.example/get?file=a:b&x=1:99", "https://h.example/get?file=a:b&x=1", Some(99), "get"),
            ("https://h.example/a:b.zip", "https://h.example/a:b.zip", None, "a:b.zip"),
            ("https://h.example/a%3A5", "https://h.example/a%3A5", None, "a%3A5"),
            ("https://h.example/a:", "https://h.example/a:", None, "a:"),
            ("https://h.example/?id=7", "https://h.example/?id=7", None, ""),
            ("aws:my-bucket/books/a b.pdf", "aws:my-bucket/books/a b.pdf", None, "a b.pdf"),
            ("aws:my-bucket/a.pdf:48123456", "aws:my-bucket/a.pdf", Some(48_123_456), "a.pdf"),
            ("masters/set/a.zip", "masters/set/a.zip", None, "a.zip"),
            ("masters/set/a.zip:5", "masters/set/a.zip:5", None, "a.zip:5"),
        ] {
            let read: Locator = written.parse().unwrap_or_else(|fault| panic!("{written}: {fault}"));
            let shown = bytes.map_or_else(|| place.to_owned(), |bytes: u64| format!("{place}:{bytes}"));
            assert_eq!((read.to_string(), read.file_name()), (shown.clone(), name), "{written}");
            let found = match &read {
                Locator::Remote(remote) => remote.bytes,
                Locator::Here(_) => None,
            };
            assert_eq!(found, bytes, "{written}");
            assert_eq!(shown.parse(), Ok(read), "{written}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_as_it_reads_back(
            host in "(www\\.dropbox\\.com|drive\\.google\\.com|1drv\\.ms|a\\.sharepoint\\.com|h\\.example)(:[0-9]{1,5})?",
            path in "/(s/|file/d/|:u:/g/|scl/fi/|open|index\\.php/s/)?[a-zA-Z0-9:%_.-]{0,20}(/[a-z:0-9]{0,9})?",
            query in "(\\?[a-z=&:0-9]{0,20})?(:[0-9]{0,21})?",
        ) {
            if let Ok(read) = format!("https://{host}{path}{query}").parse::<Locator>() {
                prop_assert_eq!(read.to_string().parse(), Ok(read));
            }
        }

        #[test]
        fn what_is_read_is_written_as_it_reads_back_near_the_limit_too(
            start in "(www\\.dropbox\\.com/s/|1drv\\.ms/u/|a\\.sharepoint\\.com/:u:/g/|h\\.example/s/aB3dE6gH9jK2mN5\\?|h\\.example/)",
            length in (1400..1600_usize).prop_union(LOCATOR_BYTES_MAX - 40..LOCATOR_BYTES_MAX + 2),
            bytes in "(:[0-9]{1,19})?",
        ) {
            let start = format!("https://{start}");
            let filled = "a".repeat(length.saturating_sub(start.len() + bytes.len()));
            match format!("{start}{filled}{bytes}").parse::<Locator>() {
                Ok(read) => prop_assert_eq!(read.to_string().parse(), Ok(read)),
                Err(fault) => prop_assert!(matches!(fault, LocatorFault::Grown | LocatorFault::Characters), "{}", fault),
            }
        }

        #[test]
        fn no_text_is_too_odd_to_be_read_or_refused(text in "\\PC*", start in "(https://|aws:|masters/)?") {
            if let Ok(read) = format!("{start}{text}").parse::<Locator>() {
                let _ = (read.file_name(), read.to_string());
            }
        }
    }

    #[test]
    fn what_names_no_file_is_refused_with_what_would_be_right() {
        let long = format!("https://h.example/{}", "a".repeat(LOCATOR_BYTES_MAX));
        let of = |start: &str, length: usize| format!("{start}{}", "a".repeat(length - start.len()));
        let dropbox = of("https://www.dropbox.com/s/", LOCATOR_BYTES_MAX);
        let one_drive = of("https://1drv.ms/u/", 1600);
        let nextcloud = of("https://h.example/s/aB3dE6gH9jK2mN5?", LOCATOR_BYTES_MAX);
        let long_key = format!("aws:my-bucket/{}", "k".repeat(KEY_BYTES_MAX + 1));
        for (written, fault) in [
            ("http://h.example/a.zip", LocatorFault::Scheme),
            ("ftp://h.example/a.zip", LocatorFault::Scheme),
            ("https://", LocatorFault::Host),
            ("https:///a.zip", LocatorFault::Host),
            ("https://h.example", LocatorFault::Path),
            ("https://h.example/", LocatorFault::Path),
            ("https://h.example:8443", LocatorFault::Path),
            ("https://h.example?id=7", LocatorFault::Path),
            ("https://h.example:0/a", LocatorFault::Port),
            ("https://h.example:65536/a", LocatorFault::Port),
            ("https://h.example:80x/a", LocatorFault::Port),
            ("https://h.example:/a", LocatorFault::Port),
            ("https://h..example/a", LocatorFault::Host),
            ("https://[::1/a", LocatorFault::Host),
            ("https://[::g]/a", LocatorFault::Host),
            ("https://anna:secret@h.example/a", LocatorFault::User),
            ("https://h.example/a b", LocatorFault::Characters),
            ("https://h.example/ä", LocatorFault::Characters),
            ("https://h.example/a\n", LocatorFault::Characters),
            ("https://h.example/a#top", LocatorFault::Fragment),
            (&long, LocatorFault::Characters),
            (&dropbox, LocatorFault::Grown),
            (&one_drive, LocatorFault::Grown),
            (&nextcloud, LocatorFault::Grown),
            ("aws:", LocatorFault::Bucket),
            ("aws:my-bucket", LocatorFault::Bucket),
            ("aws:my-bucket/", LocatorFault::Bucket),
            ("aws:my-bucket/:7", LocatorFault::Bucket),
            ("aws:My-Bucket/a", LocatorFault::Bucket),
            ("aws:ab/a", LocatorFault::Bucket),
            ("aws:-ab/a", LocatorFault::Bucket),
            ("aws:my-bucket/a\u{1}", LocatorFault::Bucket),
            (&long_key, LocatorFault::Bucket),
            ("", LocatorFault::Storage),
            ("masters", LocatorFault::Storage),
            ("masters/", LocatorFault::Storage),
            ("masters/../a", LocatorFault::Storage),
            ("Masters/a", LocatorFault::Storage),
            ("C:\\files\\a.zip", LocatorFault::Storage),
        ] {
            assert_eq!(written.parse::<Locator>(), Err(fault), "{written:.60}");
        }
    }
}

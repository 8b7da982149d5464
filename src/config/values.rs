//! Values of the configuration file that are more than a word or a number. Each is read in one place; what is wrong
//! with it is said as it follows after "must be".

use std::net::SocketAddr;
use std::path::PathBuf;

use super::{Address, PublicUrl};

/// Linux keeps 108 bytes for the path of a socket, the closing NUL included.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// The longest `FileDescriptorName=` that systemd takes.
const PASSED_NAME_BYTES_MAX: usize = 255;

/// The longest host name of DNS.
const HOST_BYTES_MAX: usize = 253;

/// Why a value is not taken.
pub(super) enum Wrong {
    /// The definition of the key says what would be right.
    Shape,
    /// This would be right.
    Must(String),
    /// The definition of the key says what would be right; this follows after what was found.
    Hint(String),
    /// The design knows it, this version does not.
    Later,
}

/// The mode of a socket whose listener does not say one: its owner and its group.
pub(super) const SOCKET_MODE: u32 = 0o660;

/// An absolute path without NUL and `..`.
pub(super) fn absolute_path(text: &str) -> Result<PathBuf, Wrong> {
    let path = PathBuf::from(text);
    let climbs = path.components().any(|part| part == std::path::Component::ParentDir);
    if path.is_absolute() && !climbs && !text.contains('\0') { Ok(path) } else { Err(Wrong::Shape) }
}

/// A path that is absolute or lies under `state_dir`.
pub(super) fn key_path(text: &str) -> Result<PathBuf, Wrong> {
    let path = PathBuf::from(text);
    let climbs = path.components().any(|part| part == std::path::Component::ParentDir);
    let names_a_file = path.file_name().is_some() && !text.ends_with('/');
    if names_a_file && !climbs && !text.contains('\0') { Ok(path) } else { Err(Wrong::Shape) }
}

/// `unix:/path`, `ip:port` or `systemd:NAME`.
pub(super) fn address(text: &str) -> Result<Address, Wrong> {
    if let Some(name) = text.strip_prefix("systemd:") {
        return passed_name(name).map(Address::Passed);
    }
    if let Some(path) = text.strip_prefix("unix:") {
        if path.len() > SOCKET_PATH_BYTES_MAX {
            return Err(Wrong::Must(format!("a socket's path of at most {SOCKET_PATH_BYTES_MAX} bytes")));
        }
        let path = absolute_path(path).ok().filter(|path| path.file_name().is_some());
        let path =
            path.ok_or_else(|| Wrong::Must("\"unix:\" and an absolute path, such as \"unix:/run/cloakroom/nginx.sock\"".to_owned()))?;
        return Ok(Address::Unix { path, mode: SOCKET_MODE, group: None });
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(Address::Tcp(SocketAddr::new(address.ip().to_canonical(), address.port())));
    }
    if text.starts_with('/') && !text.contains('\0') {
        return Err(Wrong::Must(format!("\"unix:{text}\" for a unix socket")));
    }
    match text.rsplit_once(':').map_or(text, |(_, port)| port).parse::<u16>() {
        Ok(port) => Err(Wrong::Must(format!("an IP address and a port, such as \"127.0.0.1:{port}\""))),
        Err(_) => Err(Wrong::Shape),
    }
}

/// A `FileDescriptorName=` of systemd, without the signs that nobody needs in one.
fn passed_name(text: &str) -> Result<String, Wrong> {
    let good = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte));
    if good && (1..=PASSED_NAME_BYTES_MAX).contains(&text.len()) {
        return Ok(text.to_owned());
    }
    Err(Wrong::Must(format!(
        "\"systemd:\" and the FileDescriptorName= of a .socket unit, 1 to {PASSED_NAME_BYTES_MAX} letters, digits and `-_.@`, such as \"systemd:nginx\""
    )))
}

/// The longest realm: browsers show one line of it.
const REALM_BYTES_MAX: usize = 100;

/// A realm as a quoted string carries it without escapes.
pub(super) fn realm(text: &str) -> Result<String, Wrong> {
    let plain = |byte: u8| (0x20..=0x7e).contains(&byte) && byte != b'"' && byte != b'\\';
    let good = (1..=REALM_BYTES_MAX).contains(&text.len()) && text.trim() == text && text.bytes().all(plain);
    if good { Ok(text.to_owned()) } else { Err(Wrong::Shape) }
}

/// `unix:/path`, and nothing else.
pub(super) fn unix_socket(text: &str) -> Result<PathBuf, Wrong> {
    match address(text)? {
        Address::Unix { path, .. } => Ok(path),
        Address::Tcp(_) | Address::Passed(_) => Err(Wrong::Shape),
    }
}

/// `0660`: three or four octal digits, readable and writable by the owner, nothing but `rwx`.
pub(super) fn mode(text: &str) -> Result<u32, Wrong> {
    let octal = (3..=4).contains(&text.len()) && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| octal && *mode <= 0o777).ok_or(Wrong::Shape)?;
    if mode & 0o600 == 0o600 {
        Ok(mode)
    } else {
        Err(Wrong::Must("a mode in which the owner may read and write, such as \"0660\"".to_owned()))
    }
}

/// The name of a group of the system.
pub(super) fn group(text: &str) -> Result<String, Wrong> {
    let starts = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let good = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    if starts && good && text.len() <= 32 { Ok(text.to_owned()) } else { Err(Wrong::Shape) }
}

/// The id of a key, or the name of a policy: letters, digits, `-`, `_`, at most 32.
pub(super) fn id(text: &str) -> Result<String, Wrong> {
    let good = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if good && (1..=32).contains(&text.len()) { Ok(text.to_owned()) } else { Err(Wrong::Shape) }
}

/// The name that signed URLs are made for. It is a line of the signed text, so it has no line breaks or blanks.
pub(super) fn site(text: &str) -> Result<String, Wrong> {
    let good = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte));
    if good && (1..=HOST_BYTES_MAX).contains(&text.len()) { Ok(text.to_owned()) } else { Err(Wrong::Shape) }
}

/// `/dl/`: segments of RFC 3986 unreserved characters, which are canonical as they stand and which no web server
/// reads in two ways.
fn is_plain_prefix(text: &str) -> bool {
    let good = |segment: &str| {
        let plain = segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
        plain && !segment.is_empty() && segment != "." && segment != ".."
    };
    text == "/" || text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')).is_some_and(|middle| middle.split('/').all(good))
}

/// Our own internal addresses of the web server.
const OURS: [&str; 2] = ["/_cloakroom/authorize/", "/_cloakroom/refused/"];

/// The web server's internal location of a storage.
pub(super) fn handoff(text: &str) -> Result<String, Wrong> {
    if !is_plain_prefix(text) || text == "/" {
        return Err(Wrong::Shape);
    }
    if OURS.iter().any(|ours| ours.starts_with(text) || text.starts_with(ours)) {
        return Err(Wrong::Must(
            "a location of its own, such as \"/_cloakroom/masters/\": this one holds Cloakroom's internal addresses".to_owned(),
        ));
    }
    Ok(text.to_owned())
}

/// Where something is found: a path of the site, or a whole URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// `/pub/`.
    Here(String),
    /// `https://files.example/pub/`.
    There(PublicUrl),
}

impl Place {
    /// As it was written.
    pub(super) fn written(&self) -> String {
        match self {
            Self::Here(path) => path.clone(),
            Self::There(url) => format!("{}{}", url.origin, url.path),
        }
    }

    /// As a URL, of a site whose own is `public_url`.
    pub(super) fn on(self, public_url: &PublicUrl) -> PublicUrl {
        match self {
            Self::Here(path) => PublicUrl { path, ..public_url.clone() },
            Self::There(url) => url,
        }
    }
}

/// A path that begins and ends with `/`, or a URL that does.
pub(super) fn place(text: &str) -> Result<Place, Wrong> {
    if !text.starts_with('/') {
        return public_url(text).map(Place::There);
    }
    if is_plain_prefix(text) && text != "/" { Ok(Place::Here(text.to_owned())) } else { Err(Wrong::Shape) }
}

/// `https://shop.example/dl/`, taken apart.
pub(super) fn public_url(text: &str) -> Result<PublicUrl, Wrong> {
    let must = |what: &str| Err(Wrong::Must(what.to_owned()));
    let (scheme, standard_port, rest) = match text.split_once("://") {
        Some(("https", rest)) => ("https", 443, rest),
        Some(("http", rest)) => ("http", 80, rest),
        _ => return Err(Wrong::Shape),
    };
    if text.contains(['?', '#']) {
        return must("a URL without query and fragment");
    }
    let Some(slash) = rest.find('/') else {
        return Err(Wrong::Must(format!("a URL whose path ends with `/`, such as \"{scheme}://{rest}/\"")));
    };
    let (authority, path) = rest.split_at_checked(slash).ok_or(Wrong::Shape)?;
    if authority.contains('@') {
        return must("a URL without user name and password");
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            let plain = port.bytes().all(|byte| byte.is_ascii_digit());
            match port.parse::<u16>() {
                Ok(port) if plain && port > 0 => (host, Some(port)),
                _ => return must("a URL whose port is a number from 1 to 65535"),
            }
        }
        _ => (authority, None),
    };
    if !is_host(host) {
        return must("a URL with a host in lower-case ASCII, such as \"https://shop.example/dl/\" (names in other scripts as \"xn--…\")");
    }
    if !path.ends_with('/') {
        return Err(Wrong::Must(format!("a URL whose path ends with `/`, such as \"{text}/\"")));
    }
    if !is_plain_prefix(path) {
        return must("a URL whose path has only letters, digits and `-._~` between its slashes");
    }
    let port = port.filter(|port| *port != standard_port).map_or_else(String::new, |port| format!(":{port}"));
    Ok(PublicUrl { origin: format!("{scheme}://{host}{port}"), host: host.to_owned(), path: path.to_owned() })
}

/// A DNS name, an IPv4 address, or an IPv6 address in brackets.
pub(super) fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return inner.parse::<std::net::Ipv6Addr>().is_ok() && !inner.bytes().any(|byte| byte.is_ascii_uppercase());
    }
    let label = |label: &str| {
        let good = label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        good && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    host.len() <= HOST_BYTES_MAX && host.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_taken_apart() {
        for (text, origin, host, path) in [
            ("https://shop.example/dl/", "https://shop.example", "shop.example", "/dl/"),
            ("http://127.0.0.1:8480/", "http://127.0.0.1:8480", "127.0.0.1", "/"),
            ("https://shop.example:443/a/b.c/", "https://shop.example", "shop.example", "/a/b.c/"),
            ("https://shop.example:80/", "https://shop.example:80", "shop.example", "/"),
            ("http://[::1]:81/dl/", "http://[::1]:81", "[::1]", "/dl/"),
            ("http://[2001:db8::1]/", "http://[2001:db8::1]", "[2001:db8::1]", "/"),
        ] {
            let url = public_url(text).ok().expect(text);
            assert_eq!((url.origin.as_str(), url.host.as_str(), url.path.as_str()), (origin, host, path));
        }
    }

    #[test]
    fn a_public_url_in_doubt_is_refused() {
        for text in [
            "",
            "shop.example",
            "https:/shop.example/",
            "ftp://shop.example/",
            "HTTPS://shop.example/",
            "https://shop.example",
            "https://shop.example/dl",
            "https://shop.example/dl/?a=b",
            "https://shop.example/dl/#x",
            "https://user:pass@shop.example/",
            "https:///dl/",
            "https://Shop.example/",
            "https://müller.example/",
            "https://shop.example:0/",
            "https://shop.example:/",
            "https://shop.example:+80/",
            "https://shop.example:99999/",
            "https://shop..example/",
            "https://-shop.example/",
            "https://[::g]/",
            "https://::1/",
            "https://shop.example//",
            "https://shop.example/a/../b/",
            "https://shop.example/%61/",
            "https://shop.example/a b/",
            "https://shop.example\n/",
        ] {
            assert!(public_url(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn addresses_are_sockets_or_ports() {
        let unix = Address::Unix { path: "/run/c.sock".into(), mode: 0o660, group: None };
        assert_eq!(address("unix:/run/c.sock").ok(), Some(unix));
        for good in ["127.0.0.1:8470", "[::1]:0"] {
            assert_eq!(address(good).ok(), good.parse().ok().map(Address::Tcp), "{good}");
        }
        assert_eq!(address("[::ffff:127.0.0.1]:1").ok(), "127.0.0.1:1".parse().ok().map(Address::Tcp));
        let long = format!("unix:/{}", "a".repeat(107));
        for bad in
            ["", "unix:", "unix:run/c.sock", "unix:/", "unix:/a/../b", "/run/c.sock", "localhost:80", ":80", "80", "*:80", "::1:80", &long]
        {
            assert!(address(bad).is_err(), "{bad:?}");
        }
        assert!(address(long.get(..long.len() - 1).expect("ASCII")).is_ok());
        for (text, name) in [("systemd:web", "web"), ("systemd:cloakroom.socket", "cloakroom.socket"), ("systemd:a_b-c@1", "a_b-c@1")] {
            assert_eq!(address(text).ok(), Some(Address::Passed(name.to_owned())), "{text}");
        }
        for bad in ["systemd:", "systemd:a:b", "systemd:a b", "systemd:/a", &format!("systemd:{}", "a".repeat(256))] {
            assert!(address(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn modes_are_octal_and_leave_the_owner_in() {
        for (text, value) in [("0660", Some(0o660)), ("660", Some(0o660)), ("0777", Some(0o777)), ("0600", Some(0o600))] {
            assert_eq!(mode(text).ok(), value, "{text}");
        }
        for bad in ["", "0", "66", "0680", "0o660", "+660", "1777", "06600", "0060", "0460", "rw-"] {
            assert!(mode(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_and_locations_are_plain() {
        for (text, good) in [("main", true), ("Main_2-b", true), ("", false), ("a b", false), ("ä", false), (&"a".repeat(33), false)] {
            assert_eq!(id(text).is_ok(), good, "{text:?}");
        }
        for (text, good) in [("www-data", true), ("_x.y", true), ("", false), ("1a", false), ("-a", false), ("a:b", false)] {
            assert_eq!(group(text).is_ok(), good, "{text:?}");
        }
        for (text, good) in
            [("shop.example", true), ("", false), ("a\nb", false), ("Shop", false), ("a b", false), (&"a".repeat(254), false)]
        {
            assert_eq!(site(text).is_ok(), good, "{text:?}");
        }
        for (text, good) in [
            ("/_cloakroom/masters/", true),
            ("/x/", true),
            ("/_cloakroom/", false),
            ("/_cloakroom/authorize/", false),
            ("/_cloakroom/refused/", false),
            ("/_cloakroom/refused/x/", false),
            ("/", false),
            ("", false),
            ("/x", false),
            ("x/", false),
            ("//", false),
            ("/a//b/", false),
            ("/a/../b/", false),
            ("/a%20b/", false),
        ] {
            assert_eq!(handoff(text).is_ok(), good, "{text:?}");
        }
        for (text, good) in [("/a", true), ("/a/b/", true), ("a", false), ("", false), ("/a/../b", false), ("/a\0", false)] {
            assert_eq!(absolute_path(text).is_ok(), good, "{text:?}");
        }
        for (text, good) in [("keys/main", true), ("/k", true), ("", false), ("../k", false), ("keys/", false), ("/", false)] {
            assert_eq!(key_path(text).is_ok(), good, "{text:?}");
        }
    }
}

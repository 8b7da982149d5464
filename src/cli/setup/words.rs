//! Words as Apache, Nginx and a shell read them. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// A text of the configuration that a web server cannot be told, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unsayable(pub(super) String);

fn plain(text: &str, server: &str) -> Result<(), Unsayable> {
    match text.chars().find(|letter| letter.is_control()) {
        None => Ok(()),
        Some(_) => Err(Unsayable(format!("{text:?} has a control character, which {server}'s configuration cannot hold"))),
    }
}

/// A path as text.
pub(super) fn of_path(path: &Path) -> Result<&str, Unsayable> {
    path.to_str().ok_or_else(|| Unsayable(format!("{} is not UTF-8", path.display())))
}

/// What stands between Apache's double quotes: `\` and `"` behind a `\`.
pub(super) fn apache(text: &str) -> Result<String, Unsayable> {
    plain(text, "Apache")?;
    if text.contains("${") {
        return Err(Unsayable(format!("{text:?} has a `${{`, which Apache takes for the beginning of a variable")));
    }
    Ok(text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The same in the head of a section, where `*`, `?` and `[` stand for others unless they stand in brackets.
pub(super) fn apache_section(text: &str) -> Result<String, Unsayable> {
    if !text.contains(['*', '?', '[']) {
        return apache(text);
    }
    let mut pattern = String::new();
    for letter in text.chars() {
        match letter {
            '*' | '?' | '[' => pattern.extend(['[', letter, ']']),
            '\\' => pattern.push_str("\\\\"),
            other => pattern.push(other),
        }
    }
    apache(&pattern)
}

/// A plain prefix of a URL inside one of Apache's regular expressions.
pub(super) fn in_expression(prefix: &str) -> String {
    prefix.replace('.', "[.]")
}

/// A word of Apache's `prg:` and `|` lines, which it takes apart itself; they stand between double quotes.
pub(super) fn apache_argument(text: &str) -> Result<String, Unsayable> {
    let mut word = String::new();
    for letter in text.chars() {
        if letter.is_whitespace() || "'\"\\".contains(letter) {
            word.push('\\');
        }
        word.push(letter);
    }
    apache(&word)
}

/// A word for Nginx, in quotes where it needs them.
pub(super) fn nginx(text: &str) -> Result<String, Unsayable> {
    plain(text, "Nginx")?;
    if text.contains('$') {
        return Err(Unsayable(format!("{text:?} has a `$`, which Nginx takes for the beginning of a variable")));
    }
    let is_plain = |letter: char| !letter.is_whitespace() && !"\"'\\;{}#".contains(letter);
    if text.chars().all(is_plain) {
        return Ok(text.to_owned());
    }
    Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// A word for a shell, in quotes where it needs them.
pub(in crate::cli) fn shell(text: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-._/:@%+,=".contains(letter);
    if !text.is_empty() && text.chars().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// Where a listener on all addresses is reached on its own machine.
pub(in crate::cli) fn reached(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reader_gets_words_that_it_reads_as_one() {
        let good = |text: &str| Ok(text.to_owned());
        let rows = [
            ("/srv/a", good("/srv/a"), good("/srv/a"), good("/srv/a"), "/srv/a"),
            ("/srv/a b", good("/srv/a b"), good("/srv/a b"), good("\"/srv/a b\""), "'/srv/a b'"),
            ("/ä'\"", good("/ä'\\\""), good("/ä'\\\""), good("\"/ä'\\\"\""), "'/ä'\\''\"'"),
            ("/a[1]*?", good("/a[1]*?"), good("/a[[]1][*][?]"), good("/a[1]*?"), "'/a[1]*?'"),
            ("/a\\b", good("/a\\\\b"), good("/a\\\\b"), good("\"/a\\\\b\""), "'/a\\b'"),
            ("/a\\[", good("/a\\\\["), good("/a\\\\\\\\[[]"), good("\"/a\\\\[\""), "'/a\\['"),
            ("a;#{", good("a;#{"), good("a;#{"), good("\"a;#{\""), "'a;#{'"),
        ];
        for (text, in_apache, in_section, in_nginx, in_shell) in rows {
            assert_eq!((apache(text), apache_section(text)), (in_apache, in_section), "{text}");
            assert_eq!((nginx(text), shell(text)), (in_nginx, in_shell.to_owned()), "{text}");
        }
        assert_eq!(apache_argument("/a b/c'd"), good("/a\\\\ b/c\\\\'d"));
        for bad in ["a\nb", "a\u{7f}"] {
            assert!(apache(bad).is_err() && nginx(bad).is_err() && apache_section(bad).is_err(), "{bad:?}");
        }
        assert!(apache("${a}").is_err() && apache("$a").is_ok() && nginx("$a").is_err());
        assert_eq!(shell(""), "''");
    }

    #[test]
    fn a_listener_on_all_addresses_is_reached_on_loopback() {
        for (address, expected) in
            [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:2", "[::1]:2"), ("127.0.0.1:3", "127.0.0.1:3"), ("10.0.0.1:4", "10.0.0.1:4")]
        {
            assert_eq!(reached(address.parse().unwrap()).to_string(), expected);
        }
    }
}

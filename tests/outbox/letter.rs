//! A letter as its reader sees it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::servers::site::Site;

/// The plain part of a letter, decoded.
#[track_caller]
pub(crate) fn plain(letter: &str) -> String {
    part(letter, "text/plain")
}

#[track_caller]
pub(crate) fn part(letter: &str, media_type: &str) -> String {
    let boundary = letter.split("boundary=\"").nth(1).unwrap_or_else(|| panic!("{letter}")).split('"').next().unwrap();
    let line = format!("--{boundary}");
    let part = letter.split(line.as_str()).skip(1).find(|part| part.contains(media_type)).unwrap_or_else(|| panic!("{letter}"));
    let (head, body) = part.split_once("\n\n").unwrap();
    let head = head.to_ascii_lowercase();
    if head.contains("quoted-printable") {
        return quoted_printable(body);
    }
    if head.contains("base64") {
        return String::from_utf8(STANDARD.decode(body.split_whitespace().collect::<String>()).unwrap()).unwrap();
    }
    body.to_owned()
}

fn quoted_printable(text: &str) -> String {
    let mut bytes = Vec::new();
    let text = text.replace("=\n", "");
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        if *first == b'=' && more.len() >= 2 {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&more[..2]).unwrap(), 16).unwrap());
            rest = &more[2..];
        } else {
            bytes.push(*first);
            rest = more;
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// The value of a header of a letter, on one line.
#[track_caller]
pub(crate) fn header(letter: &str, name: &str) -> String {
    let head = letter.split("\n\n").next().unwrap().replace("\n ", " ").replace("\n\t", " ");
    let line = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned));
    line.unwrap_or_else(|| panic!("{name}: {letter}"))
}

/// The URLs in a text. What they open may stand in no log.
pub(crate) fn urls(site: &Site, text: &str) -> Vec<String> {
    let urls: Vec<String> = text.lines().filter(|line| line.starts_with("http://")).map(|line| line.trim().to_owned()).collect();
    urls.iter().map(|url| site.target(url)).for_each(drop);
    urls
}

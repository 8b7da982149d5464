//! Whatever a file is called, it arrives whole under its own name, whoever sends it; what a web server cannot be told is
//! refused, and never another file.

use cloakroom::clock;

use crate::places::{Kind, Places, Way};
use crate::servers::http::Answer;
use crate::servers::site::{content, encoded};
use crate::table::seen;

/// File names that some program on the way could take for something else.
fn names() -> Vec<String> {
    let mut names: Vec<String> = [
        "plain.zip",
        "with space.zip",
        "two  spaces .zip",
        " leading.zip",
        "  two leading.zip",
        "100%.zip",
        "%41%2e%2e.zip",
        "a%20b.zip",
        "a b.zip",
        "a%2520b.zip",
        "what?.zip",
        "what",
        "a?kid=main&exp=1.zip",
        "#1.zip",
        "a#b?c.zip",
        "say \"hi\".zip",
        "it's.zip",
        "Müller, final.zip",
        "M\u{fc}ller",
        "u\u{308}ber.zip",
        "日本語.zip",
        "مرحبا.zip",
        "🎵 set 👩‍👩‍👧.zip",
        "a+b.zip",
        "a;b.zip",
        "a&b=c.zip",
        ".hidden.zip",
        "..two.zip",
        "-rf.zip",
        "~a.zip",
        "a:b.zip",
        "http:.zip",
        "a@b,c.zip",
        "$uri $1.zip",
        "%{HTTP_HOST}.zip",
        "${PATH}.zip",
        "(1) [2] {3}.zip",
        "<b>.zip",
        "a|b^c`d.zip",
        "*.zip",
        "dot.",
        "a.zip.gz",
        "a.html.de",
        "index.html",
    ]
    .map(str::to_owned)
    .to_vec();
    names.push(format!("{}.zip", "n".repeat(251)));
    names.push(format!("{}.zip", "ü".repeat(125)));
    names.push(format!("{0}/{0}/{0}/{0}/a.zip", "ä".repeat(120)));
    names
}

/// The name under which a browser saves the answer: `filename*` where there is one, else `filename`.
fn saved_as(answer: &Answer) -> String {
    let value = answer.header("Content-Disposition").expect("a name");
    if let Some((_, extended)) = value.split_once("; filename*=UTF-8''") {
        let (mut bytes, mut from) = (vec![], extended.bytes());
        while let Some(byte) = from.next() {
            let digits = |from: &mut std::str::Bytes<'_>| [from.next().unwrap(), from.next().unwrap()];
            let byte = if byte == b'%' { u8::from_str_radix(std::str::from_utf8(&digits(&mut from)).unwrap(), 16).unwrap() } else { byte };
            bytes.push(byte);
        }
        return String::from_utf8(bytes).unwrap();
    }
    value
        .strip_prefix("attachment; filename=\"")
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or_else(|| panic!("{value}"))
        .replace('\\', "")
}

#[test]
fn whatever_a_file_is_called_it_arrives_whole_under_its_own_name_whoever_sends_it() {
    let places = Places::open("");
    let names = names();
    for (number, name) in names.iter().enumerate() {
        places.put(name, &content(1000 + number));
    }
    let good = format!("kid=main&exp={}", clock::now().seconds() + 3600);
    let (mut faults, mut count) = (Vec::new(), 0);
    for (number, name) in names.iter().enumerate() {
        let bytes = content(1000 + number);
        for kind in Kind::ALL {
            for (way, desk) in places.ways(kind) {
                let target = desk.mint(&format!("{}/{}", kind.base(), encoded(name)), &good);
                let whole = desk.get(&target);
                let head = desk.ask("HEAD", &target, &[]);
                let tag = whole.header("ETag").unwrap_or_default().to_owned();
                let part = desk.ask("GET", &target, &[("Range", "bytes=500-"), ("If-Range", &tag)]);
                let found = [seen(&whole, &bytes, false), seen(&head, &bytes, true), seen(&part, &bytes, false)];
                let last = bytes.len() - 1;
                count += 1;
                if way == Way::RewriteMap && name.contains('?') {
                    // `mod_rewrite` would take what follows for a query: it is told nothing.
                    assert_eq!(found, ["404 file_missing"; 3], "{name}");
                    continue;
                }
                if found != ["200 whole".to_owned(), format!("200 length {}", bytes.len()), format!("206 500-{last}")] {
                    faults.push(format!("{way:?} {name}: {found:?}"));
                } else if kind == Kind::Download {
                    let own = name.rsplit('/').next().unwrap().trim_start_matches('.').trim_end_matches('.').trim();
                    // Longer than browsers take, it is cut in the middle.
                    if own.len() <= 200 {
                        assert_eq!(saved_as(&whole), own, "{way:?}");
                    }
                    for (header, value) in [
                        ("Cache-Control", Some("private, no-store")),
                        ("X-Content-Type-Options", Some("nosniff")),
                        ("Content-Encoding", None),
                        ("Set-Cookie", None),
                        ("X-Accel-Redirect", None),
                        ("X-Sendfile", None),
                        ("Cloakroom-Refusal", None),
                    ] {
                        for answer in [&whole, &head, &part] {
                            assert_eq!(answer.header(header), value, "{way:?} {name}: {header}");
                        }
                    }
                    assert!(tag.len() > 2 && tag.starts_with('"'), "{way:?} {name}: a strong tag: {tag}");
                    assert_eq!(whole.header("Accept-Ranges"), Some("bytes"), "{way:?} {name}");
                    assert_eq!(head.header("ETag"), Some(tag.as_str()), "{way:?} {name}");
                    assert!(whole.header("Last-Modified").is_some(), "{way:?} {name}");
                }
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert!(count >= 6 * 45, "{count}");
}

#[test]
fn a_name_that_x_sendfile_cannot_hold_is_refused_and_no_other_file_is_sent() {
    let places = Places::open("");
    // Without its last blank each of them is the name of another file.
    let (other, bytes) = (content(999), content(1000));
    for name in ["a.zip", "a.zip ", "a b", "a b ", "ü", "ü\u{a0}", "ü\u{3000}", " "] {
        places.put(name, if name.ends_with(char::is_whitespace) { &bytes } else { &other });
    }
    let good = format!("kid=main&exp={}", clock::now().seconds() + 3600);
    for name in ["a.zip ", "a b ", "ü\u{a0}", "ü\u{3000}", " "] {
        for (way, desk) in places.ways(Kind::Download) {
            let answer = desk.get(&desk.mint(&format!("/dl/f/masters/{}", encoded(name)), &good));
            // The module cuts blanks off the end of what it is told; we say nothing that a reader of headers may cut.
            let expected = if way == Way::Xsendfile { "404 file_missing" } else { "200 whole" };
            assert_eq!((seen(&answer, &bytes, false).as_str(), answer.body == other), (expected, false), "{way:?} {name:?}");
            if way == Way::Xsendfile {
                // No link leads to what cannot be sent, and uses a download up.
                let link = desk.target(&desk.cloakroom.link(&format!("masters/{name}"), 1));
                assert_eq!(seen(&desk.get(&link), &bytes, false), expected, "{name:?}");
            }
        }
        for (way, desk) in places.ways(Kind::Authorize) {
            let answer = desk.get(&desk.mint(&format!("/members/{}", encoded(name)), &good));
            assert_eq!(seen(&answer, &bytes, false), "200 whole", "{way:?} {name:?}");
        }
    }
}

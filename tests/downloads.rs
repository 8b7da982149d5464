//! Stateless downloads through a real nginx and the real daemon: which bytes arrive, and what the headers say of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod servers;

use std::fs;
use std::process::{Command, Stdio};

use cloakroom::clock;
use servers::http::{Answer, Download};
use servers::site::{Site, content, encoded};

/// File names that some program on the way could take for something else.
fn hard_names() -> Vec<String> {
    let mut names: Vec<String> = [
        "plain.zip",
        "with space.zip",
        "two  spaces .zip",
        "100%.zip",
        "%41%2e%2e.zip",
        "a%20b.zip",
        "what?.zip",
        "a?kid=main&exp=1.zip",
        "#1.zip",
        "a#b?c.zip",
        "say \"hi\".zip",
        "it's.zip",
        "Müller, final.zip",
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
        "a@b,c.zip",
        "$uri $1.zip",
        "(1) [2] {3}.zip",
        "<b>.zip",
        "a|b^c`d.zip",
        "*.zip",
        "dot.",
    ]
    .map(str::to_owned)
    .to_vec();
    names.push(format!("{}.zip", "n".repeat(196)));
    names.push(format!("{}.zip", "ü".repeat(100)));
    names
}

/// The name under which a browser saves the answer: `filename*` of RFC 8187 where there is one, else `filename`.
#[track_caller]
fn saved_as(answer: &Answer) -> String {
    let value = answer.header("Content-Disposition").expect("a name");
    let rest = value.strip_prefix("attachment; filename=\"").unwrap_or_else(|| panic!("{value}"));
    let (mut plain, mut characters) = (String::new(), rest.char_indices());
    let end = loop {
        match characters.next().expect("a closing quote") {
            (at, '"') => break at + 1,
            (_, '\\') => plain.push(characters.next().unwrap().1),
            (_, character) => plain.push(character),
        }
    };
    let Some(extended) = rest[end..].strip_prefix("; filename*=UTF-8''") else {
        assert_eq!(&rest[end..], "", "{value}");
        return plain;
    };
    let mut bytes = vec![];
    let mut from = extended.bytes();
    while let Some(byte) = from.next() {
        if byte == b'%' {
            let digits = [from.next().unwrap(), from.next().unwrap()];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
        } else {
            assert!(byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte), "{value}");
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// Checks what each answer with bytes of a file says beside its name: each header exactly once.
#[track_caller]
fn assert_handed_off(answer: &Answer, media_type: &str) {
    assert_eq!(answer.header("Content-Type"), Some(media_type));
    assert_eq!(answer.header("Cache-Control"), Some("private, no-store"));
    assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"));
    assert_eq!(answer.header("Expires"), None);
    assert_eq!(answer.header("Content-Encoding"), None);
    assert_eq!(answer.header("Accept-Ranges"), (answer.status == 200).then_some("bytes"));
    let etag = answer.header("ETag").expect("an entity tag");
    assert!(etag.len() > 2 && etag.starts_with('"') && etag.ends_with('"'), "a strong entity tag: {etag}");
    assert!(answer.header("Last-Modified").is_some());
    for internal in ["X-Accel-Redirect", "X-Accel-Limit-Rate", "Cloakroom-Refusal", "Cloakroom-Delivery", "Set-Cookie"] {
        assert_eq!(answer.header(internal), None, "{internal}");
    }
}

#[test]
fn a_signed_url_opens_its_file_and_nothing_else_does() {
    let site = Site::open();
    site.master("a.zip", b"the goods");
    let target = site.sign("masters/a.zip", &[]);
    let answer = site.get(&target);
    assert_eq!((answer.status, answer.text().as_str()), (200, "the goods"));
    let bare = site.get("/dl/f/masters/a.zip");
    assert_eq!((bare.status, bare.header("cloakroom-refusal")), (401, Some("no_proof")));
}

#[test]
fn whatever_a_file_and_its_folder_are_called_it_arrives_whole_under_its_own_name() {
    let site = Site::open();
    let names = hard_names();
    let mut seen = vec![];
    for (number, name) in names.iter().enumerate() {
        // Each name in the root, and in a folder that is called like another one of them.
        for path in [name.clone(), format!("{}.d/{name}", names[(number + 7) % names.len()])] {
            let bytes = content(1000 + seen.len());
            site.master(&path, &bytes);
            let target = site.sign(&format!("masters/{path}"), &[]);
            let whole = site.get(&target);
            assert_eq!(whole.status, 200, "{path}: {}", whole.text());
            assert!(whole.body == bytes, "{path}: {} bytes", whole.body.len());
            assert_handed_off(&whole, if path.ends_with('.') { "application/octet-stream" } else { "application/zip" });
            assert_eq!(saved_as(&whole), name.trim_start_matches('.').trim_end_matches('.'), "{path}");
            let head = site.ask("HEAD", &target, &[]);
            assert_eq!((head.status, head.header("Content-Length")), (200, whole.header("Content-Length")), "{path}");
            assert_eq!(head.header("ETag"), whole.header("ETag"), "{path}");
            assert_eq!(saved_as(&head), saved_as(&whole), "{path}");
            let etag = whole.header("ETag").unwrap().to_owned();
            let part = site.ask("GET", &target, &[("Range", "bytes=500-"), ("If-Range", &etag)]);
            assert!(part.status == 206 && part.body == bytes[500..], "{path}: {}", part.status);
            // A second hand that signs what README says comes to the same address.
            let path = format!("/dl/f/masters/{}", encoded(&path));
            let exp = clock::now().seconds() + 60;
            assert!(site.get(&site.mint(&path, &format!("kid=main&exp={exp}"))).body == bytes, "{path}");
            seen.push(etag);
        }
    }
    assert!(seen.len() >= 60);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), names.len() * 2, "files of other sizes have other tags");
    assert_eq!(site.nginx.reported(), [""; 0], "a stateless download is nobody's delivery");
}

#[test]
fn the_signer_s_name_takes_the_place_of_the_file_s() {
    let site = Site::open();
    site.master("set/a.zip", b"the goods");
    for (name, saved) in [
        ("Müller, final.zip", "Müller, final.zip"),
        ("a & b = 100% + #1?.zip", "a & b = 100% + #1?.zip"),
        ("\"; filename=\"x.exe", "\"; filename=\"x.exe"),
        ("a\r\nSet-Cookie: b=c", "aSet-Cookie: b=c"),
        ("../../etc/passwd", "etcpasswd"),
        ("photo\u{202e}gpj.exe", "photogpj.exe"),
        ("...", "download"),
    ] {
        let answer = site.get(&site.sign("masters/set/a.zip", &["--name", name]));
        assert_eq!((answer.status, answer.text().as_str()), (200, "the goods"), "{name:?}");
        assert_eq!(saved_as(&answer), saved, "{name:?}");
        assert_handed_off(&answer, "application/zip");
    }
}

#[test]
fn the_media_type_is_that_of_the_file_and_html_is_never_shown() {
    let site = Site::open();
    for (name, media_type) in [
        ("a.pdf", "application/pdf"),
        ("a.mp4", "video/mp4"),
        ("a.flac", "audio/flac"),
        ("A.JPG", "image/jpeg"),
        ("a.txt", "text/plain"),
        ("a.html", "text/html"),
        ("a.svg", "image/svg+xml"),
        ("a.unheard-of", "application/octet-stream"),
        ("no extension", "application/octet-stream"),
    ] {
        site.master(name, b"<script>alert(1)</script>");
        let answer = site.get(&site.sign(&format!("masters/{name}"), &[]));
        assert_handed_off(&answer, media_type);
        assert!(answer.header("Content-Disposition").unwrap().starts_with("attachment;"), "{name}");
        assert_eq!(answer.header("Content-Security-Policy"), Some("sandbox; default-src 'none'"), "{name}");
    }
}

#[test]
fn a_tag_is_stable_and_another_one_once_the_file_is_replaced() {
    let site = Site::open();
    let path = site.master("a.bin", b"one");
    let target = site.sign("masters/a.bin", &[]);
    let tag = |target: &str| site.get(target).header("ETag").unwrap().to_owned();
    let first = tag(&target);
    assert_eq!(tag(&target), first);
    assert_eq!(tag(&site.sign("masters/a.bin", &["--for", "2h"])), first, "whoever asks");
    site.nginx.reload();
    assert_eq!(tag(&target), first);
    site.master("a.bin", b"three");
    let second = tag(&target);
    assert_ne!(second, first, "another size");
    site.master("a.bin", b"seven");
    let later = fs::metadata(&path).unwrap().modified().unwrap() + std::time::Duration::from_secs(1);
    fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    assert_ne!(tag(&target), second, "the same size, a second later");
}

#[test]
fn files_of_no_byte_and_of_one_byte_arrive() {
    let site = Site::open();
    site.master("none.bin", b"");
    site.master("one.bin", b"1");
    // File, range, status, body.
    for (name, range, status, body) in [
        ("none.bin", None, 200, ""),
        ("none.bin", Some("bytes=0-"), 200, ""),
        ("none.bin", Some("bytes=-1"), 200, ""),
        ("one.bin", None, 200, "1"),
        ("one.bin", Some("bytes=0-"), 206, "1"),
        ("one.bin", Some("bytes=0-0"), 206, "1"),
        ("one.bin", Some("bytes=-1"), 206, "1"),
        ("one.bin", Some("bytes=-9"), 206, "1"),
        ("one.bin", Some("bytes=1-"), 416, ""),
    ] {
        let target = site.sign(&format!("masters/{name}"), &[]);
        let headers: Vec<_> = range.map(|range| ("Range", range)).into_iter().collect();
        let answer = site.ask("GET", &target, &headers);
        assert_eq!(answer.status, status, "{name} {range:?}");
        if status == 416 {
            assert_eq!(answer.header("Content-Range"), Some("bytes */1"), "{name} {range:?}");
        } else {
            assert_eq!(answer.text(), body, "{name} {range:?}");
            assert_handed_off(&answer, "application/octet-stream");
        }
        let head = site.ask("HEAD", &target, &[]);
        assert_eq!((head.status, head.body.len()), (200, 0), "{name}");
    }
}

#[test]
fn two_hundred_megabytes_arrive_byte_for_byte() {
    let site = Site::open();
    let path = site.nginx.downloads().join("large.bin");
    // Blocks that differ, so that none can stand in for another.
    let mut block = content(1_000_000);
    let mut file = fs::File::create(&path).unwrap();
    for number in 0..200_u64 {
        block[..8].copy_from_slice(&number.to_le_bytes());
        std::io::Write::write_all(&mut file, &block).unwrap();
    }
    drop(file);
    let target = site.sign("masters/large.bin", &[]);
    let sum = |command: &mut Command| {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().split_whitespace().next().unwrap().to_owned()
    };
    let url = format!("http://127.0.0.1:{}{target}", site.nginx.port);
    let mut curl = Command::new("curl").args(["-sS", "--fail", &url]).stdout(Stdio::piped()).spawn().unwrap();
    let arrived = sum(Command::new("sha256sum").stdin(curl.stdout.take().unwrap()));
    assert!(curl.wait().unwrap().success());
    assert_eq!(arrived, sum(Command::new("sha256sum").arg(&path)));
}

#[test]
fn a_rate_holds_for_each_download_and_no_rate_is_no_limit() {
    let site = Site::open();
    let bytes = content(300_000);
    site.master("a.bin", &bytes);
    site.page("members/a.bin", &bytes);
    for what in ["masters/a.bin", "/members/a.bin"] {
        let target = site.sign(what, &["--rate", "100000"]);
        let start = clock::now();
        assert!(site.get(&target).body == bytes, "{what}");
        let took = clock::now().since(start).millis();
        // nginx gives the first second's bytes at once, so that three seconds' bytes take two. Slower is no fault here.
        assert!(took >= 1500, "{what} took {took} ms");
        // Of a rate that were not heard, this would be hours.
        let start = clock::now();
        assert!(site.get(&site.sign(what, &["--rate", "1GB/s"])).body == bytes, "{what}");
        assert!(clock::now().since(start).millis() < 60_000, "{what}");
    }
}

#[test]
fn a_client_that_hangs_up_leaves_nothing_behind() {
    let site = Site::open();
    let bytes = content(4_000_000);
    site.master("a.bin", &bytes);
    let target = site.sign("masters/a.bin", &["--rate", "500000"]);
    let mut download = Download::open(site.nginx.port, "GET", &target, &[]);
    download.read(100_000);
    drop(download);
    let rest = site.ask("GET", &site.sign("masters/a.bin", &[]), &[("Range", "bytes=100000-")]);
    assert!(rest.status == 206 && rest.body == bytes[100_000..]);
    // A counted download is reported, so whatever came before it would be there by now.
    let delivery = site.get(&site.target(&site.cloakroom.link("masters/a.bin", 1)));
    assert_eq!(delivery.status, 303);
    assert!(site.get(delivery.header("Location").unwrap()).body == bytes);
    site.assert_reported(1);
}

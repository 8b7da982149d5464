//! Proofs, spellings of the path, methods and conditions.

use crate::places::{Kind, Places, Way};
use crate::servers::site::content;
use crate::table::{GOOD, Row, bare, hold, signed};

const SIZE: usize = 30_000;

fn places() -> (Places, Vec<u8>) {
    let places = Places::open("");
    let bytes = content(SIZE);
    for name in ["set/a.zip", "set/a b+c%.zip", "set/index.html", "other.zip"] {
        places.put(name, &bytes);
    }
    (places, bytes)
}

/// What is signed for the path that is asked for.
fn proofs() -> Vec<Row> {
    let one = || signed("@/set/a.zip");
    let mut rows = vec![bare("@/set/a.zip"), bare("@/set/a.zip?"), bare("@/set/a.zip?kid=main&exp=1900000000"), bare("@/set/none.zip")];
    for query in [
        GOOD.to_owned(),
        "exp={soon}&kid=main".to_owned(),
        format!("{GOOD}&nbf={{past}}"),
        format!("{GOOD}&net=127.0.0.1"),
        format!("{GOOD}&net=127.0.0.0%2F8"),
        format!("{GOOD}&order=A-17&utm_source=mail"),
        format!("{GOOD}&name=b.zip&rate=100000000"),
        format!("{GOOD}&x=1&x=2&&=&kidney=1"),
        format!("{GOOD}&a=%20%22%C3%BC'()*;,!$"),
        format!("{GOOD}{{sig}}&utm_source=mail&fbclid=abc"),
        format!("{GOOD}{{sig}}&"),
        format!("{GOOD}{{sig}}&x=?"),
    ] {
        rows.push(one().with(&query));
    }
    for (query, seen) in [
        ("kid=main&exp={past}".to_owned(), "410 expired"),
        ("kid=main&exp=0".to_owned(), "410 expired"),
        (format!("{GOOD}&nbf={{later}}"), "403 not_yet_valid"),
        (format!("{GOOD}&net=203.0.113.0/24"), "403 wrong_network"),
        (format!("{GOOD}&exp={{later}}"), "403 bad_proof"),
        (format!("{GOOD}&%65xp={{later}}"), "403 bad_proof"),
        ("kid=main".to_owned(), "403 bad_proof"),
        ("exp={soon}".to_owned(), "403 bad_proof"),
        ("kid=main&exp=+{soon}".to_owned(), "403 bad_proof"),
        (format!("{GOOD}&rate=0"), "403 bad_proof"),
        (format!("{GOOD}&prefix=@%2Fset"), "403 bad_proof"),
        (format!("{GOOD}{{sig}}&exp={{later}}"), "403 bad_proof"),
        (format!("{GOOD}{{sig}}&sig="), "403 bad_proof"),
        (format!("{GOOD}{{sig}}&%73ig=x"), "403 bad_proof"),
    ] {
        rows.push(one().with(&query).is(seen));
    }
    // Another path, with the signature of this one.
    for other in ["@/other.zip", "@/set/a.zi", "@/set/a.zip2", "@/set/A.zip", "@/set"] {
        rows.push(one().spelled(other).is("403 bad_proof"));
    }
    // What opens all below a path.
    let below = || signed("@/set").with(&format!("{GOOD}&prefix=@%2Fset"));
    rows.push(below().spelled("@/set/a.zip"));
    rows.push(below().spelled("@/set/none.zip").are("404", "404 file_missing"));
    rows.push(below().spelled("@/settle.zip").is("403 wrong_path"));
    rows.push(below().spelled("@/other.zip").is("403 wrong_path"));
    // A folder opens by its index, where the site has one.
    rows.push(signed("@/set/").page());
    rows.push(signed("@/set").are("301", "404 file_missing"));
    rows
}

/// This spelling with the proof of the one path, and without.
fn both(spelling: &str, of: impl Fn(Row) -> Row) -> [Row; 2] {
    [of(signed("@/set/a.zip").spelled(spelling)), of(bare(spelling))]
}

/// The one path, spelled otherwise, with its proof and without.
fn spellings() -> Vec<Row> {
    let one = || signed("@/set/a.zip");
    let mut rows = Vec::new();
    for same in ["/@/set/a.zip", "@//set/a.zip", "@/set//a.zip", "@/set/%61.zip", "@/s%65t/a%2ezip", "@/set/a%2Ezip"] {
        rows.push(one().spelled(same));
        rows.push(bare(same));
    }
    rows.push(signed("@/set/a%20b%2Bc%25.zip"));
    rows.push(signed("@/set/a%20b%2Bc%25.zip").spelled("@/set/a%20b+c%25.zip"));
    for other in ["@/set/./a.zip", "@/set/x/../a.zip", "@/x/%2e%2e/set/a.zip", "@/set/a.zip%0a", "@/set/a.zip%c3", "@/set\\a.zip"] {
        rows.extend(both(other, |row| row.is("400 bad_request")));
    }
    for other in ["/.@/set/a.zip", "/x/..@/set/a.zip"] {
        let why = "mod_proxy passes on what is behind the path that it has found, and that alone decides and is sent";
        rows.push(one().spelled(other).is("400 bad_request").but(Way::Xsendfile, "200 whole", why));
        rows.push(bare(other).is("400 bad_request").but(Way::Xsendfile, "401 no_proof", why));
    }
    for other in ["@/set%2fa.zip", "@/set%2Fa.zip", "@/set/..%2fset/a.zip"] {
        let why = "Apache itself knows no file with an encoded slash (AllowEncodedSlashes)";
        rows.extend(both(other, |row| row.is("400 bad_request").but_by(&Way::APACHE, "404", why)));
    }
    // What the web servers themselves refuse.
    rows.extend(both("@/set/a.zip%00", |row| row.is("400").but_by(&Way::APACHE, "404", "Apache calls it not found")));
    // Without a signature that would hold: Apache's error log has the whole of an address that is none.
    for other in ["@/set/a.zip%", "@/set/a.zip%zz"] {
        rows.push(bare(other).is("400"));
    }
    for other in ["@/set/a.zip/x", "@/set/a.zip%20", "@/SET/a.zip", "@/set/a.zip;x", "@/set/a.zip%3fx", "@/set/a.zip%23"] {
        rows.push(one().spelled(other).is("403 bad_proof"));
        rows.push(bare(other));
    }
    // No file is called so.
    rows.push(one().spelled("@/set/a.zip/").are("403 bad_proof", "404 unknown_link"));
    rows.push(bare("@/set/a.zip/").are("401 no_proof", "404 unknown_link"));
    rows
}

/// Methods, and what a client knows of the file already.
fn conditions() -> Vec<Row> {
    let one = || signed("@/set/a.zip");
    let mut rows = vec![one().method("HEAD").is("200 length 30000"), bare("@/set/a.zip").method("HEAD")];
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let row = one().method(method).are("405", "400 bad_request");
        let is_sent = method == "POST";
        rows.push(if is_sent { row.but_by(&Way::AUTHORIZERS, "200 whole", "Apache sends a file to POST as to GET") } else { row });
        rows.push(bare("@/set/a.zip").method(method).are("401 no_proof", "400 bad_request"));
    }
    let why = "Apache itself says what a file can be asked";
    rows.push(one().method("OPTIONS").are("405", "400 bad_request").but_by(&Way::AUTHORIZERS, "200", why));
    let before = "Mon, 01 Jan 1990 00:00:00 GMT";
    for (name, value, seen) in [
        ("If-Range", "{etag}", "206 10-29999"),
        ("If-Range", "\"another\"", "200 whole"),
        ("If-Range", "{weak}", "200 whole"),
        ("If-Range", "{date}", "206 10-29999"),
        ("If-Range", before, "200 whole"),
        ("If-Match", "{etag}", "206 10-29999"),
        ("If-Match", "\"another\"", "412"),
        ("If-Match", "*", "206 10-29999"),
        ("If-None-Match", "{etag}", "304"),
        ("If-None-Match", "{weak}", "304"),
        ("If-None-Match", "*", "304"),
        ("If-None-Match", "\"another\"", "206 10-29999"),
        ("If-Modified-Since", "{date}", "304"),
        ("If-Modified-Since", before, "206 10-29999"),
        ("If-Unmodified-Since", "{date}", "206 10-29999"),
        ("If-Unmodified-Since", before, "412"),
    ] {
        let row = one().header("Range", "bytes=10-").header(name, value).is(seen);
        let is_weak = (name, value) == ("If-None-Match", "{weak}");
        let why = "Apache compares strongly where there is a range";
        rows.push(if is_weak { row.but_by(&Way::APACHE, "206 10-29999", why) } else { row });
        let whole = match seen {
            "206 10-29999" => "200 whole",
            other => other,
        };
        rows.push(one().header(name, value).is(whole));
    }
    // Of a refusal there is nothing to know.
    for (name, value) in [("If-None-Match", "*"), ("If-Match", "\"another\""), ("Range", "bytes=0-0")] {
        rows.push(bare("@/set/a.zip").header(name, value));
    }
    rows
}

#[test]
fn a_proof_opens_or_is_refused_with_the_same_reason_whoever_asks() {
    let (places, bytes) = places();
    hold(&places, &proofs(), &bytes);
}

#[test]
fn a_spelling_of_a_path_means_the_same_whoever_asks() {
    let (places, bytes) = places();
    hold(&places, &spellings(), &bytes);
}

#[test]
fn methods_and_conditions_come_to_the_same_whoever_asks() {
    let (places, bytes) = places();
    hold(&places, &conditions(), &bytes);
}

#[test]
fn what_one_visitor_may_see_is_kept_for_nobody_else() {
    let (places, bytes) = places();
    let query = format!("kid=main&exp={}", cloakroom::clock::now().seconds() + 3600);
    for kind in Kind::ALL {
        let path = format!("{}/set/a.zip", kind.base());
        for (way, desk) in places.ways(kind) {
            let target = desk.mint(&path, &query);
            for (target, range, status, kept) in [
                (target.as_str(), "bytes=0-9", 206, "private, no-store"),
                (target.as_str(), "", 200, "private, no-store"),
                (path.as_str(), "", 401, "no-store"),
            ] {
                let answer = desk.ask("GET", target, &[("Range", range)]);
                assert_eq!((answer.status, answer.header("Cache-Control")), (status, Some(kept)), "{way:?} {target}");
                assert!(status != 200 || answer.body == bytes);
            }
        }
    }
}

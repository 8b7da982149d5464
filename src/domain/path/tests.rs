use proptest::prelude::*;

use super::*;

fn path(raw: &str) -> CanonicalPath {
    CanonicalPath::parse(raw).unwrap_or_else(|fault| panic!("{raw}: {fault}"))
}

#[test]
fn a_path_has_one_spelling() {
    for (raw, decoded, encoded) in [
        ("/", "/", "/"),
        ("//", "/", "/"),
        ("/a/b.zip", "/a/b.zip", "/a/b.zip"),
        ("//host/a", "/host/a", "/host/a"),
        ("/a//b///c/", "/a/b/c/", "/a/b/c/"),
        ("/%61%2e%7Ez", "/a.~z", "/a.~z"),
        ("/a%20b", "/a b", "/a%20b"),
        ("/a+b", "/a+b", "/a%2Bb"),
        ("/%25", "/%", "/%25"),
        ("/%252e%252e/x", "/%2e%2e/x", "/%252e%252e/x"),
        ("/a%3fb%23c", "/a?b#c", "/a%3Fb%23c"),
        ("/%c3%bc", "/ü", "/%C3%BC"),
        ("/...", "/...", "/..."),
        ("/.a/a./..b", "/.a/a./..b", "/.a/a./..b"),
        ("/a;b=c/..;/d", "/a;b=c/..;/d", "/a%3Bb%3Dc/..%3B/d"),
        ("/http://x", "/http:/x", "/http%3A/x"),
    ] {
        let read = path(raw);
        assert_eq!((read.decoded(), read.encoded()), (decoded, encoded), "{raw}");
    }
}

#[test]
fn what_servers_read_differently_is_refused_with_its_reason() {
    for (raw, fault) in [
        ("", PathFault::NotAbsolute),
        ("a", PathFault::NotAbsolute),
        ("*", PathFault::NotAbsolute),
        ("http://shop.example/a", PathFault::NotAbsolute),
        ("\\a", PathFault::NotAbsolute),
        ("%2fa", PathFault::NotAbsolute),
        ("/a\\b", PathFault::Backslash),
        ("/a%5cb", PathFault::Backslash),
        ("/a%5Cb", PathFault::Backslash),
        ("/a%2fb", PathFault::EncodedSlash),
        ("/a%2Fb", PathFault::EncodedSlash),
        ("/a%00", PathFault::Control),
        ("/a%0d%0ab", PathFault::Control),
        ("/a%7f", PathFault::Control),
        ("/a%c2%85", PathFault::Control),
        ("/a\tb", PathFault::Control),
        ("/a b", PathFault::Control),
        ("/a\u{7f}", PathFault::Control),
        ("/%", PathFault::BadEscape),
        ("/%4", PathFault::BadEscape),
        ("/%g0", PathFault::BadEscape),
        ("/%+1", PathFault::BadEscape),
        ("/%u002e", PathFault::BadEscape),
        ("/a?b", PathFault::Delimiter),
        ("/a#b", PathFault::Delimiter),
        ("/.", PathFault::DotSegment),
        ("/..", PathFault::DotSegment),
        ("/a/./b", PathFault::DotSegment),
        ("/a/../b", PathFault::DotSegment),
        ("/a/%2e%2E/b", PathFault::DotSegment),
        ("/a/.%2e", PathFault::DotSegment),
        ("/a//../b", PathFault::DotSegment),
        ("/%ff", PathFault::NotUtf8),
        ("/%c0%af", PathFault::NotUtf8),
        ("/%e0%80%ae", PathFault::NotUtf8),
        ("/%ed%a0%80", PathFault::NotUtf8),
    ] {
        assert_eq!(CanonicalPath::parse(raw), Err(fault), "{raw:?}");
    }
}

#[test]
fn a_target_is_a_path_and_what_follows_the_question_mark() {
    for (target, path, query) in [("/a", "/a", None), ("/a?", "/a", Some("")), ("/a//b?c=/../%00?d", "/a/b", Some("c=/../%00?d"))] {
        let (read, rest) = read_target(target).expect(target);
        assert_eq!((read.encoded(), rest), (path, query));
    }
    for (target, fault) in [
        ("?", PathFault::NotAbsolute),
        ("/a?b#c", PathFault::Delimiter),
        ("/a?b c", PathFault::Control),
        ("/a?b\n", PathFault::Control),
        ("/../a?b", PathFault::DotSegment),
    ] {
        assert_eq!(read_target(target), Err(fault), "{target:?}");
    }
}

#[test]
fn a_decoded_path_is_read_as_it_stands() {
    for (decoded, encoded) in [("/a b//c%2f", "/a%20b/c%252f"), ("/a?b#c", "/a%3Fb%23c"), ("/", "/")] {
        assert_eq!(CanonicalPath::of_decoded(decoded).map(|path| path.encoded().to_owned()), Ok(encoded.to_owned()));
    }
    for (decoded, fault) in [
        ("", PathFault::NotAbsolute),
        ("a", PathFault::NotAbsolute),
        ("/a/../b", PathFault::DotSegment),
        ("/a\\b", PathFault::Backslash),
        ("/a\0", PathFault::Control),
    ] {
        assert_eq!(CanonicalPath::of_decoded(decoded), Err(fault), "{decoded:?}");
    }
}

#[test]
fn length_is_bounded_as_sent_and_as_written() {
    assert!(CanonicalPath::parse(&format!("/{}", "a".repeat(PATH_BYTES_MAX - 1))).is_ok());
    assert_eq!(CanonicalPath::parse(&format!("/{}", "a".repeat(PATH_BYTES_MAX))), Err(PathFault::TooLong));
    assert_eq!(CanonicalPath::parse(&format!("/{}", "%61".repeat(PATH_BYTES_MAX / 2))), Err(PathFault::TooLong));
    assert_eq!(CanonicalPath::parse(&format!("/{}", "!".repeat(PATH_BYTES_MAX / 2))), Err(PathFault::TooLong));
}

#[test]
fn a_path_lies_below_a_prefix_by_whole_segments() {
    for (whole, prefix, rest) in [
        ("/a/b", "/a", Some("b")),
        ("/a/b", "/a/", Some("b")),
        ("/a/b/", "/a", Some("b/")),
        ("/a", "/a", Some("")),
        ("/a/", "/a", Some("")),
        ("/a", "/a/", Some("")),
        ("/a/", "/a/", Some("")),
        ("/ab", "/a", None),
        ("/ab", "/a/", None),
        ("/b", "/a", None),
        ("/", "/a", None),
        ("/", "/", Some("")),
        ("/a", "/", Some("a")),
        ("/a/b", "/a/b/c", None),
        ("/A/b", "/a", None),
        ("/a%20b/c", "/a b", None),
    ] {
        let Ok(prefix) = CanonicalPath::parse(prefix) else {
            assert_eq!(rest, None);
            continue;
        };
        assert_eq!(path(whole).below(&prefix), rest, "{whole} below {prefix}");
    }
    assert_eq!(path("/a%20b/ü").below(&path("/%61%20b")), Some("ü"));
}

#[test]
fn a_file_path_stays_inside_its_storage() {
    for (raw, name) in
        [("a.zip", "a.zip"), ("set/a b.zip", "a b.zip"), ("set/ä?#%2f..zip", "ä?#%2f..zip"), (".hidden/.a", ".a"), ("a/...", "...")]
    {
        assert_eq!(FilePath::parse(raw).expect(raw).file_name(), name);
    }
    assert_eq!(FilePath::parse("set/a b%.zip").expect("a path").encoded(), "set/a%20b%25.zip");
    for (raw, fault) in [
        ("", PathFault::EmptySegment),
        ("/", PathFault::NotRelative),
        ("/a", PathFault::NotRelative),
        ("a/", PathFault::EmptySegment),
        ("a//b", PathFault::EmptySegment),
        (".", PathFault::DotSegment),
        ("..", PathFault::DotSegment),
        ("a/../b", PathFault::DotSegment),
        ("a/.", PathFault::DotSegment),
        ("a\0b", PathFault::Control),
        ("a\nb", PathFault::Control),
        ("a\\b", PathFault::Backslash),
    ] {
        assert_eq!(FilePath::parse(raw), Err(fault), "{raw:?}");
    }
    assert_eq!(FilePath::parse(&"a".repeat(FILE_PATH_BYTES_MAX + 1)), Err(PathFault::TooLong));
}

/// Text that is likely to hit the edges of the rule.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z]{1,3}",
        "\\PC{0,3}",
        "(%[0-9a-fA-F]{2}){1,3}",
        Just("/".to_owned()),
        Just("..".to_owned()),
        Just("%2e".to_owned()),
        Just("%c3%bc".to_owned()),
        Just(".".to_owned()),
        Just("%".to_owned()),
        Just("\\".to_owned()),
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #[test]
    fn the_canonical_form_reads_back_as_itself(raw in hostile()) {
        if let Ok(read) = CanonicalPath::parse(&raw) {
            prop_assert_eq!(CanonicalPath::parse(read.encoded()), Ok(read.clone()));
            prop_assert_eq!(CanonicalPath::of_decoded(read.decoded()), Ok(read.clone()));
            prop_assert!(!read.decoded().split('/').any(is_dot));
            prop_assert!(!read.decoded().contains("//"));
            prop_assert!(read.encoded().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~/%".contains(&byte)));
        }
    }

    #[test]
    fn no_input_panics(raw in any::<String>(), other in hostile()) {
        let _ = (CanonicalPath::parse(&raw), FilePath::parse(&raw));
        if let (Ok(one), Ok(two)) = (CanonicalPath::parse(&raw), CanonicalPath::parse(&other)) {
            let _ = (one.below(&two), two.below(&one));
        }
    }

    #[test]
    fn a_file_path_below_a_prefix_is_found_again(raw in "[a-zäöü %?#&+.-]{1,9}(/[a-z]{1,3}){0,3}") {
        if let Ok(file) = FilePath::parse(&raw) {
            let whole = path(&format!("/f/masters/{}", file.encoded()));
            prop_assert_eq!(whole.below(&path("/f/masters")), Some(file.as_str()));
        }
    }
}

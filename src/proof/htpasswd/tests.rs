use proptest::prelude::*;

use super::file::{self, Line};
use super::hash::Hash;
use super::make::{self, New};
use super::method::{Method, Reads};

/// What the hashes of [`WRITTEN`] were made of: an umlaut, a blank, a colon and a hash sign.
const PASSWORD: &str = "pä ss:w#rd";

/// Written by Apache's `htpasswd` 2.4, `openssl passwd` 3.0 and `mkpasswd` 5.5.17, and the argon2 of its authors.
const WRITTEN: &[(&str, &str, Method, &str)] = &[
    ("$2y$05$gSu6v2jTirlK.40Z4P/gt.hB1KzbYuN5Fzb0FaNKRLEOc0rTQ2DtW", PASSWORD, Method::Bcrypt, "cost 5"),
    ("$2b$05$YsEQ7iF.f7zfUu0eqUsqOOkWKg2YbL3XD26zDey7CDguFHwHRT3g.", PASSWORD, Method::Bcrypt, "cost 5"),
    ("$2a$05$FB07eaEVsnmIl5nHPFBdl.Kva5fn/.5ybnZySkLPDah/v9YuFZeYO", PASSWORD, Method::Bcrypt, "cost 5"),
    ("$apr1$ukmbkRKZ$Gqm4Vetn1Blw7b/MUtn6U/", PASSWORD, Method::Apr1, ""),
    ("$apr1$ab$2YxDGB46Gn7lATpwIKvUv1", PASSWORD, Method::Apr1, ""),
    ("$1$PMtrte3T$/wKjPwae2InyDxiiIfD.C.", PASSWORD, Method::Md5Crypt, ""),
    ("$1$$F0Fc2lbYpzr3KKdKkM0Wj.", "pw", Method::Md5Crypt, ""),
    ("{SHA}u5FQo9n+xWDVokZV3mtBOsCabNk=", PASSWORD, Method::Sha, ""),
    ("{SSHA}lGxFsNVVJZrOBKHr+So3bXR4bwlzYWx0eQ==", PASSWORD, Method::Ssha, ""),
    ("$5$bw2zczV7tadSaGV6$bqgRCRzef.I2WN18eN.6fma7q8cB/oxqcSkGGJRGGW1", PASSWORD, Method::Sha256Crypt, "5000 rounds"),
    ("$5$rounds=1000$ab$pvoBecalA78StTh86CqG8MsZcI1O/fpecpCjMGNmZ.A", "pw", Method::Sha256Crypt, "1000 rounds"),
    ("$5$$EPxZX4DoQWu4KoghxUArtr9dmHmQzOXFqq.aJMdG0bA", "pw", Method::Sha256Crypt, "5000 rounds"),
    (
        "$6$KxABO/8OTXkX0c5X$uQUpNh6b6PMWE0HPZEfMzuQ2QpYtfSjWVWB7EgIgDPMaj/iWkubdTK1eLaj9c22HBwWd0FAxOm8LI2jFXyDC10",
        PASSWORD,
        Method::Sha512Crypt,
        "5000 rounds",
    ),
    (
        "$6$rounds=2000$uxq5ms.k2WZeWTb4$xCmpm7Y/2lDRgG6kskO6EYv3tOYi/y.nl6dVQsGJtLkfPAejBLpxhjhQx/P.nuX/fjirYQela3O1eoJm8cdCd/",
        PASSWORD,
        Method::Sha512Crypt,
        "2000 rounds",
    ),
    ("$y$j9T$MfPDTYY7olBhvaqUapIX3/$pgnshvyFqR4R5vnjmm7.y1qdpRmulMeb38wYT9LU4z/", PASSWORD, Method::Yescrypt, "16 MiB"),
    ("$y$j75$K6fSgh/ah.4gzAtve0xNj/$2k5myIdmpb7mgdbvcWqH3fzgeI8a5RKN0s0fA.O16V.", PASSWORD, Method::Yescrypt, "1 MiB"),
    ("$y$j9T$$35/RtcSpQnsp9pKBilplwTCR/Z6e.uNV.3aZKZzHYd6", "pw", Method::Yescrypt, "16 MiB"),
    ("$7$BU..../....7BIfmZ8e91m/YkVerPBNg0$7gNOuadddSMKQVcNDXmvTNx6MrZ/fziTpKadWeLupN2", PASSWORD, Method::Scrypt, "32 MiB"),
    ("$7$CU..../....AO7KOo.MXHcmx8nX5ytTD0$6p5z4pT4VCP3ByAxwlxm4POoSue8ypAtaHvjGUw1jF9", PASSWORD, Method::Scrypt, "64 MiB"),
    (
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "password",
        Method::Argon2,
        "64 MiB, 2 passes",
    ),
    (
        "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA",
        "password",
        Method::Argon2,
        "64 MiB, 2 passes",
    ),
    #[cfg(feature = "legacy-des")]
    ("ojVfyYHRSPvJA", PASSWORD, Method::Des, ""),
    #[cfg(feature = "legacy-des")]
    ("ghQ1Zm6ifZ56.", PASSWORD, Method::Des, ""),
    #[cfg(feature = "legacy-des")]
    ("_J9..3CNJE9U7H4UZM7k", PASSWORD, Method::Bsdi, "725 rounds"),
];

#[test]
fn what_the_tools_write_opens_with_its_password_and_with_no_other() {
    for (text, password, method, cost) in WRITTEN {
        let hash = Hash::parse(text).unwrap_or_else(|wrong| panic!("{text}: {wrong}"));
        assert_eq!((hash.method(), hash.cost().as_str(), hash.text()), (*method, *cost, *text));
        assert!(hash.holds(password.as_bytes()), "{text}");
        assert!(!format!("{hash:?}").contains(text.get(8..).expect("they are longer")), "{text}");
        let others = [format!("{password}!"), password.to_uppercase(), String::new()];
        // DES looks at eight letters.
        for other in others.iter().filter(|other| *method != Method::Des || !other.starts_with(password)) {
            assert!(!hash.holds(other.as_bytes()), "{text} with {other:?}");
        }
    }
}

#[test]
fn a_digest_of_which_one_letter_is_another_does_not_hold() {
    for (text, password, ..) in WRITTEN {
        // Of the first letter of a digest every bit counts.
        let digest = text.rfind(['$', '}']).map_or(text.len() - 11, |place| place + 1);
        let digest = if text.starts_with("$2") { 29 } else { digest };
        let letter = &text[digest..=digest];
        let other = if letter == "a" { "b" } else { "a" };
        let altered = [&text[..digest], other, &text[digest + 1..]].concat();
        let hash = Hash::parse(&altered).unwrap_or_else(|wrong| panic!("{altered}: {wrong}"));
        assert!(!hash.holds(password.as_bytes()), "{altered}");
    }
}

#[test]
fn what_is_cut_off_altered_or_too_dear_is_refused_with_a_reason_and_without_the_hash() {
    let bcrypt = |cost: &str| format!("$2y${cost}$gSu6v2jTirlK.40Z4P/gt.hB1KzbYuN5Fzb0FaNKRLEOc0rTQ2DtW");
    for (text, reason) in [
        (String::new(), "no hash"),
        (" $apr1$ab$2YxDGB46Gn7lATpwIKvUv1".to_owned(), "a blank"),
        ("secret".to_owned(), "no hash of a kind"),
        ("{PLAIN}secret".to_owned(), "stands in the file"),
        ("{plain}secret".to_owned(), "no hash of a kind"),
        ("{sha}u5FQo9n+xWDVokZV3mtBOsCabNk=".to_owned(), "no hash of a kind"),
        ("!".to_owned(), "shut"),
        ("*".to_owned(), "shut"),
        ("$apr1$".to_owned(), "22 letters"),
        ("$apr1$abcdefgh".to_owned(), "22 letters"),
        ("$apr1$abcdefghi$2YxDGB46Gn7lATpwIKvUv1".to_owned(), "at most 8"),
        ("$apr1$ab$2YxDGB46Gn7lATpwIKvUv".to_owned(), "22 letters"),
        ("$apr1$ab$2YxDGB46Gn7lATpwIKvU+1".to_owned(), "22 letters"),
        ("$apr1$äb$2YxDGB46Gn7lATpwIKvUv1".to_owned(), "no hash of a kind"),
        ("$1$".to_owned(), "22 letters"),
        ("$2y$05$short".to_owned(), "60 letters"),
        (bcrypt("03"), "from 4 to 14"),
        (bcrypt("15"), "from 4 to 14"),
        (bcrypt("31"), "from 4 to 14"),
        (bcrypt("99"), "from 4 to 14"),
        (bcrypt("+5"), "two digits"),
        (bcrypt("05").replace("$2y$", "$2x$"), "faulty bcrypt"),
        (bcrypt("05").replace("$2y$", "$2z$"), "must begin with"),
        (bcrypt("05").replace("$2y$", "$2$"), "must begin with"),
        (bcrypt("05").replace('/', "+"), "60 letters"),
        ("$5$".to_owned(), "43 letters"),
        ("$5$rounds=".to_owned(), "behind `rounds=`"),
        ("$5$rounds=999$ab$pvoBecalA78StTh86CqG8MsZcI1O/fpecpCjMGNmZ.A".to_owned(), "from 1000 to"),
        ("$5$rounds=01000$ab$pvoBecalA78StTh86CqG8MsZcI1O/fpecpCjMGNmZ.A".to_owned(), "from 1000 to"),
        ("$5$rounds=+1000$ab$pvoBecalA78StTh86CqG8MsZcI1O/fpecpCjMGNmZ.A".to_owned(), "from 1000 to"),
        ("$5$rounds=999999999$ab$pvoBecalA78StTh86CqG8MsZcI1O/fpecpCjMGNmZ.A".to_owned(), "from 1000 to"),
        ("$5$rounds=99999999999999999999$ab$x".to_owned(), "from 1000 to"),
        ("$5$abcdefghijklmnopq$pvoBecalA78StTh86CqG8MsZcI1O/fpecpCjMGNmZ.A".to_owned(), "at most 16"),
        ("$6$ab$tooshort".to_owned(), "86 letters"),
        ("$y$".to_owned(), "three parts"),
        ("$y$j9T$ab$pgnshvyFqR4R5vnjmm7.y1qdpRmulMeb38wYT9LU4z/".to_owned(), "salt of yescrypt"),
        ("$y$jFT$vqiN7wjFI8wpzxG61z4o20$JurSOPa2V9JeCI7ikkRHkzj7T.NLUpUu9k54z/a5Bp9".to_owned(), "costs too much"),
        ("$y$jzT$vqiN7wjFI8wpzxG61z4o20$JurSOPa2V9JeCI7ikkRHkzj7T.NLUpUu9k54z/a5Bp9".to_owned(), "parameters of yescrypt"),
        ("$y$j9Tz$$35/RtcSpQnsp9pKBilplwTCR/Z6e.uNV.3aZKZzHYd6".to_owned(), "parameters of yescrypt"),
        ("$y$.75$ab..$TV3vgkum2kpywtmN6nCxUNfgcAjKT5XVKhLkbeAKtc2".to_owned(), "parameters of yescrypt"),
        ("$7$".to_owned(), "11 letters"),
        ("$7$zU..../....$7gNOuadddSMKQVcNDXmvTNx6MrZ/fziTpKadWeLupN2".to_owned(), "11 letters"),
        ("$7$GU..../....$7gNOuadddSMKQVcNDXmvTNx6MrZ/fziTpKadWeLupN2".to_owned(), "costs too much"),
        ("$7$/zzzzz/....$7gNOuadddSMKQVcNDXmvTNx6MrZ/fziTpKadWeLupN2".to_owned(), "costs too much"),
        ("$7$//....zzzzz$7gNOuadddSMKQVcNDXmvTNx6MrZ/fziTpKadWeLupN2".to_owned(), "costs too much"),
        ("$7$6........../$7gNOuadddSMKQVcNDXmvTNx6MrZ/fziTpKadWeLupN2".to_owned(), "11 letters"),
        ("$7$ä.".to_owned(), "no hash of a kind"),
        ("$argon2".to_owned(), "is written"),
        ("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ".to_owned(), "is written"),
        ("$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc".to_owned(), "costs too much"),
        ("$argon2id$v=19$m=65536,t=4000,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc".to_owned(), "costs too much"),
        ("$argon2id$v=19$m=65536,t=0,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc".to_owned(), "is written"),
        ("$argon2id$v=19$m=65536,t=2,p=1,x=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc".to_owned(), "is written"),
        ("$gy$j9T$0Jnmsg7OQKhgbcdJIl5an/$jZnC3UhtcE2KSmne6mLuUjwgRnzCwjHtRNufnEEd8x9".to_owned(), "not read"),
        ("$md5,rounds=52532$tRCZzprV$$ybR5Q7M/ExL4pwQ8c2zfo0".to_owned(), "not read"),
        ("$3$$6589412603a7a0ec7d32dc414e70768d".to_owned(), "not read"),
        ("{SHA}u5FQo9n+xWDVokZV3mtBOsCabNk".to_owned(), "28 letters"),
        ("{SHA}".to_owned(), "28 letters"),
        ("{SSHA}AAAA".to_owned(), "20 bytes and a salt"),
        ("_zzzz3CNJE9U7H4UZM7k".to_owned(), if cfg!(feature = "legacy-des") { "rounds of BSDi" } else { "DES" }),
        ("a".repeat(513), "no hash of a kind"),
    ] {
        let wrong = Hash::parse(&text).err().unwrap_or_else(|| panic!("{text} was read"));
        assert!(wrong.contains(reason), "{text}: {wrong}");
        assert!(text.len() < 12 || !wrong.contains(text.get(text.len() - 8..).unwrap_or(&text)), "{text}: {wrong}");
    }
    if !cfg!(feature = "legacy-des") {
        assert!(Hash::parse("ojVfyYHRSPvJA").is_err_and(|wrong| wrong.contains("DES")));
    }
}

#[test]
fn bcrypt_looks_at_72_bytes_and_a_longer_password_fits_no_line() {
    let whole = "a".repeat(72);
    let hash = Hash::parse(&make::hash(New::Bcrypt(4), whole.as_bytes(), [5; 16]).expect("72 are taken")).expect("it reads back");
    assert!(hash.holds(whole.as_bytes()));
    let longer = format!("{whole}b");
    assert!(!hash.takes(longer.as_bytes()) && !hash.holds(longer.as_bytes()));
    assert!(make::hash(New::Bcrypt(4), longer.as_bytes(), [5; 16]).is_err());
    let other = Hash::parse(&make::hash(New::Sha512Crypt, longer.as_bytes(), [5; 16]).expect("all are taken")).expect("it reads back");
    assert!(other.holds(longer.as_bytes()) && !other.holds(whole.as_bytes()));
}

#[test]
fn new_hashes_open_with_their_password() {
    for (method, kind) in [
        (New::Bcrypt(4), Method::Bcrypt),
        (New::Sha512Crypt, Method::Sha512Crypt),
        (New::Sha256Crypt, Method::Sha256Crypt),
        (New::Apr1, Method::Apr1),
    ] {
        let text = make::hash(method, PASSWORD.as_bytes(), *b"0123456789abcdef").expect("a hash");
        let hash = Hash::parse(&text).unwrap_or_else(|wrong| panic!("{text}: {wrong}"));
        assert_eq!(hash.method(), kind);
        assert!(hash.holds(PASSWORD.as_bytes()) && kind.nginx() != Reads::No && kind.apache() != Reads::No, "{text}");
        assert_ne!(text, make::hash(method, PASSWORD.as_bytes(), [0; 16]).expect("a hash"), "the salt is in it");
        assert!(make::hash(method, b"", [0; 16]).is_err() && make::hash(method, b"a\0b", [0; 16]).is_err());
    }
    assert!(make::hash(New::Bcrypt(3), b"a", [0; 16]).is_err() && make::hash(New::Bcrypt(15), b"a", [0; 16]).is_err());
    assert_eq!(make::password([255; 16]).len(), 22);
}

const APR1: &str = "$apr1$ab$2YxDGB46Gn7lATpwIKvUv1";

#[test]
fn lines_are_read_as_apache_and_nginx_read_them() {
    let line = |text: &str| text.replace("HASH", APR1).into_bytes();
    for (text, user) in [
        ("alice:HASH", "alice"),
        ("alice:HASH\r", "alice"),
        ("alice:HASH:a comment:more", "alice"),
        ("  alice:HASH \t", "alice"),
        ("jörg:HASH", "jörg"),
        ("a b:HASH", "a b"),
        ("a#b:HASH", "a#b"),
        ("alice@shop.example:HASH", "alice@shop.example"),
    ] {
        let bytes = line(text);
        let Line::Entry { user: found, hash } = file::read(&bytes) else { panic!("{text}") };
        assert_eq!((found, hash.text()), (user, APR1), "{text}");
    }
    for text in ["", " ", "\t", "\r", "# a comment", "#alice:HASH", "  #alice:HASH"] {
        assert_eq!(file::read(&line(text)), Line::Nothing, "{text:?}");
    }
    for (bytes, user, reason) in [
        (line("alice"), Some("alice"), "NAME:HASH"),
        (line(":HASH"), None, "no name"),
        (line("alice:"), Some("alice"), "no hash"),
        (line("alice: HASH"), Some("alice"), "a blank"),
        (line("alice:HASH x"), Some("alice"), "no hash of a kind"),
        (line("alice:HASH\rbob:HASH"), Some("alice"), "no hash of a kind"),
        (line("al\u{7}ice:HASH"), None, "control character"),
        (line("al\0ice:HASH"), None, "control character"),
        (line("\u{feff}alice:HASH"), None, "byte order mark"),
        ([b"j\xf6rg:".as_slice(), APR1.as_bytes()].concat(), None, "UTF-8"),
        (b"alice:\xff\xfe".to_vec(), Some("alice"), "ASCII"),
        ([&[b'a'; 257], b":".as_slice(), APR1.as_bytes()].concat(), None, "256"),
        (vec![b'a'; 5000], None, "at most 4096"),
    ] {
        let Line::Faulty { user: found, wrong } = file::read(&bytes) else { panic!("{bytes:?}") };
        assert!(found == user && wrong.contains(reason), "{bytes:?}: {wrong}");
    }
}

#[test]
fn a_file_s_lines_are_those_between_its_line_ends() {
    for (bytes, count) in [(&b""[..], 1), (b"a:b", 1), (b"a:b\n", 1), (b"a:b\nc:d", 2), (b"\n\n", 2)] {
        assert_eq!(file::lines(bytes).count(), count, "{bytes:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_line_panics_and_what_is_wrong_with_it_says_nothing_of_its_end(line: Vec<u8>) {
        if let Line::Faulty { wrong, .. } = file::read(&line) {
            prop_assert!(!wrong.is_empty());
        }
    }

    #[test]
    fn no_hash_that_begins_well_panics(
        prefix in prop::sample::select(vec!["$apr1$", "$1$", "$2y$", "$2a$05$", "$5$", "$5$rounds=", "$6$", "$y$", "$y$j", "$7$", "$argon2id$v=19$m=8,t=1,p=", "{SHA}", "{SSHA}", "_"]),
        rest in "[./0-9A-Za-z$=,+]{0,80}",
    ) {
        let _ = Hash::parse(&format!("{prefix}{rest}"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn small_costs_of_scrypt_and_yescrypt_never_panic(log_n in 0_u8..12, r in 0_u8..20, p in 0_u8..6) {
        const LETTERS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let letter = |value: u8| char::from(LETTERS[usize::from(value)]);
        let digest = "a".repeat(42) + ".";
        for text in [
            format!("$7${}{}....{}....salt${digest}", letter(log_n), letter(r), letter(p)),
            format!("$y$j{}{}$ab..${digest}", letter(log_n), letter(r)),
            format!("$y${}{}{}$ab..${digest}", letter(p), letter(log_n), letter(r)),
        ] {
            if let Ok(hash) = Hash::parse(&text) {
                prop_assert!(!hash.holds(b"secret"));
            }
        }
    }
}

//! Proofs that come in headers, and several questions on one connection, whoever asks.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cloakroom::clock;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

use crate::places::{Kind, Places};
use crate::servers::desk::Desk;
use crate::servers::http::Download;
use crate::servers::secrecy;
use crate::servers::site::{NAME, content};
use crate::table::{parts, seen};

const PASSWORD: &str = "k7m29xqtk7m29xqtk7m29xqtk7";

/// A JWT by HS256 under the key `main` of this site.
fn jwt(desk: &Desk, claim: &str, expires: u64) -> String {
    let key = fs::read_to_string(desk.cloakroom.state().join("keys/main")).unwrap();
    let claims = format!("{{\"aud\":\"{NAME}\",\"exp\":{expires},{claim}}}");
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","kid":"main"}"#), URL_SAFE_NO_PAD.encode(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(&URL_SAFE_NO_PAD.decode(key.trim()).unwrap()).unwrap();
    mac.update(text.as_bytes());
    let token = format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()));
    desk.remember(&format!("/?jwt={token}"));
    token
}

/// A site with a rule for JWTs and one for logins, and files there.
fn places(htpasswd: &str) -> (Places, Vec<u8>) {
    let places = Places::open(&format!(
        "[[rule]]\npath = \"/members/tokens/\"\naccept = [\"jwt\"]\n\n\
         [[rule]]\npath = \"/members/club/\"\naccept = [\"basic\"]\nhtpasswd = \"{htpasswd}\"\nrealm = \"Der Klub\"\n"
    ));
    let bytes = content(30_000);
    for name in ["tokens/a.zip", "club/a.zip", "a.zip"] {
        places.put(name, &bytes);
    }
    (places, bytes)
}

/// A file of one name.
fn club() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), format!("ada:{{SHA}}{}\n", STANDARD.encode(Sha1::digest(PASSWORD)))).unwrap();
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).unwrap();
    secrecy::learn_password(PASSWORD);
    file
}

#[test]
fn a_token_in_the_query_a_header_or_a_cookie_opens_what_it_names_and_nothing_else() {
    let file = club();
    let (places, bytes) = places(file.path().to_str().unwrap());
    let soon = clock::now().seconds() + 3600;
    let mut asked = 0;
    for kind in Kind::ALL {
        let path = format!("{}/tokens/a.zip", kind.base());
        for (way, desk) in places.ways(kind) {
            let (good, past) =
                (jwt(desk, &format!("\"path\":\"{path}\""), soon), jwt(desk, &format!("\"path\":\"{path}\""), 1_000_000_000));
            let other = jwt(desk, "\"path\":\"/members/other.zip\"", soon);
            let forged = format!("{}A", good.strip_suffix(|_: char| true).unwrap());
            let forged = if forged == good { format!("{}B", good.strip_suffix(|_: char| true).unwrap()) } else { forged };
            for (token, expected) in [(&good, "200 whole"), (&past, "410 expired"), (&other, "403 wrong_path"), (&forged, "403 bad_proof")]
            {
                desk.remember(&format!("/?jwt={token}"));
                let (bearer, cookie) = (format!("Bearer {token}"), format!("a=b; cloakroom_jwt={token}"));
                for (target, headers) in [
                    (format!("{path}?jwt={token}"), vec![]),
                    (path.clone(), vec![("Authorization", bearer.as_str())]),
                    (path.clone(), vec![("Cookie", cookie.as_str())]),
                ] {
                    let answer = desk.ask("GET", &target, &headers);
                    assert_eq!(seen(&answer, &bytes, false), expected, "{way:?} {kind:?} {:?}", headers.first().map(|(name, _)| name));
                    asked += 1;
                }
            }
            assert_eq!(seen(&desk.get(&path), &bytes, false), "401 no_proof", "{way:?}");
        }
    }
    assert!(asked >= 7 * 12, "{asked}");
}

#[test]
fn a_login_opens_and_who_has_none_is_asked_for_one() {
    let file = club();
    let (places, bytes) = places(file.path().to_str().unwrap());
    for (way, desk) in places.ways(Kind::Authorize) {
        let login = |user: &str, password: &str| format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        for (login, expected) in [
            (None, "401 login_required"),
            (Some(login("ada", PASSWORD)), "200 whole"),
            (Some(login("ada", "wrong")), "401 bad_password"),
            (Some(login("eve", PASSWORD)), "401 bad_password"),
            (Some("Basic !".to_owned()), "401 login_required"),
        ] {
            let headers: Vec<(&str, &str)> = login.as_deref().map(|login| ("Authorization", login)).into_iter().collect();
            let answer = desk.ask("GET", "/members/club/a.zip", &headers);
            assert_eq!(seen(&answer, &bytes, false), expected, "{way:?} {login:?}");
            let challenge = (answer.status == 401).then_some("Basic realm=\"Der Klub\", charset=\"UTF-8\"");
            assert_eq!(answer.header("WWW-Authenticate"), challenge, "{way:?}");
        }
    }
}

#[test]
fn each_question_on_a_connection_that_stays_open_is_answered_by_itself() {
    let file = club();
    let (places, bytes) = places(file.path().to_str().unwrap());
    let good = format!("kid=main&exp={}", clock::now().seconds() + 3600);
    for kind in Kind::ALL {
        let path = format!("{}/a.zip", kind.base());
        for (way, desk) in places.ways(kind) {
            let target = desk.mint(&path, &good);
            let mut stream = TcpStream::connect(("127.0.0.1", desk.port)).unwrap();
            for (method, target, more, expected) in [
                ("GET", &target, "", "200 whole"),
                ("GET", &path, "", "401 no_proof"),
                ("GET", &target, "Range: bytes=10-19\r\n", "206 10-19"),
                ("HEAD", &target, "", "200 length 30000"),
                ("GET", &format!("{target}x"), "", "403 bad_proof"),
                ("GET", &target, "Range: bytes=40000-\r\n", "416"),
                ("GET", &target, "", "200 whole"),
            ] {
                let request = format!("{method} {target} HTTP/1.1\r\nHost: shop.example\r\n{more}\r\n");
                let answer = Download::next_on(&mut stream, request.as_bytes(), method == "HEAD");
                assert_eq!(seen(&answer, &bytes, method == "HEAD"), expected, "{way:?} {kind:?} {method} {more:?}");
                assert!(answer.status != 206 || parts(&answer).len() == 1);
            }
        }
    }
}

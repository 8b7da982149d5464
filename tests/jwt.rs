//! JWTs through a real nginx and the real daemon: what opens, from where, and what never does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs, unreachable_pub)]

mod servers;
#[path = "jwt/signers.rs"]
mod signers;

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tempfile::TempDir;

use servers::http::Answer;
use servers::nginx::NginxSetup;
use servers::site::{NAME, Site};
use signers::{Keys, SECRET, Signer};

/// A site where `/tokens/` and downloads open with a JWT by any of four keys.
struct Shop {
    site: Site,
    keys: Keys,
    _directory: TempDir,
}

impl Shop {
    #[track_caller]
    fn open() -> Self {
        Self::with("")
    }

    #[track_caller]
    fn with(more: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let keys = Keys::make(directory.path());
        let server = "location ^~ /tokens/ { include cloakroom/protect.conf; }\nlocation ^~ /either/ { include cloakroom/protect.conf; }";
        let setup = NginxSetup { server: server.to_owned(), ..NginxSetup::default() };
        let rules =
            "[[rule]]\npath = \"/tokens/\"\naccept = [\"jwt\"]\n[[rule]]\npath = \"/either/\"\naccept = [\"signed-url\", \"jwt\"]\n";
        let site = Site::around(&setup, &format!("{rules}{}{more}", keys.configuration()));
        site.page("tokens/a b.html", b"the page");
        site.page("either/a.html", b"the page");
        site.master("set/a b.zip", &[7; 5000]);
        Self { site, keys, _directory: directory }
    }

    #[track_caller]
    fn get(&self, path: &str, token: &str) -> Answer {
        self.site.get(&format!("{path}?jwt={token}"))
    }

    /// What a token for the page gets: status and refusal.
    #[track_caller]
    fn verdict(&self, token: &str) -> (u16, String) {
        verdict(&self.get("/tokens/a%20b.html", token))
    }
}

fn verdict(answer: &Answer) -> (u16, String) {
    (answer.status, answer.header("Cloakroom-Refusal").unwrap_or_default().to_owned())
}

fn now() -> u64 {
    #[allow(clippy::disallowed_methods)]
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Claims that open the page, with others in place of some; `null` leaves one out.
fn claims(other: &Value) -> Value {
    let mut claims = json!({ "aud": NAME, "exp": now() + 600, "path": "/tokens/a b.html" });
    for (name, value) in other.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

#[test]
fn a_token_of_each_algorithm_opens_from_query_bearer_and_cookie() {
    let shop = Shop::open();
    let mut seen = 0;
    for (id, _, _) in &shop.keys.all {
        let page = shop.keys.token(id, &claims(&json!({})));
        let file = shop.keys.token(id, &claims(&json!({ "path": null, "file": "masters/set/a b.zip", "name": "Ä.zip" })));
        for (path, token, body) in
            [("/tokens/a%20b.html", &page, "the page".as_bytes()), ("/dl/f/masters/set/a%20b.zip", &file, &[7; 5000])]
        {
            shop.site.remember(&format!("?jwt={token}"));
            let (bearer, cookie) = (format!("Bearer {token}"), format!("a=b; cloakroom_jwt={token}; c=d"));
            for (target, headers) in [
                (format!("{path}?jwt={token}"), vec![]),
                (format!("{path}?utm_source=mail&jwt={token}&fbclid=x"), vec![]),
                (path.to_owned(), vec![("Authorization", bearer.as_str())]),
                (path.to_owned(), vec![("Cookie", cookie.as_str())]),
                (format!("{path}?jwt={token}"), vec![("Authorization", bearer.as_str()), ("Cookie", cookie.as_str())]),
            ] {
                let answer = shop.site.ask("GET", &target, &headers);
                assert!(answer.status == 200 && answer.body == body, "{id} {path} {headers:?}: {}", answer.text());
                seen += 1;
            }
            assert_eq!(verdict(&shop.site.get(path)), (401, "no_proof".to_owned()), "{path}");
            // Two that differ are none, though each of them alone is good.
            let twin = shop.keys.token(id, &claims(&json!({ "sub": "somebody" })));
            let both = shop.site.ask("GET", &format!("{path}?jwt={token}"), &[("Authorization", &format!("Bearer {twin}"))]);
            assert_eq!(verdict(&both), (403, "bad_proof".to_owned()), "{path}");
            // What a browser sends with everything does not stand against what this request says, and empty is nothing.
            let stale = shop.site.ask("GET", &format!("{path}?jwt={token}"), &[("Cookie", &format!("cloakroom_jwt={twin}x"))]);
            assert_eq!(stale.status, 200, "{path}: {}", stale.text());
            assert_eq!(verdict(&shop.site.ask("GET", path, &[("Cookie", "cloakroom_jwt=")])), (401, "no_proof".to_owned()), "{path}");
            let cookies = format!("cloakroom_jwt=; cloakroom_jwt={token}");
            assert_eq!(shop.site.ask("GET", path, &[("Cookie", &cookies)]).status, 200, "{path}");
            let cookies = format!("cloakroom_jwt={token}; cloakroom_jwt={token}");
            assert_eq!(shop.site.ask("GET", path, &[("Cookie", &cookies)]).status, 200, "{path}");
            let cookies = format!("cloakroom_jwt={token}; cloakroom_jwt={twin}");
            assert_eq!(verdict(&shop.site.ask("GET", path, &[("Cookie", &cookies)])), (403, "bad_proof".to_owned()), "{path}");
        }
        let saved = shop.get("/dl/f/masters/set/a%20b.zip", &file);
        assert!(saved.header("Content-Disposition").unwrap().contains("%C3%84.zip"), "{saved:?}");
    }
    assert_eq!(seen, 40);
}

#[test]
fn what_the_claims_say_is_what_opens() {
    let shop = Shop::open();
    let t = now();
    let float = |seconds: u64| f64::from(u32::try_from(seconds).unwrap());
    let rows = [
        (json!({}), "200"),
        (json!({ "aud": ["other", NAME] }), "200"),
        (json!({ "path": null, "prefix": "/tokens" }), "200"),
        (json!({ "path": null, "prefix": "/tokens/" }), "200"),
        (json!({ "path": null, "prefix": "/" }), "200"),
        (json!({ "exp": float(t + 600) + 0.5, "nbf": float(t) - 0.5, "iat": float(t) }), "200"),
        (json!({ "nbf": t + 20, "iat": t + 20 }), "200"),
        (json!({ "exp": t - 20 }), "200"),
        (json!({ "exp": t + 366 * 86_400 }), "200"),
        (json!({ "net": "127.0.0.0/8", "sub": "alice", "jti": "1", "rate": 1e6, "name": "x" }), "200"),
        (json!({ "iss": 5, "scope": { "a": [null] }, "admin": true }), "200"),
        (json!({ "exp": null }), "bad_proof"),
        (json!({ "exp": (t + 600).to_string() }), "bad_proof"),
        (json!({ "exp": -1 }), "bad_proof"),
        (json!({ "exp": 1e300 }), "bad_proof"),
        (json!({ "exp": t + 367 * 86_400 }), "bad_proof"),
        (json!({ "exp": u64::MAX }), "bad_proof"),
        (json!({ "exp": t + 360 * 86_400, "iat": t - 10 * 86_400 }), "bad_proof"),
        (json!({ "exp": (t + 600) * 1000 }), "bad_proof"),
        (json!({ "exp": t - 60 }), "expired"),
        (json!({ "exp": 0 }), "expired"),
        (json!({ "nbf": t + 90 }), "not_yet_valid"),
        (json!({ "iat": t + 90 }), "not_yet_valid"),
        (json!({ "nbf": "soon" }), "bad_proof"),
        (json!({ "aud": null }), "bad_proof"),
        (json!({ "aud": "shop.example" }), "bad_proof"),
        (json!({ "aud": "127.0.0.1." }), "bad_proof"),
        (json!({ "aud": [] }), "bad_proof"),
        (json!({ "aud": [NAME, 5] }), "bad_proof"),
        (json!({ "aud": { NAME: true } }), "bad_proof"),
        (json!({ "path": null }), "bad_proof"),
        (json!({ "prefix": "/tokens/" }), "bad_proof"),
        (json!({ "file": "masters/set/a b.zip" }), "bad_proof"),
        (json!({ "path": "/tokens/../tokens/a b.html" }), "bad_proof"),
        (json!({ "path": "tokens/a b.html" }), "bad_proof"),
        (json!({ "path": ["/tokens/a b.html"] }), "bad_proof"),
        (json!({ "path": "/tokens/a%20b.html" }), "wrong_path"),
        (json!({ "path": "/tokens/" }), "wrong_path"),
        (json!({ "path": null, "prefix": "/token" }), "wrong_path"),
        (json!({ "path": null, "file": "masters/set/a b.zip" }), "wrong_path"),
        (json!({ "net": "192.0.2.0/24" }), "wrong_network"),
        (json!({ "net": "everywhere" }), "bad_proof"),
        (json!({ "net": ["127.0.0.1"] }), "bad_proof"),
        (json!({ "sub": 7 }), "bad_proof"),
        (json!({ "sub": "a\nb" }), "bad_proof"),
        (json!({ "sub": "a".repeat(257) }), "bad_proof"),
        (json!({ "jti": "" }), "bad_proof"),
        (json!({ "name": 5 }), "bad_proof"),
        (json!({ "rate": 0 }), "bad_proof"),
        (json!({ "rate": "5M" }), "bad_proof"),
        (json!({ "rate": 1.5 }), "bad_proof"),
        // Counted is what is downloaded, and not what the web server sends.
        (json!({ "max": 3, "jti": "a" }), "bad_proof"),
    ];
    for (other, wanted) in rows {
        let (status, refusal) = shop.verdict(&shop.keys.token("ed", &claims(&other)));
        let seen = if status == 200 { "200" } else { refusal.as_str() };
        assert_eq!(seen, wanted, "{other}");
    }
}

/// The table of the ways in which a token can be odd: whoever wrote it has the key, or none.
#[test]
fn a_token_that_is_odd_in_any_way_opens_nothing() {
    let shop = Shop::open();
    let claims = claims(&json!({})).to_string();
    let mut seen = 0;
    let mut refused = |what: &str, token: &str| {
        assert_eq!(shop.verdict(token), (403, "bad_proof".to_owned()), "{what}: {token}");
        let bearer = shop.site.ask("GET", "/tokens/a%20b.html", &[("Authorization", &format!("Bearer {token}"))]);
        assert!([(403, "bad_proof".to_owned()), (401, "no_proof".to_owned())].contains(&verdict(&bearer)), "{what}: {token}");
        seen += 1;
    };
    for (id, algorithm, signer) in &shop.keys.all {
        let header = |alg: &str| format!(r#"{{"alg":"{alg}","kid":"{id}","typ":"JWT"}}"#);
        let good = signer.token(&header(algorithm), &claims);
        assert_eq!(shop.verdict(&good).0, 200, "{algorithm}");
        let parts: Vec<&str> = good.split('.').collect();
        let (h, c, s) = (parts[0], parts[1], parts[2]);
        for other in ["none", "None", "NONE", "nOnE", "", "HS256", "HS384", "EdDSA", "ES256", "RS256", "PS256", "hs256"] {
            if other != *algorithm {
                refused("another alg, signed by the key all the same", &signer.token(&header(other), &claims));
                refused("another alg, with the signature left out", &format!("{}.{c}.", URL_SAFE_NO_PAD.encode(header(other))));
            }
        }
        for header in [
            format!(r#"{{"kid":"{id}"}}"#),
            format!(r#"{{"alg":null,"kid":"{id}"}}"#),
            format!(r#"{{"alg":["{algorithm}"],"kid":"{id}"}}"#),
            format!(r#"{{"alg":"{algorithm}","alg":"{algorithm}","kid":"{id}"}}"#),
            format!(r#"{{"alg":"none","\u0061lg":"{algorithm}","kid":"{id}"}}"#),
            format!(r#"{{"alg":"{algorithm}","kid":"{id}","kid":"main"}}"#),
            format!(r#"{{"alg":"{algorithm}","kid":"{id}","crit":["exp"],"exp":1}}"#),
            format!(r#"{{"alg":"{algorithm}","kid":"{id}","crit":[]}}"#),
            format!(r#"{{"alg":"{algorithm}","kid":"{id}","typ":"dpop+jwt"}}"#),
            format!(r#"{{"alg":"{algorithm}","kid":"{id}","typ":5}}"#),
            format!(r#"{{"alg":"{algorithm}","kid":"nobody"}}"#),
            format!(r#"{{"alg":"{algorithm}","kid":"../{id}"}}"#),
            format!(r#"{{"alg":"{algorithm}","kid":5}}"#),
            format!(r#"["{algorithm}"]"#),
            "{}".to_owned(),
            "5".to_owned(),
        ] {
            refused(&header, &signer.token(&header, &claims));
        }
        for (what, token) in [
            ("two parts", format!("{h}.{c}")),
            ("four parts", format!("{good}.")),
            ("four parts, the third repeated", format!("{good}.{s}")),
            ("five parts, as a JWE has", format!("{h}.{c}.{s}.{s}.{s}")),
            ("a part before", format!(".{good}")),
            ("no signature", format!("{h}.{c}.")),
            ("no claims", format!("{h}..{s}")),
            ("padded", format!("{good}=")),
            ("signed with padding", signer.close(&format!("{}.{c}", URL_SAFE.encode(unaligned(&header(algorithm)))))),
            ("the alphabet of base64", format!("{h}.{c}.{}", s.replace('-', "%2B").replace('_', "%2F") + "%2B")),
            ("a space behind", format!("{good}%20")),
            ("a line break behind", format!("{good}%0A")),
            ("the claims of another", format!("{h}.{}.{s}", URL_SAFE_NO_PAD.encode(claims.replace("127", "128")))),
            ("cut off", good[..good.len() - 2].to_owned()),
            ("longer than any", format!("{h}.{}.{s}", "A".repeat(5500))),
        ] {
            refused(what, &token);
        }
        for odd in [
            claims.replacen('{', r#"{"aud":"evil","#, 1),
            claims.replacen('{', r#"{"exp":99999999999,"#, 1),
            format!("{claims}{claims}"),
            format!("[{claims}]"),
            format!("{claims} x"),
            "null".to_owned(),
            String::new(),
        ] {
            refused("odd claims, well signed", &signer.token(&header(algorithm), &odd));
        }
        // Bits beyond the last byte: other letters for the same claims, and well signed.
        let odd_letters = signer.close(&format!("{h}.{}", with_loose_bits(&claims)));
        refused("loose bits in the claims", &odd_letters);
        // Key confusion: the key that everybody knows, as a secret.
        if *id != "shop" {
            let pem = shop.keys.public_pem(id);
            for secret in [pem.clone(), pem.trim_ascii().to_vec(), id.as_bytes().to_vec(), vec![]] {
                for header in
                    [header("HS256"), r#"{"alg":"HS256"}"#.to_owned(), header(algorithm), r#"{"alg":"HS256","kid":"main"}"#.to_owned()]
                {
                    refused("the public key as a secret", &Signer::Hs256(secret.clone()).token(&header, &claims));
                }
            }
        }
    }
    let two_secrets = Signer::Hs256(SECRET.to_vec()).token(r#"{"alg":"HS256"}"#, &claims);
    refused("no kid, where two keys are for HS256", &two_secrets);
    assert_eq!(shop.verdict(&shop.keys.signer("ed").token(r#"{"alg":"EdDSA"}"#, &claims)).0, 200, "no kid, where one key is for it");
    assert_eq!(shop.verdict(&shop.keys.signer("ec").token(r#"{"alg":"ES256","typ":"AT+JWT"}"#, &claims)).0, 200);
    assert!(seen > 200, "{seen}");
}

/// JSON of which the base64 has padding.
fn unaligned(json: &str) -> String {
    let spaces = if json.len().is_multiple_of(3) { " " } else { "" };
    format!("{json}{spaces}")
}

/// The base64url of `text` with a bit set that belongs to no byte.
fn with_loose_bits(text: &str) -> String {
    let mut encoded = URL_SAFE_NO_PAD.encode(unaligned(text)).into_bytes();
    let last = encoded.last_mut().unwrap();
    let next = match *last {
        b'A'..=b'Y' | b'a'..=b'y' | b'0'..=b'8' => *last + 1,
        other => panic!("an unexpected last letter: {other}"),
    };
    *last = next;
    String::from_utf8(encoded).unwrap()
}

#[test]
fn a_retired_key_is_told_only_to_those_who_have_its_token() {
    let shop = Shop::open();
    let config = std::fs::read_to_string(shop.site.cloakroom.config()).unwrap();
    assert_eq!(config.matches("use = \"accept\"").count(), 4);
    std::fs::write(shop.site.cloakroom.config(), config.replace("use = \"accept\"", "use = \"retired\"")).unwrap();
    let Shop { mut site, keys, _directory } = shop;
    site.cloakroom.stop();
    site.cloakroom.start();
    for (id, algorithm, signer) in &keys.all {
        let good = keys.token(id, &claims(&json!({})));
        assert_eq!(verdict(&site.get(&format!("/tokens/a%20b.html?jwt={good}"))), (403, "key_retired".to_owned()), "{id}");
        let header = json!({ "alg": algorithm, "kid": id }).to_string();
        let forged = signer.token(&header, &claims(&json!({})).to_string());
        let forged =
            format!("{}.{}.{}", &forged.split('.').next().unwrap(), URL_SAFE_NO_PAD.encode("{}"), forged.rsplit('.').next().unwrap());
        assert_eq!(verdict(&site.get(&format!("/tokens/a%20b.html?jwt={forged}"))), (403, "bad_proof".to_owned()), "{id}");
    }
}

#[test]
fn signed_urls_and_tokens_stand_side_by_side_and_are_never_taken_for_each_other() {
    let shop = Shop::open();
    let site = &shop.site;
    let token = shop.keys.token("shop", &claims(&json!({ "path": "/either/a.html" })));
    assert_eq!(shop.get("/either/a.html", &token).status, 200);
    let signed = site.sign("/either/a.html", &[]);
    assert_eq!(site.get(&signed).status, 200);
    // The signature decides where there is one, whatever cookie the browser has.
    let stale = shop.keys.token("shop", &claims(&json!({ "exp": 5 })));
    assert_eq!(site.ask("GET", &signed, &[("Cookie", &format!("cloakroom_jwt={stale}"))]).status, 200);
    let file = site.sign("masters/set/a b.zip", &[]);
    assert_eq!(site.ask("GET", &file, &[("Cookie", &format!("cloakroom_jwt={stale}"))]).status, 200);
    assert_eq!(verdict(&site.get(&format!("{}&jwt={token}", signed.replace("sig=", "sig=A")))), (403, "bad_proof".to_owned()));
    // One secret, and each of its tags in the other's place.
    let tag = token.rsplit('.').next().unwrap();
    let as_url = format!("/either/a.html?kid=shop&exp={}&sig={tag}", now() + 600);
    assert_eq!(verdict(&site.get(&as_url)), (403, "bad_proof".to_owned()));
    let url_tag = signed.rsplit_once("sig=").unwrap().1;
    let (head, _) = token.rsplit_once('.').unwrap();
    assert_eq!(verdict(&shop.get("/either/a.html", &format!("{head}.{url_tag}"))), (403, "bad_proof".to_owned()));
}

#[test]
fn explain_tells_each_step_and_no_token() {
    let shop = Shop::open();
    let token = shop.keys.token("ec", &claims(&json!({ "net": "127.0.0.1" })));
    let said = shop.site.cloakroom.say(&["explain", &format!("/tokens/a%20b.html?jwt={token}"), "--from", "127.0.0.1"]);
    let mut told = String::new();
    for step in
        ["brings a JWT", "signed with ES256 by the key `ec`", "`aud` is this site", "the time is right", "the client is in 127.0.0.1/32"]
    {
        assert!(said.contains(step), "{said}");
        let _ = write!(told, "{step} ");
    }
    assert!(!said.contains(&token[..40]), "{said}");
    let late = shop.keys.token("ec", &claims(&json!({ "aud": "shop.example" })));
    let output = shop.site.cloakroom.command(&["explain", &format!("/tokens/a%20b.html?jwt={late}")]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("`aud` must be the name of this site") && said.contains("mint it again"), "{said}");
    let unsigned = shop.site.cloakroom.command(&["sign", "/tokens/a b.html", "--key", "ec"]);
    assert!(String::from_utf8_lossy(&unsigned.stderr).contains("--key ec: it is a public key"), "{unsigned:?}");
}

/// Claims of a token for a file of which so many downloads may be had.
fn counted(jti: &str, max: u32, other: &Value) -> Value {
    let mut whole = json!({ "path": null, "file": "masters/set/a b.zip", "jti": jti, "max": max });
    whole.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
    claims(&whole)
}

const FILE: &str = "/dl/f/masters/set/a%20b.zip";

fn grants(site: &Site) -> Vec<Value> {
    site.cloakroom.json(&["grant", "list"]).as_array().unwrap().clone()
}

#[test]
fn a_browser_with_a_token_with_max_sees_a_page_and_its_button_makes_the_grant() {
    let shop = Shop::open();
    let site = &shop.site;
    let token = shop.keys.token("ed", &counted("order-8", 1, &json!({})));
    let target = format!("{FILE}?jwt={token}");
    let browser = [("Accept", "text/html,*/*;q=0.8"), ("Sec-Fetch-Mode", "navigate")];
    let bearer = format!("Bearer {token}");
    for (target, headers) in [(target.as_str(), browser.to_vec()), (FILE, [&browser[..], &[("Authorization", bearer.as_str())]].concat())] {
        let page = site.ask("GET", target, &headers);
        assert_eq!(page.status, 200, "{}", page.text());
        assert!(page.text().contains("<form method=\"post\">") && page.text().contains("1 of 1"), "{}", page.text());
        assert_eq!(page.text().contains("curl -C -"), target != FILE, "an address that does not open it alone is not told");
    }
    assert_eq!(grants(site), Vec::<Value>::new(), "looking makes nothing");
    let press = [&browser[..], &[("Content-Length", "0")]].concat();
    let pressed = site.ask("POST", &target, &press);
    let started = pressed.header("Location").unwrap();
    assert!(pressed.status == 303 && started.starts_with("/dl/s/"), "{pressed:?}");
    assert_eq!(grants(site).len(), 1);
    let page = site.ask("GET", started, &browser);
    let delivery = page.header("Refresh").and_then(|refresh| refresh.strip_prefix("0; url=")).unwrap();
    assert_eq!(site.get(delivery).body.len(), 5000);
    servers::until("the download to be counted", || (grants(site)[0]["used"] == 1).then_some(()));
    // A token without `max` opens the file itself: there is nothing to press.
    let plain = shop.keys.token("ed", &claims(&json!({ "path": null, "file": "masters/set/a b.zip" })));
    let plain = format!("{FILE}?jwt={plain}");
    assert_eq!(site.ask("GET", &plain, &browser).body.len(), 5000);
    assert_eq!(verdict(&site.ask("POST", &plain, &press)), (400, "bad_request".to_owned()));
}

#[test]
fn downloads_of_a_token_with_max_are_counted_by_the_store() {
    let shop = Shop::open();
    let site = &shop.site;
    let token = shop.keys.token("ed", &counted("order-7", 2, &json!({ "sub": "alice@shop.example", "rate": 5e6 })));
    let target = format!("{FILE}?jwt={token}");
    // Looking makes nothing.
    let head = site.ask("HEAD", &target, &[]);
    assert_eq!((head.status, head.header("Content-Length")), (200, Some("5000")));
    let explained = site.cloakroom.say(&["explain", &target]);
    assert!(explained.contains("makes the grant g-") && explained.contains("303"), "{explained}");
    assert_eq!(grants(site), Vec::<Value>::new());
    for download in 1..=2 {
        let click = site.get(&target);
        assert_eq!(click.status, 303, "{}", click.text());
        let sent = site.get(click.header("Location").unwrap());
        assert_eq!((sent.status, sent.body.len()), (200, 5000));
        site.assert_reported(download);
        servers::until("the download to be counted", || (grants(site)[0]["used"] == download).then_some(()));
    }
    let all = grants(site);
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!((&all[0]["customer"], &all[0]["used"], &all[0]["max_downloads"]), (&json!("alice@shop.example"), &json!(2), &json!(2)));
    // Who had it may come back for the rest of it; others may not.
    let stranger = |token: &str| verdict(&site.ask("GET", &format!("{FILE}?jwt={token}"), &[("User-Agent", "another")]));
    assert_eq!(stranger(&token), (403, "limit_reached".to_owned()));
    // Another token of the same name is the same right, for the same file only.
    let again = shop.keys.token("ed", &counted("order-7", 9, &json!({})));
    assert_eq!(stranger(&again), (403, "limit_reached".to_owned()));
    site.master("b.zip", b"another");
    let other = shop.keys.token("ed", &counted("order-7", 9, &json!({ "file": "masters/b.zip" })));
    assert_eq!(verdict(&shop.get("/dl/f/masters/b.zip", &other)), (403, "bad_proof".to_owned()));
    // A name is one under its key.
    let elsewhere = shop.keys.token("ec", &counted("order-7", 1, &json!({})));
    assert_eq!(shop.get(FILE, &elsewhere).status, 303);
    assert_eq!(grants(site).len(), 2);
    // What the owner decides about the grant holds.
    let id = all[0]["id"].as_str().unwrap();
    site.cloakroom.say(&["grant", "extend", id, "--max", "+1"]);
    assert_eq!(site.get(&target).status, 303);
    site.cloakroom.say(&["grant", "revoke", id]);
    assert_eq!(verdict(&site.get(&target)), (403, "revoked".to_owned()));
    let history = site.cloakroom.say(&["grant", "show", id]);
    assert!(history.contains("a JWT"), "{history}");
}

#[test]
fn a_number_of_downloads_that_cannot_be_counted_is_refused_and_never_ignored() {
    let shop = Shop::open();
    for (other, words) in [
        (json!({ "jti": null }), "with `max` the claim `jti` is needed"),
        (json!({ "file": null, "prefix": "/dl/f/masters/" }), "with `max` the claim `file` is needed"),
        (json!({ "file": null, "path": "/dl/f/masters/set/a b.zip" }), "with `max` the claim `file` is needed"),
        (json!({ "name": "b.zip" }), "with `max` the file is saved under its own name: leave `name` out"),
        (json!({ "max": 0 }), "the claim `max` cannot be read"),
        (json!({ "max": -1 }), "the claim `max` cannot be read"),
        (json!({ "max": "3" }), "the claim `max` cannot be read"),
        (json!({ "max": 1.5 }), "the claim `max` cannot be read"),
        (json!({ "max": 4_294_967_296_u64 }), "the claim `max` cannot be read"),
    ] {
        let token = shop.keys.token("ed", &counted("a", 3, &other));
        assert_eq!(verdict(&shop.get(FILE, &token)), (403, "bad_proof".to_owned()), "{other}");
        shop.site.cloakroom.logged(&["refused", words]);
    }
    let page = shop.keys.token("ed", &claims(&json!({ "max": 3, "jti": "a" })));
    assert_eq!(verdict(&shop.get("/tokens/a%20b.html", &page)), (403, "bad_proof".to_owned()));
    shop.site.cloakroom.logged(&["refused", "`max` counts downloads under public_url, and here nothing is counted"]);
    assert_eq!(grants(&shop.site), Vec::<Value>::new());
}

#[test]
fn a_counted_token_is_held_to_the_networks_of_the_policy_too() {
    let shop = Shop::with("[[policy]]\nname = \"default\"\nnetworks = [\"192.0.2.0/24\", \"127.0.0.0/16\"]\n");
    for (jti, net) in [("a", json!(null)), ("b", json!("127.0.0.0/8")), ("c", json!("127.0.0.1"))] {
        let answer = shop.get(FILE, &shop.keys.token("ed", &counted(jti, 2, &json!({ "net": net }))));
        assert_eq!(answer.status, 303, "{jti}: {}", answer.text());
    }
    let shop = Shop::with("[[policy]]\nname = \"default\"\nnetworks = [\"192.0.2.0/24\"]\n");
    for (jti, net) in [("a", json!(null)), ("b", json!("127.0.0.0/8")), ("c", json!("0.0.0.0/0"))] {
        let answer = shop.get(FILE, &shop.keys.token("ed", &counted(jti, 2, &json!({ "net": net }))));
        assert_eq!(verdict(&answer), (403, "wrong_network".to_owned()), "{jti}");
    }
    shop.site.cloakroom.logged(&["refused", "127.0.0.0/8 (`net`) is in none of them"]);
    assert_eq!(grants(&shop.site), Vec::<Value>::new(), "who stands outside makes none");
}

#[test]
fn what_is_forgotten_by_a_restart_counts_no_token() {
    let shop = Shop::with("[store]\nkind = \"memory\"\n");
    let target = format!("{FILE}?jwt={}", shop.keys.token("ed", &counted("a", 3, &json!({}))));
    for method in ["GET", "HEAD"] {
        assert_eq!(verdict(&shop.site.ask(method, &target, &[])), (403, "bad_proof".to_owned()), "{method}");
    }
    shop.site.cloakroom.logged(&["refused", "`max` needs a store that outlives a restart"]);
    assert_eq!(grants(&shop.site), Vec::<Value>::new());
    let plain = shop.keys.token("ed", &counted("a", 3, &json!({ "max": null })));
    assert_eq!(shop.get(FILE, &plain).status, 200);
}

#[test]
fn a_first_use_that_cannot_be_answered_makes_no_grant() {
    let shop = Shop::open();
    let site = &shop.site;
    let ahead = format!("{FILE}?jwt={}", shop.keys.token("ed", &counted("a", 3, &json!({}))));
    let refused = site.ask("GET", &ahead, &[("Sec-Purpose", "prefetch")]);
    assert_eq!(refused.header("Cloakroom-Refusal"), Some("preparing"), "{}", refused.text());
    site.cloakroom.logged(&["refused", "the browser only looks ahead"]);
    let gone = shop.keys.token("ed", &counted("b", 3, &json!({ "file": "masters/gone.zip" })));
    assert_eq!(verdict(&shop.get("/dl/f/masters/gone.zip", &gone)), (404, "file_missing".to_owned()));
    // Within the leeway of the token, and beyond the end of what it would make.
    let late = shop.keys.token("ed", &counted("c", 3, &json!({ "exp": now() - 5 })));
    assert_eq!(verdict(&shop.get(FILE, &late)).1, "link_expired");
    assert_eq!(grants(site), Vec::<Value>::new());
    assert_eq!(site.get(&ahead).status, 303);
    assert_eq!(grants(site).len(), 1);
}

#[test]
fn first_uses_at_once_make_one_grant() {
    let shop = Shop::open();
    let token = shop.keys.token("ed", &counted("rush", 3, &json!({})));
    let target = format!("{FILE}?jwt={token}");
    shop.site.remember(&target);
    let port = shop.site.nginx.port;
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..16).map(|_| scope.spawn(|| servers::http::ask(port, "GET", &target, &[]).status)).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    assert_eq!(statuses, [303; 16], "an offer reserves nothing, so each of them gets one");
    assert_eq!(grants(&shop.site).len(), 1);
    let mut site = shop.site;
    site.cloakroom.stop();
    site.cloakroom.start();
    assert_eq!(site.get(&target).status, 303, "after a restart");
    assert_eq!(grants(&site).len(), 1);
}

//! What stock libraries and the snippets of `conf-examples/minting/` mint, through a real nginx and the real daemon: good
//! tokens open, and what was tampered with, or minted carelessly, does not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs, unreachable_pub)]

mod servers;
#[path = "jwt/signers.rs"]
mod signers;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tempfile::TempDir;

use servers::nginx::NginxSetup;
use servers::site::{NAME, Site};
use signers::{Keys, Signer};

const DAY: u64 = 86_400;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn now() -> u64 {
    #[allow(clippy::disallowed_methods)]
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A program that runs a script: Debian's own, for which its modules are installed; node finds what `tests/run` installed.
fn program(script: &Path) -> Command {
    let mut command = Command::new(match script.extension().unwrap().to_str().unwrap() {
        "php" => "php",
        "py" => "/usr/bin/python3",
        "js" => "node",
        "rb" => "ruby",
        "sh" => "sh",
        other => panic!("who runs .{other}?"),
    });
    command.arg(script).env("NODE_PATH", root().join("target/minting/node_modules"));
    command
}

/// What a script prints for these arguments.
#[track_caller]
fn run(script: &Path, arguments: &[&str], input: &str) -> String {
    let mut child = program(script).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.as_mut().unwrap_or_else(|fault| panic!("{}: {fault} (tests/run installs what runs it)", script.display()));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let mut said = (String::new(), String::new());
    std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut said.0).unwrap();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said.1).unwrap();
    assert!(child.wait().unwrap().success(), "{} (tests/run installs what it needs): {}", script.display(), said.1);
    said.0.trim_end().to_owned()
}

struct Shop {
    site: Site,
    keys: Keys,
    directory: TempDir,
}

impl Shop {
    #[track_caller]
    fn with(more: &str, key_of: impl Fn(&Path) -> Keys) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let keys = key_of(directory.path());
        let server = "location ^~ /tokens/ { include cloakroom/protect.conf; }".to_owned();
        let setup = NginxSetup { server, ..NginxSetup::default() };
        let rule = "[[rule]]\npath = \"/tokens/\"\naccept = [\"jwt\"]\n";
        let site = Site::around(&setup, &format!("{rule}{}{more}", keys.configuration()));
        site.page("tokens/a b.html", b"the page");
        Self { site, keys, directory }
    }

    /// `200`, or the refusal, of a token for the page.
    #[track_caller]
    fn verdict(&self, token: &str) -> String {
        let answer = self.site.get(&format!("/tokens/a%20b.html?jwt={token}"));
        match answer.header("Cloakroom-Refusal") {
            None if answer.status == 200 && answer.body == b"the page" => "200".to_owned(),
            Some(refusal) => refusal.to_owned(),
            None => panic!("{}: {}", answer.status, answer.text()),
        }
    }
}

#[test]
fn each_snippet_mints_what_opens() {
    let shop = Shop::with("", Keys::make);
    let snippets = root().join("conf-examples/minting");
    let main = shop.site.cloakroom.state().join("keys/main");
    let awkward = "members/ä b+c%'(!)*~.html";
    shop.site.page(awkward, b"the page");
    let file = |id: &str| shop.directory.path().join(if id == "shop" { "shop".to_owned() } else { format!("{id}.private.pem") });
    let mut seen = Vec::new();
    for entry in fs::read_dir(&snippets).unwrap() {
        let script = entry.unwrap().path();
        let name = script.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with("signed-url.") {
            let url = run(&script, &[main.to_str().unwrap(), "main", NAME, &format!("/{awkward}"), "600"], "");
            let answer = shop.site.get(&url);
            assert_eq!((answer.status, answer.body.as_slice()), (200, &b"the page"[..]), "{name}: {url}");
            let late = run(&script, &[main.to_str().unwrap(), "main", NAME, &format!("/{awkward}"), "-5"], "");
            assert_eq!(shop.site.get(&late).status, 410, "{name}");
        } else if let Some(library) = name.strip_prefix("jwt-") {
            // The library is had by Composer alone: its tokens are those of tests/golden/jwt/.
            let algorithms: &[_] = match library {
                "pyjwt.py" => &["HS256", "EdDSA", "ES256", "RS256"],
                "jsonwebtoken.js" | "ruby.rb" => &["HS256", "ES256", "RS256"],
                "plain.php" | "openssl.sh" => &["HS256", "RS256"],
                "firebase.php" => &[],
                other => panic!("{other} is not known here"),
            };
            for algorithm in algorithms {
                let id = shop.keys.all.iter().find(|(_, known, _)| known == algorithm).unwrap().0;
                let key = file(id);
                let mint = |site: &str, seconds: &str| {
                    run(&script, &[key.to_str().unwrap(), id, site, "/tokens/a b.html", seconds, algorithm], "")
                };
                assert_eq!(shop.verdict(&mint(NAME, "600")), "200", "{name} {algorithm}");
                assert_eq!(shop.verdict(&mint("shop.example", "600")), "bad_proof", "{name} {algorithm}");
                assert_eq!(shop.verdict(&mint(NAME, "-60")), "expired", "{name} {algorithm}");
            }
        } else {
            assert_eq!(name, "README.md");
            continue;
        }
        seen.push(name);
    }
    assert!(seen.len() >= 11, "{seen:?}");
}

/// What is minted carelessly: claims, headers, and what it gets. A header or a claim that is `null` is left out.
fn careless(expires: u64) -> Vec<(&'static str, Value, Value, &'static str)> {
    let none = || json!({});
    vec![
        ("good", none(), none(), "200"),
        ("for several sites", json!({ "aud": ["shop.example", NAME] }), none(), "200"),
        ("with claims of the shop", json!({ "iss": "shop", "sub": "alice", "roles": ["a", { "b": 1 }] }), none(), "200"),
        ("for all below", json!({ "path": null, "prefix": "/tokens/" }), none(), "200"),
        ("times with a fraction", json!({ "exp": 4_102_444_000.5 }), none(), if expires > 4_000_000_000 { "200" } else { "bad_proof" }),
        ("the wrong site", json!({ "aud": "shop.example" }), none(), "bad_proof"),
        ("no site", json!({ "aud": null }), none(), "bad_proof"),
        ("no end", json!({ "exp": null }), none(), "bad_proof"),
        ("an end too far away", json!({ "exp": 99_999_999_999_u64 }), none(), "bad_proof"),
        ("over", json!({ "exp": 1_700_000_000 }), none(), "expired"),
        ("not begun", json!({ "nbf": expires - 5 }), none(), "not_yet_valid"),
        ("another page", json!({ "path": "/tokens/other.html" }), none(), "wrong_path"),
        ("no page", json!({ "path": null }), none(), "bad_proof"),
        ("a login token of the shop", json!({ "path": null, "sub": "alice", "scope": "read" }), none(), "bad_proof"),
        ("a critical extension", none(), json!({ "crit": ["x"], "x": 1 }), "bad_proof"),
        ("an unknown key", none(), json!({ "kid": "nobody" }), "bad_proof"),
        ("another key", none(), json!({ "kid": "main" }), "bad_proof"),
        ("another type", none(), json!({ "typ": "secevent+jwt" }), "bad_proof"),
    ]
}

fn with(base: &Value, other: &Value) -> Value {
    let mut whole = base.clone();
    for (name, value) in other.as_object().unwrap() {
        if value.is_null() {
            whole.as_object_mut().unwrap().remove(name);
        } else {
            whole[name] = value.clone();
        }
    }
    whole
}

/// What `keys` of these algorithms ask a library for: each row with what it gets.
fn orders(keys: &Keys, algorithms: &[&str], expires: u64) -> Vec<(String, Value, &'static str)> {
    let mut orders = Vec::new();
    for (id, algorithm, _) in keys.all.iter().filter(|(_, algorithm, _)| algorithms.contains(algorithm)) {
        let file = keys.directory.join(if *id == "shop" { (*id).to_owned() } else { format!("{id}.private.pem") });
        for (what, claims, headers, wanted) in careless(expires) {
            let claims = with(&json!({ "aud": NAME, "exp": expires, "path": "/tokens/a b.html" }), &claims);
            let headers = with(&json!({ "kid": id }), &headers);
            let order = json!({ "key": file, "algorithm": algorithm, "claims": claims, "headers": headers });
            orders.push((format!("{what}, {algorithm}"), order, wanted));
        }
    }
    orders
}

/// What can be done to a good token by who has no key.
fn tampered(good: &str, public_pem: Option<&[u8]>) -> Vec<(&'static str, String)> {
    let parts: Vec<&str> = good.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("{good}") };
    let read: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    let again = |other: &str| URL_SAFE_NO_PAD.encode(with(&read, &json!({ "alg": other })).to_string());
    let longer = String::from_utf8(URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap().replacen('{', "{\"prefix\":\"/\",", 1);
    let mut made = vec![
        ("alg none", format!("{}.{claims}.", again("none"))),
        ("alg None", format!("{}.{claims}.{signature}", again("None"))),
        ("alg HS512", format!("{}.{claims}.{signature}", again("HS512"))),
        ("alg PS256", format!("{}.{claims}.{signature}", again("PS256"))),
        ("other claims", format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(longer))),
        ("a fourth part", format!("{good}.{signature}")),
        ("two parts", format!("{header}.{claims}")),
        ("padded", format!("{good}=")),
        ("padded inside", format!("{}.{claims}.{signature}", URL_SAFE.encode(format!("{read} ")))),
        ("a dot too many", format!("{good}.")),
        ("the signature turned round", format!("{header}.{claims}.{}", signature.chars().rev().collect::<String>())),
        ("a character less", good[..good.len() - 1].to_owned()),
        ("a character more", format!("{good}A")),
        ("another alphabet", format!("{header}.{claims}.%2B{}", &signature[1..])),
    ];
    if let Some(pem) = public_pem {
        let signer = Signer::Hs256(pem.to_vec());
        made.push(("the public key as a secret", signer.close(&format!("{}.{claims}", again("HS256")))));
    }
    made
}

fn check(shop: &Shop, library: &str, orders: &[(String, Value, &str)], tokens: &[&str]) {
    assert_eq!(tokens.len(), orders.len(), "{library}");
    let mut good = 0;
    for ((what, order, wanted), token) in orders.iter().zip(tokens) {
        assert_eq!(shop.verdict(token), *wanted, "{library}: {what}: {token}");
        if what.starts_with("good") {
            good += 1;
            let id = order["headers"]["kid"].as_str().unwrap();
            let pem = (id != "shop").then(|| shop.keys.public_pem(id));
            for (how, token) in tampered(token, pem.as_deref()) {
                assert_eq!(shop.verdict(&token), "bad_proof", "{library}: {what}, {how}: {token}");
            }
        }
    }
    assert!(good >= 3, "{library}");
}

#[test]
fn what_stock_libraries_mint_gets_the_right_verdicts() {
    let shop = Shop::with("", Keys::make);
    for (script, algorithms) in [
        ("mint.py", &["HS256", "EdDSA", "ES256", "RS256"][..]),
        ("mint.js", &["HS256", "ES256", "RS256"]),
        ("mint.rb", &["HS256", "ES256", "RS256"]),
    ] {
        let orders = orders(&shop.keys, algorithms, now() + 30 * DAY);
        let input = orders.iter().map(|(_, order, _)| order.clone()).collect::<Value>();
        let said = run(&root().join("tests/jwt").join(script), &[], &input.to_string());
        check(&shop, script, &orders, &said.lines().collect::<Vec<_>>());
        // What they mint themselves when they are told not to sign.
        let unsigned = json!([{ "algorithm": "none", "claims": orders[0].1["claims"], "headers": { "kid": "shop" } }]);
        let unsigned = run(&root().join("tests/jwt").join(script), &[], &unsigned.to_string());
        assert_eq!(shop.verdict(&unsigned), "bad_proof", "{script}: {unsigned}");
    }
}

/// firebase/php-jwt is had by Composer alone, so its tokens were made once, with keys that are for this only, and hold
/// until 2100. `UPDATE_GOLDEN=DIRECTORY` makes them anew with the library in `DIRECTORY/vendor`.
#[test]
fn what_firebase_php_jwt_minted_gets_the_right_verdicts() {
    const EXPIRES: u64 = 4_102_444_800;
    let golden = root().join("tests/golden/jwt");
    let algorithms = ["HS256", "EdDSA", "ES256", "RS256"];
    if let Some(library) = std::env::var_os("UPDATE_GOLDEN").map(PathBuf::from).filter(|path| path.join("vendor").is_dir()) {
        fs::create_dir_all(&golden).unwrap();
        let keys = Keys::make(&golden);
        let orders = orders(&keys, &algorithms, EXPIRES);
        let input = orders.iter().map(|(_, order, _)| order.clone()).collect::<Value>();
        let autoload = library.join("vendor/autoload.php");
        let said = run(&root().join("tests/jwt/mint.php"), &[autoload.to_str().unwrap()], &input.to_string());
        fs::write(golden.join("firebase-php-jwt.txt"), said + "\n").unwrap();
        for (id, _, _) in keys.all.iter().filter(|(id, _, _)| *id != "shop") {
            // Nobody mints with them again.
            fs::remove_file(golden.join(format!("{id}.private.pem"))).unwrap();
            fs::remove_file(golden.join(format!("{id}.der"))).unwrap();
        }
        fs::remove_file(golden.join("shop")).unwrap();
    }
    let shop = Shop::with("", |directory| {
        let keys = Keys::make(directory);
        for id in ["ed", "ec", "rsa"] {
            fs::copy(golden.join(format!("{id}.pem")), directory.join(format!("{id}.pem"))).unwrap();
        }
        keys
    });
    let config = fs::read_to_string(shop.site.cloakroom.config()).unwrap();
    let config = config.replacen("[server]\n", "[server]\njwt_life_max = \"36500d\"\n", 1);
    fs::write(shop.site.cloakroom.config(), config).unwrap();
    let Shop { mut site, keys, directory } = shop;
    site.cloakroom.stop();
    site.cloakroom.start();
    let shop = Shop { site, keys, directory };
    let said = fs::read_to_string(golden.join("firebase-php-jwt.txt")).unwrap();
    let orders = orders(&shop.keys, &algorithms, EXPIRES);
    check(&shop, "firebase/php-jwt", &orders, &said.lines().collect::<Vec<_>>());
}

//! A broad session with everything that is secret in it, said as loudly as the daemon can; then all that was said, by
//! whom ever, is searched for each secret.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs, unreachable_pub)]

#[path = "hostile/raw.rs"]
mod raw;
mod servers;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use raw::{Raw, ask_socket};
use servers::cloakroom::Cloakroom;
use servers::http::{Answer, ask, get};
use servers::nginx::{Nginx, NginxSetup};
use servers::program::Program;
use servers::{free_port, until};

/// Values that a client sends and that are nobody's business.
const SESSION_COOKIE: &str = "shop_session_3f9c2b7a61d84e50";
const BEARER: &str = "eyJhbGciOiJub25lIn0.c2VjcmV0LWJlYXJlcg.b64";
const BASIC: &str = "Y3VzdG9tZXI6Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5";

/// A session in progress: both servers, all that was said, and all that should not have been.
struct Session {
    nginx: Nginx,
    cloakroom: Cloakroom,
    admin: u16,
    secrets: Vec<(String, String)>,
    said: Vec<(String, String)>,
    statuses: BTreeSet<u16>,
}

impl Session {
    fn open() -> Self {
        let nginx = Nginx::start(&NginxSetup::default());
        fs::write(nginx.downloads().join("a.bin"), vec![7; 200_000]).unwrap();
        fs::write(nginx.root().join("members/a.txt"), "for members").unwrap();
        let admin = free_port();
        let mut cloakroom = Cloakroom::behind(&nginx, &format!("[[listener]]\naddress = \"127.0.0.1:{admin}\"\nserve = \"admin\"\n"));
        let config = fs::read_to_string(cloakroom.config()).unwrap().replacen("[server]\n", "[server]\njwt_life_max = \"36500d\"\n", 1);
        fs::write(cloakroom.config(), config).unwrap();
        let key = fs::read_to_string(cloakroom.state().join("keys/main")).unwrap().trim().to_owned();
        let bytes = URL_SAFE_NO_PAD.decode(&key).unwrap();
        let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        let list = bytes[..8].iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let mut session = Self {
            nginx,
            admin,
            secrets: vec![],
            said: vec![],
            statuses: BTreeSet::new(),
            cloakroom: {
                cloakroom.talk();
                cloakroom
            },
        };
        // As it stands in its file, and as a careless `Debug` would show it.
        for (what, key) in [
            ("the key", key),
            ("the key in hexadecimal", hex),
            ("the key as a list", list),
            ("the key in base64", STANDARD_NO_PAD.encode(&bytes)),
        ] {
            session.hide(what, &key);
        }
        for (what, value) in [("a cookie of the shop", SESSION_COOKIE), ("a bearer token", BEARER), ("a password", BASIC)] {
            session.hide(what, value);
        }
        session
    }

    /// From now on nobody may say this. A part of a signature or token is enough to be too much.
    fn hide(&mut self, what: &str, secret: &str) {
        assert!(secret.len() >= 12, "{what}: {secret}");
        if !self.secrets.iter().any(|(_, known)| known == secret) {
            self.secrets.push((what.to_owned(), secret.to_owned()));
        }
    }

    /// Path and query of a URL of the site; its signature or token is a secret.
    fn target(&mut self, what: &str, url: &str) -> String {
        let target = url.strip_prefix(&format!("http://127.0.0.1:{}", self.nginx.port)).unwrap_or(url).to_owned();
        if let Some((_, signature)) = target.split_once("sig=") {
            self.hide(&format!("the signature of {what}"), signature.split('&').next().unwrap());
        } else {
            let token = target.split('/').nth(3).unwrap();
            assert_eq!(token.len(), 40, "{target}");
            self.hide(&format!("the token of {what}"), token);
        }
        target
    }

    /// Asks nginx, with every kind of secret header; what comes back is kept.
    fn ask(&mut self, method: &str, target: &str, cookie: &str, authorization: &str) -> Answer {
        let cookies = format!("shop={SESSION_COOKIE}; {cookie}");
        let headers = [("Cookie", cookies.as_str()), ("Authorization", authorization), ("Accept", "text/html"), ("Range", "bytes=0-99999")];
        let answer = ask(self.nginx.port, method, target, &headers);
        self.statuses.insert(answer.status);
        // The answer to a click is the way to the delivery: it must say its token and set its cookie.
        if answer.status != 303 {
            let head: String = answer.headers.iter().flat_map(|(name, value)| [name.as_str(), ": ", value, "\n"]).collect();
            self.said.push((format!("the answer to {method} {target}"), head + &answer.text()));
        }
        answer
    }

    /// Sends bytes straight to the daemon.
    fn raw(&mut self, request: &str) -> Raw {
        let answer = ask_socket(&self.nginx.socket(), request.as_bytes());
        self.said.push((format!("the answer to {request}"), String::from_utf8_lossy(&answer.bytes).into_owned()));
        answer
    }

    /// Runs a command; what it prints is kept.
    fn command(&mut self, arguments: &[&str]) -> String {
        let output = self.cloakroom.command(arguments);
        let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        self.said.push((format!("cloakroom {arguments:?}"), text.clone()));
        text
    }

    /// Everything that is there to be read by now.
    fn listen(&mut self) {
        let pid = self.cloakroom.pid();
        for file in ["cmdline", "environ"] {
            let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap();
            self.said.push((format!("/proc/PID/{file}"), String::from_utf8_lossy(&bytes).into_owned()));
        }
        for (target, accept) in [("/metrics", "*/*"), ("/health", "*/*"), ("/health", "application/json")] {
            self.said.push((target.to_owned(), get(self.admin, target, &[("Accept", accept)]).text()));
        }
        let config = fs::read_to_string(self.cloakroom.config()).unwrap();
        for (what, text) in [
            ("the configuration", config),
            ("the daemon's log", self.cloakroom.log().join("\n")),
            ("nginx's report", self.nginx.reported().join("\n")),
        ] {
            assert!(!text.is_empty(), "{what}");
            self.said.push((what.to_owned(), text));
        }
    }

    #[track_caller]
    fn assert_silent(&self) {
        let mut found = vec![];
        for (who, text) in &self.said {
            for (what, secret) in &self.secrets {
                if let Some(line) = text.lines().find(|line| line.contains(secret.as_str())) {
                    found.push(format!("{who} says {what}: {line}"));
                }
            }
        }
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

/// The same with one character changed in the middle of its secret.
fn altered(secret: &str) -> String {
    let at = secret.len() / 2;
    let other = if secret.as_bytes()[at] == b'A' { "B" } else { "A" };
    format!("{}{other}{}", &secret[..at], &secret[at + 1..])
}

/// Signed addresses: good ones, and each way to be refused. Gives a good one.
fn bring_signatures(session: &mut Session) -> String {
    let (bearer, basic) = (format!("Bearer {BEARER}"), format!("Basic {BASIC}"));
    let signed: Vec<String> = [
        &["sign", "masters/a.bin"][..],
        &["sign", "masters/a.bin", "--name", "Müller, final.bin", "--rate", "2MB/s"],
        &["sign", "masters/a.bin", "--network", "203.0.113.0/24"],
        &["sign", "masters/a.bin", "--until", "1000000000"],
        &["sign", "masters/a.bin", "--from", "2000000000", "--until", "2000000001"],
        &["sign", "masters/gone.bin"],
        &["sign", "/members/a.txt"],
        &["sign", "/members/", "--prefix"],
        &["sign", "/nowhere/a.txt"],
    ]
    .map(|arguments| {
        let url = session.cloakroom.say(arguments);
        session.target(&format!("{arguments:?}"), &url)
    })
    .into();
    for target in &signed {
        let (path, query) = target.split_once('?').unwrap();
        let signature = query.split_once("sig=").unwrap().1;
        let other = altered(signature);
        session.hide("an altered signature", &other);
        for target in [
            target.clone(),
            target.replace(signature, &other),
            format!("{target}&exp=9"),
            format!("{target}&fbclid=x"),
            target.replace("kid=main", "kid=other"),
            target.replace("sig=", "%73ig="),
            target.replace('?', "?sig=short&"),
            format!("{path}x?{query}"),
            format!("{}?{query}", path.replace('.', "%2f.")),
            format!("/members/../members/a.txt?{query}"),
            format!("/members/b.txt?{query}"),
        ] {
            for (method, authorization) in [("GET", &bearer), ("HEAD", &basic), ("POST", &basic)] {
                session.ask(method, &target, "cloakroom=odd value", authorization);
            }
            session.command(&["explain", &target]);
            session.command(&["explain", &format!("http://127.0.0.1:{}{target}", session.nginx.port), "--from", "203.0.113.7", "--json"]);
            session.command(&["explain", &format!("https://other.example{target}")]);
        }
    }
    signed[0].clone()
}

/// Links: a click, a delivery with its cookie, a second click, and everything that looks like a token.
fn bring_tokens(session: &mut Session) {
    let (bearer, basic) = (format!("Bearer {BEARER}"), format!("Basic {BASIC}"));
    let links: Vec<String> = (1..=2)
        .map(|max| {
            let url = session.cloakroom.link("masters/a.bin", max);
            session.target("a link", &url)
        })
        .collect();
    for link in &links {
        let click = session.ask("GET", link, "", &bearer);
        assert_eq!(click.status, 303);
        let delivery = session.target("a delivery", click.header("Location").unwrap());
        let cookie = click.header("Set-Cookie").unwrap().split(';').next().unwrap().to_owned();
        session.hide("the cookie of a delivery", cookie.split_once('=').unwrap().1);
        for (method, target) in
            [("GET", &delivery), ("HEAD", &delivery), ("GET", link), ("HEAD", link), ("POST", link), ("DELETE", &delivery)]
        {
            session.ask(method, target, &cookie, &bearer);
            session.ask(method, target, "", &bearer);
        }
        for target in [link, &delivery] {
            let token = target.split('/').nth(3).unwrap().to_owned();
            let other = altered(&token);
            session.hide("an altered token", &other);
            for target in [
                target.replace(&token, &other),
                format!("/dl/l/{token}"),
                format!("/dl/d/{token}"),
                format!("/dl/l/{token}/"),
                format!("/dl/l/{token}/../x"),
                format!("/dl/l/{token}x/a.bin"),
                format!("/dl/L/{token}/a.bin"),
                format!("/dl/{token}/a.bin"),
                format!("/dl/{token}"),
                format!("/dl/x/y/{token}"),
                format!("/dl/f/{token}/a.bin"),
                format!("/dl/L/{token}x/a.bin"),
                format!("/dl//l//{token}/a.bin"),
                format!("/dl/l%2f{token}/a.bin"),
                format!("/dl/l/x?token={token}"),
                format!("/dl/f/masters/a.bin?sig={token}"),
                format!("/members/a.txt?sig={token}&kid=main"),
            ] {
                session.ask("GET", &target, &cookie, &basic);
                session.command(&["explain", &target]);
            }
            session.command(&["explain", &token]);
        }
    }
}

/// JWTs: good, altered and refused ones, from each place, with and without a count.
fn bring_jwts(session: &mut Session) {
    let key = fs::read_to_string(session.cloakroom.state().join("keys/main")).unwrap();
    let key = URL_SAFE_NO_PAD.decode(key.trim()).unwrap();
    for (what, other) in [
        ("a good JWT", ""),
        ("a counted JWT", r#","max":2,"jti":"order-number-7","sub":"alice""#),
        ("a JWT that cannot be counted", r#","max":2"#),
        ("a JWT of another network", r#","net":"203.0.113.0/24""#),
        ("a JWT with a wrong claim", r#","rate":"fast""#),
        ("a JWT for later", r#","nbf":2000000000"#),
    ] {
        let parts = [
            r#"{"alg":"HS256","kid":"main"}"#.to_owned(),
            format!(r#"{{"aud":"127.0.0.1","exp":2000000600,"file":"masters/a.bin"{other}}}"#),
        ];
        let text = parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let mac = Hmac::<Sha256>::new_from_slice(&key).unwrap().chain_update(&text).finalize().into_bytes();
        let signature = URL_SAFE_NO_PAD.encode(mac);
        session.hide(&format!("the claims of {what}"), text.split_once('.').unwrap().1);
        session.hide(&format!("the signature of {what}"), &signature);
        let other = altered(&signature);
        session.hide(&format!("an altered signature of {what}"), &other);
        for token in [format!("{text}.{signature}"), format!("{text}.{other}"), format!("{text}.{signature}.{other}")] {
            let bearer = format!("Bearer {token}");
            let cookie = format!("cloakroom_jwt={token}");
            for path in ["/dl/f/masters/a.bin", "/members/a.txt", "/dl/nowhere"] {
                session.ask("GET", &format!("{path}?jwt={token}"), "", "Basic x");
                session.ask("HEAD", &format!("{path}?x=1&jwt={token}&fbclid=x"), "", "Basic x");
                session.ask("GET", path, "", &bearer);
                session.ask("GET", path, &cookie, "Basic x");
                session.ask("GET", &format!("{path}?jwt={token}"), &cookie, &format!("Bearer {BEARER}"));
                session.command(&["explain", &format!("{path}?jwt={token}")]);
            }
            // Pasted into a path, whole or behind other letters, and where no rule is.
            for path in ["/dl/f/masters/a.bin", "/members/a.txt", "/dl/nowhere", "/elsewhere/a.txt"] {
                for target in [format!("{path}/{token}"), format!("{path}&jwt={token}"), format!("{path}%26jwt%3D{token}%26x/b.txt")] {
                    session.ask("GET", &target, "", "Basic x");
                    session.command(&["explain", &target]);
                }
            }
            session.command(&["explain", &token]);
            session.command(&["explain", &token, "--json"]);
        }
    }
}

/// What cannot be read: from a web server with another configuration, and from nobody that speaks HTTP.
fn bring_nonsense(session: &mut Session, target: &str) {
    let bearer = format!("Bearer {BEARER}");
    let secret_lines = format!("Cookie: cloakroom={SESSION_COOKIE}\r\nAuthorization: {bearer}\r\n");
    for request in [
        format!("GET {target} HTTP/1.1\r\nHost: x\r\n{secret_lines}\r\n"),
        format!("GET {target} HTTP/1.1\r\nHost: x\r\nX-Original-URI: {target}\r\nX-Original-URI: {target}\r\n{secret_lines}\r\n"),
        format!("GET {target} HTTP/1.1\r\nHost: x\r\nX-Request-Id: {BEARER} x\r\nX-Original-URI: {target}\r\n{secret_lines}\r\n"),
        format!("GET {target} HTTP/1.1\r\nHost: x\r\n{BEARER}{SESSION_COOKIE}: {BASIC}\r\n\r\n"),
        format!("GET {target} HTTP/1.1\r\nHost: x\r\nX-Original-Anything: {BASIC}\r\n\r\n"),
        format!(
            "GET {target} HTTP/1.1\r\nHost: x\r\nX-Real-IP: {BEARER}\r\nX-Request-Id: abc\r\nX-Original-URI: {target}\r\nX-Original-Method: GET\r\n\r\n"
        ),
        format!("GET {target} HTTP/1.1\r\nHost: {SESSION_COOKIE} {BEARER}\r\n{secret_lines}\r\n"),
        format!("GET /_cloakroom/refused/{BEARER} HTTP/1.1\r\nHost: x\r\nX-Request-Id: abc\r\n{secret_lines}\r\n"),
        format!("GET /_cloakroom/{BEARER} HTTP/1.1\r\nHost: x\r\nX-Request-Id: abc\r\n{secret_lines}\r\n"),
        format!("{BEARER} {target} nonsense\r\n{secret_lines}\r\n"),
        format!("GET {target} HTTP/1.1\r\nHost: x\r\n{secret_lines}{}\r\n\r\n", "x".repeat(20_000)),
    ] {
        // Who asks without a request id has none of ours; the words of the configuration are the sender's own secret.
        let answer = session.raw(&request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
        assert!(answer.status >= 400, "{request}: {answer:?}");
    }
}

/// Whether what is done ends with a secret that was found.
fn is_found(deed: impl FnOnce()) -> bool {
    let ended = catch_unwind(AssertUnwindSafe(deed));
    ended.is_err_and(|words| words.downcast_ref::<String>().is_some_and(|words| words.contains("holds a secret")))
}

#[test]
fn a_secret_that_the_program_prints_fails_the_test_that_started_it_whatever_it_was_about() {
    const PASSWORD: &str = "correct-horse-battery";
    let nginx = Nginx::start(&NginxSetup::default());
    fs::write(nginx.downloads().join("a.bin"), "goods").unwrap();
    let mut cloakroom = Cloakroom::behind(&nginx, "");
    let key = fs::read_to_string(cloakroom.state().join("keys/main")).unwrap().trim().to_owned();
    let bytes = URL_SAFE_NO_PAD.decode(&key).unwrap();
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    // What may be printed is, and is known from then on.
    let link = cloakroom.link("masters/a.bin", 1);
    let token = link.split('/').nth(5).unwrap().to_owned();
    let signed = cloakroom.sign("masters/a.bin");
    let signature = signed.split_once("sig=").unwrap().1.to_owned();
    let file = cloakroom.state().join("members");
    let made = Program::configured(&cloakroom.config()).args(["htpasswd", "add"]).arg(&file).arg("alice").output_of(PASSWORD.as_bytes());
    assert!(made.status.success(), "{made:?}");
    let generated = cloakroom.say(&["htpasswd", "add", file.to_str().unwrap(), "bob", "--generate"]);
    let generated = generated.lines().last().unwrap().rsplit(' ').next().unwrap().to_owned();
    assert_eq!((token.len(), signature.len(), generated.len()), (40, 43, 22));

    let secrets = [&key, &hex.concat(), &token, &signature, &generated, &PASSWORD.to_owned()].map(|secret| format!("x/{secret}"));
    for secret in &secrets {
        // What is no command is named in the error, and a name in the URL that is signed.
        assert!(is_found(|| drop(cloakroom.command(&[secret]))), "standard error: {secret}");
        let program = || Program::configured(&cloakroom.config());
        let alone = |program: &mut Program| drop(program.spawn().wait());
        assert!(is_found(|| alone(program().arg(secret))), "of a program that is left alone: {secret}");
        assert!(is_found(|| drop(program().arg(secret).output_of(b"input"))), "with input: {secret}");
        assert!(is_found(|| drop(program().args(["explain", &format!("/members/{secret}")]).output())), "standard output: {secret}");
        let screen = || Program::on_terminal("true", &cloakroom.config(), &[secret]).output();
        assert!(is_found(|| drop(screen())), "on a terminal: {secret}");
        assert!(is_found(|| alone(program().arg(secret).stderr_into(&cloakroom.state().join("log")))), "in a file: {secret}");
    }
    // Who may print one kind may print no other.
    assert!(!is_found(|| drop(cloakroom.say(&["sign", "masters/a.bin"]))));
    assert!(is_found(|| drop(cloakroom.command(&["sign", "masters/a.bin", "--name", &key]))));
    assert!(is_found(|| drop(cloakroom.command(&["sign", "masters/a.bin", "--name", &token]))));
    assert!(is_found(|| drop(cloakroom.command(&["grant", "list", &link]))));
    for known_by_its_shape in ["/l/", "/d/"]
        .map(|mark| format!("{mark}{}", "t".repeat(40)))
        .into_iter()
        .chain([format!("sig={}", "s".repeat(43)), format!("eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.{}", "s".repeat(43))])
    {
        assert!(is_found(|| drop(cloakroom.command(&[&known_by_its_shape]))), "{known_by_its_shape}");
    }
    for none in [format!("/l/{}", "t".repeat(39)), format!("sig={}", "s".repeat(42)), "secretly".to_owned(), "eyJh.x.y".to_owned()] {
        assert!(!is_found(|| drop(cloakroom.command(&[&none]))), "{none}");
    }
    // A daemon's log.
    cloakroom.stop();
    cloakroom.launch();
    until("it listens", || cloakroom.command(&["delivery", "list"]).status.success().then_some(()));
    assert_eq!(get(nginx.port, &format!("/members/{PASSWORD}.html"), &[]).status, 401);
    assert!(is_found(|| assert!(cloakroom.stop())), "{:#?}", cloakroom.log());
}

#[test]
fn nothing_that_is_secret_is_said_anywhere() {
    let mut session = Session::open();
    let target = bring_signatures(&mut session);
    bring_tokens(&mut session);
    bring_jwts(&mut session);
    bring_nonsense(&mut session, &target);
    // A support code that was given out, and everything that can be listed.
    let refused = session.ask("GET", "/dl/f/masters/a.bin", "", &format!("Basic {BASIC}"));
    let code = refused.header("Cloakroom-Support").unwrap().to_owned();
    assert!(session.command(&["explain", &code]).contains("no_proof"));
    let grants = session.cloakroom.json(&["grant", "list"]);
    let grants: Vec<String> = grants.as_array().unwrap().iter().map(|grant| grant["id"].as_str().unwrap().to_owned()).collect();
    assert!(grants.len() >= 2, "{grants:?}");
    for grant in &grants {
        let more = session.cloakroom.say(&["link", "new", grant]);
        session.target("one more link", &more);
        let page = session.cloakroom.state().join("evidence.html");
        for arguments in [
            &["grant", "show", grant][..],
            &["grant", "show", grant, "--json"],
            &["grant", "extend", grant, "--for", "1d", "--max", "+1"],
            &["grant", "suspend", grant, "--json"],
            &["grant", "resume", grant],
            &["grant", "reset", grant],
            &["grant", "evidence", grant],
            &["grant", "evidence", grant, "--json"],
            &["grant", "evidence", grant, "--html", page.to_str().unwrap()],
            &["explain", grant],
            &["grant", "revoke", grant],
            &["link", "new", grant],
        ] {
            session.command(arguments);
        }
        session.said.push(("the page of evidence".to_owned(), fs::read_to_string(&page).unwrap()));
        let shown = session.cloakroom.json(&["grant", "show", grant]);
        for link in shown["links"].as_array().unwrap() {
            session.command(&["link", "revoke", link["id"].as_str().unwrap()]);
            session.command(&["explain", link["id"].as_str().unwrap()]);
        }
    }
    for arguments in [
        &["grant", "list"][..],
        &["grant", "list", "--json"],
        &["stats"],
        &["stats", "--json"],
        &["delivery", "list"],
        &["delivery", "list", "--json"],
        &["delivery", "show", "newest"],
        &["delivery", "show", "newest", "--json"],
        &["check"],
    ] {
        session.command(arguments);
    }
    until("the report", || (session.nginx.reported().len() >= 2).then_some(()));
    session.listen();
    assert!(session.cloakroom.stop());
    let last = session.cloakroom.log().join("\n");
    session.said.push(("the daemon's last words".to_owned(), last.clone()));

    // It was a session worth listening to.
    for status in [206, 400, 401, 403, 404, 410] {
        assert!(session.statuses.contains(&status), "nothing was answered with {status}");
    }
    assert!(last.contains("DEBUG") && last.lines().count() >= 300, "{} lines", last.lines().count());
    assert!(session.secrets.len() >= 30 && session.said.len() >= 500, "{} {}", session.secrets.len(), session.said.len());
    session.assert_silent();
}

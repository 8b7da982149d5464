//! What nginx's `auth_basic`, Apache's `AuthUserFile` and the crate `htpasswd-verify` say of the same lines, measured beside
//! each other. Where they differ from Cloakroom, the table says so and why.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod servers;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cloakroom::auth::htpasswd::Htpasswd;
use cloakroom::proof::htpasswd::file::{self, Line};
use cloakroom::proof::htpasswd::make::{self, New};
use cloakroom::proof::htpasswd::method::Reads;
use cloakroom::proof::htpasswd::others::Others;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use servers::nginx::{Nginx, NginxSetup};
use servers::{free_port, http, until};
use sha1::{Digest as _, Sha1};
use tempfile::TempDir;

/// The password of every line that is made here.
const PASSWORD: &str = "pä ss:w#rd";

/// `PASSWORD` as {SHA}, for lines that are about something else than their hash.
const SHA: &str = "{SHA}u5FQo9n+xWDVokZV3mtBOsCabNk=";

/// What somebody says of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Right,
    Wrong,
    Panicked,
}
use Verdict::{Panicked, Right, Wrong};

/// What is asked: lines of a file, in which `U` stands for a name of this row alone, and a password.
struct Row {
    name: String,
    lines: String,
    password: String,
}

/// All four opinions of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Opinions {
    ours: Verdict,
    nginx: Verdict,
    apache: Verdict,
    oracle: Verdict,
}

fn printed(program: &str, arguments: &[&str], input: &str) -> String {
    let child = Command::new(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = child.unwrap_or_else(|error| panic!("{program} is needed: {error}; tests/run installs it"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A line of every kind that the tools of this system write.
fn written() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |name: String, hash: String| rows.push(Row { name, lines: format!("U:{hash}"), password: PASSWORD.to_owned() });
    for flags in [&["-m"][..], &["-B", "-C", "4"], &["-B", "-C", "6"], &["-s"], &["-d"], &["-2"], &["-5"], &["-5", "-r", "1000"]] {
        let line = printed("htpasswd", &[&["-n", "-i"], flags, &["u"]].concat(), PASSWORD);
        row(format!("htpasswd {}", flags.join(" ")), line.strip_prefix("u:").unwrap().to_owned());
    }
    for flags in [&["-apr1"][..], &["-apr1", "-salt", "ab"], &["-1"], &["-1", "-salt", ""], &["-5"], &["-6"], &["-6", "-salt", "x"]] {
        row(format!("openssl {}", flags.join(" ")), printed("openssl", &[&["passwd", "-stdin"], flags].concat(), PASSWORD));
    }
    for method in printed("mkpasswd", &["-m", "help"], "").lines().skip(1).filter_map(|line| line.split(' ').next()) {
        row(format!("mkpasswd {method}"), printed("mkpasswd", &["-s", "-m", method], PASSWORD));
    }
    row("mkpasswd with many rounds".to_owned(), printed("mkpasswd", &["-s", "-m", "sha512crypt", "-R", "1000001"], PASSWORD));
    row("ssha".to_owned(), "{SSHA}lGxFsNVVJZrOBKHr+So3bXR4bwlzYWx0eQ==".to_owned());
    let plain = format!("{{PLAIN}}{}", PASSWORD.replace(':', ""));
    rows.push(Row { name: "plain".to_owned(), lines: format!("U:{plain}"), password: PASSWORD.replace(':', "") });
    rows
}

/// The lines of a file as people leave them, good and bad.
fn left() -> Vec<Row> {
    let apr1 = "$apr1$ab$2YxDGB46Gn7lATpwIKvUv1";
    let bcrypt = "$2y$05$gSu6v2jTirlK.40Z4P/gt.hB1KzbYuN5Fzb0FaNKRLEOc0rTQ2DtW";
    let sha256 = "$5$bw2zczV7tadSaGV6$bqgRCRzef.I2WN18eN.6fma7q8cB/oxqcSkGGJRGGW1";
    let yescrypt = "$y$j75$K6fSgh/ah.4gzAtve0xNj/$2k5myIdmpb7mgdbvcWqH3fzgeI8a5RKN0s0fA.O16V.";
    let lines = [
        ("carriage return", format!("U:{SHA}\r")),
        ("a further field", format!("U:{SHA}:Someone of accounting:more")),
        ("blanks before the name", format!("  U:{SHA}")),
        ("blanks behind the hash", format!("U:{SHA}  ")),
        ("a blank before the hash", format!("U: {SHA}")),
        ("words behind the hash", format!("U:{SHA} of accounting")),
        ("a comment sign before the name", format!("#U:{SHA}")),
        ("the first of two is right", format!("U:{SHA}\nU:{{SHA}}EfatjsUqKYSrqv18O1FlA3hcIHI=")),
        ("the second of two is right", format!("U:{{SHA}}EfatjsUqKYSrqv18O1FlA3hcIHI=\nU:{SHA}")),
        ("the first of two is faulty", format!("U:$apr1$\nU:{SHA}")),
        ("the first of two is empty", format!("U:\nU:{SHA}")),
        ("the first of two has no colon", format!("U\nU:{SHA}")),
        ("the name in capitals", format!("{}:{SHA}", "U".to_lowercase())),
        ("no colon", "U".to_owned()),
        ("no hash", "U:".to_owned()),
        ("no hash and a further field", format!("U::{SHA}")),
        ("shut by !", format!("U:!{SHA}")),
        ("shut by *", "U:*".to_owned()),
        ("the password itself", "U:secret".to_owned()),
        ("{sha} in small letters", "U:{sha}u5FQo9n+xWDVokZV3mtBOsCabNk=".to_owned()),
        ("{SHA} without its padding", "U:{SHA}u5FQo9n+xWDVokZV3mtBOsCabNk".to_owned()),
        ("{SHA} cut off", "U:{SHA}u5FQo9n+xWDVokZV".to_owned()),
        ("{SHA} of nothing", "U:{SHA}".to_owned()),
        ("{SSHA} of nothing", "U:{SSHA}".to_owned()),
        ("{SSHA} cut off", "U:{SSHA}lGxFsNVVJZrOBKHr".to_owned()),
        ("{SSHA} that is no base 64", "U:{SSHA}!!!!".to_owned()),
        ("apr1 of nothing", "U:$apr1$".to_owned()),
        ("apr1 cut off", "U:$apr1$abcdefgh".to_owned()),
        ("apr1 without its last letter", format!("U:{}", &apr1[..apr1.len() - 1])),
        ("apr1 with a letter more", format!("U:{apr1}x")),
        ("apr1 with another letter", format!("U:{}", apr1.replace("2YxD", "2YxE"))),
        ("apr1 with a strange salt", "U:$apr1$äöü$2YxDGB46Gn7lATpwIKvUv1".to_owned()),
        ("apr1 with a long salt", "U:$apr1$abcdefghij$2YxDGB46Gn7lATpwIKvUv1".to_owned()),
        ("md5-crypt of nothing", "U:$1$".to_owned()),
        ("bcrypt cut off", format!("U:{}", &bcrypt[..30])),
        ("bcrypt without its last letter", format!("U:{}", &bcrypt[..59])),
        ("bcrypt with a letter more", format!("U:{bcrypt}x")),
        ("bcrypt of cost 3", format!("U:{}", bcrypt.replace("$05$", "$03$"))),
        ("bcrypt of cost 32", format!("U:{}", bcrypt.replace("$05$", "$32$"))),
        ("bcrypt of no cost", format!("U:{}", bcrypt.replace("$05$", "$xx$"))),
        ("bcrypt with an umlaut", format!("U:{}", bcrypt.replace("gSu6", "gSü"))),
        ("bcrypt 2x", format!("U:{}", bcrypt.replace("$2y$", "$2x$"))),
        ("bcrypt 2z", format!("U:{}", bcrypt.replace("$2y$", "$2z$"))),
        ("sha256-crypt cut off", format!("U:{}", &sha256[..30])),
        ("sha256-crypt of 10 rounds", format!("U:{}", sha256.replace("$5$", "$5$rounds=10$"))),
        ("sha256-crypt of no rounds", format!("U:{}", sha256.replace("$5$", "$5$rounds=$"))),
        ("sha256-crypt with a long salt", format!("U:{}", sha256.replace("bw2z", "bw2zxx"))),
        ("yescrypt cut off", format!("U:{}", &yescrypt[..20])),
        ("yescrypt of strange costs", format!("U:{}", yescrypt.replace("$j75$", "$!!!$"))),
        ("scrypt of nothing", "U:$7$".to_owned()),
        ("a method that nobody knows", "U:$99$abc$def".to_owned()),
        ("control characters", "U:\u{1}\u{2}\u{3}".to_owned()),
        ("a very long hash", format!("U:{}", "a".repeat(3000))),
    ];
    let row = |(name, lines): (&str, String)| Row { name: name.to_owned(), lines, password: PASSWORD.to_owned() };
    let mut rows: Vec<Row> = lines.into_iter().map(row).collect();
    rows.push(Row { password: "secret".to_owned(), name: "the password itself, brought".to_owned(), lines: "U:secret".to_owned() });
    rows
}

/// Apache with a password file. Ends with this value.
struct Apache {
    child: Child,
    port: u16,
}

impl Apache {
    fn start(home: &Path, file: &Path) -> Self {
        let port = free_port();
        let modules = ["mpm_event", "authz_core", "authz_user", "authn_core", "authn_file", "auth_basic"];
        let mut text = String::new();
        for module in modules {
            writeln!(text, "LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so").unwrap();
        }
        write!(
            text,
            "Listen 127.0.0.1:{port}\nServerName localhost\nPidFile {home}/apache.pid\nErrorLog {home}/apache.log\nMutex file:{home}\n\
             User www-data\nGroup www-data\nDocumentRoot {home}/www\n<Directory {home}/www>\n  AuthType Basic\n  AuthName own\n  \
             AuthBasicProvider file\n  AuthUserFile {file}\n  Require valid-user\n</Directory>\n",
            home = home.display(),
            file = file.display()
        )
        .unwrap();
        fs::create_dir_all(home.join("www/own")).unwrap();
        fs::write(home.join("www/own/a.html"), "in").unwrap();
        fs::write(home.join("apache.conf"), text).unwrap();
        let child =
            Command::new("apache2").args(["-X", "-f"]).arg(home.join("apache.conf")).stdin(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.expect("apache2 is installed (tests/run does it)");
        // Written when it listens for good; before, its socket is opened once more.
        until("apache listens", || home.join("apache.pid").exists().then_some(()));
        Self { child, port }
    }
}

impl Drop for Apache {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap(), Signal::TERM);
        let _ = self.child.wait();
    }
}

fn asked(port: u16, user: &str, password: &str) -> Verdict {
    let login = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    let status = http::get(port, "/own/a.html", &[("Authorization", &login)]).status;
    assert!([200, 401, 403, 500].contains(&status), "{user}: {status}");
    if status == 200 { Right } else { Wrong }
}

fn ours(file: &str, user: &str, password: &str) -> Verdict {
    let (htpasswd, _) = Htpasswd::read(Path::new("file"), file.as_bytes()).unwrap();
    let hash = htpasswd.entry(user).and_then(|entry| entry.hash.as_ref());
    if hash.is_some_and(|hash| hash.holds(password.as_bytes())) { Right } else { Wrong }
}

/// What `htpasswd-verify` says of files, names and passwords.
fn oracle(all: &[(String, String, String)]) -> Vec<Verdict> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked"])
        .current_dir(&folder)
        .env_remove("RUSTFLAGS")
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .output();
    let built = built.expect("cargo runs");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let questions: Vec<_> = all.iter().map(|(file, user, password)| json!({ "file": file, "user": user, "password": password })).collect();
    let program = folder.join("target/debug/cloakroom-oracle");
    let said = printed(program.to_str().unwrap(), &[], &serde_json::to_string(&questions).unwrap());
    let said: Vec<String> = serde_json::from_str(&said).unwrap();
    assert_eq!(said.len(), all.len());
    let verdict = |said: String| match said.as_str() {
        "right" => Right,
        "wrong" => Wrong,
        "panicked" => Panicked,
        other => panic!("{other}"),
    };
    said.into_iter().map(verdict).collect()
}

/// Every opinion of every row: the two servers read one file with all rows, as a site has it; the crate gets a file for each,
/// since one bad line takes it down.
fn opinions(rows: &[Row]) -> Vec<Opinions> {
    let home = TempDir::new().unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let file: PathBuf = home.path().join("all.htpasswd");
    // The first U of a line is that of its name.
    let of =
        |row: usize, text: &str| text.split('\n').map(|line| line.replacen('U', &format!("USER{row}."), 1)).collect::<Vec<_>>().join("\n");
    let files: Vec<String> = rows.iter().enumerate().map(|(place, row)| of(place, &row.lines)).collect();
    fs::write(&file, files.join("\n") + "\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let server = format!("location ^~ /own/ {{ auth_basic \"own\"; auth_basic_user_file {}; }}\n", file.display());
    let nginx = Nginx::start(&NginxSetup { server, ..NginxSetup::default() });
    fs::create_dir_all(nginx.root().join("own")).unwrap();
    fs::write(nginx.root().join("own/a.html"), "in").unwrap();
    let apache = Apache::start(home.path(), &file);
    let whole = fs::read_to_string(&file).unwrap();
    let user = |place: usize| format!("USER{place}.");
    let alone: Vec<_> = rows.iter().enumerate().map(|(place, row)| (files[place].clone(), user(place), row.password.clone())).collect();
    let said = oracle(&alone);
    let all = rows.iter().enumerate().map(|(place, row)| {
        let (user, password) = (user(place), row.password.as_str());
        let opinions = Opinions {
            ours: ours(&whole, &user, password),
            nginx: asked(nginx.port, &user, password),
            apache: asked(apache.port, &user, password),
            oracle: said[place],
        };
        // What opens at all opens with one password.
        let other = format!("{password}x");
        let des = row.name.contains("descrypt") || row.name.ends_with("-d");
        assert!(des || ours(&whole, &user, &other) == Wrong, "{}", row.name);
        assert!(des || asked(nginx.port, &user, &other) == Wrong, "{}", row.name);
        opinions
    });
    all.collect()
}

/// Where others differ from Cloakroom: the row, what nginx and Apache say, and why Cloakroom does not.
const DIFFERENCES: &[(&str, Verdict, Verdict, &str)] = &[
    #[cfg(not(feature = "legacy-des"))]
    ("htpasswd -d", Right, Right, "DES is behind a feature of the build"),
    #[cfg(not(feature = "legacy-des"))]
    ("mkpasswd descrypt", Right, Right, "DES is behind a feature of the build"),
    #[cfg(not(feature = "legacy-des"))]
    ("mkpasswd bsdicrypt", Right, Right, "DES is behind a feature of the build"),
    ("mkpasswd gost-yescrypt", Right, Right, "only libxcrypt has it"),
    ("mkpasswd sunmd5", Right, Right, "only libxcrypt has it"),
    ("mkpasswd nt", Right, Right, "only libxcrypt has it; it is MD4 without a salt"),
    ("mkpasswd with many rounds", Right, Right, "a try costs more than is taken"),
    ("ssha", Right, Wrong, "as nginx"),
    ("plain", Right, Wrong, "a password does not belong into a file"),
    ("blanks before the name", Wrong, Right, "as Apache: nginx takes them for a part of the name"),
    ("blanks behind the hash", Wrong, Right, "as Apache: nginx takes them for a part of the hash"),
    ("no hash and a further field", Wrong, Right, "as nginx: Apache takes two colons for one"),
];

/// What `htpasswd-verify` says otherwise, but for methods that it does not know.
const ORACLE_DIFFERS: &[(&str, Verdict, &str)] = &[
    ("openssl -apr1 -salt ab", Wrong, "it reads salts of eight letters only"),
    ("carriage return", Wrong, "it takes it for a part of the hash"),
    ("a further field", Wrong, "it takes it for a part of the hash"),
    ("blanks before the name", Wrong, "it takes them for a part of the name"),
    ("blanks behind the hash", Wrong, "it takes them for a part of the hash"),
    ("the first of two is right", Wrong, "its last one counts"),
    ("the second of two is right", Right, "its last one counts"),
    ("the first of two is faulty", Panicked, "it panics when it reads a short apr1"),
    ("the first of two is empty", Right, "its last one counts"),
    ("the first of two has no colon", Right, "it does not see the first"),
    ("apr1 of nothing", Panicked, "it panics when it reads a short apr1"),
    ("apr1 cut off", Panicked, "it panics when it reads a short apr1"),
    ("bcrypt cut off", Panicked, "it unwraps what bcrypt says"),
    ("bcrypt without its last letter", Panicked, "it unwraps what bcrypt says"),
    ("bcrypt with a letter more", Panicked, "it unwraps what bcrypt says"),
    ("bcrypt of cost 3", Panicked, "it unwraps what bcrypt says"),
    ("bcrypt of cost 32", Panicked, "it unwraps what bcrypt says"),
    ("bcrypt of no cost", Panicked, "it unwraps what bcrypt says"),
    ("bcrypt with an umlaut", Panicked, "it unwraps what bcrypt says"),
    ("control characters", Panicked, "its DES panics about them"),
    #[cfg(not(feature = "legacy-des"))]
    ("htpasswd -d", Right, "it has DES"),
    #[cfg(not(feature = "legacy-des"))]
    ("mkpasswd descrypt", Right, "it has DES"),
];

/// Whether `htpasswd-verify` has a method at all: apr1, `$2y$`, {SHA} and DES.
fn oracle_knows(row: &str) -> bool {
    let unknown = ["htpasswd -2", "htpasswd -5", "openssl -1", "openssl -5", "openssl -6", "mkpasswd ", "ssha"];
    row == "mkpasswd descrypt" || !unknown.iter().any(|prefix| row.starts_with(prefix))
}

#[test]
fn three_others_say_the_same_but_for_what_is_listed_here() {
    let rows: Vec<Row> = written().into_iter().chain(left()).collect();
    let opinions = opinions(&rows);
    let (mut differ, mut oracle_differs, mut right, mut told) = (0, 0, 0, 0);
    for (row, opinions) in rows.iter().zip(&opinions) {
        let Opinions { ours, nginx, apache, oracle } = *opinions;
        let listed = DIFFERENCES.iter().find(|(name, ..)| *name == row.name);
        differ += usize::from(listed.is_some());
        let expected = listed.map_or((ours, ours), |(_, nginx, apache, _)| (*nginx, *apache));
        assert_eq!((nginx, apache), expected, "{}: {opinions:?}", row.name);
        // What `lint` says of the other servers where Cloakroom cannot use the only line of a row.
        let line = row.lines.replacen('U', "u", 1);
        if let (false, Line::Faulty { .. }) = (row.lines.contains('\n'), file::read(line.as_bytes())) {
            let opens = |verdict: Option<Reads>| verdict.map(|reads| if reads == Reads::No { Wrong } else { Right });
            let others = Others::of_faulty(line.as_bytes());
            for (said, measured) in [(opens(others.nginx), nginx), (opens(others.apache), apache)] {
                assert!(said.is_none_or(|said| said == measured), "{}: {others:?}, measured {opinions:?}", row.name);
                told += usize::from(said.is_some());
            }
        }
        let listed = ORACLE_DIFFERS.iter().find(|(name, ..)| *name == row.name);
        oracle_differs += usize::from(listed.is_some());
        let expected = match listed {
            Some((_, verdict, _)) => *verdict,
            None if oracle_knows(&row.name) => ours,
            None => Wrong,
        };
        assert_eq!(oracle, expected, "{}: {opinions:?}", row.name);
        right += usize::from(ours == Right);
    }
    assert_eq!((differ, oracle_differs), (DIFFERENCES.len(), ORACLE_DIFFERS.len()), "each difference was seen");
    assert!(told >= 70, "only {told} verdicts of others are told");
    assert!(right >= 24 && rows.len() - right >= 40, "{right} of {} open", rows.len());
}

#[test]
fn htpasswd_verify_says_the_same_of_what_it_can_read() {
    // bcrypt's NUL and length, and a password of two lines, are refused before a file is read.
    let passwords =
        prop::collection::vec("[^\0\n]{1,18}", 60).prop_map(|all| all.into_iter().filter(|one| one.len() <= 72).collect::<Vec<_>>());
    let strategy = (passwords, prop::collection::vec(any::<[u8; 16]>(), 60));
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let (passwords, salts) = strategy.new_tree(&mut runner).unwrap().current();
    let mut asked = Vec::new();
    for (password, salt) in passwords.iter().zip(salts) {
        let sha = format!("{{SHA}}{}", STANDARD.encode(Sha1::digest(password)));
        let made = [New::Apr1, New::Bcrypt(4)].map(|method| make::hash(method, password.as_bytes(), salt).unwrap());
        for hash in made.into_iter().chain([sha]) {
            for brought in [password.clone(), format!("{password} "), password.to_uppercase(), passwords[0].clone()] {
                asked.push((format!("u:{hash}"), "u".to_owned(), brought));
            }
        }
    }
    let mut right = 0;
    for ((file, user, password), oracle) in asked.iter().zip(oracle(&asked)) {
        assert_eq!(ours(file, user, password), oracle, "{file} {password:?}");
        right += usize::from(oracle == Right);
    }
    assert!(right >= 150 && asked.len() > 2 * right, "{right} of {}", asked.len());
}

//! Names and passwords behind the real nginx: the file that a site already has opens its members' pages, and nobody learns
//! more than that.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod servers;

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use servers::http::{Answer, Download};
use servers::nginx::NginxSetup;
use servers::program::Program;
use servers::site::Site;
use servers::until;
use tempfile::TempDir;

/// A site with three doors to one file: `/club/` by Cloakroom, `/own/` by nginx's `auth_basic`, `/watched/` by a rule that
/// only observes.
struct Club {
    site: Site,
    file: PathBuf,
    _files: TempDir,
}

impl Club {
    #[track_caller]
    fn open(lines: &[&str]) -> Self {
        Self::with(lines, "accept = [\"basic\", \"signed-url\"]\nrealm = \"The club\"")
    }

    #[track_caller]
    fn with(lines: &[&str], rule: &str) -> Self {
        let files = TempDir::new().unwrap();
        let file = files.path().join("club.htpasswd");
        fs::write(&file, lines.join("\n") + "\n").unwrap();
        // nginx's workers are another user.
        make_readable(files.path(), 0o755);
        make_readable(&file, 0o644);
        let shown = file.display();
        let server = format!(
            "location ^~ /club/ {{ include cloakroom/protect.conf; }}\n\
             location ^~ /watched/ {{ include cloakroom/protect.conf; }}\n\
             location ^~ /own/ {{ auth_basic \"own\"; auth_basic_user_file {shown}; }}\n"
        );
        let more = format!(
            "[[rule]]\npath = \"/club/\"\nhtpasswd = \"{shown}\"\n{rule}\n\n\
             [[rule]]\npath = \"/watched/\"\nhtpasswd = \"{shown}\"\naccept = [\"signed-url\", \"basic\"]\nmode = \"observe\"\n\n\
             [[listener]]\naddress = \"unix:{}/admin.sock\"\nserve = \"admin\"\n",
            files.path().display()
        );
        let site = Site::around(&NginxSetup { server, ..NginxSetup::default() }, &more);
        for door in ["club", "own", "watched"] {
            site.page(&format!("{door}/a.html"), b"for the club");
        }
        Self { site, file, _files: files }
    }

    fn login(&self, door: &str, user: &str, password: &str) -> Answer {
        self.site.ask("GET", &format!("/{door}/a.html"), &[("Authorization", &basic(user, password))])
    }

    /// The value of a counter.
    fn counted(&self, name: &str) -> u64 {
        let socket = self.file.with_file_name("admin.sock");
        let output = Command::new("curl").args(["-s", "--unix-socket"]).arg(socket).arg("http://localhost/metrics").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("cloakroom_{name}_total ")));
        line.unwrap_or_else(|| panic!("{name} is not in {text}")).parse().unwrap()
    }

    fn write(&self, lines: &[&str]) {
        fs::write(&self.file, lines.join("\n") + "\n").unwrap();
    }
}

fn make_readable(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

#[track_caller]
fn assert_code(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.header("Cloakroom-Refusal")), (status, Some(code)), "{}", answer.text());
}

/// What a program prints, without the line end.
fn printed(program: &str, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let child = child.as_mut().unwrap_or_else(|error| panic!("{program} is needed: {error}; tests/run installs it"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(child.stdout.as_mut().unwrap(), &mut text).unwrap();
    assert!(child.wait().unwrap().success(), "{program} {arguments:?}");
    text.trim_end().to_owned()
}

fn made_by_htpasswd(method: &str, user: &str, password: &str) -> String {
    printed("htpasswd", &["-n", "-i", "-C", "4", method, user], password)
}

#[test]
fn a_login_of_the_file_opens_the_page_and_is_hashed_once() {
    let line = made_by_htpasswd("-B", "alice", "secret");
    let club = Club::open(&[&line]);
    let nothing = club.site.get("/club/a.html");
    assert_code(&nothing, 401, "login_required");
    assert_eq!(nothing.header("WWW-Authenticate"), Some("Basic realm=\"The club\", charset=\"UTF-8\""));
    for _ in 0..5 {
        let answer = club.login("club", "alice", "secret");
        assert_eq!((answer.status, answer.text().as_str()), (200, "for the club"));
        assert_eq!(answer.header("WWW-Authenticate"), None);
    }
    assert_eq!((club.counted("password_hashes"), club.counted("logins_remembered")), (1, 4));
    let wrong = club.login("club", "alice", "Secret");
    assert_code(&wrong, 401, "bad_password");
    assert_eq!(wrong.header("WWW-Authenticate"), Some("Basic realm=\"The club\", charset=\"UTF-8\""));
    assert_eq!(club.counted("password_hashes"), 2, "a refusal is hashed once, and its words cost no second hash");
    club.site.cloakroom.logged(&["refused", "bad_password", "alice", "club.htpasswd:1"]);
    assert_eq!(club.site.cloakroom.log().iter().filter(|line| line.contains("bad_password")).count(), 1);
}

#[test]
fn the_rule_s_other_proofs_open_it_too_and_a_bad_login_decides_before_them() {
    let line = made_by_htpasswd("-m", "alice", "secret");
    let club = Club::open(&[&line]);
    let signed = club.site.sign("/club/a.html", &[]);
    assert_eq!(club.site.get(&signed).status, 200);
    let both = club.site.ask("GET", &signed, &[("Authorization", &basic("alice", "wrong"))]);
    assert_code(&both, 401, "bad_password");
    for nothing in ["Bearer abc", "Basic", "Basic !!!", "Digest username=\"alice\"", "Basic YWxpY2U="] {
        let answer = club.site.ask("GET", "/club/a.html", &[("Authorization", nothing)]);
        assert_code(&answer, 401, "login_required");
        assert!(answer.header("WWW-Authenticate").is_some(), "{nothing}");
        assert_eq!(club.site.ask("GET", &signed, &[("Authorization", nothing)]).status, 200, "{nothing}");
    }
    assert_code(&club.site.get("/club/a.html?kid=main&exp=1&sig=x"), 403, "bad_proof");
    // A rule without logins asks for none.
    let members = club.site.get("/members/a.html");
    assert_code(&members, 401, "no_proof");
    assert_eq!(members.header("WWW-Authenticate"), None);
}

#[test]
fn a_rule_that_observes_lets_everything_pass_and_tells_what_it_would_refuse() {
    let lines = ["alice", "bob"].map(|user| made_by_htpasswd("-m", user, "secret"));
    let club = Club::open(&[&lines[0], &lines[1]]);
    for (target, login, refusal) in [
        ("/watched/a.html", None, Some("login_required")),
        ("/watched/a.html?kid=main&exp=1&sig=x", None, Some("bad_proof")),
        ("/watched/a.html", Some("wrong"), Some("bad_password")),
        ("/watched/a.html", Some("secret"), None),
    ] {
        let before = club.site.cloakroom.log().len();
        let login = login.map(|password| basic("alice", password));
        let headers: Vec<_> = login.iter().map(|login| ("Authorization", login.as_str())).collect();
        let answer = club.site.ask("GET", target, &headers);
        assert_eq!((answer.status, answer.text().as_str()), (200, "for the club"), "{target}");
        if let Some(refusal) = refusal {
            let line = club.site.cloakroom.logged(&["would_refuse", refusal]);
            for word in ["127.0.0.1", "question=authorize", "/watched/a.html", "request=", "support=R-", "detail="] {
                assert!(line.contains(word), "{word} in {line}");
            }
        }
        let said = club.site.cloakroom.log()[before..].join("\n");
        assert_eq!(said.contains("would_refuse"), refusal.is_some(), "{said}");
        assert!(!said.contains(" refused "), "{said}");
    }
    // What is let through anyhow locks nobody out of what is enforced.
    for number in 0..120 {
        let login = basic(&format!("user{number}"), "wrong");
        assert_eq!(club.site.ask("GET", "/watched/a.html", &[("Authorization", &login)]).status, 200, "{number}");
    }
    assert_eq!(club.login("club", "bob", "secret").status, 200, "nobody remembers him yet");
}

#[test]
fn a_wrong_login_costs_the_dearest_hash_of_the_file_whoever_it_is_for() {
    let lines = ["alice", "bob"].map(|user| made_by_htpasswd("-B", user, "secret"));
    let shut = "carol:!".to_owned();
    let club = Club::open(&[&lines[0], &lines[1], &made_by_htpasswd("-s", "dave", "secret"), &shut]);
    for (hashes, user, password) in [
        (1, "mallory", "secret"),
        (2, "mallory", "another"),
        (3, "carol", "secret"),
        // His own, and the dear one besides.
        (5, "dave", "wrong"),
        (6, "alice", "wrong"),
        (7, "nobody@shop.example", "secret"),
    ] {
        assert_code(&club.login("club", user, password), 401, "bad_password");
        assert_eq!(club.counted("password_hashes"), hashes, "{user}");
    }
    // Longer than bcrypt looks at: the dearest of the others is hashed, whether the name is known or not.
    let long = "a".repeat(73);
    for (hashes, user) in [(8, "alice"), (9, "mallory"), (10, "dave"), (11, "carol")] {
        assert_code(&club.login("club", user, &long), 401, "bad_password");
        assert_eq!(club.counted("password_hashes"), hashes, "{user}");
    }
    club.write(&lines.each_ref().map(String::as_str));
    let before = club.site.cloakroom.log().len();
    until("two names", || {
        assert_code(&club.login("club", "mallory", &long), 401, "bad_password");
        club.site.cloakroom.log()[before..].iter().any(|line| line.contains("users=2")).then_some(())
    });
    let hashes = club.counted("password_hashes");
    for user in ["alice", "mallory", "bob", "erin"] {
        assert_code(&club.login("club", user, &long), 401, "bad_password");
    }
    assert_eq!(club.counted("password_hashes"), hashes, "no line takes it");
    let told = club.site.cloakroom.log().join("\n");
    assert!(!told.contains("mallory") && !told.contains("nobody@"), "what was typed as a name may be a password: {told}");
}

#[test]
fn lines_of_one_method_and_several_costs_take_alike_for_a_wrong_password() {
    let line = |user: &str, cost: &str| printed("htpasswd", &["-n", "-i", "-C", cost, "-B", user], "secret");
    let club = Club::open(&[&line("cheap", "4"), &line("dear", "6")]);
    // Four of cost 4 are one of cost 6.
    for (hashes, user) in [(4, "cheap"), (5, "dear"), (6, "nobody")] {
        assert_code(&club.login("club", user, "wrong"), 401, "bad_password");
        assert_eq!(club.counted("password_hashes"), hashes, "{user}");
    }
    for (hashes, user) in [(7, "cheap"), (8, "dear")] {
        assert_eq!(club.login("club", user, "secret").status, 200);
        assert_eq!(club.counted("password_hashes"), hashes, "{user}: a right one has nothing to hide");
    }
}

#[test]
fn who_guesses_is_locked_out_and_who_was_right_before_is_not() {
    let lines = ["alice", "bob"].map(|user| made_by_htpasswd("-m", user, "secret"));
    let club = Club::open(&[&lines[0], &lines[1]]);
    assert_eq!(club.login("club", "alice", "secret").status, 200);
    for n in 0..10 {
        assert_code(&club.login("club", "alice", &format!("guess {n}")), 401, "bad_password");
        assert_code(&club.login("club", "bob", &format!("guess {n}")), 401, "bad_password");
    }
    let hashes = club.counted("password_hashes");
    assert_eq!(hashes, 21);
    for password in ["guess 10", "secret"] {
        let locked = club.login("club", "bob", password);
        assert_code(&locked, 429, "locked_out");
        let rest: u64 = locked.header("Retry-After").unwrap().parse().unwrap();
        assert!((500..=600).contains(&rest), "the rest of ten minutes: {rest}");
        assert!(locked.header("WWW-Authenticate").is_none());
    }
    assert_code(&club.login("club", "alice", "guess 10"), 429, "locked_out");
    assert_eq!(club.login("club", "alice", "secret").status, 200, "remembered as right");
    assert_eq!((club.counted("password_hashes"), club.counted("logins_locked_out")), (hashes, 3));
    // Names that are not there lock the network in the end, and grow nothing.
    for n in 0..80 {
        assert_code(&club.login("club", &format!("user{n}"), "x"), 401, "bad_password");
    }
    assert_code(&club.login("club", "another", "x"), 429, "locked_out");
    assert_eq!(club.login("club", "alice", "secret").status, 200, "remembered as right");
    assert_eq!(club.site.get(&club.site.sign("/club/a.html", &[])).status, 200, "a signed URL is no login");
}

#[test]
fn an_old_password_brought_again_and_again_is_hashed_once_and_locks_nobody_out() {
    let lines = ["alice", "bob"].map(|user| made_by_htpasswd("-B", user, "secret"));
    let club = Club::open(&[&lines[0], &lines[1]]);
    let mut answers = Vec::new();
    for (hashes, user) in [(1, "alice"), (2, "nobody")] {
        for poll in 0..60 {
            let answer = club.login("club", user, "old");
            assert_code(&answer, 401, "bad_password");
            assert_eq!(answer.header("WWW-Authenticate"), Some("Basic realm=\"The club\", charset=\"UTF-8\""), "{user} {poll}");
            answers.push(answer.text().split("R-").next().unwrap().to_owned());
        }
        assert_eq!((club.counted("password_hashes"), club.counted("logins_repeated")), (hashes, hashes * 59), "{user}");
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "one word for a name that is known and one that is not");
    // It was one of ten, and guesses are counted as ever.
    for n in 0..9 {
        for user in ["alice", "nobody"] {
            assert_code(&club.login("club", user, &format!("guess {n}")), 401, "bad_password");
        }
    }
    for user in ["alice", "nobody"] {
        for password in ["old", "guess 0", "another", "secret"] {
            assert_code(&club.login("club", user, password), 429, "locked_out");
        }
    }
    // Whoever is locked out begins anew with another file, and who was not there is asked for by its line.
    club.write(&[&made_by_htpasswd("-B", "alice", "old"), &lines[1]]);
    until("the old one is right again", || (club.login("club", "alice", "old").status == 200).then_some(()));
    assert_code(&club.login("club", "nobody", "old"), 401, "bad_password");
    let file = club.file.to_str().unwrap();
    assert!(Program::new().args(["htpasswd", "add", file, "nobody"]).output_of(b"old").status.success());
    until("who was unknown is there", || (club.login("club", "nobody", "old").status == 200).then_some(()));
}

#[test]
fn who_is_locked_out_learns_nothing_of_who_was_right_elsewhere() {
    let line = made_by_htpasswd("-m", "alice", "secret");
    let club = Club::open(&[&line]);
    let from = |address: &str, password: &str| {
        let url = format!("http://127.0.0.1:{}/club/a.html", club.site.nginx.port);
        let code = ["-s", "-o", "/dev/null", "-w", "%{http_code}", "--interface", address, "-u"];
        printed("curl", &[&code[..], &[&format!("alice:{password}"), &url]].concat(), "")
    };
    for home in ["127.0.0.1", "127.0.5.1"] {
        assert_eq!(from(home, "secret"), "200");
    }
    assert_eq!(club.counted("password_hashes"), 1, "from wherever it comes");
    for n in 0..10 {
        assert_eq!(from("127.0.9.1", &format!("guess {n}")), "401");
    }
    for password in ["guess 10", "secret", "guess 0"] {
        assert_eq!(from("127.0.9.2", password), "429", "{password}: it would guess on at the price of a look into memory");
    }
    for home in ["127.0.0.77", "127.0.5.77"] {
        assert_eq!(from(home, "secret"), "200", "nobody guessed from there");
    }
    // Where she was at home before somebody guessed, she stays.
    for n in 0..10 {
        assert_eq!(from("127.0.5.9", &format!("guess {n}")), "401");
    }
    assert_eq!((from("127.0.5.9", "guess 10"), from("127.0.5.1", "secret")), ("429".to_owned(), "200".to_owned()));
}

/// What changes the file under the running daemon.
type Change = fn(&Club, &[String]);

#[test]
fn the_file_is_followed_however_it_is_changed() {
    let user = |name: &str| made_by_htpasswd("-m", name, "secret");
    let in_place: Change = |club, lines| fs::write(&club.file, lines.join("\n") + "\n").unwrap();
    let renamed: Change = |club, lines| {
        let aside = club.file.with_extension("aside");
        fs::write(&aside, lines.join("\n") + "\n").unwrap();
        make_readable(&aside, 0o644);
        fs::rename(aside, &club.file).unwrap();
    };
    let by_htpasswd: Change = |club, _| {
        printed("htpasswd", &["-D", club.file.to_str().unwrap(), "alice"], "");
        printed("htpasswd", &["-i", club.file.to_str().unwrap(), "bob"], "secret");
    };
    for (how, change) in [("in place", in_place), ("renamed", renamed), ("by htpasswd", by_htpasswd)] {
        let club = Club::open(&[&user("alice")]);
        assert_eq!(club.login("club", "alice", "secret").status, 200, "{how}");
        assert_code(&club.login("club", "bob", "secret"), 401, "bad_password");
        change(&club, &[user("bob")]);
        until(how, || (club.login("club", "alice", "secret").status == 401).then_some(()));
        assert_eq!(club.login("club", "bob", "secret").status, 200, "{how}");
        club.site.cloakroom.logged(&["htpasswd_read", "users=1"]);
    }
}

#[test]
fn a_changed_password_forgets_the_old_one_and_an_unchanged_line_is_remembered() {
    let alice = made_by_htpasswd("-m", "alice", "old");
    let bob = made_by_htpasswd("-m", "bob", "secret");
    let club = Club::open(&[&alice, &bob]);
    assert_eq!((club.login("club", "alice", "old").status, club.login("club", "bob", "secret").status), (200, 200));
    club.write(&[&made_by_htpasswd("-m", "alice", "new"), &bob]);
    until("the new password", || (club.login("club", "alice", "new").status == 200).then_some(()));
    assert_code(&club.login("club", "alice", "old"), 401, "bad_password");
    let hashes = club.counted("password_hashes");
    assert_eq!(club.login("club", "bob", "secret").status, 200);
    assert_eq!(club.counted("password_hashes"), hashes, "bob's line is the same");
}

#[test]
fn a_file_that_vanishes_or_is_half_written_keeps_who_was_in_it_and_is_told() {
    let alice = made_by_htpasswd("-m", "alice", "secret");
    let bob = made_by_htpasswd("-m", "bob", "secret");
    let club = Club::open(&[&alice]);
    assert_eq!(club.login("club", "alice", "secret").status, 200);
    let aside = club.file.with_extension("aside");
    fs::rename(&club.file, &aside).unwrap();
    until("the warning", || {
        assert_eq!(club.login("club", "alice", "secret").status, 200);
        club.site.cloakroom.log().iter().any(|line| line.contains("htpasswd_unreadable")).then_some(())
    });
    fs::rename(&aside, &club.file).unwrap();
    // Half a line: what is whole counts, and the rest is told.
    club.write(&[&alice, &bob[..bob.len() - 9]]);
    until("the warning", || {
        assert_eq!(club.login("club", "alice", "secret").status, 200);
        club.site.cloakroom.log().iter().any(|line| line.contains("club.htpasswd:2: the hash is cut off")).then_some(())
    });
    assert_code(&club.login("club", "bob", "secret"), 401, "bad_password");
    club.write(&[&alice, &bob]);
    until("the whole line", || (club.login("club", "bob", "secret").status == 200).then_some(()));
    let told = club.site.cloakroom.log().iter().filter(|line| line.contains("htpasswd_unreadable")).count();
    assert_eq!(told, 1, "it is told once");
    let log = club.site.cloakroom.log().join("\n");
    assert!(!log.contains(&bob[4..20]) && !log.contains("secret"), "no hash and no password: {log}");
}

#[test]
fn a_file_that_is_not_there_is_a_fault_of_the_configuration() {
    let club = Club::open(&[&made_by_htpasswd("-m", "alice", "secret")]);
    let aside = club.file.with_extension("aside");
    fs::rename(&club.file, &aside).unwrap();
    let checked = club.site.cloakroom.command(&["check"]);
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert_eq!(checked.status.code(), Some(78), "{said}");
    let config = fs::read_to_string(club.site.cloakroom.config()).unwrap();
    let line = (1..).zip(config.lines()).find(|(_, line)| line.trim_start().starts_with("htpasswd")).unwrap().0;
    let place = format!("{}:{line}: `rule[", club.site.cloakroom.config().display());
    let file = club.file.display();
    for words in [
        &place,
        "].htpasswd` names what cannot be used",
        &format!("{file}: cannot be read"),
        &format!("`cloakroom htpasswd add {file} NAME`"),
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    fs::rename(&aside, &club.file).unwrap();
    assert!(club.site.cloakroom.command(&["check"]).status.success());
}

#[test]
fn a_stale_cookie_does_not_keep_a_browser_from_asking_for_the_password() {
    let line = made_by_htpasswd("-m", "alice", "secret");
    for accept in ["[\"basic\", \"jwt\"]", "[\"jwt\", \"basic\"]"] {
        let club = Club::with(&[&line], &format!("accept = {accept}"));
        for cookie in ["cloakroom_jwt=rubbish", "cloakroom_jwt=a.b.c", "cloakroom_jwt=a.b.c; cloakroom_jwt=d.e.f"] {
            let answer = club.site.ask("GET", "/club/a.html", &[("Cookie", cookie)]);
            assert_code(&answer, 401, "login_required");
            assert!(answer.header("WWW-Authenticate").is_some(), "{accept} {cookie}");
            let login = basic("alice", "secret");
            let answer = club.site.ask("GET", "/club/a.html", &[("Cookie", cookie), ("Authorization", &login)]);
            assert_eq!(answer.status, 200, "{accept} {cookie}");
        }
        // Who says which token is meant is told what is wrong with it.
        assert_code(&club.site.ask("GET", "/club/a.html?jwt=rubbish", &[]), 403, "bad_proof");
    }
}

#[test]
fn more_logins_at_once_than_can_be_hashed_are_told_to_come_again_and_cost_nobody_else_anything() {
    // The queue takes 64, and at most 4 are hashed at the same time.
    const MEMBERS: usize = 200;
    let line = printed("htpasswd", &["-n", "-i", "-B", "-C", "8", "x"], "right-for-all");
    let hash = line.strip_prefix("x:").unwrap();
    let lines: Vec<String> = (0..MEMBERS).map(|number| format!("member{number}:{hash}")).collect();
    let club = Club::open(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let signed = club.site.sign("/club/a.html", &["--for", "1h"]);
    // Each is a login of its own, all are right but every tenth, and all are there before the first is answered.
    let is_right = |number: usize| !number.is_multiple_of(10);
    let ask = |number: usize| {
        let brought = basic(&format!("member{number}"), if is_right(number) { "right-for-all" } else { "wrong-for-all" });
        format!("GET /club/a.html HTTP/1.1\r\nHost: shop.example\r\nAuthorization: {brought}\r\nConnection: close\r\n\r\n")
    };
    let mut streams: Vec<TcpStream> = (0..MEMBERS).map(|_| TcpStream::connect(("127.0.0.1", club.site.nginx.port)).unwrap()).collect();
    for (number, stream) in streams.iter_mut().enumerate() {
        stream.write_all(ask(number).as_bytes()).unwrap();
    }
    until("the queue is full", || (club.counted("logins_queue_full") > 0).then_some(()));
    for _ in 0..20 {
        assert_eq!(club.site.get(&signed).status, 200, "a signed URL waits for no hash");
    }
    let hashed = club.counted("password_hashes");
    let answers: Vec<Answer> = streams.into_iter().map(|stream| Download::of(stream, false).finish()).collect();
    let (mut taken, mut sent_away) = (0, 0);
    for (number, answer) in answers.iter().enumerate() {
        if answer.status == 503 {
            sent_away += 1;
            assert_code(answer, 503, "overloaded");
            assert!(answer.header("Retry-After").is_some_and(|seconds| seconds.parse::<u32>().is_ok_and(|seconds| seconds > 0)));
        } else {
            taken += 1;
            assert_eq!(answer.status, if is_right(number) { 200 } else { 401 }, "member{number}: {}", answer.text());
        }
    }
    assert!(taken >= 64 && sent_away > 0, "{taken} {sent_away}");
    assert_eq!(taken + sent_away, MEMBERS);
    assert!(hashed < club.counted("password_hashes"), "there was still something to hash when the signed URLs had been answered");
    assert_eq!(club.counted("logins_queue_full"), u64::try_from(sent_away).unwrap());
    assert_eq!(club.counted("password_hashes"), u64::try_from(taken).unwrap());
    club.site.cloakroom.logged(&["refused", "overloaded", "too many passwords wait to be hashed"]);
    // Being sent away is no failed login: each comes again, and is let in.
    let again: Vec<usize> = (0..MEMBERS).filter(|number| answers[*number].status == 503 && is_right(*number)).collect();
    assert!(!again.is_empty());
    for number in again.iter().take(5) {
        assert_eq!(club.login("club", &format!("member{number}"), "right-for-all").status, 200);
    }
}

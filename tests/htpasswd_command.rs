//! `cloakroom htpasswd`: what it writes is what the other tools read, and what it does not know it leaves alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod servers;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

use servers::program::Program;
use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("members.htpasswd")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }

    /// `cloakroom htpasswd COMMAND FILE …`.
    fn run(&self, command: &str, more: &[&str], input: &str) -> Output {
        Program::new().args(["htpasswd", command]).arg(self.file()).args(more).output_of(input.as_bytes())
    }

    #[track_caller]
    fn good(&self, command: &str, more: &[&str], input: &str) -> String {
        let output = self.run(command, more, input);
        assert!(output.status.success(), "{command} {more:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn bad(&self, command: &str, more: &[&str], input: &str) -> (Option<i32>, String) {
        let output = self.run(command, more, input);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    /// Whether Apache's own tool takes the password.
    fn holds(&self, user: &str, password: &str) -> bool {
        apache_s(&self.file(), "-vi", &[user], password).status.success()
    }

    /// What else lies beside the file.
    fn others(&self) -> Vec<String> {
        let names = fs::read_dir(self.0.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name != "members.htpasswd").collect()
    }
}

/// Apache's own tool.
fn apache_s(file: &Path, command: &str, more: &[&str], input: &str) -> Output {
    let child = Command::new("htpasswd")
        .arg(command)
        .arg(file)
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.unwrap_or_else(|error| panic!("htpasswd is needed: {error}; tests/run installs it"));
    // It may have refused before it read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

#[test]
fn what_it_writes_apache_s_own_tool_reads() {
    let folder = Folder::new();
    for (line, method) in (1..).zip(["bcrypt", "sha512-crypt", "sha256-crypt", "apr1"]) {
        let said = folder.good("add", &[method, "--method", method], "pä ss:w#rd\n");
        assert!(said.contains(&format!("members.htpasswd:{line}: `{method}` was added ({method}")), "{said}");
        assert!(folder.holds(method, "pä ss:w#rd") && !folder.holds(method, "pa ss"), "{method}");
        assert!(!said.contains("ss:w"), "{said}");
    }
    assert_eq!(fs::metadata(folder.file()).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(folder.text().starts_with("bcrypt:$2y$10$"));
    folder.good("add", &["bcrypt", "--cost", "4"], "another\r\n");
    assert!(folder.text().starts_with("bcrypt:$2y$04$") && folder.holds("bcrypt", "another"));
    assert_eq!(folder.others(), [""; 0], "nothing is left beside it");
}

#[test]
fn what_it_makes_up_is_printed_once_and_opens() {
    let folder = Folder::new();
    let said = folder.good("add", &["alice", "--generate"], "");
    let password = said.lines().last().unwrap().rsplit(' ').next().unwrap();
    assert!(password.len() == 22 && folder.holds("alice", password), "{said}");
    let told: serde_json::Value = serde_json::from_str(&folder.good("add", &["alice", "--generate", "--json"], "")).unwrap();
    let second = told["password"].as_str().unwrap();
    assert_eq!((&told["user"], &told["replaced"], &told["line"]), (&"alice".into(), &true.into(), &1.into()));
    assert!(second != password && folder.holds("alice", second) && !folder.holds("alice", password));
    assert!(folder.good("verify", &["alice", "--json"], second).contains("\"right\": true"));
}

#[test]
fn the_rest_of_the_file_its_owner_and_its_mode_stay() {
    let folder = Folder::new();
    let rest = "# Members of the club\r\n\nbob:nonsense\n  carol:{SHA}u5FQo9n+xWDVokZV3mtBOsCabNk=:Carol\n";
    fs::write(folder.file(), format!("{rest}alice:old:Alice\nalice:older\n")).unwrap();
    fs::set_permissions(folder.file(), fs::Permissions::from_mode(0o604)).unwrap();
    // Only root may give a file away.
    let is_root = std::os::unix::fs::chown(folder.file(), Some(12), Some(13)).is_ok();
    let owner = || fs::metadata(folder.file()).map(|found| (found.uid(), found.gid(), found.mode() & 0o777)).unwrap();
    let before = owner();
    folder.good("add", &["alice", "--method", "apr1"], "secret");
    let text = folder.text();
    assert!(text.starts_with(&format!("{rest}alice:$apr1$")) && text.ends_with(":Alice\nalice:older\n"), "{text}");
    assert!(folder.good("remove", &["alice"], "").contains("all 2 lines"));
    assert_eq!(folder.text(), rest);
    assert_eq!(owner(), before);
    assert!(!is_root || (before.0, before.1) == (12, 13));
    assert_eq!(folder.bad("remove", &["alice"], ""), (Some(1), format!("cloakroom: {}: there is no `alice`\n", folder.file().display())));
}

#[test]
fn a_link_stays_a_link() {
    let folder = Folder::new();
    let real = folder.0.path().join("real");
    fs::write(&real, "").unwrap();
    symlink("real", folder.file()).unwrap();
    folder.good("add", &["alice", "--method", "apr1"], "secret");
    assert!(fs::symlink_metadata(folder.file()).unwrap().is_symlink());
    assert!(fs::read_to_string(real).unwrap().starts_with("alice:$apr1$"));
}

#[test]
fn many_at_once_lose_no_name() {
    let folder = Folder::new();
    thread::scope(|scope| {
        for n in 0..8 {
            let folder = &folder;
            scope.spawn(move || folder.good("add", &[&format!("user{n}"), "--method", "apr1"], "secret"));
        }
    });
    assert_eq!(folder.text().lines().count(), 8, "{}", folder.text());
}

#[test]
fn a_password_is_right_wrong_or_nobody_s() {
    let folder = Folder::new();
    folder.good("add", &["alice", "--cost", "4"], "secret");
    fs::write(folder.file(), folder.text() + "bob:$2y$31$abc\n").unwrap();
    assert!(folder.good("verify", &["alice"], "secret\n").contains("is right (bcrypt)"));
    let long = "a".repeat(73);
    for (user, input, code, words) in [
        ("alice", "Secret", 1, "is wrong (bcrypt)"),
        ("alice", "secret ", 1, "is wrong"),
        ("alice", long.as_str(), 1, "longer than the 72 bytes"),
        ("alice", "", 2, "there is no password"),
        ("alice", "a\nb", 2, "one line"),
        ("alice", "a\0b", 2, "without NUL"),
        ("zoe", "secret", 1, "there is no `zoe`"),
        ("bob", "secret", 1, "nobody can log in as `bob`: the hash is cut off"),
    ] {
        let (found, said) = folder.bad("verify", &[user], input);
        assert!(found == Some(code) && said.contains(words), "{user} {input:?}: {found:?} {said}");
    }
    let before = folder.text();
    for (more, input, words) in [
        (&["a:b"][..], "secret", "no `:`"),
        (&["zoe"], "", "there is no password"),
        (&["zoe"], long.as_str(), "72 bytes"),
        (&["zoe", "--cost", "15"], "secret", "from 4 to 14"),
        (&["zoe", "--cost", "5", "--method", "apr1"], "secret", "bcrypt only"),
        (&["zoe", "--method", "des"], "secret", "possible values"),
    ] {
        let (code, said) = folder.bad("add", more, input);
        assert!(code == Some(2) && said.contains(words), "{more:?}: {said}");
    }
    assert_eq!(folder.text(), before);
    fs::remove_file(folder.file()).unwrap();
    for command in ["verify", "remove"] {
        let (code, said) = folder.bad(command, &["alice"], "secret");
        assert!(code == Some(1) && said.contains("members.htpasswd: cannot be read"), "{said}");
    }
}

const FILE: &str = "# a comment
alice:$2y$10$Q7ZNRPCFwvu80IZyEuBX7e.kSS8QfTwgHRMvOx85DqOklcT4ZBXEe
bob:$apr1$ab$2YxDGB46Gn7lATpwIKvUv1
 carol:{SHA}u5FQo9n+xWDVokZV3mtBOsCabNk=
dave:$apr1$
alice:!
erin:$y$j75$K6fSgh/ah.4gzAtve0xNj/$2k5myIdmpb7mgdbvcWqH3fzgeI8a5RKN0s0fA.O16V.
frank:$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc
";

#[test]
fn lint_tells_of_each_line_what_it_is_who_reads_it_and_what_is_wrong() {
    let folder = Folder::new();
    fs::write(folder.file(), FILE).unwrap();
    let output = folder.run("lint", &[], "");
    let shown = folder.file().display().to_string();
    let expected = "\
line  name   method    cost              nginx     apache
   2  alice  bcrypt    cost 10           by crypt  yes
   3  bob    apr1      -                 yes       yes
   4  carol  sha       -                 no        yes
   5  dave   -         -                 no        no
   6  alice  -         -                 no        no
   7  erin   yescrypt  1 MiB             by crypt  by crypt
   8  frank  argon2    64 MiB, 2 passes  no        no

line 5: the hash is cut off or altered: 22 letters must follow the salt, found 0
line 6: this name stands on line 2 already, and the first counts

line 3: weak, MD5: for generated passwords only
line 4: weak, no salt: tables know the usual passwords

FILE: 5 names can log in; 2 lines cannot be used
";
    assert_eq!(String::from_utf8(output.stdout).unwrap().replace(&shown, "FILE"), expected);
    assert_eq!(output.status.code(), Some(1));
    let told: serde_json::Value = serde_json::from_slice(&folder.run("lint", &["--json"], "").stdout).unwrap();
    assert_eq!((told["users"].as_u64(), told["wrong"].as_u64(), told["lines"].as_array().unwrap().len()), (Some(5), Some(2), 7));
    assert_eq!((&told["lines"][0]["nginx"], &told["lines"][2]["nginx"]), (&"by crypt".into(), &"no".into()));
    assert!(!told.to_string().contains("2YxD"), "no hash");
    let odd = "a:{PLAIN}x\nb:$2x$05$gSu6v2jTirlK.40Z4P/gt.hB1KzbYuN5Fzb0FaNKRLEOc0rTQ2DtW\nc:$2y$17$gSu6v2jTirlK.40Z4P/gt.hB1KzbYuN5Fzb0FaNKRLEOc0rTQ2DtW\nd\n";
    fs::write(folder.file(), odd).unwrap();
    let said = String::from_utf8(folder.run("lint", &[], "").stdout).unwrap();
    for words in [
        "   1  a     -       -     yes       no",
        "   2  b     -       -     -         -",
        "   3  c     -       -     by crypt  yes",
        "   4  d     -       -     no        no",
        "\n- below nginx or apache: whether that server reads the line is not known; try it\nthere\n",
    ] {
        assert!(said.contains(words), "{words}\n{said}");
    }
    fs::write(folder.file(), FILE.lines().take(2).collect::<Vec<_>>().join("\n")).unwrap();
    assert!(folder.good("lint", &[], "").ends_with("1 name can log in\n"));
}

//! README is true: its Python signs URLs that open, its configuration is the whole of a small site's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod servers;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use servers::program::Program;
use servers::site::Site;

const README: &str = include_str!("../README.md");

/// The one block of code in README that is marked with `language`, without its indentation.
#[track_caller]
fn block(language: &str) -> String {
    let mark = format!("```{language}");
    let starts: Vec<usize> = README.lines().enumerate().filter(|(_, line)| line.trim() == mark).map(|(number, _)| number).collect();
    assert_eq!(starts.len(), 1, "one block of {language}");
    let lines = README.lines().skip(starts[0]);
    let indentation = README.lines().nth(starts[0]).unwrap().find('`').unwrap();
    let inside = lines.skip(1).take_while(|line| line.trim() != "```");
    let text: Vec<&str> = inside.map(|line| line.get(indentation..).unwrap_or_default()).collect();
    assert!(text.len() > 5, "{text:?}");
    text.join("\n") + "\n"
}

/// `text` with `from`, which must be there, replaced.
#[track_caller]
fn with(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from:?} is not in {text}");
    text.replace(from, to)
}

/// What Python prints, one line each.
#[track_caller]
fn python(program: &str) -> Vec<String> {
    let mut child = Command::new("python3").arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3 is installed");
    child.stdin.take().unwrap().write_all(program.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// README's program, with this site's key and address.
fn signer(site: &Site) -> String {
    let program = with(&block("python"), "/var/lib/cloakroom/keys/main", site.cloakroom.state().join("keys/main").to_str().unwrap());
    let program = with(&program, "\"https://shop.example\"", &format!("\"http://127.0.0.1:{}\"", site.nginx.port));
    with(&program, "\"shop.example\"", "\"127.0.0.1\"")
}

#[test]
fn a_url_signed_by_readme_s_own_lines_opens_the_file() {
    let site = Site::open();
    site.master("set/a.zip", b"the goods");
    let printed = python(&signer(&site));
    let [url] = printed.as_slice() else { panic!("{printed:?}") };
    let target = site.target(url);
    let answer = site.get(&target);
    assert_eq!((answer.status, answer.text().as_str()), (200, "the goods"), "{url}");
    let altered = target.replace("set/a.zip", "set/b.zip");
    assert_eq!(site.get(&altered).header("Cloakroom-Refusal"), Some("bad_proof"));
    // Another path: names with all that has to be encoded, and a page of the site.
    let (mut program, mut expected) = (signer(&site), vec![]);
    program.push_str("print()\n");
    for name in ["a b.zip", "100%?#.zip", "it's \"Müller\" + Söhne & 🎵; (1)~*!.zip", "p\u{308}.zip"] {
        site.master(name, name.as_bytes());
        site.page(&format!("members/{name}"), name.as_bytes());
        for folder in ["/dl/f/masters", "/members"] {
            let path = serde_json::to_string(&format!("{folder}/{name}")).unwrap();
            program.extend([format!("print(sign('127.0.0.1', {path}, exp=int(time.time()) + 60))\n")]);
            expected.push(name);
        }
    }
    let printed = python(&program);
    let targets: Vec<&String> = printed.iter().skip_while(|line| !line.is_empty()).skip(1).collect();
    assert_eq!(targets.len(), 8);
    for (target, name) in targets.into_iter().zip(expected) {
        let answer = site.get(target);
        assert_eq!((answer.status, answer.text().as_str()), (200, name), "{target}");
    }
}

/// The names in the first column of the table that begins so.
fn names_in_table(head: &str) -> Vec<&'static str> {
    let rows = README.lines().skip_while(|line| !line.starts_with(head)).take_while(|line| line.starts_with('|'));
    let names = rows.filter_map(|row| row.strip_prefix("| ")?.split(" |").next()?.strip_prefix('`'));
    names.flat_map(|cell| cell.split(['`', ',', ' ']).filter(|name| !name.is_empty())).collect()
}

#[test]
fn the_table_of_limits_names_each_key_of_a_policy_with_its_default() {
    let file = cloakroom::config::default_file();
    let policy = file.lines().skip_while(|line| *line != "#[[policy]]").skip(1).take_while(|line| line.starts_with('#'));
    let keys: Vec<(&str, &str)> = policy.filter_map(|line| line.strip_prefix('#')?.split_once(" = ")).collect();
    let keys: Vec<(&str, &str)> =
        keys.into_iter().filter(|(key, _)| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')).collect();
    // What is no limit.
    let limits: Vec<(&str, &str)> = keys.into_iter().filter(|(key, _)| !["name", "method"].contains(key)).collect();
    let mut named = names_in_table("| key | default |");
    let mut wanted: Vec<&str> = limits.iter().map(|(key, _)| *key).collect();
    named.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(named, wanted);
    let mut defaults = 0;
    for row in README.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let Some((_, value)) = limits.iter().find(|(key, _)| cells[1].starts_with(&format!("`{key}`"))) else { continue };
        if cells[2].starts_with('`') {
            assert_eq!(cells[2].trim_matches('`'), *value, "{row}");
            defaults += 1;
        }
    }
    assert!(defaults >= 8, "{defaults}");
}

#[test]
fn each_parameter_of_readme_s_table_can_be_signed_by_its_lines() {
    let site = Site::open();
    site.master("set/a.zip", b"the goods");
    site.master("set/b.zip", b"other goods");
    let table = README.split_once("| parameter | meaning |").unwrap().1.split("\n\n").next().unwrap();
    let rows: Vec<&str> = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(name, _)| name)).collect();
    assert_eq!(rows, ["kid", "exp", "nbf", "net", "prefix", "name", "rate"]);
    let mut program = signer(&site);
    program.push_str("print()\nnow = int(time.time())\n");
    // What is signed beside the key; what is asked for with it; the code of the refusal, if it is one.
    let table: [(&str, &str, &str, Option<&str>); 12] = [
        ("/dl/f/masters/set/a.zip", "exp=now + 60", "set/a.zip", None),
        ("/dl/f/masters/set/a.zip", "exp=now - 1", "set/a.zip", Some("expired")),
        ("/dl/f/masters/set/a.zip", "exp=now + 60, nbf=now - 1", "set/a.zip", None),
        ("/dl/f/masters/set/a.zip", "exp=now + 60, nbf=now + 50", "set/a.zip", Some("not_yet_valid")),
        ("/dl/f/masters/set/a.zip", "exp=now + 60, net='127.0.0.0/8'", "set/a.zip", None),
        ("/dl/f/masters/set/a.zip", "exp=now + 60, net='127.0.0.1'", "set/a.zip", None),
        ("/dl/f/masters/set/a.zip", "exp=now + 60, net='203.0.113.0/24'", "set/a.zip", Some("wrong_network")),
        ("/dl/f/masters/set", "exp=now + 60, prefix='/dl/f/masters/set'", "set/b.zip", None),
        ("/dl/f/masters/set", "exp=now + 60, prefix='/dl/f/masters/set'", "settle.zip", Some("wrong_path")),
        ("/dl/f/masters/set/a.zip", "exp=now + 60, name='Müller, final.zip'", "set/a.zip", None),
        ("/dl/f/masters/set/a.zip", "exp=now + 60, rate=2000000", "set/a.zip", None),
        ("/dl/f/masters/set/a.zip", "exp=now + 60, kid='other'", "set/a.zip", Some("bad_proof")),
    ];
    for (path, terms, ..) in table {
        program.extend([format!("print(sign('127.0.0.1', '{path}', {terms}))\n")]);
    }
    let printed = python(&program);
    let signed: Vec<&String> = printed.iter().skip_while(|line| !line.is_empty()).skip(1).collect();
    assert_eq!(signed.len(), table.len());
    for (signed, (_, terms, file, code)) in signed.into_iter().zip(table) {
        let query = signed.split_once('?').unwrap().1;
        let answer = site.get(&format!("/dl/f/masters/{file}?{query}"));
        assert_eq!(answer.header("Cloakroom-Refusal"), code, "{terms}");
        assert_eq!(answer.status == 200, code.is_none(), "{terms}");
        if terms.contains("name=") {
            let saved = answer.header("Content-Disposition").unwrap();
            assert!(saved.ends_with("filename*=UTF-8''M%C3%BCller%2C%20final.zip"), "{saved}");
        }
    }
}

#[test]
fn readme_s_vector_is_what_its_lines_sign() {
    let directory = tempfile::tempdir().unwrap();
    let (_, after) = README.split_once("To check an implementation:").expect("a vector in README");
    let vector: Vec<&str> = after.split('`').collect();
    let [_, key, _, site, _, address, _, signature, ..] = vector.as_slice() else { panic!("{vector:?}") };
    let file = directory.path().join("key");
    fs::write(&file, format!("{key}\n")).unwrap();
    let mut program = with(&block("python"), "/var/lib/cloakroom/keys/main", file.to_str().unwrap());
    program.extend([format!("print(sign('{site}', '/members/a b.zip', exp=1900000000))\n")]);
    assert_eq!(python(&program).last().unwrap(), &format!("{address}&sig={signature}"));
}

/// Runs `cloakroom check` on `text`, its directories those of a fresh one.
fn check(text: &str, directory: &Path) -> Output {
    for name in ["state", "downloads", "log"] {
        fs::create_dir_all(directory.join(name)).unwrap();
    }
    fs::set_permissions(directory.join("state"), fs::Permissions::from_mode(0o700)).unwrap();
    let place = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    let text = with(text, "\"/var/lib/cloakroom\"", &format!("\"{}\"", place("state")));
    let text = with(&text, "\"/srv/downloads\"", &format!("\"{}\"", place("downloads")));
    let text = with(&text, "/var/log/nginx/", &format!("{}/", place("log")));
    let file = directory.join("cloakroom.toml");
    fs::write(&file, text).unwrap();
    let command = |arguments: &[&str]| Program::configured(&file).args(arguments).output();
    let made = command(&["key", "new", "main"]);
    assert!(made.status.success(), "{made:?}");
    command(&["check"])
}

#[test]
fn the_configurations_that_are_shown_are_right_as_they_stand() {
    let nginx = include_str!("../conf-examples/cloakroom.toml");
    for (name, text) in [("README.md", block("toml")), ("conf-examples/cloakroom.toml", nginx.to_owned())] {
        let directory = tempfile::tempdir().unwrap();
        let checked = check(&text, directory.path());
        assert!(checked.status.success(), "{name}: {checked:?}");
        assert!(String::from_utf8_lossy(&checked.stdout).contains("is right"), "{name}: {checked:?}");
    }
}

#[test]
fn the_directory_that_is_shown_for_copies_fits_into_a_small_site_s_configuration() {
    let (_, after) = README.split_once("### Copies and passwords").expect("a section");
    let more = after.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block");
    assert!(more.lines().count() >= 10, "{more}");
    let directory = tempfile::tempdir().unwrap();
    for name in ["goods", "htpasswd"] {
        fs::create_dir(directory.path().join(name)).unwrap();
        fs::set_permissions(directory.path().join(name), fs::Permissions::from_mode(0o2750)).unwrap();
    }
    let place = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let more = with(&with(more, "/srv/www/goods", &place("goods")), "/var/lib/cloakroom-htpasswd", &place("htpasswd"));
    let storage = "handoff = \"/_cloakroom/masters/\"\n";
    let text = with(&block("toml"), storage, &format!("{storage}copy    = \"goods\"\n")) + &more;
    let checked = check(&text, directory.path());
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success() && said.contains("is right") && said.contains("public-login"), "{checked:?}");
}

/// The words of a line as a shell has them, as far as it has blanks and single quotes.
fn words_of(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (place, part) in line.split('\'').enumerate() {
        if place % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[test]
fn the_commands_that_readme_shows_are_understood() {
    let site = Site::open();
    site.master("set/a.zip", b"the goods");
    site.page("members/a.html", b"for members");
    let goods = Site::with_copies("", true);
    goods.master("set/a.zip", b"the goods");
    let made = goods.cloakroom.json(&["grant", "add", "--file", "masters/set/a.zip"]);
    let user = made["copy"]["user"].as_str().expect("a user name").to_owned();
    site.master("books/ebook.pdf", b"the book");
    site.master("poster.pdf", b"the poster");
    let file = site.cloakroom.say(&["file", "add", "masters/poster.pdf"]);
    site.cloakroom.say(&["product", "add", "poster", "--file", &file]);
    // The shop of README has an order 1001 already.
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/zencart/phpmyadmin.sql");
    let dump = site.cloakroom.state().join("shop.sql").to_str().unwrap().to_owned();
    fs::write(&dump, fs::read_to_string(golden).unwrap().replace("1001", "2001")).unwrap();
    let mut seen = 0;
    for line in README.lines() {
        let Some(command) = line.trim().strip_prefix("cloakroom ") else { continue };
        let command = command.split(" #").next().unwrap().trim();
        let mut words = words_of(command);
        // Ids that are shown stand for those that were made.
        for word in words.iter_mut().filter(|word| *word == "f-…") {
            word.clone_from(&file);
        }
        for word in words.iter_mut().filter(|word| *word == "shop.sql") {
            word.clone_from(&dump);
        }
        if words[0] == "explain" {
            words[1] = site.cloakroom.sign("masters/set/a.zip");
        }
        if words.get(1).is_some_and(|word| word == "show") && words[0] == "credential" {
            words[2].clone_from(&user);
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let said = if words[0] == "credential" { &goods } else { &site }.cloakroom.say(&words);
        match words[0] {
            "sign" => assert_eq!(site.get(&site.target(&said)).status, 200, "{command}"),
            "order" if words[1] == "add" => {
                assert_eq!(said.lines().count(), 2, "{command}: {said}");
                assert!(said.lines().all(|url| site.get(&site.target(url)).status == 303), "{command}");
            }
            "grant" => assert_eq!(site.get(&site.target(&said)).status, 303, "{command}"),
            // What was done is told beside the output.
            "import" => assert_eq!(said.is_empty(), !command.contains("--dry-run"), "{command}: {said}"),
            _ => assert!(!said.is_empty(), "{command}"),
        }
        seen += 1;
    }
    assert!(seen >= 8, "{seen} commands");
}

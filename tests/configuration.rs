//! The configuration file: what is right is taken, what is wrong is told, all of it, with file, line, key, what was
//! found and what would be right. `golden/config/*.toml` are faulty files, each with the exact words beside it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};

use cloakroom::config::{self, Address, Configuration, Errors, Feed, Purpose, Serve};
use cloakroom::dialect::Dialect;
use cloakroom::domain::file::StorageName;
use cloakroom::domain::moment::Span;
use cloakroom::domain::path::CanonicalPath;
use cloakroom::domain::policy::{Ending, Method, Policy};

const SMALL: &str = r#"
[server]
state_dir = "/var/lib/cloakroom"
public_url = "https://shop.example/dl/"
[[listener]]
address = "unix:/run/cloakroom/nginx.sock"
dialect = "nginx"
[[key]]
id = "main"
file = "keys/main"
use = "sign"
[[storage]]
name = "masters"
path = "/srv/downloads"
handoff = "/_cloakroom/masters/"
"#;

const FEED: &str = "[feed]\naccess_log = \"/var/log/nginx/cloakroom.log\"\n";

const STANDALONE: &str = r#"
[server]
state_dir = "/var/lib/cloakroom"
public_url = "http://127.0.0.1:8470/"
[[listener]]
address = "127.0.0.1:0"
dialect = "standalone"
[[listener]]
address = "127.0.0.1:0"
serve = "admin"
[[storage]]
name = "masters"
path = "/srv/downloads"
"#;

fn parse(text: &str) -> Configuration {
    match config::parse(text, "cloakroom.toml") {
        Ok(configuration) => configuration,
        Err(errors) => panic!("{errors}"),
    }
}

fn errors(text: &str) -> Errors {
    config::parse(text, "cloakroom.toml").expect_err("faults")
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// `UPDATE_GOLDEN=1` writes the expected texts anew, to be read before they are committed.
#[test]
fn every_fault_is_told_in_these_words() {
    let folder = root().join("tests/golden/config");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    let mut wrong = Vec::new();
    for path in &files {
        let name = path.file_name().unwrap().to_str().unwrap();
        let said = config::parse(&fs::read_to_string(path).unwrap(), name).expect_err(name).to_string() + "\n";
        let golden = path.with_extension("err");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&golden, &said).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        if said != expected {
            wrong.push(format!("--- {name}, expected\n{expected}--- said\n{said}"));
        }
    }
    assert!(files.len() >= 40, "{} files", files.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_file_with_seven_faults_tells_seven() {
    let path = root().join("tests/golden/config/seven-at-once.toml");
    let errors = config::load(&path).expect_err("faults");
    assert_eq!(errors.faults().len(), 7, "{errors}");
    let lines: Vec<_> = errors.faults().iter().map(|fault| fault.line.unwrap()).collect();
    assert!(lines.is_sorted(), "{lines:?}");
    for fault in errors.faults() {
        assert!(fault.file.ends_with("seven-at-once.toml") && !fault.key.is_empty(), "{fault:?}");
    }
}

#[test]
fn a_small_shops_file_is_taken() {
    let configuration = parse(SMALL);
    assert_eq!(configuration.state_dir, Path::new("/var/lib/cloakroom"));
    assert_eq!(configuration.public_url.origin, "https://shop.example");
    assert_eq!(configuration.public_url.path, "/dl/");
    assert_eq!(configuration.site, "shop.example");
    let [listener] = configuration.listeners.as_slice() else { panic!("{:?}", configuration.listeners) };
    assert_eq!(listener.address, Address::Unix { path: "/run/cloakroom/nginx.sock".into(), mode: 0o660, group: None });
    assert_eq!(listener.serve, Serve::Web(Dialect::Nginx));
    assert_eq!(listener.connections_max, 4096);
    let [key] = configuration.keys.as_slice() else { panic!("{:?}", configuration.keys) };
    assert_eq!((key.id.as_str(), key.file.as_path(), key.purpose), ("main", Path::new("/var/lib/cloakroom/keys/main"), Purpose::Sign));
    let storage = configuration.storage(&StorageName::parse("masters").unwrap()).unwrap();
    assert_eq!(storage.handoff.as_deref(), Some("/_cloakroom/masters/"));
    assert!(configuration.storage(&StorageName::parse("other").unwrap()).is_none());
    assert_eq!(configuration.policy("default"), Some(&Policy::default()));
    assert_eq!(configuration.policy("gold"), None);
    assert!(configuration.rules.is_empty() && configuration.templates.is_none());
}

#[test]
fn a_configuration_knows_the_lines_of_what_it_names_and_is_the_same_on_others() {
    let text = format!("{SMALL}[[rule]]\npath = \"/club/\"\naccept = [\"basic\"]\nhtpasswd = \"/etc/a\"\n");
    let (one, other) = (parse(&text), parse(&format!("# a comment\n{text}")));
    let line = |words: &str| (1..).zip(text.lines()).find(|(_, line)| line.starts_with(words)).unwrap().0;
    for (key, of, words, shown) in [
        ("key.file", "main", "file", "key[1].file"),
        ("storage.path", "masters", "path", "storage[1].path"),
        ("rule.htpasswd", "/etc/a", "htpasswd", "rule[1].htpasswd"),
        ("rule.accept", "/club/", "accept", "rule[1].accept"),
    ] {
        let (fault, later) = (one.places.fault(key, of, "is odd"), other.places.fault(key, of, "is odd"));
        assert_eq!((fault.line, later.line), (Some(line(words)), Some(line(words) + 1)), "{key}");
        assert!(fault.to_string().ends_with(&format!(":{}: `{shown}` is odd", line(words))), "{fault}");
    }
    assert!(one.places.fault("key.file", "other", "is odd").line.is_none() && !one.places.has("key.file", "other"));
    assert_eq!((&one, one.digest()), (&other, other.digest()));
}

#[test]
fn without_a_feed_nothing_is_measured() {
    assert!(!parse(SMALL).is_measured());
    assert!(parse(&format!("{SMALL}{FEED}")).is_measured());
}

#[test]
fn requests_at_once_are_limited_only_where_their_end_is_seen() {
    const LIMIT: &str = "[[policy]]\nname = \"gold\"\nmax_downloads = 2\nretry_factor = 3\nrate = 9000\nconnections_max = 4\n";
    assert_eq!(parse(&format!("{SMALL}{LIMIT}{FEED}")).policy("gold").unwrap().connections_max, 4);
    assert_eq!(parse(&format!("{STANDALONE}{LIMIT}")).policy("gold").unwrap().connections_max, 4);
    let errors = errors(&format!("{SMALL}{LIMIT}"));
    let [fault] = errors.faults() else { panic!("{errors}") };
    assert!(fault.line.is_some() && fault.key == "policy[1].connections_max", "{fault:?}");
}

#[test]
fn nobody_in_front_streams_and_believes_loopback_only() {
    let configuration = parse(STANDALONE);
    assert_eq!(configuration.policy("default").unwrap().methods, [Method::Stream]);
    for listener in &configuration.listeners {
        let peers: Vec<String> = listener.trusted_peers.iter().map(ToString::to_string).collect();
        assert_eq!(peers, ["127.0.0.0/8", "::1/128"]);
    }
    assert_eq!(
        configuration.listeners.iter().map(|listener| listener.serve).collect::<Vec<_>>(),
        [Serve::Web(Dialect::Standalone), Serve::Admin]
    );
    assert!(configuration.keys.is_empty());
}

#[test]
fn a_policy_says_what_the_default_does_not_say() {
    let configuration = parse(&format!(
        "{SMALL}
        [[policy]]
        name = \"gold\"
        max_downloads = \"unlimited\"
        rate = \"2MB/s\"
        [[policy]]
        name = \"default\"
        max_downloads = 0
        valid_for = \"unlimited\"
        link_ttl = \"1h30m\"
        resume_grace = \"1s\"
        retry_factor = 0
        connections_max = 2
        rate = 1500
        {FEED}"
    ));
    let names: Vec<_> = configuration.policies.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["default", "gold"]);
    let default = configuration.policy("default").unwrap();
    assert_eq!((default.max_downloads, default.valid_for), (Some(0), None));
    assert_eq!((default.link_ttl, default.resume_grace), (Span::from_seconds(5400), Span::from_seconds(1)));
    assert_eq!((default.retry_factor, default.connections_max, default.rate.unwrap().0.get()), (0, 2, 1500));
    let gold = configuration.policy("gold").unwrap();
    assert_eq!((gold.max_downloads, gold.link_ttl, gold.rate.unwrap().0.get()), (None, default.link_ttl, 2_000_000));
}

#[test]
fn networks_and_endings_are_inherited_and_lifted() {
    let configuration = parse(&format!(
        "{SMALL}
        [[policy]]
        name = \"default\"
        networks = [\"192.0.2.7\", \"2001:db8::/32\"]
        networks_max = 3
        expires = \"end-of-day\"
        zone = \"europe/berlin\"
        [[policy]]
        name = \"same\"
        [[policy]]
        name = \"lifted\"
        networks = [\"0.0.0.0/0\", \"::/0\"]
        networks_max = \"unlimited\"
        expires = \"exact\"
        [[policy]]
        name = \"elsewhere\"
        zone = \"Asia/Tokyo\"
        networks_max = 256
        [[policy]]
        name = \"said-again\"
        expires = \"end-of-day\"
        "
    ));
    let mut seen = 0;
    for (name, networks, networks_max, ending) in [
        ("default", "192.0.2.7/32 2001:db8::/32", Some(3), Ending::EndOfDay("Europe/Berlin".to_owned())),
        ("same", "192.0.2.7/32 2001:db8::/32", Some(3), Ending::EndOfDay("Europe/Berlin".to_owned())),
        ("lifted", "0.0.0.0/0 ::/0", None, Ending::Exact),
        ("elsewhere", "192.0.2.7/32 2001:db8::/32", Some(256), Ending::EndOfDay("Asia/Tokyo".to_owned())),
        ("said-again", "192.0.2.7/32 2001:db8::/32", Some(3), Ending::EndOfDay("Europe/Berlin".to_owned())),
    ] {
        let policy = configuration.policy(name).unwrap();
        let shown: Vec<String> = policy.networks.iter().map(ToString::to_string).collect();
        assert_eq!((shown.join(" ").as_str(), policy.networks_max, &policy.ending), (networks, networks_max, &ending), "{name}");
        seen += 1;
    }
    assert_eq!(seen, configuration.policies.len());
}

#[test]
fn listeners_are_taken_in_every_form() {
    let configuration = parse(&format!(
        "{SMALL}
        [[listener]]
        address = \"[2001:db8::1]:8470\"
        dialect = \"nginx\"
        trusted_peers = [\"192.0.2.0/24\", \"2001:db8::7\", \"::ffff:198.51.100.1\"]
        connections_max = 1_000
        [[listener]]
        address = \"unix:/run/cloakroom/api.sock\"
        serve = \"api\"
        mode = \"600\"
        group = \"shop\"
        [[listener]]
        address = \"127.0.0.1:8471\"
        serve = \"api\"
        "
    ));
    let [_, tcp, api, keyed] = configuration.listeners.as_slice() else { panic!("{:?}", configuration.listeners) };
    let peers: Vec<String> = tcp.trusted_peers.iter().map(ToString::to_string).collect();
    assert_eq!((peers.join(" ").as_str(), tcp.connections_max), ("192.0.2.0/24 2001:db8::7/128 198.51.100.1/32", 1000));
    assert_eq!(api.address, Address::Unix { path: "/run/cloakroom/api.sock".into(), mode: 0o600, group: Some("shop".to_owned()) });
    assert_eq!(api.serve, Serve::Api);
    let loopback: Vec<String> = keyed.trusted_peers.iter().map(ToString::to_string).collect();
    assert_eq!((keyed.serve, loopback.join(" ").as_str()), (Serve::Api, "127.0.0.0/8 ::1/128"), "each call there brings a key");
}

#[test]
fn the_longest_rule_decides() {
    let rule = |path: &str| format!("[[rule]]\npath = \"{path}\"\naccept = [\"signed-url\"]\nmode = \"enforce\"\n");
    let configuration = parse(&format!("{SMALL}{}{}{}", rule("/a/"), rule("/a/b/c"), rule("/a/b/")));
    let paths: Vec<_> = configuration.rules.iter().map(|rule| rule.path.encoded()).collect();
    assert_eq!(paths, ["/a/b/c", "/a/b/", "/a/"]);
    for (path, rule) in
        [("/a/b/c/d", Some("/a/b/c")), ("/a/b/cd", Some("/a/b/")), ("/a/b", Some("/a/b/")), ("/a/x", Some("/a/")), ("/ab", None)]
    {
        let path = CanonicalPath::parse(path).unwrap();
        assert_eq!(configuration.rule_for(&path).map(|rule| rule.path.encoded()), rule, "{}", path.encoded());
    }
}

/// DESIGN section 7, without what this version does not have.
#[test]
fn the_designs_example_is_taken() {
    let configuration = parse(
        r#"
# /etc/cloakroom/cloakroom.toml, the whole of a small shop's
[server]
state_dir  = "/var/lib/cloakroom"
public_url = "https://shop.example/dl/"

[[listener]]
address = "unix:/run/cloakroom/nginx.sock"      # or 127.0.0.1:8470
dialect = "nginx"                               # nginx standalone
serve   = "web"                                 # web api admin

[[key]]
id   = "main"
file = "keys/main"                              # made by `cloakroom key new main`
use  = "sign"

[[storage]]
name    = "masters"
path    = "/srv/downloads"
handoff = "/_cloakroom/masters/"                # the web server's internal location for it

[[rule]]                                        # auth_request: protect what the site already serves
path     = "/members/"
accept   = ["signed-url"]
mode     = "enforce"

[feed]
access_log = "/var/log/nginx/cloakroom.log"     # the shipped log_format
"#,
    );
    assert_eq!(configuration.rules.len(), 1);
    assert!(configuration.is_measured());
}

#[test]
fn the_default_file_is_the_one_that_the_program_makes_and_is_taken() {
    let path = root().join("conf-examples/cloakroom.toml");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, config::default_file()).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), config::default_file());
    let configuration = config::load(&path).unwrap_or_else(|errors| panic!("{errors}"));
    assert!(configuration.is_measured());
}

/// Each commented key of the default file, as it stands there, is right too; of the three feeds each.
#[test]
fn the_default_file_is_taken_with_every_comment_made_a_key() {
    for (feed, others) in [
        ("access-log", &["syslog", "mode", "group", "from"][..]),
        ("syslog", &["access_log", "from"]),
        ("api", &["access_log", "syslog", "mode", "group"]),
    ] {
        let default = config::default_file();
        let (before, section) = default.split_once("[feed]\n").unwrap();
        let unused = |line: &&str| !others.iter().any(|key| line.trim_start_matches('#').starts_with(&format!("{key} =")));
        let (section, behind) = section.split_once("#[store]").unwrap();
        let section: Vec<&str> = section.lines().filter(unused).collect();
        let configuration = every_comment_is_a_key(&format!("{before}[feed]\n{}\n#[store]{behind}", section.join("\n")));
        assert_eq!(configuration.known_by(), feed);
    }
}

#[track_caller]
fn every_comment_is_a_key(text: &str) -> Configuration {
    let mut opened = 0;
    let lines: Vec<String> = text
        .lines()
        // A unix socket has no trusted peers, nginx no protocol to choose and no secret, an exact end no zone, and the
        // credential of a grant ends with it.
        .filter(|line| {
            !["#trusted_peers", "#protocol", "#secret = \"keys/apache", "#zone", "#rotate_every"].iter().any(|key| line.starts_with(key))
        })
        .map(|line| {
            let key = line.strip_prefix('#').filter(|rest| !rest.starts_with(' '));
            opened += usize::from(key.is_some());
            key.unwrap_or(line).to_owned()
        })
        .collect();
    assert!(opened > 15, "{opened}");
    let configuration = parse(&lines.join("\n"));
    assert_eq!((configuration.rules.len(), configuration.policies.len()), (1, 1));
    assert!(configuration.webhooks.len() == 1 && configuration.mail.as_ref().is_some_and(|mail| mail.login.is_some()));
    let networks = vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
    let expected = Policy { rate: Some("2MB/s".parse().unwrap()), networks, ..Policy::default() };
    assert_eq!(configuration.policy("default"), Some(&expected));
    configuration
}

#[test]
fn a_feed_is_one_of_three() {
    let syslog = |mode, group: Option<&str>| Feed::Syslog { path: "/run/c/log.sock".into(), mode, group: group.map(str::to_owned) };
    let api = "[[listener]]\naddress = \"unix:/run/c/api.sock\"\nserve = \"api\"\n";
    for (text, feed) in [
        ("access_log = \"/var/log/a.log\"", Feed::AccessLog("/var/log/a.log".into())),
        ("syslog = \"unix:/run/c/log.sock\"", syslog(0o660, None)),
        ("syslog = \"unix:/run/c/log.sock\"\nmode = \"0600\"\ngroup = \"www-data\"", syslog(0o600, Some("www-data"))),
        ("from = \"api\"", Feed::Api),
    ] {
        let configuration = parse(&format!("{SMALL}{api}[feed]\n{text}\n"));
        assert_eq!((configuration.known_by(), configuration.is_measured()), (feed.word(), true));
        assert_eq!(configuration.feed, Some(feed));
    }
    assert_eq!(parse(SMALL).known_by(), "none");
    assert_eq!(parse(STANDALONE).known_by(), "stream");
}

/// What the default file calls a default is what holds without the key.
#[test]
fn a_default_that_is_written_changes_nothing() {
    let mut section = String::new();
    let mut tried = 0;
    for pair in config::default_file().lines().collect::<Vec<_>>().windows(2) {
        let [doc, line] = pair else { continue };
        let line = line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line);
        if line.starts_with('[') {
            section = line.to_owned();
        } else if doc.contains("Default: ") {
            let base = if section == "[[policy]]" { format!("{SMALL}{FEED}[[policy]]\nname = \"default\"\n") } else { SMALL.to_owned() };
            let place = if base.contains(&section) { section.clone() } else { continue };
            let with = base.replace(&place, &format!("{place}\n{line}"));
            assert_ne!(with, base);
            assert_eq!(parse(&with), parse(&base), "{section} {line}");
            tried += 1;
        }
    }
    assert!(tried >= 9, "{tried}");
}

#[test]
fn a_file_that_cannot_be_read_is_told_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("no.toml");
    let said = config::load(&missing).expect_err("missing").to_string();
    assert!(said.starts_with(&format!("{}: cannot be read: ", missing.display())), "{said}");
    let said = config::load(folder.path()).expect_err("a folder").to_string();
    assert!(said.contains("cannot be read: "), "{said}");
    let path = folder.path().join("a.toml");
    fs::write(&path, b"[server]\nsite = \"\xff\"\n").unwrap();
    let said = config::load(&path).expect_err("not UTF-8").to_string();
    assert!(said.ends_with("must be UTF-8, found another byte on line 2"), "{said}");
    fs::write(&path, " ".repeat(1024 * 1024 + 1)).unwrap();
    let said = config::load(&path).expect_err("too long").to_string();
    assert!(said.ends_with("at most 1 MiB"), "{said}");
}

#[test]
fn what_is_wrong_is_told_without_writing_on_the_terminal() {
    let said = errors("[server]\nstate_dir = \"\\u001b[31m\"\nsite = \"\u{202e}\\n\"\n").to_string();
    assert!(said.lines().count() > 4 && !said.contains(['\u{1b}', '\u{202e}']), "{said}");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_reading_panic(text in "[\\[\\]a-z_=\" \\n\\r\t#{}.,0-9é'\\\\-]{0,80}", cut in 0_usize..600) {
        let _ = config::parse(&text, "a.toml");
        // Half of a right file, with something else after it.
        let half: String = SMALL.chars().take(cut).collect();
        let _ = config::parse(&format!("{half}{text}"), "a.toml").map_err(|errors| errors.to_string());
    }
}

#[test]
fn who_has_nobody_in_front_listens_where_clients_have_an_address() {
    let text = STANDALONE.replacen("address = \"", "address = \"unix:/run/x/", 1);
    let errors = errors(&text);
    let [fault] = errors.faults() else { panic!("{errors}") };
    assert_eq!(fault.key, "listener[1].dialect");
    assert!(fault.line.is_some() && fault.message.contains("unix socket, where clients have no address"), "{fault}");
}

//! Reads the sources and keeps the shape of the house: who may use whom, what the pure parts may not touch, how long a
//! file may be, and which names mean something here. The checker is a function of a path and a text, so that planted
//! violations show that it sees.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

#[path = "architecture/source.rs"]
mod source;

use std::fs;
use std::path::Path;

use source::{code_only, parts_of, paths, tokens, without_tests};

/// The pure parts, and what stands right above them.
const PURE: &[&str] = &["domain", "proof", "dialect", "import"];

/// Who may use whom: a part of the crate, and the paths of the crate that it may name. A part may always name itself;
/// what is not in this table does not exist. Adapters do not know each other. `pages` stands below `service`, which
/// fills refusal pages, and so it knows only `domain`.
const MAY_USE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("proof", &["domain"]),
    ("dialect", &["domain"]),
    ("config", &["domain", "dialect::Dialect", "dialect::apache::Protocol"]),
    ("import", &["domain"]),
    ("keys", BASE),
    ("storage", BASE),
    ("auth", BASE),
    ("store", BASE),
    ("public", BASE),
    ("remote", BASE),
    ("feed", BASE),
    ("outbox", BASE),
    ("pages", &["domain"]),
    ("service", SERVICE),
    ("wire", ABOVE),
    ("api", ABOVE),
    ("cli", EVERYTHING),
    ("main", EVERYTHING),
    ("lib", &[]),
    ("clock", &["domain::moment"]),
    ("random", &[]),
    ("watch", &["domain::file_state"]),
];
const BASE: &[&str] = &["domain", "proof", "dialect", "config", "watch"];
const SERVICE: &[&str] = &[
    "domain", "proof", "dialect", "config", "keys", "auth", "storage", "store", "public", "remote", "feed", "outbox", "pages", "clock",
    "random", "watch",
];
const ABOVE: &[&str] = &[
    "domain", "proof", "dialect", "config", "keys", "auth", "storage", "store", "public", "remote", "feed", "outbox", "pages", "service",
    "clock", "random", "watch",
];
const EVERYTHING: &[&str] = &[
    "domain", "proof", "dialect", "config", "keys", "auth", "storage", "store", "public", "remote", "feed", "outbox", "pages", "service",
    "wire", "api", "cli", "import", "clock", "random", "watch",
];

/// Paths that the pure parts may not name: everything that reads or changes the world. `std::net::IpAddr` is a value.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::io",
    "std::env",
    "std::process",
    "std::thread",
    "std::os",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::net::ToSocketAddrs",
    "std::time::SystemTime",
    "std::time::Instant",
    "tokio",
    "hyper",
    "hyper_util",
    "axum",
    "tower",
    "rustix",
    "getrandom",
    "tracing",
];

/// Words of which a pure part needs none, under whatever path.
const IMPURE_WORDS: &[&str] = &["SystemTime", "Instant", "async", "await", "println", "eprintln", "TcpStream", "UnixStream"];

/// The files that may ask the system for time and randomness.
const ASK_THE_SYSTEM: &[&str] = &["src/clock.rs", "src/random.rs"];

/// Longer files hold more than one concept.
const LINES_MAX: usize = 450;

/// A test holds the tables of one feature, and those are long.
const TEST_LINES_MAX: usize = 800;

/// What may stand at the top of the repository, beside dot files.
const TOP: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "CHANGELOG.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "conf-examples",
    "packaging",
    "src",
    "target",
    "tests",
];

/// Parts of names that say nothing, or for which there is another word here.
const NAMES: &[(&str, &str)] = &[
    ("manager", "say what it does"),
    ("helper", "say what it does"),
    ("helpers", "say what it does"),
    ("util", "say what it does"),
    ("utils", "say what it does"),
    ("misc", "say what it does"),
    ("ledger", "store"),
    ("ticket", "claim or permit"),
    ("voucher", "grant"),
    ("entitlement", "grant"),
    ("denial", "refusal"),
    ("whitelist", "what is accepted"),
    ("blacklist", "what is refused"),
];

/// Marks of unfinished work, taken apart so that this file does not carry them.
const MARKS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("#[ig", "nore")];

/// What the path of the program is written with, taken apart in the same way, and the only test file that may name it: what
/// that file starts is searched for secrets.
const PROGRAM: &[&str] =
    &[concat!("CARGO_BIN", "_EXE"), concat!("target/debug/", "cloakroom\""), concat!("target/release/", "cloakroom\"")];
const STARTS_THE_PROGRAM: &str = "tests/servers/program.rs";

/// What a name follows where it is declared.
const DECLARES: &[&str] = &["fn", "struct", "enum", "trait", "mod", "type", "const", "static", "let", "mut", "as"];

/// One violation.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    path: String,
    line: usize,
    what: String,
}

/// All violations of one file. `path` is relative to the repository, with `/`.
fn check(path: &str, text: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault = |line: usize, what: String| faults.push(Fault { path: path.to_owned(), line, what });
    let lines = text.lines().count();
    let lines_max = if path.starts_with("src/") { LINES_MAX } else { TEST_LINES_MAX };
    if lines > lines_max {
        fault(lines, format!("{lines} lines; at most {lines_max}"));
    }
    for (number, line) in (1..).zip(text.lines()) {
        for mark in MARKS {
            if line.contains(mark) {
                fault(number, format!("`{mark}`"));
            }
        }
        if path.starts_with("tests/") && path != STARTS_THE_PROGRAM && PROGRAM.iter().any(|words| line.contains(words)) {
            fault(number, format!("starts the program: {STARTS_THE_PROGRAM} does, and searches what it prints"));
        }
    }
    let code = code_only(text);
    let tokens = tokens(&code);
    for (at, &(line, token)) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1).map_or("", |&(_, token)| token);
        if next == "!" && ["todo", "unimplemented", "dbg"].contains(&token) {
            fault(line, format!("`{token}!`"));
        }
        if token == "fn" && next.starts_with("get_") {
            fault(line, format!("`{next}`: name what it is"));
        }
        for (part, instead) in NAMES {
            if DECLARES.contains(&token) && parts_of(next).iter().any(|found| found == part) {
                fault(line, format!("`{next}`: {instead}"));
            }
        }
    }
    let stem = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".rs");
    for (part, instead) in NAMES.iter().filter(|(part, _)| parts_of(stem).iter().any(|found| found == part)) {
        fault(1, format!("a file called `{part}`: {instead}"));
    }
    if let Some(inside) = path.strip_prefix("src/") {
        check_layers(path, inside, &code, &mut fault);
    }
    faults
}

/// The rules for the crate itself. Unit tests may use what they like; they stand in `mod tests`, under `#[cfg(test)]`.
fn check_layers(path: &str, inside: &str, code: &str, fault: &mut impl FnMut(usize, String)) {
    let modules: Vec<&str> = inside.trim_end_matches(".rs").split('/').filter(|part| *part != "mod").collect();
    if modules.contains(&"tests") {
        return;
    }
    let part = modules[0];
    let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == part) else {
        fault(1, format!("`{part}` is not a part of the house"));
        return;
    };
    let code = without_tests(code, fault);
    let tokens = tokens(&code);
    for (line, used) in paths(&tokens) {
        let Some(inner) = inside_crate(&used, modules.len(), part) else {
            if PURE.contains(&part) && IMPURE.iter().any(|impure| is_below(&used, impure)) {
                fault(line, format!("`{}` in a pure part", used.join("::")));
            }
            continue;
        };
        let Some(target) = inner.first() else { continue };
        let known = *target == part || allowed.iter().any(|allowed| is_below(&inner, allowed));
        if !known {
            fault(line, format!("`{part}` may not use `{}`", inner.join("::")));
        }
    }
    for &(line, token) in &tokens {
        if PURE.contains(&part) && IMPURE_WORDS.contains(&token) {
            fault(line, format!("`{token}` in a pure part"));
        }
        if token == "disallowed_methods" && !ASK_THE_SYSTEM.contains(&path) {
            fault(line, "asks the system for time or randomness".to_owned());
        }
    }
    for three in tokens.windows(3) {
        let hidden = matches!(three, [(_, "#"), (_, "["), (_, "path")] | [(_, "include"), (_, "!"), _] | [(_, "crate"), (_, "as"), _]);
        if hidden || part == "lib" && three[0].1 == "use" {
            fault(three[0].0, "what is used is named where it lies".to_owned());
        }
    }
}

/// Where `used` leads inside the crate; `None` when it leads elsewhere. `depth` is how many modules deep the file is.
fn inside_crate<'a>(used: &[&'a str], depth: usize, part: &'a str) -> Option<Vec<&'a str>> {
    let ups = used.iter().take_while(|segment| **segment == "super").count();
    match used[0] {
        "crate" if part == "main" => Some(vec!["main"]),
        "crate" | "cloakroom" if used.len() > 1 => Some(used[1..].to_vec()),
        "super" if ups >= depth && used.len() > ups => Some(used[ups..].to_vec()),
        _ => None,
    }
}

fn is_below(path: &[&str], prefix: &str) -> bool {
    prefix.split("::").zip(path.iter().map(Some).chain(std::iter::repeat(None))).all(|(wanted, found)| found == Some(&wanted))
}

/// Every Rust file below `folder`, relative to the repository.
fn sources(root: &Path, folder: &str, found: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(root.join(folder)) else { return };
    for entry in entries {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().expect("file names are UTF-8");
        let path = format!("{folder}/{name}");
        if entry.file_type().unwrap().is_dir() && name != "target" {
            sources(root, &path, found);
        } else if Path::new(&name).extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_sources_keep_the_shape_of_the_house() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(root, "src", &mut files);
    sources(root, "tests", &mut files);
    assert!(files.iter().filter(|path| path.starts_with("src/")).count() >= 20, "sources were seen: {files:?}");
    let faults: Vec<String> = files
        .iter()
        .flat_map(|path| check(path, &fs::read_to_string(root.join(path)).expect("sources are UTF-8")))
        .map(|Fault { path, line, what }| format!("{path}:{line}: {what}"))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The calls of the log in a text in which values are written as Rust's `Debug` has them: `name = ?value`, `?value`, `{value:?}`.
fn debug_fields(text: &str) -> Vec<&str> {
    let calls = text.split("tracing::").skip(1).filter_map(|rest| {
        let (level, _) = rest.split_once("!(")?;
        let call = rest.split_once(");").map_or(rest, |(call, _)| call);
        ["error", "warn", "info", "debug", "trace"].contains(&level).then_some(call)
    });
    calls.filter(|call| ["= ?", "(?", ", ?", ":?}", ":#?}"].iter().any(|mark| call.contains(mark))).collect()
}

#[test]
fn the_log_has_the_words_of_the_house_and_no_debug_text() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut files, mut calls) = (Vec::new(), 0);
    sources(root, "src", &mut files);
    for path in &files {
        let text = fs::read_to_string(root.join(path)).unwrap();
        calls += text.matches("tracing::").count();
        assert_eq!(debug_fields(&text), Vec::<&str>::new(), "{path}");
    }
    assert!(calls > 40, "{calls} calls");
    for planted in
        ["tracing::info!(event = \"a\", b = ?b);", "tracing::warn!(?b);", "tracing::error!(a, ?b, \"c\");", "tracing::warn!(\"{b:?}\");"]
    {
        assert_eq!(debug_fields(planted).len(), 1, "{planted}");
    }
}

#[test]
fn nothing_else_stands_at_the_top_level() {
    let mut seen = 0;
    for entry in fs::read_dir(env!("CARGO_MANIFEST_DIR")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        seen += 1;
        assert!(name.starts_with('.') || TOP.contains(&name.as_str()), "`{name}` has no place at the top level");
    }
    assert!(seen >= 5);
}

#[test]
fn the_table_is_one_way_and_the_pure_parts_know_nothing_above_them() {
    for (place, (part, uses)) in MAY_USE.iter().enumerate() {
        for used in *uses {
            let target = used.split("::").next().unwrap();
            let (_, back) = MAY_USE.iter().find(|(name, _)| *name == target).expect("what is used is in the table");
            let loops = target != *part && back.iter().any(|back| back.split("::").next() == Some(part));
            assert!(!loops, "`{part}` (row {place}) and `{target}` use each other");
        }
    }
}

#[test]
fn planted_violations_are_seen() {
    let long = "\n".repeat(TEST_LINES_MAX + 1);
    let mark = format!("// {}: later", MARKS[0]);
    let skipped = format!("{}]\nfn f() {{}}", MARKS[2]);
    let [compiled, built, _] = PROGRAM else { panic!("{PROGRAM:?}") };
    let started = format!("Command::new(env!(\"{compiled}_cloakroom\"))");
    let found = format!("Command::new(\"{built})");
    let starts = "starts the program: tests/servers/program.rs does, and searches what it prints";
    for (path, text, what) in [
        ("src/domain/a.rs", "use crate::store::Store;", "`domain` may not use `store::Store`"),
        ("src/domain/a.rs", "use crate::{domain::path, config};", "`domain` may not use `config`"),
        ("src/domain/a.rs", "use super::super::clock::now;", "`domain` may not use `clock::now`"),
        ("src/domain/mod.rs", "fn f() { super::wire::run() }", "`domain` may not use `wire::run`"),
        ("src/domain/a.rs", "use crate::*;", "`domain` may not use `*`"),
        ("src/domain/a.rs", "use crate as all;", "what is used is named where it lies"),
        ("src/domain/a.rs", "use std::{fmt, fs::{self, File}};", "`std::fs::self` in a pure part"),
        ("src/domain/a.rs", "use std::net::{IpAddr, TcpStream};", "`std::net::TcpStream` in a pure part"),
        ("src/domain/a.rs", "fn f() -> u8 { ::tokio::spawn() }", "`tokio::spawn` in a pure part"),
        ("src/dialect/a.rs", "async fn f() {}", "`async` in a pure part"),
        ("src/proof/a.rs", "use crate::config::Configuration;", "`proof` may not use `config::Configuration`"),
        ("src/proof/a.rs", "use std::time::SystemTime as Clock;", "`SystemTime` in a pure part"),
        ("src/config/mod.rs", "use crate::dialect::Answer;", "`config` may not use `dialect::Answer`"),
        ("src/feed/a.rs", "use crate::store::Store;", "`feed` may not use `store::Store`"),
        ("src/store/a.rs", "let t = crate::clock::now();", "`store` may not use `clock::now`"),
        ("src/pages/a.rs", "use crate::service::Context;", "`pages` may not use `service::Context`"),
        ("src/wire/a.rs", "use crate::api::Routes;", "`wire` may not use `api::Routes`"),
        ("src/service/a.rs", "use crate::cli::Progress;", "`service` may not use `cli::Progress`"),
        ("src/service/a.rs", "#[expect(clippy::disallowed_methods)]\nfn f() {}", "asks the system for time or randomness"),
        ("src/lib.rs", "pub use domain::path;", "what is used is named where it lies"),
        ("src/wire/a.rs", "#[path = \"b.rs\"]\nmod c;", "what is used is named where it lies"),
        ("src/stuff/a.rs", "", "`stuff` is not a part of the house"),
        ("src/wire/a.rs", "mod tests { use crate::cli::Progress; }", "`mod tests` without `#[cfg(test)]`"),
        ("src/wire/a.rs", "#[cfg(test)]\nmod tests { fn f() {} }\nuse crate::cli::A;", "`wire` may not use `cli::A`"),
        ("src/wire/a.rs", "fn get_name() {}", "`get_name`: name what it is"),
        ("src/wire/a.rs", "struct LinkManager;", "`LinkManager`: say what it does"),
        ("src/wire/http_util.rs", "", "a file called `util`: say what it does"),
        ("src/wire/a.rs", "fn f() { todo!() }", "`todo!`"),
        ("src/wire/a.rs", &mark, &format!("`{}`", MARKS[0])),
        ("tests/a.rs", &skipped, &format!("`{}`", MARKS[2])),
        ("tests/a.rs", &started, starts),
        ("tests/a/b.rs", &found, starts),
        ("tests/a.rs", &long, &format!("{} lines; at most {TEST_LINES_MAX}", TEST_LINES_MAX + 1)),
        ("src/wire/a.rs", &long, &format!("{} lines; at most {LINES_MAX}", TEST_LINES_MAX + 1)),
    ] {
        let faults = check(path, text);
        assert!(faults.iter().any(|fault| fault.what == what), "{path}: {text}\nwanted: {what}\nfound: {faults:?}");
    }
}

#[test]
fn good_sources_pass() {
    for (path, text) in [
        ("src/domain/a.rs", "use std::net::IpAddr;\nuse super::path::CanonicalPath;\npub(crate) fn f(s: &str) {}"),
        ("src/domain/a.rs", "// use crate::store;\n/* tokio::spawn /* */ std::fs */ const A: &str = \"\\\"crate::store\";"),
        ("src/domain/a.rs", "const A: &str = r#\"crate::store \"std::fs\" \"#; const B: char = '\\''; const C: char = '\"'; fn f<'a>() {}"),
        ("src/domain/a.rs", "fn f() {}\n#[cfg(test)]\nmod tests { use crate::store::Store; use std::fs; fn f() { if true {} } }"),
        ("src/config/mod.rs", "use crate::{dialect::Dialect, domain::{path::CanonicalPath, policy::Policy}};\nuse std::fs;"),
        ("src/feed/mod.rs", "use crate::domain::account::Reported;\npub(super) fn f() {}\nuse hyper_util::rt;"),
        ("src/service/link.rs", "use crate::clock;\nuse super::Context;\nuse super::super::store::Store;"),
        ("src/cli/serve.rs", "use crate::wire::listen;"),
        ("src/main.rs", "fn main() { cloakroom::cli::run() }"),
        ("src/clock.rs", "use crate::domain::moment::Moment;\n#[expect(clippy::disallowed_methods)]\nfn now() {}"),
        ("tests/a.rs", "use cloakroom::store::Store;"),
    ] {
        assert_eq!(check(path, text), [], "{path}: {text}");
    }
    for words in PROGRAM {
        assert_eq!(check(STARTS_THE_PROGRAM, words), []);
    }
}

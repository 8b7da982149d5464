//! `cloakroom audit` as a sysadmin meets it: the real program on logs, one of them written by a real nginx.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod servers;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use servers::http::ask;
use servers::nginx::{Nginx, NginxSetup};
use servers::program::Program;
use servers::site::content;
use servers::{free_port, until};
use tempfile::TempDir;

fn run(arguments: &[&str], directory: &Path, stdin: &[u8]) -> Output {
    Program::new().arg("audit").args(arguments).current_dir(directory).env("LC_ALL", "C.UTF-8").output_of(stdin)
}

#[track_caller]
fn text(arguments: &[&str], directory: &Path) -> String {
    let output = run(arguments, directory, b"");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "quiet in a pipe");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn json(arguments: &[&str], directory: &Path, stdin: &[u8]) -> Value {
    let output = run(&[&["--json"], arguments].concat(), directory, stdin);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// A log of three days with something of everything, one line each.
fn history() -> Vec<String> {
    let mut lines = Vec::new();
    for number in 0..3000_u32 {
        let (day, hour, minute) = (1 + number / 1000, number % 1000 / 42, number % 42);
        let client = format!("10.{}.{}.7", number % 7, number % 250);
        let request = match number % 10 {
            0 => "GET /files/a.zip?t=1 HTTP/1.1\" 200 10007",
            1 => "GET /files/b.pdf HTTP/1.1\" 206 501",
            2 => "GET /files/b.pdf HTTP/1.1\" 200 2003",
            3 => &format!("GET /files/a.zip?t={number} HTTP/1.1\" 200 {}", number + 1),
            4 => "HEAD /files/a.zip HTTP/1.1\" 200 0",
            5 => "GET /files/a.zip HTTP/1.1\" 304 0",
            6 => "GET /wp-login.zip HTTP/1.1\" 404 153",
            _ => "GET / HTTP/2.0\" 200 5120",
        };
        lines
            .push(format!("{client} - - [{day:02}/Nov/2026:{hour:02}:{minute:02}:00 +0000] \"{request} \"-\" \"curl/7.{}\"\n", number % 3));
    }
    lines
}

/// What was found, without what tells where it was read.
fn found(mut view: Value) -> Value {
    let log = view["log"].as_object_mut().unwrap();
    for where_from in ["sources", "bytes", "first_not_understood"] {
        log.remove(where_from).unwrap();
    }
    view
}

#[test]
fn files_in_any_order_packed_or_cut_anywhere_give_the_same() {
    let directory = TempDir::new().unwrap();
    let lines = history();
    let place = |name: &str, bytes: &[u8]| fs::write(directory.path().join(name), bytes).unwrap();
    place("whole.log", lines.concat().as_bytes());
    let whole = found(json(&["whole.log"], directory.path(), b""));
    assert!(whole["downloads"]["complete"].as_u64().unwrap() > 100, "{whole:#}");
    assert_eq!(whole["log"]["lines"], 3000);
    place("access.log", lines[2000..].concat().as_bytes());
    place("access.log.1", lines[1000..2000].concat().as_bytes());
    place("access.log.2.gz", &gzip(lines[..1000].concat().as_bytes()));
    for order in [["access.log", "access.log.1", "access.log.2.gz"], ["access.log.1", "access.log.2.gz", "access.log"]] {
        assert_eq!(found(json(&order, directory.path(), b"")), whole, "{order:?}");
    }
    let all = lines.concat().into_bytes();
    assert_eq!(found(json(&["-"], directory.path(), &all)), whole);
    assert_eq!(found(json(&["-"], directory.path(), &gzip(&all))), whole);
    // Cut in two streams of one packed file, in the middle of lines.
    for at in [1, 77, 4096, 100_003] {
        let members = [gzip(&all[..at]), gzip(&all[at..])].concat();
        place("members", &members);
        assert_eq!(found(json(&["members"], directory.path(), b"")), whole, "{at}");
    }
}

#[test]
fn the_report_is_read_at_a_glance_and_needs_no_configuration() {
    let directory = TempDir::new().unwrap();
    let mut lines = history();
    lines.insert(5, "\u{1b}[2J nonsense\n".to_owned());
    fs::write(directory.path().join("a.log"), lines.concat()).unwrap();
    let text = text(&["a.log"], directory.path());
    for part in [
        "a.log: 3,001 lines",
        "TRUE DOWNLOADS",
        "complete, in one answer",
        "WHAT A COUNTER WOULD HAVE SAID",
        "/files/a.zip",
        "one link",
        "/files/a.zip?… (#",
        "SHARED",
        "CLIENTS",
        "NOT UNDERSTOOD  1 line",
        "a.log:6: it has no time in brackets",
        "HOW SURE",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains("t=1") && !text.contains('\u{1b}'), "{text}");
    assert!(self::text(&["--queries", "a.log"], directory.path()).contains("/files/a.zip?t=1"));
    let explained = self::text(&["--explain"], directory.path());
    assert!(explained.contains("%b"));
    for line in text.lines().chain(explained.lines()) {
        let is_of_the_log = line.contains("/files/") || line.contains("nonsense") || line.contains("Mozilla");
        assert!(is_of_the_log || line.chars().count() <= 80, "{line}");
    }
    let only = json(&["--under", "/files/", "--ext", "pdf", "a.log"], directory.path(), b"");
    assert_eq!((&only["files"], &only["top_files"][0]["path"]), (&1.into(), &"/files/b.pdf".into()));
    let none = self::text(&["--under", "/nothing/", "a.log"], directory.path());
    assert!(none.contains("No line asks for a download"), "{none}");
}

#[test]
fn what_cannot_be_audited_is_refused_with_a_way_out() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("picture"), b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR").unwrap();
    for (arguments, code, words) in [
        (&["picture"][..], 1, "picture is not an access log"),
        (&["missing.log"], 1, "missing.log cannot be read"),
        (&["."], 1, ". cannot be read"),
        (&["-", "-"], 2, "once only"),
        (&["-"], 1, "nothing to audit"),
        (&[], 2, "<LOG>"),
        (&["--ext", "*", "picture"], 2, "end of a name"),
        (&["--format", "$remote_addr$status", "picture"], 2, "nothing tells where"),
        (&["--under"], 2, "--under"),
    ] {
        let output = run(arguments, directory.path(), b"");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), said.contains(words)), (Some(code), true), "{arguments:?}: {said}");
        assert!(!said.chars().any(|sign| sign.is_control() && sign != '\n'), "{said:?}");
    }
}

#[test]
fn a_log_in_which_no_download_was_sent_claims_nothing() {
    let directory = TempDir::new().unwrap();
    let line = "203.0.113.9 - - [21/Nov/2026:23:02:10 +0000] \"GET /a.zip HTTP/1.1\" 404 153 \"-\" \"agent\"\n";
    fs::write(directory.path().join("access.log"), line.repeat(3)).unwrap();
    let said = text(&["access.log"], directory.path());
    for words in ["TRUE DOWNLOADS  0 of 0 that were begun", "BYTES  none were sent", "each line", "other 4xx 3"] {
        assert!(said.contains(words), "{words:?} is missing: {said}");
    }
    for never in ["█", "#", "%", "every byte was sent"] {
        assert!(!said.contains(never), "{never:?}: {said}");
    }
}

/// A real Apache; ends with this value.
struct Apache {
    directory: TempDir,
    child: Child,
    port: u16,
}

impl Apache {
    /// Serves `www` below its directory and logs in the format of Debian and in Apache's own.
    fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let (root, port) = (directory.path().to_str().unwrap().to_owned(), free_port());
        // Started by root, its workers are another user, who has to look into the directory.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(directory.path().join("www")).unwrap();
        let user = if rustix::process::geteuid().is_root() { "User www-data\nGroup www-data\n" } else { "" };
        let format = |bytes: &str| format!(r#""%h %l %u %t \"%r\" %>s {bytes} \"%{{Referer}}i\" \"%{{User-Agent}}i\"""#);
        let text = format!(
            "ServerRoot {root}\nServerName localhost\nPidFile {root}/pid\nListen 127.0.0.1:{port}\nErrorLog {root}/error.log\n{user}\
             LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so\n\
             LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so\n\
             DocumentRoot {root}/www\n<Directory {root}/www>\nRequire all granted\n</Directory>\n\
             CustomLog {root}/sent.log {}\nCustomLog {root}/intended.log {}\n",
            format("%O"),
            format("%b"),
        );
        fs::write(directory.path().join("apache.conf"), text).unwrap();
        let mut command = Command::new("apache2");
        command.args(["-DFOREGROUND", "-f"]).arg(directory.path().join("apache.conf")).stdin(Stdio::null());
        let child = command.spawn().expect("apache2 is installed (tests/run does it)");
        let apache = Self { directory, child, port };
        // Written when it listens for good; before, its socket is opened once more.
        until("apache listens", || apache.directory.path().join("pid").exists().then_some(()));
        apache
    }
}

impl Drop for Apache {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        until("the end of apache", || self.child.try_wait().unwrap());
    }
}

#[test]
fn what_a_real_apache_s_two_kinds_of_logs_can_prove_is_told_apart() {
    let apache = Apache::start();
    let here = TempDir::new().unwrap();
    let here = here.path();
    fs::write(apache.directory.path().join("www/a.zip"), content(60_000_001)).unwrap();
    let url = format!("http://127.0.0.1:{}/a.zip", apache.port);
    for agent in ["one", "another with a longer name"] {
        assert!(client(&["curl", "-sS", "-A", agent, "-o", "whole", &url], here));
    }
    assert!(!client(&["curl", "-sS", "-A", "killed", "--limit-rate", "3M", "--max-time", "1", "-o", "killed", &url], here));
    let changed = ask(apache.port, "HEAD", "/a.zip", &[]).header("Last-Modified").unwrap().to_owned();
    assert_eq!(ask(apache.port, "GET", "/a.zip", &[("If-Modified-Since", &changed)]).status, 304);
    let log = |name: &str| apache.directory.path().join(name).to_str().unwrap().to_owned();
    // %O tells how far the killed one came, %b does not, and the report knows which is which.
    for (name, column, complete, broken_off) in [("sent.log", "with_head", 2, 1), ("intended.log", "intended", 3, 0)] {
        let audited = until("all lines", || {
            let audited = json(&[&log(name)], here, b"");
            (audited["hits"]["all"] == 5).then_some(audited)
        });
        assert_eq!(audited["log"]["bytes_column"], column, "{audited:#}");
        assert_eq!(
            (&audited["downloads"]["complete"], &audited["downloads"]["broken_off"]),
            (&complete.into(), &broken_off.into()),
            "{audited:#}"
        );
    }
    assert!(text(&[&log("intended.log")], here).contains("CAREFUL"));
}

/// A client in a test's directory, from its first word on.
fn client(words: &[&str], directory: &Path) -> bool {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(directory).env_remove("http_proxy").env_remove("all_proxy");
    let output =
        command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{} is installed (tests/run does it): {error}", words[0]));
    output.status.success()
}

#[test]
fn what_real_clients_did_to_a_stock_nginx_is_told_from_its_stock_log() {
    const SIZE: usize = 60_000_001;
    let location = "location /files/ { root www; access_log log/stock.log combined; access_log log/rich.log rich; }";
    let rich = r#"$remote_addr [$time_local] "$request" $status $body_bytes_sent "$sent_http_content_range" $sent_http_content_length "$http_user_agent""#;
    let setup = NginxSetup { http: format!("log_format rich '{rich}';"), server: location.to_owned(), ..NginxSetup::default() };
    let nginx = Nginx::start(&setup);
    fs::create_dir_all(nginx.root().join("files")).unwrap();
    fs::write(nginx.root().join("files/a.zip"), content(SIZE)).unwrap();
    let directory = TempDir::new().unwrap();
    let url = format!("http://127.0.0.1:{}/files/a.zip?token=secret", nginx.port);
    let here = directory.path();
    let (url, slow) = (url.as_str(), "3M");
    assert!(client(&["curl", "-sS", "-A", "whole", "-o", "whole", url], here));
    assert!(client(&["wget", "-q", "-O", "wget", url], here));
    // What breaks off has to lack more than the system's buffers hold.
    assert!(!client(&["curl", "-sS", "-A", "killed", "--limit-rate", slow, "--max-time", "1", "-o", "killed", url], here));
    assert!(!client(&["curl", "-sS", "-A", "resumed", "--limit-rate", slow, "--max-time", "1", "-o", "resumed", url], here));
    assert!(client(&["curl", "-sS", "-A", "resumed", "-C", "-", "-o", "resumed", url], here));
    assert!(client(&["aria2c", "-q", "-x16", "-s16", "-k1M", "-o", "aria", url], here));
    assert!(client(&["curl", "-sS", "-I", "-A", "head", "-o", "head", url], here));
    for name in ["whole", "wget", "resumed", "aria"] {
        assert_eq!(fs::metadata(here.join(name)).unwrap().len(), SIZE as u64, "{name}");
    }
    let target = "/files/a.zip";
    let changed = ask(nginx.port, "HEAD", target, &[("User-Agent", "head")]).header("Last-Modified").unwrap().to_owned();
    for (headers, status) in
        [(("If-Modified-Since", changed.as_str()), 304), (("Range", "bytes=99999999999-"), 416), (("Range", "bytes=0-99"), 206)]
    {
        assert_eq!(ask(nginx.port, "GET", target, &[headers, ("User-Agent", "probe")]).status, status);
    }
    let logs = ["log/stock.log", "log/rich.log"].map(|name| nginx.access_log().parent().unwrap().parent().unwrap().join(name));
    let [stock, rich_log]: [PathBuf; 2] = logs;
    let (stock, rich_log) = (stock.to_str().unwrap(), rich_log.to_str().unwrap());
    // A line is written when its connection has ended.
    let audited = until("the lines of all clients", || {
        let audited = json(&[stock], here, b"");
        (audited["downloads"]["sessions"] == 6 && audited["downloads"]["broken_off"] == 1).then_some(audited)
    });
    let downloads = &audited["downloads"];
    assert_eq!((&downloads["complete"], &downloads["complete_in_one_answer"]), (&4.into(), &2.into()), "{audited:#}");
    assert_eq!((&downloads["only_parts"], &downloads["unknown"]), (&1.into(), &0.into()), "{audited:#}");
    assert_eq!(audited["top_files"][0]["size"], SIZE, "{audited:#}");
    assert_eq!((&audited["top_files"][0]["size_is"], &audited["log"]["bytes_column"]), (&"agreed".into(), &"body".into()));
    let hits = &audited["hits"];
    assert_eq!((&hits["head"], &hits["not_modified_304"], &hits["not_satisfiable_416"]), (&2.into(), &1.into(), &1.into()), "{hits:#}");
    assert!(audited["naive"]["hits_200_and_206"].as_u64().unwrap() >= 8, "{hits:#}");
    assert!(!audited.to_string().contains("secret"));
    // With ranges in the log the same is sure for each byte.
    let told = json(&["--format", rich, rich_log], here, b"");
    assert_eq!(told["log"]["lines_not_understood"], 0, "{told:#}");
    for (name, count) in [("complete", 4), ("complete_in_one_answer", 2), ("broken_off", 1), ("only_parts", 1)] {
        assert_eq!(told["downloads"][name], count, "{name} {told:#}");
    }
    assert_eq!((&told["sessions_with_ranges_told_by_the_log"], &told["top_files"][0]["size_is"]), (&6.into(), &"told_by_the_log".into()));
    nginx.assert_calm();
}

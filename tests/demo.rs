//! `cloakroom demo` does what it prints: each of its lines is run as it stands there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod servers;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use rustix::process::{Pid, Signal, kill_process};
use servers::program::{Copied, Program, Running};
use servers::until;
use tempfile::TempDir;

/// A running demo, with a place of its own for temporary files.
struct Demo {
    child: Running,
    printed: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
    temporary: TempDir,
    customer: TempDir,
}

impl Demo {
    /// Starts it, and waits until it has said what to try.
    #[track_caller]
    fn start(web_server: &str, mut program: Program) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        // Whoever it runs as must be able to write there.
        fs::set_permissions(temporary.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let mut child = program.args(["demo", "--web-server", web_server]).env("TMPDIR", temporary.path()).stdout_piped().spawn();
        let printed = Arc::<Mutex<Vec<String>>>::default();
        let (store, out) = (Arc::clone(&printed), BufReader::new(child.stdout.take().unwrap()));
        let reader = thread::spawn(move || out.lines().map_while(Result::ok).for_each(|line| store.lock().unwrap().push(line)));
        let mut demo = Self { child, printed, reader: Some(reader), temporary, customer: tempfile::tempdir().unwrap() };
        until("the demo to say what to try", || {
            assert_eq!(demo.child.try_wait().unwrap(), None, "it ended: {:#?}", demo.lines());
            demo.lines().iter().any(|line| line.starts_with("Ctrl-C ends it")).then_some(())
        });
        demo
    }

    fn lines(&self) -> Vec<String> {
        self.printed.lock().unwrap().clone()
    }

    /// What is promised under the heading that begins with `number`, and the commands to try.
    #[track_caller]
    fn told(&self, number: char) -> (String, Vec<String>) {
        let lines = self.lines();
        let at = lines.iter().position(|line| line.starts_with(number)).unwrap_or_else(|| panic!("no {number}: {lines:#?}"));
        let below = lines[at + 1..].iter().take_while(|line| line.is_empty() || line.starts_with("   ")).map(|line| line.trim().to_owned());
        let (commands, words): (Vec<_>, Vec<_>) = below.partition(|line| line.starts_with("curl "));
        (format!("{} {}", lines[at], words.join(" ")), commands)
    }

    fn shell(&self, line: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("exec {line}")).current_dir(self.customer.path()).stdin(Stdio::null());
        shell.stdout(Stdio::piped()).stderr(Stdio::piped());
        shell
    }

    /// Runs a printed line to its good end; what it wrote.
    #[track_caller]
    fn run(&self, line: &str) -> String {
        let output = self.shell(line).output().unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Waits for a line of what happens.
    #[track_caller]
    fn happens(&self, words: &[&str]) -> String {
        until(&format!("a line with {words:?} in {:#?}", self.lines()), || {
            let lines = self.lines();
            let start = lines.iter().position(|line| line.starts_with("Ctrl-C ends it"))?;
            lines[start + 1..].iter().find(|line| words.iter().all(|word| line.contains(word))).cloned()
        })
    }

    fn root(&self) -> PathBuf {
        fs::read_dir(self.temporary.path()).unwrap().next().unwrap().unwrap().path()
    }

    /// Ends it with `signal`, and checks that nothing of it is left.
    #[track_caller]
    fn end(mut self, signal: Signal) -> ExitStatus {
        let root = self.root();
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        let status = until("the end of the demo", || self.child.try_wait().unwrap());
        self.reader.take().unwrap().join().unwrap();
        let left: Vec<_> = fs::read_dir(self.temporary.path()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        assert_eq!(processes(&root), Vec::<String>::new());
        assert!(self.lines().iter().any(|line| line.contains("stopped")), "{:#?}", self.lines());
        status
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Only a test that failed comes here with a running demo; its Nginx must go too.
        if let Ok(None) = self.child.try_wait() {
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
            let _ = self.child.wait();
        }
    }
}

/// The command lines of processes that work in `directory`.
fn processes(directory: &Path) -> Vec<String> {
    let all: Vec<String> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(Result::ok)
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .collect();
    assert!(all.iter().any(|line| line.contains("demo")), "this test itself is among them");
    all.into_iter().filter(|line| line.contains(directory.to_str().unwrap())).collect()
}

/// Everything that the demo promises.
#[track_caller]
fn tour(demo: &Demo, behind_nginx: bool) {
    let (heading, lines) = demo.told('1');
    assert!(heading.contains(" 200; ") && lines.len() == 1, "{heading} {lines:?}");
    let file = demo.run(&lines[0]);
    assert!(file.starts_with("HTTP/1.1 200") && file.ends_with("wie Menschen sie vergeben.\n"), "{file}");
    assert!(file.contains("filename*=UTF-8''Gr%C3%BC%C3%9Fe%20%26%20K%C3%BCsse.txt"), "{file}");

    let (heading, lines) = demo.told('2');
    assert!(heading.contains(" 403 bad_proof"), "{heading}");
    let page = demo.run(&lines[0]);
    let lower = page.to_ascii_lowercase();
    assert!(page.starts_with("HTTP/1.1 403") && lower.contains("cloakroom-refusal: bad_proof"), "{page}");
    let mut code = page.split_whitespace().map(|word| word.trim_matches(|sign: char| !sign.is_ascii_alphanumeric()));
    let code =
        code.rfind(|word| word.starts_with("R-") && word.len() == 11).unwrap_or_else(|| panic!("no support code: {page}")).to_owned();
    demo.happens(&["refused", "bad_proof", &code]);

    let (heading, lines) = demo.told('3');
    assert!(heading.contains("303, then 200"), "{heading}");
    let file = demo.customer.path().join("album.zip");
    let mut curl = demo.shell(&lines[0]).spawn().unwrap();
    until("a quarter of the file", || fs::metadata(&file).is_ok_and(|there| there.len() > 8_000_000).then_some(()));
    kill_process(Pid::from_child(&curl), Signal::TERM).unwrap();
    curl.wait().unwrap();
    demo.happens(&["opened", "d-"]);
    let part = demo.happens(&["received", "d-"]);
    let percent: u32 = part.split_whitespace().rev().nth(1).unwrap().parse().unwrap();
    assert!((20..95).contains(&percent), "{part}");
    demo.run(&lines[0]);
    let master = fs::read(demo.root().join("masters/set/album.zip")).unwrap();
    assert!(fs::read(&file).unwrap() == master, "the resumed file is the file");
    demo.happens(&["completed", "100 %"]);
    let completed = demo.lines().iter().filter(|line| line.contains("  completed ")).count();
    assert_eq!(completed, 1, "{:#?}", demo.lines());

    if behind_nginx {
        let (heading, lines) = demo.told('4');
        assert!(heading.contains("401 no_proof, then 200"), "{heading}");
        let refused = demo.run(&lines[0]);
        assert!(refused.starts_with("HTTP/1.1 401") && refused.to_ascii_lowercase().contains("cloakroom-refusal: no_proof"), "{refused}");
        assert!(demo.run(&lines[1]).contains("You are in"));
    }

    let lines = demo.lines();
    let command = |words: &str| lines.iter().find(|line| line.starts_with("   ") && line.contains(words)).unwrap().trim().to_owned();
    let told = demo.run(&command("explain").replace("R-XXXX-XXXX", &code));
    assert!(told.contains("bad_proof"), "{told}");
    let shown = demo.run(&command("delivery show"));
    for words in ["completed", "used 1, reserved 0, of 5", "100 %", "2 requests"] {
        assert!(shown.contains(words), "{words:?} is missing:\n{shown}");
    }
}

#[test]
fn behind_a_private_nginx_every_line_does_what_it_says_and_ctrl_c_cleans_up() {
    let demo = Demo::start("nginx", Program::new());
    tour(&demo, true);
    assert!(processes(&demo.root()).iter().any(|line| line.contains("nginx")), "an Nginx works there");
    assert!(demo.end(Signal::INT).success());
}

#[test]
fn alone_every_line_does_what_it_says_and_ctrl_c_cleans_up() {
    let demo = Demo::start("none", Program::new());
    tour(&demo, false);
    assert!(demo.end(Signal::INT).success());
}

#[test]
fn a_terminal_that_is_closed_or_a_service_that_is_stopped_leaves_nothing_behind() {
    for signal in [Signal::TERM, Signal::HUP] {
        assert!(Demo::start("nginx", Program::new()).end(signal).success(), "{signal:?}");
    }
}

#[test]
fn ctrl_c_before_it_has_said_anything_leaves_nothing_behind_either() {
    let temporary = tempfile::tempdir().unwrap();
    let mut child = Program::new().args(["demo", "--web-server", "nginx"]).env("TMPDIR", temporary.path()).spawn();
    let root = until("its directory", || fs::read_dir(temporary.path()).unwrap().next().map(|entry| entry.unwrap().path()));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert!(until("the end of the demo", || child.try_wait().unwrap()).success());
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
    assert_eq!(processes(&root), Vec::<String>::new());
}

#[test]
fn an_ordinary_user_sees_the_same() {
    // Who runs the tests as an ordinary user has seen it in the tests above already; root becomes one.
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut program = Copied::to(place.path().join("cloakroom")).program_of_nobody();
    program.current_dir(Path::new("/"));
    let demo = Demo::start("nginx", program);
    tour(&demo, true);
    assert!(demo.end(Signal::INT).success());
}

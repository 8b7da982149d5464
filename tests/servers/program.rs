//! The one way in which a test starts the program, as a daemon or as a command: all that it prints is searched for
//! secrets, whatever the test is about.
//!
//! What goes to nobody else is kept in a file without a name and searched when the process has ended; a pipe is searched
//! as far as the test has read it.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use super::secrecy::{self, Kind};

/// The program under test. Nobody else names it: `tests/architecture.rs` holds that.
const PATH: &str = env!("CARGO_BIN_EXE_cloakroom");

/// The program, to be started.
#[must_use]
pub struct Program {
    command: Command,
    arguments: Vec<OsString>,
    stdout: To,
    stderr: To,
}

/// Where something printed goes.
enum To {
    /// Into a file without a name.
    Kept,
    /// Into this file, which the test reads.
    File(File),
    /// To the test, which reads it while it comes.
    Piped,
    /// To whoever cannot tell it: a full disk, a socket that systemd passes.
    Nobody(Stdio),
}

impl Program {
    /// The program without arguments.
    pub fn new() -> Self {
        Self::of(Command::new(PATH))
    }

    /// The program with this configuration.
    pub fn configured(config: &Path) -> Self {
        let mut program = Self::new();
        program.arg("--config").arg(config);
        program
    }

    /// The program, started by another one that is given its path and then its arguments.
    pub fn through(starter: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(starter);
        command.args(arguments).arg(PATH);
        Self::of(command)
    }

    /// The program on a terminal, which `setup` (a line of shell) prepares. What is on the screen is standard output.
    pub fn on_terminal(setup: &str, config: &Path, arguments: &[&str]) -> Self {
        let line = format!("{setup}; {PATH} --config {} {}", config.display(), arguments.join(" "));
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]);
        let mut program = Self::of(command);
        program.arguments = [OsStr::new("--config"), config.as_os_str()].map(OsStr::to_owned).to_vec();
        program.arguments.extend(arguments.iter().map(OsString::from));
        program
    }

    /// A text in which `place` is the program's place, for those who look at it and do not start it.
    pub fn named_in(text: &str, place: &str) -> String {
        text.replace(place, PATH)
    }

    fn of(mut command: Command) -> Self {
        command.stdin(Stdio::null());
        Self { command, arguments: Vec::new(), stdout: To::Kept, stderr: To::Kept }
    }

    pub fn arg(&mut self, argument: impl AsRef<OsStr>) -> &mut Self {
        self.command.arg(&argument);
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    pub fn args<A: AsRef<OsStr>>(&mut self, arguments: impl IntoIterator<Item = A>) -> &mut Self {
        arguments.into_iter().fold(self, |program, argument| program.arg(argument))
    }

    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.command.env(name, value);
        self
    }

    pub fn env_remove(&mut self, name: &str) -> &mut Self {
        self.command.env_remove(name);
        self
    }

    pub fn current_dir(&mut self, directory: &Path) -> &mut Self {
        self.command.current_dir(directory);
        self
    }

    /// Nothing is read, where nothing else is said.
    pub fn stdin(&mut self, from: impl Into<Stdio>) -> &mut Self {
        self.command.stdin(from);
        self
    }

    /// The test reads it while it comes.
    pub fn stdout_piped(&mut self) -> &mut Self {
        self.stdout = To::Piped;
        self
    }

    pub fn stderr_piped(&mut self) -> &mut Self {
        self.stderr = To::Piped;
        self
    }

    /// It goes to somebody who cannot tell it.
    pub fn stdout_to(&mut self, nobody: impl Into<Stdio>) -> &mut Self {
        self.stdout = To::Nobody(nobody.into());
        self
    }

    /// It goes into a new file.
    pub fn stderr_into(&mut self, path: &Path) -> &mut Self {
        let file = File::options().read(true).write(true).create(true).truncate(true).open(path).unwrap();
        self.stderr = To::File(file);
        self
    }

    /// Starts it.
    #[track_caller]
    pub fn spawn(&mut self) -> Running {
        let homes = self.homes();
        secrecy::learn_keys(&homes);
        secrecy::learn_directory_passwords(&homes);
        let (stdout, out) = Said::open(std::mem::replace(&mut self.stdout, To::Kept));
        let (stderr, err) = Said::open(std::mem::replace(&mut self.stderr, To::Kept));
        let program = self.command.get_program().to_owned();
        let child = self.command.stdout(stdout).stderr(stderr).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{} is installed (tests/run does it): {error}", program.display()));
        let stdout = child.stdout.take().map(|pipe| Heard { pipe: Box::new(pipe), said: out.heard() });
        let stderr = child.stderr.take().map(|pipe| Heard { pipe: Box::new(pipe), said: err.heard() });
        Running { child, stdout, stderr, out, err, homes, arguments: self.arguments.clone(), ended: false }
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn output(&mut self) -> Output {
        self.in_pipes().spawn().wait_with_output()
    }

    /// Runs it to its end with this input. What `cloakroom htpasswd` reads is a password.
    #[track_caller]
    pub fn output_of(&mut self, input: &[u8]) -> Output {
        if secrecy::words(&self.arguments).first().is_some_and(|word| word == "htpasswd") {
            String::from_utf8_lossy(input).lines().for_each(secrecy::learn_password);
        }
        let mut running = self.stdin(Stdio::piped()).in_pipes().spawn();
        let mut pipe: ChildStdin = running.stdin.take().unwrap();
        let input = input.to_owned();
        // Whoever does not read standard input closes it.
        let writer = thread::spawn(move || drop(pipe.write_all(&input)));
        let output = running.wait_with_output();
        writer.join().unwrap();
        output
    }

    /// Scripts mostly have it in a pipe.
    fn in_pipes(&mut self) -> &mut Self {
        for to in [&mut self.stdout, &mut self.stderr] {
            if matches!(to, To::Kept) {
                *to = To::Piped;
            }
        }
        self
    }

    /// The directories where its keys may lie.
    fn homes(&self) -> Vec<PathBuf> {
        let configs = self.arguments.windows(2).filter(|two| two[0] == "--config").filter_map(|two| Path::new(&two[1]).parent());
        configs.chain(self.command.get_current_dir()).map(Path::to_owned).collect()
    }
}

/// A copy of the program, for whoever may not reach the program itself.
pub struct Copied(PathBuf);

impl Copied {
    pub fn to(path: PathBuf) -> Self {
        std::fs::copy(PATH, &path).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }

    /// The copy, started by whoever runs the test.
    pub fn program(&self) -> Program {
        Program::of(Command::new(&self.0))
    }

    /// The copy, started by nobody where root runs the test.
    pub fn program_of_nobody(&self) -> Program {
        if !rustix::process::geteuid().is_root() {
            return self.program();
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&self.0);
        Program::of(command)
    }
}

/// What was printed so far.
enum Said {
    Kept(File),
    Heard(Arc<Mutex<Vec<u8>>>),
    Nothing,
}

impl Said {
    fn open(to: To) -> (Stdio, Self) {
        let kept = |file: File| (Stdio::from(file.try_clone().unwrap()), Self::Kept(file));
        match to {
            To::Kept => kept(tempfile::tempfile().unwrap()),
            To::File(file) => kept(file),
            To::Piped => (Stdio::piped(), Self::Heard(Arc::default())),
            To::Nobody(nobody) => (nobody, Self::Nothing),
        }
    }

    fn heard(&self) -> Arc<Mutex<Vec<u8>>> {
        match self {
            Self::Heard(said) => Arc::clone(said),
            Self::Kept(_) | Self::Nothing => Arc::default(),
        }
    }

    /// All of it, once the process has ended.
    fn bytes(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Self::Kept(file) => {
                file.seek(SeekFrom::Start(0)).unwrap();
                file.read_to_end(&mut bytes).unwrap();
            }
            Self::Heard(said) => bytes.clone_from(&said.lock().unwrap()),
            Self::Nothing => {}
        }
        bytes
    }
}

/// A pipe that remembers what was read from it.
pub struct Heard {
    pipe: Box<dyn Read + Send + Sync>,
    said: Arc<Mutex<Vec<u8>>>,
}

impl Read for Heard {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.pipe.read(buffer)?;
        self.said.lock().unwrap().extend_from_slice(&buffer[..length]);
        Ok(length)
    }
}

/// The program at work. Ends with this value at the latest; then what it printed is searched.
pub struct Running {
    child: Child,
    /// Where they were piped.
    pub stdout: Option<Heard>,
    pub stderr: Option<Heard>,
    out: Said,
    err: Said,
    homes: Vec<PathBuf>,
    arguments: Vec<OsString>,
    ended: bool,
}

impl Deref for Running {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.child
    }
}

impl DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.child
    }
}

impl Running {
    /// Waits for its end, and gives all that it printed, searched.
    #[track_caller]
    pub fn wait_with_output(mut self) -> Output {
        drop(self.child.stdin.take());
        let status = thread::scope(|scope| {
            for pipe in [self.stdout.take(), self.stderr.take()].into_iter().flatten() {
                scope.spawn(move || {
                    let mut pipe = pipe;
                    pipe.read_to_end(&mut Vec::new()).unwrap();
                });
            }
            self.child.wait().unwrap()
        });
        self.output(status)
    }

    /// Searches what it printed, as far as it was read.
    #[track_caller]
    pub fn search(mut self, status: ExitStatus) -> Output {
        self.output(status)
    }

    #[track_caller]
    fn output(&mut self, status: ExitStatus) -> Output {
        self.ended = true;
        let output = Output { status, stdout: self.out.bytes(), stderr: self.err.bytes() };
        secrecy::learn_keys(&self.homes);
        secrecy::learn_directory_passwords(&self.homes);
        let may = secrecy::printed_by(&self.arguments);
        secrecy::learn_printed(&output.stdout, may);
        secrecy::assert_none(&format!("standard output of {:?}", self.arguments), &output.stdout, may);
        secrecy::assert_none(&format!("standard error of {:?}", self.arguments), &output.stderr, &[] as &[Kind]);
        output
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let _ = self.child.kill();
        let status = self.child.wait();
        if !thread::panicking() {
            let _ = self.output(status.unwrap());
        }
    }
}

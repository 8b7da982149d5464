//! `cloakroom htpasswd`: names and passwords of a file, as Apache, nginx and Cloakroom read it.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::failure::{Failure, warn};
use super::{Common, say, say_json};
use crate::auth::htpasswd::{Htpasswd, Unreadable};
use crate::auth::replace::replace;
use crate::domain::authorization::PASSWORD_BYTES_MAX;
use crate::proof::htpasswd::edit::{self, Was};
use crate::proof::htpasswd::hash::Hash;
use crate::proof::htpasswd::make::{self, New};
use crate::random;

mod lint;

/// What stands below the options.
pub(super) const AFTER_HELP: &str = "\
FILE is the htpasswd file of a [[rule]] with \"basic\", or of Apache or nginx: the three read the same one. A daemon that \
runs sees a change within a second.

Examples:
  cloakroom htpasswd add /etc/cloakroom/members.htpasswd alice
  cloakroom htpasswd add --generate /etc/cloakroom/members.htpasswd alice
  cloakroom htpasswd lint /etc/cloakroom/members.htpasswd";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a name, or give it another password. The password is asked for, or read from standard input.
    Add(Add),
    /// Remove a name.
    Remove {
        /// The htpasswd file.
        file: PathBuf,
        /// The name.
        name: String,
    },
    /// Tell whether a password is right. It is asked for, or read from standard input; exit code 1 if it is wrong.
    Verify {
        /// The htpasswd file.
        file: PathBuf,
        /// The name.
        name: String,
    },
    /// Tell of each line what it is, who reads it, and what is wrong with it; exit code 1 if a line cannot be used.
    Lint {
        /// The htpasswd file.
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// The htpasswd file; made if it is not there.
    file: PathBuf,
    /// The name.
    name: String,
    /// How the password is kept.
    #[arg(long, value_enum, default_value = "bcrypt")]
    method: Method,
    /// The cost of bcrypt, 4 to 14, and 10 if not said: one more doubles the time of the first login, and of every one in nginx and Apache.
    #[arg(long, value_name = "N")]
    cost: Option<u32>,
    /// Make a password of 128 random bits, and print it once.
    #[arg(long)]
    generate: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Method {
    /// For passwords that people choose.
    Bcrypt,
    /// For passwords of more than 72 bytes.
    #[value(name = "sha512-crypt")]
    Sha512Crypt,
    /// The same, a little cheaper.
    #[value(name = "sha256-crypt")]
    Sha256Crypt,
    /// Cheap for a web server that hashes each request; for generated passwords only.
    Apr1,
}

/// The cost of bcrypt where none is said: 80 ms of a processor, once for each login that Cloakroom remembers.
const BCRYPT_COST: u32 = 10;

pub(super) fn run(common: &Common, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Add(arguments) => add(common, arguments),
        Command::Remove { file, name } => remove(common, file, name),
        Command::Verify { file, name } => verify(common, file, name),
        Command::Lint { file } => lint::run(common, file),
    }
}

fn failed(fault: &Unreadable) -> Failure {
    Failure::failed(fault.to_string())
}

fn add(common: &Common, arguments: &Add) -> Result<(), Failure> {
    let Add { file, name, method, cost, generate } = arguments;
    let name = edit::name(name).map_err(Failure::usage)?;
    let method = match (method, cost) {
        (Method::Bcrypt, cost) => New::Bcrypt(cost.unwrap_or(BCRYPT_COST)),
        (_, Some(_)) => return Err(Failure::usage("--cost is for --method bcrypt only")),
        (Method::Sha512Crypt, None) => New::Sha512Crypt,
        (Method::Sha256Crypt, None) => New::Sha256Crypt,
        (Method::Apr1, None) => New::Apr1,
    };
    let password =
        if *generate { Zeroizing::new(make::password(random::bytes()).as_bytes().to_vec()) } else { password(name, Asked::Twice)? };
    let text = make::hash(method, &password, random::bytes()).map_err(Failure::usage)?;
    let hash = Hash::parse(&text).map_err(Failure::failed)?;
    let (line, was) = replace(file, true, random::bytes(), |bytes| {
        let (new, line, was) = edit::put(bytes, name, &text);
        (Some(new), (line, was))
    })
    .map_err(|fault| failed(&fault))?;
    let done = match was {
        Was::There => "has a new password",
        Was::New => "was added",
    };
    let (method, cost) = (hash.method().word(), hash.cost());
    let shown = generate.then(|| String::from_utf8_lossy(&password).into_owned());
    if common.json {
        let mut said = serde_json::json!({
            "file": file, "line": line, "user": name, "method": method, "cost": cost, "replaced": was == Was::There,
        });
        if let (Some(said), Some(shown)) = (said.as_object_mut(), shown) {
            said.insert("password".to_owned(), shown.into());
        }
        return say_json(&said);
    }
    let cost = if cost.is_empty() { cost } else { format!(", {cost}") };
    say(format!("{}:{line}: `{name}` {done} ({method}{cost})", file.display()))?;
    if let Some(shown) = shown {
        say(format!("the password, which is shown this once: {shown}"))?;
    }
    Ok(())
}

fn remove(common: &Common, file: &Path, name: &str) -> Result<(), Failure> {
    let lines = replace(file, false, random::bytes(), |bytes| {
        let (new, lines) = edit::remove(bytes, name);
        ((lines > 0).then_some(new), lines)
    })
    .map_err(|fault| failed(&fault))?;
    if lines == 0 {
        return Err(Failure::failed(format!("{}: there is no `{name}`", file.display())));
    }
    if common.json {
        return say_json(&serde_json::json!({ "file": file, "user": name, "lines": lines }));
    }
    let of = if lines == 1 { String::new() } else { format!(", with all {lines} lines of that name") };
    say(format!("{}: `{name}` was removed{of}", file.display()))
}

fn verify(common: &Common, file: &Path, name: &str) -> Result<(), Failure> {
    let (htpasswd, warnings) = Htpasswd::load(file).map_err(|fault| failed(&fault))?;
    let shown = file.display();
    let Some(entry) = htpasswd.entry(name) else {
        return Err(Failure::failed(format!("{shown}: there is no `{name}`")));
    };
    let Some(hash) = &entry.hash else {
        let wrong = warnings.iter().find(|warning| warning.line == entry.line).map_or("see `lint`", |warning| &warning.wrong);
        return Err(Failure::failed(format!("{shown}:{}: nobody can log in as `{name}`: {wrong}", entry.line)));
    };
    let password = password(name, Asked::Once)?;
    let (is_right, method) = (hash.holds(&password), hash.method().word());
    if common.json {
        say_json(&serde_json::json!({ "file": file, "line": entry.line, "user": name, "method": method, "right": is_right }))?;
        return if is_right { Ok(()) } else { Err(Failure::failed("the password is wrong")) };
    }
    if is_right {
        return say(format!("{shown}:{}: the password of `{name}` is right ({method})", entry.line));
    }
    let why = if hash.takes(&password) { "is wrong" } else { "is longer than the 72 bytes that bcrypt looks at" };
    Err(Failure::failed(format!("{shown}:{}: the password of `{name}` {why} ({method})", entry.line)))
}

/// How often a password is asked for at a terminal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Once,
    Twice,
}

/// The password: asked for at a terminal without showing it, else all of standard input but its line end.
fn password(name: &str, asked: Asked) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        let mut bytes = Zeroizing::new(Vec::with_capacity(PASSWORD_BYTES_MAX + 2));
        let most = u64::try_from(PASSWORD_BYTES_MAX + 2).unwrap_or(u64::MAX);
        input.lock().take(most).read_to_end(&mut bytes).map_err(|error| Failure::failed(format!("cannot read the password: {error}")))?;
        return fitting(bytes);
    }
    let first = prompt(&format!("password of {name}: "))?;
    if asked == Asked::Twice && prompt("again: ")? != first {
        return Err(Failure::failed("the two are not the same: nothing was changed"));
    }
    fitting(first)
}

fn fitting(mut bytes: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, Failure> {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    if bytes.is_empty() {
        return Err(Failure::usage("there is no password: write it to standard input, or make one with `add --generate`"));
    }
    if bytes.len() > PASSWORD_BYTES_MAX || bytes.contains(&0) || bytes.contains(&b'\n') {
        return Err(Failure::usage(format!("a password must be one line of at most {PASSWORD_BYTES_MAX} bytes without NUL")));
    }
    Ok(bytes)
}

/// Asks at the terminal, which shows nothing of the answer.
fn prompt(question: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::failed(format!("cannot ask for the password: {error}"));
    let input = std::io::stdin();
    let shown = tcgetattr(&input).map_err(|errno| failed(&errno))?;
    let mut hidden = shown.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    hidden.local_modes.insert(LocalModes::ECHONL);
    // To standard error, as what the command says may go elsewhere.
    let mut output = std::io::stderr();
    output.write_all(question.as_bytes()).and_then(|()| output.flush()).map_err(|error| failed(&error))?;
    tcsetattr(&input, OptionalActions::Flush, &hidden).map_err(|errno| failed(&errno))?;
    let mut line = Zeroizing::new(Vec::with_capacity(PASSWORD_BYTES_MAX + 2));
    let read = input.lock().read_until(b'\n', &mut line);
    if let Err(errno) = tcsetattr(&input, OptionalActions::Now, &shown) {
        warn(&format!("cloakroom: the terminal shows nothing of what is typed: {errno}; `stty echo` mends it"));
    }
    read.map_err(|error| failed(&error))?;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok(line)
}

//! How a command fails: what is said, and the exit code.

use std::process::ExitCode;

use super::terminal::steers;
use crate::config::{Errors, Fault};

/// Exit code of a configuration that is wrong: `EX_CONFIG` of sysexits.
const CONFIGURATION: u8 = 78;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(super) enum Failure {
    /// It did not work.
    Failed(String),
    /// The command line asks for something that cannot be.
    Usage(String),
    /// A part of it was done; what was left out.
    Partly(String),
    /// The configuration, or what it names, is wrong: one fault each.
    Configuration(Vec<String>),
    /// The configuration file is wrong: each fault begins with `file:line:`.
    File(Errors),
    /// Whoever read the output went away.
    Quiet,
    /// It did not work, and all that there is to say stands in the output.
    Told,
}

impl From<Errors> for Failure {
    fn from(errors: Errors) -> Self {
        Self::File(errors)
    }
}

impl Failure {
    /// It did not work.
    pub(super) fn failed(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }

    /// The command line asks for something that cannot be.
    pub(super) fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    /// One thing is wrong with the configuration, or with what it names.
    pub(super) fn configuration(text: impl Into<String>) -> Self {
        Self::Configuration(vec![text.into()])
    }

    /// What the configuration names is wrong.
    pub(super) fn named(faults: &[Fault]) -> Self {
        Self::Configuration(faults.iter().map(ToString::to_string).collect())
    }

    /// Says it on standard error.
    pub(super) fn report(self) -> ExitCode {
        let (text, code) = match self {
            Self::Quiet => return ExitCode::SUCCESS,
            Self::Told => return ExitCode::from(1),
            Self::Failed(text) => (prefixed(&text), 1),
            Self::Usage(text) => (prefixed(&text), 2),
            Self::Partly(text) => (prefixed(&text), 3),
            Self::Configuration(faults) => (faults.iter().map(|fault| prefixed(fault)).collect::<Vec<_>>().join("\n"), CONFIGURATION),
            Self::File(errors) => (file(&errors), CONFIGURATION),
        };
        warn(&text);
        ExitCode::from(code)
    }
}

fn prefixed(text: &str) -> String {
    format!("cloakroom: {text}")
}

/// The faults as a compiler shows them, with `file:line:` in front so that editors find the place, and their number.
fn file(errors: &Errors) -> String {
    let faults = errors.faults();
    let name = faults.first().map_or("", |fault| fault.file.as_str());
    let count = faults.len();
    let summary = match faults.first().and_then(|fault| fault.line) {
        None => {
            return format!("cloakroom: {errors}; name another with --config; `cloakroom check --print-default` prints one to begin with");
        }
        Some(_) if count == 1 => format!("1 fault in {name}"),
        Some(_) => format!("{count} faults in {name}"),
    };
    format!("{errors}\n{}", prefixed(&summary))
}

/// Says something on standard error that does not end the command. Nothing in it steers the terminal.
pub(super) fn warn(text: &str) {
    use std::io::Write;
    let shown: String = text.chars().map(|sign| if sign != '\n' && steers(sign) { char::REPLACEMENT_CHARACTER } else { sign }).collect();
    // Where nobody hears it, nothing is left to be done.
    let _ = writeln!(std::io::stderr().lock(), "{shown}");
}

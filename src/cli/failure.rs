//! How a command fails: what is said, and the exit code.

use std::process::ExitCode;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(super) enum Failure {
    /// It did not work.
    Failed(String),
    /// The command line asks for something that cannot be.
    Usage(String),
    /// The configuration is wrong.
    Configuration(String),
    /// Whoever read the output went away.
    Quiet,
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

    /// The configuration is wrong.
    pub(super) fn configuration(text: impl Into<String>) -> Self {
        Self::Configuration(text.into())
    }

    /// Says it on standard error.
    pub(super) fn report(self) -> ExitCode {
        let (text, code) = match self {
            Self::Quiet => return ExitCode::SUCCESS,
            Self::Failed(text) => (text, 1),
            Self::Usage(text) => (text, 2),
            Self::Configuration(text) => (text, 78),
        };
        eprintln!("cloakroom: {text}");
        ExitCode::from(code)
    }
}

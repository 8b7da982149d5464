//! What a check found: fine, doubtful, wrong, or not asked.

use serde::Serialize;

/// How a check ended, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    /// As it should be.
    Ok,
    /// It could not be looked at, and the finding says why.
    NotAsked,
    /// It works, and is not as it should be.
    Warning,
    /// Downloads fail, count wrong, or are open to others.
    Fault,
}

/// What mends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Mend {
    /// This line, added inside what begins at the place.
    Add {
        /// The line.
        line: String,
        /// `file:line`, with what stands there; or a file.
        into: String,
    },
    /// This line in place of the one that is there.
    Replace {
        /// The line.
        line: String,
        /// `file:line`.
        at: String,
    },
    /// This line, which is there, in another place.
    Move {
        /// The line.
        line: String,
        /// `file:line` of what it has to stand before.
        before: String,
    },
    /// Nothing in place of the line that is there.
    Remove {
        /// `file:line`.
        at: String,
    },
    /// A command.
    Run {
        /// The command, as a shell takes it.
        command: String,
    },
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// The check's name, in lower case with `-`.
    pub(super) check: &'static str,
    /// How it ended.
    pub(super) verdict: Verdict,
    /// One sentence: what holds, or what comes of the fault.
    pub(super) says: String,
    /// What was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) found: Option<String>,
    /// What would be right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) right: Option<String>,
    /// What makes it so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mend: Option<Mend>,
}

impl Finding {
    fn new(check: &'static str, verdict: Verdict, says: impl Into<String>) -> Self {
        Self { check, verdict, says: says.into(), found: None, right: None, mend: None }
    }

    /// It is as it should be.
    pub(super) fn ok(check: &'static str, says: impl Into<String>) -> Self {
        Self::new(check, Verdict::Ok, says)
    }

    /// It was not looked at, for this reason.
    pub(super) fn not_asked(check: &'static str, says: impl Into<String>) -> Self {
        Self::new(check, Verdict::NotAsked, says)
    }

    /// It works, and is not as it should be.
    pub(super) fn warning(check: &'static str, says: impl Into<String>) -> Self {
        Self::new(check, Verdict::Warning, says)
    }

    /// It is wrong.
    pub(super) fn fault(check: &'static str, says: impl Into<String>) -> Self {
        Self::new(check, Verdict::Fault, says)
    }

    /// With what was found.
    pub(super) fn found(self, found: impl Into<String>) -> Self {
        Self { found: Some(found.into()), ..self }
    }

    /// With what would be right.
    pub(super) fn right(self, right: impl Into<String>) -> Self {
        Self { right: Some(right.into()), ..self }
    }

    /// Mended by a line inside what begins at `into`.
    pub(super) fn add(self, line: impl Into<String>, into: impl Into<String>) -> Self {
        Self { mend: Some(Mend::Add { line: line.into(), into: into.into() }), ..self }
    }

    /// Mended by another line.
    pub(super) fn replace(self, line: impl Into<String>, at: impl Into<String>) -> Self {
        Self { mend: Some(Mend::Replace { line: line.into(), at: at.into() }), ..self }
    }

    /// Mended by moving a line before what stands at `before`.
    pub(super) fn moved(self, line: impl Into<String>, before: impl Into<String>) -> Self {
        Self { mend: Some(Mend::Move { line: line.into(), before: before.into() }), ..self }
    }

    /// Mended by taking a line away.
    pub(super) fn remove(self, at: impl Into<String>) -> Self {
        Self { mend: Some(Mend::Remove { at: at.into() }), ..self }
    }

    /// Mended by a command.
    pub(super) fn run(self, command: impl Into<String>) -> Self {
        Self { mend: Some(Mend::Run { command: command.into() }), ..self }
    }
}

/// What was found, or that all is well where that is nothing.
pub(super) fn or_ok(check: &'static str, says: impl Into<String>, found: Vec<Finding>) -> Vec<Finding> {
    if found.is_empty() { vec![Finding::ok(check, says)] } else { found }
}

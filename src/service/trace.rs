//! The steps of a decision, for `cloakroom explain`: written by the same code that decides.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::secrecy::without_jwts;
use crate::domain::refusal::Refusal;
use crate::store::Down;

/// One step of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// Whether the decision could go on after it.
    pub held: bool,
    /// What was looked at and what was found; never a token or a key.
    pub text: String,
}

/// Collects steps: all of them, or the one at which a decision ended. A step costs words only where it is kept.
#[derive(Debug)]
pub enum Trace {
    /// Keeps the last step that failed: where a question of a web server ended, for the log.
    End(Option<String>),
    /// Collects every step.
    On(Vec<Step>),
}

impl Trace {
    /// Keeps the last step that failed.
    pub const fn end() -> Self {
        Self::End(None)
    }

    /// Collects every step.
    pub const fn on() -> Self {
        Self::On(Vec::new())
    }

    /// Whether it collects all: what is read only to be told need not be read otherwise.
    pub const fn is_on(&self) -> bool {
        matches!(self, Self::On(_))
    }

    /// A step that held.
    pub fn held(&mut self, text: impl FnOnce() -> String) {
        self.step(true, text);
    }

    /// The step at which it ended.
    pub fn failed(&mut self, text: impl FnOnce() -> String) {
        self.step(false, text);
    }

    /// The step at which the store did not decide, and what it is refused as.
    pub(super) fn down(&mut self, down: Down) -> Refusal {
        self.failed(|| format!("the store does not decide: {down}"));
        match down {
            Down::Unreachable => Refusal::StoreDown,
            Down::Full => Refusal::Overloaded,
        }
    }

    /// A step, told by whoever took it.
    pub fn step(&mut self, held: bool, text: impl FnOnce() -> String) {
        match self {
            Self::On(steps) => steps.push(Step { held, text: without_jwts(text()) }),
            Self::End(end) if !held => *end = Some(without_jwts(text())),
            Self::End(_) => {}
        }
    }

    /// What was collected.
    pub fn into_steps(self) -> Vec<Step> {
        match self {
            Self::On(steps) => steps,
            Self::End(_) => Vec::new(),
        }
    }

    /// The step at which it ended, if one failed.
    pub fn into_end(self) -> Option<String> {
        match self {
            Self::End(end) => end,
            Self::On(steps) => steps.into_iter().rev().find(|step| !step.held).map(|step| step.text),
        }
    }
}

//! The steps of a decision, for `cloakroom explain`: written by the same code that decides.

use serde::{Deserialize, Serialize};

/// One step of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Whether the decision could go on after it.
    pub held: bool,
    /// What was looked at and what was found; never a token or a key.
    pub text: String,
}

/// Collects steps, or nothing at all: questions of web servers are decided without a trace.
#[derive(Debug, Default)]
pub struct Trace(Option<Vec<Step>>);

impl Trace {
    /// Collects nothing.
    pub const fn off() -> Self {
        Self(None)
    }

    /// Collects every step.
    pub const fn on() -> Self {
        Self(Some(Vec::new()))
    }

    /// Whether it collects: what is read only to be told need not be read otherwise.
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// A step that held.
    pub fn held(&mut self, text: impl FnOnce() -> String) {
        self.step(true, text);
    }

    /// The step at which it ended.
    pub fn failed(&mut self, text: impl FnOnce() -> String) {
        self.step(false, text);
    }

    /// A step, told by whoever took it.
    pub fn step(&mut self, held: bool, text: impl FnOnce() -> String) {
        if let Some(steps) = &mut self.0 {
            steps.push(Step { held, text: text() });
        }
    }

    /// What was collected.
    pub fn into_steps(self) -> Vec<Step> {
        self.0.unwrap_or_default()
    }
}

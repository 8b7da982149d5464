//! How the store is: for the log, which is told once, and for those who ask.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::fault::Fault;

/// What is wrong, shared by the threads that write and read.
#[derive(Debug, Default)]
pub(super) struct Condition(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Nothing of the file can be trusted until a person has looked.
    damage: Option<String>,
    /// Why the last write failed.
    unwritten: Option<String>,
    /// Why the last read failed.
    unread: Option<String>,
}

impl Condition {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_damaged(&self) -> bool {
        self.known().damage.is_some()
    }

    /// Whether the last write failed.
    pub(super) fn is_failing(&self) -> bool {
        self.known().unwritten.is_some()
    }

    /// Something was written, and is durable.
    pub(super) fn wrote(&self) {
        if self.known().unwritten.take().is_some() {
            tracing::warn!(event = "store_back", "the store decides again");
        }
    }

    pub(super) fn not_written(&self, fault: &Fault) {
        if fault.is_damage() {
            self.damaged(fault);
        } else if self.known().unwritten.replace(fault.to_string()).is_none() {
            tracing::error!(event = "store_fails", %fault, "the store cannot write: counted downloads are refused until it can");
        }
    }

    /// Something was read.
    pub(super) fn read(&self) {
        if self.known().unread.take().is_some() {
            tracing::warn!(event = "store_read", "the store can be read again");
        }
    }

    pub(super) fn not_read(&self, fault: &Fault) {
        if fault.is_damage() {
            self.damaged(fault);
        } else if self.known().unread.replace(fault.to_string()).is_none() {
            tracing::error!(event = "store_unread", %fault, "the store cannot be read");
        }
    }

    fn damaged(&self, fault: &Fault) {
        let mut known = self.known();
        if known.damage.is_none() {
            known.damage = Some(fault.to_string());
            tracing::error!(event = "store_damaged", %fault, "the store's file is damaged: counted downloads are refused until it is mended; see `cloakroom store verify`");
        }
    }

    /// What is wrong, in words for an operator; the gravest.
    pub(super) fn trouble(&self) -> Option<String> {
        let known = self.known();
        let damage = known.damage.as_ref().map(|fault| format!("its file is damaged: {fault}; see `cloakroom store verify`"));
        let unwritten = || known.unwritten.as_ref().map(|fault| format!("it cannot write: {fault}"));
        let unread = || known.unread.as_ref().map(|fault| format!("it cannot read: {fault}"));
        damage.or_else(unwritten).or_else(unread)
    }
}

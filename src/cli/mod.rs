//! The commands.

pub mod terminal;

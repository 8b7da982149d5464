//! The use cases, each readable as its list of steps.

pub mod metrics;

//! Zen Cart: the tables of its downloads, and what they mean.

pub mod plan;
pub mod tables;

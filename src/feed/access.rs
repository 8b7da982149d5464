//! Access logs as web servers write them without being told: what the audit of a site reads.
//!
//! [`mod@line`] reads one line of the usual formats, [`mod@format`] one of a `log_format` of the site's own, [`scan`] a chunk of
//! many lines, at the speed of memory where they are no downloads. [`history`] is the files: rotated, gzipped, in order.

pub mod format;
pub mod history;
pub mod line;
pub mod scan;
mod time;

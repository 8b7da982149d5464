//! `cloakroom audit`: what an access log says about downloads, before anything is installed.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;

use super::failure::{Failure, warn};
use super::{Common, say, say_json, signs, terminal};
use crate::clock;
use crate::domain::audit::{Rules, Selection};
use crate::domain::moment::{Moment, Span};
use crate::feed::access::format::Format;
use crate::feed::access::history::{History, Source};
use crate::feed::access::scan::Layout;
use crate::service::audit::{Plan, Progress, audit};

mod json;
mod report;

/// What stands below the options.
pub(super) const AFTER_HELP: &str = "\
Nothing has to be installed or configured. A true download is one client (address and agent) that was sent the whole file, \
however many requests it took. `--explain` tells what each log format can prove.

Examples:
  cloakroom audit /var/log/nginx/access.log*
  cloakroom audit --under /files/ --top 30 access.log
  cloakroom audit --ext zip,pdf --json access.log.*.gz
  zstdcat access.log.2.zst | cloakroom audit -
  cloakroom audit --format '$remote_addr [$time_local] \"$request\" $status $body_bytes_sent \"$sent_http_content_range\"' x.log";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Access logs, plain or gzipped, in any order; `-` is standard input.
    #[arg(value_name = "LOG", required_unless_present = "explain")]
    logs: Vec<PathBuf>,

    /// Only files under this path of the site; may be given several times. Without --ext all of them are downloads.
    #[arg(long, value_name = "PATH")]
    under: Vec<String>,

    /// Only files whose names end so: zip,pdf. Otherwise archives, programs, disk images, books, sound and film.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    ext: Vec<String>,

    /// The `log_format` of Nginx that wrote the log, if it is not one of the usual ones.
    #[arg(long, value_name = "LOG_FORMAT", value_parser = Format::from_str)]
    format: Option<Format>,

    /// A request so long after the one before begins a new download.
    #[arg(long, value_name = "TIME", value_parser = Span::from_str, default_value = "24h")]
    grace: Span,

    /// An address counts as shared if more networks (/24, /56) than this fetched it whole.
    #[arg(long, value_name = "NUMBER", default_value_t = 3)]
    networks: u64,

    /// How many files, clients and shared addresses are shown.
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    top: u16,

    /// Show what stands behind the `?` of shared addresses: it may be a token that opens something.
    #[arg(long)]
    queries: bool,

    /// Tell what each log format can prove.
    #[arg(long)]
    explain: bool,
}

pub(super) fn run(common: &Common, arguments: Arguments) -> Result<(), Failure> {
    if arguments.explain && arguments.logs.is_empty() {
        return say(report::EXPLANATION.trim_end());
    }
    let selection = Selection::of(&arguments.ext, &arguments.under).map_err(|fault| Failure::usage(format!("--ext: {fault}")))?;
    let layout = arguments.format.map_or(Layout::Usual, Layout::Custom);
    let rules = Rules { grace: arguments.grace, networks: arguments.networks, top: usize::from(arguments.top), queries: arguments.queries };
    let sources: Vec<Source> = arguments.logs.into_iter().map(source).collect();
    if sources.iter().filter(|source| **source == Source::Stdin).count() > 1 {
        return Err(Failure::usage("standard input (`-`) can be read once only"));
    }
    let history = History::open(&sources, &layout).map_err(|fault| Failure::failed(fault.to_string()))?;
    let mut shown = Shown::begin();
    let outcome = audit(history, &Plan { layout, selection, rules: rules.clone() }, &mut |progress| shown.update(progress));
    shown.end();
    for notice in &outcome.notices {
        warn(&format!("cloakroom: {notice}"));
    }
    if common.json {
        return say_json(&json::view(&outcome));
    }
    say(report::text(&outcome, &rules, signs()).trim_end())?;
    if arguments.explain { say(format!("\n{}", report::EXPLANATION.trim_end())) } else { Ok(()) }
}

fn source(path: PathBuf) -> Source {
    if path == Path::new("-") { Source::Stdin } else { Source::Path(path) }
}

/// The line on standard error that says how far it is; nothing where no terminal is.
struct Shown {
    is_terminal: bool,
    began: Moment,
    last: Moment,
    drawn: bool,
}

/// So often the line is drawn anew.
const DRAW: Span = Span::from_millis(200);

impl Shown {
    fn begin() -> Self {
        let now = clock::now();
        Self { is_terminal: std::io::stderr().is_terminal(), began: now, last: now, drawn: false }
    }

    fn update(&mut self, progress: Progress) {
        if !self.is_terminal {
            return;
        }
        let now = clock::now();
        if now.since(self.last) < DRAW {
            return;
        }
        self.last = now;
        self.drawn = true;
        // What cannot be drawn is not missed.
        let _ = write!(std::io::stderr().lock(), "\r\u{1b}[K{}", drawn(progress, now.since(self.began)));
    }

    fn end(&self) {
        if self.drawn {
            let _ = write!(std::io::stderr().lock(), "\r\u{1b}[K");
        }
    }
}

/// `512.0 MB of 1.0 GB  51 %  2,400,000 lines  1.7 GB/s  1 s left`
fn drawn(progress: Progress, spent: Span) -> String {
    let Progress { bytes, of, lines } = progress;
    let per_second = u64::try_from(u128::from(bytes) * 1000 / u128::from(spent.millis().max(1))).unwrap_or(u64::MAX);
    let speed = format!("{} lines  {}/s", terminal::grouped(lines), terminal::bytes(per_second));
    match of {
        Some(of) => {
            let left = Span::from_seconds(of.saturating_sub(bytes) / per_second.max(1));
            let (read, all, share) = (terminal::bytes(bytes), terminal::bytes(of), terminal::percent(bytes, of));
            format!("{read} of {all}  {share}  {speed}  {} left", terminal::span(left))
        }
        None => format!("{}  {speed}", terminal::bytes(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_far_it_is() {
        let progress = Progress { bytes: 512_000_000, of: Some(1_024_000_000), lines: 2_400_000 };
        assert_eq!(drawn(progress, Span::from_millis(500)), "512.0 MB of 1.0 GB  50 %  2,400,000 lines  1.0 GB/s  0 s left");
        assert_eq!(drawn(progress, Span::from_seconds(256)), "512.0 MB of 1.0 GB  50 %  2,400,000 lines  2.0 MB/s  4 min 16 s left");
        assert_eq!(drawn(Progress { of: None, ..progress }, Span::ZERO), "512.0 MB  2,400,000 lines  512.0 GB/s");
    }
}

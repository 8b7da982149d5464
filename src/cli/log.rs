//! The log: one line an event on standard error, as text or as JSON.
//!
//! ```text
//! 2027-01-31T12:00:00.123456Z INFO 203.0.113.9 refused bad_proof question=download subject=/dl/f/masters/a.zip request=… support=R-7F3K-22AB detail="…"
//! 2027-01-31T12:00:01.000000Z WARN - the access log is not there yet log=/var/log/nginx/cloakroom.log
//! ```
//!
//! Behind time and level stand the client (`-` where nobody asked), what happened and, for a refusal, its code; then the
//! message, if there is one, and the other fields as `name=value`. Values with spaces, quotes or signs that would steer a
//! terminal are quoted, so that nobody outside can write a line of his own. JSON carries the same fields by their names.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::failure::Failure;
use super::terminal::visible;

/// What is logged: a level, or `target=level,…`.
const FILTER: &str = "CLOAKROOM_LOG";

/// Begins to log.
pub(super) fn start(json: bool) -> Result<(), Failure> {
    let filter = match std::env::var(FILTER) {
        Ok(words) if !words.trim().is_empty() => read_filter(&words)?,
        _ => EnvFilter::new("info"),
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(std::io::stderr);
    let started = if json {
        lines.json().flatten_event(true).with_target(false).with_current_span(false).with_span_list(false).try_init()
    } else {
        lines.event_format(Lines).try_init()
    };
    started.map_err(|error| Failure::failed(format!("cannot log: {error}")))
}

/// A lone word that is no level would be taken for the name of a target, and a typing error would silence the log.
fn read_filter(words: &str) -> Result<EnvFilter, Failure> {
    let wrong = |error: &dyn fmt::Display| {
        Failure::configuration(format!("{FILTER}=\"{words}\" must be error, warn, info, debug, trace or off, or target=level: {error}"))
    };
    for part in words.split(',').map(str::trim).filter(|part| !part.is_empty() && !part.contains(['=', '['])) {
        part.parse::<LevelFilter>().map_err(|_| wrong(&format!("`{part}` is no level")))?;
    }
    EnvFilter::builder().parse(words).map_err(|error| wrong(&error))
}

/// Writes an event as a line of text.
struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = Line::default();
        event.record(&mut line);
        SystemTime.format_time(&mut writer)?;
        writeln!(writer, " {} {line}", event.metadata().level())
    }
}

/// The fields of one event, in the order of a line.
#[derive(Debug, Default)]
struct Line {
    client: Option<String>,
    event: Option<String>,
    refusal: Option<String>,
    message: Option<String>,
    rest: String,
}

impl Line {
    fn put(&mut self, name: &str, value: String) {
        match name {
            "client" => self.client = Some(value),
            "event" => self.event = Some(value),
            "refusal" => self.refusal = Some(value),
            "message" => self.message = Some(value),
            _ => {
                // Writing into a string cannot fail.
                let _ = write!(self.rest, " {name}={}", Value(&value));
            }
        }
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field.name(), format!("{value:?}"));
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Value(self.client.as_deref().unwrap_or("-")))?;
        for word in [&self.event, &self.refusal].into_iter().flatten() {
            write!(f, " {}", Value(word))?;
        }
        if let Some(message) = &self.message {
            write!(f, " {}", visible(message))?;
        }
        f.write_str(&self.rest)
    }
}

/// A value as it stands in a line: plain, or quoted where it would not be one word.
struct Value<'a>(&'a str);

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |sign: char| {
            !sign.is_whitespace() && !matches!(sign, '"' | '=' | '\\') && visible(sign.encode_utf8(&mut [0; 4])).starts_with(sign)
        };
        if !self.0.is_empty() && self.0.chars().all(plain) { f.write_str(self.0) } else { write!(f, "{:?}", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_comes_first_then_what_happened_then_the_rest() {
        let mut line = Line::default();
        for (name, value) in [("detail", "it expired"), ("event", "refused"), ("request", "a1"), ("client", "::1"), ("refusal", "expired")]
        {
            line.put(name, value.to_owned());
        }
        assert_eq!(line.to_string(), "::1 refused expired detail=\"it expired\" request=a1");
        let mut line = Line::default();
        line.put("log", "/var/log/a b".to_owned());
        line.put("message", "it is gone\u{1b}[2J\n".to_owned());
        assert_eq!(line.to_string(), "- it is gone\u{fffd}[2J\u{fffd} log=\"/var/log/a b\"");
    }

    #[test]
    fn a_value_is_one_word_of_one_line() {
        for (value, shown) in [
            ("a.zip", "a.zip"),
            ("unix:/run/a.sock", "unix:/run/a.sock"),
            ("Müller.zip", "Müller.zip"),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("a=b", "\"a=b\""),
            ("a\"b", "\"a\\\"b\""),
            ("a\\b", "\"a\\\\b\""),
            ("a\n2027 INFO 192.0.2.1 refused", "\"a\\n2027 INFO 192.0.2.1 refused\""),
            ("\u{1b}[2J", "\"\\u{1b}[2J\""),
            ("\u{202e}x", "\"\\u{202e}x\""),
            ("a\u{a0}b", "\"a\\u{a0}b\""),
        ] {
            assert_eq!(Value(value).to_string(), shown, "{value:?}");
        }
    }
}

//! Amounts and times as people say them, in their language.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use minijinja::context;
use minijinja::value::Value;

use super::words::Words;
use crate::domain::moment::{Moment, Span};

/// The largest unit that fits, the rest cut off.
const UNITS: [(u64, &str); 3] = [(86_400, "day"), (3600, "hour"), (60, "minute")];

/// `12 minutes ago`.
pub(super) fn ago(words: &Words, span: Span) -> String {
    largest(words, "ago", span)
}

/// `in 12 minutes`.
pub(super) fn from_now(words: &Words, span: Span) -> String {
    largest(words, "in", span)
}

fn largest(words: &Words, table: &str, span: Span) -> String {
    let count = |(seconds, name): (u64, &'static str)| (span.seconds() / seconds, name);
    match UNITS.into_iter().map(count).find(|(count, _)| *count > 0) {
        None => words.text(&format!("{table}.moment")).to_owned(),
        Some((count, name)) => words.count(&format!("{table}.{name}"), count),
    }
}

/// `48.1 MB`: units of a thousand, as shops and systems say them; three digits at least from kilobytes on.
pub(super) fn size(words: &Words, bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return words.count("file.bytes", bytes);
    }
    // In tenths, rounded half up: what rounds to a thousand is one of the next unit.
    let (mut tenths, mut unit) = (0, "");
    let mut divisor = 100_u128;
    for name in UNITS {
        (tenths, unit) = ((u128::from(bytes) + divisor / 2) / divisor, name);
        if tenths < 10_000 {
            break;
        }
        divisor *= 1000;
    }
    let whole = tenths / 10;
    if whole >= 100 {
        format!("{whole}\u{a0}{unit}")
    } else {
        format!("{whole}{}{}\u{a0}{unit}", words.text("common.decimal"), tenths % 10)
    }
}

/// `40 %`: how much of `size` bytes `covered` is, never the whole before it is all.
pub(super) fn share(covered: u64, size: u64) -> Option<String> {
    let hundredths = (u128::from(covered) * 100).checked_div(u128::from(size)).unwrap_or(0);
    (hundredths > 0).then(|| format!("{hundredths}\u{a0}%"))
}

/// What of a file a media type says to people.
pub(super) fn kind<'a>(words: &'a Words, media_type: &str) -> &'a str {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let (top, sub) = essence.split_once('/').unwrap_or((essence, ""));
    let has = |parts: &[&str]| parts.iter().any(|part| sub.contains(part));
    let kind = match top {
        "audio" => "audio",
        "video" => "video",
        "image" => "image",
        "font" => "font",
        "model" => "model",
        _ if has(&["epub", "mobipocket"]) => "book",
        _ if has(&["zip", "x-tar", "x-7z", "rar", "x-xz", "x-bzip", "zstd"]) => "archive",
        _ if has(&["pdf", "officedocument", "opendocument", "msword", "postscript"]) => "document",
        _ if has(&["msdownload", "x-msdos", "android.package", "apple-diskimage", "debian.binary", "x-rpm", "x-msi"]) => "program",
        "text" => "text",
        _ => "other",
    };
    words.text(&format!("kinds.{kind}"))
}

/// A moment as templates know it: `iso` for `<time datetime>`, `date` with the zone, `day` without the time, and `when`,
/// how long ago or until then.
pub(super) fn moment(words: &Words, moment: Moment, now: Moment) -> Value {
    let when = if moment > now { from_now(words, moment.since(now)) } else { ago(words, now.since(moment)) };
    let (date, day) = dates(words, moment).unwrap_or_else(|| (moment.to_string(), moment.to_string()));
    context! { iso => moment.to_string(), date => date, day => day, when => when }
}

/// A moment by the clocks of a zone; `None` for what no calendar has.
pub(super) fn at(zone: &TimeZone, moment: Moment) -> Option<Zoned> {
    let stamp = Timestamp::from_second(i64::try_from(moment.seconds()).ok()?).ok()?;
    Some(stamp.to_zoned(zone.clone()))
}

/// `22 November 2026, 14:05 UTC`, and the same without the time; `None` for what no calendar has.
fn dates(words: &Words, moment: Moment) -> Option<(String, String)> {
    let at = at(&words.zone, moment)?;
    let zone = at.strftime("%Z").to_string();
    let (day, year, time) = (at.day().to_string(), at.year().to_string(), format!("{:02}:{:02}", at.hour(), at.minute()));
    let month = words.text(&format!("months.{}", at.month()));
    let with = [("day", day.as_str()), ("month", month), ("year", &year), ("time", &time), ("zone", &zone)];
    Some((words.fill("common.date", &with), words.fill("common.day", &with)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::language::Language;

    fn both() -> [Words; 2] {
        [Language::English, Language::German].map(|language| Words::built_in(language).unwrap())
    }

    #[test]
    fn a_length_of_time_is_told_in_its_largest_unit() {
        let [english, german] = both();
        for (seconds, before, after, german_before) in [
            (0, "less than a minute ago", "in less than a minute", "vor weniger als einer Minute"),
            (59, "less than a minute ago", "in less than a minute", "vor weniger als einer Minute"),
            (60, "1 minute ago", "in 1 minute", "vor 1 Minute"),
            (3599, "59 minutes ago", "in 59 minutes", "vor 59 Minuten"),
            (3600, "1 hour ago", "in 1 hour", "vor 1 Stunde"),
            (7200, "2 hours ago", "in 2 hours", "vor 2 Stunden"),
            (86_400, "1 day ago", "in 1 day", "vor 1 Tag"),
            (7 * 86_400, "7 days ago", "in 7 days", "vor 7 Tagen"),
        ] {
            let span = Span::from_seconds(seconds);
            assert_eq!((ago(&english, span), from_now(&english, span)), (before.to_owned(), after.to_owned()));
            assert_eq!(ago(&german, span), german_before);
        }
    }

    #[test]
    fn a_size_is_told_in_units_of_a_thousand() {
        let [english, german] = both();
        for (bytes, text) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (999, "999 bytes"),
            (1000, "1.0\u{a0}kB"),
            (99_949, "99.9\u{a0}kB"),
            (99_950, "100\u{a0}kB"),
            (999_949, "999\u{a0}kB"),
            (999_950, "1.0\u{a0}MB"),
            (48_123_456, "48.1\u{a0}MB"),
            (4_700_000_000, "4.7\u{a0}GB"),
            (u64::MAX, "18446\u{a0}PB"),
        ] {
            assert_eq!(size(&english, bytes), text);
        }
        assert_eq!(size(&german, 48_123_456), "48,1\u{a0}MB");
    }

    #[test]
    fn a_date_names_its_zone_in_every_language() {
        let [english, german] = both();
        let moment = Moment::from_seconds(1_795_010_700);
        assert_eq!(dates(&english, moment).unwrap().0, "18 November 2026, 14:05 UTC");
        assert_eq!(dates(&german, moment).unwrap(), ("18. November 2026, 14:05 Uhr UTC".to_owned(), "18. November 2026".to_owned()));
        let mut german = german;
        german.zone = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(dates(&german, moment).unwrap().0, "18. November 2026, 15:05 Uhr CET");
        assert_eq!(dates(&english, Moment::from_millis(u64::MAX)), None);
    }

    #[test]
    fn a_kind_is_told_in_a_word() {
        let [english, _] = both();
        for (media_type, text) in [
            ("application/zip", "Archive"),
            ("application/pdf", "Document"),
            ("application/epub+zip", "E-book"),
            ("audio/mpeg", "Audio"),
            ("text/plain; charset=utf-8", "Text"),
            ("application/octet-stream", "File"),
            ("", "File"),
        ] {
            assert_eq!(kind(&english, media_type), text, "{media_type}");
        }
    }

    #[test]
    fn a_share_is_never_more_than_was_sent() {
        for (covered, of, said) in
            [(0, 1000, None), (9, 1000, None), (10, 1000, Some("1\u{a0}%")), (999, 1000, Some("99\u{a0}%")), (0, 0, None)]
        {
            assert_eq!(share(covered, of).as_deref(), said);
        }
    }
}

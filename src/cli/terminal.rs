//! Text for a terminal: bars, amounts, times and tables. Pure: nothing here asks the terminal anything.

mod table;

pub use self::table::{Column, table, table_within};
use crate::domain::moment::{Moment, Span};

/// Which signs the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signs {
    /// All of Unicode.
    Unicode,
    /// ASCII only.
    Ascii,
}

impl Signs {
    /// What a terminal shows under these values of `LC_ALL`, `LC_CTYPE` and `LANG`; the first that says something counts.
    pub fn of_locale(all: Option<&str>, ctype: Option<&str>, lang: Option<&str>) -> Self {
        let said = [all, ctype, lang].into_iter().flatten().find(|value| !value.is_empty()).unwrap_or_default().to_ascii_lowercase();
        if said.contains("utf-8") || said.contains("utf8") { Self::Unicode } else { Self::Ascii }
    }
}

/// No terminal's line is wider.
const BAR_WIDTH_MAX: usize = 400;

/// Which bytes of a file of `size` bytes are there, as `width` cells. `ranges` go from a first byte up to, not
/// including, an end, in any order.
///
/// A cell is full only if every byte of it is there, and empty only if none is. In between, a cell whose bytes
/// are there from its left edge on is filled from the left, any other is shaded by its share.
pub fn coverage_bar(ranges: &[(u64, u64)], size: u64, width: usize, signs: Signs) -> String {
    let width = width.min(BAR_WIDTH_MAX);
    // Cells rarely begin at a whole byte, so everything is measured in parts of a byte, `width` of them.
    let parts = u128::try_from(width).unwrap_or_default();
    let merged = merge(ranges, size);
    let mut rest = merged.as_slice();
    (0..parts)
        .map(|cell| {
            let (start, end) = (cell * u128::from(size), (cell + 1) * u128::from(size));
            while let [(_, before), later @ ..] = rest
                && u128::from(*before) * parts <= start
            {
                rest = later;
            }
            let inside = |&(first, stop): &(u64, u64)| {
                let (from, to) = ((u128::from(first) * parts).max(start), (u128::from(stop) * parts).min(end));
                (from < to).then_some((from, to))
            };
            let mut pieces = rest.iter().map_while(inside);
            let first = pieces.next();
            let covered = first.into_iter().chain(pieces.by_ref()).map(|(from, to)| to - from).sum();
            let from_left = first.is_some_and(|(from, to)| from == start && to - from == covered);
            sign(covered, end - start, from_left, signs)
        })
        .collect()
}

/// Sorted, within the file, neither touching nor overlapping.
fn merge(ranges: &[(u64, u64)], size: u64) -> Vec<(u64, u64)> {
    let mut sorted: Vec<_> = ranges.iter().map(|&(first, end)| (first, end.min(size))).filter(|(first, end)| first < end).collect();
    sorted.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::with_capacity(sorted.len());
    for (first, end) in sorted {
        match merged.last_mut() {
            Some((_, last)) if first <= *last => *last = end.max(*last),
            _ => merged.push((first, end)),
        }
    }
    merged
}

/// The sign of a cell of which `covered` of `whole` is there.
fn sign(covered: u128, whole: u128, from_left: bool, signs: Signs) -> char {
    /// A seventh more of the cell each.
    const FROM_LEFT: [char; 7] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    const SHADES: [char; 3] = ['░', '▒', '▓'];
    const ASCII: [char; 3] = ['-', '=', '+'];
    let (empty, full, partly): (_, _, &[char]) = match signs {
        Signs::Unicode if from_left => ('·', '█', &FROM_LEFT),
        Signs::Unicode => ('·', '█', &SHADES),
        Signs::Ascii => ('.', '#', &ASCII),
    };
    // A cell of an empty file lacks nothing.
    if covered >= whole {
        return full;
    }
    if covered == 0 {
        return empty;
    }
    let steps = u128::try_from(partly.len()).unwrap_or(1);
    let step = usize::try_from(covered * steps / whole).unwrap_or_default();
    partly.get(step).copied().unwrap_or(empty)
}

/// How much of `size` is `covered`: `62 %`. Never says 100 while a byte is missing, nor 0 when one is there.
pub fn percent(covered: u64, size: u64) -> String {
    if covered >= size {
        return "100 %".to_owned();
    }
    match u128::from(covered) * 100 / u128::from(size) {
        0 if covered > 0 => "<1 %".to_owned(),
        whole => format!("{whole} %"),
    }
}

/// A size as people say it: `48.1 MB`, in powers of 1000, rounded to the nearest tenth.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let mut unit = 1000_u128;
    for name in UNITS {
        let tenths = (u128::from(count) * 10 + unit / 2) / unit;
        if tenths < 10_000 {
            return format!("{}.{} {name}", tenths / 10, tenths % 10);
        }
        unit *= 1000;
    }
    // 2^64 bytes are 18.4 EB.
    format!("{count} B")
}

/// A size as people say it and exactly: `48.1 MB (48,123,456 bytes)`.
pub fn bytes_exactly(count: u64) -> String {
    match count {
        1 => "1 byte".to_owned(),
        0..1000 => format!("{count} bytes"),
        _ => format!("{} ({} bytes)", bytes(count), grouped(count)),
    }
}

/// `1 line`, `2,000 lines`
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

/// `48,123,456`
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A length of time in its two largest units, the rest cut off: `2 d 4 h`, `3 min 20 s`, `850 ms`.
pub fn span(span: Span) -> String {
    const UNITS: [(u64, &str); 5] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"), (1, "ms")];
    let millis = span.millis();
    let mut units = UNITS.into_iter().skip_while(|(unit, _)| *unit > millis).peekable();
    let Some((unit, name)) = units.next() else { return "0 s".to_owned() };
    let first = format!("{} {name}", millis / unit);
    match units.next() {
        // Nobody reads milliseconds behind seconds.
        Some((smaller, below)) if smaller > 1 && millis % unit >= smaller => format!("{first} {} {below}", millis % unit / smaller),
        _ => first,
    }
}

/// When something was, or will be: `3 min 20 s ago`, `in 2 d 4 h`, `now` within a second.
pub fn ago(when: Moment, now: Moment) -> String {
    let (past, ahead) = (now.since(when), when.since(now));
    if past.seconds() > 0 {
        format!("{} ago", span(past))
    } else if ahead.seconds() > 0 {
        format!("in {}", span(ahead))
    } else {
        "now".to_owned()
    }
}

/// `text` on one line, with `�` for each sign that would steer the terminal or turn the reading direction: names and
/// agents come from strangers.
pub fn visible(text: &str) -> String {
    text.chars().map(|sign| if steers(sign) { char::REPLACEMENT_CHARACTER } else { sign }).collect()
}

/// Whether a sign would steer the terminal or turn the reading direction.
pub fn steers(sign: char) -> bool {
    sign.is_control() || matches!(sign, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}')
}

/// How many cells of a terminal `text` takes.
fn width(text: &str) -> usize {
    text.chars().map(cells).sum()
}

/// Two for East Asian signs and emoji, none for what joins the sign before it; Unicode's `EastAsianWidth`, in blocks.
const fn cells(sign: char) -> usize {
    match sign {
        '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200d}' | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{303e}'
        | '\u{3041}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1f64f}'
        | '\u{1f680}'..='\u{1f6ff}'
        | '\u{1f900}'..='\u{1f9ff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_bar_shows_what_is_there() {
        let all = u64::MAX;
        for (ranges, size, width, unicode, ascii) in [
            (&[][..], 100, 10, "··········", ".........."),
            (&[(0, 100)], 100, 10, "██████████", "##########"),
            (&[(0, 50)], 100, 10, "█████·····", "#####....."),
            (&[(0, 55)], 100, 10, "█████▌····", "#####=...."),
            (&[(0, 40), (55, 100)], 100, 10, "████·▒████", "####.=####"),
            (&[(55, 100), (0, 40)], 100, 10, "████·▒████", "####.=####"),
            (&[(0, 30), (20, 40), (40, 50)], 100, 10, "█████·····", "#####....."),
            (&[(3, 7), (12, 13), (17, 18)], 20, 2, "▒░", "=-"),
            // One byte too few, one byte at all.
            (&[(0, 999_999)], 1_000_000, 4, "███▉", "###+"),
            (&[(1, 1_000_000)], 1_000_000, 4, "▓███", "+###"),
            (&[(0, 1)], 1_000_000, 4, "▏···", "-..."),
            (&[(999_999, 1_000_000)], 1_000_000, 4, "···░", "...-"),
            // A byte that is wider than a cell.
            (&[(1, 2)], 3, 9, "···███···", "...###..."),
            (&[(0, 1)], 2, 3, "█▌·", "#=."),
            // Nothing is missing of an empty file.
            (&[], 0, 4, "████", "####"),
            (&[(0, 5)], 0, 4, "████", "####"),
            (&[(0, 5)], 10, 0, "", ""),
            // Ranges that are none, or leave the file.
            (&[(7, 3), (4, 4)], 10, 5, "·····", "....."),
            (&[(8, 99)], 10, 5, "····█", "....#"),
            (&[(0, all - 1)], all, 3, "██▉", "##+"),
            (&[(0, all)], all, 3, "███", "###"),
        ] {
            assert_eq!(coverage_bar(ranges, size, width, Signs::Unicode), unicode, "{ranges:?} of {size}");
            assert_eq!(coverage_bar(ranges, size, width, Signs::Ascii), ascii, "{ranges:?} of {size}");
        }
        assert_eq!(coverage_bar(&[], 1, usize::MAX, Signs::Ascii).len(), BAR_WIDTH_MAX);
    }

    proptest! {
        #[test]
        fn a_bar_is_full_only_when_nothing_is_missing_and_empty_only_when_nothing_is_there(
            ranges in prop::collection::vec((0_u64..70, 0_u64..70), 0..6), size in 1_u64..64, width in 1_usize..90,
        ) {
            let there: Vec<bool> = (0..size).map(|byte| ranges.iter().any(|&(first, end)| first <= byte && byte < end)).collect();
            for (signs, empty, full) in [(Signs::Unicode, '·', '█'), (Signs::Ascii, '.', '#')] {
                let bar = coverage_bar(&ranges, size, width, signs);
                prop_assert_eq!(bar.chars().count(), width);
                for (cell, sign) in bar.chars().enumerate() {
                    let bytes: Vec<bool> = there.iter().enumerate()
                        .filter(|(byte, _)| (byte + 1) * width > cell * there.len() && byte * width < (cell + 1) * there.len())
                        .map(|(_, &there)| there).collect();
                    prop_assert_eq!(sign == full, bytes.iter().all(|&there| there), "{} cell {}", bar, cell);
                    prop_assert_eq!(sign == empty, bytes.iter().all(|&there| !there), "{} cell {}", bar, cell);
                }
            }
        }
    }

    #[test]
    fn a_percentage_never_promises_more_than_there_is() {
        for (covered, size, text) in [
            (0, 10, "0 %"),
            (10, 10, "100 %"),
            (0, 0, "100 %"),
            (1, 1_000_000, "<1 %"),
            (999_999, 1_000_000, "99 %"),
            (629, 1000, "62 %"),
            (1, 100, "1 %"),
            (u64::MAX - 1, u64::MAX, "99 %"),
            (u64::MAX, u64::MAX, "100 %"),
        ] {
            assert_eq!(percent(covered, size), text, "{covered} of {size}");
        }
    }

    #[test]
    fn sizes_are_short_and_the_exact_number_is_there_too() {
        for (count, short, exact) in [
            (0, "0 B", "0 bytes"),
            (1, "1 B", "1 byte"),
            (999, "999 B", "999 bytes"),
            (1000, "1.0 kB", "1.0 kB (1,000 bytes)"),
            (1449, "1.4 kB", "1.4 kB (1,449 bytes)"),
            (1450, "1.5 kB", "1.5 kB (1,450 bytes)"),
            (999_949, "999.9 kB", "999.9 kB (999,949 bytes)"),
            (999_950, "1.0 MB", "1.0 MB (999,950 bytes)"),
            (48_123_456, "48.1 MB", "48.1 MB (48,123,456 bytes)"),
            (123_456_789_012, "123.5 GB", "123.5 GB (123,456,789,012 bytes)"),
            (u64::MAX, "18.4 EB", "18.4 EB (18,446,744,073,709,551,615 bytes)"),
        ] {
            assert_eq!((bytes(count).as_str(), bytes_exactly(count).as_str()), (short, exact), "{count}");
        }
    }

    #[test]
    fn times_are_told_in_their_two_largest_units() {
        let now = Moment::from_seconds(1_900_000_000);
        for (millis, length, past) in [
            (0, "0 s", "now"),
            (850, "850 ms", "now"),
            (1999, "1 s", "1 s ago"),
            (59_999, "59 s", "59 s ago"),
            (200_000, "3 min 20 s", "3 min 20 s ago"),
            (3_600_000, "1 h", "1 h ago"),
            (3_659_000, "1 h", "1 h ago"),
            (187_200_000, "2 d 4 h", "2 d 4 h ago"),
            (30 * 86_400_000, "30 d", "30 d ago"),
        ] {
            assert_eq!(span(Span::from_millis(millis)), length, "{millis}");
            assert_eq!(ago(Moment::from_millis(now.millis() - millis), now), past, "{millis}");
            let ahead = past.strip_suffix(" ago").map_or_else(|| past.to_owned(), |length| format!("in {length}"));
            assert_eq!(ago(now + Span::from_millis(millis), now), ahead, "{millis}");
        }
        assert!(span(Span::from_millis(u64::MAX)).starts_with("213503982334 d"));
    }

    #[test]
    fn nothing_in_a_cell_steers_the_terminal() {
        for hostile in ["\u{1b}[2J", "a\nb", "a\rb", "\u{9b}31m", "\u{7}", "\u{202e}gpj.exe", "\u{2066}", "\u{7f}"] {
            let text = table(&[Column::Text("agent")], &[vec![hostile.to_owned()]]);
            assert_eq!(text.lines().count(), 2, "{hostile:?}");
            assert!(text.contains('\u{fffd}') && !text.trim_end().chars().any(|sign| sign.is_control() && sign != '\n'), "{hostile:?}");
        }
        assert_eq!(visible("Müller, ‘final’ 🎉.zip"), "Müller, ‘final’ 🎉.zip");
    }

    #[test]
    fn the_locale_decides_about_signs() {
        for (all, ctype, lang, signs) in [
            (None, None, Some("en_US.UTF-8"), Signs::Unicode),
            (None, None, Some("C.utf8"), Signs::Unicode),
            (Some("C"), None, Some("en_US.UTF-8"), Signs::Ascii),
            (Some(""), Some("de_DE.UTF-8"), Some("C"), Signs::Unicode),
            (None, None, Some("de_DE@euro"), Signs::Ascii),
            (None, None, None, Signs::Ascii),
        ] {
            assert_eq!(Signs::of_locale(all, ctype, lang), signs, "{all:?} {ctype:?} {lang:?}");
        }
    }
}

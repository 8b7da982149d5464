//! Amounts as people write them: durations (`24h`, `1h30m`), sizes (`64k`, `2MB`), rates (`2MB/s`), networks
//! (`203.0.113.0/24`). Each reads back what it shows.
//!
//! | written | means |
//! |---|---|
//! | `ms s m h d w` | milliseconds, seconds, minutes, hours, 24 hours, 7 days; the larger before the smaller |
//! | `k m g`, in either case | 1024, 1024², 1024³ bytes, as in nginx |
//! | `KiB MiB GiB TiB` | powers of 1024 bytes |
//! | `kB MB GB TB` | powers of 1000 bytes |
//! | `B` or nothing | bytes |

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

use super::moment::Span;

/// No configured time is longer than 100 years: RFC 3339 has four digits for the year, and what is meant to last
/// longer is `"unlimited"`.
pub const SPAN_MAX: Span = Span::from_days(36_500);

/// Bytes per second, at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(pub NonZeroU64);

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

/// A text that is not the amount that was asked for. Displays as what would be right: `must be a duration such as …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    wanted: String,
}

impl Unreadable {
    fn new(wanted: impl Into<String>) -> Self {
        Self { wanted: wanted.into() }
    }

    /// What would be right, as it follows after "must be".
    pub fn wanted(&self) -> &str {
        &self.wanted
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "must be {}", self.wanted)
    }
}

impl std::error::Error for Unreadable {}

/// Splits `text` into its leading ASCII digits, which are at least one, and the rest.
fn number(text: &str) -> Option<(&str, &str)> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).filter(|(digits, _)| !digits.is_empty())
}

/// The units of durations in milliseconds, the longest first.
const SPAN_UNITS: [(&str, u64); 6] = [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

const SPAN_WANTED: &str = "a duration such as \"90s\", \"15m\", \"24h\", \"30d\", \"2w\" or \"1h30m\"";

/// Reads `90s`, `15m`, `24h`, `30d`, `2w`, `1h30m`: whole numbers, each unit once, the larger before the smaller,
/// at most [`SPAN_MAX`].
impl FromStr for Span {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let wrong = || Unreadable::new(SPAN_WANTED);
        let too_long = || Unreadable::new("a duration of at most \"36500d\" (100 years)");
        let mut rest = text;
        let mut shorter_than = 0_usize;
        let mut total = 0_u64;
        while !rest.is_empty() {
            let (digits, after) = number(rest).ok_or_else(wrong)?;
            let end = after.bytes().position(|byte| byte.is_ascii_digit()).unwrap_or(after.len());
            let (word, after) = after.split_at_checked(end).ok_or_else(wrong)?;
            let place = SPAN_UNITS.iter().skip(shorter_than).position(|(unit, _)| *unit == word);
            let Some(place) = place.map(|place| place + shorter_than) else {
                return Err(span_hint(text, digits, word).unwrap_or_else(wrong));
            };
            let (_, millis) = SPAN_UNITS.get(place).copied().ok_or_else(wrong)?;
            let count: u64 = digits.parse().map_err(|_| too_long())?;
            let part = count.checked_mul(millis).ok_or_else(too_long)?;
            total = total.checked_add(part).ok_or_else(too_long)?;
            shorter_than = place + 1;
            rest = after;
        }
        match Self::from_millis(total) {
            _ if text.is_empty() => Err(wrong()),
            span if span > SPAN_MAX => Err(too_long()),
            span => Ok(span),
        }
    }
}

/// What was probably meant by a lone number with a unit that is not one of ours.
fn span_hint(text: &str, digits: &str, word: &str) -> Option<Unreadable> {
    if text.len() != digits.len() + word.len() {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    let meant = match word.trim().to_ascii_lowercase().as_str() {
        "" => format!("a duration with its unit, such as \"{count}s\" or \"{count}d\""),
        "sec" | "secs" | "second" | "seconds" | "s" => format!("a duration such as \"{count}s\""),
        "min" | "mins" | "minute" | "minutes" => format!("a duration such as \"{count}m\""),
        "hour" | "hours" | "hr" | "hrs" | "h" => format!("a duration such as \"{count}h\""),
        "day" | "days" | "d" => format!("a duration such as \"{count}d\""),
        "week" | "weeks" | "w" => format!("a duration such as \"{count}w\""),
        "month" | "months" | "mo" => format!("a duration in days such as \"{}d\": months differ in length", count.checked_mul(30)?),
        "year" | "years" | "y" | "yr" => format!("a duration in days such as \"{}d\": years differ in length", count.checked_mul(365)?),
        _ => return None,
    };
    Some(Unreadable::new(meant))
}

/// `1d12h`, `1m30s`, `250ms`, `0s`: days are the largest unit.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.millis();
        if left == 0 {
            return f.write_str("0s");
        }
        for (unit, millis) in SPAN_UNITS.iter().skip(1) {
            let count = left / millis;
            left %= millis;
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
        }
        Ok(())
    }
}

/// The suffixes of sizes and their factors.
const SIZE_UNITS: [(&str, u64); 16] = [
    ("", 1),
    ("B", 1),
    ("kB", 1000),
    ("MB", 1000 * 1000),
    ("GB", 1000 * 1000 * 1000),
    ("TB", 1000 * 1000 * 1000 * 1000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("k", 1 << 10),
    ("K", 1 << 10),
    ("m", 1 << 20),
    ("M", 1 << 20),
    ("g", 1 << 30),
    ("G", 1 << 30),
];

const SIZE_WANTED: &str = "a size such as \"512k\", \"64MiB\", \"2MB\" or a number of bytes";

fn bytes(text: &str, tail: &str, wanted: &'static str) -> Result<u64, Unreadable> {
    let wrong = || Unreadable::new(wanted);
    let (digits, suffix) = number(text).ok_or_else(wrong)?;
    let Some((_, factor)) = SIZE_UNITS.iter().find(|(unit, _)| *unit == suffix) else {
        // `Mb` is a megabit to some and a megabyte to others: doubt is refused, with the ways to say it clearly.
        let meant = SIZE_UNITS.iter().find(|(unit, _)| unit.len() == 2 && unit.eq_ignore_ascii_case(suffix));
        return Err(meant.map_or_else(wrong, |(unit, _)| {
            let (letter, _) = unit.split_at_checked(1).unwrap_or((unit, ""));
            let letter = letter.to_ascii_uppercase();
            Unreadable::new(format!("written \"{digits}{unit}{tail}\" (powers of 1000) or \"{digits}{letter}iB{tail}\" (powers of 1024)"))
        }));
    };
    let count: u64 = digits.parse().map_err(|_| Unreadable::new("a size below 16 EiB"))?;
    count.checked_mul(*factor).ok_or_else(|| Unreadable::new("a size below 16 EiB"))
}

/// Reads `1500`, `64k`, `64KiB`, `2MB`; the suffixes stand at the top of this file.
impl FromStr for Size {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        bytes(text, "", SIZE_WANTED).map(Self)
    }
}

/// Exact, in the unit that needs the smallest number: `2MB`, `64KiB`, `1501B`.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = SIZE_UNITS.iter().filter(|(unit, _)| unit.ends_with('B'));
        let best = whole.filter(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor)).max_by_key(|(_, factor)| *factor);
        match best {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}B", self.0),
        }
    }
}

const RATE_WANTED: &str = "a rate such as \"500k/s\", \"2MB/s\" or a number of bytes a second";

impl Rate {
    /// `bytes` bytes per second; nothing moves at a rate below 1.
    pub fn new(bytes: u64) -> Result<Self, Unreadable> {
        NonZeroU64::new(bytes).map(Self).ok_or_else(|| Unreadable::new("a rate of at least 1 byte a second"))
    }
}

/// Reads a size with `/s`, or a plain number of bytes per second.
impl FromStr for Rate {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        match text.strip_suffix("/s") {
            Some(size) => bytes(size, "/s", RATE_WANTED).and_then(Self::new),
            None if text.bytes().all(|byte| byte.is_ascii_digit()) => bytes(text, "", RATE_WANTED).and_then(Self::new),
            None if bytes(text, "", RATE_WANTED).is_ok() => Err(Unreadable::new(format!("a rate: \"{text}/s\""))),
            None => Err(Unreadable::new(RATE_WANTED)),
        }
    }
}

/// As a size with `/s`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", Size(self.0.get()))
    }
}

/// How many of an IPv4-mapped IPv6 address's bits come before the IPv4 address.
const MAPPED_BITS: u8 = 96;

/// Reads an address (`203.0.113.7`, `2001:db8::1`) or a network (`203.0.113.0/24`) whose host bits are zero. What is
/// IPv4 mapped into IPv6 reads as IPv4, since that is how clients are compared.
pub fn parse_network(text: &str) -> Result<IpNet, Unreadable> {
    let wrong = || Unreadable::new("an address or a network such as \"203.0.113.7\", \"203.0.113.0/24\" or \"2001:db8::/32\"");
    if text.contains('/') {
        let (address, bits) = text.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let plain = !bits.is_empty() && bits.len() <= 3 && bits.bytes().all(|byte| byte.is_ascii_digit());
        let widest = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.parse().ok().filter(|bits| plain && *bits <= widest);
        let bits: u8 = bits.ok_or_else(|| Unreadable::new(format!("a network with 0 to {widest} bits after the slash")))?;
        let network = IpNet::new(address, bits).map_err(|_| wrong())?;
        let network = match (network.addr().to_canonical(), bits.checked_sub(MAPPED_BITS)) {
            (IpAddr::V4(inner), Some(bits)) if address.is_ipv6() => Ipv4Net::new(inner, bits).map_err(|_| wrong())?.into(),
            _ => network,
        };
        if network.trunc() == network {
            Ok(network)
        } else {
            let (whole, one) = (network.trunc(), network.addr());
            Err(Unreadable::new(format!("a network whose host bits are zero: \"{whole}\", or \"{one}\" for the one address")))
        }
    } else {
        text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical())).map_err(|_| wrong())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wanted<T: FromStr<Err = Unreadable> + fmt::Debug>(text: &str) -> String {
        text.parse::<T>().expect_err(text).to_string()
    }

    #[test]
    fn durations_read_as_people_write_them() {
        for (text, seconds) in [
            ("90s", 90),
            ("15m", 900),
            ("24h", 86_400),
            ("30d", 2_592_000),
            ("2w", 1_209_600),
            ("1h30m", 5400),
            ("1w1d1h1m1s", 694_861),
            ("0s", 0),
            ("36500d", 3_153_600_000),
            ("1500ms", 1),
        ] {
            assert_eq!(text.parse::<Span>().expect(text).seconds(), seconds, "{text}");
        }
    }

    #[test]
    fn durations_in_doubt_are_refused_with_what_would_be_right() {
        for (text, words) in [
            ("", "\"24h\""),
            ("30", "\"30s\" or \"30d\""),
            ("5 days", "\"5d\""),
            ("5D", "\"5d\""),
            ("2 months", "\"60d\": months"),
            ("1y", "\"365d\": years"),
            ("1.5h", "\"1h30m\""),
            ("-1h", "such as"),
            ("+1h", "such as"),
            ("30m1h", "such as"),
            ("1h1h", "such as"),
            ("1h30", "such as"),
            ("h", "such as"),
            ("36501d", "100 years"),
            ("99999999999999999999d", "100 years"),
            ("18446744073709551615w", "100 years"),
            ("5é", "such as"),
            ("٣d", "such as"),
        ] {
            let said = wanted::<Span>(text);
            assert!(said.starts_with("must be ") && said.contains(words), "{text:?}: {said}");
        }
    }

    #[test]
    fn sizes_read_as_nginx_and_the_standards_write_them() {
        for (text, size) in [
            ("0", 0),
            ("1500", 1500),
            ("7B", 7),
            ("64k", 65_536),
            ("64K", 65_536),
            ("1m", 1_048_576),
            ("2g", 2_147_483_648),
            ("1kB", 1000),
            ("2MB", 2_000_000),
            ("1GB", 1_000_000_000),
            ("1KiB", 1024),
            ("1TiB", 1_099_511_627_776),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(Size(size)), "{text}");
        }
    }

    #[test]
    fn sizes_in_doubt_are_refused_with_what_would_be_right() {
        for (text, words) in [
            ("", "\"64MiB\""),
            ("MB", "\"64MiB\""),
            ("2Mb", "\"2MB\" (powers of 1000) or \"2MiB\""),
            ("2KB", "\"2kB\" (powers of 1000) or \"2KiB\""),
            ("1.5G", "such as"),
            ("-1", "such as"),
            ("1 MB", "such as"),
            ("99999999999999999999", "16 EiB"),
            ("18446744073709551615k", "16 EiB"),
            ("1PB", "such as"),
        ] {
            let said = wanted::<Size>(text);
            assert!(said.contains(words), "{text:?}: {said}");
        }
    }

    #[test]
    fn rates_are_sizes_a_second_and_never_zero() {
        for (text, bytes) in [("500k/s", 512_000), ("2MB/s", 2_000_000), ("1", 1), ("1B/s", 1), ("1500/s", 1500)] {
            assert_eq!(text.parse::<Rate>().expect(text).0.get(), bytes, "{text}");
        }
        for (text, words) in [
            ("0", "at least 1"),
            ("0k/s", "at least 1"),
            ("2MB", "\"2MB/s\""),
            ("2Mb/s", "\"2MB/s\""),
            ("/s", "such as"),
            ("", "such as"),
            ("fast", "such as"),
            ("1/m", "such as"),
        ] {
            let said = wanted::<Rate>(text);
            assert!(said.contains(words), "{text:?}: {said}");
        }
    }

    #[test]
    fn networks_have_no_host_bits_and_one_form() {
        for (text, shown) in [
            ("203.0.113.7", "203.0.113.7/32"),
            ("203.0.113.0/24", "203.0.113.0/24"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("2001:db8::1", "2001:db8::1/128"),
            ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
            ("::ffff:203.0.113.7", "203.0.113.7/32"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(parse_network(text).expect(text).to_string(), shown, "{text}");
        }
        for (text, words) in [
            ("203.0.113.7/24", "\"203.0.113.0/24\", or \"203.0.113.7\""),
            ("2001:db8::1/32", "\"2001:db8::/32\""),
            ("::ffff:203.0.113.7/120", "\"203.0.113.0/24\""),
            ("203.0.113.0/33", "0 to 32 bits"),
            ("::/129", "0 to 128 bits"),
            ("203.0.113.0/", "0 to 32 bits"),
            ("203.0.113.0/+8", "0 to 32 bits"),
            ("203.0.113.0/8/8", "0 to 32 bits"),
            ("203.0.113", "such as"),
            ("localhost", "such as"),
            ("", "such as"),
            ("/24", "such as"),
            ("fe80::1%eth0", "such as"),
        ] {
            let said = parse_network(text).expect_err(text).to_string();
            assert!(said.contains(words), "{text:?}: {said}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(millis in 0..=SPAN_MAX.millis(), bytes: u64, rate in 1..=u64::MAX) {
            let span = Span::from_millis(millis);
            prop_assert_eq!(span.to_string().parse(), Ok(span));
            prop_assert_eq!(Size(bytes).to_string().parse(), Ok(Size(bytes)));
            let rate = Rate::new(rate).expect("not zero");
            prop_assert_eq!(rate.to_string().parse(), Ok(rate));
        }

        #[test]
        fn networks_read_back(address: std::net::IpAddr, bits in 0_u8..=32) {
            let network = IpNet::new(address.to_canonical(), bits).expect("few bits").trunc();
            prop_assert_eq!(parse_network(&network.to_string()), Ok(network));
        }

        #[test]
        fn no_text_makes_reading_panic(text in "[0-9]{0,24}[a-zA-Z/:. é]{0,4}[0-9]{0,3}[a-zA-Z/]{0,3}") {
            let _ = (text.parse::<Span>(), text.parse::<Size>(), text.parse::<Rate>(), parse_network(&text));
        }
    }
}

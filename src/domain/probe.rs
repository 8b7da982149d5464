//! The names of what `cloakroom check` puts into storages and public directories, to take it away again a moment later. By
//! them the daemon knows it, and a later check finds what one left that was cut off.

use std::fmt::Write as _;

use super::moment::{Moment, Span};

/// Each name begins so.
const PREFIX: &str = "cloakroom-check-";

/// Random bytes in a name: nobody else asks for it.
pub const BYTES: usize = 12;

/// No check takes longer.
pub const LIFE: Span = Span::from_seconds(600);

/// Digits of the time, in seconds since 1970 UTC, and of the random bytes.
const DIGITS: (usize, usize) = (8, 2 * BYTES);

/// The name of something that is put there at `now`; `random` are fresh random bytes. An extension may follow.
pub fn name(now: Moment, random: [u8; BYTES]) -> String {
    let mut name = format!("{PREFIX}{:08x}", now.seconds() & u64::from(u32::MAX));
    for byte in random {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

/// When what is called `name` was put there, if that is such a name.
pub fn made(name: &str) -> Option<Moment> {
    let (time, rest) = name.strip_prefix(PREFIX)?.split_at_checked(DIGITS.0)?;
    let (random, extension) = rest.split_at_checked(DIGITS.1)?;
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let has_form = is_hex(time) && is_hex(random) && (extension.is_empty() || extension.starts_with('.'));
    has_form.then(|| u64::from_str_radix(time, 16).ok().map(Moment::from_seconds)).flatten()
}

/// Whether the check that put `name` there may still run at `now`.
pub fn is_young(name: &str, now: Moment) -> bool {
    // A clock that was set back makes nothing young for long.
    made(name).is_some_and(|made| now < made + LIFE && made < now + LIFE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_when_it_was_made_and_nothing_else_looks_like_one() {
        let now = Moment::from_seconds(1_800_000_000);
        let known = name(now, [0xa5; BYTES]);
        for good in [known.clone(), format!("{known}.php"), format!("{known}.tar.gz")] {
            assert_eq!(made(&good), Some(now), "{good}");
            let at = |seconds| Moment::from_seconds(seconds);
            for (moment, young) in [(0, true), (599, true), (600, false), (1_000_000, false)] {
                assert_eq!(is_young(&good, at(1_800_000_000 + moment)), young, "{moment}");
            }
            assert!(is_young(&good, at(1_800_000_000 - 599)) && !is_young(&good, at(1_800_000_000 - 600)));
        }
        let bad = [
            "",
            PREFIX,
            "x",
            &known[1..],
            &known[..known.len() - 1],
            &format!("{known}x"),
            &known.to_uppercase(),
            &known.replace('a', "g"),
        ];
        for bad in bad {
            assert_eq!((made(bad), is_young(bad, now)), (None, false), "{bad}");
        }
    }
}

//! Times as access logs write them, as seconds since 1970-01-01 UTC.

/// nginx's `$time_local` and Apache's `%t` without its brackets: `21/Nov/2026:23:02:10 +0100`.
pub(super) fn local(text: &[u8]) -> Option<u64> {
    let &[d1, d2, b'/', m1, m2, m3, b'/', y1, y2, y3, y4, b':', h1, h2, b':', i1, i2, b':', s1, s2, b' ', sign, o1, o2, o3, o4] = text
    else {
        return None;
    };
    let month = match &[m1, m2, m3] {
        b"Jan" => 1,
        b"Feb" => 2,
        b"Mar" => 3,
        b"Apr" => 4,
        b"May" => 5,
        b"Jun" => 6,
        b"Jul" => 7,
        b"Aug" => 8,
        b"Sep" => 9,
        b"Oct" => 10,
        b"Nov" => 11,
        b"Dec" => 12,
        _ => return None,
    };
    let date = (digits(&[y1, y2, y3, y4])?, month, digits(&[d1, d2])?);
    seconds(date, [digits(&[h1, h2])?, digits(&[i1, i2])?, digits(&[s1, s2])?], sign, [digits(&[o1, o2])?, digits(&[o3, o4])?])
}

/// nginx's `$time_iso8601`: `2026-11-21T23:02:10+01:00`.
pub(super) fn iso(text: &[u8]) -> Option<u64> {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', i1, i2, b':', s1, s2, sign, o1, o2, b':', o3, o4] = text else {
        return None;
    };
    let date = (digits(&[y1, y2, y3, y4])?, digits(&[m1, m2])?, digits(&[d1, d2])?);
    seconds(date, [digits(&[h1, h2])?, digits(&[i1, i2])?, digits(&[s1, s2])?], sign, [digits(&[o1, o2])?, digits(&[o3, o4])?])
}

/// nginx's `$msec`: `1795293130.948`.
pub(super) fn msec(text: &[u8]) -> Option<u64> {
    let point = text.iter().position(|&byte| byte == b'.')?;
    let (seconds, millis) = text.split_at_checked(point)?;
    (millis.len() == 4 && seconds.len() <= 12).then(|| digits(millis.get(1..)?).and(digits(seconds))).flatten()
}

fn digits(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

/// Days by the proleptic Gregorian calendar, counted from 1 March so that the leap day comes last.
fn seconds((year, month, day): (u64, u64, u64), [hour, minute, second]: [u64; 3], sign: u8, offset: [u64; 2]) -> Option<u64> {
    let good = (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    // A leap second is written as 60.
    let good = good && hour < 24 && minute < 60 && second <= 60 && offset.iter().all(|&part| part < 60);
    if !good {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    let local = (days.checked_sub(719_468)? * 24 + hour) * 3600 + minute * 60 + second;
    let offset = offset.iter().fold(0, |sum, part| sum * 60 + part) * 60;
    match sign {
        b'+' => local.checked_sub(offset),
        b'-' => local.checked_add(offset),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written_and_nothing_else_is() {
        for (text, expected) in [
            ("01/Jan/1970:00:00:00 +0000", Some(0)),
            ("21/Nov/2026:23:02:10 +0000", Some(1_795_302_130)),
            ("21/Nov/2026:23:02:10 +0130", Some(1_795_296_730)),
            ("21/Nov/2026:23:02:10 -0800", Some(1_795_330_930)),
            ("29/Feb/2024:12:00:00 +0000", Some(1_709_208_000)),
            ("31/Dec/2016:23:59:60 +0000", Some(1_483_228_800)),
            ("01/Jan/1970:00:00:00 +0100", None),
            ("21/Nov/2026:24:02:10 +0000", None),
            ("21/nov/2026:23:02:10 +0000", None),
            ("00/Nov/2026:23:02:10 +0000", None),
            ("21/Nov/2026:23:02:10  0000", None),
            ("21/Nov/2026:23:02:1x +0000", None),
            ("21/Nov/2026:23:02:10", None),
            ("", None),
        ] {
            assert_eq!(local(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(iso(b"2026-11-21T23:02:10+00:00"), Some(1_795_302_130));
        assert_eq!(iso(b"2026-13-21T23:02:10+00:00"), None);
        assert_eq!(msec(b"1795293130.948"), Some(1_795_293_130));
        for bad in ["1795293130", "1795293130.94", "x.948", "9999999999999.000", ".x00"] {
            assert_eq!(msec(bad.as_bytes()), None, "{bad}");
        }
    }
}

//! Time zones by name: `Europe/Berlin`, as the system's database spells it.

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::suggest::closest;
use super::values::Wrong;

/// No name of the database is longer.
const NAME_BYTES_MAX: usize = 64;

/// The zone of this name in the system's database, as it stands now.
pub fn time_zone(name: &str) -> Option<TimeZone> {
    known(name, jiff::tz::db())
}

fn known(name: &str, zones: &TimeZoneDatabase) -> Option<TimeZone> {
    zones.get(name).ok().filter(|zone| !zone.is_unknown())
}

/// The zone `text` of the system's database, spelled as there. It is read again when a grant is made: rules change.
pub(super) fn zone(text: &str) -> Result<String, Wrong> {
    look_up(text, jiff::tz::db())
}

fn look_up(text: &str, zones: &TimeZoneDatabase) -> Result<String, Wrong> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte);
    if text.len() > NAME_BYTES_MAX || !text.bytes().all(plain) {
        return Err(Wrong::Shape);
    }
    known(text, zones).and_then(|zone| zone.iana_name().map(str::to_owned)).ok_or_else(|| Wrong::Hint(hint(text, zones)))
}

/// What may help: the name that was meant, or that there are no names at all.
fn hint(text: &str, zones: &TimeZoneDatabase) -> String {
    let names: Vec<String> = zones.available().map(|name| name.as_str().to_owned()).collect();
    if names.is_empty() {
        return "; this system has no time zones: install its package `tzdata`, which fills /usr/share/zoneinfo".to_owned();
    }
    let names = || names.iter().map(String::as_str);
    // People write the city alone, and `Europe-Berlin`.
    let of_city = |city: &str| names().find(|name| name.rsplit('/').next() == Some(city));
    let slashed = text.replacen('-', "/", 1);
    let near = closest(&slashed, names()).or_else(|| {
        let cities = names().filter(|name| name.contains('/')).filter_map(|name| name.rsplit('/').next());
        of_city(closest(text.rsplit('/').next().unwrap_or(text), cities)?)
    });
    near.map_or_else(|| "; `ls /usr/share/zoneinfo` shows those that there are".to_owned(), |near| format!("; did you mean \"{near}\"?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, zones: &TimeZoneDatabase) -> String {
        match look_up(text, zones) {
            Ok(name) => name,
            Err(Wrong::Hint(hint)) => hint,
            Err(Wrong::Shape) => "a shape".to_owned(),
            Err(Wrong::Must(_) | Wrong::Later) => panic!("{text}"),
        }
    }

    #[test]
    fn a_zone_is_known_by_its_name_and_a_mistyped_one_is_recognised() {
        let long = "A".repeat(65);
        for (text, words) in [
            ("Europe/Berlin", "Europe/Berlin"),
            ("europe/berlin", "Europe/Berlin"),
            ("America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
            ("UTC", "UTC"),
            ("Etc/GMT+5", "Etc/GMT+5"),
            ("Europe/Berlni", "; did you mean \"Europe/Berlin\"?"),
            ("Europe/London1", "; did you mean \"Europe/London\"?"),
            ("Europe-Berlin", "; did you mean \"Europe/Berlin\"?"),
            ("Berlin", "; did you mean \"Europe/Berlin\"?"),
            ("Tokio", "; did you mean \"Asia/Tokyo\"?"),
            ("Germany/Berlin", "; did you mean \"Europe/Berlin\"?"),
            ("Etc/Unknown", "; `ls /usr/share/zoneinfo` shows those that there are"),
            ("Mars/Olympus_Mons", "; `ls /usr/share/zoneinfo` shows those that there are"),
            ("", "; `ls /usr/share/zoneinfo` shows those that there are"),
            ("../../../etc/passwd", "a shape"),
            ("Europe/Berlin\0", "a shape"),
            ("+02:00", "a shape"),
            (&long, "a shape"),
        ] {
            assert_eq!(said(text, jiff::tz::db()), words, "{text:?}");
        }
    }

    #[test]
    fn a_system_without_zones_is_told() {
        assert!(said("Europe/Berlin", &TimeZoneDatabase::none()).contains("`tzdata`"));
    }
}

//! JSON as it is read in tokens: an object in which no name stands twice, at whatever depth. Two readers of such an object
//! could each see another value.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    /// `null`, `true`, `false`: no claim is one of them.
    Other,
    /// A whole number that is not negative, of 64 bits.
    Whole(u64),
    /// Any other number.
    Float(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Json>),
    /// An object: no claim that is known is one.
    Object,
}

/// The members of an object.
pub(super) type Object = BTreeMap<String, Json>;

/// Reads one object and nothing behind it but white space.
pub(super) fn object(bytes: &[u8]) -> Option<Object> {
    serde_json::from_slice::<Strict>(bytes).ok().map(|Strict(members)| members)
}

struct Strict(Object);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Strict;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Strict, A::Error> {
                members(map).map(Strict)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

fn members<'de, A: MapAccess<'de>>(mut map: A) -> Result<Object, A::Error> {
    let mut members = Object::new();
    while let Some((name, value)) = map.next_entry()? {
        if members.insert(name, value).is_some() {
            return Err(A::Error::custom("a name stands twice"));
        }
    }
    Ok(members)
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Json;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E>(self) -> Result<Json, E> {
                Ok(Json::Other)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
                Ok(Json::Other)
            }

            fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
                Ok(Json::Whole(number))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
                // What is negative is no claim's value; the number itself does not matter.
                Ok(u64::try_from(number).map_or(Json::Float(-1.0), Json::Whole))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
                Ok(Json::Float(number))
            }

            fn visit_str<E>(self, text: &str) -> Result<Json, E> {
                Ok(Json::Text(text.to_owned()))
            }

            fn visit_string<E>(self, text: String) -> Result<Json, E> {
                Ok(Json::Text(text))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = list.next_element()? {
                    values.push(value);
                }
                Ok(Json::List(values))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Json, A::Error> {
                members(map).map(|_| Json::Object)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl Json {
    /// The text.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Other | Self::Whole(_) | Self::Float(_) | Self::List(_) | Self::Object => None,
        }
    }

    /// Seconds, which some libraries write with a fraction: the milliseconds that are over by then.
    pub(super) fn millis(&self) -> Option<u64> {
        match self {
            Self::Whole(seconds) => Some(seconds.saturating_mul(1000)),
            Self::Float(seconds) => u64::try_from(Duration::try_from_secs_f64(*seconds).ok()?.as_millis()).ok(),
            Self::Other | Self::Text(_) | Self::List(_) | Self::Object => None,
        }
    }

    /// A whole number, even if it is written as `5.0`.
    pub(super) fn whole(&self) -> Option<u64> {
        match self {
            Self::Whole(number) => Some(*number),
            Self::Float(number) => {
                let read = Duration::try_from_secs_f64(*number).ok()?;
                (read.subsec_nanos() == 0).then_some(read.as_secs())
            }
            Self::Other | Self::Text(_) | Self::List(_) | Self::Object => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_has_each_name_once_at_every_depth() {
        for good in [
            "{}",
            " {\"a\":1} \n",
            r#"{"a":1,"A":2,"b":{"a":1},"c":[{"a":1},{"a":2}]}"#,
            r#"{"exp":1.5e9,"n":null,"t":true,"neg":-1,"s":"\u00e9\ud83d\ude00"}"#,
        ] {
            assert!(object(good.as_bytes()).is_some(), "{good}");
        }
        for bad in [
            "",
            "[]",
            "1",
            "\"a\"",
            "null",
            "{",
            "{}{}",
            "{} x",
            "\u{feff}{}",
            "{\"a\":1,}",
            "{'a':1}",
            "{a:1}",
            "{\"a\":01}",
            "{\"a\":NaN}",
            "{\"a\":1e999}",
            "{\"a\":\"\\ud800\"}",
            "{\"a\":\"\n\"}",
            "{/**/}",
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"b":{"a":1,"a":2}}"#,
            r#"{"b":[{"a":1,"a":2}]}"#,
        ] {
            assert!(object(bad.as_bytes()).is_none(), "{bad}");
        }
        assert!(object(b"{\"a\":\"\xff\"}").is_none());
        let deep = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(object(deep(50).as_bytes()).is_some());
        assert!(object(deep(100_000).as_bytes()).is_none());
    }

    #[test]
    fn numbers_are_read_with_and_without_a_fraction() {
        for (text, millis, whole) in [
            ("0", Some(0), Some(0)),
            ("1900000000", Some(1_900_000_000_000), Some(1_900_000_000)),
            ("1900000000.5", Some(1_900_000_000_500), None),
            ("1.9e9", Some(1_900_000_000_000), Some(1_900_000_000)),
            ("5.0", Some(5000), Some(5)),
            ("18446744073709551615", Some(u64::MAX), Some(u64::MAX)),
            ("1e300", None, None),
            ("-1", None, None),
            ("-0.5", None, None),
            ("\"5\"", None, None),
            ("null", None, None),
            ("[5]", None, None),
        ] {
            let members = object(format!("{{\"a\":{text}}}").as_bytes()).expect("an object");
            assert_eq!((members["a"].millis(), members["a"].whole()), (millis, whole), "{text}");
        }
    }
}

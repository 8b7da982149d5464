//! Texts of others that name something: numbers of orders, SKUs.

/// Makes a type of such texts: 1 to `$most` bytes of UTF-8 without control characters and without space at either end.
macro_rules! short_text {
    ($(#[$doc:meta])* $name:ident, $most:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            #[doc = concat!("It has at most ", $most, " bytes.")]
            pub const BYTES_MAX: usize = $most;

            /// As its maker wrote it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::domain::short_text::NotAText;

            fn from_str(raw: &str) -> Result<Self, Self::Err> {
                $crate::domain::short_text::check(raw, $most).map(|()| Self(raw.to_owned()))
            }
        }
    };
}

pub(super) use short_text;

/// What is wrong with a text, as the end of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAText {
    most: usize,
}

impl std::fmt::Display for NotAText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "must have 1 to {} bytes, no control characters, and no space at its ends", self.most)
    }
}

impl std::error::Error for NotAText {}

/// Whether `raw` has the form of such a text.
pub(super) fn check(raw: &str, most: usize) -> Result<(), NotAText> {
    let good = (1..=most).contains(&raw.len()) && raw.trim() == raw && !raw.chars().any(char::is_control);
    if good { Ok(()) } else { Err(NotAText { most }) }
}

#[cfg(test)]
mod tests {
    use crate::domain::order::LineKey;

    #[test]
    fn a_text_is_short_and_stands_on_one_line() {
        let longest = "x".repeat(LineKey::BYTES_MAX);
        for good in ["1", "A-7 / blue", "Größe:L", "日本", &longest] {
            assert_eq!(good.parse::<LineKey>().map(|text| text.to_string()).as_deref(), Ok(good));
        }
        let longer = format!("{longest}x");
        for bad in ["", " ", " a", "a ", "a\n", "a\u{0}b", "\u{85}", "a\tb", &longer] {
            let fault = bad.parse::<LineKey>().expect_err(bad);
            assert_eq!(fault.to_string(), "must have 1 to 64 bytes, no control characters, and no space at its ends");
        }
    }
}

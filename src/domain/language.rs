//! The languages of pages and mails, and which of them somebody reads.

/// A language that there are texts in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// English: what is spoken where nothing else is asked for.
    #[default]
    English,
    /// German.
    German,
}

/// Of longer lists the rest is not read: nobody reads so many languages.
const WANTED_MAX: usize = 32;

impl Language {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::English, Self::German];

    /// Its tag, as `lang` and `Accept-Language` have it (BCP 47).
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// The language of a tag such as `de` or `de-AT`, whatever country it names.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split('-').next().unwrap_or_default();
        Self::ALL.iter().copied().find(|language| language.tag().eq_ignore_ascii_case(primary))
    }

    /// The best of what an `Accept-Language` header asks for ([RFC 9110](https://www.rfc-editor.org/rfc/rfc9110) 12.5.4):
    /// the highest weight, and of equal ones the first. English where nothing of it is spoken here.
    pub fn accepted(header: &str) -> Self {
        let mut best = (0, Self::default());
        for wanted in header.split(',').take(WANTED_MAX) {
            let mut parts = wanted.split(';');
            let tag = parts.next().unwrap_or_default().trim();
            let weight = parts.find_map(|part| part.trim().strip_prefix("q=").or_else(|| part.trim().strip_prefix("Q=")));
            let weight = weight.map_or(Some(1000), thousandths).unwrap_or(0);
            if let Some(language) = Self::of_tag(tag).filter(|_| weight > best.0) {
                best = (weight, language);
            }
        }
        best.1
    }
}

/// `0.8` as 800; `None` for what is no weight from 0 to 1 with at most three digits.
fn thousandths(weight: &str) -> Option<u32> {
    let (whole, rest) = weight.trim().split_once('.').unwrap_or((weight.trim(), ""));
    if !["0", "1"].contains(&whole) || rest.len() > 3 || !rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value = format!("{whole}{rest:0<3}").parse().ok()?;
    (value <= 1000).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_with_the_highest_weight_is_taken() {
        use Language::{English, German};
        for (header, language) in [
            ("", English),
            ("de", German),
            ("DE-at", German),
            ("de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7", German),
            ("en-US,en;q=0.5", English),
            ("fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5", English),
            ("fr, de;q=0.3", German),
            ("en;q=0.2, de;q=0.201", German),
            ("en;q=0.5,de;q=0.5", English),
            ("de;q=0.5,en;q=0.5", German),
            ("de;q=0", English),
            ("de;q=0.000, en;q=0.001", English),
            ("de;level=1;q=0.9, en;q=0.8", German),
            ("de;Q=1.000", German),
            ("*", English),
            ("fr", English),
            // A weight that is none is not taken for much.
            ("de;q=2, en;q=0.1", English),
            ("de;q=1.001", English),
            ("de;q=0.5555", English),
            ("de;q=-1", English),
            ("de;q=", English),
            ("german", English),
            (";;;,,,=q;", English),
            ("de\u{e9}", English),
        ] {
            assert_eq!(Language::accepted(header), language, "{header:?}");
        }
        let long = format!("{}de", "fr,".repeat(WANTED_MAX));
        assert_eq!(Language::accepted(&long), English);
        for &language in Language::ALL {
            assert_eq!(Language::of_tag(language.tag()), Some(language));
        }
    }
}

//! Names that sections of the configuration give to what they describe, and that stand in rows, paths and commands.

/// Makes a type of such names: lower-case letters, digits and `-`, 1 to 32 of them, a letter first.
macro_rules! section_name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Takes `raw` if it has the form of a name: lower-case letters, digits and `-`, 1 to 32 of them, a letter first.
            pub fn parse(raw: &str) -> Option<Self> {
                $crate::domain::section_name::is_name(raw).then(|| Self(raw.to_owned()))
            }

            /// As it is written in the configuration.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

pub(super) use section_name;

/// Whether `raw` has the form of such a name.
pub(super) fn is_name(raw: &str) -> bool {
    let good = raw.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    good && raw.len() <= 32 && raw.starts_with(|first: char| first.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use crate::domain::file::StorageName;
    use crate::domain::placed::DirectoryName;

    #[test]
    fn a_name_is_short_and_plain_and_begins_with_a_letter() {
        let longest = "a".repeat(32);
        for good in ["a", "pub", "masters-2", "a-", longest.as_str()] {
            assert_eq!(StorageName::parse(good).map(|name| name.to_string()).as_deref(), Some(good));
            assert_eq!(DirectoryName::parse(good).map(|name| name.to_string()).as_deref(), Some(good));
        }
        let too_long = "a".repeat(33);
        for bad in ["", "A", "pUb", "2a", "-a", "a_b", "a.b", "a/b", "a b", "ä", "a\n", too_long.as_str()] {
            assert_eq!((StorageName::parse(bad), DirectoryName::parse(bad)), (None, None), "{bad:?}");
        }
    }
}

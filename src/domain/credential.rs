//! Directory credentials: user name and password of a public directory that the web server guards by a htpasswd file.
//!
//! Each has a user name of its own, never used again: of two lines with one name web servers see the first only, so that an
//! old and a new password could not both be right. What is replaced stays right for an overlap, so that customers who were
//! told the old one are not shut out.

use std::fmt;
use std::str::FromStr;

use super::id::{GrantId, base32};
use super::moment::{Moment, Span};
use super::placed::DirectoryName;

/// A user name of a directory: `k7m2-9xqt`. Eight letters and digits of base32, that can be told on the telephone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName([u8; UserName::BYTES]);

/// Letters on each side of the `-`.
const HALF: usize = 4;

impl UserName {
    /// Random bytes in a name. The password is what nobody guesses; the name has to be new, and the store sees to that.
    pub const BYTES: usize = 5;

    /// The name made of these bits, which must be random.
    pub const fn new(bits: [u8; Self::BYTES]) -> Self {
        Self(bits)
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = base32(&self.0);
        let (first, second) = letters.split_at_checked(HALF).unwrap_or_default();
        write!(f, "{first}-{second}")
    }
}

impl fmt::Debug for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no [`UserName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAUserName;

impl fmt::Display for NotAUserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be a user name such as `k7m2-9xqt`: `cloakroom credential list` shows those that there are")
    }
}

impl std::error::Error for NotAUserName {}

impl FromStr for UserName {
    type Err = NotAUserName;

    /// Reads the one spelling that is shown.
    fn from_str(text: &str) -> Result<Self, NotAUserName> {
        let (first, second) = text.split_once('-').ok_or(NotAUserName)?;
        if first.len() != HALF || second.len() != HALF {
            return Err(NotAUserName);
        }
        let mut bits = 0_u64;
        for letter in first.bytes().chain(second.bytes()) {
            bits = (bits << 5) | value(letter).ok_or(NotAUserName)?;
        }
        let [_, _, _, bytes @ ..] = bits.to_be_bytes();
        Ok(Self(bytes))
    }
}

/// What a letter of base32 stands for.
fn value(letter: u8) -> Option<u64> {
    (0..32).find(|value| base32(&[value << 3]).as_bytes().first() == Some(&letter)).map(u64::from)
}

/// Whom a credential is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// The customer of a grant.
    Grant(GrantId),
    /// All customers of the directory.
    Everybody,
}

/// What a directory's credentials are made for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// One for each grant.
    #[default]
    Grant,
    /// One for the directory.
    Shared,
}

impl Sharing {
    /// The word of the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Shared => "shared",
        }
    }
}

/// A user name of a directory, with everything but its password.
#[derive(Clone, PartialEq, Eq)]
pub struct DirectoryCredential {
    /// The user name.
    pub user: UserName,
    /// The directory that it opens.
    pub directory: DirectoryName,
    /// Whom it is for.
    pub holder: Holder,
    /// When it was made.
    pub begins: Moment,
    /// From when on it opens nothing; `None` is never.
    pub ends: Option<Moment>,
    /// When another one took its place.
    pub replaced: Option<Moment>,
    /// The key that its password follows from.
    pub kid: String,
    /// The kept form of its password, as it stands in the htpasswd file.
    pub hash: String,
    /// Who made it, in words.
    pub author: String,
}

/// Without the hash: it belongs into the htpasswd file alone.
impl fmt::Debug for DirectoryCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, directory, holder, begins, ends, replaced, kid, hash: _, author } = self;
        f.debug_struct("DirectoryCredential")
            .field("user", user)
            .field("directory", directory)
            .field("holder", holder)
            .field("begins", begins)
            .field("ends", ends)
            .field("replaced", replaced)
            .field("kid", kid)
            .field("author", author)
            .finish_non_exhaustive()
    }
}

/// Where a credential stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It is the one to be told.
    Current,
    /// Another one took its place; it still opens.
    Retiring,
    /// It opens nothing any more.
    Ended,
}

impl State {
    /// The word of commands and of the API.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Retiring => "retiring",
            Self::Ended => "ended",
        }
    }
}

impl DirectoryCredential {
    /// Where it stands at `now`; the moment at which it ends is over.
    pub fn state(&self, now: Moment) -> State {
        match (self.ends, self.replaced) {
            (Some(ends), _) if ends <= now => State::Ended,
            (_, Some(_)) => State::Retiring,
            (_, None) => State::Current,
        }
    }

    /// As it is once another one takes its place at `now`: it opens for `overlap` more, and not beyond its own end.
    #[must_use]
    pub fn replaced(&self, now: Moment, overlap: Span) -> Self {
        let end = now + overlap;
        Self { replaced: Some(self.replaced.unwrap_or(now)), ends: Some(self.ends.map_or(end, |ends| ends.min(end))), ..self.clone() }
    }

    /// As it is when what it is for lasts until `until`. What was replaced does not last longer by that.
    #[must_use]
    pub fn lasting(&self, until: Option<Moment>) -> Self {
        let ends = match (self.replaced, self.ends, until) {
            (None, _, until) => until,
            (Some(_), Some(ends), Some(until)) => Some(ends.min(until)),
            (Some(_), ends, until) => ends.or(until),
        };
        Self { ends, ..self.clone() }
    }

    /// As it is when it ends at `now`. What ended before stays as it was.
    #[must_use]
    pub fn ended(&self, now: Moment) -> Self {
        Self { ends: Some(self.ends.map_or(now, |ends| ends.min(now))), ..self.clone() }
    }
}

/// When the credential that is shared in a directory is due to be replaced, where it is on schedule.
pub fn rotation_due(current: &DirectoryCredential, rotate_every: Option<Span>) -> Option<Moment> {
    rotate_every.filter(|_| current.holder == Holder::Everybody).map(|every| current.begins + every)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn credential(ends: Option<u64>) -> DirectoryCredential {
        DirectoryCredential {
            user: UserName::new([1, 2, 3, 4, 5]),
            directory: DirectoryName::parse("goods").expect("a name"),
            holder: Holder::Everybody,
            begins: Moment::from_seconds(100),
            ends: ends.map(Moment::from_seconds),
            replaced: None,
            kid: "main".to_owned(),
            hash: "$apr1$secret$secret".to_owned(),
            author: String::new(),
        }
    }

    proptest! {
        #[test]
        fn a_user_name_is_read_back_from_its_own_text(bits: [u8; 5]) {
            let user = UserName::new(bits);
            let text = user.to_string();
            prop_assert_eq!(text.len(), 9);
            prop_assert_eq!(text.parse(), Ok(user));
            prop_assert_eq!(text.replace('-', "").parse::<UserName>(), Err(NotAUserName));
        }
    }

    #[test]
    fn no_other_text_is_a_user_name() {
        assert_eq!(UserName::new([0; 5]).to_string(), "0000-0000");
        assert_eq!(UserName::new([255; 5]).to_string(), "zzzz-zzzz");
        for bad in
            ["", "-", "k7m29xqt", "k7m2-9xq", "k7m2-9xqtt", "k7m29-xqt", "K7M2-9XQT", "k7m2-9xqi", "k7m2-9xql", "k7m2 9xqt", "k7mé-xqt"]
        {
            assert_eq!(bad.parse::<UserName>(), Err(NotAUserName), "{bad}");
        }
    }

    #[test]
    fn what_is_replaced_stays_for_the_overlap_and_not_beyond_its_own_end() {
        let (now, overlap) = (Moment::from_seconds(200), Span::from_seconds(50));
        for (ends, new) in [(None, 250), (Some(300), 250), (Some(220), 220), (Some(150), 150)] {
            let replaced = credential(ends).replaced(now, overlap);
            assert_eq!(replaced.ends, Some(Moment::from_seconds(new)), "{ends:?}");
            assert_eq!(replaced.replaced, Some(now));
            let again = replaced.replaced(Moment::from_seconds(210), Span::ZERO);
            assert_eq!((again.replaced, again.ends), (Some(now), Some(Moment::from_seconds(new.min(210)))));
        }
        let retiring = credential(None).replaced(now, overlap);
        for (seconds, state) in [(199, State::Retiring), (249, State::Retiring), (250, State::Ended), (999, State::Ended)] {
            assert_eq!(retiring.state(Moment::from_seconds(seconds)), state, "{seconds}");
        }
        assert_eq!(credential(None).state(Moment::from_seconds(u64::MAX)), State::Current);
    }

    #[test]
    fn what_a_grant_gets_more_is_for_the_one_that_is_to_be_told() {
        let at = Moment::from_seconds;
        let retiring = credential(Some(300)).replaced(at(200), Span::from_seconds(50));
        for (until, current, old) in [(Some(400), Some(400), 250), (None, None, 250), (Some(230), Some(230), 230)] {
            let until = until.map(at);
            assert_eq!(credential(Some(300)).lasting(until).ends, current.map(at));
            assert_eq!(retiring.lasting(until).ends, Some(at(old)));
        }
        assert_eq!(credential(None).ended(at(10)).state(at(10)), State::Ended);
        assert_eq!(credential(Some(5)).ended(at(10)).ends, Some(at(5)));
    }

    #[test]
    fn only_what_is_shared_is_replaced_on_schedule() {
        let day = Some(Span::from_days(1));
        assert_eq!(rotation_due(&credential(None), day), Some(Moment::from_seconds(86_500)));
        assert_eq!(rotation_due(&credential(None), None), None);
        let of_grant = DirectoryCredential { holder: Holder::Grant(GrantId::new([1; 12])), ..credential(None) };
        assert_eq!(rotation_due(&of_grant, day), None);
    }

    #[test]
    fn a_hash_does_not_print() {
        assert!(!format!("{:?}", credential(None)).contains("secret"));
    }
}

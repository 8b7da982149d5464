//! Why a token does not open, in words for the log and `cloakroom explain`.

use std::fmt;

use ipnet::IpNet;

use super::{LEEWAY, TOKEN_BYTES_MAX};
use crate::domain::moment::{Moment, Span};
use crate::domain::refusal::Refusal;

/// Why a token does not open. Only the log and `cloakroom explain` hear it; the client hears [`Fault::refusal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// None was brought.
    NotBrought,
    /// Two different ones were brought, or `jwt` stands twice in the query.
    Several,
    /// It is longer than [`TOKEN_BYTES_MAX`].
    TooLong,
    /// It has not three parts.
    Parts,
    /// This part is not base64url in its one spelling.
    Encoding(Part),
    /// This part is no JSON object, or a name stands twice in it.
    NotAnObject(Part),
    /// The header asks for what is not known here (`crit`).
    Critical,
    /// The header says that it is something else than a JWT.
    Type,
    /// The header names no algorithm that is known here.
    Algorithm,
    /// Several keys could be meant, or none, and `kid` does not say which.
    NoKeyNamed,
    /// `kid` is no key's id.
    BadKeyId,
    /// No key has the id.
    UnknownKey,
    /// The key is for another algorithm than the header says.
    OtherAlgorithm,
    /// The signature is not one of the token under this key.
    MacFailed,
    /// The signature holds; its key is retired.
    KeyRetired,
    /// This claim is needed.
    Missing(&'static str),
    /// This claim has a value of another type, or one that cannot be.
    BadValue(&'static str),
    /// There is more than one of `file`, `path` and `prefix`, or none.
    NoScope,
    /// `aud` is another site, or another program.
    WrongAudience,
    /// It holds for longer than this.
    LivesTooLong(Span),
    /// The time is over.
    Expired(Moment),
    /// The time has not come.
    NotYet(Moment),
    /// The client is in another network.
    WrongNetwork(IpNet),
    /// The path is not the one that it opens.
    WrongPath,
    /// It opens a file of a storage, and what is asked for is a path of the site.
    OnlyDownloads,
    /// `max` without this claim.
    MaxNeeds(&'static str),
    /// `max` and `name` together.
    MaxWithName,
    /// `max` where nothing is counted.
    NotCounted,
}

/// A part of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The first.
    Header,
    /// The second.
    Claims,
    /// The third.
    Signature,
}

impl Fault {
    /// What the client is told.
    pub const fn refusal(self) -> Refusal {
        match self {
            Self::NotBrought => Refusal::NoProof,
            Self::Several
            | Self::TooLong
            | Self::Parts
            | Self::Encoding(_)
            | Self::NotAnObject(_)
            | Self::Critical
            | Self::Type
            | Self::Algorithm
            | Self::NoKeyNamed
            | Self::BadKeyId
            | Self::UnknownKey
            | Self::OtherAlgorithm
            | Self::MacFailed
            | Self::Missing(_)
            | Self::BadValue(_)
            | Self::NoScope
            | Self::WrongAudience
            | Self::LivesTooLong(_)
            | Self::MaxNeeds(_)
            | Self::MaxWithName
            | Self::NotCounted => Refusal::BadProof,
            Self::KeyRetired => Refusal::KeyRetired,
            Self::Expired(_) => Refusal::Expired,
            Self::NotYet(_) => Refusal::NotYetValid,
            Self::WrongNetwork(_) => Refusal::WrongNetwork,
            Self::WrongPath | Self::OnlyDownloads => Refusal::WrongPath,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Claims => "claims",
            Self::Signature => "signature",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBrought => f.write_str("there is no JWT: neither `jwt` in the query, nor `Authorization: Bearer`, nor the cookie"),
            Self::Several => {
                f.write_str("two different JWTs were brought (query and Bearer, or two cookies): which is meant is not guessed")
            }
            Self::TooLong => write!(f, "the JWT is longer than {TOKEN_BYTES_MAX} bytes"),
            Self::Parts => f.write_str("a JWT has three parts, joined by `.`"),
            Self::Encoding(part) => write!(f, "the {part} of the JWT must be base64url without padding, in its one spelling"),
            Self::NotAnObject(part) => write!(f, "the {part} of the JWT must be a JSON object in which each name stands once"),
            Self::Critical => f.write_str("the header of the JWT has `crit`, and no extension is known here"),
            Self::Type => f.write_str("`typ` in the header must be \"JWT\" or \"at+jwt\", if it is there"),
            Self::Algorithm => f.write_str("`alg` in the header must be HS256, EdDSA, ES256 or RS256"),
            Self::NoKeyNamed => f.write_str("the header has no `kid`, which may only be left out where one key alone is for its `alg`"),
            Self::BadKeyId => f.write_str("`kid` in the header must be the id of a key: 1 to 32 letters, digits, `-` or `_`"),
            Self::UnknownKey => f.write_str("no key has the id that `kid` names"),
            Self::OtherAlgorithm => f.write_str("`alg` in the header is not the one that the key is for"),
            Self::MacFailed => f.write_str("the signature is not one of this token under this key"),
            Self::KeyRetired => f.write_str("the signature holds, but its key is retired"),
            Self::Missing(name) => write!(f, "the claim `{name}` is missing"),
            Self::BadValue(name) => write!(f, "the value of the claim `{name}` cannot be read"),
            Self::NoScope => f.write_str("the claims must have one of `file`, `path` and `prefix`"),
            Self::WrongAudience => f.write_str("`aud` must be the name of this site, or a list that holds it"),
            Self::LivesTooLong(most) => write!(f, "it holds for longer than {most}, the most that jwt_life_max allows"),
            Self::Expired(at) => write!(f, "it expired at {at} ({} s of grace included)", LEEWAY.seconds()),
            Self::NotYet(at) => write!(f, "it does not hold before {at}"),
            Self::WrongNetwork(network) => write!(f, "the client is not in {network}"),
            Self::WrongPath => f.write_str("the path is not the one that `file`, `path` or `prefix` opens"),
            Self::OnlyDownloads => {
                f.write_str("`file` opens downloads under public_url only; for a path of the site write `path` or `prefix`")
            }
            Self::MaxNeeds(name) => write!(f, "with `max` the claim `{name}` is needed"),
            Self::MaxWithName => f.write_str("with `max` the file is saved under its own name: leave `name` out"),
            Self::NotCounted => f.write_str("`max` counts downloads under public_url, and here nothing is counted: leave it out"),
        }
    }
}

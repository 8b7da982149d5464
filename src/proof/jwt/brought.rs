//! Where a token is brought: `jwt=…` in the query, `Authorization: Bearer …`, the cookie `cloakroom_jwt`.

use super::Fault;
use crate::proof::query::{decode, pairs};
use crate::proof::signed_url::QUERY_BYTES_MAX;

/// The name in the query. It stands there once, and anywhere.
const NAME: &str = "jwt";

/// Where a token was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the query.
    Query,
    /// In `Authorization`.
    Bearer,
    /// In the cookie.
    Cookie,
}

/// The one token that a request brings, and where it was seen first. Query and `Authorization` say which token is meant;
/// only where they say none, the cookie does, which a browser sends with everything. The same token may be brought in several
/// places; of two different ones none is taken. An empty cookie brings none.
pub fn brought<'a>(
    query: Option<&'a str>,
    bearer: Option<&'a str>,
    cookies: impl IntoIterator<Item = &'a str>,
) -> Result<(&'a str, Place), Fault> {
    let query = query.unwrap_or_default();
    let mut named = pairs(query).filter(|pair| decode(pair.name).as_deref() == Some(NAME));
    let in_query = match (named.next(), named.next()) {
        (None, _) => None,
        (Some(_), _) if query.len() > QUERY_BYTES_MAX => return Err(Fault::TooLong),
        // A name written with `%` is one that others may not see.
        (Some(pair), None) if pair.name == NAME => Some((pair.value, Place::Query)),
        (Some(_), _) => return Err(Fault::Several),
    };
    let explicit = only(in_query.into_iter().chain(bearer.map(|token| (token, Place::Bearer))))?;
    let found = match explicit {
        Some(explicit) => Some(explicit),
        None => only(cookies.into_iter().filter(|token| !token.is_empty()).map(|token| (token, Place::Cookie)))?,
    };
    found.ok_or(Fault::NotBrought)
}

/// The first, if no other differs.
fn only<'a>(tokens: impl Iterator<Item = (&'a str, Place)>) -> Result<Option<(&'a str, Place)>, Fault> {
    let mut tokens = tokens;
    let Some(first) = tokens.next() else { return Ok(None) };
    if tokens.all(|(token, _)| token == first.0) { Ok(Some(first)) } else { Err(Fault::Several) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_token_may_come_from_anywhere_and_two_are_none() {
        let long = format!("jwt={}", "a".repeat(QUERY_BYTES_MAX));
        let long_other = format!("search={}", "a".repeat(QUERY_BYTES_MAX));
        for (query, bearer, cookies, found) in [
            (Some("jwt=a.b.c"), None, &[][..], Ok(("a.b.c", Place::Query))),
            (Some("x=1&jwt=a.b.c&utm_source=mail"), None, &[], Ok(("a.b.c", Place::Query))),
            (Some("jwt="), None, &[], Ok(("", Place::Query))),
            (None, Some("a.b.c"), &[], Ok(("a.b.c", Place::Bearer))),
            (Some(""), None, &["a.b.c"], Ok(("a.b.c", Place::Cookie))),
            (Some("jwt=a.b.c"), Some("a.b.c"), &["a.b.c", "a.b.c"], Ok(("a.b.c", Place::Query))),
            (None, None, &[], Err(Fault::NotBrought)),
            (Some("JWT=a.b.c&xjwt=1&jwtx=2"), None, &[], Err(Fault::NotBrought)),
            (Some("jwt=a.b.c&jwt=a.b.c"), None, &[], Err(Fault::Several)),
            (Some("jwt=a.b.c&%6awt=d.e.f"), None, &[], Err(Fault::Several)),
            (Some("%6Awt=a.b.c"), None, &[], Err(Fault::Several)),
            (Some("jwt=a.b.c"), Some("d.e.f"), &[], Err(Fault::Several)),
            (Some("jwt=a.b.c"), None, &["d.e.f"], Ok(("a.b.c", Place::Query))),
            (None, Some("a.b.c"), &["d.e.f", "g.h.i"], Ok(("a.b.c", Place::Bearer))),
            (None, None, &["a.b.c", "d.e.f"], Err(Fault::Several)),
            (None, None, &[""], Err(Fault::NotBrought)),
            (None, None, &["", "a.b.c", ""], Ok(("a.b.c", Place::Cookie))),
            (Some("jwt="), None, &["a.b.c"], Ok(("", Place::Query))),
            (Some(long.as_str()), None, &[], Err(Fault::TooLong)),
            (Some(long_other.as_str()), None, &["a.b.c"], Ok(("a.b.c", Place::Cookie))),
            (Some(long_other.as_str()), None, &[], Err(Fault::NotBrought)),
        ] {
            assert_eq!(brought(query, bearer, cookies.iter().copied()), found, "{query:?} {bearer:?} {cookies:?}");
        }
    }
}

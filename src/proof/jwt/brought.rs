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

/// The one token that a request brings, and where it was seen first. The same one may be brought in several places; of
/// two different ones none is taken.
pub fn brought<'a>(
    query: Option<&'a str>,
    bearer: Option<&'a str>,
    cookies: impl IntoIterator<Item = &'a str>,
) -> Result<(&'a str, Place), Fault> {
    let query = query.unwrap_or_default();
    if query.len() > QUERY_BYTES_MAX {
        return Err(Fault::TooLong);
    }
    let mut found = None;
    let mut count = 0;
    for pair in pairs(query).filter(|pair| decode(pair.name).as_deref() == Some(NAME)) {
        count += 1;
        // A name written with `%` is one that others may not see.
        if count > 1 || pair.name != NAME {
            return Err(Fault::Several);
        }
        found = Some((pair.value, Place::Query));
    }
    let others = bearer.into_iter().map(|token| (token, Place::Bearer));
    for (token, place) in others.chain(cookies.into_iter().map(|token| (token, Place::Cookie))) {
        match found {
            None => found = Some((token, place)),
            Some((first, _)) if first == token => {}
            Some(_) => return Err(Fault::Several),
        }
    }
    found.ok_or(Fault::NotBrought)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_token_may_come_from_anywhere_and_two_are_none() {
        let long = format!("jwt={}", "a".repeat(QUERY_BYTES_MAX));
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
            (Some("jwt=a.b.c"), None, &["d.e.f"], Err(Fault::Several)),
            (None, Some("a.b.c"), &["a.b.c", "d.e.f"], Err(Fault::Several)),
            (Some(long.as_str()), None, &[], Err(Fault::TooLong)),
        ] {
            assert_eq!(brought(query, bearer, cookies.iter().copied()), found, "{query:?} {bearer:?} {cookies:?}");
        }
    }
}

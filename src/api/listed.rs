//! Lists, a page at a time. The address of the next page stands in the header `Link` (RFC 8288), so that nobody needs to know
//! how pages are named.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::Uri;
use http::header::{HeaderValue, LINK};
use serde::Serialize;

/// A page of a list.
pub(super) struct Listed<T> {
    items: Vec<T>,
    next: Option<HeaderValue>,
}

impl<T> Listed<T> {
    /// The page at `uri`, for which `limit` were asked; the next one begins at `parameter`, which is the name of the last.
    pub(super) fn page(uri: &Uri, items: Vec<T>, limit: usize, parameter: &str, name: impl Fn(&T) -> &str) -> Self {
        let last = items.last().filter(|_| items.len() >= limit).map(name);
        let next = last.and_then(|last| HeaderValue::from_str(&format!("<{}>; rel=\"next\"", next(uri, parameter, last))).ok());
        Self { items, next }
    }

    /// A list that is whole.
    pub(super) const fn whole(items: Vec<T>) -> Self {
        Self { items, next: None }
    }
}

impl<T: Serialize> IntoResponse for Listed<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.items).into_response();
        if let Some(next) = self.next {
            response.headers_mut().insert(LINK, next);
        }
        response
    }
}

/// The same address with another beginning.
fn next(uri: &Uri, parameter: &str, last: &str) -> String {
    let query = uri.query().unwrap_or_default();
    let kept = query.split('&').filter(|pair| !pair.is_empty() && pair.split('=').next() != Some(parameter));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let last: String = last.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect();
    let pairs: Vec<String> = kept.map(str::to_owned).chain([format!("{parameter}={last}")]).collect();
    format!("{}?{}", uri.path(), pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_the_same_list_from_the_last_one_on() {
        for (uri, last, wanted) in [
            ("/api/v1/grants", "g-1", "/api/v1/grants?before=g-1"),
            ("/api/v1/grants?limit=2", "g-1", "/api/v1/grants?limit=2&before=g-1"),
            ("/api/v1/grants?before=g-2&customer=a%26b&limit=2", "g-1", "/api/v1/grants?customer=a%26b&limit=2&before=g-1"),
            ("/api/v1/products?limit=1", "a b/ü", "/api/v1/products?limit=1&before=a%20b%2F%C3%BC"),
        ] {
            assert_eq!(next(&uri.parse().unwrap(), "before", last), wanted);
        }
    }
}

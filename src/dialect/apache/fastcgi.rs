//! `mod_authnz_fcgi`: a FastCGI authorizer is asked whether a request may pass, from the main configuration or from
//! `.htaccess`, and Apache serves its own file.
//!
//! Every status reaches the client, with a body of at most [`BODY_BYTES_MAX`], which Apache labels `text/html` in ISO 8859-1.
//! On 200 what we call `Variable-NAME` becomes the environment variable `NAME` of the request.
//!
//! The question is about `REQUEST_URI`, and what Apache serves is `SCRIPT_FILENAME`: they must agree.

use http::header::{HeaderName, HeaderValue};
use http::request::Parts;

use crate::domain::path::CanonicalPath;
use crate::domain::question::{Kind, Question};
use crate::domain::refusal::Refusal;

use super::super::answer::{CHALLENGE, Head, basic_challenge, in_header, refusal_page, unsayable};
use super::super::headers::{Told, method};
use super::super::{Answer, Asked, Malformed, Page, Say};
use super::{Cgi, kib, range};

/// Apache takes no more of the body of a refusal.
pub const BODY_BYTES_MAX: usize = 8192;

/// Who it is. `UserExpr` must not be empty: nobody is [`NOBODY`].
const USER: HeaderName = HeaderName::from_static("variable-cloakroom_user");

/// What logs call nobody.
const NOBODY: &str = "-";

/// What `mod_ratelimit` reads, in KiB/s.
const RATE_LIMIT: HeaderName = HeaderName::from_static("variable-rate-limit");

pub(super) fn read(head: &Parts) -> Result<Asked, Malformed> {
    let cgi = Cgi::of(head, Kind::Authorize)?;
    question(head, &cgi).map(Asked::Question).map_err(|reason| cgi.malformed(Kind::Authorize, reason))
}

fn question(head: &Parts, cgi: &Cgi<'_>) -> Result<Question, String> {
    let request = cgi.request_id()?;
    let (path, query) = cgi.target()?;
    let mapped = cgi.needed("SCRIPT_FILENAME")?;
    agree(&path, mapped, cgi.needed("CONTEXT_PREFIX")?, cgi.needed("CONTEXT_DOCUMENT_ROOT")?)?;
    let (method, address, range) = (method(head.method.as_str()), cgi.address()?, range(&cgi.lines));
    Ok(cgi.lines.question(Told { kind: Kind::Authorize, request, method, path, query, address, range }))
}

/// Whether the file that Apache has mapped a request to is the one that its path means, below the directory that holds
/// its `DocumentRoot` or `Alias`; or a file directly in the directory that the path means, as `DirectoryIndex` finds it; or,
/// from the path's first segment on, what holds the file, where the rest is `PATH_INFO` or not there. Any other file came
/// from another address, by rewriting or by a proxy, and nobody asked about that one.
fn agree(path: &CanonicalPath, mapped: &str, prefix: &str, root: &str) -> Result<(), String> {
    let other = || {
        "variable `SCRIPT_FILENAME` is not the file that `REQUEST_URI` means: rewriting or a proxy leads elsewhere, which an authorizer cannot follow"
            .to_owned()
    };
    let inside = path.decoded().strip_prefix(prefix.trim_end_matches('/')).filter(|inside| inside.starts_with('/')).ok_or_else(other)?;
    let inside = inside.trim_start_matches('/');
    let mapped = mapped.strip_prefix(root.trim_end_matches('/')).and_then(|mapped| mapped.strip_prefix('/')).ok_or_else(other)?;
    let is_index = (inside.is_empty() || inside.ends_with('/'))
        && mapped.strip_prefix(inside).is_some_and(|index| !index.is_empty() && !index.contains('/'));
    let is_above = !mapped.is_empty() && inside.strip_prefix(mapped).is_some_and(|rest| rest.starts_with('/'));
    if mapped == inside || is_index || is_above { Ok(()) } else { Err(other()) }
}

pub(super) fn write(kind: Kind, say: Say<'_>) -> Answer {
    match (kind, say) {
        (Kind::Authorize, Say::Allow { rate, user }) => {
            let user = user.filter(|user| !user.is_empty()).map_or_else(|| NOBODY.to_owned(), in_header);
            Head::new(200, 2).text(USER, user).maybe(RATE_LIMIT, rate.map(kib)).empty()
        }
        (Kind::Authorize, Say::Refuse { refusal, support, page, realm, lasts }) => {
            let challenge = realm.filter(|_| refusal.status() == 401).map(basic_challenge);
            let whole = with(challenge.as_deref(), refusal_page(refusal, support, in_ascii(&page), lasts));
            if whole.body.len() <= BODY_BYTES_MAX {
                return whole;
            }
            let line = Page { media_type: "text/plain; charset=utf-8", text: line(refusal, &support.to_string()), policy: "" };
            with(challenge.as_deref(), refusal_page(refusal, support, in_ascii(&line), lasts))
        }
        (Kind::Authorize, Say::HandOff { .. } | Say::Describe { .. } | Say::Redirect { .. } | Say::Show { .. }) | (Kind::Download, _) => {
            unsayable()
        }
    }
}

/// Where a page is too long for Apache.
fn line(refusal: Refusal, support: &str) -> String {
    format!("{}: {support}\n", refusal.code())
}

/// A refusal that asks for a name and a password.
fn with(challenge: Option<&str>, mut answer: Answer) -> Answer {
    if let Some(challenge) = challenge.and_then(|challenge| HeaderValue::from_str(challenge).ok()) {
        answer.headers.push((CHALLENGE, challenge));
    }
    answer
}

/// A page that is the same in each encoding, and HTML whatever it was: Apache does not pass its media type on. A blank
/// stands before a line, since Apache takes what begins like a URL (`word:`) or a path for the address of the page, and
/// sends the client there (`ap_custom_response`).
fn in_ascii<'p>(page: &Page<'p>) -> Page<'p> {
    use std::fmt::Write as _;
    let is_html = page.media_type.starts_with("text/html");
    let mut text = String::with_capacity(page.text.len() + 1);
    if !page.text.starts_with('<') || !is_html {
        text.push(' ');
    }
    for letter in page.text.chars() {
        match letter {
            '<' | '>' | '&' if !is_html => {
                // Writing into a string does not fail.
                let _ = write!(text, "&#{};", u32::from(letter));
            }
            letter if letter.is_ascii() => text.push(letter),
            letter => {
                let _ = write!(text, "&#{};", u32::from(letter));
            }
        }
    }
    let Page { media_type, policy, .. } = *page;
    Page { media_type, text, policy }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_another_address_leads_to_is_not_the_one_that_was_asked_about() {
        for (path, mapped, prefix, root, good) in [
            ("/members/a.zip", "/srv/www/members/a.zip", "", "/srv/www", true),
            ("/members/a%20b.zip", "/srv/www/members/a b.zip", "", "/srv/www/", true),
            ("/members/", "/srv/www/members/", "", "/srv/www", true),
            ("/members", "/srv/www/members", "", "/srv/www", true),
            ("/members/", "/srv/www/members/index.html", "", "/srv/www", true),
            ("/", "/srv/www/", "", "/srv/www", true),
            ("/", "/srv/www/index.html", "", "/srv/www", true),
            ("/members/forum.php/topic/1", "/srv/www/members/forum.php", "", "/srv/www", true),
            ("/members/none/x.zip", "/srv/www/members/none", "", "/srv/www", true),
            ("/goods/a.zip", "/srv/goods/a.zip", "/goods/", "/srv/goods/", true),
            ("/goods/a.zip", "/srv/goods/a.zip", "/goods", "/srv/goods", true),
            ("/members/", "/srv/www/members/sub/index.html", "", "/srv/www", false),
            ("/members", "/srv/www/members/index.html", "", "/srv/www", false),
            ("/members/a.zip", "/srv/www/", "", "/srv/www", false),
            ("/members/a.zip", "/srv/www", "", "/srv/www", false),
            ("/members/a.zip", "/srv/www/index.php", "", "/srv/www", false),
            ("/members/a.zip", "/srv/www/members/b.zip", "", "/srv/www", false),
            ("/members/a.zip", "/srv/www/members/a.zip.php", "", "/srv/www", false),
            ("/members/a.zip", "/srv/www/members/a", "", "/srv/www", false),
            ("/members/a.zip", "/srv/wwwmembers/a.zip", "", "/srv/www", false),
            ("/members/a.zip", "/srv/other/members/a.zip", "", "/srv/www", false),
            ("/members/a.zip", "proxy:http://127.0.0.1:3000/members/a.zip", "", "/srv/www", false),
            ("/goodsa.zip", "/srv/goods/a.zip", "/goods", "/srv/goods", false),
            ("/members/a.zip", "", "", "", false),
        ] {
            let path = CanonicalPath::parse(path).unwrap();
            assert_eq!(agree(&path, mapped, prefix, root).is_ok(), good, "{path} {mapped}");
        }
    }

    #[test]
    fn what_is_said_is_the_same_in_each_encoding() {
        let said = |media_type, text: &str| in_ascii(&Page { media_type, text: text.to_owned(), policy: "" }).text;
        assert_eq!(said("text/html; charset=utf-8", "<p>für 5 €</p>"), "<p>f&#252;r 5 &#8364;</p>");
        assert_eq!(said("text/plain; charset=utf-8", "a <b> & für\n"), " a &#60;b&#62; &#38; f&#252;r\n");
        for (media_type, text) in
            [("text/plain", "expired: x"), ("text/plain", "/x"), ("text/html", "x:y"), ("text/html", "/"), ("text/html", "")]
        {
            assert!(said(media_type, text).starts_with(' '), "{text} is no address of a page");
        }
    }
}

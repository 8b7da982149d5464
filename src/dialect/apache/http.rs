//! `mod_proxy_http` with `mod_xsendfile`: a download is passed on to us, and the answer names the file that Apache sends.
//!
//! The address is the target of the request. `X-Request-Id` (`UNIQUE_ID`) and `X-Real-IP` (`REMOTE_ADDR`) are set by the
//! shipped configuration, whatever the client sends under those names. `X-Sendfile` holds the raw bytes of a path: version
//! 0.12 of the module decodes nothing. It makes the `ETag` `"0"` of every file that is proxied, and so each answer brings one
//! of ours, with `Last-Modified`.

use http::header::{self, HeaderName};
use http::request::Parts;

use crate::domain::file_name::content_disposition;
use crate::domain::path::{CanonicalPath, FilePath};
use crate::domain::question::{Kind, Question};

use super::super::answer::{DELIVERY, Head, http_date, passed_on, unsayable};
use super::super::headers::{Heard, Sender, Told, client_address, malformed, method, path_and_query, request_id};
use super::super::{Answer, Asked, Malformed, Say};
use super::{RATE, kib, range};

const SENDFILE: HeaderName = HeaderName::from_static("x-sendfile");

pub(super) fn read(head: &Parts, public_path: &str) -> Result<Asked, Malformed> {
    let told = Heard::listen(&head.headers, Sender::WebServer).and_then(|lines| question(head, &lines, public_path));
    told.map(Asked::Question).map_err(|reason| malformed(Kind::Download, &head.headers, reason))
}

fn question(head: &Parts, lines: &Heard<'_>, public_path: &str) -> Result<Question, String> {
    for (heard, name) in [(lines.original_uri, "x-original-uri"), (lines.original_method, "x-original-method")] {
        if heard.is_some() {
            return Err(format!("header `{name}` is another source of what the request itself says; Apache must not pass it on"));
        }
    }
    let request = request_id(lines)?;
    let target = head.uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
    let (path, query) = path_and_query(target);
    let path = CanonicalPath::parse(path).map_err(|fault| fault.to_string())?;
    if !path.encoded().starts_with(public_path) {
        return Err("the address is not under the path of `public_url`".to_owned());
    }
    let (method, address, range) = (method(head.method.as_str()), client_address(lines)?, range(lines));
    Ok(lines.question(Told { kind: Kind::Download, request, method, path, query, address, range }))
}

/// Whether a header can say the path: `mod_xsendfile` cuts blanks off its end, and what is left may be another file.
pub(in crate::dialect) fn can_hand_off(path: &FilePath) -> bool {
    path.as_str().trim_end() == path.as_str()
}

pub(super) fn write(kind: Kind, say: Say<'_>) -> Answer {
    match (kind, say) {
        (Kind::Download, Say::HandOff { directory, path, version, name, rate, delivery, .. }) => Head::new(200, 9)
            .raw(SENDFILE, [directory.trim_end_matches('/'), "/", path.as_str()].concat())
            .text(header::CONTENT_TYPE, version.media_type.as_str())
            .text(header::CONTENT_DISPOSITION, content_disposition(name))
            .text(header::ETAG, version.etag.as_str())
            .maybe(header::LAST_MODIFIED, http_date(version.modified))
            // Of what was proxied Apache does not say so itself, and clients that do not hear it do not resume.
            .fixed(header::ACCEPT_RANGES, "bytes")
            .fixed(header::CACHE_CONTROL, "private, no-store")
            .maybe(RATE, rate.map(kib))
            .maybe(DELIVERY, delivery.map(|delivery| delivery.to_string()))
            .empty(),
        (Kind::Download, say) => passed_on(say),
        (Kind::Authorize, _) => unsayable(),
    }
}

//! `mod_proxy_scgi` with `ProxySCGIInternalRedirect X-Accel-Redirect`: a download is passed on to us, and the answer sends Apache
//! to an address of its own, which nobody else reaches. Of a stock Apache it needs nothing that Apache does not bring.
//!
//! `Content-Disposition`, `Cache-Control`, cookies and our own headers reach the client with the file; its media type and
//! its `ETag` are Apache's own.

use http::header::{self, HeaderName};
use http::request::Parts;

use crate::domain::file_name::content_disposition;
use crate::domain::question::{Kind, Question};

use super::super::answer::{DELIVERY, Head, accel_location, passed_on, unsayable};
use super::super::headers::{Told, method};
use super::super::{Answer, Asked, Malformed, Say};
use super::{Cgi, RATE, kib, range};

pub(super) const ACCEL_REDIRECT: HeaderName = HeaderName::from_static("x-accel-redirect");

pub(super) fn read(head: &Parts, public_path: &str) -> Result<Asked, Malformed> {
    let cgi = Cgi::of(head, Kind::Download)?;
    question(head, &cgi, public_path).map(Asked::Question).map_err(|reason| cgi.malformed(Kind::Download, reason))
}

fn question(head: &Parts, cgi: &Cgi<'_>, public_path: &str) -> Result<Question, String> {
    let request = cgi.request_id()?;
    let (path, query) = cgi.target()?;
    // What Apache itself takes for the address, decoded once.
    let mapped = [cgi.needed("SCRIPT_NAME")?, cgi.variables.text("PATH_INFO").unwrap_or_default()].concat();
    if mapped != path.decoded() {
        return Err("variables `SCRIPT_NAME` and `PATH_INFO` are not the path of `REQUEST_URI`: rewriting leads elsewhere".to_owned());
    }
    if !path.encoded().starts_with(public_path) {
        return Err("the address is not under the path of `public_url`".to_owned());
    }
    let (method, address, range) = (method(head.method.as_str()), cgi.address()?, range(&cgi.lines));
    Ok(cgi.lines.question(Told { kind: Kind::Download, request, method, path, query, address, range }))
}

pub(super) fn write(kind: Kind, say: Say<'_>) -> Answer {
    match (kind, say) {
        (Kind::Download, Say::HandOff { prefix, path, version, name, rate, delivery, .. }) => {
            let Some(location) = accel_location(prefix, &path.encoded()) else { return unsayable() };
            Head::new(200, 6)
                .text(ACCEL_REDIRECT, location)
                .text(header::CONTENT_TYPE, version.media_type.as_str())
                .text(header::CONTENT_DISPOSITION, content_disposition(name))
                .fixed(header::CACHE_CONTROL, "private, no-store")
                .maybe(RATE, rate.map(kib))
                .maybe(DELIVERY, delivery.map(|delivery| delivery.to_string()))
                .empty()
        }
        (Kind::Download, say) => passed_on(say),
        (Kind::Authorize, _) => unsayable(),
    }
}

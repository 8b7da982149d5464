//! Which question, dialect, method and limit go together. What cannot work is refused when the configuration is
//! read, not when a customer arrives.

use crate::dialect::Dialect;
use crate::dialect::apache::Protocol;
use crate::domain::policy::Method;
use crate::domain::question::Kind;

/// A limit that a policy can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// `max_downloads`.
    Downloads,
    /// `retry_factor`: the bytes that one download may send.
    Bytes,
    /// `connections_max`.
    Connections,
    /// `rate`.
    Rate,
    /// `networks`.
    Networks,
    /// `networks_max`.
    NetworksMax,
}

impl Limit {
    /// Its key in `[[policy]]`.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Downloads => "max_downloads",
            Self::Bytes => "retry_factor",
            Self::Connections => "connections_max",
            Self::Rate => "rate",
            Self::Networks => "networks",
            Self::NetworksMax => "networks_max",
        }
    }
}

/// Whether a question of this kind can be answered over this dialect by this method, or why not.
pub(super) const fn possible(kind: Kind, dialect: Dialect, method: Method) -> Result<(), &'static str> {
    match (kind, dialect, method) {
        (Kind::Download, Dialect::Apache(Protocol::FastCgi), _) => {
            Err("over FastCGI Apache asks only whether a request may pass: downloads need a listener with protocol = \"scgi\" or \"http\"")
        }
        (Kind::Authorize, Dialect::Apache(Protocol::Scgi | Protocol::Http), _) => {
            Err("Apache asks whether a request may pass over a listener with protocol = \"fastcgi\" only")
        }
        (Kind::Authorize | Kind::Download, Dialect::Nginx | Dialect::Apache(_), Method::Handoff)
        | (Kind::Download, Dialect::Standalone, Method::Stream)
        | (Kind::Download, _, Method::Stub | Method::Copy | Method::Public) => Ok(()),
        (Kind::Authorize, _, Method::Stub | Method::Copy | Method::Public) => Err("a redirect is no answer to a question of yes or no"),
        (_, _, Method::Presigned | Method::Proxy) => Err("it is not in this version"),
        (Kind::Authorize, Dialect::Standalone, Method::Handoff | Method::Stream) => {
            Err("a standalone listener has no web server whose files a request could pass to")
        }
        (Kind::Authorize, Dialect::Nginx | Dialect::Apache(_), Method::Stream) => Err("the web server sends its own files"),
        (Kind::Download, Dialect::Standalone, Method::Handoff) => {
            Err("it needs a web server to hand the file to: a listener of nginx or Apache")
        }
        (Kind::Download, Dialect::Nginx | Dialect::Apache(_), Method::Stream) => Err("in this version it needs a standalone listener"),
    }
}

/// Whether `limit` can hold with `method`, or why not. `measured` is whether there is a `[feed]`.
pub(super) const fn holds(limit: Limit, method: Method, measured: bool) -> Result<(), &'static str> {
    match (method, limit) {
        (Method::Handoff, Limit::Connections) if !measured => Err("without a [feed] nobody tells when a request has ended"),
        (Method::Handoff | Method::Stream | Method::Proxy, _) | (Method::Stub | Method::Public | Method::Presigned, Limit::Downloads) => {
            Ok(())
        }
        (Method::Copy, Limit::Downloads) if !measured => Err("without a [feed] nobody tells when a copy was downloaded"),
        // It acts afterwards: the copy goes when it is reached.
        (Method::Copy, Limit::Downloads) => Ok(()),
        (
            Method::Stub | Method::Copy | Method::Public | Method::Presigned,
            Limit::Bytes | Limit::Connections | Limit::Rate | Limit::Networks | Limit::NetworksMax,
        ) => Err("after a redirect the requests no longer pass by Cloakroom"),
    }
}

/// Whether `limit` can hold where a web server of this dialect sends the file, or why not.
pub(super) const fn heard(limit: Limit, dialect: Dialect) -> Result<(), &'static str> {
    match (limit, dialect) {
        (Limit::Rate, Dialect::Apache(Protocol::Http)) => {
            Err("mod_xsendfile sends as fast as it can; over protocol = \"scgi\" Apache keeps to a rate")
        }
        _ => Ok(()),
    }
}

/// Whether with `method` a grant can be for the version that was sold, whatever the master becomes.
pub(super) const fn keeps_versions(method: Method) -> Result<(), &'static str> {
    match method {
        Method::Copy | Method::Handoff | Method::Stub | Method::Stream => Ok(()),
        Method::Public | Method::Presigned | Method::Proxy => Err("whoever knows its address gets what lies there now"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hand_off_needs_a_web_server_a_stream_nobody_in_front_and_a_redirect_neither() {
        const FCGI: Dialect = Dialect::Apache(Protocol::FastCgi);
        const SCGI: Dialect = Dialect::Apache(Protocol::Scgi);
        const HTTP: Dialect = Dialect::Apache(Protocol::Http);
        let mut works = Vec::new();
        for kind in [Kind::Authorize, Kind::Download] {
            for dialect in [Dialect::Nginx, FCGI, SCGI, HTTP, Dialect::Standalone] {
                for &method in Method::ALL {
                    match possible(kind, dialect, method) {
                        Ok(()) => works.push((kind, dialect, method)),
                        Err(why) => assert!(!why.is_empty() && !why.ends_with('.'), "{why}"),
                    }
                }
            }
        }
        let expected = [
            (Kind::Authorize, Dialect::Nginx, Method::Handoff),
            (Kind::Authorize, FCGI, Method::Handoff),
            (Kind::Download, Dialect::Nginx, Method::Handoff),
            (Kind::Download, Dialect::Nginx, Method::Stub),
            (Kind::Download, Dialect::Nginx, Method::Copy),
            (Kind::Download, Dialect::Nginx, Method::Public),
            (Kind::Download, SCGI, Method::Handoff),
            (Kind::Download, SCGI, Method::Stub),
            (Kind::Download, SCGI, Method::Copy),
            (Kind::Download, SCGI, Method::Public),
            (Kind::Download, HTTP, Method::Handoff),
            (Kind::Download, HTTP, Method::Stub),
            (Kind::Download, HTTP, Method::Copy),
            (Kind::Download, HTTP, Method::Public),
            (Kind::Download, Dialect::Standalone, Method::Stub),
            (Kind::Download, Dialect::Standalone, Method::Copy),
            (Kind::Download, Dialect::Standalone, Method::Public),
            (Kind::Download, Dialect::Standalone, Method::Stream),
        ];
        assert_eq!(works, expected);
    }

    #[test]
    fn what_passes_by_us_keeps_a_version_and_a_public_address_does_not() {
        let keeps: Vec<_> = Method::ALL.iter().copied().filter(|method| keeps_versions(*method).is_ok()).collect();
        assert_eq!(keeps, [Method::Handoff, Method::Stub, Method::Copy, Method::Stream]);
    }

    #[test]
    fn only_where_we_see_each_request_and_its_end_every_limit_holds() {
        let all = [Limit::Downloads, Limit::Bytes, Limit::Connections, Limit::Rate, Limit::Networks, Limit::NetworksMax];
        let broken = |method, measured| all.into_iter().filter(|limit| holds(*limit, method, measured).is_err()).collect::<Vec<_>>();
        for &method in Method::ALL {
            let (measured, unmeasured) = match method {
                Method::Handoff => (vec![], vec![Limit::Connections]),
                Method::Stream | Method::Proxy => (vec![], vec![]),
                Method::Stub | Method::Public | Method::Presigned => (all[1..].to_vec(), all[1..].to_vec()),
                Method::Copy => (all[1..].to_vec(), all.to_vec()),
            };
            assert_eq!((broken(method, true), broken(method, false)), (measured, unmeasured), "{method:?}");
        }
    }
}

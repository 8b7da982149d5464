//! Which question, dialect, method and limit go together. What cannot work is refused when the configuration is
//! read, not when a customer arrives.

use crate::dialect::Dialect;
use crate::domain::policy::Method;
use crate::domain::question::Kind;

/// A limit of a policy or of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// `max_downloads`.
    Downloads,
    /// `retry_factor`: the bytes that one download may send.
    Bytes,
    /// `connections_max`.
    Connections,
    /// `rate`.
    Rate,
    /// The client's network.
    Network,
}

/// Whether a question of this kind can be answered over this dialect by this method, or why not.
pub const fn possible(kind: Kind, dialect: Dialect, method: Method) -> Result<(), &'static str> {
    match (kind, dialect, method) {
        (Kind::Authorize | Kind::Download, Dialect::Nginx, Method::Handoff) | (Kind::Download, Dialect::Standalone, Method::Stream) => {
            Ok(())
        }
        (_, _, Method::Stub | Method::Copy | Method::Public | Method::Presigned | Method::Proxy) => Err("it is not in this version"),
        (Kind::Authorize, Dialect::Standalone, Method::Handoff | Method::Stream) => {
            Err("a standalone listener has no web server whose files a request could pass to")
        }
        (Kind::Authorize, Dialect::Nginx, Method::Stream) => Err("the web server sends its own files"),
        (Kind::Download, Dialect::Standalone, Method::Handoff) => Err("it needs a web server to hand the file to: an nginx listener"),
        (Kind::Download, Dialect::Nginx, Method::Stream) => Err("in this version it needs a standalone listener"),
    }
}

/// The limits that cannot hold with `method`: after a redirect the requests no longer pass by us, and a copy is counted
/// when its download has ended.
pub const fn limits(method: Method) -> &'static [Limit] {
    match method {
        Method::Handoff | Method::Stream | Method::Proxy => &[],
        Method::Stub | Method::Public | Method::Presigned => &[Limit::Bytes, Limit::Connections, Limit::Rate, Limit::Network],
        Method::Copy => &[Limit::Downloads, Limit::Bytes, Limit::Connections, Limit::Rate, Limit::Network],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hand_off_needs_nginx_and_a_stream_needs_nobody_in_front() {
        let mut works = Vec::new();
        for kind in [Kind::Authorize, Kind::Download] {
            for dialect in [Dialect::Nginx, Dialect::Standalone] {
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
            (Kind::Download, Dialect::Nginx, Method::Handoff),
            (Kind::Download, Dialect::Standalone, Method::Stream),
        ];
        assert_eq!(works, expected);
    }

    #[test]
    fn only_where_we_see_each_request_every_limit_holds() {
        for &method in Method::ALL {
            let sees = matches!(method, Method::Handoff | Method::Stream | Method::Proxy);
            assert_eq!(limits(method).is_empty(), sees, "{method:?}");
        }
    }
}

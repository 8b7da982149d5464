//! A client that asks as a customer would, and hides nothing of the answer: no redirects, no decoding, no cookies.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::tls;

/// No answer is larger: probes are small.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(20);

/// An answer as it came.
#[derive(Debug)]
pub(super) struct Answer {
    /// Its status.
    pub(super) status: u16,
    /// Its headers.
    pub(super) headers: HeaderMap,
    /// Its body, as it was sent.
    pub(super) body: Bytes,
}

impl Answer {
    /// The value of a header; empty where it is not there, or no text.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Whether it is an answer of ours: a refusal names its reason.
    pub(super) fn is_refusal(&self) -> bool {
        self.headers.contains_key("cloakroom-refusal")
    }
}

/// Where a site is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Whether it is spoken to by TLS.
    pub(super) is_https: bool,
    /// The name of the host, without a port.
    pub(super) host: String,
    /// The port.
    pub(super) port: u16,
    /// The value of `Host`.
    pub(super) authority: String,
}

impl Place {
    /// Reads the beginning of a URL: `https://shop.example`, with or without a port.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let wrong = || format!("`{url}` must be a URL such as https://shop.example/");
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong()),
        };
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(wrong)?;
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let port = authority.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        Ok(Self { is_https, host, port, authority: authority.as_str().to_owned() })
    }
}

/// Asks one site, over one connection as long as the site keeps it.
#[derive(Debug)]
pub(super) struct Customer {
    place: Place,
    connect: Option<SocketAddr>,
    open: Option<SendRequest<Full<Bytes>>>,
}

impl Customer {
    /// Asks `place`, at `connect` where that is given and not where its name leads.
    pub(super) const fn of(place: Place, connect: Option<SocketAddr>) -> Self {
        Self { place, connect, open: None }
    }

    /// Asks for a target as it is written, and waits for the whole answer.
    pub(super) async fn ask(&mut self, method: Method, target: &str, headers: &[(&str, &str)]) -> Result<Answer, String> {
        self.ask_with(method, target, headers, Bytes::new()).await
    }

    /// The same with a body.
    pub(super) async fn ask_with(&mut self, method: Method, target: &str, headers: &[(&str, &str)], body: Bytes) -> Result<Answer, String> {
        let late = |_| format!("no answer within {} s", PATIENCE.as_secs());
        let kept = self.open.as_ref().is_some_and(SendRequest::is_ready);
        let first = tokio::time::timeout(PATIENCE, self.exchange(&method, target, headers, body.clone())).await.map_err(late)?;
        match first {
            // A connection that was kept may have been closed meanwhile.
            Err(_) if kept => tokio::time::timeout(PATIENCE, self.exchange(&method, target, headers, body)).await.map_err(late)?,
            answer => answer,
        }
    }

    async fn exchange(&mut self, method: &Method, target: &str, headers: &[(&str, &str)], body: Bytes) -> Result<Answer, String> {
        let words = |error: &dyn std::fmt::Display| error.to_string();
        let mut sender = match self.open.take().filter(SendRequest::is_ready) {
            Some(sender) => sender,
            None => self.connected().await?,
        };
        let target: PathAndQuery = target.parse().map_err(|error: http::uri::InvalidUri| words(&error))?;
        let mut request = Request::builder().method(method).uri(Uri::from(target)).header("host", &self.place.authority);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).map_err(|error| words(&error))?;
        let answer = sender.send_request(request).await.map_err(|error| words(&error))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, BODY_BYTES_MAX).collect().await.map_err(|error| format!("the answer breaks off: {error}"))?;
        self.open = Some(sender);
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body: body.to_bytes() })
    }

    async fn connected(&self) -> Result<SendRequest<Full<Bytes>>, String> {
        let Place { host, port, .. } = &self.place;
        let stream = match self.connect {
            Some(address) => TcpStream::connect(address).await.map_err(|error| format!("{address}: {error}"))?,
            None => TcpStream::connect((host.as_str(), *port)).await.map_err(|error| format!("{host}:{port}: {error}"))?,
        };
        // Small requests are not to wait for each other.
        let _ = stream.set_nodelay(true);
        if self.place.is_https { spoken(tls::over(stream, host).await?).await } else { spoken(stream).await }
    }
}

/// Speaks HTTP/1.1 over a stream.
async fn spoken(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<SendRequest<Full<Bytes>>, String> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    // What ends it is told to whoever asks.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_named_by_a_url() {
        for (url, host, port, authority) in [
            ("https://shop.example/", "shop.example", 443, "shop.example"),
            ("http://shop.example", "shop.example", 80, "shop.example"),
            ("http://127.0.0.1:8080/dl/", "127.0.0.1", 8080, "127.0.0.1:8080"),
            ("https://[::1]:8443/", "::1", 8443, "[::1]:8443"),
        ] {
            let place = Place::parse(url).unwrap();
            assert_eq!((place.host.as_str(), place.port, place.authority.as_str()), (host, port, authority), "{url}");
            assert_eq!(place.is_https, url.starts_with("https"));
        }
        for bad in ["", "shop.example", "ftp://shop.example/", "https://", "https://a@shop.example/", "/dl/"] {
            assert!(Place::parse(bad).is_err(), "{bad}");
        }
    }
}

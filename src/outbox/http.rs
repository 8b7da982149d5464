//! One signed POST. No redirects, no cookies, no proxies; an answer is read as far as it says something.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};

use super::reach::{Reach, connect};
use super::tls;
use crate::config::WebhookUrl;
use crate::domain::moment::{Moment, Span};

/// Who does not answer within this is tried again later: the standard advises 15 to 30 seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// So much of an answer is read, to be shown.
const ANSWER_BYTES_MAX: usize = 512;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// How it begins.
    pub text: String,
    /// How long it asks to be left alone (`Retry-After`).
    pub pause: Option<Span>,
}

/// Reads `Retry-After` (RFC 9110, 10.2.3): seconds, or a moment.
fn pause(text: &str, now: Moment) -> Option<Span> {
    let text = text.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Span::from_seconds);
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Moment::from_seconds(u64::try_from(at.as_second()).ok()?).since(now))
}

/// Sends `body` to `url` with these headers, and gives what was answered; the error says why nothing was.
pub(super) async fn post(
    url: &WebhookUrl,
    reach: Reach,
    trusted: Option<Arc<ClientConfig>>,
    (headers, body): (&[(&str, String)], &str),
    now: Moment,
) -> Result<Answer, String> {
    let asked = async {
        let stream = connect(&url.host, url.port, reach).await?;
        // What is small must not wait for more.
        let _ = stream.set_nodelay(true);
        match trusted {
            Some(trusted) => exchange(tls::over(stream, &url.host, trusted).await?, url, (headers, body), now).await,
            None => exchange(stream, url, (headers, body), now).await,
        }
    };
    let late = |_| format!("no answer within {} s", PATIENCE.as_secs());
    tokio::time::timeout(PATIENCE, asked).await.map_err(late)?
}

async fn exchange<S>(stream: S, url: &WebhookUrl, (headers, body): (&[(&str, String)], &str), now: Moment) -> Result<Answer, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(&url.target)
        .header("host", &url.authority)
        .header("user-agent", concat!("Cloakroom/", env!("CARGO_PKG_VERSION")))
        .header("content-type", "application/json")
        .header("connection", "close");
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let request = request.body(Full::new(Bytes::from(body.to_owned()))).map_err(|error| error.to_string())?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let mut connection = pin!(connection);
    let mut answered = pin!(async {
        let answer = sender.send_request(request).await.map_err(|error| format!("no answer: {error}"))?;
        let status = answer.status().as_u16();
        let asked = answer.headers().get("retry-after").and_then(|text| text.to_str().ok());
        let pause = asked.and_then(|text| pause(text, now));
        Ok(Answer { status, text: beginning(answer.into_body()).await, pause })
    });
    tokio::select! {
        biased;
        answer = &mut answered => answer,
        // Who answers and closes has answered.
        _ = &mut connection => answered.await,
    }
}

/// How a body begins, as far as it comes. That the answer came is what counts.
async fn beginning(mut body: Incoming) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < ANSWER_BYTES_MAX
        && let Some(Ok(frame)) = body.frame().await
    {
        if let Some(data) = frame.data_ref() {
            let room = ANSWER_BYTES_MAX - bytes.len();
            bytes.extend(data.iter().take(room));
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_a_number_of_seconds_or_until_a_moment() {
        let now = Moment::from_seconds(784_111_777);
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Sun, 06 Nov 1993 08:49:37 GMT", None),
            ("Sat, 06 Nov 1993 08:49:37 GMT", Some(0)),
            ("-1", None),
            ("1.5", None),
            ("", None),
            ("soon", None),
            ("99999999999999999999999", None),
        ] {
            assert_eq!(pause(text, now), seconds.map(Span::from_seconds), "{text:?}");
        }
    }
}

//! TLS to the site, trusted as the system trusts.

use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::outbox::tls;

/// Speaks TLS over `stream` to the host of this name, whose certificate must be good for it.
pub(super) async fn over(stream: TcpStream, host: &str) -> Result<TlsStream<TcpStream>, String> {
    tls::over(stream, host, tls::configuration()?).await
}

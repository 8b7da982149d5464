//! TLS as the system trusts: the certificates of `/etc/ssl`, or of `SSL_CERT_FILE`.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Whom the system trusts; the error says what is missing. Reads some hundred certificates.
pub fn configuration() -> Result<Arc<ClientConfig>, String> {
    let mut trusted = RootCertStore::empty();
    // Of some hundred certificates one may be odd; without any, nothing is trusted, and the handshake says so.
    trusted.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if trusted.is_empty() {
        return Err("the system trusts no certificate authority: install ca-certificates".to_owned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    Ok(Arc::new(builder.with_root_certificates(trusted).with_no_client_auth()))
}

/// Speaks TLS over `stream` to the host of this name, whose certificate must be good for it.
pub async fn over(stream: TcpStream, host: &str, configuration: Arc<ClientConfig>) -> Result<TlsStream<TcpStream>, String> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| format!("`{host}` is no name that a certificate can be good for"))?;
    TlsConnector::from(configuration).connect(name, stream).await.map_err(|error| format!("TLS: {error}"))
}

//! Letters by SMTP.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use zeroize::Zeroizing;

use super::letter::Rendered;
use crate::config::{Mail, Security};
use crate::domain::id::MessageId;
use crate::domain::mail_address::MailAddress;
use crate::domain::moment::Moment;

/// How long each step of a conversation may take.
const STEP_PATIENCE: Duration = Duration::from_secs(30);

/// How long a conversation may take: a server that looks for unwanted mail may think for minutes (RFC 5321, 4.5.3.2.6).
const PATIENCE: Duration = Duration::from_mins(5);

/// What speaks to the mail server. Password and addresses do not print.
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mailer")
    }
}

/// Why a letter did not leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// Whether it never will.
    pub is_final: bool,
    /// What the server answered, word by word, or what went wrong.
    pub answer: String,
}

/// That no person wrote it, so that no program answers (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

impl Mailer {
    /// What speaks to the server of `entry`, as the host of this name.
    pub(super) fn open(entry: &Mail, password: Option<Zeroizing<String>>, host: &str) -> Result<Self, String> {
        let server = &entry.server;
        let parameters = || TlsParameters::new(server.host.clone()).map_err(|error| answer_of(&error));
        let tls = match server.security {
            Security::Plain => Tls::None,
            Security::StartTls => Tls::Required(parameters()?),
            Security::Tls => Tls::Wrapper(parameters()?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&server.host)
            .port(server.port)
            .tls(tls)
            .timeout(Some(STEP_PATIENCE))
            .hello_name(ClientId::Domain(host.trim_matches(['[', ']']).to_owned()));
        if let Some(((user, _), password)) = entry.login.as_ref().zip(password) {
            builder = builder.credentials(Credentials::new(user.clone(), password.to_string()));
        }
        let address: Address = entry.from.as_str().parse().map_err(|_| "`from` is no address that mail can be sent from".to_owned())?;
        Ok(Self { transport: builder.build(), from: Mailbox::new(entry.name.clone(), address) })
    }

    /// Sends a letter under the id of its message, written at `at`; what the server answered.
    pub async fn send(&self, to: &MailAddress, letter: Rendered, id: MessageId, at: Moment) -> Result<String, Undelivered> {
        let never = |answer: String| Undelivered { is_final: true, answer };
        let address: Address = to.as_str().parse().map_err(|_| never("no mail can be sent to this address".to_owned()))?;
        let Rendered { subject, text, html } = letter;
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, address))
            .subject(subject)
            .date(UNIX_EPOCH + Duration::from_millis(at.millis()))
            // The same at each try: who gets it twice can tell.
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .header(AutoSubmitted)
            .multipart(MultiPart::alternative_plain_html(text, html))
            .map_err(|error| never(error.to_string()))?;
        match tokio::time::timeout(PATIENCE, self.transport.send(message)).await {
            Ok(Ok(response)) => Ok(format!("{} {}", response.code(), response.message().collect::<Vec<_>>().join(" "))),
            Ok(Err(error)) => Err(Undelivered { is_final: error.is_permanent(), answer: answer_of(&error) }),
            Err(_) => Err(Undelivered { is_final: false, answer: format!("not done within {} s", PATIENCE.as_secs()) }),
        }
    }
}

/// What the server answered, as it stands, or what else went wrong.
fn answer_of(error: &lettre::transport::smtp::Error) -> String {
    use std::error::Error as _;
    match (error.status(), error.source()) {
        (Some(code), Some(said)) => format!("{code} {said}"),
        (Some(code), None) => code.to_string(),
        (None, _) => error.to_string(),
    }
}

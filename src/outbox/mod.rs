//! How messages leave: a signed POST to a webhook, a letter by SMTP. What is sent, when and how often, is decided above.

mod http;
mod letter;
mod mail;
mod reach;
pub mod tls;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rustls::ClientConfig;
use zeroize::Zeroizing;

pub use self::http::Answer;
pub use self::letter::{Enclosed, Occasion, Rendered, Templates, Told};
pub use self::mail::{Mailer, Undelivered};
use self::reach::Reach;
use crate::config::{Mail, Webhook};
use crate::domain::id::MessageId;
use crate::domain::message::WebhookName;
use crate::domain::moment::Moment;
use crate::proof::webhook::WebhookSecret;

/// Those by whom messages leave: one generation, as configured.
#[derive(Debug, Default)]
pub struct Couriers {
    webhooks: Vec<WebhookCourier>,
    mail: Option<MailCourier>,
    /// What the system trusts, read when it is needed first.
    tls: OnceLock<Arc<ClientConfig>>,
}

/// A webhook, with what signs for it.
#[derive(Debug)]
pub struct WebhookCourier {
    /// As configured.
    pub entry: Webhook,
    secret: WebhookSecret,
}

/// Who brings mail.
#[derive(Debug)]
pub struct MailCourier {
    /// As configured.
    pub entry: Mail,
    /// What speaks to the server.
    pub mailer: Mailer,
    /// What letters look like.
    pub templates: Templates,
}

/// Why mail cannot be brought as configured.
#[derive(Debug)]
pub enum MailFault {
    /// The server cannot be spoken to in this way.
    Server(String),
    /// Templates are wrong: each with its file.
    Templates(PathBuf, Vec<String>),
}

impl Couriers {
    /// Those of these webhooks, each with its secret, and of `mail`.
    pub fn new(webhooks: impl IntoIterator<Item = (Webhook, WebhookSecret)>, mail: Option<MailCourier>) -> Self {
        let webhooks = webhooks.into_iter().map(|(entry, secret)| WebhookCourier { entry, secret }).collect();
        Self { webhooks, mail, tls: OnceLock::new() }
    }

    /// All webhooks, in the order of the file.
    pub fn webhooks(&self) -> impl Iterator<Item = &WebhookCourier> {
        self.webhooks.iter()
    }

    /// The webhook of this name.
    pub fn webhook(&self, name: &WebhookName) -> Option<&WebhookCourier> {
        self.webhooks.iter().find(|webhook| webhook.entry.name == *name)
    }

    /// Who brings mail, if anybody.
    pub const fn mail(&self) -> Option<&MailCourier> {
        self.mail.as_ref()
    }

    /// Sends `body` to a webhook, under the id of its message, signed `at` this moment. The error says why nothing was answered.
    pub async fn post(&self, webhook: &WebhookCourier, id: MessageId, body: &str, at: Moment) -> Result<Answer, String> {
        let WebhookCourier { entry, secret } = webhook;
        let tls = if entry.url.is_https { Some(once_read(&self.tls, tls::configuration)?) } else { None };
        let headers = [
            ("webhook-id", id.to_string()),
            ("webhook-timestamp", at.seconds().to_string()),
            ("webhook-signature", secret.sign(id, at, body)),
        ];
        http::post(&entry.url, Reach::of(entry), tls, (&headers, body), at).await
    }
}

/// What is kept, or else is read now, and kept where that succeeds: what fails once may be mended the next time.
fn once_read<T: Clone>(kept: &OnceLock<T>, read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    match kept.get() {
        Some(known) => Ok(known.clone()),
        None => read().map(|fresh| kept.get_or_init(|| fresh).clone()),
    }
}

impl MailCourier {
    /// Brings mail as `entry` says; `host` is by which name we are known.
    pub fn open(entry: Mail, password: Option<Zeroizing<String>>, host: &str) -> Result<Self, MailFault> {
        let templates = match &entry.templates {
            Some(directory) => Templates::read(directory).map_err(|faults| MailFault::Templates(directory.clone(), faults))?,
            None => Templates::built_in().map_err(|faults| MailFault::Templates(PathBuf::from("built-in mails"), faults))?,
        };
        let mailer = Mailer::open(&entry, password, host).map_err(MailFault::Server)?;
        Ok(Self { entry, mailer, templates })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_read_is_read_again_and_what_could_is_kept() {
        let kept = OnceLock::new();
        assert_eq!(once_read(&kept, || Err("no certificates".to_owned())), Err::<u8, _>("no certificates".to_owned()));
        assert_eq!(once_read(&kept, || Ok(1)), Ok(1));
        assert_eq!(once_read(&kept, || Err("not asked".to_owned())), Ok(1));
    }
}

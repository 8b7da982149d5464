//! `[[webhook]]` and `[mail]`: to whom messages leave.

use std::fmt;
use std::path::{Path, PathBuf};

use http::Uri;

use super::policies;
use super::reader::{Once, Placed, Read, Table};
use super::values::{self, Wrong};
use crate::domain::event::Kind;
use crate::domain::mail_address::MailAddress;
use crate::domain::message::WebhookName;
use crate::domain::moment::Span;

/// A longer URL is a mistake.
const URL_BYTES_MAX: usize = 2048;

/// How long before its end a grant is told of, where nothing is said.
const NOTICE: Span = Span::from_hours(48);

/// One `[[webhook]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its name.
    pub name: WebhookName,
    /// Where it is.
    pub url: WebhookUrl,
    /// What it wants to hear.
    pub events: Vec<Kind>,
    /// The file of its secret, absolute or under `state_dir`.
    pub secret: PathBuf,
    /// How long before its end it hears that a grant ends.
    pub notice: Span,
    /// Whether it may lie in a private network, and be reached without TLS there.
    pub private_network: bool,
}

/// Where a webhook is: `https://shop.example/hooks/cloakroom`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookUrl {
    /// Whether it is spoken to by TLS.
    pub is_https: bool,
    /// Its host: a name, or an address without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The value of `Host`.
    pub authority: String,
    /// Path and query.
    pub target: String,
}

impl WebhookUrl {
    /// Whether its host is this machine, as far as its name says.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
    }
}

/// Without its query, which may hold a secret.
impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_https { "https" } else { "http" };
        let path = self.target.split('?').next().unwrap_or_default();
        write!(f, "{scheme}://{}{path}", self.authority)?;
        if self.target.contains('?') { f.write_str("?…") } else { Ok(()) }
    }
}

/// `[mail]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// From whom mail is.
    pub from: MailAddress,
    /// The name beside it.
    pub name: Option<String>,
    /// The server that takes it.
    pub server: MailServer,
    /// Who we are there, and the file of the password, absolute or under `state_dir`.
    pub login: Option<(String, PathBuf)>,
    /// Whether the customer of an order that is paid gets one.
    pub orders: bool,
    /// The language of letters for which none is known.
    pub language: Language,
    /// A directory whose templates take the place of the built-in ones.
    pub templates: Option<PathBuf>,
}

/// A server that takes mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailServer {
    /// How it is spoken to.
    pub security: Security,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl MailServer {
    /// Whether it is on this machine, as far as its name says.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
    }
}

/// As the configuration writes it.
impl fmt::Display for MailServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        write!(f, "{}://{host}:{}", self.security.word(), self.port)
    }
}

/// How a mail server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// Without TLS.
    Plain,
    /// By TLS once `STARTTLS` was said, which must be known there.
    StartTls,
    /// By TLS from the first byte on.
    Tls,
}

impl Security {
    const ALL: [(Self, u16); 3] = [(Self::Plain, 25), (Self::StartTls, 587), (Self::Tls, 465)];

    /// The scheme of the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Plain => "smtp",
            Self::StartTls => "starttls",
            Self::Tls => "smtps",
        }
    }
}

/// A language that letters are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// German.
    German,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::English, Self::German];

    /// Its code: `en`, `de`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// The language of a tag such as `de`, `de-AT` or `EN_us`, if letters are written in it.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let first = tag.split(['-', '_']).next()?;
        Self::ALL.into_iter().find(|language| first.eq_ignore_ascii_case(language.code()))
    }
}

/// One `[[webhook]]` as read; its secret may still be relative.
pub(super) struct ReadWebhook {
    pub(super) name: String,
    pub(super) known_as: Option<WebhookName>,
    pub(super) secret: Option<Placed<PathBuf>>,
    pub(super) webhook: Option<Webhook>,
}

/// `[mail]` as read.
pub(super) struct ReadMail {
    pub(super) password: Option<Placed<PathBuf>>,
    pub(super) templates: Option<Placed<PathBuf>>,
    pub(super) mail: Option<Mail>,
}

/// What holds of what was read; `None` where something is wrong.
pub(super) fn assemble(webhooks: Vec<ReadWebhook>, mail: Option<ReadMail>, state_dir: &Path) -> Option<(Vec<Webhook>, Option<Mail>)> {
    let webhooks = webhooks.into_iter().map(|read| {
        let webhook = read.webhook?;
        Some(Webhook { secret: state_dir.join(&webhook.secret), ..webhook })
    });
    let webhooks = webhooks.collect::<Option<_>>()?;
    let Some(mail) = mail else { return Some((webhooks, None)) };
    let mail = mail.mail?;
    let login = mail.login.map(|(user, password)| (user, state_dir.join(password)));
    Some((webhooks, Some(Mail { login, ..mail })))
}

pub(super) fn webhook(table: &mut Table<'_, '_>, seen: &mut Once) -> ReadWebhook {
    let name = table.needed_text("name", |text| WebhookName::parse(text).ok_or(Wrong::Shape)).map(|name| name.value);
    if let Some(name) = &name {
        table.once(seen, "name", name.as_str());
    }
    let url = table.needed_text("url", webhook_url).map(|url| url.value);
    let events = table.words("events", &Kind::ALL.map(|kind| (kind.word(), kind)), &[]);
    let events = table.needed("events", events).map(|events| events.value.into_iter().map(|event| event.value).collect::<Vec<_>>());
    let secret = table.needed_text("secret", values::key_path);
    let private_network = table.flag("private_network").or(false);
    let notice = table.text("notice", |text| policies::span(text, "")).or(NOTICE);
    if let (Some(url), Some(false)) = (&url, private_network)
        && !url.is_https
        && !url.is_loopback()
    {
        let message = "must begin with https://, so that nobody on the way reads or changes events; http:// is for this machine, or a network of yours (private_network = true)";
        table.misplaced("url", message);
    }
    if let Some(events) = &events
        && !events.contains(&Kind::GrantExpiring)
    {
        table.misplaced("notice", "has its place beside \"grant.expiring\" in `events` only");
    }
    let complete = || {
        let secret = secret.as_ref()?.value.clone();
        Some(Webhook { name: name.clone()?, url: url?, events: events?, secret, notice: notice?, private_network: private_network? })
    };
    let webhook = complete();
    ReadWebhook { name: table.name(), known_as: name, secret, webhook }
}

/// `https://shop.example/hooks/cloakroom`, taken apart.
fn webhook_url(text: &str) -> Result<WebhookUrl, Wrong> {
    let must = |what: &str| Err(Wrong::Must(what.to_owned()));
    if text.len() > URL_BYTES_MAX {
        return Err(Wrong::Must(format!("a URL of at most {URL_BYTES_MAX} bytes")));
    }
    if text.contains('#') {
        return must("a URL without a fragment (`#…`), which is never sent");
    }
    let uri: Uri = text.parse().map_err(|_| Wrong::Shape)?;
    let (is_https, standard) = match uri.scheme_str() {
        Some("https") => (true, 443),
        Some("http") => (false, 80),
        _ => return Err(Wrong::Shape),
    };
    let authority = uri.authority().ok_or(Wrong::Shape)?;
    if authority.as_str().contains('@') {
        return must("a URL without user name and password: the signature says who we are");
    }
    if !values::is_host(authority.host()) {
        return must("a URL with a host in lower-case ASCII (names in other scripts as \"xn--…\")");
    }
    let host = authority.host().trim_matches(['[', ']']).to_owned();
    let port = match authority.as_str().strip_prefix(authority.host()) {
        Some("") => standard,
        rest => {
            let digits = rest.and_then(|rest| rest.strip_prefix(':')).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
            digits.and_then(|digits| digits.parse().ok()).filter(|port| *port > 0).ok_or(Wrong::Shape)?
        }
    };
    let target = uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    Ok(WebhookUrl { is_https, host, port, authority: authority.as_str().to_owned(), target })
}

const LANGUAGES: [(&str, Language); 2] = [("en", Language::English), ("de", Language::German)];

pub(super) fn mail(table: &mut Table<'_, '_>) -> ReadMail {
    let from = table.needed_text("from", |text| text.parse::<MailAddress>().map_err(|_| Wrong::Shape)).map(|from| from.value);
    let name = table.text("name", display_name);
    let server = table.needed_text("server", mail_server).map(|server| server.value);
    let user = table.text("user", user_name);
    let password = table.text("password_file", values::key_path);
    let language = table.word("language", &LANGUAGES, &[]).or(Language::English);
    let orders = table.flag("orders").or(true);
    let templates = table.text("templates", values::absolute_path);
    match (table.has("user"), table.has("password_file")) {
        (true, false) => table.missing("password_file", " beside `user`"),
        (false, true) => table.missing("user", " beside `password_file`"),
        (true, true) | (false, false) => {}
    }
    if let (Some(server), true) = (&server, table.has("user"))
        && server.security == Security::Plain
        && !server.is_loopback()
    {
        table.misplaced("user", "must not be sent without TLS: let `server` begin with starttls:// or smtps://");
    }
    let is_faulty = [&name, &user].iter().any(|read| matches!(read, Read::Faulty))
        || [&password, &templates].iter().any(|read| matches!(read, Read::Faulty));
    let (name, user, password, templates) = (name.optional(), user.optional(), password.placed(), templates.placed());
    let complete = || {
        let login = match (user, &password) {
            (Some(user), Some(password)) => Some((user, password.value.clone())),
            _ => None,
        };
        let templates = templates.as_ref().map(|templates| templates.value.clone());
        Some(Mail { from: from?, name, server: server?, login, orders: orders?, language: language?, templates }).filter(|_| !is_faulty)
    };
    let mail = complete();
    ReadMail { password, templates, mail }
}

/// A name that is shown beside an address.
fn display_name(text: &str) -> Result<String, Wrong> {
    let good = !text.trim().is_empty() && text.len() <= 100 && !text.chars().any(|letter| letter.is_control() || "<>@\"".contains(letter));
    if good { Ok(text.trim().to_owned()) } else { Err(Wrong::Shape) }
}

fn user_name(text: &str) -> Result<String, Wrong> {
    let good = (1..=256).contains(&text.len()) && !text.chars().any(char::is_control);
    if good { Ok(text.to_owned()) } else { Err(Wrong::Shape) }
}

/// `starttls://mail.example:587`, taken apart.
fn mail_server(text: &str) -> Result<MailServer, Wrong> {
    let (scheme, rest) = text.split_once("://").ok_or(Wrong::Shape)?;
    let (security, standard) = Security::ALL.into_iter().find(|(security, _)| security.word() == scheme).ok_or(Wrong::Shape)?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            let plain = port.bytes().all(|byte| byte.is_ascii_digit());
            (host, port.parse().ok().filter(|port| plain && *port > 0).ok_or(Wrong::Shape)?)
        }
        _ => (rest, standard),
    };
    if !values::is_host(host) {
        return Err(Wrong::Shape);
    }
    Ok(MailServer { security, host: host.trim_matches(['[', ']']).to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_at_a_url_that_is_taken_apart() {
        for (text, host, port, target, shown) in [
            ("https://shop.example/hooks?key=a", "shop.example", 443, "/hooks?key=a", "https://shop.example/hooks?…"),
            ("https://shop.example", "shop.example", 443, "/", "https://shop.example/"),
            ("http://127.0.0.1:8080/a", "127.0.0.1", 8080, "/a", "http://127.0.0.1:8080/a"),
            ("http://[::1]:81/", "::1", 81, "/", "http://[::1]:81/"),
        ] {
            let url = webhook_url(text).ok().expect(text);
            assert_eq!((url.host.as_str(), url.port, url.target.as_str(), url.to_string().as_str()), (host, port, target, shown));
        }
        for (text, here) in
            [("http://localhost/", true), ("http://[::1]/", true), ("https://shop.example/", false), ("http://127.1.2.3/", true)]
        {
            assert_eq!(webhook_url(text).ok().expect(text).is_loopback(), here, "{text}");
        }
    }

    #[test]
    fn a_url_in_doubt_is_refused() {
        for text in [
            "",
            "shop.example/hooks",
            "/hooks",
            "ftp://shop.example/",
            "https://user:secret@shop.example/",
            "https://shop.example/#a",
            "https://Shop.example/",
            "https://shop.example:0/",
            "https://shop.example:99999/",
            "https://shop.example/a b",
            "https://shop.example\r\n/",
            "https://müller.example/",
            "https:///a",
        ] {
            assert!(webhook_url(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_mail_server_says_how_it_is_spoken_to() {
        for (text, shown) in [
            ("smtp://localhost", "smtp://localhost:25"),
            ("starttls://mail.example", "starttls://mail.example:587"),
            ("smtps://mail.example/", "smtps://mail.example:465"),
            ("smtp://[::1]:2525", "smtp://[::1]:2525"),
        ] {
            assert_eq!(mail_server(text).ok().map(|server| server.to_string()).as_deref(), Some(shown));
        }
        for text in [
            "",
            "mail.example",
            "mail.example:25",
            "http://mail.example",
            "smtp://",
            "smtp://a b",
            "smtp://a:0",
            "smtp://a:+1",
            "smtp://u@a",
        ] {
            assert!(mail_server(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_language_is_found_by_the_beginning_of_its_tag() {
        for (tag, language) in [("de", Some("de")), ("de-AT", Some("de")), ("EN_us", Some("en")), ("fr", None), ("", None), ("deu", None)] {
            assert_eq!(Language::of_tag(tag).map(Language::code), language, "{tag}");
        }
    }
}

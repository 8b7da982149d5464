//! Letters: written down with what they are about, made when they are sent. No URL and no password stands in the store.

use std::fmt;

use super::sending::Sent;
use crate::clock;
use crate::config::Language;
use crate::domain::grant::Grant;
use crate::domain::history::Author;
use crate::domain::id::{GrantId, LinkId, OrderId};
use crate::domain::link::Link;
use crate::domain::mail_address::{MailAddress, NotAnAddress};
use crate::domain::message::{About, Content, Lane, Letter, Message, Outcome};
use crate::domain::moment::Moment;
use crate::domain::order::{Order, OrderState};
use crate::outbox::{Enclosed, MailCourier, Occasion, Told, Undelivered};
use crate::service::issue;
use crate::service::order::{self, NotReported};
use crate::service::repeated::Ids;
use crate::service::site::Site;
use crate::service::way_in;
use crate::service::your_downloads;
use crate::store::{Down, Messages};

/// Who makes a link where the time of all others is over, in the history of a grant.
const RENEWS: &str = "a letter";

/// Why no letter was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotWritten {
    /// There is no `[mail]`.
    NoMail,
    /// It is no address.
    Address(NotAnAddress),
    /// Letters are not written in this language.
    Language(String),
    /// There is no such grant.
    Unknown,
    /// The grant has no link that opens.
    NoLink(GrantId),
    /// It is not known to whom.
    NoAddress,
    /// There is no such order.
    UnknownOrder,
    /// The order is not paid.
    NotPaid(OrderId, OrderState),
    /// The store does not answer.
    Down(Down),
}

impl fmt::Display for NotWritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMail => f.write_str("there is no [mail] in the configuration, which says by which server mail goes"),
            Self::Address(wrong) => write!(f, "{wrong}"),
            Self::Language(tag) => {
                let known = Language::ALL.map(Language::code).join(", ");
                write!(f, "`{}` must be a language that mails are written in: {known}", tag.escape_debug())
            }
            Self::Unknown => f.write_str(issue::NO_SUCH_GRANT),
            Self::NoLink(grant) => write!(f, "{grant} has no link that opens: `cloakroom link new {grant}` makes one"),
            Self::NoAddress => f.write_str("it is not known to whom: say it, with --to"),
            Self::UnknownOrder => NotReported::Unknown.fmt(f),
            Self::NotPaid(order, state) => write!(f, "{order} is {}: a mail would lead to what is shut", state.word().replace('_', " ")),
            Self::Down(down) => write!(f, "{down}"),
        }
    }
}

impl From<Down> for NotWritten {
    fn from(down: Down) -> Self {
        Self::Down(down)
    }
}

/// A letter to `to` about a grant and its link, to be written down with them.
pub fn letter_for(site: &Site, grant: GrantId, link: LinkId, to: &str, language: Option<&str>, now: Moment) -> Result<Message, NotWritten> {
    let letter = letter(site, About::Grant(grant, link), to, language)?;
    Ok(Message::of_letter(letter, now))
}

/// Why the customer of `order` gets no letter about it, though it says to whom one goes and orders are told of by mail.
pub fn unmailed(site: &Site, order: &Order) -> Option<String> {
    let by_mail = site.configuration.mail.as_ref().is_some_and(|mail| mail.orders);
    let is_sold = matches!(order.state, OrderState::Paid | OrderState::Pending);
    let email = order.customer.email.trim();
    if !by_mail || !is_sold || email.is_empty() || Letter::of_order(order).is_some() {
        return None;
    }
    let id = order.id;
    Some(format!(
        "customer.email: `{email}` {NotAnAddress}, so no mail goes to the customer: report the right one, then `cloakroom order mail {id}`"
    ))
}

fn letter(site: &Site, about: About, to: &str, language: Option<&str>) -> Result<Letter, NotWritten> {
    if site.couriers.mail().is_none() {
        return Err(NotWritten::NoMail);
    }
    let to = to.trim().parse().map_err(NotWritten::Address)?;
    if let Some(tag) = language
        && Language::of_tag(tag).is_none()
    {
        return Err(NotWritten::Language(tag.to_owned()));
    }
    Ok(Letter { to, about, language: language.map(str::to_owned) })
}

/// Writes once more about a grant that is there: to whom it went before, where nobody else is named; else to whom its order was.
pub async fn write_again(
    site: &Site,
    grant: GrantId,
    (to, language): (Option<&str>, Option<&str>),
    ids: Ids,
) -> Result<Message, NotWritten> {
    let known = site.store.grant(grant).await?.ok_or(NotWritten::Unknown)?;
    let before = last_letter(site, Messages { grant: Some(grant), ..Messages::default() }).await?;
    let of_order = match &known.sold {
        Some(sold) if before.is_none() => site.orders.order(sold.order).await?.as_ref().and_then(Letter::of_order),
        Some(_) | None => None,
    };
    let before = before.or(of_order);
    let to = to.map(str::to_owned).or_else(|| Some(before.as_ref()?.to.as_str().to_owned())).ok_or(NotWritten::NoAddress)?;
    let language = language.map(str::to_owned).or_else(|| before?.language);
    let now = clock::now();
    let link = newest_link(site, &known, now).await?.ok_or(NotWritten::NoLink(grant))?;
    written(site, letter_for(site, grant, link.id, &to, language.as_deref(), now)?, ids).await
}

/// Writes once more about an order: to whom the shop said, where nobody else is named.
pub async fn write_again_of_order(
    site: &Site,
    order: OrderId,
    (to, language): (Option<&str>, Option<&str>),
    ids: Ids,
) -> Result<Message, NotWritten> {
    let known = site.orders.order(order).await?.ok_or(NotWritten::UnknownOrder)?;
    if known.state != OrderState::Paid {
        return Err(NotWritten::NotPaid(order, known.state));
    }
    let of_order = Letter::of_order(&known);
    let to = to.map(str::to_owned).or_else(|| Some(of_order.as_ref()?.to.as_str().to_owned())).ok_or(NotWritten::NoAddress)?;
    let language = language.map(str::to_owned).or_else(|| of_order?.language.filter(|tag| Language::of_tag(tag).is_some()));
    let letter = letter(site, About::Order(order), &to, language.as_deref())?;
    written(site, Message::of_letter(letter, clock::now()), ids).await
}

/// Writes once more to whom the shop said, where letters of orders are: what the customer was told before is not right any more.
pub(in crate::service) async fn write_anew(site: &Site, order: &Order) -> Result<(), Down> {
    let is_wanted = site.configuration.mail.as_ref().is_some_and(|mail| mail.orders);
    let Some(letter) = Letter::of_order(order).filter(|_| is_wanted) else { return Ok(()) };
    tracing::info!(event = "letter_written", order = %order.id, to = %letter.to.masked());
    site.messages.post(vec![Message::of_letter(letter, clock::now())]).await.map(drop)
}

async fn written(site: &Site, message: Message, ids: Ids) -> Result<Message, NotWritten> {
    let message = ids.named(message);
    site.messages.post(vec![message.clone()]).await?;
    if let Content::Letter(Letter { to, .. }) = &message.content {
        tracing::info!(event = "letter_written", id = %message.id, to = %to.masked());
    }
    Ok(message)
}

async fn last_letter(site: &Site, which: Messages) -> Result<Option<Letter>, Down> {
    let before = site.messages.messages(Messages { lane: Some(Lane::Mail), limit: 1, ..which }).await?;
    Ok(before.into_iter().find_map(|message| match message.content {
        Content::Letter(letter) => Some(letter),
        Content::Event { .. } => None,
    }))
}

/// The newest link that opens `grant`; a new one where the time of all others is over.
async fn newest_link(site: &Site, grant: &Grant, now: Moment) -> Result<Option<Link>, Down> {
    let links = issue::relinked(&*site.store, grant, Author { name: RENEWS.to_owned(), at: now }).await?;
    Ok(links.into_iter().find(|link| opens(grant, link, now)))
}

/// Writes a letter that says nothing but that mail arrives.
pub async fn try_mail(site: &Site, to: &str, language: Option<&str>, ids: Ids) -> Result<Message, NotWritten> {
    written(site, Message::of_letter(letter(site, About::Nothing, to, language)?, clock::now()), ids).await
}

fn opens(grant: &Grant, link: &Link, now: Moment) -> bool {
    !link.revoked && link.expires > now && grant.check().is_ok() && !grant.is_over(now)
}

/// Makes a letter and sends it.
pub(super) async fn send(site: &Site, message: &Message, letter: &Letter) -> Sent {
    let Some(courier) = site.couriers.mail() else { return Sent::new(Outcome::Failed, super::NOT_CONFIGURED) };
    let language = letter.language.as_deref().and_then(Language::of_tag).unwrap_or(courier.entry.language);
    let page = match &letter.about {
        About::Order(order) => match site.orders.order(*order).await {
            Ok(order) => order.and_then(|order| your_downloads::url_of(site, &order)),
            Err(down) => return failed(down),
        },
        About::Nothing | About::Grant(..) => None,
    };
    let (occasion, files) = match &letter.about {
        About::Nothing => (Occasion::Test, Vec::new()),
        About::Grant(grant, link) => match of_grant(site, *grant, *link).await {
            Ok(file) => (Occasion::Files, vec![file]),
            Err(sent) => return sent,
        },
        About::Order(order) => match of_order(site, *order).await {
            Ok(files) => (Occasion::Files, files),
            Err(sent) => return sent,
        },
    };
    let told = Told { site: site.name(), files: &files, page: page.as_deref() };
    write_and_send(courier, message, &letter.to, (occasion, language), &told).await
}

async fn write_and_send(
    courier: &MailCourier,
    message: &Message,
    to: &MailAddress,
    (occasion, language): (Occasion, Language),
    told: &Told<'_>,
) -> Sent {
    let rendered = match courier.templates.write(occasion, language, told) {
        Ok(rendered) => rendered,
        Err(fault) => return Sent::new(Outcome::Failed, fault),
    };
    match courier.mailer.send(to, rendered, message.id, message.at).await {
        Ok(answer) => Sent::new(Outcome::Sent, answer),
        Err(Undelivered { is_final: true, answer }) => Sent::new(Outcome::Refused, answer),
        Err(Undelivered { is_final: false, answer }) => Sent::new(Outcome::Failed, answer),
    }
}

fn failed(down: Down) -> Sent {
    Sent::new(Outcome::Failed, down.to_string())
}

async fn of_grant(site: &Site, grant: GrantId, link: LinkId) -> Result<Enclosed, Sent> {
    let over = || Sent::new(Outcome::Refused, format!("{grant} or its link opens nothing any more"));
    let known = site.store.grant(grant).await.map_err(failed)?.ok_or_else(over)?;
    let link = site.store.link(link).await.map_err(failed)?.ok_or_else(over)?;
    if !opens(&known, &link, clock::now()) {
        return Err(over());
    }
    let order = order::sold_by(site, &known).await.map_err(failed)?;
    enclosed(site, order.as_ref(), &known, &link).await
}

/// All that an order opens now.
async fn of_order(site: &Site, id: OrderId) -> Result<Vec<Enclosed>, Sent> {
    let now = clock::now();
    let mut files = Vec::new();
    let order = site.orders.order(id).await.map_err(failed)?;
    for grant in site.orders.grants_of_order(id).await.map_err(failed)? {
        if let Some(link) = newest_link(site, &grant, now).await.map_err(failed)? {
            files.push(enclosed(site, order.as_ref(), &grant, &link).await?);
        }
    }
    if files.is_empty() { Err(Sent::new(Outcome::Refused, format!("{id} opens nothing any more"))) } else { Ok(files) }
}

/// What a customer is told of a grant: its URL is made now.
async fn enclosed(site: &Site, order: Option<&Order>, grant: &Grant, link: &Link) -> Result<Enclosed, Sent> {
    let Some(key) = site.keys.signing() else { return Err(Sent::new(Outcome::Failed, issue::NotIssued::NoKey.to_string())) };
    let copy = way_in::offered(site, grant).await.map_err(failed)?;
    let login = copy.and_then(|copy| copy.login);
    let file = match &grant.sold {
        Some(sold) => site.catalogue.file(sold.file).await.map_err(failed)?,
        None => None,
    };
    let ends = grant.expires.map_or(link.expires, |expires| expires.min(link.expires));
    Ok(Enclosed {
        name: file.map_or_else(|| grant.file.path.file_name().to_owned(), |file| file.name),
        url: issue::url_of(site, grant, link, key),
        user: login.as_ref().map(|login| login.user.clone()),
        password: login.map(|login| login.password),
        expires: Some(site.pages.moment(ends)),
        downloads: grant.policy.max_downloads.map(|most| most.saturating_sub(grant.used)),
        notes: order::notes(site, grant, order).await.map_err(failed)?,
    })
}

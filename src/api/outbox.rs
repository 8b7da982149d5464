//! Calls about messages: what leaves for webhooks and customers.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use http::Uri;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::author::Made;
use super::bearer::Bound;
use super::listed::Listed;
use super::orders::seen;
use super::problem::{self, Problem};
use super::view::{LaneView, MessageView, Retried};
use crate::domain::id::{GrantId, MessageId, OrderId};
use crate::domain::message::{Lane, WebhookName};
use crate::service::outbox::{self, NotWritten, again, try_mail, try_webhook, write_again, write_again_of_order};
use crate::service::site::Site;
use crate::store::{Again, LIST_MAX, Messages};

/// To whom a letter goes.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLetter {
    /// The address; where the last one went if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The language, such as `de`; that of the last one, or of the configuration, if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// Without the address, which is a person's.
impl std::fmt::Debug for NewLetter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewLetter").field("language", &self.language).finish_non_exhaustive()
    }
}

/// Which messages to list.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    #[serde(default)]
    lane: Option<String>,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    grant: Option<String>,
    #[serde(default)]
    order: Option<String>,
    #[serde(default)]
    before: Option<String>,
    #[serde(default)]
    limit: Option<usize>,
}

type Id = Result<Path<String>, PathRejection>;

pub(super) fn not_written(fault: &NotWritten) -> Problem {
    let text = fault.to_string();
    match fault {
        NotWritten::NoMail | NotWritten::NoLink(_) | NotWritten::NoAddress | NotWritten::NotPaid(..) => Problem::conflict(text),
        NotWritten::Address(_) => Problem::unreadable(&text).in_body("to", text),
        NotWritten::Language(_) => Problem::unreadable(&text).in_body("language", text),
        NotWritten::Unknown | NotWritten::UnknownOrder => Problem::unknown(text),
        NotWritten::Down(down) => Problem::down(*down).saying(text),
    }
}

/// What is configured, with what waits there.
pub(super) async fn lanes(State(site): State<Arc<Site>>) -> Result<Json<Vec<LaneView>>, Problem> {
    let mut views = Vec::new();
    for entry in &site.configuration.webhooks {
        let lane = Lane::Webhook(entry.name.clone());
        let events = entry.events.iter().map(|kind| kind.word().to_owned()).collect();
        let state = if site.outbox.is_gone(entry) { Some("gone") } else { None };
        views.push(view(&site, &lane, entry.url.to_string(), state, events));
    }
    if let Some(mail) = &site.configuration.mail {
        views.push(view(&site, &Lane::Mail, mail.server.to_string(), None, Vec::new()));
    }
    for count in site.messages.count_messages().await? {
        let lane = count.lane.to_string();
        let Some(view) = views.iter_mut().find(|view| view.lane == lane) else { continue };
        match count.state.as_str() {
            "waiting" => view.waiting = count.count,
            "sent" => view.sent = count.count,
            _ => view.dead = count.count,
        }
    }
    Ok(Json(views))
}

fn view(site: &Site, lane: &Lane, to: String, state: Option<&str>, events: Vec<String>) -> LaneView {
    let since = site.outbox.fails_since(lane);
    let state = state.unwrap_or(if since.is_some() { "fails" } else { "works" });
    LaneView::new(lane, to, state, since.map(|since| since.to_string()), events)
}

pub(super) async fn list(
    State(site): State<Arc<Site>>,
    uri: Uri,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Listed<MessageView>, Problem> {
    let Which { lane, state, grant, order, before, limit } = problem::query(which)?;
    if let Some(state) = state.as_deref().filter(|state| !["waiting", "sent", "dead"].contains(state)) {
        return Err(Problem::of_query("state", format_args!("`{}` must be waiting, sent or dead", state.escape_debug())));
    }
    let which = Messages {
        lane: lane.as_deref().map(|text| problem::read_parameter("lane", text)).transpose()?,
        state,
        grant: grant.as_deref().map(|text| problem::read_parameter("grant", text)).transpose()?,
        order: order.as_deref().map(|text| problem::read_parameter("order", text)).transpose()?,
        before: before.as_deref().map(|text| problem::read_parameter("before", text)).transpose()?,
        limit: problem::limit(limit, LIST_MAX)?,
    };
    let limit = which.limit;
    let found = site.messages.messages(which).await?.iter().map(MessageView::of).collect();
    Ok(Listed::page(&uri, found, limit, "before", |message: &MessageView| &message.id))
}

pub(super) async fn retry(State(site): State<Arc<Site>>, id: Id) -> Result<Json<Retried>, Problem> {
    let id: MessageId = problem::read_name(id)?;
    match again(&site, Again::One(id)).await? {
        0 => Err(Problem::unknown(format!("no message {id} was given up: `cloakroom outbox list --dead` lists those that were"))),
        messages => Ok(Json(Retried { messages })),
    }
}

pub(super) async fn retry_lane(State(site): State<Arc<Site>>, lane: Id) -> Result<Json<Retried>, Problem> {
    let lane = lane_of(&site, lane)?;
    Ok(Json(Retried { messages: again(&site, Again::Lane(lane)).await? }))
}

pub(super) async fn test_webhook(State(site): State<Arc<Site>>, name: Id, Made(ids): Made) -> Result<Json<MessageView>, Problem> {
    let name = problem::name(name)?;
    let found = WebhookName::parse(&name).filter(|name| site.configuration.webhooks.iter().any(|webhook| webhook.name == *name));
    let name = found.ok_or_else(|| Problem::unknown(format!("there is no [[webhook]] named `{}`", name.escape_debug())))?;
    Ok(Json(MessageView::of(&try_webhook(&site, &name, ids).await?)))
}

pub(super) async fn test_mail(
    State(site): State<Arc<Site>>,
    Made(ids): Made,
    body: Result<Json<NewLetter>, JsonRejection>,
) -> Result<Json<MessageView>, Problem> {
    let NewLetter { to, language } = problem::body(body)?;
    let to = to.ok_or_else(|| not_written(&NotWritten::NoAddress))?;
    let message = try_mail(&site, &to, language.as_deref(), ids).await.map_err(|fault| not_written(&fault))?;
    Ok(Json(MessageView::of(&message)))
}

pub(super) async fn mail_grant(
    State(site): State<Arc<Site>>,
    id: Id,
    Made(ids): Made,
    body: Result<Json<NewLetter>, JsonRejection>,
) -> Result<Json<MessageView>, Problem> {
    let id: GrantId = problem::read_name(id)?;
    let NewLetter { to, language } = problem::body(body)?;
    let wanted = (to.as_deref(), language.as_deref());
    let message = write_again(&site, id, wanted, ids).await.map_err(|fault| not_written(&fault))?;
    Ok(Json(MessageView::of(&message)))
}

pub(super) async fn mail_order(
    State(site): State<Arc<Site>>,
    id: Id,
    bound: Bound,
    Made(ids): Made,
    body: Result<Json<NewLetter>, JsonRejection>,
) -> Result<Json<MessageView>, Problem> {
    let id: OrderId = problem::read_name(id)?;
    seen(&site, id, &bound).await?;
    let NewLetter { to, language } = problem::body(body)?;
    let wanted = (to.as_deref(), language.as_deref());
    let message = write_again_of_order(&site, id, wanted, ids).await.map_err(|fault| not_written(&fault))?;
    Ok(Json(MessageView::of(&message)))
}

/// A lane that is configured.
fn lane_of(site: &Site, lane: Id) -> Result<Lane, Problem> {
    let lane: Lane = problem::read_name(lane)?;
    let known = outbox::lanes(site);
    if known.contains(&lane) {
        return Ok(lane);
    }
    let known: Vec<String> = known.iter().map(ToString::to_string).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Err(Problem::unknown(format!("nothing of this name is configured: `{lane}` (there is: {known})")))
}

//! Calls about people: what is kept of them, and forgetting it.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::author::Author;
use super::problem::{self, Problem};
use super::view::{GrantView, ListedDelivery, ListedOrder};
use crate::clock;
use crate::domain::delivery::Delivery;
use crate::service::lying::Lying;
use crate::service::privacy::{About, NotForgotten, about, forget, rehearse};
use crate::service::site::Site;

/// All that is kept about a customer.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CustomerPage {
    /// Their orders, the oldest first.
    pub orders: Vec<ListedOrder>,
    /// Their grants, the oldest first.
    pub grants: Vec<GrantView>,
    /// Deliveries of these, of each grant the newest hundred.
    pub deliveries: Vec<ListedDelivery>,
    /// The addresses and networks that these came from.
    pub addresses: Vec<String>,
    /// What their browsers and programs said that they are.
    pub agents: Vec<String>,
    /// How many letters to their address are about none of these.
    #[serde(default)]
    pub letters: u64,
}

/// Asks to forget.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgetOrder {
    /// Only tell how much it would be.
    #[serde(default)]
    pub dry_run: bool,
}

/// How much was forgotten, or would be.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ForgottenView {
    /// Whether nothing was done.
    pub dry_run: bool,
    /// What stands in the place of the customer now; `null` where nothing was done.
    pub pseudonym: Option<String>,
    /// Orders without name, address and id of the customer.
    pub orders: u64,
    /// Grants without customer.
    pub grants: u64,
    /// Deliveries without addresses, agents and cookies.
    pub deliveries: u64,
    /// Deliveries that have not ended, and keep theirs until then: to be asked for again.
    pub running: u64,
    /// Messages that are gone.
    pub messages: u64,
}

fn addresses(deliveries: &[Delivery]) -> impl Iterator<Item = String> {
    let of = |delivery: &Delivery| {
        let asked = delivery.requests.values().map(|request| request.address);
        asked.chain([delivery.clicked_by.address]).filter(|address| !address.is_unspecified()).collect::<BTreeSet<_>>()
    };
    deliveries.iter().flat_map(of).map(|address| address.to_string())
}

pub(super) async fn show(State(site): State<Arc<Site>>, who: Result<Path<String>, PathRejection>) -> Result<Json<CustomerPage>, Problem> {
    let who = problem::name(who)?.trim().to_owned();
    let About { orders, grants, letters } = about(&site, &who).await?;
    if orders.is_empty() && grants.is_empty() && letters == 0 {
        return Err(Problem::unknown(format!(
            "nothing is kept about `{who}`: a mail address, what the shop calls the customer, a name, or the customer as `cloakroom grant list` shows it"
        )));
    }
    let (mut listed, mut lying) = (Vec::new(), Lying::new(&site));
    for (grant, deliveries) in &grants {
        for delivery in deliveries {
            listed.push(ListedDelivery::of(delivery, &lying.of(delivery, grant).await?));
        }
    }
    let now = clock::now();
    let found: BTreeSet<String> = grants.iter().flat_map(|(_, deliveries)| addresses(deliveries)).collect();
    let agents: BTreeSet<&str> =
        grants.iter().flat_map(|(_, deliveries)| deliveries).map(|delivery| delivery.clicked_by.agent.as_str()).collect();
    Ok(Json(CustomerPage {
        orders: orders.iter().map(ListedOrder::of).collect(),
        grants: grants.iter().map(|(grant, _)| GrantView::of(grant, now)).collect(),
        deliveries: listed,
        addresses: found.into_iter().collect(),
        agents: agents.into_iter().filter(|agent| !agent.is_empty()).map(str::to_owned).collect(),
        letters,
    }))
}

fn not_forgotten(who: &str, fault: NotForgotten) -> Problem {
    match fault {
        NotForgotten::Several(people) => Problem::conflict(format!(
            "`{who}` is what {people} customers have in common: forget each by what is theirs alone, which `cloakroom customer show` tells"
        )),
        NotForgotten::Down(down) => down.into(),
    }
}

pub(super) async fn forget_them(
    State(site): State<Arc<Site>>,
    who: Result<Path<String>, PathRejection>,
    Author(author): Author,
    order: Result<Json<ForgetOrder>, JsonRejection>,
) -> Result<Json<ForgottenView>, Problem> {
    let who = problem::name(who)?.trim().to_owned();
    let ForgetOrder { dry_run } = problem::body(order)?;
    let (told, pseudonym) = if dry_run {
        (rehearse(&site, &who).await.map_err(|fault| not_forgotten(&who, fault))?, None)
    } else {
        let (told, pseudonym) = forget(&site, &who, &author).await.map_err(|fault| not_forgotten(&who, fault))?;
        (told, Some(pseudonym))
    };
    if told.orders == 0 && told.grants == 0 && told.messages == 0 {
        return Err(Problem::unknown(format!("nothing is kept about `{who}`")));
    }
    Ok(Json(ForgottenView {
        dry_run,
        pseudonym,
        orders: told.orders,
        grants: told.grants,
        deliveries: told.deliveries,
        running: told.running,
        messages: told.messages,
    }))
}

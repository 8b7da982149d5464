//! Grants, links and deliveries by their ids: whether they open anything now, and why.

use super::remedy::remedy;
use super::{Explanation, Unexplained, advice};
use crate::clock;
use crate::domain::delivery::{Delivery, State};
use crate::domain::grant::Grant;
use crate::domain::id::{DeliveryId, GrantId, LinkId};
use crate::domain::link::Link;
use crate::domain::moment::Moment;
use crate::domain::placed::{Stay, What};
use crate::domain::refusal::Refusal;
use crate::service::copies::current;
use crate::service::lying::Lying;
use crate::service::site::Site;
use crate::service::trace::Step;
use crate::store::Down;

/// An id of ours.
#[derive(Clone, Copy)]
pub(super) enum Id {
    Grant(GrantId),
    Link(LinkId),
    Delivery(DeliveryId),
}

impl Id {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let grant = text.parse().ok().map(Self::Grant);
        grant.or_else(|| text.parse().ok().map(Self::Link)).or_else(|| text.parse().ok().map(Self::Delivery))
    }
}

/// Explains what an id names.
pub(super) async fn explain(site: &Site, id: Id) -> Result<Explanation, Unexplained> {
    let found = match id {
        Id::Grant(id) => grant(site, id).await,
        Id::Link(id) => link(site, id).await,
        Id::Delivery(id) => delivery(site, id).await,
    };
    let found = found.map_err(|down| Unexplained(down.to_string()))?;
    found.ok_or_else(|| Unexplained("nothing of that id is known: `cloakroom grant list` and `delivery list` list what is".to_owned()))
}

/// The steps so far, and the first refusal.
#[derive(Default)]
struct Found {
    steps: Vec<Step>,
    refusal: Option<Refusal>,
}

impl Found {
    fn step(&mut self, outcome: Result<(), Refusal>, text: String) {
        self.steps.push(Step { held: outcome.is_ok(), text });
        self.refusal = self.refusal.or(outcome.err());
    }

    fn told(self, subject: String, mends: Option<String>) -> Explanation {
        let refusal = self.refusal;
        Explanation {
            subject,
            outcome: refusal.map_or_else(|| "allowed".to_owned(), |refusal| refusal.code().to_owned()),
            steps: self.steps,
            advice: refusal.and_then(|refusal| mends.or_else(|| advice(refusal))),
        }
    }
}

async fn grant(site: &Site, id: GrantId) -> Result<Option<Explanation>, Down> {
    let Some(grant) = site.store.grant(id).await? else { return Ok(None) };
    let now = clock::now();
    let mut found = Found::default();
    of_grant(&mut found, &grant, now);
    let links = site.store.links(id).await?;
    let good = links.iter().filter(|link| link.check(now).is_ok()).count();
    let answered = if good == 0 { links.first().map_or(Ok(()), |link| link.check(now)) } else { Ok(()) };
    let is_the_links = found.refusal.is_none() && answered.is_err();
    found.step(answered, format!("{good} of {} links are answered", links.len()));
    let by_links = is_the_links.then(|| format!("make a new one with `cloakroom link new {id}`"));
    let by_copy = of_copy(site, &mut found, &grant, now).await?;
    let mends = by_links.or(by_copy).or_else(|| mends(&grant, found.refusal));
    Ok(Some(found.told(format!("{id}, {}", grant.file), mends)))
}

async fn link(site: &Site, id: LinkId) -> Result<Option<Explanation>, Down> {
    let Some(link) = site.store.link(id).await? else { return Ok(None) };
    let Some(grant) = site.store.grant(link.grant).await? else { return Ok(None) };
    let now = clock::now();
    let mut found = Found::default();
    found.step(Ok(()), format!("it is a link of {}, for {}", grant.id, grant.file));
    let answered = link.check(now);
    found.step(answered, of_link(&link, answered));
    let by_link = found.refusal.map(|_| format!("make a new one with `cloakroom link new {}`", grant.id));
    of_grant(&mut found, &grant, now);
    let by_copy = of_copy(site, &mut found, &grant, now).await?;
    let mends = by_link.or(by_copy).or_else(|| mends(&grant, found.refusal));
    Ok(Some(found.told(id.to_string(), mends)))
}

/// Where the copy of a grant is, if it has one; what mends it, if that is all that is wrong.
async fn of_copy(site: &Site, found: &mut Found, grant: &Grant, now: Moment) -> Result<Option<String>, Down> {
    let Some(placed) = current(&*site.store, grant.id).await? else { return Ok(None) };
    let path = site.configuration.directory(&placed.directory).map_or_else(|| placed.path().into(), |entry| entry.path.join(placed.path()));
    let path = path.display();
    if placed.stay == Stay::Live {
        found.step(Ok(()), format!("it is fetched as a copy, {path}"));
        return Ok(None);
    }
    let is_all = found.refusal.is_none();
    let preparation = site.copies.preparation(&placed.name);
    let text = match &preparation.trouble {
        Some(trouble) => format!("its copy {path} could not be made, and is tried again: {trouble}"),
        None => format!("its copy {path} is being made: {} of {} bytes", preparation.done.copied, preparation.done.total),
    };
    found.step(Err(preparation.refusal(now)), text);
    let wait = || format!("`cloakroom grant show {}` tells how far it is", grant.id);
    Ok(is_all.then(|| preparation.trouble.as_ref().map_or_else(wait, |trouble| remedy(site, &placed, &trouble.mend))))
}

fn of_link(link: &Link, outcome: Result<(), Refusal>) -> String {
    match outcome {
        Err(Refusal::Revoked) => "it was revoked".to_owned(),
        Err(_) => format!("it has expired, at {}", link.expires),
        Ok(()) => format!("it is answered until {}", link.expires),
    }
}

async fn delivery(site: &Site, id: DeliveryId) -> Result<Option<Explanation>, Down> {
    let Some(delivery) = site.store.delivery(id).await? else { return Ok(None) };
    let Some(grant) = site.store.grant(delivery.grant).await? else { return Ok(None) };
    let now = clock::now();
    let (covered, whole, requests) = (delivery.covered(), delivery.version.size, delivery.requests_total());
    let mut steps = vec![
        format!("it is a download of {}, under {}", Lying::new(site).of(&delivery, &grant).await?, grant.id),
        format!("it was clicked at {} from {}", delivery.offered, delivery.clicked_by.address),
        format!("{requests} requests were admitted, {} of them not reported yet", delivery.in_flight()),
        format!("one client was sent {covered} of {whole} bytes, as far as reported"),
        meaning(&delivery).to_owned(),
    ];
    if delivery.link.is_none() {
        steps.insert(2, "it is of the copy of its grant; what is sent of that does not pass by Cloakroom".to_owned());
    } else if delivery.is_led_away() {
        let there = site.store.placed_for(delivery.grant).await?.into_iter().rev().find(|placed| placed.what == What::Stub(id));
        steps.insert(
            2,
            there.map_or_else(
                || "its client was sent on to a public address; what is sent there does not pass by Cloakroom".to_owned(),
                |placed| {
                    format!(
                        "its client was sent on to the stub {} in `{}`; what is sent there does not pass by Cloakroom",
                        placed.path(),
                        placed.directory
                    )
                },
            ),
        );
    }
    steps.push(if delivery.is_live(&grant.policy, now) {
        format!("it can be gone on with until {}", delivery.grace_ends(&grant.policy))
    } else {
        "it cannot be gone on with: its time is over".to_owned()
    });
    Ok(Some(Explanation {
        subject: id.to_string(),
        outcome: delivery.state.word().to_owned(),
        steps: steps.into_iter().map(|text| Step { held: true, text }).collect(),
        advice: Some(format!("`cloakroom delivery show {id}` shows its requests")),
    }))
}

fn meaning(delivery: &Delivery) -> &'static str {
    match delivery.state {
        State::Offered => "nothing was sent, and nothing is reserved",
        State::Open => "it runs, and holds one download of the grant",
        State::Completed => "one client was sent every byte: it counts",
        State::Released => "it ended before the whole file was sent: it does not count",
        State::Presumed => "it counts, though nobody showed that one client was sent every byte",
        State::Started if delivery.is_led_away() => "nobody reports what is sent there: it counts since the redirect",
        State::Started => "nobody reports what is sent: it counts from its start",
    }
}

/// What of the grant allows or refuses a new download.
fn of_grant(found: &mut Found, grant: &Grant, now: Moment) {
    if let Some(sold) = &grant.sold {
        let words = format!("it was sold by {}, line {} ({}), which is {}", sold.order, sold.line, sold.sku, sold.gate.word());
        found.step(sold.gate.check(), words);
    }
    let standing = grant.standing.check();
    let words = match standing {
        Ok(()) => "nobody suspended or revoked the grant",
        Err(Refusal::Suspended) => "the grant is suspended",
        Err(_) => "the grant is revoked, for good",
    };
    found.step(standing, words.to_owned());
    let time = if grant.is_over(now) { Err(Refusal::Expired) } else { Ok(()) };
    let words = match (grant.expires, time) {
        (None, _) => "it never ends".to_owned(),
        (Some(expires), Ok(())) => format!("downloads can be started until {expires}"),
        (Some(expires), Err(_)) => format!("its time was over at {expires}"),
    };
    found.step(time, words);
    let unit = match (grant.has_unit(), grant.reserved) {
        (true, _) => Ok(()),
        (false, 0) => Err(Refusal::LimitReached),
        (false, _) => Err(Refusal::DownloadRunning),
    };
    let most = grant.policy.max_downloads.map_or_else(|| "any number of".to_owned(), |most| most.to_string());
    found.step(unit, format!("{} of {most} downloads used, {} running", grant.used, grant.reserved));
}

/// The command that opens a grant again.
pub(super) fn mends(grant: &Grant, refusal: Option<Refusal>) -> Option<String> {
    let id = grant.id;
    match refusal? {
        Refusal::Suspended => Some(format!("`cloakroom grant resume {id}` opens it again")),
        Refusal::Revoked => Some("nothing opens it again: make a new grant with `cloakroom grant add`".to_owned()),
        Refusal::NotPaid | Refusal::OnHold | Refusal::Refunded | Refusal::Cancelled => {
            let order = grant.sold.as_ref()?.order;
            Some(format!("`cloakroom order set {order} paid` opens it again, if that is so; the shop's next report of the order decides"))
        }
        Refusal::Expired => Some(format!("`cloakroom grant extend {id} --for 7d` gives it more time")),
        Refusal::LimitReached => Some(format!("`cloakroom grant extend {id} --max +1` gives it one more, `grant reset` all of them")),
        _ => None,
    }
}

//! JWTs: the one that a question brings is opened, and with `max` its downloads are counted by the store.

use ipnet::IpNet;
use sha2::{Digest as _, Sha256};

use super::authorize::{in_network, in_time};
use super::copies;
use super::issue::{NotIssued, keeps_unsold};
use super::site::Site;
use super::trace::Trace;
use crate::config::StoreEntry;
use crate::domain::authorization::Authorization;
use crate::domain::file::FileRef;
use crate::domain::grant::Grant;
use crate::domain::history::Author;
use crate::domain::id::{GrantId, ID_BYTES, LinkId};
use crate::domain::link::Link;
use crate::domain::moment::Moment;
use crate::domain::policy::Policy;
use crate::domain::question::Question;
use crate::domain::refusal::Refusal;
use crate::proof::jwt::{self, Claim, Fault, Place, Step, Wanted};
use crate::store::Store;

/// The name of who made the grants of JWTs, in their history.
const AUTHOR: &str = "a JWT";

/// Whether a question brings a JWT, good or bad.
pub(super) fn is_brought(question: &Question) -> bool {
    !matches!(brought(question), Err(Fault::NotBrought))
}

/// Whether only a cookie can bring one: neither query nor `Authorization` does.
pub(super) fn is_ambient(question: &Question) -> bool {
    matches!(jwt::brought(question.query.as_deref(), bearer(question), []), Err(Fault::NotBrought))
}

fn brought(question: &Question) -> Result<(&str, Place), Fault> {
    let cookies = question.jwt_cookies.iter().flat_map(|cookies| cookies.values());
    jwt::brought(question.query.as_deref(), bearer(question), cookies)
}

fn bearer(question: &Question) -> Option<&str> {
    match question.authorization.as_deref() {
        Some(Authorization::Bearer(token)) => Some(token.as_str()),
        Some(Authorization::Basic(_)) | None => None,
    }
}

/// Opens the JWT that a question brings. `file` is what the path names below `public_url`.
pub(super) fn open(site: &Site, question: &Question, file: Option<&FileRef>, now: Moment, trace: &mut Trace) -> Result<Claim, Refusal> {
    let (token, place) = brought(question).map_err(|fault| {
        trace.failed(|| fault.to_string());
        fault.refusal()
    })?;
    trace.held(|| match place {
        Place::Query => "the query brings a JWT".to_owned(),
        Place::Bearer => "`Authorization: Bearer` brings a JWT".to_owned(),
        Place::Cookie => "the cookie `cloakroom_jwt` brings a JWT".to_owned(),
    });
    let life_max = site.configuration.jwt_life_max;
    let wanted = Wanted { site: site.name(), path: &question.path, file, client: question.client.address, life_max };
    jwt::open_traced(token, &wanted, &site.keys, now, &mut |step| {
        let held = !matches!(step, Step::Failed(_));
        trace.step(held, || words(&step));
    })
}

/// A step of the proof in words for the sysadmin.
fn words(step: &Step<'_>) -> String {
    match step {
        Step::Key { id, purpose, algorithm } => {
            format!("it must be signed with {} by the key `{id}`, use = \"{}\"", algorithm.word(), purpose.word())
        }
        Step::MacHeld => "the signature is that of the token".to_owned(),
        Step::ForThisSite => "`aud` is this site".to_owned(),
        Step::InTime { not_before, expires } => in_time(*not_before, *expires),
        Step::InNetwork(network) => in_network(*network),
        Step::PathOpened => "the path is one that it opens".to_owned(),
        Step::Failed(fault) => fault.to_string(),
    }
}

/// How a JWT with `max` is used.
pub(super) enum Use {
    /// Again: it stands for this link of the grant that its first use made, and every use of it is a click.
    Again(LinkId),
    /// For the first time: this grant and its link are to be made.
    First(Box<(Grant, Link)>),
}

/// How a JWT with `max` is used. Makes nothing.
pub(super) async fn use_of(
    site: &Site,
    store: &dyn Store,
    claim: &Claim,
    file: &FileRef,
    now: Moment,
    trace: &mut Trace,
) -> Result<Use, Refusal> {
    let (Some(max), Some(name)) = (claim.max(), claim.id()) else { return Err(Refusal::BadProof) };
    if site.configuration.store == StoreEntry::Memory {
        trace.failed(|| {
            "`max` needs a store that outlives a restart, and [store] has kind = \"memory\": every restart would give it all anew"
                .to_owned()
        });
        return Err(Refusal::BadProof);
    }
    let grant = GrantId::new(id_of("cloakroom jwt grant 1", claim.key(), name));
    let link = LinkId::new(id_of("cloakroom jwt link 1", claim.key(), name));
    if let Some(refusal) = known(store, grant, file, trace).await {
        return refusal.map(|()| Use::Again(link));
    }
    let default = site.configuration.default_policy();
    if !keeps_unsold(default) {
        trace.failed(|| NotIssued::Unkept.to_string());
        return Err(Refusal::BadProof);
    }
    let networks = networks(&default.networks, claim.network(), trace)?;
    let policy = Policy { max_downloads: Some(max), networks, rate: claim.rate().or(default.rate), ..default.clone() };
    let customer = claim.user().unwrap_or(name).to_owned();
    let grant = Grant::new(grant, file.clone(), customer, policy, now, Some(claim.expires()));
    let first = Link { id: link, grant: grant.id, created: now, expires: claim.expires(), revoked: false };
    Ok(Use::First(Box::new((grant, first))))
}

/// Makes the grant of a JWT by its first use.
pub(super) async fn make(site: &Site, store: &dyn Store, first: (Grant, Link), now: Moment, trace: &mut Trace) -> Result<LinkId, Refusal> {
    let (grant, first) = first;
    let (id, link, max, file) = (grant.id, first.id, grant.policy.max_downloads, grant.file.clone());
    let copy = copies::new_copy(site, &grant.file, &grant.policy);
    match store.issue_with(grant, first, author(now), copy).await {
        Ok(()) => {
            site.copies.wake();
            trace.held(|| format!("the first use of `jti` makes the grant {id} of {} downloads", max.unwrap_or_default()));
            Ok(link)
        }
        // Another first use may have been faster, and its grant is as good.
        Err(down) => match known(store, id, &file, trace).await {
            Some(known) => known.map(|()| link),
            None => Err(trace.down(down)),
        },
    }
}

/// Who made the grants of JWTs, in their history.
pub(super) fn author(now: Moment) -> Author {
    Author { name: AUTHOR.to_owned(), at: now }
}

/// The networks that a grant is for: those of the policy and of the claim at once. Two networks are apart, or one is in the
/// other.
fn networks(policy: &[IpNet], claimed: Option<IpNet>, trace: &mut Trace) -> Result<Vec<IpNet>, Refusal> {
    let Some(claimed) = claimed.map(|network| network.trunc()) else { return Ok(policy.to_vec()) };
    if policy.is_empty() {
        return Ok(vec![claimed]);
    }
    let both = |network: &IpNet| {
        if network.contains(&claimed) { Some(claimed) } else { Some(*network).filter(|network| claimed.contains(network)) }
    };
    let both: Vec<IpNet> = policy.iter().filter_map(both).collect();
    if both.is_empty() {
        trace.failed(|| format!("the policy `default` has `networks`, and {claimed} (`net`) is in none of them"));
        return Err(Refusal::WrongNetwork);
    }
    Ok(both)
}

/// How it stands with the grant of a `jti`: `None` where there is none yet.
async fn known(store: &dyn Store, grant: GrantId, file: &FileRef, trace: &mut Trace) -> Option<Result<(), Refusal>> {
    match store.grant(grant).await {
        Ok(None) => None,
        Ok(Some(grant)) if grant.file == *file => {
            trace.held(|| format!("the grant of its `jti` is {}", grant.id));
            Some(Ok(()))
        }
        Ok(Some(grant)) => {
            trace.failed(|| {
                format!("its `jti` was used for another file before ({}, {}): each token needs one of its own", grant.file, grant.id)
            });
            Some(Err(Refusal::BadProof))
        }
        Err(down) => Some(Err(trace.down(down))),
    }
}

/// The id that follows from a token's name and its key, the same at each use. Neither has a line break.
fn id_of(label: &str, key: &str, name: &str) -> [u8; ID_BYTES] {
    let digest = Sha256::digest(format!("{label}\n{key}\n{name}"));
    let mut id = [0; ID_BYTES];
    for (byte, found) in id.iter_mut().zip(digest) {
        *byte = found;
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_for_the_networks_of_the_policy_and_of_the_claim_at_once() {
        let net = |text: &str| text.parse::<IpNet>().unwrap();
        for (policy, claimed, both) in [
            (&[][..], None, Some(&[][..])),
            (&["192.0.2.0/24", "2001:db8::/32"], None, Some(&["192.0.2.0/24", "2001:db8::/32"][..])),
            (&[], Some("192.0.2.0/24"), Some(&["192.0.2.0/24"])),
            (&[], Some("192.0.2.7/24"), Some(&["192.0.2.0/24"])),
            (&["192.0.2.0/24", "2001:db8::/32"], Some("192.0.2.7/32"), Some(&["192.0.2.7/32"])),
            (&["192.0.2.0/24", "192.0.9.0/24", "2001:db8::/32"], Some("192.0.0.0/16"), Some(&["192.0.2.0/24", "192.0.9.0/24"])),
            (&["192.0.2.0/24"], Some("192.0.2.0/24"), Some(&["192.0.2.0/24"])),
            (&["192.0.2.0/24"], Some("192.0.3.0/24"), None),
            (&["0.0.0.0/0"], Some("2001:db8::/32"), None),
        ] {
            let policy: Vec<IpNet> = policy.iter().map(|text| net(text)).collect();
            let both = both.map(|both| both.iter().map(|text| net(text)).collect::<Vec<_>>()).ok_or(Refusal::WrongNetwork);
            assert_eq!(networks(&policy, claimed.map(net), &mut Trace::end()), both, "{policy:?} {claimed:?}");
        }
    }
}

//! Policies: their limits, given to grants that were made before.

use std::fmt;

use super::amend::{Downloads, NotAmended, Until, Wish, amend};
use super::catalogue::NotKept;
use super::ending::ends;
use super::site::Site;
use crate::clock;
use crate::domain::grant::{Grant, Standing};
use crate::domain::moment::Moment;
use crate::domain::order::Sku;
use crate::domain::policy::{Ending, Policy};
use crate::store::LIST_MAX;

/// Whether anything is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// It is only told what would be.
    Dry,
    /// It is done.
    Real,
}

/// What became of the grants of a product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// How many there are.
    pub grants: u64,
    /// How many have, or would get, other limits.
    pub changed: u64,
    /// How many are revoked, and stay as they are.
    pub revoked: u64,
    /// How many would be over by the limits of the policy; they stay as they are.
    pub over: u64,
}

/// Gives the grants that were sold under `sku` the number of downloads and the end that they would have had by this policy.
pub async fn apply(site: &Site, name: &str, sku: &Sku, run: Run, author: &str) -> Result<Applied, NotKept> {
    let Some(policy) = site.configuration.policy(name) else {
        let known: Vec<&str> = site.configuration.policies.iter().map(|(name, _)| name.as_str()).collect();
        return Err(NotKept::Unknown(format!("there is no [[policy]] named `{name}` (there are: {})", known.join(", "))));
    };
    let (mut applied, mut after, now) = (Applied::default(), None, clock::now());
    loop {
        let page = site.catalogue.sold_as(sku.clone(), after, LIST_MAX).await?;
        let Some(last) = page.last() else { return Ok(applied) };
        after = Some(*last);
        for id in page {
            let Some(grant) = site.store.grant(id).await? else { continue };
            applied.grants += 1;
            match wish(&grant, policy, now) {
                _ if grant.standing == Standing::Revoked => applied.revoked += 1,
                Wished::Nothing => {}
                Wished::Over => applied.over += 1,
                Wished::Change(wish) => {
                    applied.changed += 1;
                    if run == Run::Real {
                        change(site, &grant, wish, author).await?;
                    }
                }
            }
        }
    }
}

async fn change(site: &Site, grant: &Grant, wish: Wish, author: &str) -> Result<(), NotKept> {
    match amend(site, grant.id, wish, author.to_owned()).await {
        Ok(_) => Ok(()),
        Err(NotAmended::Down(down, _)) => Err(NotKept::Down(down)),
        // Somebody revoked it meanwhile, or its time went by.
        Err(fault) => {
            tracing::info!(event = "policy_not_applied", grant = %grant.id, "{fault}");
            Ok(())
        }
    }
}

enum Wished {
    Nothing,
    Over,
    Change(Wish),
}

/// What of a grant is other than the policy says.
fn wish(grant: &Grant, policy: &Policy, now: Moment) -> Wished {
    let end = ends(policy, grant.created, policy.valid_for);
    if end.is_some_and(|end| end <= now) && grant.expires != end {
        return Wished::Over;
    }
    let until = (grant.expires != end).then_some(end.map_or(Until::Never, Until::At));
    let most = policy.max_downloads.map_or(Downloads::Unlimited, Downloads::Exactly);
    let downloads = (grant.policy.max_downloads != policy.max_downloads).then_some(most);
    if until.is_none() && downloads.is_none() { Wished::Nothing } else { Wished::Change(Wish::Extend(until, downloads)) }
}

/// A policy in a sentence.
pub struct InWords<'a>(pub &'a Policy);

impl fmt::Display for InWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Policy { max_downloads, valid_for, ending, link_ttl, resume_grace, retry_factor, methods, connections_max, .. } = self.0;
        match max_downloads {
            Some(1) => f.write_str("1 download")?,
            Some(most) => write!(f, "{most} downloads")?,
            None => f.write_str("any number of downloads")?,
        }
        match valid_for {
            Some(span) => write!(f, " in {span}")?,
            None => f.write_str(" for ever")?,
        }
        if let Ending::EndOfDay(zone) = ending {
            write!(f, ", to the end of the day in {zone}")?;
        }
        write!(f, "; each link {link_ttl}; resumed within {resume_grace}")?;
        match retry_factor {
            0 => f.write_str(", its bytes sent once")?,
            more => write!(f, ", its bytes sent {} times at most", u64::from(*more) + 1)?,
        }
        write!(f, "; {connections_max} connections at once")?;
        if let Some(rate) = self.0.rate {
            write!(f, ", each {rate}")?;
        }
        if let Some(most) = self.0.networks_max {
            write!(f, "; from {most} networks at most")?;
        }
        if !self.0.networks.is_empty() {
            let networks: Vec<String> = self.0.networks.iter().map(ToString::to_string).collect();
            write!(f, "; from {} only", networks.join(", "))?;
        }
        let methods: Vec<&str> = methods.iter().map(|method| method.word()).collect();
        write!(f, "; by {}; the {} version", methods.join(", else "), self.0.edition.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::moment::Span;
    use crate::domain::policy::{Edition, Method};

    #[test]
    fn a_policy_is_told_in_a_sentence() {
        let default = Policy::default();
        let said = "5 downloads in 30d; each link 30d; resumed within 1d, its bytes sent 3 times at most; 16 connections at once; \
                    by handoff; the latest version";
        assert_eq!(InWords(&default).to_string(), said);
        let other = Policy {
            max_downloads: Some(1),
            valid_for: None,
            ending: Ending::EndOfDay("Europe/Berlin".to_owned()),
            link_ttl: Span::from_hours(2),
            retry_factor: 0,
            methods: vec![Method::Copy, Method::Handoff],
            networks_max: Some(3),
            networks: vec!["192.0.2.0/24".parse().expect("a network")],
            edition: Edition::Purchased,
            ..default
        };
        let said = "1 download for ever, to the end of the day in Europe/Berlin; each link 2h; resumed within 1d, its bytes sent once; \
                    16 connections at once; from 3 networks at most; from 192.0.2.0/24 only; by copy, else handoff; the purchased version";
        assert_eq!(InWords(&other).to_string(), said);
        assert!(InWords(&Policy { max_downloads: None, ..other }).to_string().starts_with("any number of downloads for ever"));
    }
}

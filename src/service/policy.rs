//! Policies: their limits, given to grants that were made before.

use std::fmt;

use super::amend::{Downloads, NotAmended, Until, Wish, amend};
use super::catalogue::NotKept;
use super::ending::ends;
use super::order::sold_by;
use super::site::Site;
use crate::clock;
use crate::domain::grant::{Amendment, Grant, Standing};
use crate::domain::history::{Act, Entry};
use crate::domain::moment::Moment;
use crate::domain::order::{Sku, Terms};
use crate::domain::policy::{Ending, Policy};
use crate::store::{Down, LIST_MAX};

/// Whether anything is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// It is only told what would be.
    Dry,
    /// It is done.
    Real,
}

/// To which grants a policy is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Those whose end and number of downloads are as they were sold, or as a policy that was applied left them.
    Untouched,
    /// Those to which a person gave another end or number, too.
    Amended,
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
    /// How many would have other limits, but a person gave them theirs; they stay as they are.
    pub amended: u64,
}

/// Gives the grants that were sold under `sku` the number of downloads and the end that they would have had by this policy;
/// what the line of the order says itself counts before it.
pub async fn apply(site: &Site, name: &str, sku: &Sku, run: Run, reach: Reach, author: &str) -> Result<Applied, NotKept> {
    let policy = site.configuration.policy_named(name).map_err(NotKept::Unknown)?;
    let author = format!("{author}{BY_POLICY}{name}");
    let (mut applied, mut after, now) = (Applied::default(), None, clock::now());
    loop {
        let page = site.catalogue.sold_as(sku.clone(), after, LIST_MAX).await?;
        let Some(last) = page.last() else { return Ok(applied) };
        after = Some(*last);
        for id in page {
            let Some(grant) = site.store.grant(id).await? else { continue };
            applied.grants += 1;
            if grant.standing == Standing::Revoked {
                applied.revoked += 1;
                continue;
            }
            let wish = match wish(&grant, policy, &terms(site, &grant).await?, now) {
                Wished::Nothing => continue,
                _ if reach == Reach::Untouched && is_amended(&site.store.history(id).await?) => {
                    applied.amended += 1;
                    continue;
                }
                Wished::Over => {
                    applied.over += 1;
                    continue;
                }
                Wished::Change(wish) => wish,
            };
            applied.changed += 1;
            if run == Run::Real {
                change(site, &grant, wish, &author).await?;
            }
        }
    }
}

/// What the line says itself by which a grant was sold.
async fn terms(site: &Site, grant: &Grant) -> Result<Terms, Down> {
    let Some(sold) = &grant.sold else { return Ok(Terms::default()) };
    let line = sold_by(site, grant).await?.and_then(|order| order.lines.into_iter().find(|line| line.key == sold.line));
    Ok(line.map(|line| line.terms).unwrap_or_default())
}

/// What stands in histories between who applied a policy and its name: `anna (cloakroom policy apply) by policy books`. What
/// callers say of themselves ends with `)`.
const BY_POLICY: &str = " by policy ";

/// Whether a person gave a grant another end or number of downloads.
fn is_amended(history: &[Entry]) -> bool {
    let is_limit = |entry: &&Entry| matches!(entry.act, Act::Amended(Amendment::Expire(_) | Amendment::Allow(_)));
    let is_policy = |entry: &Entry| entry.author.name.contains(BY_POLICY) && !entry.author.name.ends_with(')');
    !history.iter().filter(is_limit).all(is_policy)
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

/// What of a grant is other than its line and the policy say.
fn wish(grant: &Grant, policy: &Policy, terms: &Terms, now: Moment) -> Wished {
    let end = terms.expires.or(ends(policy, grant.created, policy.valid_for));
    let most = terms.max_downloads.or(policy.max_downloads);
    if end.is_some_and(|end| end <= now) && grant.expires != end {
        return Wished::Over;
    }
    let until = (grant.expires != end).then_some(end.map_or(Until::Never, Until::At));
    let downloads = (grant.policy.max_downloads != most).then_some(most.map_or(Downloads::Unlimited, Downloads::Exactly));
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
    use crate::domain::history::Author;
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

    #[test]
    fn what_a_person_gave_is_told_from_what_a_policy_gave_and_from_what_is_no_limit() {
        let allow = Act::Amended(Amendment::Allow(Some(9)));
        let policy = format!("anna (cloakroom policy apply){BY_POLICY}books");
        let mut seen = 0;
        for (acts, is) in [
            (vec![], false),
            (vec![(policy.as_str(), allow)], false),
            (vec![("anna (cloakroom grant extend)", allow)], true),
            (vec![("anna (x by policy books)", allow)], true),
            (vec![("anna (cloakroom grant extend)", Act::Amended(Amendment::Expire(None))), (&policy, allow)], true),
            (vec![("anna (cloakroom grant suspend)", Act::Amended(Amendment::Stand(Standing::Suspended)))], false),
        ] {
            let entry = |(name, act): (&str, Act)| Entry { author: Author { name: name.to_owned(), at: Moment::EPOCH }, act };
            let history: Vec<Entry> = acts.into_iter().map(entry).collect();
            assert_eq!(is_amended(&history), is, "{history:?}");
            seen += 1;
        }
        assert_eq!(seen, 6);
    }
}

//! What people change about a grant: from a wish to the amendments that the store keeps.

use std::fmt;

use super::copies;
use super::credential::{self, NotGiven};
use super::ending::{check_zone, ends};
use super::issue::{NO_SUCH_GRANT, stays_revoked};
use super::site::Site;
use super::way_in;
use crate::clock;
use crate::domain::grant::{Amendment, Grant, Standing};
use crate::domain::history::Author;
use crate::domain::id::{GrantId, LinkId};
use crate::domain::link::Link;
use crate::domain::moment::{Moment, Span};
use crate::domain::policy::Ending;
use crate::domain::units::SPAN_MAX;
use crate::store::Down;

/// What a person wants of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// It may not be used for now.
    Suspend,
    /// It may be used again.
    Resume,
    /// It may never be used again.
    Revoke,
    /// It is used from the beginning again.
    Reset,
    /// It has more time, more downloads, or both.
    Extend(Option<Until>, Option<Downloads>),
}

/// Until when a grant shall last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// So much longer than its end, or than now if that is over.
    For(Span),
    /// That moment is too late.
    At(Moment),
    /// For ever.
    Never,
}

/// How many downloads a grant shall have, those that are used included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Downloads {
    /// So many.
    Exactly(u32),
    /// So many more than now.
    More(u32),
    /// Any number.
    Unlimited,
}

/// What became of a wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amended {
    /// The grant as it is now.
    pub grant: Grant,
    /// Whether anything is other than before.
    pub changed: bool,
    /// What the person should know besides, in sentences.
    pub notes: Vec<String>,
}

/// Why a wish cannot be met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAmended {
    /// No such grant.
    Unknown,
    /// It was revoked, and stays so.
    Revoked(GrantId),
    /// It has no end that could be later.
    Endless,
    /// It has any number of downloads already.
    Unlimited,
    /// So many downloads cannot be counted.
    TooMany,
    /// The moment is over.
    Past(Moment),
    /// The moment is too far away.
    TooFar,
    /// The zone of the policy's days is not known.
    Zone(String),
    /// Neither a time nor a number was given.
    Nothing,
    /// The store does not answer; so much was done before.
    Down(Down, Vec<Amendment>),
}

impl fmt::Display for NotAmended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str(NO_SUCH_GRANT),
            Self::Revoked(id) => f.write_str(&stays_revoked(*id)),
            Self::Endless => f.write_str("for: the grant never ends, so its end cannot be later; `until` gives it one"),
            Self::Unlimited => {
                f.write_str("max_downloads: the grant has any number of downloads already; a number without `+` limits them")
            }
            Self::TooMany => write!(f, "max_downloads: there must not be more than {} downloads", u32::MAX),
            Self::Past(until) => write!(f, "until: {until} is over, it must lie ahead; to shut a grant now, suspend or revoke it"),
            Self::TooFar => write!(f, "the end must lie within 100 years ({SPAN_MAX}) from now, or be `unlimited`"),
            Self::Zone(fault) => f.write_str(fault),
            Self::Nothing => f.write_str("say how long (`for` or `until`), how many (`max_downloads`), or both"),
            Self::Down(down, done) => {
                let done = if done.is_empty() { "nothing was changed" } else { "the time was changed, the number of downloads was not" };
                write!(f, "{down}: {done}")
            }
        }
    }
}

/// Changes a grant as `wish` says.
pub async fn amend(site: &Site, id: GrantId, wish: Wish, author: String) -> Result<Amended, NotAmended> {
    let down = |down| NotAmended::Down(down, Vec::new());
    // From reading to writing nobody else amends: two who add a download each have added two.
    let _alone = site.amending.lock().await;
    let now = clock::now();
    let before = site.store.grant(id).await.map_err(down)?.ok_or(NotAmended::Unknown)?;
    let amendments = amendments(&before, wish, now)?;
    let author = Author { name: author, at: now };
    let mut grant = before.clone();
    let mut good = before.clone();
    for amendment in &amendments {
        good.amend(amendment);
    }
    // The row of its copy stands before it is good again: a crash in between leaves one that goes by itself.
    copies::ensure(site, &good).await.map_err(down)?;
    let mut done = Vec::new();
    for amendment in amendments {
        let amended = site.store.amend(id, amendment, author.clone()).await.map_err(|down| NotAmended::Down(down, done.clone()))?;
        grant = amended.ok_or(NotAmended::Unknown)?;
        tracing::info!(event = "amended", grant = %id, amendment = amendment.word(), value = amendment.value(), author = author.name);
        done.push(amendment);
    }
    if !done.is_empty() && grant.expires != before.expires {
        // It ends with the copy in any case; what is said here is when at the latest.
        if let Err(NotGiven::Down(down)) = credential::last(site, id, way_in::credential_ends(&grant)).await {
            return Err(NotAmended::Down(down, done));
        }
    }
    // What was placed for a grant that is withdrawn goes now; one that nobody wanted a moment ago may have gone.
    site.wake.notify_one();
    copies::ensure(site, &grant).await.map_err(|down| NotAmended::Down(down, done.clone()))?;
    site.copies.wake();
    let is_let_in = way_in::let_in(site, &grant).await.map_err(|down| NotAmended::Down(down, done.clone()))?;
    let links = site.store.links(id).await.unwrap_or_default();
    let running = site.store.account(id, None).await.ok().flatten();
    let running = running.map_or(0, |account| account.deliveries.iter().filter(|delivery| delivery.in_flight() > 0).count());
    let mut notes = notes(wish, &grant, &links, running, done.is_empty(), now);
    if is_let_in {
        notes.push(format!("its copy has another user name and password now: `cloakroom credential list --grant {id}` shows it"));
    }
    Ok(Amended { notes, changed: !done.is_empty(), grant })
}

/// Withdraws a link. Tells its grant and whether it was good before; `None` when it is not known.
pub async fn revoke_link(site: &Site, id: LinkId, author: String) -> Result<Option<(Link, bool)>, Down> {
    let _alone = site.amending.lock().await;
    let Some(before) = site.store.link(id).await? else { return Ok(None) };
    let author = Author { name: author, at: clock::now() };
    if !before.revoked {
        tracing::info!(event = "link_revoked", link = %id, grant = %before.grant, author = author.name);
        site.store.revoke_link(id, author).await?;
    }
    let changed = !before.revoked;
    Ok(Some((Link { revoked: true, ..before }, changed)))
}

/// What is to be written for `wish`; nothing where it is so already.
fn amendments(grant: &Grant, wish: Wish, now: Moment) -> Result<Vec<Amendment>, NotAmended> {
    if grant.standing == Standing::Revoked && wish != Wish::Revoke {
        return Err(NotAmended::Revoked(grant.id));
    }
    let stand = |standing| if grant.standing == standing { Vec::new() } else { vec![Amendment::Stand(standing)] };
    Ok(match wish {
        Wish::Suspend => stand(Standing::Suspended),
        Wish::Resume => stand(Standing::Active),
        Wish::Revoke => stand(Standing::Revoked),
        Wish::Reset => vec![Amendment::Reset],
        Wish::Extend(None, None) => return Err(NotAmended::Nothing),
        Wish::Extend(until, downloads) => {
            let until = until.map(|until| end(grant, until, now)).transpose()?;
            let most = downloads.map(|downloads| most(grant, downloads)).transpose()?;
            let until = until.filter(|until| *until != grant.expires).map(Amendment::Expire);
            let most = most.filter(|most| *most != grant.policy.max_downloads).map(Amendment::Allow);
            until.into_iter().chain(most).collect()
        }
    })
}

fn end(grant: &Grant, until: Until, now: Moment) -> Result<Option<Moment>, NotAmended> {
    let end = match (until, grant.expires) {
        (Until::Never, _) => return Ok(None),
        (Until::For(_), None) => return Err(NotAmended::Endless),
        (Until::For(span), Some(expires)) => {
            check_zone(&grant.policy).map_err(|fault| NotAmended::Zone(fault.to_string()))?;
            // The end of a day is the first moment of the next one, and what is added to it must not be a day more.
            let last = match grant.policy.ending {
                Ending::Exact => expires,
                Ending::EndOfDay(_) => Moment::from_millis(expires.millis().saturating_sub(1)),
            };
            ends(&grant.policy, last.max(now), Some(span)).ok_or(NotAmended::Endless)?
        }
        (Until::At(end), _) if end <= now => return Err(NotAmended::Past(end)),
        (Until::At(end), _) => end,
    };
    if end.since(now) > SPAN_MAX { Err(NotAmended::TooFar) } else { Ok(Some(end)) }
}

fn most(grant: &Grant, downloads: Downloads) -> Result<Option<u32>, NotAmended> {
    match (downloads, grant.policy.max_downloads) {
        (Downloads::Unlimited, _) => Ok(None),
        (Downloads::Exactly(most), _) => Ok(Some(most)),
        (Downloads::More(_), None) => Err(NotAmended::Unlimited),
        (Downloads::More(more), Some(most)) => most.checked_add(more).map(Some).ok_or(NotAmended::TooMany),
    }
}

/// What the person should know: what still stands in the customer's way, and what goes on.
fn notes(wish: Wish, grant: &Grant, links: &[Link], running: usize, is_idle: bool, now: Moment) -> Vec<String> {
    let id = grant.id;
    let mut notes = Vec::new();
    if is_idle {
        notes.push(match wish {
            Wish::Suspend => "it is suspended already".to_owned(),
            Wish::Resume => "it is not suspended".to_owned(),
            Wish::Revoke => "it is revoked already".to_owned(),
            Wish::Reset | Wish::Extend(..) => "it is so already".to_owned(),
        });
    }
    if matches!(wish, Wish::Suspend | Wish::Revoke) {
        if running > 0 {
            let (count, goes) = if running == 1 { ("1 download".to_owned(), "runs") } else { (format!("{running} downloads"), "run") };
            notes.push(format!("{count} {goes} at this moment: what is being answered goes to its end, the next request is refused"));
        }
        return notes;
    }
    if grant.standing == Standing::Suspended {
        notes.push(format!("it is suspended: `cloakroom grant resume {id}` opens it"));
    }
    if grant.is_over(now) {
        notes.push(format!("its time is over: `cloakroom grant extend {id} --for 7d` gives it more"));
    }
    if !grant.has_unit() {
        notes.push(format!("all of its downloads are used or running: `cloakroom grant extend {id} --max +1` gives it one more"));
    }
    let last = links.iter().filter(|link| !link.revoked).map(|link| link.expires).max();
    let new = format!("`cloakroom link new {id}` makes another");
    match last {
        None => notes.push(format!("all of its links are revoked: {new}")),
        Some(last) if last <= now => notes.push(format!("its links have expired, the last one at {last}: {new}")),
        Some(last) if matches!(wish, Wish::Extend(Some(_), _)) && grant.expires.is_none_or(|end| last < end) => {
            notes.push(format!("its links end earlier, the last one at {last}: {new}"));
        }
        Some(_) => {}
    }
    notes
}

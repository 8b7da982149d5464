//! Why something is gone that lay in public, told afterwards: by its row, its grant, and what people did.

use super::ids::mends;
use crate::clock;
use crate::domain::account::Account;
use crate::domain::delivery::{Delivery, State};
use crate::domain::grant::{Amendment, Grant, Standing};
use crate::domain::history::Act;
use crate::domain::moment::Moment;
use crate::domain::placed::{CopyState, Placed, Stay, What};
use crate::domain::refusal::Refusal;
use crate::service::inventory::Lying;
use crate::service::site::Site;
use crate::store::Down;

/// Why something went, and what to do.
pub(super) struct Ended {
    /// A clause.
    pub(super) why: String,
    /// A sentence.
    pub(super) advice: String,
}

/// Why something went at `gone`, as far as it can be told afterwards.
pub(super) async fn told(site: &Site, lying: &Lying, gone: Moment) -> Result<Ended, Down> {
    let Lying { placed, delivery, .. } = lying;
    let Some(account) = site.store.account(placed.grant, placed.what.delivery()).await? else {
        let why = format!("nothing is known of {} any more", placed.grant);
        return Ok(Ended { why, advice: "`cloakroom grant list` lists the grants that there are".to_owned() });
    };
    let why = match withdrawn(site, placed, gone).await? {
        Some(why) => why,
        None => match &placed.what {
            What::Stub(_) => of_stub(&account, delivery.as_ref(), gone),
            What::Copy(state) => of_copy(&account.grant, state, gone),
        },
    };
    Ok(Ended { why, advice: advice(site, placed, &account.grant).await? })
}

/// Who took its grant back before it went, if somebody did.
async fn withdrawn(site: &Site, placed: &Placed, gone: Moment) -> Result<Option<String>, Down> {
    let stood = site.store.history(placed.grant).await?.into_iter().rev().find_map(|entry| match entry.act {
        Act::Amended(Amendment::Stand(standing)) if entry.author.at <= gone => Some((standing, entry.author)),
        _ => None,
    });
    Ok(stood.and_then(|(standing, author)| {
        let what = match standing {
            Standing::Revoked => "revoked",
            Standing::Suspended => "suspended",
            Standing::Active => return None,
        };
        Some(format!("{} {what} its grant at {}", author.name, author.at))
    }))
}

fn of_stub(account: &Account, delivery: Option<&Delivery>, gone: Moment) -> String {
    let Some(delivery) = delivery else { return "nothing is known of its download any more".to_owned() };
    if account.is_overdrawn(delivery) {
        return "more was sent of it than its grant has bytes for".to_owned();
    }
    let over = delivery.grace_ends(&account.grant.policy);
    if over > gone {
        return format!("others took it away, or it could not be placed, as the log of that moment tells; else it had stayed until {over}");
    }
    let what = match delivery.state {
        State::Offered | State::Open => "was not ended then, as far as is known now",
        State::Completed => "was complete",
        State::Released => "had ended before every byte was sent",
        State::Presumed => "had ended, and counts, though nobody showed that every byte was sent",
        State::Started => "counted from its start",
    };
    format!("its time was over at {over}; its download {what}")
}

fn of_copy(grant: &Grant, state: &CopyState, gone: Moment) -> String {
    match (grant.expires.filter(|expires| *expires <= gone), state.over) {
        (Some(expires), Some(over)) if over < expires => used_up(over),
        (Some(expires), _) => format!("its grant ended at {expires}"),
        (None, Some(over)) => used_up(over),
        (None, None) if grant.is_used_up() => "the downloads of its grant are used up".to_owned(),
        (None, None) => "others put something else in its place, or it could not stay there, as the log of that moment tells".to_owned(),
    }
}

fn used_up(over: Moment) -> String {
    format!("the downloads of its grant were used up, or its time was over, at {over}")
}

/// What opens the file again, or where it is now.
async fn advice(site: &Site, placed: &Placed, grant: &Grant) -> Result<String, Down> {
    let id = grant.id;
    let rows = site.store.placed_for(id).await?;
    let other = rows.into_iter().rev().find(|row| row.name != placed.name && matches!(row.stay, Stay::Preparing | Stay::Live));
    if let Some(other) = other {
        return Ok(format!("another one is there for its grant: `cloakroom explain {}` tells of it", other.name));
    }
    let refusal = match grant.standing.check() {
        Err(refusal) => Some(refusal),
        Ok(()) if grant.is_over(clock::now()) => Some(Refusal::Expired),
        Ok(()) if grant.is_used_up() => Some(Refusal::LimitReached),
        Ok(()) => None,
    };
    let again = match placed.what {
        What::Stub(_) => "the next click on its link places another one",
        What::Copy(_) => "then another one is made",
    };
    Ok(match (mends(grant, refusal), refusal) {
        (Some(mends), Some(Refusal::Revoked)) => mends,
        (Some(mends), _) => format!("{mends}; {again}"),
        (None, _) => format!("the next click on a good link makes another one: `cloakroom explain {id}` tells whether there is one"),
    })
}

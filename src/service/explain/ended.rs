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
use crate::service::inventory::{Cause, Lying};
use crate::service::site::Site;
use crate::store::{Down, Filter};

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
            What::Copy(state) => {
                let deliveries = site.store.deliveries(Filter { grant: Some(placed.grant), ..Filter::default() }).await?;
                of_copy(&account, &deliveries, state, gone)
            }
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
    let over = delivery.grace_ends(&account.grant.policy);
    // What went for its time did so whatever was sent later.
    if over > gone && account.is_overdrawn(delivery) {
        return Cause::Overdrawn.to_string();
    }
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

fn of_copy(account: &Account, deliveries: &[Delivery], state: &CopyState, gone: Moment) -> String {
    let grant = &account.grant;
    let is_held = state.over.is_some_and(|over| deliveries.iter().any(|delivery| holds(grant, delivery, over, gone)));
    if is_held && !account.has_bytes_left() {
        return Cause::Overdrawn.to_string();
    }
    match (grant.expires.filter(|expires| *expires <= gone), state.over) {
        (Some(expires), Some(over)) if over < expires => used_up(over),
        (Some(expires), _) => format!("its grant ended at {expires}"),
        (None, Some(over)) => used_up(over),
        (None, None) if grant.is_used_up() => "the downloads of its grant are used up".to_owned(),
        (None, None) => "others put something else in its place, or it could not stay there, as the log of that moment tells".to_owned(),
    }
}

/// Whether a copy whose grant was over at `over` would still have been kept at `gone` for this delivery, had there been bytes.
fn holds(grant: &Grant, delivery: &Delivery, over: Moment, gone: Moment) -> bool {
    let was_open = [delivery.completed, delivery.closed].into_iter().flatten().all(|ended| ended > gone);
    let is_of_copy = delivery.link.is_none() && delivery.opened.is_some_and(|opened| opened <= over);
    is_of_copy && was_open && delivery.grace_ends(&grant.policy).min(over + Account::COPY_HARD_END) > gone
}

fn used_up(over: Moment) -> String {
    format!("the downloads of its grant or their bytes were used up, or its time was over, at {over}")
}

/// What opens the file again, or where it is now.
async fn advice(site: &Site, placed: &Placed, grant: &Grant) -> Result<String, Down> {
    let id = grant.id;
    let rows = site.store.placed_for(id).await?;
    let other = rows.into_iter().rev().find(|row| row.name != placed.name && matches!(row.stay, Stay::Preparing | Stay::Live));
    if let Some(other) = other {
        return Ok(format!("another one is there for its grant: `cloakroom explain {}` tells of it", other.name));
    }
    let refusal = match grant.check() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::Click;
    use crate::domain::client::{Client, ClientKey};
    use crate::domain::file::{FileRef, StorageName, Version};
    use crate::domain::id::{DeliveryId, GrantId, LinkId};
    use crate::domain::path::FilePath;
    use crate::domain::policy::Policy;
    use crate::domain::range::Range;

    const DAY: u64 = 86_400;
    const OVERDRAWN: &str = "more was sent of it";

    fn at(seconds: u64) -> Moment {
        Moment::from_seconds(seconds)
    }

    /// Of which more was sent than may be, as is known afterwards.
    fn overdrawn() -> Account {
        let file = FileRef { storage: StorageName::parse("masters").unwrap(), path: FilePath::parse("a.zip").unwrap() };
        let grant = Grant::new(GrantId::new([1; 12]), file, String::new(), Policy::default(), at(0), None);
        Account::new(Grant { bytes_closed: u64::MAX, size_largest: 7, ..grant })
    }

    /// Used last at 100, so that its grace ends a day after that.
    fn delivery() -> Delivery {
        let click = Click {
            link: LinkId::new([1; 12]),
            now: at(50),
            client: Client::new([192, 0, 2, 1].into(), "curl/8.0"),
            cookie: None,
            range: Range::Whole,
            fresh: DeliveryId::new([1; 12]),
            fresh_cookie: ClientKey::of_cookie("cookie"),
            version: Version { size: 7, modified: at(0), etag: String::new(), media_type: String::new() },
        };
        Delivery { state: State::Released, opened: Some(at(50)), active: at(100), ..Delivery::offer(GrantId::new([1; 12]), &click) }
    }

    #[test]
    fn a_stub_that_went_for_its_time_did_not_go_for_what_was_sent_later() {
        let account = overdrawn();
        for (gone, words) in
            [(200, OVERDRAWN), (99 + DAY, OVERDRAWN), (100 + DAY, "its time was over at"), (9 * DAY, "its time was over at")]
        {
            let told = of_stub(&account, Some(&delivery()), at(gone));
            assert!(told.contains(words), "{gone}: {told}");
        }
    }

    #[test]
    fn a_copy_that_went_for_its_time_did_not_go_for_what_was_sent_later() {
        let account = overdrawn();
        let of_copy = |over: Option<u64>, delivery: Delivery, gone: u64| {
            let state = CopyState { made: None, over: over.map(at) };
            super::of_copy(&account, &[Delivery { link: None, ..delivery }], &state, at(gone))
        };
        let ended = |closed| Delivery { closed: Some(at(closed)), ..delivery() };
        let completed = |completed| Delivery { completed: Some(at(completed)), ..delivery() };
        let late = Delivery { opened: Some(at(60)), active: at(20 * DAY), ..delivery() };
        for (over, delivery, gone, words) in [
            (Some(150), delivery(), 150, OVERDRAWN),
            (Some(60), delivery(), 99 + DAY, OVERDRAWN),
            (Some(60), ended(3 * DAY), 150, OVERDRAWN),
            (Some(60), delivery(), 100 + DAY, "were used up"),
            (Some(60), ended(140), 150, "were used up"),
            (Some(60), completed(140), 150, "were used up"),
            (Some(40), delivery(), 150, "were used up"),
            (Some(60), late.clone(), 60 + 7 * DAY - 1, OVERDRAWN),
            (Some(60), late, 60 + 7 * DAY, "were used up"),
            (None, delivery(), 150, "others put something else"),
        ] {
            let told = of_copy(over, delivery.clone(), gone);
            assert!(told.contains(words), "{over:?} {gone} {delivery:?}: {told}");
        }
        let of_a_link = super::of_copy(&account, &[delivery()], &CopyState { made: None, over: Some(at(60)) }, at(150));
        assert!(of_a_link.contains("were used up"), "{of_a_link}");
    }
}

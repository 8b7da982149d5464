//! A store on which decisions are tried and not kept, so that `explain` and HEAD run the rules that decide.

use std::sync::{Mutex, PoisonError};

use crate::domain::account::{Account, Ask, Away, Change, Click, Clicked, Permit};
use crate::domain::credential::{DirectoryCredential, UserName};
use crate::domain::delivery::Delivery;
use crate::domain::feed_position::FeedPosition;
use crate::domain::grant::{Amendment, Grant};
use crate::domain::history::{Author, Entry};
use crate::domain::id::{DeliveryId, GrantId, LinkId};
use crate::domain::link::Link;
use crate::domain::moment::Moment;
use crate::domain::place::Place;
use crate::domain::placed::{DirectoryName, Made, NewCopy, NewStub, Placed, PlacedName, Stay, What};
use crate::domain::refusal::Refusal;
use crate::domain::tally::Tally;
use crate::store::{Arrived, Closing, Content, CopiesDue, CredentialStore, Filter, Grants, Later, PlaceStore, SentAway, Store, Target};

/// Reads from the store behind it; what is decided is forgotten. A grant that is issued is kept until it ends, so that the
/// click on its link can be tried; what a click made of an account is kept for what follows it.
pub struct Rehearsal<'a> {
    store: &'a dyn Store,
    issued: Mutex<Option<(Grant, Link)>>,
    /// What the last click made of its account.
    clicked: Mutex<Option<Account>>,
}

impl<'a> Rehearsal<'a> {
    /// Tries decisions of `store`.
    pub const fn over(store: &'a dyn Store) -> Self {
        Self { store, issued: Mutex::new(None), clicked: Mutex::new(None) }
    }

    /// What was issued here, if it is `wanted`.
    fn issued(&self, wanted: impl Fn(&Grant, &Link) -> bool) -> Option<(Grant, Link)> {
        let issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        issued.as_ref().filter(|(grant, link)| wanted(grant, link)).cloned()
    }
}

impl CredentialStore for Rehearsal<'_> {
    fn put_credentials(&self, _: Vec<DirectoryCredential>, _: Vec<DirectoryCredential>) -> Later<'_, bool> {
        Box::pin(async { Ok(true) })
    }

    fn credentials(&self, directory: DirectoryName, now: Moment) -> Later<'_, Vec<DirectoryCredential>> {
        self.store.credentials(directory, now)
    }

    fn credentials_of(&self, grant: GrantId, now: Moment) -> Later<'_, Vec<DirectoryCredential>> {
        self.store.credentials_of(grant, now)
    }

    fn credentials_named(&self, users: Vec<UserName>) -> Later<'_, Vec<DirectoryCredential>> {
        self.store.credentials_named(users)
    }
}

impl PlaceStore for Rehearsal<'_> {
    fn places(&self) -> Later<'_, Vec<Place>> {
        self.store.places()
    }

    fn keep_places(&self, _: Vec<Place>) -> Later<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn lying(&self, places: Vec<Place>) -> Later<'_, Vec<u64>> {
        self.store.lying(places)
    }
}

impl Store for Rehearsal<'_> {
    fn link(&self, id: LinkId) -> Later<'_, Option<Link>> {
        match self.issued(|_, link| link.id == id) {
            Some((_, link)) => Box::pin(async { Ok(Some(link)) }),
            None => self.store.link(id),
        }
    }

    fn target(&self, link: LinkId) -> Later<'_, Option<Target>> {
        match self.issued(|_, issued| issued.id == link) {
            Some((grant, _)) => Box::pin(async move { Ok(Some(Target::of(&grant))) }),
            None => self.store.target(link),
        }
    }

    fn content(&self, delivery: DeliveryId) -> Later<'_, Option<Content>> {
        self.store.content(delivery)
    }

    fn account(&self, grant: GrantId, with: Option<DeliveryId>) -> Later<'_, Option<Account>> {
        match self.issued(|issued, _| issued.id == grant) {
            Some((grant, _)) => Box::pin(async { Ok(Some(Account::new(grant))) }),
            None => self.store.account(grant, with),
        }
    }

    fn grants(&self, which: Grants) -> Later<'_, Vec<Grant>> {
        self.store.grants(which)
    }

    fn links(&self, grant: GrantId) -> Later<'_, Vec<Link>> {
        self.store.links(grant)
    }

    fn history(&self, grant: GrantId) -> Later<'_, Vec<Entry>> {
        self.store.history(grant)
    }

    fn tallies(&self, from: Moment, to: Moment) -> Later<'_, Vec<Tally>> {
        self.store.tallies(from, to)
    }

    fn grant(&self, id: GrantId) -> Later<'_, Option<Grant>> {
        match self.issued(|grant, _| grant.id == id) {
            Some((grant, _)) => Box::pin(async { Ok(Some(grant)) }),
            None => self.store.grant(id),
        }
    }

    fn delivery(&self, id: DeliveryId) -> Later<'_, Option<Delivery>> {
        self.store.delivery(id)
    }

    fn deliveries(&self, filter: Filter) -> Later<'_, Vec<Delivery>> {
        self.store.deliveries(filter)
    }

    fn position(&self) -> Later<'_, Option<FeedPosition>> {
        self.store.position()
    }

    fn click(&self, click: Click) -> Later<'_, Result<Clicked, Refusal>> {
        Box::pin(async move {
            let Some(link) = self.link(click.link).await? else { return Ok(Err(Refusal::UnknownLink)) };
            let Some(mut account) = self.account(link.grant, None).await? else { return Ok(Err(Refusal::UnknownLink)) };
            let clicked = account.click(&click, &link);
            *self.clicked.lock().unwrap_or_else(PoisonError::into_inner) = Some(account);
            Ok(clicked)
        })
    }

    fn admit(&self, ask: Ask) -> Later<'_, Result<Permit, Refusal>> {
        Box::pin(async move {
            let Some(content) = self.store.content(ask.delivery).await? else { return Ok(Err(Refusal::UnknownLink)) };
            let Some(mut account) = self.store.account(content.target.grant, Some(ask.delivery)).await? else {
                return Ok(Err(Refusal::UnknownLink));
            };
            Ok(account.admit(&ask))
        })
    }

    fn send_away(&self, away: Away, _: Option<NewStub>) -> Later<'_, Result<SentAway, Refusal>> {
        Box::pin(async move {
            // Only who has clicked is sent away.
            let clicked = self.clicked.lock().unwrap_or_else(PoisonError::into_inner).take();
            let sent = clicked.map_or(Err(Refusal::UnknownLink), |mut account| account.send_away(&away));
            Ok(sent.map(|permit| (permit, None)))
        })
    }

    fn copy_for(&self, grant: GrantId, _: NewCopy, _: Moment) -> Later<'_, Option<Placed>> {
        Box::pin(async move {
            let placed = self.store.placed_for(grant).await?;
            Ok(placed.into_iter().rev().find(|placed| matches!((&placed.what, placed.stay), (What::Copy(_), Stay::Preparing | Stay::Live))))
        })
    }

    fn copies_due(&self, _: DirectoryName, _: Moment, _: usize) -> Later<'_, CopiesDue> {
        Box::pin(async { Ok(CopiesDue::default()) })
    }

    fn copy_made(&self, _: PlacedName, _: Made, _: Moment) -> Later<'_, Option<Placed>> {
        Box::pin(async { Ok(None) })
    }

    fn copy_later(&self, _: PlacedName, _: Moment) -> Later<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn copies_lost(&self, _: Vec<PlacedName>, _: Moment) -> Later<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn placed(&self, names: Vec<PlacedName>) -> Later<'_, Vec<Placed>> {
        self.store.placed(names)
    }

    fn placed_for(&self, grant: GrantId) -> Later<'_, Vec<Placed>> {
        self.store.placed_for(grant)
    }

    fn placed_there(&self, after: Option<(Moment, PlacedName)>, limit: usize) -> Later<'_, Vec<Placed>> {
        self.store.placed_there(after, limit)
    }

    fn placed_gone(&self, _: Vec<PlacedName>, _: Moment) -> Later<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn going_later(&self, _: Vec<PlacedName>, _: Moment) -> Later<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn issue_with(&self, grant: Grant, link: Link, _: Author, _: Option<NewCopy>) -> Later<'_, ()> {
        *self.issued.lock().unwrap_or_else(PoisonError::into_inner) = Some((grant, link));
        Box::pin(async { Ok(()) })
    }

    fn add_link(&self, link: Link, _: Author) -> Later<'_, bool> {
        Box::pin(async move { Ok(self.store.grant(link.grant).await?.is_some()) })
    }

    fn settle_all(&self, _: Vec<Arrived>, _: Option<FeedPosition>) -> Later<'_, Vec<Change>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn close_due(&self, _: Moment) -> Later<'_, Closing> {
        Box::pin(async { Ok(Closing::default()) })
    }

    fn amend(&self, id: GrantId, _: Amendment, _: Author) -> Later<'_, Option<Grant>> {
        self.store.grant(id)
    }

    fn revoke_link(&self, id: LinkId, _: Author) -> Later<'_, bool> {
        Box::pin(async move { Ok(self.store.link(id).await?.is_some()) })
    }

    fn count(&self, _: Vec<Tally>) -> Later<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}

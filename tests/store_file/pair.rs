//! The store in a file and the one in memory, asked the same.

use std::fs;
use std::future::{Future, poll_fn};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::Poll;

use cloakroom::config::Durability;
use cloakroom::domain::account::{Ask, Away, Change, Click, Clicked, Permit, Reported};
use cloakroom::domain::feed_position::FeedPosition;
use cloakroom::domain::grant::{Amendment, Grant};
use cloakroom::domain::history::Author;
use cloakroom::domain::id::{DeliveryId, GrantId, LinkId};
use cloakroom::domain::link::Link;
use cloakroom::domain::moment::Moment;
use cloakroom::domain::placed::{NewStub, Placed, PlacedName};
use cloakroom::domain::refusal::Refusal;
use cloakroom::domain::tally::Tally;
use cloakroom::store::memory::Memory;
use cloakroom::store::sqlite::Sqlite;
use cloakroom::store::{Closing, Down, Filter, Grants, SentAway, Store};
use tempfile::TempDir;

use crate::fixtures::author;

/// A question that changes something.
#[derive(Clone, Debug)]
pub enum Decision {
    Issue(Box<Grant>, Link),
    AddLink(Link),
    Click(Click),
    Admit(Ask),
    Away(Away, Option<NewStub>),
    Gone(Vec<PlacedName>, Moment),
    Settle(Vec<Reported>, Option<FeedPosition>),
    Close(Moment),
    Amend(GrantId, Amendment, Moment),
    RevokeLink(LinkId),
    Count(Vec<Tally>),
}

/// What is answered to it.
#[derive(Debug, PartialEq)]
pub enum Answer {
    Issued(Result<(), Down>),
    Known(Result<bool, Down>),
    Clicked(Result<Result<Clicked, Refusal>, Down>),
    Admitted(Result<Result<Permit, Refusal>, Down>),
    SentAway(Result<Result<SentAway, Refusal>, Down>),
    Settled(Result<Vec<Change>, Down>),
    /// What ended, by delivery: of what is due at one moment, nobody says what ends first; what has to go; and what is next.
    Closed(Result<Closing, Down>),
    Amended(Result<Option<Grant>, Down>),
    Counted(Result<(), Down>),
}

async fn decide(store: &dyn Store, decision: Decision) -> Answer {
    match decision {
        Decision::Issue(grant, link) => Answer::Issued(store.issue(*grant, link, author()).await),
        Decision::AddLink(link) => Answer::Known(store.add_link(link, author()).await),
        Decision::Click(click) => Answer::Clicked(store.click(click).await),
        Decision::Admit(ask) => Answer::Admitted(store.admit(ask).await),
        Decision::Away(away, stub) => Answer::SentAway(store.send_away(away, stub).await),
        Decision::Gone(names, now) => Answer::Counted(store.placed_gone(names, now).await),
        Decision::Settle(reports, position) => Answer::Settled(store.settle(reports, position).await),
        Decision::Close(now) => Answer::Closed(store.close_due(now).await.map(|mut closing| {
            closing.changes.sort_by_key(|change| change.delivery);
            closing
        })),
        Decision::Amend(grant, amendment, at) => Answer::Amended(store.amend(grant, amendment, Author { at, ..author() }).await),
        Decision::RevokeLink(link) => Answer::Known(store.revoke_link(link, author()).await),
        Decision::Count(tallies) => Answer::Counted(store.count(tallies).await),
    }
}

/// Polls all of them in their order until each has answered.
async fn together<T>(futures: Vec<Pin<Box<dyn Future<Output = T> + '_>>>) -> Vec<T> {
    let mut waiting: Vec<_> = futures.into_iter().map(|future| (future, None)).collect();
    poll_fn(move |context| {
        for (future, answer) in waiting.iter_mut().filter(|(_, answer)| answer.is_none()) {
            if let Poll::Ready(ready) = future.as_mut().poll(context) {
                *answer = Some(ready);
            }
        }
        if waiting.iter().any(|(_, answer)| answer.is_none()) {
            return Poll::Pending;
        }
        Poll::Ready(waiting.iter_mut().map(|(_, answer)| answer.take().unwrap()).collect())
    })
    .await
}

/// What is in public, two at a time.
async fn pages(store: &dyn Store) -> Vec<Vec<Placed>> {
    let (mut after, mut pages) = (None, Vec::new());
    while let page = store.placed_there(after, 2).await.unwrap()
        && let Some(last) = page.last()
    {
        after = Some((last.due, last.name.clone()));
        pages.push(page);
    }
    pages
}

pub struct Pair {
    memory: Memory,
    sqlite: Option<Sqlite>,
    directory: TempDir,
    accounts: usize,
    pub grants: Vec<GrantId>,
    pub links: Vec<LinkId>,
    pub deliveries: Vec<DeliveryId>,
    pub names: Vec<PlacedName>,
}

impl Pair {
    /// Both empty; the one in a file keeps so many accounts in memory.
    pub fn new(accounts: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut pair = Self {
            memory: Memory::new(),
            sqlite: None,
            directory,
            accounts,
            grants: Vec::new(),
            links: Vec::new(),
            deliveries: Vec::new(),
            names: Vec::new(),
        };
        pair.sqlite = Some(pair.open(&pair.file()));
        pair
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("cloakroom.db")
    }

    /// What is not waited for: no power fails here.
    fn open(&self, path: &Path) -> Sqlite {
        Sqlite::open_with(path, Durability::Relaxed, self.accounts).unwrap()
    }

    fn sqlite(&self) -> &Sqlite {
        self.sqlite.as_ref().unwrap()
    }

    /// Asks both for `decisions`: the one in memory one after the other, the one in a file all at once.
    pub async fn burst(&mut self, decisions: &[Decision]) -> (Vec<Answer>, Vec<Answer>) {
        let mut expected = Vec::new();
        for decision in decisions {
            match decision {
                Decision::Issue(grant, link) => {
                    self.grants.push(grant.id);
                    self.links.push(link.id);
                }
                Decision::AddLink(link) => self.links.push(link.id),
                Decision::Click(click) => self.deliveries.push(click.fresh),
                Decision::Away(_, Some(stub)) => self.names.push(stub.name.clone()),
                _ => {}
            }
            expected.push(decide(&self.memory, decision.clone()).await);
        }
        let sqlite = self.sqlite();
        // While the first is written the others gather, and share the next transaction.
        let head = async { decide(sqlite, Decision::Count(vec![])).await };
        let mut all: Vec<Pin<Box<dyn Future<Output = Answer> + '_>>> = vec![Box::pin(head)];
        for decision in decisions {
            all.push(Box::pin(decide(sqlite, decision.clone())));
        }
        let mut answers = together(all).await;
        answers.remove(0);
        (expected, answers)
    }

    /// Closes the file and opens it again.
    pub fn reopen(&mut self) {
        drop(self.sqlite.take());
        let path = self.file();
        assert!(!path.with_file_name("cloakroom.db-wal").exists(), "what is closed is one file");
        self.sqlite = Some(self.open(&path));
    }

    /// What kill -9 leaves, opened elsewhere.
    pub async fn killed(&self) {
        let elsewhere = tempfile::tempdir().unwrap();
        for name in ["cloakroom.db", "cloakroom.db-wal"] {
            fs::copy(self.directory.path().join(name), elsewhere.path().join(name)).unwrap();
        }
        let copy = self.open(&elsewhere.path().join("cloakroom.db"));
        self.same(&copy).await;
    }

    /// The file as it is.
    pub async fn holds(&self) {
        self.same(self.sqlite()).await;
    }

    /// Everything that can be asked is answered alike.
    async fn same(&self, sqlite: &Sqlite) {
        let memory = &self.memory;
        for &grant in &self.grants {
            assert_eq!(sqlite.grant(grant).await, memory.grant(grant).await);
            assert_eq!(sqlite.account(grant, None).await, memory.account(grant, None).await);
            assert_eq!(sqlite.links(grant).await, memory.links(grant).await);
            assert_eq!(sqlite.history(grant).await, memory.history(grant).await);
            assert_eq!(sqlite.placed_for(grant).await, memory.placed_for(grant).await);
            let of = Filter { grant: Some(grant), limit: 0, ..Filter::default() };
            assert_eq!(sqlite.deliveries(of.clone()).await, memory.deliveries(of).await);
        }
        for &link in &self.links {
            assert_eq!(sqlite.link(link).await, memory.link(link).await);
            assert_eq!(sqlite.target(link).await, memory.target(link).await);
        }
        for &id in &self.deliveries {
            let delivery = memory.delivery(id).await;
            assert_eq!(sqlite.content(id).await, memory.content(id).await);
            if let Ok(Some(delivery)) = &delivery {
                assert_eq!(sqlite.account(delivery.grant, Some(id)).await, memory.account(delivery.grant, Some(id)).await);
            }
            assert_eq!(sqlite.delivery(id).await, delivery);
        }
        let all = Filter::default();
        assert_eq!(sqlite.deliveries(all.clone()).await, memory.deliveries(all).await);
        assert_eq!(sqlite.grants(Grants::default()).await, memory.grants(Grants::default()).await);
        let end = Moment::from_millis(u64::MAX >> 1);
        // A file counts as far as 63 bits do, and stays there.
        let most = u64::MAX >> 1;
        let capped = |tally: Tally| Tally { count: tally.count.min(most), ..tally };
        let told = memory.tallies(Moment::EPOCH, end).await.map(|all| all.into_iter().map(capped).collect());
        assert_eq!(sqlite.tallies(Moment::EPOCH, end).await, told);
        assert_eq!(sqlite.position().await, memory.position().await);
        assert_eq!(sqlite.placed(self.names.clone()).await, memory.placed(self.names.clone()).await);
        assert_eq!(pages(sqlite).await, pages(memory).await);
    }

    /// All that was ever placed.
    pub async fn placed(&self) -> Vec<Placed> {
        self.memory.placed(self.names.clone()).await.unwrap()
    }

    /// What is told of every delivery there ever was.
    pub async fn told(&self) -> Vec<cloakroom::domain::delivery::Delivery> {
        self.memory.deliveries(Filter::default()).await.unwrap()
    }
}

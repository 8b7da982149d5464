//! What a download question comes to, and what is left of it in the store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::fs;
use std::sync::Arc;

use cloakroom::api;
use cloakroom::auth::{Desk, Logins};
use cloakroom::clock;
use cloakroom::config;
use cloakroom::dialect::{Asked, Dialect, Say};
use cloakroom::domain::client::Client;
use cloakroom::domain::delivery::{Delivery, State};
use cloakroom::domain::language::Language;

use cloakroom::domain::file::{FileRef, StorageName};
use cloakroom::domain::grant::{Amendment, Standing};
use cloakroom::domain::history::Author;
use cloakroom::domain::id::RequestId;
use cloakroom::domain::moment::{Moment, Span};
use cloakroom::domain::path::{CanonicalPath, FilePath};
use cloakroom::domain::policy::Policy;
use cloakroom::domain::purpose::Purpose;
use cloakroom::domain::question::{Kind, Method, Question};
use cloakroom::domain::range::Range;
use cloakroom::domain::refusal::Refusal;
use cloakroom::pages::Pages;
use cloakroom::proof::key::{KeyRing, SigningKey};
use cloakroom::public::Directories;
use cloakroom::service::download::download;
use cloakroom::service::issue::{Issued, Wanted, issue};
use cloakroom::service::outcome::Outcome;
use cloakroom::service::repeated::Ids;
use cloakroom::service::site::Site;
use cloakroom::service::trace::Trace;
use cloakroom::storage::Storages;
use cloakroom::store::memory::Memory;
use cloakroom::store::{Filter, Stores};
use serde_json::json;
use tempfile::TempDir;

const ORIGIN: &str = "https://shop.example";

/// A site without listeners: questions come from the test.
struct Shop {
    site: Site,
    requests: u32,
    files: TempDir,
}

fn keys(purpose: Purpose) -> KeyRing {
    KeyRing::new([(SigningKey::new("main", &[7; 32]).unwrap(), purpose)])
}

impl Shop {
    fn open() -> Self {
        let files = TempDir::new().unwrap();
        fs::write(files.path().join("a.zip"), [7; 1000]).unwrap();
        let text = format!(
            "[server]\nstate_dir = \"/var/lib/cloakroom\"\npublic_url = \"{ORIGIN}/dl/\"\n\n\
             [[listener]]\naddress = \"unix:/run/cloakroom/nginx.sock\"\ndialect = \"nginx\"\n\n\
             [[storage]]\nname = \"masters\"\npath = \"{}\"\nhandoff = \"/_cloakroom/masters/\"\n\n\
             [feed]\naccess_log = \"/var/log/nginx/cloakroom.log\"\n",
            files.path().display()
        );
        let configuration = config::parse(&text, "cloakroom.toml").unwrap();
        let storages = Storages::open(&configuration.storages).unwrap();
        let stores = Stores::of(Arc::new(Memory::new()));
        let logins = Logins::open(std::iter::empty(), Arc::new(Desk::new([7; 32])), Moment::EPOCH).unwrap();
        let site =
            Site::new(configuration, keys(Purpose::Sign), logins, storages, Directories::default(), stores, Pages::load(None).unwrap())
                .unwrap();
        Self { site, requests: 0, files }
    }

    async fn link(&self, policy: Policy) -> Issued {
        let file = FileRef { storage: StorageName::parse("masters").unwrap(), path: FilePath::parse("a.zip").unwrap() };
        issue(&self.site, Wanted { file, customer: String::new(), policy, letter: None }, "test".to_owned(), Ids::Random).await.unwrap()
    }

    async fn ask(&mut self, method: Method, url: &str, now: Moment) -> Result<Outcome, Refusal> {
        self.ask_from(method, url, now, Range::Whole).await
    }

    async fn ask_from(&mut self, method: Method, url: &str, now: Moment, range: Range) -> Result<Outcome, Refusal> {
        self.requests += 1;
        let question = Question { range, ..question(method, url, self.requests) };
        download(&self.site, &*self.site.store, Dialect::Nginx, &question, now, &mut Trace::end()).await
    }

    async fn deliveries(&self) -> Vec<Delivery> {
        self.site.store.deliveries(Filter::default()).await.unwrap()
    }
}

fn question(method: Method, url: &str, number: u32) -> Question {
    Question {
        kind: Kind::Download,
        request: RequestId::parse(&format!("r{number}")).unwrap(),
        method,
        path: CanonicalPath::parse(url.strip_prefix(ORIGIN).unwrap_or(url)).unwrap(),
        query: None,
        client: Client::new([192, 0, 2, 1].into(), "curl/8.0"),
        range: Range::Whole,
        cookie: None,
        order_cookie: None,
        jwt_cookies: None,
        authorization: None,
        wants_page: false,
        navigates: false,
        language: Language::English,
        looks_ahead: false,
    }
}

fn to(outcome: Outcome) -> String {
    match outcome {
        Outcome::Redirect(redirect) => redirect.to,
        Outcome::Send(sending) => panic!("{} is sent at once", sending.file),
        Outcome::Copy(_) => panic!("there are no copies"),
        Outcome::Show(_) | Outcome::Lead(_) => panic!("nobody asked for a page"),
    }
}

#[tokio::test]
async fn a_click_that_no_key_can_send_on_changes_nothing() {
    let mut shop = Shop::open();
    let link = shop.link(Policy::default()).await;
    shop.site.keys = keys(Purpose::Accept).into();
    let refused = shop.ask(Method::Get, &link.url, clock::now()).await;
    assert!(matches!(refused, Err(Refusal::StoreDown)), "{refused:?}");
    assert_eq!(shop.deliveries().await, []);
    shop.site.keys = keys(Purpose::Sign).into();
    to(shop.ask(Method::Get, &link.url, clock::now()).await.unwrap());
    assert_eq!(shop.deliveries().await.len(), 1);
}

/// Whoever looks first with HEAD (browsers' download managers, `curl -I`) is told what GET would tell.
#[tokio::test]
async fn head_is_refused_whatever_get_is_refused_and_uses_nothing() {
    let now = clock::now();
    let policy = Policy::default;
    let day = Span::from_hours(24);
    let mut seen = 0;
    for (policy, standing, later, refusal) in [
        (policy(), Standing::Active, Span::ZERO, None),
        (Policy { max_downloads: Some(0), ..policy() }, Standing::Active, Span::ZERO, Some(Refusal::LimitReached)),
        (Policy { valid_for: Some(day), ..policy() }, Standing::Active, Span::from_days(2), Some(Refusal::Expired)),
        (Policy { link_ttl: day, ..policy() }, Standing::Active, Span::from_days(2), Some(Refusal::LinkExpired)),
        (policy(), Standing::Suspended, Span::ZERO, Some(Refusal::Suspended)),
        (policy(), Standing::Revoked, Span::ZERO, Some(Refusal::Revoked)),
    ] {
        let mut shop = Shop::open();
        let link = shop.link(policy).await;
        let author = Author { name: "test".to_owned(), at: now };
        shop.site.store.amend(link.grant.id, Amendment::Stand(standing), author).await.unwrap();
        let head = shop.ask(Method::Head, &link.url, now + later).await;
        assert_eq!(head.as_ref().err(), refusal.as_ref(), "{head:?}");
        assert_eq!(shop.deliveries().await, [], "HEAD left something behind");
        let got = shop.ask(Method::Get, &link.url, now + later).await;
        assert_eq!(got.as_ref().err(), refusal.as_ref(), "{got:?}");
        seen += 1;
    }
    assert_eq!(seen, 6);
}

#[tokio::test]
async fn head_of_a_delivery_says_what_get_would_be_told_and_is_not_counted() {
    let now = clock::now();
    let mut shop = Shop::open();
    let link = shop.link(Policy { max_downloads: Some(1), retry_factor: 0, ..Policy::default() }).await;
    let delivery = to(shop.ask(Method::Get, &link.url, now).await.unwrap());
    for _ in 0..3 {
        let Outcome::Send(head) = shop.ask(Method::Head, &delivery, now).await.unwrap() else { panic!("HEAD is sent on") };
        assert_eq!((head.version.size, head.counted), (1000, None));
    }
    let offered = shop.deliveries().await;
    assert_eq!((offered.len(), offered[0].state, offered[0].requests.len()), (1, State::Offered, 0));

    let late = now + Span::from_hours(2);
    let head = shop.ask(Method::Head, &delivery, late).await;
    assert!(matches!(head, Err(Refusal::LinkExpired)), "an offer that nobody took up: {head:?}");

    shop.ask(Method::Get, &delivery, now).await.map(drop).unwrap();
    for method in [Method::Head, Method::Get] {
        let again = shop.ask(method, &delivery, now).await;
        assert!(matches!(again, Err(Refusal::ByteBudget)), "{method:?}: {again:?}");
    }
    shop.site.store.close_due(now + Span::from_hours(25)).await.unwrap();
    for method in [Method::Head, Method::Get] {
        let over = shop.ask(method, &delivery, now + Span::from_hours(25)).await;
        assert!(matches!(over, Err(Refusal::LinkExpired)), "{method:?}: {over:?}");
    }
}

/// What has ended is not part of an account any more, and must not decide about a rehearsed click either.
#[tokio::test]
async fn a_delivery_of_an_older_version_that_has_ended_stops_no_head() {
    let now = clock::now();
    let mut shop = Shop::open();
    let link = shop.link(Policy::default()).await;
    let delivery = to(shop.ask(Method::Get, &link.url, now).await.unwrap());
    shop.ask(Method::Get, &delivery, now).await.map(drop).unwrap();
    shop.site.store.close_due(now + Span::from_hours(25)).await.unwrap();
    fs::write(shop.files.path().join("a.zip"), [8; 2000]).unwrap();
    for method in [Method::Head, Method::Get] {
        let resumed = shop.ask_from(method, &link.url, now + Span::from_hours(25), Range::parse(Some("bytes=500-"), false)).await;
        assert!(resumed.is_ok(), "{method:?}: {resumed:?}");
    }
}

/// Whatever carries a token or a cookie through the program, `{:?}` shows none of it.
#[tokio::test]
async fn what_holds_a_secret_does_not_print_it() {
    let mut shop = Shop::open();
    let issued = shop.link(Policy::default()).await;
    let Outcome::Redirect(redirect) = shop.ask(Method::Get, &issued.url, clock::now()).await.unwrap() else { panic!("no redirect") };
    let cookie = redirect.cookie.clone().unwrap();
    let value = cookie.split(['=', ';']).nth(1).unwrap();
    let token = |url: &str| url.strip_prefix(ORIGIN).unwrap_or(url).split('/').nth(3).unwrap().to_owned();
    let secrets = [token(&issued.url), token(&redirect.to), value.to_owned(), "sig=c2ln".to_owned()];
    assert!(secrets[..2].iter().all(|token| token.len() == 40) && value.len() > 20, "{secrets:?}");

    let asked = Question { query: Some("sig=c2ln".to_owned()), cookie: Some(value.to_owned()), ..question(Method::Get, &issued.url, 9) };
    let in_api = json!({ "url": issued.url, "link": issued.link.id.to_string(), "link_expires": "2027-01-01T00:00:00Z", "grant": {
        "id": issued.grant.id.to_string(), "file": "masters/a.zip", "customer": "", "state": "active", "created": "2026-12-01T00:00:00Z", "used": 0, "reserved": 0, "max_downloads": 5, "expires": null
    }});
    let in_api: api::Issued = serde_json::from_value(in_api).unwrap();
    let what = api::What { what: format!("{}?sig=c2ln", issued.url), from: None };
    let said = Dialect::Nginx.write(Kind::Download, Say::Redirect { to: &redirect.to, cookie: Some(&cookie) });
    assert_eq!(said.headers[0].1.to_str().unwrap(), redirect.to, "the client is told");
    assert_eq!(said.headers[1].1.to_str().unwrap(), cookie, "the client is told");
    let printed = [
        format!("{issued:?}"),
        format!("{in_api:?}"),
        format!("{what:?}"),
        format!("{asked:?}"),
        format!("{:?}", Asked::Question(asked)),
        format!("{said:?}"),
        format!("{:?}", Outcome::Redirect(redirect)),
    ];
    for text in printed {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{secret} is in {text}");
        }
    }
}

//! What a download question comes to, and what is left of it in the store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::fs;
use std::sync::Arc;

use cloakroom::clock;
use cloakroom::config;
use cloakroom::dialect::Dialect;
use cloakroom::domain::client::Client;
use cloakroom::domain::delivery::Delivery;
use cloakroom::domain::file::{FileRef, StorageName};
use cloakroom::domain::id::RequestId;
use cloakroom::domain::moment::Moment;
use cloakroom::domain::path::{CanonicalPath, FilePath};
use cloakroom::domain::policy::Policy;
use cloakroom::domain::purpose::Purpose;
use cloakroom::domain::question::{Kind, Method, Question};
use cloakroom::domain::range::Range;
use cloakroom::domain::refusal::Refusal;
use cloakroom::pages::Pages;
use cloakroom::proof::key::{KeyRing, SigningKey};
use cloakroom::service::download::{Outcome, download};
use cloakroom::service::issue::{Issued, Order, issue};
use cloakroom::service::site::Site;
use cloakroom::service::trace::Trace;
use cloakroom::storage::Storages;
use cloakroom::store::memory::Memory;
use cloakroom::store::{Filter, Store};
use tempfile::TempDir;

const ORIGIN: &str = "https://shop.example";

/// A site without listeners: questions come from the test.
struct Shop {
    site: Site,
    requests: u32,
    _files: TempDir,
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
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let site = Site::new(configuration, keys(Purpose::Sign), storages, store, Pages::load(None).unwrap()).unwrap();
        Self { site, requests: 0, _files: files }
    }

    async fn link(&self, policy: Policy) -> Issued {
        let file = FileRef { storage: StorageName::parse("masters").unwrap(), path: FilePath::parse("a.zip").unwrap() };
        issue(&self.site, Order { file, customer: String::new(), policy }).await.unwrap()
    }

    async fn ask(&mut self, method: Method, url: &str, now: Moment) -> Result<Outcome, Refusal> {
        self.requests += 1;
        let question = Question {
            kind: Kind::Download,
            request: RequestId::parse(&format!("r{}", self.requests)).unwrap(),
            method,
            path: CanonicalPath::parse(url.strip_prefix(ORIGIN).unwrap_or(url)).unwrap(),
            query: None,
            client: Client::new([192, 0, 2, 1].into(), "curl/8.0"),
            range: Range::Whole,
            cookie: None,
            wants_page: false,
            looks_ahead: false,
        };
        download(&self.site, &*self.site.store, Dialect::Nginx, &question, now, &mut Trace::off()).await
    }

    async fn deliveries(&self) -> Vec<Delivery> {
        self.site.store.deliveries(Filter::default()).await.unwrap()
    }
}

fn to(outcome: Outcome) -> String {
    match outcome {
        Outcome::Redirect(redirect) => redirect.to,
        Outcome::Send(sending) => panic!("{} is sent at once", sending.file),
    }
}

#[tokio::test]
async fn a_click_that_no_key_can_send_on_changes_nothing() {
    let mut shop = Shop::open();
    let link = shop.link(Policy::default()).await;
    shop.site.keys = keys(Purpose::Accept);
    let refused = shop.ask(Method::Get, &link.url, clock::now()).await;
    assert!(matches!(refused, Err(Refusal::StoreDown)), "{refused:?}");
    assert_eq!(shop.deliveries().await, []);
    shop.site.keys = keys(Purpose::Sign);
    to(shop.ask(Method::Get, &link.url, clock::now()).await.unwrap());
    assert_eq!(shop.deliveries().await.len(), 1);
}

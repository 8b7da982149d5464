//! A grant for one file, its link, and short ways to click, ask and report.

use cloakroom::domain::account::{Account, Ask, Change, Click, Clicked, Permit, Reported};
use cloakroom::domain::client::{Client, ClientKey};
use cloakroom::domain::delivery::{Delivery, Report, State};
use cloakroom::domain::file::{FileRef, StorageName, Version};
use cloakroom::domain::grant::Grant;
use cloakroom::domain::history::Author;
use cloakroom::domain::id::{DeliveryId, FileId, GrantId, LinkId, OrderId, RequestId};
use cloakroom::domain::link::Link;
use cloakroom::domain::moment::{Moment, Span};
use cloakroom::domain::order::{OrderState, Sold};
use cloakroom::domain::path::FilePath;
use cloakroom::domain::policy::Policy;
use cloakroom::domain::range::Range;
use cloakroom::domain::refusal::Refusal;

/// The file's size where a test says nothing else.
pub const SIZE: u64 = 1000;

/// When tests begin, in seconds: 20 years after the epoch, so that a clock can go back by ten.
pub const START: u64 = 20 * 365 * 86_400;

/// `seconds` after the start.
pub fn at(seconds: u64) -> Moment {
    Moment::from_seconds(START + seconds)
}

pub const HOUR: u64 = 3600;
pub const DAY: u64 = 24 * HOUR;

fn bits(kind: u8, number: u32) -> [u8; 12] {
    let mut bits = [kind; 12];
    bits[8..].copy_from_slice(&number.to_be_bytes());
    bits
}

pub fn delivery_id(number: u32) -> DeliveryId {
    DeliveryId::new(bits(b'd', number))
}

pub fn link_id(number: u32) -> LinkId {
    LinkId::new(bits(b'l', number))
}

pub fn grant_id(number: u32) -> GrantId {
    GrantId::new(bits(b'g', number))
}

/// The cookie that the click numbered `number` gives out.
pub fn cookie(number: u32) -> ClientKey {
    ClientKey::of_cookie(&format!("cookie-{number}"))
}

pub fn request_id(name: &str) -> RequestId {
    RequestId::parse(name).unwrap()
}

/// The client at 192.0.2.`host`.
pub fn client(host: u8) -> Client {
    Client::new([192, 0, 2, host].into(), "curl/8.0")
}

pub fn version(size: u64) -> Version {
    Version { size, modified: Moment::EPOCH, etag: "\"v1\"".to_owned(), media_type: "application/zip".to_owned() }
}

/// The version that takes the place of the first, numbered from 2 on.
pub fn replaced(number: u32, size: u64) -> Version {
    Version { etag: format!("\"v{number}\""), ..version(size) }
}

pub fn range(value: &str) -> Range {
    Range::parse(Some(value), false)
}

/// The policy of these tests: the default one, but a file may be sent twice for one download, and no more.
pub fn base() -> Policy {
    Policy { retry_factor: 1, ..Policy::default() }
}

/// The grant numbered `number`: default policy but for `max_downloads`, no end.
pub fn grant(number: u32, max_downloads: Option<u32>) -> Grant {
    let file = FileRef { storage: StorageName::parse("masters").unwrap(), path: FilePath::parse("set/a.zip").unwrap() };
    Grant::new(grant_id(number), file, "Müller".to_owned(), Policy { max_downloads, ..base() }, at(0), None)
}

/// What the grant numbered `number` is sold as: a line of an order that is paid.
pub fn sold(number: u32) -> Sold {
    let (line, sku) = (number.to_string().parse().unwrap(), "set".parse().unwrap());
    Sold { order: OrderId::new([9; 12]), line, sku, file: FileId::new([1; 12]), unit: 1, gate: OrderState::Paid }
}

/// The link numbered `number` of the grant with the same number; good for ten years.
pub fn link(number: u32) -> Link {
    Link { id: link_id(number), grant: grant_id(number), created: at(0), expires: at(3650 * DAY), revoked: false }
}

/// A click by `client`, with no cookie, for the whole file; number `number` of its test.
pub fn click(number: u32, host: u8, now: Moment) -> Click {
    Click {
        link: link_id(1),
        now,
        client: client(host),
        cookie: None,
        range: Range::Whole,
        fresh: delivery_id(number),
        fresh_cookie: cookie(number),
        version: version(SIZE),
    }
}

/// A measured request for the whole file by the client at `host`.
pub fn ask(delivery: DeliveryId, request: &str, host: u8, now: Moment) -> Ask {
    Ask {
        delivery,
        request: request_id(request),
        now,
        client: client(host).key(),
        address: client(host).address,
        range: Range::Whole,
        measured: true,
    }
}

/// The same click from `address`.
pub fn click_from(address: &str, click: Click) -> Click {
    Click { client: Client::new(address.parse().unwrap(), "curl/8.0"), ..click }
}

/// The same request from `address`.
pub fn ask_from(address: &str, ask: Ask) -> Ask {
    let client = Client::new(address.parse().unwrap(), "curl/8.0");
    Ask { client: client.key(), address: address.parse().unwrap(), ..ask }
}

/// A good answer that sent `bytes` from `first` on, of a file of `total` bytes.
pub fn sent(first: u64, bytes: u64, total: u64, ended: Moment) -> Report {
    let status = if first == 0 { 200 } else { 206 };
    Report { ended, status, bytes, finished: first + bytes == total, from: Some((first, total)) }
}

/// An answer without a body: the client has the file already.
pub fn not_modified(ended: Moment) -> Report {
    Report { ended, status: 304, bytes: 0, finished: true, from: None }
}

/// One account with one link, driven step by step.
pub struct Shop {
    pub account: Account,
    pub link: Link,
}

impl Shop {
    pub fn new(max_downloads: Option<u32>) -> Self {
        Self { account: Account::new(grant(1, max_downloads)), link: link(1) }
    }

    pub fn with_policy(policy: Policy) -> Self {
        Self { account: Account::new(Grant { policy, ..grant(1, None) }), link: link(1) }
    }

    pub fn click(&mut self, click: &Click) -> Result<Clicked, Refusal> {
        self.account.click(click, &self.link)
    }

    /// An offer made by click `number`.
    pub fn offer(&mut self, number: u32, host: u8, now: Moment) -> DeliveryId {
        let clicked = self.click(&click(number, host, now)).unwrap();
        assert_eq!(clicked, Clicked { delivery: delivery_id(number), fresh: true, closed: Vec::new() });
        clicked.delivery
    }

    /// A delivery that click `number` made and request `r<number>` opened for the whole file.
    pub fn open(&mut self, number: u32, host: u8, now: Moment) -> DeliveryId {
        let delivery = self.offer(number, host, now);
        let permit = self.admit(&ask(delivery, &format!("r{number}"), host, now)).unwrap();
        assert!(permit.opened);
        delivery
    }

    pub fn admit(&mut self, ask: &Ask) -> Result<Permit, Refusal> {
        self.account.admit(ask)
    }

    pub fn report(&mut self, delivery: DeliveryId, request: &str, report: Report) -> Option<Change> {
        self.account.report(&Reported { delivery, request: request_id(request), report, seen: None }, None)
    }

    /// Ends all that is due.
    pub fn close_due(&mut self, now: Moment) -> Vec<Change> {
        self.account.close_due(now, usize::MAX).changes
    }

    pub fn delivery(&self, id: DeliveryId) -> &Delivery {
        self.account.delivery(id).unwrap()
    }

    pub fn state(&self, id: DeliveryId) -> State {
        self.delivery(id).state
    }

    /// Used, reserved.
    pub fn units(&self) -> (u32, u32) {
        (self.account.grant.used, self.account.grant.reserved)
    }
}

/// A policy whose deliveries can be resumed for `grace` seconds.
pub fn grace(grace: u64) -> Policy {
    Policy { resume_grace: Span::from_seconds(grace), ..base() }
}

/// Who does what, at the start.
pub fn author() -> Author {
    Author { name: "test".to_owned(), at: at(0) }
}

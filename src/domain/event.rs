//! What happened that others want to hear of: each event as it is told to a webhook.
//!
//! The body follows Standard Webhooks: `type`, `timestamp` and `data`, of which only what is listed here is told. No token,
//! no URL, no password and no address of a client is in it.

use serde_json::{Map, Value, json};

use super::account::Change;
use super::catalogue::File;
use super::credential::{DirectoryCredential, Holder};
use super::grant::Grant;
use super::id::{GrantId, LinkId};
use super::moment::Moment;
use super::order::Order;
use super::refusal::Refusal;

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A grant was made that can be used.
    GrantActivated,
    /// A download arrived.
    DeliveryCompleted,
    /// The last download of a grant was used.
    GrantExhausted,
    /// A grant ends soon, and is not used up.
    GrantExpiring,
    /// The customer of an order asks for more of a grant: another download, or more time.
    GrantMoreRequested,
    /// Somebody who has a link of a grant was refused.
    Refused,
    /// A file has another content.
    FileVersionReleased,
    /// A user name of a public directory has another one in its place.
    CredentialRotated,
    /// Somebody tries whether events arrive; told to whom it is tried with, whatever they want to hear.
    Tested,
}

impl Kind {
    /// Those that a webhook may ask for.
    pub const ALL: [Self; 8] = [
        Self::GrantActivated,
        Self::DeliveryCompleted,
        Self::GrantExhausted,
        Self::GrantExpiring,
        Self::GrantMoreRequested,
        Self::Refused,
        Self::FileVersionReleased,
        Self::CredentialRotated,
    ];

    /// Its word: the `type` of the body, and what the configuration says.
    pub const fn word(self) -> &'static str {
        match self {
            Self::GrantActivated => "grant.activated",
            Self::DeliveryCompleted => "delivery.completed",
            Self::GrantExhausted => "grant.exhausted",
            Self::GrantExpiring => "grant.expiring",
            Self::GrantMoreRequested => "grant.more_requested",
            Self::Refused => "refused",
            Self::FileVersionReleased => "file.version_released",
            Self::CredentialRotated => "credential.rotated",
            Self::Tested => "webhook.tested",
        }
    }

    /// Reads a word back.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().chain([Self::Tested]).find(|kind| kind.word() == word)
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its kind.
    pub kind: Kind,
    /// When.
    pub at: Moment,
    /// The grant that it is about, if it is about one.
    pub grant: Option<GrantId>,
    /// What tells it from every other event of its kind: an event with the same key is the same one.
    pub key: String,
    data: Map<String, Value>,
}

impl Event {
    fn new(kind: Kind, at: Moment, grant: Option<GrantId>, key: String, data: Value) -> Self {
        let data = match data {
            Value::Object(data) => data,
            other => Map::from_iter([("value".to_owned(), other)]),
        };
        Self { kind, at, grant, key, data }
    }

    fn of_grant(kind: Kind, at: Moment, grant: &Grant, key: String) -> Self {
        Self::new(kind, at, Some(grant.id), key, told(grant))
    }

    /// `grant` was made, or can be used from `at` on.
    pub fn activated(grant: &Grant, at: Moment) -> Self {
        Self::of_grant(Kind::GrantActivated, at, grant, format!("{} {}", grant.id, at.millis()))
    }

    /// The last download of `grant` was used.
    pub fn exhausted(grant: &Grant, at: Moment) -> Self {
        Self::of_grant(Kind::GrantExhausted, at, grant, format!("{} {} {}", grant.id, grant.used, at.millis()))
    }

    /// `grant` ends when it says. `None` where it never does.
    pub fn expiring(grant: &Grant) -> Option<Self> {
        let ends = grant.expires?;
        Some(Self::of_grant(Kind::GrantExpiring, grant.created, grant, format!("{} {}", grant.id, ends.millis())))
    }

    /// A delivery of `grant` arrived.
    pub fn completed(grant: &Grant, change: &Change) -> Self {
        let mut event = Self::of_grant(Kind::DeliveryCompleted, change.at, grant, change.delivery.to_string());
        event.data.insert("delivery".to_owned(), json!({ "id": change.delivery.to_string(), "size": change.size }));
        event
    }

    /// The customer of `order` asks for more of `grant`, which is shut for this reason.
    pub fn more_requested(grant: &Grant, order: &Order, why: Refusal, at: Moment) -> Self {
        let mut event = Self::of_grant(Kind::GrantMoreRequested, at, grant, format!("{} {}", grant.id, at.millis()));
        let named = json!({ "id": order.id.to_string(), "shop": order.shop.as_str(), "external_id": order.external_id.as_str() });
        event.data.insert("order".to_owned(), named);
        event.data.insert("refusal".to_owned(), json!(why.code()));
        event
    }

    /// Somebody with this link of `grant` was refused.
    pub fn refused(grant: &Grant, link: LinkId, refusal: Refusal, at: Moment) -> Self {
        let mut event = Self::of_grant(Kind::Refused, at, grant, format!("{link} {refusal} {}", at.millis()));
        event.data.insert("link".to_owned(), json!(link.to_string()));
        event.data.insert("refusal".to_owned(), json!(refusal.code()));
        event
    }

    /// A user name was replaced, and opens until it ends.
    pub fn rotated(credential: &DirectoryCredential, at: Moment) -> Self {
        let DirectoryCredential { user, directory, holder, ends, .. } = credential;
        let grant = match holder {
            Holder::Grant(grant) => Some(*grant),
            Holder::Everybody => None,
        };
        let data = json!({
            "directory": directory.as_str(),
            "user": user.to_string(),
            "grant": grant.map(|grant| grant.to_string()),
            "ends": ends.map(|ends| ends.to_string()),
        });
        Self::new(Kind::CredentialRotated, at, grant, format!("{user} {}", at.millis()), data)
    }

    /// The current version of `file` is a new one.
    pub fn released(file: &File) -> Self {
        let File { id, name, folder, current, .. } = file;
        let version = json!({
            "id": current.id.to_string(),
            "size": current.size,
            "sha256": current.checksum.map(|checksum| checksum.to_string()),
            "media_type": current.media_type,
        });
        let data = json!({ "file": { "id": id.to_string(), "name": name, "folder": folder }, "version": version });
        Self::new(Kind::FileVersionReleased, current.released, None, current.id.to_string(), data)
    }

    /// Somebody tries whether events arrive.
    pub fn tested(at: Moment) -> Self {
        Self::new(Kind::Tested, at, None, at.millis().to_string(), json!({ "text": "this is a test" }))
    }

    /// The body of its request: the same bytes whenever it is asked for.
    pub fn body(&self) -> String {
        json!({ "type": self.kind.word(), "timestamp": self.at.to_string(), "data": self.data }).to_string()
    }
}

/// What is told of a grant.
fn told(grant: &Grant) -> Value {
    json!({
        "grant": {
            "id": grant.id.to_string(),
            "file": grant.file.to_string(),
            "customer": grant.customer,
            "used": grant.used,
            "max_downloads": grant.policy.max_downloads,
            "created": grant.created.to_string(),
            "expires": grant.expires.map(|ends| ends.to_string()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::file::{FileRef, StorageName};
    use crate::domain::path::FilePath;
    use crate::domain::policy::Policy;

    fn grant() -> Grant {
        let file = FileRef { storage: StorageName::parse("masters").expect("a name"), path: FilePath::parse("set/a.zip").expect("a path") };
        let at = Moment::from_seconds(1_800_000_000);
        Grant::new(
            GrantId::new([7; 12]),
            file,
            "Ann \"A\" \u{7f}".to_owned(),
            Policy::default(),
            at,
            Some(Moment::from_seconds(1_900_000_000)),
        )
    }

    #[test]
    fn every_word_reads_back() {
        for kind in Kind::ALL.into_iter().chain([Kind::Tested]) {
            assert_eq!(Kind::parse(kind.word()), Some(kind));
        }
        assert_eq!(Kind::parse("grant"), None);
    }

    #[test]
    fn a_body_says_what_happened_when_and_of_which_grant_and_is_the_same_each_time() {
        let grant = grant();
        let event = Event::refused(&grant, LinkId::new([1; 12]), Refusal::LimitReached, grant.created);
        let body: Value = serde_json::from_str(&event.body()).expect("JSON");
        assert_eq!(event.body(), event.clone().body());
        assert_eq!((&body["type"], &body["timestamp"]), (&json!("refused"), &json!("2027-01-15T08:00:00Z")));
        assert_eq!(body["data"]["refusal"], json!("limit_reached"));
        assert_eq!(body["data"]["grant"]["customer"], json!("Ann \"A\" \u{7f}"));
        assert_eq!(body["data"]["grant"]["expires"], json!("2030-03-17T17:46:40Z"));
        assert_eq!(body.as_object().map(Map::len), Some(3));
    }

    #[test]
    fn what_never_ends_does_not_end_soon() {
        let grant = grant();
        assert!(Event::expiring(&grant).is_some());
        assert_eq!(Event::expiring(&Grant { expires: None, ..grant }), None);
    }
}

//! `store export`: one JSON object a line, each with one key that says what it is. The first line is the head, the last
//! one counts the others, so that a file that is cut off is seen to be. A grant comes before what belongs to it.

use serde::{Deserialize, Serialize};

use super::{
    ActRecord, ApiKeyRecord, CredentialRecord, DeedRecord, DeliveryRecord, FileRecord, GrantRecord, LinkRecord, MessageRecord, OrderRecord,
    PlaceRecord, PlacedRecord, ProductRecord,
};

/// The version of the format. The second has what lies in public and who may enter there, and deliveries without a link;
/// the third has orders and the catalogue, and grants that were sold. A program that knows the one before only refuses it.
pub const FORMAT: u32 = 3;

/// The oldest version that is still read: what it says, later ones say the same way.
pub const FORMAT_FIRST: u32 = 1;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The first.
    CloakroomStore(Head),
    /// A grant.
    Grant(Box<GrantRecord>),
    /// A link of it, the oldest first.
    Link(LinkRecord),
    /// What a person did about it, in order.
    History(EntryRecord),
    /// A delivery of it, the oldest first.
    Delivery(Box<DeliveryRecord>),
    /// What lies in public, or lay there, after all grants.
    Placed(Box<PlacedRecord>),
    /// Where a public directory lies, or lay.
    Place(PlaceRecord),
    /// Who may enter a public directory, after all grants.
    Credential(Box<CredentialRecord>),
    /// A file of the catalogue, after all grants.
    File(FileRecord),
    /// A product.
    Product(ProductRecord),
    /// An order.
    Order(Box<OrderRecord>),
    /// A message that is to leave, or has left, after all grants.
    Message(Box<MessageRecord>),
    /// A key of the API.
    ApiKey(Box<ApiKeyRecord>),
    /// What somebody did over the API, the oldest first.
    Deed(DeedRecord),
    /// What was counted in an hour.
    Tally(TallyRecord),
    /// How far a feed was read. Of use on the same machine only, where the log is the same file.
    Feed(FeedRecord),
    /// The last.
    End(Totals),
}

/// What the file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// [`FORMAT`].
    pub format: u32,
    /// The version of the program that wrote it.
    pub program: String,
}

/// What a person did about a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryRecord {
    pub(in crate::store) grant: String,
    pub(in crate::store) at: u64,
    pub(in crate::store) author: String,
    pub(in crate::store) act: ActRecord,
}

impl EntryRecord {
    /// What was done.
    pub fn into_act(self) -> ActRecord {
        self.act
    }
}

/// What was counted in an hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TallyRecord {
    pub(in crate::store) hour: u64,
    pub(in crate::store) what: String,
    pub(in crate::store) count: u64,
}

/// How far a feed was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedRecord {
    pub(in crate::store) name: String,
    pub(in crate::store) device: u64,
    pub(in crate::store) inode: u64,
    pub(in crate::store) offset: u64,
}

/// How many lines of each kind there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Grants.
    pub grants: u64,
    /// Links.
    pub links: u64,
    /// Acts of people.
    pub history: u64,
    /// Deliveries.
    pub deliveries: u64,
    /// Numbers of an hour.
    pub tallies: u64,
    /// Places in logs.
    pub feeds: u64,
    /// Things in public. Missing where an earlier version wrote.
    #[serde(default)]
    pub placed: u64,
    /// Places of public directories. Missing where an earlier version wrote.
    #[serde(default)]
    pub places: u64,
    /// User names of public directories. Missing where an earlier version wrote.
    #[serde(default)]
    pub credentials: u64,
    /// Files of the catalogue. Missing where an earlier version wrote.
    #[serde(default)]
    pub files: u64,
    /// Products. Missing where an earlier version wrote.
    #[serde(default)]
    pub products: u64,
    /// Orders. Missing where an earlier version wrote.
    #[serde(default)]
    pub orders: u64,
    /// Messages. Missing where an earlier version wrote.
    #[serde(default)]
    pub messages: u64,
    /// Keys of the API. Missing where an earlier version wrote.
    #[serde(default)]
    pub api_keys: u64,
    /// What was done over the API. Missing where an earlier version wrote.
    #[serde(default)]
    pub deeds: u64,
}

//! Grants, their links and their history.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ListedDelivery;
use crate::domain::grant::{Grant, Standing};
use crate::domain::history::{Act, Entry};
use crate::domain::link::Link;
use crate::domain::moment::Moment;
use crate::domain::order::{OrderState, Sold};
use crate::domain::placed::{Placed, Stay, What};
use crate::service::preparation::Preparation;
use crate::service::way_in::Offered;
use crate::service::{amend, issue};

/// A grant.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct GrantView {
    /// `g-…`.
    pub id: String,
    /// `STORAGE/PATH`.
    pub file: String,
    /// Whom it is for.
    pub customer: String,
    /// revoked, suspended, pending, `on_hold`, refunded, cancelled, `charged_back` (by its order), expired, `used_up` or
    /// active: the first of these that is so.
    pub state: String,
    /// What it was sold as, where a shop reported an order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sold: Option<SoldView>,
    /// When it was made.
    pub created: String,
    /// From when on no download starts; `null` is never.
    pub expires: Option<String>,
    /// Downloads that are used up.
    pub used: u32,
    /// Downloads that open deliveries hold.
    pub reserved: u32,
    /// How many there may be; `null` is unlimited.
    pub max_downloads: Option<u32>,
}

impl GrantView {
    pub(in crate::api) fn of(grant: &Grant, now: Moment) -> Self {
        let gate = grant.sold.as_ref().map_or(OrderState::Paid, |sold| sold.gate);
        let state = match grant.standing {
            Standing::Revoked => "revoked",
            Standing::Suspended => "suspended",
            Standing::Active if gate != OrderState::Paid => gate.word(),
            Standing::Active if grant.is_over(now) => "expired",
            Standing::Active if grant.policy.max_downloads.is_some_and(|most| grant.used >= most) => "used_up",
            Standing::Active => "active",
        };
        Self {
            id: grant.id.to_string(),
            file: grant.file.to_string(),
            customer: grant.customer.clone(),
            state: state.to_owned(),
            sold: grant.sold.as_ref().map(SoldView::of),
            created: grant.created.to_string(),
            expires: grant.expires.map(|moment| moment.to_string()),
            used: grant.used,
            reserved: grant.reserved,
            max_downloads: grant.policy.max_downloads,
        }
    }
}

/// What a grant was sold as.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SoldView {
    /// The order, `o-…`.
    pub order: String,
    /// Its line.
    pub line: String,
    /// What was ordered there.
    pub sku: String,
    /// The file of the catalogue, `f-…`.
    pub file: String,
    /// Which unit of the line, from 1.
    pub unit: u32,
    /// What the order says about it: paid, pending, `on_hold`, refunded, cancelled or `charged_back`.
    pub state: String,
}

impl SoldView {
    fn of(sold: &Sold) -> Self {
        Self {
            order: sold.order.to_string(),
            line: sold.line.to_string(),
            sku: sold.sku.to_string(),
            file: sold.file.to_string(),
            unit: sold.unit,
            state: sold.gate.word().to_owned(),
        }
    }
}

/// A link. Its URL is a secret that only its maker was told.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LinkView {
    /// `l-…`.
    pub id: String,
    /// good, expired or revoked.
    pub state: String,
    /// When it was made.
    pub created: String,
    /// From when on it is not answered.
    pub expires: String,
}

impl LinkView {
    pub(in crate::api) fn of(link: &Link, now: Moment) -> Self {
        let state = if link.revoked {
            "revoked"
        } else if now >= link.expires {
            "expired"
        } else {
            "good"
        };
        Self { id: link.id.to_string(), state: state.to_owned(), created: link.created.to_string(), expires: link.expires.to_string() }
    }
}

/// A link that was revoked.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RevokedLink {
    /// Its grant, `g-…`.
    pub grant_id: String,
    /// The link.
    pub link: LinkView,
    /// Whether it was good before, or expired.
    pub changed: bool,
}

/// A link that was made. Its URL is answered and not printed.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct Issued {
    /// The URL for the customer: whoever has it can use it.
    pub url: String,
    /// `l-…`.
    pub link: String,
    /// From when on the link is not answered.
    pub link_expires: String,
    /// What it opens.
    pub grant: GrantView,
    /// The copy that it leads to, where it is fetched as one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy: Option<OfferedView>,
}

/// The way to a copy, for the customer. Neither URL nor password is printed.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct OfferedView {
    /// Its URL.
    pub url: String,
    /// `preparing` or `live`.
    pub state: String,
    /// The user name that the web server asks for.
    pub user: Option<String>,
    /// The password.
    pub password: Option<String>,
}

impl fmt::Debug for OfferedView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { state, user, url: _, password: _ } = self;
        f.debug_struct("OfferedView").field("state", state).field("user", user).finish_non_exhaustive()
    }
}

impl OfferedView {
    pub(super) fn of(offered: &Offered) -> Self {
        let login = offered.login.as_ref();
        Self {
            url: offered.url.clone(),
            state: stay_word(offered.placed.stay).to_owned(),
            user: login.map(|login| login.user.clone()),
            password: login.map(|login| login.password.clone()),
        }
    }
}

/// A copy of a grant, in public or no longer.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CopyView {
    /// Where the web server serves it.
    pub url: String,
    /// preparing, live, going or gone.
    pub state: String,
    /// reflink, `hard-link`, copied or found; `null` while it is being made.
    pub how: Option<String>,
    /// Bytes of the master.
    pub size: Option<u64>,
    /// SHA-256 of its bytes in hexadecimal, as `sha256sum` prints it; `null` where no byte was copied.
    #[serde(default)]
    pub sha256: Option<String>,
    /// When its row was written.
    pub placed: String,
    /// When it was gone.
    pub gone: Option<String>,
    /// Bytes that were copied of one that is being made, and of how many.
    pub copied: Option<(u64, u64)>,
    /// How many of them were compared with the master's after that.
    #[serde(default)]
    pub checked: Option<u64>,
    /// Why it could not be made.
    pub trouble: Option<String>,
}

impl CopyView {
    /// `None` for what is no copy.
    pub(in crate::api) fn of(placed: &Placed, url: String, preparation: Preparation) -> Option<Self> {
        let What::Copy(state) = &placed.what else { return None };
        let is_preparing = placed.stay == Stay::Preparing;
        Some(Self {
            url,
            state: stay_word(placed.stay).to_owned(),
            how: state.made.as_ref().map(|made| made.how.word().to_owned()),
            size: state.made.as_ref().map(|made| made.version.size),
            sha256: state.made.as_ref().and_then(|made| made.checksum).map(|checksum| checksum.to_string()),
            placed: placed.placed.to_string(),
            gone: match placed.stay {
                Stay::Gone(gone) => Some(gone.to_string()),
                Stay::Preparing | Stay::Live | Stay::Going => None,
            },
            copied: is_preparing.then_some((preparation.done.copied, preparation.done.total)),
            checked: is_preparing.then_some(preparation.done.checked),
            trouble: preparation.trouble.filter(|_| is_preparing).map(|trouble| trouble.why),
        })
    }
}

const fn stay_word(stay: Stay) -> &'static str {
    match stay {
        Stay::Preparing => "preparing",
        Stay::Live => "live",
        Stay::Going => "going",
        Stay::Gone(_) => "gone",
    }
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { link, link_expires, grant, copy, url: _ } = self;
        f.debug_struct("Issued")
            .field("link", link)
            .field("link_expires", link_expires)
            .field("grant", grant)
            .field("copy", copy)
            .finish_non_exhaustive()
    }
}

impl Issued {
    pub(in crate::api) fn of(issued: &issue::Issued, now: Moment) -> Self {
        Self {
            url: issued.url.clone(),
            link: issued.link.id.to_string(),
            link_expires: issued.link.expires.to_string(),
            grant: GrantView::of(&issued.grant, now),
            copy: issued.copy.as_ref().map(OfferedView::of),
        }
    }
}

/// What became of a change.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Amended {
    /// The grant as it is now.
    pub grant: GrantView,
    /// Whether anything is other than before.
    pub changed: bool,
    /// What to know besides, in sentences.
    pub notes: Vec<String>,
}

impl Amended {
    pub(in crate::api) fn of(amended: amend::Amended, now: Moment) -> Self {
        Self { grant: GrantView::of(&amended.grant, now), changed: amended.changed, notes: amended.notes }
    }
}

/// One line of a grant's history.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EntryView {
    /// When.
    pub at: String,
    /// Who, and with what.
    pub author: String,
    /// issued, linked, `link_revoked`, suspended, resumed, revoked, reset, extended, allowed or ordered.
    pub act: String,
    /// The link that was made or revoked; the new end, or number of downloads (`unlimited` where there is none); what the
    /// order says.
    pub value: Option<String>,
}

impl EntryView {
    pub(in crate::api) fn of(entry: &Entry) -> Self {
        let (act, value) = match entry.act {
            Act::Issued(link) => ("issued", Some(link.to_string())),
            Act::Linked(link) => ("linked", Some(link.to_string())),
            Act::LinkRevoked(link) => ("link_revoked", Some(link.to_string())),
            Act::Amended(amendment) => (amendment.word(), amendment.value()),
        };
        Self { at: entry.author.at.to_string(), author: entry.author.name.clone(), act: act.to_owned(), value }
    }
}

/// A grant with all that belongs to it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct GrantPage {
    /// The grant.
    #[serde(flatten)]
    pub grant: GrantView,
    /// Its links, the newest first.
    pub links: Vec<LinkView>,
    /// Its copies, the newest first.
    #[serde(default)]
    pub copies: Vec<CopyView>,
    /// Its deliveries: those that have not ended, and the newest of the others.
    pub deliveries: Vec<ListedDelivery>,
    /// What people did about it, the oldest first.
    pub history: Vec<EntryView>,
    /// Whether anybody reports what is sent.
    pub measured: bool,
}

//! A grant for one file with its first link, and further links of it.

use std::fmt;

use super::address;
use super::copies;
use super::ending::check_zone;
use super::outbox::{NotWritten, letter_for};
use super::repeated::Ids;
use super::site::Site;
use super::way_in::{Offered, offered};
use crate::clock;
use crate::domain::file::FileRef;
use crate::domain::grant::{Grant, Standing};
use crate::domain::history::Author;
use crate::domain::id::{GrantId, LinkId};
use crate::domain::link::Link;
use crate::domain::moment::{Moment, Span};
use crate::domain::policy::{Edition, Method, Policy};
use crate::proof::key::SigningKey;
use crate::proof::token;
use crate::random;
use crate::storage::Absent;
use crate::store::{Down, Sale, Store};

pub use super::ending::ends;

/// A customer's name that is longer than this is a mistake.
pub const CUSTOMER_BYTES_MAX: usize = 256;

/// What is said of a grant that is not there.
pub const NO_SUCH_GRANT: &str = "there is no such grant: `cloakroom grant list` lists those that there are";

/// What is said to who wants something of a grant that was revoked.
pub(super) fn stays_revoked(grant: GrantId) -> String {
    format!("{grant} is revoked, and stays revoked for good; make a new grant with `cloakroom grant add`")
}

/// What to issue.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The file.
    pub file: FileRef,
    /// Whom it is for, in the caller's words; may be empty.
    pub customer: String,
    /// The limits.
    pub policy: Policy,
    /// The address to which the link goes by mail, and in which language.
    pub letter: Option<(String, Option<String>)>,
}

/// What was issued. The URL is not printed.
#[derive(Clone)]
pub struct Issued {
    /// The grant.
    pub grant: Grant,
    /// Its link.
    pub link: Link,
    /// The link's URL: a secret for the customer, never logged.
    pub url: String,
    /// The copy that it leads to, where it is fetched as one.
    pub copy: Option<Offered>,
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { grant, link, copy, url: _ } = self;
        f.debug_struct("Issued").field("grant", grant).field("link", link).field("copy", copy).finish_non_exhaustive()
    }
}

/// Why nothing was issued.
#[derive(Debug)]
pub enum NotIssued {
    /// The file cannot be sent.
    Absent(FileRef, Absent),
    /// The customer's name is too long or holds control characters.
    Customer,
    /// The grant would end with a day of a time zone that this system does not have.
    Zone(String),
    /// A number of downloads, where nobody tells how often a copy was fetched.
    Uncounted,
    /// The letter that is to go with it cannot be written.
    Letter(NotWritten),
    /// A version that is to be kept, of what no order sold, by a method that sends what the master is now.
    Unkept,
    /// No key signs.
    NoKey,
    /// No such grant.
    Unknown,
    /// The grant was revoked, and stays so.
    Revoked(GrantId),
    /// The store does not answer.
    Down(Down),
}

impl fmt::Display for NotIssued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent(file, absent) => write!(f, "no link for `{file}`: {absent}"),
            Self::Customer => write!(f, "`customer` must have at most {CUSTOMER_BYTES_MAX} bytes and no control characters"),
            Self::Zone(zone) => {
                write!(f, "the policy ends with a day of the zone `{zone}`, which this system no longer has: install its package `tzdata`")
            }
            Self::Uncounted => f.write_str(
                "`max_downloads` must be `unlimited`: without a [feed] nobody tells how often a copy was downloaded, and the number would never act",
            ),
            Self::Letter(fault) => write!(f, "{fault}"),
            Self::Unkept => f.write_str(
                "the policy keeps versions (version = \"purchased\"), which for a grant that no order sold needs method \"copy\" alone: \
                 sell it as a file of a product, or take another policy",
            ),
            Self::NoKey => f.write_str("no [[key]] has use = \"sign\": make one with `cloakroom key new`"),
            Self::Unknown => f.write_str(NO_SUCH_GRANT),
            Self::Revoked(id) => f.write_str(&stays_revoked(*id)),
            Self::Down(Down::Full) => write!(f, "{}: no more grants fit", Down::Full),
            Self::Down(down) => write!(f, "{down}"),
        }
    }
}

/// Whether a grant that no order sold gets the version that its policy says: what was bought of the others nobody remembers.
pub(super) fn keeps_unsold(policy: &Policy) -> bool {
    policy.edition == Edition::Latest || policy.methods.iter().all(|method| *method == Method::Copy)
}

/// Looks at the file, makes grant and link, and keeps both in one step. What a call made before that comes again is found
/// by `ids`.
pub async fn issue(site: &Site, wanted: Wanted, author: String, ids: Ids) -> Result<Issued, NotIssued> {
    let (grant_id, link_id) = (GrantId::new(ids.bits("grant")), LinkId::new(ids.bits("link")));
    if let Some(before) = issued_before(site, link_id, ids).await? {
        return Ok(before);
    }
    let Wanted { file, customer, policy, letter } = wanted;
    site.storages.look(&file).map_err(|absent| NotIssued::Absent(file.clone(), absent))?;
    if customer.len() > CUSTOMER_BYTES_MAX || customer.chars().any(char::is_control) {
        return Err(NotIssued::Customer);
    }
    check_zone(&policy)?;
    if !keeps_unsold(&policy) {
        return Err(NotIssued::Unkept);
    }
    let copy = copies::new_copy(site, &file, &policy);
    if copy.is_some() && policy.max_downloads.is_some() && !site.configuration.is_measured() {
        return Err(NotIssued::Uncounted);
    }
    let key = site.keys.signing().ok_or(NotIssued::NoKey)?;
    let now = clock::now();
    let grant = Grant { id: grant_id, ..new_grant(file, customer, policy, now) };
    let link = Link { id: link_id, ..new_link(&grant, None, now) };
    let author = Author { name: author, at: now };
    let letter = letter.map(|(to, language)| letter_for(site, grant.id, link.id, &to, language.as_deref(), now)).transpose();
    let issued = match letter.map_err(NotIssued::Letter)? {
        Some(letter) => site.messages.issue_and_write(Sale { grant: grant.clone(), link: link.clone(), copy }, author, letter).await,
        None => site.store.issue_with(grant.clone(), link.clone(), author, copy).await,
    };
    issued.map_err(NotIssued::Down)?;
    site.copies.wake();
    tracing::info!(event = "issued", grant = %grant.id, link = %link.id, file = %grant.file);
    let copy = offered(site, &grant).await.map_err(NotIssued::Down)?;
    Ok(Issued { url: url_of(site, &grant, &link, key), grant, link, copy })
}

/// Makes one more link of a grant, that lasts as long as its policy says or as `lasts` says.
pub async fn issue_link(site: &Site, grant: GrantId, lasts: Option<Span>, author: String, ids: Ids) -> Result<Issued, NotIssued> {
    let link_id = LinkId::new(ids.bits("link"));
    if let Some(before) = issued_before(site, link_id, ids).await? {
        return Ok(before);
    }
    let key = site.keys.signing().ok_or(NotIssued::NoKey)?;
    let grant = site.store.grant(grant).await.map_err(NotIssued::Down)?.ok_or(NotIssued::Unknown)?;
    if grant.standing == Standing::Revoked {
        return Err(NotIssued::Revoked(grant.id));
    }
    let now = clock::now();
    let link = Link { id: link_id, ..new_link(&grant, lasts, now) };
    let author = Author { name: author, at: now };
    if !site.store.add_link(link.clone(), author).await.map_err(NotIssued::Down)? {
        return Err(NotIssued::Unknown);
    }
    tracing::info!(event = "linked", grant = %grant.id, link = %link.id, file = %grant.file);
    let copy = offered(site, &grant).await.map_err(NotIssued::Down)?;
    Ok(Issued { url: url_of(site, &grant, &link, key), grant, link, copy })
}

/// The links of a grant, the newest first. Where it is open and the time of all that it has is over, there is a new one: who
/// bought it can go on, by the page of the order or by another letter. Where the newest one was withdrawn, that is what a
/// person wanted.
pub(super) async fn relinked(store: &dyn Store, grant: &Grant, author: Author) -> Result<Vec<Link>, Down> {
    let now = author.at;
    let mut links = store.links(grant.id).await?;
    let is_open = grant.check().is_ok() && !grant.is_over(now);
    let is_over = links.first().is_some_and(|newest| !newest.revoked) && !links.iter().any(|link| link.check(now).is_ok());
    if is_open && is_over {
        let link = new_link(grant, None, now);
        store.add_link(link.clone(), author).await?;
        links.insert(0, link);
    }
    Ok(links)
}

/// What the call made of which `ids` are, if it was cut off before it could answer.
async fn issued_before(site: &Site, link: LinkId, ids: Ids) -> Result<Option<Issued>, NotIssued> {
    let Ids::Of(_) = ids else { return Ok(None) };
    let Some(link) = site.store.link(link).await.map_err(NotIssued::Down)? else { return Ok(None) };
    let grant = site.store.grant(link.grant).await.map_err(NotIssued::Down)?.ok_or(NotIssued::Unknown)?;
    let key = site.keys.signing().ok_or(NotIssued::NoKey)?;
    let copy = offered(site, &grant).await.map_err(NotIssued::Down)?;
    Ok(Some(Issued { url: url_of(site, &grant, &link, key), grant, link, copy }))
}

pub(super) fn new_link(grant: &Grant, lasts: Option<Span>, now: Moment) -> Link {
    let expires = now + lasts.unwrap_or(grant.policy.link_ttl);
    Link { id: LinkId::new(random::bytes()), grant: grant.id, created: now, expires, revoked: false }
}

pub(super) fn url_of(site: &Site, grant: &Grant, link: &Link, key: &SigningKey) -> String {
    let path = address::link_path(site.public_url(), &token::mint_link(site.name(), link.id, key), &grant.file);
    format!("{}{path}", site.public_url().origin)
}

pub(super) fn new_grant(file: FileRef, customer: String, policy: Policy, now: Moment) -> Grant {
    let expires = ends(&policy, now, policy.valid_for);
    Grant::new(GrantId::new(random::bytes()), file, customer, policy, now, expires)
}

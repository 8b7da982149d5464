//! The way in to a copy: its URL, and the user name and password that its directory asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::copies::{current, directory_for, url_of};
use super::credential::{self, NotGiven, Writing};
use super::site::Site;
use crate::clock;
use crate::config::Directory;
use crate::domain::account::Account;
use crate::domain::credential::Sharing;
use crate::domain::grant::Grant;
use crate::domain::id::GrantId;
use crate::domain::moment::Moment;
use crate::domain::placed::{DirectoryName, Placed};
use crate::store::Down;

/// Who makes what nobody asked for by name.
const AUTHOR: &str = "cloakroom";

/// Where a customer finds the copy of a grant. URL and password are not printed.
#[derive(Clone)]
pub struct Offered {
    /// The copy's row.
    pub placed: Placed,
    /// Its URL.
    pub url: String,
    /// What the web server asks for.
    pub login: Option<Login>,
}

impl fmt::Debug for Offered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { placed, url: _, login: _ } = self;
        f.debug_struct("Offered").field("grant", &placed.grant).finish_non_exhaustive()
    }
}

/// A user name and a password.
#[derive(Clone)]
pub struct Login {
    /// The user name.
    pub user: String,
    /// The password: a secret for the customer.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// The copy of a grant, and the directory where it lies.
async fn lies<'a>(site: &'a Site, grant: &Grant) -> Result<Option<(Placed, &'a Directory)>, Down> {
    // Where there are no directories, no order need look into each of its grants for one.
    if site.configuration.directories.is_empty() {
        return Ok(None);
    }
    let placed = current(&*site.store, grant.id).await?;
    Ok(placed.and_then(|placed| site.configuration.directory(&placed.directory).map(|directory| (placed, directory))))
}

/// The directory that a grant has its copy in, where it is fetched as one.
fn directory_of<'a>(site: &'a Site, grant: &Grant) -> Option<&'a Directory> {
    directory_for(site, &grant.file, &grant.policy).and_then(|name| site.configuration.directory(name))
}

/// The copy of a grant, and how to get it.
pub async fn offered(site: &Site, grant: &Grant) -> Result<Option<Offered>, Down> {
    let Some((placed, directory)) = lies(site, grant).await? else { return Ok(None) };
    let (url, login) = (url_of(directory, &placed), login_for(site, grant, directory).await?);
    Ok(Some(Offered { placed, url, login }))
}

/// The same of a grant that was let in: nothing is made for it.
pub(super) async fn told(site: &Site, grant: &Grant) -> Result<Option<Offered>, Down> {
    let Some((placed, directory)) = lies(site, grant).await? else { return Ok(None) };
    let known = if grant.keeps_copy(clock::now()) { credential::known(site, grant.id, &directory.name).await? } else { None };
    let login = known.map(|(user, password)| Login { user: user.to_string(), password: password.reveal().to_owned() });
    Ok(Some(Offered { url: url_of(directory, &placed), placed, login }))
}

/// Makes sure that who has one of these grants, as far as they are good, may enter where its copy lies. What opened before its
/// grant was shut opens again; where that cannot be, there is another one. Those that have a new one.
pub(super) async fn let_all_in(site: &Site, grants: &[Grant], writing: Writing) -> Result<BTreeSet<GrantId>, Down> {
    let now = clock::now();
    let mut wanted: BTreeMap<&DirectoryName, Vec<(GrantId, Option<Moment>)>> = BTreeMap::new();
    for grant in grants.iter().filter(|grant| grant.keeps_copy(now)) {
        if let Some(directory) = directory_of(site, grant).filter(|directory| directory.credentials.is_some()) {
            wanted.entry(&directory.name).or_default().push((grant.id, credential_ends(grant)));
        }
    }
    let mut made = BTreeSet::new();
    for (directory, grants) in wanted {
        match credential::let_in(site, directory, &grants, AUTHOR, writing).await {
            Ok(new) => made.extend(new),
            Err(NotGiven::Down(down)) => return Err(down),
            Err(fault) => tracing::error!(event = "no_credential", grants = grants.len(), %directory, "{fault}"),
        }
    }
    Ok(made)
}

/// Makes sure that who has a grant that is good may enter where its copy lies. Whether there is something new to be told.
pub(super) async fn let_in(site: &Site, grant: &Grant) -> Result<bool, Down> {
    let now = clock::now();
    let Some(directory) = directory_of(site, grant) else { return Ok(false) };
    let has_own = directory.credentials.as_ref().is_some_and(|rules| rules.sharing == Sharing::Grant);
    if !has_own || !grant.keeps_copy(now) || !site.store.credentials_of(grant.id, now).await?.is_empty() {
        return Ok(false);
    }
    Ok(login_for(site, grant, directory).await?.is_some())
}

/// What the web server asks for in `directory`, of who has `grant`; made where there is none yet.
async fn login_for(site: &Site, grant: &Grant, directory: &Directory) -> Result<Option<Login>, Down> {
    if directory.credentials.is_none() || !grant.keeps_copy(clock::now()) {
        return Ok(None);
    }
    match credential::give(site, grant.id, &directory.name, credential_ends(grant), AUTHOR).await {
        Ok(given) => Ok(Some(Login { user: given.credential.user.to_string(), password: given.password.reveal().to_owned() })),
        Err(NotGiven::Down(down)) => Err(down),
        Err(fault) => {
            tracing::error!(event = "no_credential", grant = %grant.id, directory = %directory.name, "{fault}");
            Ok(None)
        }
    }
}

/// When what opens the directory for `grant` ends at the latest. It ends with the copy, which may stay after the grant is
/// over; this holds whatever becomes of the copy.
pub(super) fn credential_ends(grant: &Grant) -> Option<Moment> {
    grant.expires.map(|expires| expires + Account::COPY_HARD_END)
}

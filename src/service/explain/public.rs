//! What lies in public, by its path on the disk, its address, or its name alone.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use super::ended::{self, Ended};
use super::remedy::remedy;
use super::{Explanation, Unexplained, split};
use crate::clock;
use crate::config::Directory;
use crate::domain::path::CanonicalPath;
use crate::domain::placed::{CopyState, Placed, PlacedName, Stay, What};
use crate::public::{ASIDE, Done, PublicDirectory};
use crate::service::inventory::{self, Lying, Why};
use crate::service::site::Site;
use crate::service::trace::Step;
use crate::store::Down;

/// The outcome where nothing is known, and nothing lies there.
pub(super) const UNKNOWN: &str = "unknown";

/// Something in public, as it was named.
#[derive(Debug)]
pub(super) enum Public<'a> {
    /// A path in a directory of the configuration, decoded.
    Path(&'a Directory, String),
    /// A name that only we make, without a directory.
    Name(PlacedName),
}

impl<'a> Public<'a> {
    /// Reads `what`, if it is a path on the disk or a URL in a public directory, or the name of something there.
    pub(super) fn read(site: &'a Site, what: &str) -> Option<Self> {
        if what.starts_with('/') || what.contains("://") {
            return on_disk(site, what).or_else(|| at_address(site, what));
        }
        Placed::name_in(what).map(Self::Name)
    }
}

fn on_disk<'a>(site: &'a Site, what: &str) -> Option<Public<'a>> {
    let inside =
        |directory: &'a Directory| Some(Public::Path(directory, Path::new(what).strip_prefix(&directory.path).ok()?.to_str()?.to_owned()));
    site.configuration.directories.iter().find_map(inside)
}

fn at_address<'a>(site: &'a Site, what: &str) -> Option<Public<'a>> {
    let target = |directory: &Directory| {
        let rest = if what.starts_with('/') { what } else { what.strip_prefix(directory.url.origin.as_str())? };
        CanonicalPath::parse(split(rest).0).ok()
    };
    let inside = |directory: &'a Directory| {
        let path = target(directory)?;
        let (found, inside) = site.configuration.directory_of(path.decoded())?;
        (found.name == directory.name).then(|| Public::Path(directory, inside.to_owned()))
    };
    site.configuration.directories.iter().find_map(inside)
}

/// What it is, for whom, since when, why still, until when, and what takes it away.
pub(super) async fn explain(site: &Site, public: Public<'_>) -> Result<Explanation, Unexplained> {
    let found = match public {
        Public::Path(directory, inside) => path(site, directory, &inside).await,
        Public::Name(name) => bare(site, name).await,
    };
    found.map_err(|down| Unexplained(format!("the store does not tell: {down}")))
}

fn step(held: bool, text: impl Into<String>) -> Step {
    Step { held, text: text.into() }
}

async fn bare(site: &Site, name: PlacedName) -> Result<Explanation, Down> {
    match site.store.placed(vec![name.clone()]).await?.into_iter().next() {
        Some(placed) => ours(site, placed, Vec::new()).await,
        None => Ok(Explanation {
            subject: name.to_string(),
            outcome: UNKNOWN.to_owned(),
            steps: vec![step(false, "nothing of this name was placed by this daemon, as far as its store goes back")],
            advice: Some("`cloakroom stub list` tells what lies in public".to_owned()),
        }),
    }
}

async fn path(site: &Site, directory: &Directory, inside: &str) -> Result<Explanation, Down> {
    let first = inside.split('/').next().unwrap_or_default().to_owned();
    if first.is_empty() || first == ASIDE {
        return Ok(of_directory(directory, &first));
    }
    if let Some(name) = Placed::name_in(inside)
        && let Some(placed) = site.store.placed(vec![name]).await?.into_iter().next()
        && placed.directory == directory.name
    {
        let mut steps = Vec::new();
        if inside.trim_end_matches('/') != placed.path() && inside.trim_end_matches('/') != first {
            steps.push(step(false, format!("nothing of ours is called so: under this name lies `{}` alone", placed.leaf)));
        }
        let Stay::Gone(_) = placed.stay else { return ours(site, placed, steps).await };
        let was = ours(site, placed, steps).await?;
        // What others put where ours was is not ours.
        if !lies(site, directory, &first).await.is_some_and(|(there, _)| there) {
            return Ok(was);
        }
        let mut found = foreign(site, directory, &first).await;
        found.steps.push(step(true, "under this name lay something of ours before, of which this is known:"));
        found.steps.extend(was.steps);
        return Ok(found);
    }
    Ok(foreign(site, directory, &first).await)
}

fn of_directory(directory: &Directory, first: &str) -> Explanation {
    let (path, url) = (directory.path.display(), format!("{}{}", directory.url.origin, directory.url.path));
    let what = if first.is_empty() {
        format!("it is the public directory `{}`, {path}, served at {url}", directory.name)
    } else {
        format!("it is where Cloakroom makes what it puts into `{}`, and takes it apart: nobody else may enter", directory.name)
    };
    Explanation {
        subject: if first.is_empty() { path.to_string() } else { format!("{path}/{first}") },
        outcome: "ours".to_owned(),
        steps: vec![step(true, what)],
        advice: Some(format!("`cloakroom stub list --directory {}` tells what lies in it", directory.name)),
    }
}

/// Whether something lies under a name, and what.
async fn lies(site: &Site, directory: &Directory, name: &str) -> Option<(bool, String)> {
    let open: Arc<PublicDirectory> = Arc::clone(site.directories.named(&directory.name)?);
    let (name, was_ours) = (name.to_owned(), Placed::name_in(name).is_some());
    let look = move || match open.seen(OsStr::new(&name)) {
        Ok(Some(seen)) => {
            let note = if was_ours { inventory::note(&name, &seen, false) } else { "" };
            (true, if note.is_empty() { format!("a {}", seen.kind) } else { format!("a {}, {note}", seen.kind) })
        }
        Ok(None) => (false, "nothing of this name lies there, and nothing is known of it".to_owned()),
        Err(error) => (false, format!("the directory cannot be looked into: {error}")),
    };
    tokio::task::spawn_blocking(look).await.ok()
}

async fn foreign(site: &Site, directory: &Directory, name: &str) -> Explanation {
    let subject = directory.path.join(name).display().to_string();
    match lies(site, directory, name).await {
        Some((true, what)) => Explanation {
            subject,
            outcome: "not_ours".to_owned(),
            steps: vec![step(false, format!("Cloakroom did not put it there: {what}"))],
            advice: Some("Cloakroom never removes it; see what it is, and move it out of the directory: everybody can fetch it".to_owned()),
        },
        other => Explanation {
            subject,
            outcome: UNKNOWN.to_owned(),
            steps: vec![step(
                false,
                other.map_or_else(|| "its directory is not open: the daemon alone can look".to_owned(), |(_, why)| why),
            )],
            advice: Some(format!("`cloakroom stub list --directory {}` tells what lies there", directory.name)),
        },
    }
}

fn what_it_is(placed: &Placed) -> String {
    let Placed { directory, file, .. } = placed;
    match &placed.what {
        What::Stub(_) => format!("it is a stub in `{directory}`: a symbolic link to {file}"),
        What::Copy(CopyState { made: None, .. }) => format!("it is a copy of {file} in `{directory}`"),
        What::Copy(CopyState { made: Some(made), .. }) => {
            let sha256 = made.checksum.map_or_else(String::new, |checksum| format!(", sha-256 {checksum}"));
            format!("it is a copy of {file} in `{directory}`, {} bytes ({}){sha256}", made.version.size, made.how.word())
        }
    }
}

/// Something that we placed.
async fn ours(site: &Site, placed: Placed, before: Vec<Step>) -> Result<Explanation, Down> {
    let lying = inventory::lying(site, placed).await?;
    let Lying { placed, customer, delivery, why, is_there } = &lying;
    let directory = site.configuration.directory(&placed.directory);
    let path = directory.map_or_else(|| placed.path(), |directory| directory.path.join(placed.path()).display().to_string());
    let mut steps = vec![
        step(true, what_it_is(placed)),
        step(
            true,
            format!(
                "placed {} for {}, under {}",
                placed.placed,
                if customer.is_empty() { "a customer without a name" } else { customer },
                placed.grant
            ),
        ),
    ];
    if let Some(delivery) = delivery {
        steps.push(step(
            true,
            format!(
                "for delivery {}, which is {}: {} of {} bytes are reported as sent",
                delivery.id,
                delivery.state.word(),
                delivery.covered(),
                delivery.version.size
            ),
        ));
    }
    steps.extend(before);
    let is_missing = *is_there == Some(false) && matches!(why, Why::Open(_) | Why::Grace(_) | Why::Sold(_) | Why::Due(_));
    if is_missing {
        steps.push(step(
            false,
            match placed.what {
                What::Stub(_) => "it is not there: others took it away, and the next click on the link makes another one",
                What::Copy(_) => {
                    "it is not there: others took it away, and it is made again when that is noticed, at the next click at the latest"
                }
            },
        ));
    }
    if directory.is_none() {
        steps.push(step(
            false,
            format!("no [[directory]] is named `{}` any more: what lies there stays until there is one again", placed.directory),
        ));
    }
    let (outcome, last, advice) = verdict(site, &lying).await?;
    steps.push(last);
    let outcome = if is_missing && outcome == "there" { "taken_away" } else { outcome };
    Ok(Explanation { subject: path, outcome: outcome.to_owned(), steps, advice: Some(advice) })
}

async fn verdict(site: &Site, lying: &Lying) -> Result<(&'static str, Step, String), Down> {
    let Lying { placed, why, .. } = lying;
    let grant = placed.grant;
    let stays = |text: String| {
        (
            "there",
            step(true, text),
            format!(
                "`cloakroom grant revoke {grant}` takes it away at once; `grant suspend` does, too, and `grant resume` lets the next click place another one"
            ),
        )
    };
    Ok(match why {
        Why::Open(until) => stays(format!("it stays until {until}, or longer: its download is open, and each request moves that on")),
        Why::Grace(until) => {
            stays(format!("it stays until {until}: its download is over, and its client may ask for parts of the file again"))
        }
        Why::Sold(until) => {
            let until = until.map_or_else(|| "for ever".to_owned(), |until| format!("until {until}, when its grant ends"));
            stays(format!("it stays {until}: a copy is fetched as often as its grant allows"))
        }
        Why::Preparing(due) => {
            let preparation = site.copies.preparation(&placed.name);
            let Done { copied, checked, total } = preparation.done;
            let text = match &preparation.trouble {
                Some(trouble) => format!("it could not be made, and is tried again at {due}: {trouble}"),
                None if checked > 0 => format!("it is copied and being compared with the master: {checked} of {total} bytes"),
                None => format!("it is being made: {copied} of {total} bytes"),
            };
            let mends = preparation.trouble.as_ref().map(|trouble| remedy(site, placed, &trouble.mend));
            (
                preparation.refusal(clock::now()).code(),
                step(false, text),
                mends.unwrap_or_else(|| format!("`cloakroom grant show {grant}` tells how far it is")),
            )
        }
        Why::Due(cause) => ("due", step(false, format!("it goes now: {cause}")), "`cloakroom stub sweep` takes it away now".to_owned()),
        Why::Going(_, None) => ("going", step(false, "it is being taken away"), "`cloakroom stub sweep` tries it at once".to_owned()),
        Why::Going(again, Some(trouble)) => {
            let text = format!("it could not be removed at {}, and is tried again at {again}: {}", trouble.at, trouble.why);
            (
                "going",
                step(false, text),
                "mend that; `cloakroom stub sweep` tries it at once, `cloakroom check` tells what is wrong with the directory".to_owned(),
            )
        }
        Why::Gone(at) => {
            let Ended { why, advice } = ended::told(site, lying, *at).await?;
            ("gone", step(false, format!("it is gone since {at}: {why}")), advice)
        }
    })
}

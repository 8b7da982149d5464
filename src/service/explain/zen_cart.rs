//! What lies in Zen Cart's own `pub/`, by its path on the disk, its address, or the name of its link alone.

use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use super::{Explanation, split};
use crate::clock;
use crate::config::ZenCart;
use crate::domain::path::CanonicalPath;
use crate::domain::zen_cart::Name;
use crate::public::ZEN_CART_ASIDE;
use crate::service::site::Site;
use crate::service::trace::Step;
use crate::service::zen_cart::{Gone, Kept, Seen};

/// The constant that keeps Zen Cart's own clean-up still, and where that is told.
const CONSTANT: &str = "define SYMLINK_GARBAGE_COLLECTION_THRESHOLD in the shop, as conf-examples/zencart/README.md tells";

/// Something in a `pub/` of Zen Cart's, as it was named.
#[derive(Debug)]
pub(super) struct InZenCart<'a> {
    entry: &'a ZenCart,
    /// The path in it, decoded; empty for the directory itself.
    inside: String,
}

impl<'a> InZenCart<'a> {
    /// Reads `what`, if it is a path on the disk or a URL in a `pub/` of Zen Cart's, or has the form of its links' names.
    pub(super) fn read(site: &'a Site, what: &str) -> Option<Self> {
        let entries = &site.configuration.zen_carts;
        if what.starts_with('/') || what.contains("://") {
            let found = entries.iter().find_map(|entry| Some((entry, on_disk(entry, what).or_else(|| at_address(entry, what))?)));
            return found.map(|(entry, inside)| Self { entry, inside });
        }
        Name::parse(what.split('/').next()?)?;
        let name = what.split('/').next()?;
        // The one that knows it; of one that nobody knows the first is as good as any.
        let knows = |entry: &&ZenCart| {
            let kept = site.zen_carts.kept(&entry.path);
            kept.is_some_and(|kept| kept.links.iter().any(|link| link.name == name)) || site.zen_carts.gone(&entry.path, name).is_some()
        };
        let entry = entries.iter().find(knows).or_else(|| entries.first())?;
        Some(Self { entry, inside: what.to_owned() })
    }
}

fn on_disk(entry: &ZenCart, what: &str) -> Option<String> {
    Some(Path::new(what).strip_prefix(&entry.path).ok()?.to_str()?.to_owned())
}

fn at_address(entry: &ZenCart, what: &str) -> Option<String> {
    let url = entry.url.as_ref()?;
    let target = if what.starts_with('/') { what } else { what.strip_prefix(url.origin.as_str())? };
    let path = CanonicalPath::parse(split(target).0).ok()?;
    path.decoded().strip_prefix(url.path.as_str()).map(str::to_owned)
}

fn step(held: bool, text: impl Into<String>) -> Step {
    Step { held, text: text.into() }
}

/// What it is, since when, which rule keeps it, and until when; or what became of it.
pub(super) async fn explain(site: &Site, named: &InZenCart<'_>) -> Explanation {
    let InZenCart { entry, inside } = named;
    let name = inside.split('/').next().unwrap_or_default();
    let kept = site.zen_carts.kept(&entry.path);
    if name.is_empty() || name == ZEN_CART_ASIDE {
        return of_directory(entry, name, kept.as_ref());
    }
    let place = entry.path.join(name);
    let subject = place.display().to_string();
    let link = kept.as_ref().and_then(|kept| kept.links.iter().find(|link| link.name == name));
    let targets = link.map(|link| link.targets.clone()).unwrap_or_default();
    let look = move || {
        let missing: Vec<PathBuf> = targets.into_iter().filter(|target| !target.exists()).collect();
        (Lies::at(&place), missing)
    };
    let (lies, missing) = tokio::task::spawn_blocking(look).await.unwrap_or_default();
    let (outcome, steps, advice) = if let Some(link) = link {
        there(entry, link, &missing)
    } else if lies == Lies::Other || lies == Lies::Links && Name::parse(name).is_none() {
        foreign(name)
    } else if let Some(gone) = site.zen_carts.gone(&entry.path, name) {
        went(&gone)
    } else {
        unknown(entry, name, kept.as_ref(), lies != Lies::Not)
    };
    Explanation { subject, outcome: outcome.to_owned(), steps, advice: Some(advice) }
}

type Told = (&'static str, Vec<Step>, String);

/// What lies at a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Lies {
    /// Nothing, or what nobody may look at.
    #[default]
    Not,
    /// A directory with nothing but symbolic links, or with nothing.
    Links,
    /// Anything else.
    Other,
}

impl Lies {
    fn at(place: &Path) -> Self {
        let Ok(found) = place.symlink_metadata() else { return Self::Not };
        let is_link = |entry: io::Result<DirEntry>| entry.and_then(|entry| entry.file_type()).is_ok_and(|kind| kind.is_symlink());
        let is_links = || fs::read_dir(place).is_ok_and(|mut entries| entries.all(is_link));
        if found.is_dir() && is_links() { Self::Links } else { Self::Other }
    }
}

fn of_directory(entry: &ZenCart, name: &str, kept: Option<&Kept>) -> Explanation {
    let path = entry.path.display();
    let mut steps = vec![step(
        true,
        if name.is_empty() {
            "it is the `pub/` of a Zen Cart shop, whose links Cloakroom takes away when their time is over".to_owned()
        } else {
            "it is where Cloakroom takes Zen Cart's links apart: nobody else may enter".to_owned()
        },
    )];
    let fault = kept.and_then(|kept| kept.fault.as_ref());
    steps.extend(fault.map(|fault| step(false, format!("it is not looked after now, and is tried again: {fault}"))));
    Explanation {
        subject: if name.is_empty() { path.to_string() } else { format!("{path}/{name}") },
        outcome: if fault.is_some() { "not_kept" } else { "ours" }.to_owned(),
        steps,
        advice: Some(
            if fault.is_some() { "mend that; `cloakroom check` looks at it" } else { "`cloakroom stub list` tells what lies there" }
                .to_owned(),
        ),
    }
}

fn leads_to(link: &Seen) -> String {
    match link.targets.as_slice() {
        [] => "it is a link of Zen Cart's that is just being made".to_owned(),
        [one] => format!("it is a link that Zen Cart made for a download, to {}", one.display()),
        all => format!("it is a link that Zen Cart made for a download, to {} files", all.len()),
    }
}

fn there(entry: &ZenCart, link: &Seen, missing: &[PathBuf]) -> Told {
    let mut steps = vec![
        step(true, leads_to(link)),
        step(true, format!("made {}; for whom, Zen Cart alone knows: by that time its orders and logs tell", link.made)),
    ];
    steps.extend(
        missing
            .iter()
            .map(|target| step(false, format!("{} is not there, or the daemon may not look: who clicks sees 404", target.display()))),
    );
    if let Some(why) = &link.not_removed {
        steps.push(step(false, format!("its time was over at {}, and it could not be taken away; it is tried again: {why}", link.until)));
        return ("going", steps, "mend that; `cloakroom stub sweep` tries it at once, `cloakroom check` tells what is wrong".to_owned());
    }
    steps.push(step(true, format!("it stays until {}: {}", link.until, link.by.sentence())));
    let path = entry.path.display();
    let advice = format!(
        "`keep` of the [[zen_cart]] {path} says how long links stay; who takes this one away by hand ends the download when it pauses"
    );
    ("there", steps, advice)
}

fn foreign(name: &str) -> Told {
    let why = if Name::parse(name).is_some() {
        "it is named as Zen Cart's links are, and is no directory with nothing but symbolic links in it"
    } else {
        "it is not named as Zen Cart's links are"
    };
    let advice = "Cloakroom never removes it; what Zen Cart ships there, .htaccess and index.html, belongs there".to_owned();
    ("not_ours", vec![step(false, why)], advice)
}

fn went(gone: &Gone) -> Told {
    let Gone { link, at, is_by_us, directory: _ } = gone;
    let mut steps = vec![step(true, leads_to(link)), step(true, format!("made {}", link.made))];
    let advice = if *is_by_us {
        steps.push(step(
            false,
            format!("Cloakroom took it away at {at}, since its time was over at {}: {}", link.until, link.by.sentence()),
        ));
        "the customer clicks again in the shop, which makes another one; `keep` of the [[zen_cart]] says how long links stay".to_owned()
    } else {
        steps.push(step(
            false,
            format!(
                "others took it away before its time, as was seen at {at}: Zen Cart's own clean-up, mostly. Else it had stayed until {}",
                link.until
            ),
        ));
        format!("the customer clicks again in the shop; so that it does not happen again, {CONSTANT}")
    };
    ("gone", steps, advice)
}

/// What nothing is remembered of; its name tells when it was made.
fn unknown(entry: &ZenCart, name: &str, kept: Option<&Kept>, lies: bool) -> Told {
    let list = "`cloakroom stub list` tells what lies there".to_owned();
    let Some(kept) = kept else {
        return ("unknown", vec![step(false, "its directory was not looked at yet")], list);
    };
    if let Some(fault) = &kept.fault {
        return ("unknown", vec![step(false, format!("its directory is not looked after now: {fault}"))], "mend that".to_owned());
    }
    let Some(told) = Name::parse(name) else {
        return ("unknown", vec![step(false, "nothing of this name was seen there")], list);
    };
    if lies {
        return ("there", vec![step(true, "it lies there, and was not looked at yet: that takes less than a second")], list);
    }
    let now = clock::now();
    let made = told.made(now, now);
    let steps = vec![
        step(true, format!("it is named as Zen Cart's links are; this one was made {made}, as its name says")),
        step(false, format!("it does not lie in {} now, and when it went is not remembered", entry.path.display())),
    ];
    let advice = "the customer clicks again in the shop, which makes another one".to_owned();
    ("gone", steps, advice)
}

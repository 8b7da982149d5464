//! Zen Cart's own `pub/` and its links, as they are shown.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock;
use crate::config::ZenCart;
use crate::domain::path::percent_encode;
use crate::domain::zen_cart::Rule;
use crate::public::shown;
use crate::service::site::Site;
use crate::service::zen_cart::{Kept, Lost, Seen};
use crate::store::LIST_MAX;

/// A look at Zen Cart's links is waited for so long; what is told then is what was seen before.
const PATIENCE: Duration = Duration::from_secs(30);

/// One `[[zen_cart]]`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ZenCartView {
    /// The directory.
    pub path: String,
    /// Where the web server serves it, where that is configured.
    pub url: Option<String>,
    /// How long a link stays after it was made or last used.
    pub keep_seconds: u64,
    /// Whether the daemon has looked at it since its start.
    pub looked: bool,
    /// What is wrong with it, and what to do; nothing is removed there before that is mended.
    pub fault: Option<String>,
    /// How many links lie there.
    pub links_total: usize,
    /// The time of so many of them is over.
    pub over_total: usize,
    /// So many a sweep took away that was asked for; in other answers none.
    pub swept_total: usize,
    /// The first of them to go, at most 1000.
    pub links: Vec<ZenCartLinkView>,
    /// How many names in it are no links of Zen Cart's. They stay.
    pub foreign_total: usize,
    /// The first of these.
    pub foreign: Vec<String>,
    /// How many links others took away before their time, since the daemon was started.
    pub lost_total: usize,
    /// When that was noticed last.
    pub lost_at: Option<String>,
}

/// One of Zen Cart's links.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ZenCartLinkView {
    /// The name of its directory.
    pub name: String,
    /// Where it lies.
    pub path: String,
    /// Where customers find it; with the file's name behind it.
    pub url: Option<String>,
    /// What it leads to; nothing while it is being made.
    pub targets: Vec<String>,
    /// When it was made.
    pub made: String,
    /// Until when it stays, as far as is known now.
    pub until: String,
    /// Which rule keeps it: made, asked, read, left or end.
    pub by: String,
    /// When that was: the end of the last request, or when the last reader was done.
    pub used: Option<String>,
    /// The rule, in a sentence.
    pub why: String,
    /// Why it could not be taken away when its time was over, and what to do.
    pub not_removed: Option<String>,
}

/// All of them.
pub(super) fn views(site: &Site) -> Vec<ZenCartView> {
    site.configuration.zen_carts.iter().map(|entry| ZenCartView::of(entry, site.zen_carts.kept(&entry.path))).collect()
}

/// All of them, once they were looked at and what is over is taken away.
pub(super) async fn swept(site: &Site) -> Vec<ZenCartView> {
    let removed = |entry: &ZenCart| site.zen_carts.kept(&entry.path).map_or(0, |kept| kept.removed);
    let before: Vec<usize> = site.configuration.zen_carts.iter().map(removed).collect();
    site.zen_carts.look_now(PATIENCE).await;
    let mut views = views(site);
    for ((entry, view), before) in site.configuration.zen_carts.iter().zip(&mut views).zip(before) {
        view.swept_total = removed(entry).saturating_sub(before);
    }
    views
}

impl ZenCartView {
    fn of(entry: &ZenCart, kept: Option<Kept>) -> Self {
        let looked = kept.is_some();
        let (fault, links, foreign, lost) = kept.map_or_else(Default::default, |kept| (kept.fault, kept.links, kept.foreign, kept.lost));
        let now = clock::now();
        Self {
            path: entry.path.display().to_string(),
            url: entry.url.as_ref().map(|url| format!("{}{}", url.origin, url.path)),
            keep_seconds: entry.keep.seconds(),
            looked,
            fault,
            links_total: links.len(),
            over_total: links.iter().filter(|link| link.until <= now).count(),
            swept_total: 0,
            links: links.iter().take(LIST_MAX).map(|link| ZenCartLinkView::of(entry, link)).collect(),
            foreign_total: foreign.total,
            foreign: foreign.first.iter().map(|name| shown(name)).collect(),
            lost_total: lost.map_or(0, |lost: Lost| lost.total),
            lost_at: lost.map(|lost| lost.at.to_string()),
        }
    }
}

impl ZenCartLinkView {
    fn of(entry: &ZenCart, link: &Seen) -> Self {
        let Seen { name, targets, made, until, by, not_removed } = link;
        Self {
            name: name.clone(),
            path: entry.path.join(name).display().to_string(),
            url: entry.url.as_ref().map(|url| format!("{}{}{}/", url.origin, url.path, percent_encode(name, b""))),
            targets: targets.iter().map(|target| target.display().to_string()).collect(),
            made: made.to_string(),
            until: until.to_string(),
            by: by.word().to_owned(),
            used: match by {
                Rule::Asked(at) | Rule::Left(at) => Some(at.to_string()),
                Rule::Made | Rule::Read | Rule::End => None,
            },
            why: by.sentence(),
            not_removed: not_removed.clone(),
        }
    }
}

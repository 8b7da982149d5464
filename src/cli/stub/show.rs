//! What lies in public, as text.

use super::super::paragraph::paragraph;
use super::super::terminal::{self, Column, Signs};
use super::super::when::ago;
use super::zen_cart;
use crate::api::{DirectoryView, PlacedView, PublicPage, SweepView};
use crate::domain::moment::Moment;

/// So many foreign names, and so many that could not be removed, are shown; `--json` has more.
const SHOWN_MAX: usize = 10;

/// A page of the list, as it was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page<'p> {
    /// What the daemon said.
    pub(super) answer: &'p PublicPage,
    /// Whether there is one before it.
    pub(super) is_later: bool,
    /// The command that shows the next one, without the place.
    pub(super) more: &'p str,
    /// How many of each were asked for.
    pub(super) most: usize,
}

/// The page as text.
pub(super) fn list(page: &Page<'_>, now: Moment, wide: Option<usize>, signs: Signs) -> String {
    let Page { answer: PublicPage { directories, placed, next, zen_carts }, is_later, more, most } = page;
    let mut blocks = Vec::new();
    if directories.is_empty() && placed.is_empty() && !zen_carts.is_empty() {
        return zen_cart::blocks(zen_carts, *most, now, wide, signs).join("\n\n");
    }
    if directories.is_empty() && placed.is_empty() {
        return paragraph(
            "",
            "nothing lies in public, and there is no [[directory]] in the configuration: it names one, and `stub` or `copy` in a [[storage]] says what is placed there",
        );
    }
    blocks.push(if placed.is_empty() {
        if *is_later {
            "no more of it"
        } else {
            "nothing of ours lies in public: a stub comes with a click on a link, a copy with its grant"
        }
        .to_owned()
    } else {
        table(placed, directories.len() > 1, now, wide, signs)
    });
    let missing = placed.iter().filter(|one| one.there == Some(false) && one.state != "going").count() as u64;
    if missing > 0 {
        let what = terminal::counted(missing, "was taken away by others: it is", "were taken away by others: they are");
        blocks.push(format!("{what} made again, a stub when its link is clicked, a copy at once"));
    }
    blocks.extend(not_made(placed));
    blocks.extend(not_removed(placed));
    blocks.extend(directories.iter().filter_map(directory));
    if let Some(next) = next {
        blocks.push(format!("more of it: {more}{next}"));
    }
    blocks.extend(zen_cart::blocks(zen_carts, *most, now, wide, signs));
    blocks.join("\n\n")
}

/// Where a table is whole, without cutting ids; in a narrower one a file is its name alone, without its directories.
const WITH_DELIVERY: usize = 150;

/// In a narrower terminal a name in public would be cut to what says nothing.
const WITH_NAME: usize = 110;

/// In a narrower terminal customers and files would be.
const WITH_DIRECTORY: usize = 100;

fn table(placed: &[PlacedView], with_directory: bool, now: Moment, wide: Option<usize>, signs: Signs) -> String {
    let with_delivery = wide.is_none_or(|wide| wide >= WITH_DELIVERY);
    let with_name = wide.is_none_or(|wide| wide >= WITH_NAME);
    let hides_directory = with_directory && wide.is_some_and(|wide| wide < WITH_DIRECTORY);
    let with_directory = with_directory && !hides_directory;
    let mut columns =
        vec![Column::Text("why"), Column::Text("until"), Column::Long("customer"), Column::Long("file"), Column::Text("grant")];
    if with_name {
        columns.insert(0, Column::Long("in public"));
    }
    if with_directory {
        columns.insert(0, Column::Text("directory"));
    }
    if with_delivery {
        columns.push(Column::Text("delivery"));
    }
    let row = |one: &PlacedView| {
        let until = one.until.as_ref().map_or_else(|| "-".to_owned(), |until| ago(until, now));
        let customer = if one.customer.is_empty() { "-".to_owned() } else { one.customer.clone() };
        let file = if with_delivery { one.file.as_str() } else { one.file.rsplit('/').next().unwrap_or_default() };
        let mut cells = vec![state(one).to_owned(), until, customer, file.to_owned(), one.grant_id.clone()];
        if with_name {
            cells.insert(0, one.name.clone());
        }
        if with_directory {
            cells.insert(0, one.directory.clone());
        }
        if with_delivery {
            cells.push(one.delivery_id.clone().unwrap_or_else(|| "-".to_owned()));
        }
        cells
    };
    let rows: Vec<Vec<String>> = placed.iter().map(row).collect();
    let table = terminal::table_within(&columns, &rows, wide, signs).trim_end().to_owned();
    let mut blocks = vec![table];
    blocks.extend(legend(placed));
    if !with_name {
        let hidden = if hides_directory { "directories and names in public" } else { "the names in public" };
        blocks.push(paragraph("", &format!("in a wider terminal, or in a pipe, {hidden} are shown, too")));
    }
    blocks.join("\n\n")
}

/// What the words of the states mean, of those that are shown.
fn legend(placed: &[PlacedView]) -> Option<String> {
    let shown = |state: &str| placed.iter().any(|one| self::state(one) == state);
    let words = [
        ("open", "the download runs, or can be gone on with"),
        ("grace", "the download is over, and its client can ask for parts of the file again"),
        ("sold", "a copy, which stays as long as its grant"),
        ("preparing", "a copy that is being made"),
    ];
    let said: Vec<String> = words.iter().filter(|(state, _)| shown(state)).map(|(state, means)| format!("{state}: {means}")).collect();
    (!said.is_empty()).then(|| paragraph("", &said.join("; ")))
}

/// Why it is there, in a word or three.
fn state(one: &PlacedView) -> &str {
    match (one.state.as_str(), &one.not_removed, one.there) {
        ("going", Some(_), _) => "not removed",
        ("preparing", ..) if one.not_made.is_some() => "not made",
        ("open" | "grace" | "sold", _, Some(false)) => "taken away",
        ("due", ..) => "goes now",
        ("going", ..) => "going",
        (state, ..) => state,
    }
}

/// Copies that could not be made, and why: each reason once.
fn not_made(placed: &[PlacedView]) -> Option<String> {
    let mut whys: Vec<(&str, &PlacedView, u64)> = Vec::new();
    for one in placed {
        let Some(why) = one.not_made.as_deref() else { continue };
        match whys.iter_mut().find(|(known, ..)| *known == why) {
            Some((_, _, number)) => *number += 1,
            None => whys.push((why, one, 1)),
        }
    }
    if whys.is_empty() {
        return None;
    }
    let mut lines = vec!["not made, and tried again; customers who click get 503:".to_owned()];
    lines.extend(whys.iter().take(SHOWN_MAX).map(|(why, one, number)| {
        let number = terminal::counted(*number, "copy", "copies");
        paragraph("  ", &format!("{number}: {}; `cloakroom explain {}` tells what mends it", terminal::visible(why), one.name))
    }));
    lines.extend(rest(whys.len()));
    Some(lines.join("\n"))
}

/// What could not be removed, and why.
fn not_removed(placed: &[PlacedView]) -> Option<String> {
    let failed: Vec<&PlacedView> = placed.iter().filter(|one| one.not_removed.is_some()).collect();
    if failed.is_empty() {
        return None;
    }
    let mut lines = vec!["not removed, and tried again:".to_owned()];
    lines.extend(failed.iter().take(SHOWN_MAX).map(|one| {
        let why = one.not_removed.as_deref().unwrap_or_default();
        format!("  {}: {}", terminal::visible(&one.path), terminal::visible(why))
    }));
    lines.extend(rest(failed.len()));
    Some(lines.join("\n"))
}

/// What there is to say of a directory: a fault, and what is not ours.
fn directory(one: &DirectoryView) -> Option<String> {
    let DirectoryView { name, path, fault, foreign_total, foreign, .. } = one;
    if let Some(fault) = fault {
        return Some(paragraph("", &format!("directory {name}: {path} {fault}")));
    }
    let total = foreign_total.filter(|total| *total > 0)?;
    let head = terminal::counted(total as u64, "name that is not ours; it is", "names that are not ours; they are");
    let mut lines = vec![format!("directory {name}: {head} never removed:")];
    lines.extend(foreign.iter().take(SHOWN_MAX).map(|one| {
        let note = if one.note.is_empty() { String::new() } else { format!(": {}", one.note) };
        format!("  {}, {}{note}", terminal::visible(&format!("{}/{}", path.trim_end_matches('/'), one.name)), one.kind)
    }));
    lines.extend(rest(total));
    Some(lines.join("\n"))
}

fn rest(total: usize) -> Option<String> {
    let more = total.saturating_sub(SHOWN_MAX);
    (more > 0).then(|| format!("  and {} more", terminal::grouped(more as u64)))
}

/// What a sweep did, or would do.
pub(super) fn swept(view: &SweepView, now: Moment, wide: Option<usize>, signs: Signs) -> String {
    let SweepView { dry_run, swept, swept_total, staying, directories, zen_carts: _ } = view;
    let mut blocks = Vec::new();
    let (gone, failed): (Vec<&PlacedView>, Vec<&PlacedView>) = swept.iter().partition(|one| *dry_run || one.state == "gone");
    let number = swept_total.saturating_sub(failed.len()) as u64;
    blocks.push(match (dry_run, number) {
        (true, 0) => "nothing would be taken away".to_owned(),
        (true, _) => format!("{} would be taken away:", terminal::counted(number, "name", "names")),
        (false, 0) => "nothing had to go".to_owned(),
        (false, _) => format!("{} taken away:", terminal::counted(number, "name", "names")),
    });
    if !gone.is_empty() {
        let columns = [Column::Text("in public"), Column::Long("customer"), Column::Long("file"), Column::Text("why")];
        let row = |one: &&PlacedView| {
            let why = if *dry_run { one.why.clone() } else { "gone".to_owned() };
            vec![one.name.clone(), one.customer.clone(), one.file.clone(), why]
        };
        let rows: Vec<Vec<String>> = gone.iter().take(wide.map_or(usize::MAX, |_| SHOWN_MAX)).map(row).collect();
        let shown = rows.len();
        let mut text = terminal::table_within(&columns, &rows, wide, signs).trim_end().to_owned();
        let more = number.saturating_sub(shown as u64);
        if more > 0 {
            text.extend(["\nand ", &terminal::grouped(more), " more"]);
        }
        blocks.push(text);
    }
    blocks.extend(not_removed(swept));
    if *staying > 0 {
        let stays = terminal::counted(*staying as u64, "name stays: its download or grant is", "names stay: their downloads or grants are");
        blocks.push(format!("{stays} open, or can be gone on with"));
    }
    blocks.extend(directories.iter().filter_map(directory));
    blocks.extend(zen_cart::swept(view, now));
    blocks.join("\n\n")
}

//! Zen Cart's own links, as text.

use std::path::Path;

use super::super::paragraph::paragraph;
use super::super::terminal::{self, Column, Signs};
use super::super::when::{ago, moment};
use crate::api::{SweepView, ZenCartLinkView, ZenCartView};
use crate::domain::moment::Moment;

/// So many names that are no links are shown.
const NAMES_MAX: usize = 5;

/// In a narrower terminal only the name of the file that a link leads to is shown, without its directories.
const WITH_PATH: usize = 110;

/// All of them, one block each; at most `limit` links.
pub(super) fn blocks(all: &[ZenCartView], limit: usize, now: Moment, wide: Option<usize>, signs: Signs) -> Vec<String> {
    all.iter().map(|one| block(one, limit, now, wide, signs)).collect()
}

fn block(one: &ZenCartView, limit: usize, now: Moment, wide: Option<usize>, signs: Signs) -> String {
    let ZenCartView { links_total, links, .. } = one;
    let mut lines = vec![head(one)];
    let shown = links.get(..limit.min(links.len())).unwrap_or_default();
    if !shown.is_empty() {
        lines.push(table(shown, now, wide, signs));
    }
    let more = links_total.saturating_sub(shown.len());
    if more > 0 {
        lines.push(format!("and {} more", terminal::grouped(more as u64)));
    }
    lines.extend(said(one, now));
    let foreign = one.foreign.iter().take(NAMES_MAX).map(|name| terminal::visible(name)).collect::<Vec<_>>().join(", ");
    let others = one.foreign_total.saturating_sub(NAMES_MAX);
    if one.foreign_total > 0 {
        let more = if others == 0 { String::new() } else { format!(" and {} more", terminal::grouped(others as u64)) };
        lines.push(paragraph("  ", &format!("not links of Zen Cart's, these stay: {foreign}{more}")));
    }
    lines.join("\n")
}

fn head(one: &ZenCartView) -> String {
    let path = terminal::visible(&one.path);
    match (one.looked, one.links_total) {
        (false, _) => format!("Zen Cart's links in {path}: not looked at yet"),
        (true, 0) if one.fault.is_some() => format!("Zen Cart's links in {path}: they are not looked after"),
        (true, 0) => format!("Zen Cart's links in {path}: none lies there now"),
        (true, number) => {
            format!("Zen Cart's links in {path}: {}, those that go first first", terminal::counted(number as u64, "link", "links"))
        }
    }
}

/// What is wrong, and who takes links away besides.
fn said(one: &ZenCartView, now: Moment) -> Vec<String> {
    let mut said = Vec::new();
    if let Some(fault) = &one.fault {
        said.push(paragraph("  ", &format!("not looked after, and tried again: {}", terminal::visible(fault))));
    }
    if let (1.., Some(at)) = (one.lost_total, &one.lost_at) {
        let number = terminal::counted(
            one.lost_total as u64,
            "link was taken away before its time by others",
            "links were taken away before their time by others",
        );
        said.push(paragraph(
            "  ",
            &format!(
                "{number}, the last {}: Zen Cart's own clean-up mostly. Define \
                 SYMLINK_GARBAGE_COLLECTION_THRESHOLD in the shop, as conf-examples/zencart/README.md tells",
                ago(at, now)
            ),
        ));
    }
    said
}

fn table(links: &[ZenCartLinkView], now: Moment, wide: Option<usize>, signs: Signs) -> String {
    let columns = [Column::Text("link"), Column::Text("until"), Column::Text("kept since it was"), Column::Long("leads to")];
    let with_path = wide.is_none_or(|wide| wide >= WITH_PATH);
    let row = |link: &ZenCartLinkView| {
        let target = link.targets.first().map_or("-", String::as_str);
        let name = Path::new(target).file_name().map_or_else(|| target.to_owned(), |name| name.to_string_lossy().into_owned());
        let target = if with_path { target.to_owned() } else { name };
        vec![link.name.clone(), until(link, now), kept(link, now), target]
    };
    let rows: Vec<Vec<String>> = links.iter().map(row).collect();
    terminal::table_within(&columns, &rows, wide, signs).trim_end().to_owned()
}

fn until(link: &ZenCartLinkView, now: Moment) -> String {
    if link.not_removed.is_some() {
        return "not removed".to_owned();
    }
    if is_over(link, now) { "goes now".to_owned() } else { ago(&link.until, now) }
}

fn is_over(link: &ZenCartLinkView, now: Moment) -> bool {
    moment(&link.until).is_some_and(|until| until <= now)
}

/// The rule that keeps it, in two or three words.
fn kept(link: &ZenCartLinkView, now: Moment) -> String {
    let used = || link.used.as_deref().map_or_else(String::new, |used| ago(used, now));
    match link.by.as_str() {
        "asked" => format!("asked for {}", used()),
        "left" => format!("read {}", used()),
        "read" => "being read now".to_owned(),
        "end" => "7 days at most".to_owned(),
        _ => format!("made {}", ago(&link.made, now)),
    }
}

/// What a sweep did with them, or would do.
pub(super) fn swept(view: &SweepView, now: Moment) -> Vec<String> {
    let one = |one: &ZenCartView| {
        let (over, gone) = (one.over_total, one.swept_total);
        let staying = one.links_total.saturating_sub(over);
        let taken = terminal::counted(gone as u64, "was taken away", "were taken away");
        let left = format!("{} could not be taken away, or just {}", terminal::grouped(over as u64), if over == 1 { "goes" } else { "go" });
        let goes = match (view.dry_run, over, gone) {
            (true, 0, _) => "none has to go".to_owned(),
            (true, over, _) => format!("{} would be taken away", terminal::grouped(over as u64)),
            (false, 0, 0) => "none had to go".to_owned(),
            (false, 0, _) => taken,
            (false, _, 0) => left,
            (false, ..) => format!("{taken}, {left}"),
        };
        let next = one.links.iter().find(|link| !is_over(link, now)).map(|link| ago(&link.until, now));
        let stays = match (staying, next) {
            (0, _) => "none stays".to_owned(),
            (staying, next) => {
                let next = next.map_or_else(String::new, |next| format!(", the next goes {next}"));
                format!("{}{next}", terminal::counted(staying as u64, "stays", "stay"))
            }
        };
        let mut lines = vec![if one.links_total + gone == 0 {
            head(one)
        } else {
            format!("Zen Cart's links in {}: {goes}; {stays}", terminal::visible(&one.path))
        }];
        let named = one.links.iter().filter(|link| is_over(link, now)).take(NAMES_MAX);
        let target = |link: &ZenCartLinkView| link.targets.first().map_or_else(|| "nothing".to_owned(), |target| terminal::visible(target));
        lines.extend(named.map(|link| format!("  {}, to {}", terminal::visible(&link.path), target(link))));
        if over > NAMES_MAX {
            lines.push(format!("  and {} more", terminal::grouped((over - NAMES_MAX) as u64)));
        }
        lines.extend(said(one, now));
        lines.join("\n")
    };
    view.zen_carts.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_sweep_says_how_many_it_took_away_and_how_many_more_there_are_than_it_names() {
        let now = Moment::from_seconds(1_900_000_000);
        let told = |dry_run: bool, (links, over, swept): (usize, usize, usize), named: &[i64]| {
            let link = |after: &i64| {
                let until = Moment::from_seconds(now.seconds().saturating_add_signed(*after));
                json!({
                    "name": "a", "path": format!("/pub/{after}"), "url": null, "targets": ["/m/a.zip"], "made": now.to_string(),
                    "until": until.to_string(), "by": "made", "used": null, "why": "", "not_removed": null,
                })
            };
            let one = json!({
                "path": "/pub", "url": null, "keep_seconds": 60, "looked": true, "fault": null, "links_total": links,
                "over_total": over, "swept_total": swept, "links": named.iter().map(link).collect::<Vec<_>>(),
                "foreign_total": 0, "foreign": [], "lost_total": 0, "lost_at": null,
            });
            let view = json!({
                "dry_run": dry_run, "swept": [], "swept_total": 0, "staying": 0, "directories": [], "zen_carts": [one],
            });
            swept_first(&serde_json::from_value(view).unwrap(), now)
        };
        let mut seen = 0;
        for (dry_run, numbers, named, head, lines) in [
            (true, (0, 0, 0), &[][..], ": none lies there now", 1),
            (true, (2, 0, 0), &[3600, 7200], ": none has to go; 2 stay, the next goes in 1 h", 1),
            (true, (1502, 1500, 0), &[-9, -8, -7, -6, -5, -4], ": 1,500 would be taken away; 2 stay", 7),
            (false, (2, 0, 0), &[3600], ": none had to go; 2 stay, the next goes in 1 h", 1),
            (false, (0, 0, 1), &[], ": 1 was taken away; none stays", 1),
            (false, (1, 0, 1200), &[3600], ": 1,200 were taken away; 1 stays, the next goes in 1 h", 1),
            (false, (1, 1, 0), &[-9], ": 1 could not be taken away, or just goes; none stays", 2),
            (false, (2, 2, 3), &[-9, -9], ": 3 were taken away, 2 could not be taken away, or just go; none stays", 3),
        ] {
            let text = told(dry_run, numbers, named);
            assert_eq!((text[0].as_str(), text.len()), (format!("Zen Cart's links in /pub{head}").as_str(), lines), "{text:#?}");
            seen += 1;
            if numbers.1 > NAMES_MAX {
                assert_eq!(text[lines - 1], "  and 1,495 more");
            }
        }
        assert_eq!(seen, 8);
    }

    /// The lines about the first directory.
    fn swept_first(view: &SweepView, now: Moment) -> Vec<String> {
        swept(view, now)[0].lines().map(str::to_owned).collect()
    }
}

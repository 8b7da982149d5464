//! What the checks found, in lines of a terminal.

use serde::Serialize;

use super::finding::{Finding, Mend, Verdict};
use crate::cli::paragraph::paragraph;
use crate::cli::terminal::{counted, visible};

/// Findings under one heading.
#[derive(Debug, Serialize)]
pub(super) struct Part {
    /// What was looked at.
    pub(super) title: String,
    /// In the order of looking.
    pub(super) findings: Vec<Finding>,
}

/// How many of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Summary {
    /// As they should be.
    pub(super) ok: u64,
    /// Not as they should be.
    pub(super) warnings: u64,
    /// Wrong.
    pub(super) faults: u64,
    /// Not looked at.
    pub(super) not_asked: u64,
}

/// The width of the column with the verdict.
const VERDICT_WIDTH: usize = 8;

/// The width of the column with the check's name.
const CHECK_WIDTH: usize = 17;

/// Counts the findings.
pub(super) fn summary(parts: &[Part]) -> Summary {
    let mut summary = Summary::default();
    for finding in parts.iter().flat_map(|part| &part.findings) {
        *match finding.verdict {
            Verdict::Ok => &mut summary.ok,
            Verdict::Warning => &mut summary.warnings,
            Verdict::Fault => &mut summary.faults,
            Verdict::NotAsked => &mut summary.not_asked,
        } += 1;
    }
    summary
}

/// `40 checks: 38 ok, 1 warning, 1 fault`, or that all is well.
pub(super) fn sentence(summary: Summary) -> String {
    let Summary { ok, warnings, faults, not_asked } = summary;
    let unasked = if not_asked == 0 { String::new() } else { format!("; {not_asked} not asked") };
    if warnings == 0 && faults == 0 {
        return format!("all is well: {}{unasked}", counted(ok, "check", "checks"));
    }
    format!("{}, {}, {ok} ok{unasked}", counted(faults, "fault", "faults"), counted(warnings, "warning", "warnings"))
}

/// All of it.
pub(super) fn text(parts: &[Part]) -> String {
    let mut lines = Vec::new();
    for part in parts.iter().filter(|part| !part.findings.is_empty()) {
        lines.push(String::new());
        lines.push(paragraph("", &part.title));
        lines.extend(part.findings.iter().map(entry));
    }
    lines.push(String::new());
    lines.push(sentence(summary(parts)));
    lines.join("\n")
}

/// One line for what is as it should be; for what is not, what was found, what is right, and what to change.
fn entry(finding: &Finding) -> String {
    let verdict = match finding.verdict {
        Verdict::Ok => "ok",
        Verdict::Warning => "WARNING",
        Verdict::Fault => "FAULT",
        Verdict::NotAsked => "-",
    };
    let head = format!("  {verdict:VERDICT_WIDTH$}{:CHECK_WIDTH$}", finding.check);
    let mut lines = vec![paragraph(&head, &finding.says)];
    let indent = " ".repeat(2 + VERDICT_WIDTH);
    let mut row = |label: &str, text: &str, is_copied: bool| {
        let lead = format!("{indent}{label:7}");
        // A line that is copied is not broken: the terminal does that where it must.
        lines.push(if is_copied { format!("{lead}{}", visible(text)) } else { paragraph(&lead, text) });
    };
    if let Some(found) = &finding.found {
        row("found", found, false);
    }
    if let Some(right) = &finding.right {
        row("right", right, false);
    }
    match &finding.mend {
        Some(Mend::Add { line, into }) => {
            line.lines().zip(std::iter::once("add").chain(std::iter::repeat(""))).for_each(|(line, label)| row(label, line, true));
            row("into", into, false);
        }
        Some(Mend::Replace { line, at }) => {
            row("put", line, true);
            row("at", at, true);
        }
        Some(Mend::Move { line, before }) => {
            row("move", line, true);
            row("before", before, true);
        }
        Some(Mend::Remove { at }) => row("remove", at, true),
        Some(Mend::Run { command }) => row("run", command, true),
        None => {}
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_says_what_was_found_what_is_right_and_the_line_to_change() {
        let fault = Finding::fault("internal", "everybody can fetch the files")
            .found("/etc/nginx/a.conf:7: location /x/ { … }")
            .right("only Cloakroom leads here")
            .add("internal;", "/etc/nginx/a.conf:7");
        let text = text(&[Part { title: "Nginx".to_owned(), findings: vec![Finding::ok("upstream", "nginx asks"), fault] }]);
        for words in [
            "  ok      upstream         nginx asks",
            "  FAULT   internal         everybody",
            "found  /etc/nginx/a.conf:7: location",
            "add    internal;",
            "into   /etc/nginx/a.conf:7",
        ] {
            assert!(text.contains(words), "{words}\n{text}");
        }
        assert!(text.ends_with("1 fault, 0 warnings, 1 ok"), "{text}");
    }

    #[test]
    fn all_is_well_only_where_nothing_is_wrong() {
        for (ok, warnings, faults, not_asked, says) in [
            (3, 0, 0, 0, "all is well: 3 checks"),
            (1, 0, 0, 2, "all is well: 1 check; 2 not asked"),
            (0, 1, 0, 0, "0 faults, 1 warning, 0 ok"),
            (9, 0, 2, 1, "2 faults, 0 warnings, 9 ok; 1 not asked"),
        ] {
            assert_eq!(sentence(Summary { ok, warnings, faults, not_asked }), says);
        }
    }
}

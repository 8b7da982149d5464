//! `cloakroom htpasswd lint`: each line, who reads it, and what is wrong with it.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde::Serialize;

use super::super::failure::Failure;
use super::super::paragraph::paragraph;
use super::super::terminal::{Column, table};
use super::super::{Common, say, say_json};
use super::failed;
use crate::auth::htpasswd::bytes;
use crate::proof::htpasswd::file::{self, Line};
use crate::proof::htpasswd::method::{Method, Reads};
use crate::proof::htpasswd::others::{NEITHER, Others};

/// Of more lines that are weak in the same way, only how many there are is said.
const LINES_NAMED_MAX: usize = 8;

/// What stands where it is not known whether a server reads a line.
const UNKNOWN: &str = "-";

/// One line that is neither empty nor a comment.
#[derive(Debug, Serialize)]
struct Seen {
    line: usize,
    user: Option<String>,
    method: Option<&'static str>,
    cost: Option<String>,
    /// Whether the other servers read it; `by crypt` where the C library does. What is not known is not said.
    nginx: Option<&'static str>,
    apache: Option<&'static str>,
    /// What is wrong with it: it cannot be used.
    wrong: Option<String>,
    /// What speaks against it: it can be used.
    weak: Option<&'static str>,
}

pub(super) fn run(common: &Common, path: &Path) -> Result<(), Failure> {
    let bytes = bytes(path).map_err(|fault| failed(&fault))?;
    let seen = look(&bytes);
    let (users, wrong) = (seen.iter().filter(|seen| seen.wrong.is_none()).count(), seen.iter().filter(|seen| seen.wrong.is_some()).count());
    if common.json {
        say_json(&serde_json::json!({ "file": path, "users": users, "wrong": wrong, "lines": seen }))?;
    } else {
        say(text(path, &seen, users, wrong).trim_end())?;
    }
    if wrong == 0 { Ok(()) } else { Err(Failure::failed(format!("{}: {}", path.display(), cannot(wrong)))) }
}

fn cannot(wrong: usize) -> String {
    if wrong == 1 { "1 line cannot be used".to_owned() } else { format!("{wrong} lines cannot be used") }
}

fn look(bytes: &[u8]) -> Vec<Seen> {
    let mut first: HashMap<String, usize> = HashMap::new();
    let mut first_of_nginx: HashSet<&[u8]> = HashSet::new();
    let mut seen = Vec::new();
    for (line, text) in (1..).zip(file::lines(bytes)) {
        let (user, hash, wrong) = match file::read(text) {
            Line::Nothing => continue,
            Line::Entry { user, hash } => (Some(user), Some(hash), None),
            Line::Faulty { user, wrong } => (user, None, Some(wrong)),
        };
        let before = user.and_then(|user| first.get(user)).copied();
        let wrong = before.map(|before| format!("this name stands on line {before} already, and the first counts")).or(wrong);
        if let Some(user) = user {
            first.entry(user.to_owned()).or_insert(line);
        }
        let method = hash.as_ref().filter(|_| before.is_none()).map(|hash| hash.method());
        let mut others = hash.as_ref().map_or_else(|| Others::of_faulty(text), |hash| Others::of(hash.method()));
        // nginx takes a blank before the name as a part of it, and one behind the hash as a part of that. With both the first
        // line of a name counts.
        let bare = text.strip_suffix(b"\r").unwrap_or(text);
        let is_later = !first_of_nginx.insert(bare.split(|byte| *byte == b':').next().unwrap_or_default());
        if is_later || bare.trim_ascii().len() < bare.len() {
            others.nginx = NEITHER.nginx;
        }
        if before.is_some() {
            others.apache = NEITHER.apache;
        }
        seen.push(Seen {
            line,
            user: user.map(str::to_owned),
            method: hash.as_ref().map(|hash| hash.method().word()),
            cost: hash.as_ref().map(|hash| hash.cost()).filter(|cost| !cost.is_empty()),
            nginx: others.nginx.map(Reads::word),
            apache: others.apache.map(Reads::word),
            wrong,
            weak: method.and_then(Method::weakness),
        });
    }
    seen
}

fn text(path: &Path, seen: &[Seen], users: usize, wrong: usize) -> String {
    let columns = [
        Column::Number("line"),
        Column::Text("name"),
        Column::Text("method"),
        Column::Text("cost"),
        Column::Text("nginx"),
        Column::Text("apache"),
    ];
    let dash = || "-".to_owned();
    let row = |seen: &Seen| {
        vec![
            seen.line.to_string(),
            seen.user.clone().unwrap_or_else(dash),
            seen.method.map_or_else(dash, str::to_owned),
            seen.cost.clone().unwrap_or_else(dash),
            seen.nginx.unwrap_or(UNKNOWN).to_owned(),
            seen.apache.unwrap_or(UNKNOWN).to_owned(),
        ]
    };
    let mut blocks = Vec::new();
    if !seen.is_empty() {
        blocks.push(table(&columns, &seen.iter().map(row).collect::<Vec<_>>()).trim_end().to_owned());
    }
    if seen.iter().any(|seen| seen.nginx.is_none() || seen.apache.is_none()) {
        blocks.push(paragraph(
            "",
            &format!("{UNKNOWN} below nginx or apache: whether that server reads the line is not known; try it there"),
        ));
    }
    let said = |seen: &Seen, what: &str| paragraph(&format!("line {}: ", seen.line), what);
    let faults: Vec<String> = seen.iter().filter_map(|seen| Some(said(seen, seen.wrong.as_deref()?))).collect();
    let mut weak: Vec<(&str, Vec<String>)> = Vec::new();
    for (what, line) in seen.iter().filter_map(|seen| Some((seen.weak?, seen.line.to_string()))) {
        match weak.iter_mut().find(|(known, _)| *known == what) {
            Some((_, lines)) => lines.push(line),
            None => weak.push((what, vec![line])),
        }
    }
    if !faults.is_empty() {
        blocks.push(faults.join("\n"));
    }
    if !weak.is_empty() {
        let told = |(what, lines): &(&str, Vec<String>)| {
            let lead = match lines.len() {
                1 => format!("line {}: ", lines.join("")),
                2..=LINES_NAMED_MAX => format!("lines {}: ", lines.join(", ")),
                count => format!("{count} lines: "),
            };
            paragraph(&lead, &format!("weak, {what}"))
        };
        blocks.push(weak.iter().map(told).collect::<Vec<_>>().join("\n"));
    }
    let names = if users == 1 { "1 name".to_owned() } else { format!("{users} names") };
    let rest = if wrong == 0 { String::new() } else { format!("; {}", cannot(wrong)) };
    blocks.push(format!("{}: {names} can log in{rest}", path.display()));
    blocks.join("\n\n")
}

//! The report of the web server: there, read by us, written by nginx, understood, rotated without loss.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use super::accounts::Wish;
use super::finding::{Finding, or_ok};
use super::nginx_conf::matches;
use super::people::People;
use crate::cli::terminal;
use crate::config::{Configuration, Feed};
use crate::dialect::Dialect;
use crate::feed::line::{self, WebServer};

/// So much of the end of the log is read: some hundred lines.
const END_BYTES: u64 = 128 * 1024;

/// A log that nobody rotates is worth a word when it is larger.
const UNROTATED_BYTES_MAX: u64 = 100 * 1024 * 1024;

/// All about the feed. `rotation` is the directory of logrotate.
pub(super) fn look(configuration: &Configuration, people: &People, rotation: &Path) -> Vec<Finding> {
    match &configuration.feed {
        Some(Feed::AccessLog(log)) => {
            let mut found = there(log, people, configuration);
            found.extend(lines(log));
            found.extend(rotated(log, rotation));
            found
        }
        Some(Feed::Syslog { path, .. }) => vec![socket(path, people)],
        Some(Feed::Api) => Vec::new(),
        None if configuration.knows_what_arrived() => Vec::new(),
        None => {
            let warning = Finding::warning("feed", "a download counts when it starts, whether it arrives or not");
            vec![
                warning
                    .found("no [feed] in the configuration")
                    .right("the web server reports what it sent")
                    .add("[feed]\naccess_log = \"/var/log/nginx/cloakroom.log\"", "cloakroom.toml"),
            ]
        }
    }
}

fn there(log: &Path, people: &People, configuration: &Configuration) -> Vec<Finding> {
    let shown = log.display();
    let Ok(found) = fs::metadata(log) else {
        let warning = Finding::warning(
            "feed",
            "nginx has not reported anything yet: it makes the file when it starts or reloads with the shipped locations.conf",
        );
        return vec![
            warning
                .found(format!("no file {shown}"))
                .right("a file that nginx writes and the daemon reads")
                .run("nginx -t && systemctl reload nginx"),
        ];
    };
    let mut wrong = Vec::new();
    if let Some(obstacle) = people.accounts.obstacle(&people.daemon, log, Wish::Read) {
        let fault = Finding::fault("feed", "the daemon cannot read the report: downloads are not seen to arrive");
        let (group, name) = (people.accounts.group_name(std::os::unix::fs::MetadataExt::gid(&found)), &people.daemon.name);
        let fault = fault
            .found(format!("{} has mode {}", obstacle.path.display(), obstacle.shown))
            .right(format!("{name} can read it"))
            .run(format!("usermod -aG {group} {name} && chmod g+r {shown} && systemctl restart cloakroom"));
        wrong.push(people.or_restart(fault, &obstacle));
    }
    // What is rotated is opened anew by the workers of nginx, and by Apache's parent, as root.
    let opens_itself = configuration.web_dialects().any(|dialect| dialect == Dialect::Nginx);
    if let Some((worker, obstacle)) = people
        .worker
        .as_ref()
        .filter(|_| opens_itself)
        .and_then(|worker| Some((worker, people.accounts.obstacle(worker, log, Wish::Write)?)))
    {
        let fault = Finding::fault("feed", "nginx's workers cannot write the report once it was rotated: downloads are not seen to arrive");
        wrong.push(
            fault
                .found(format!("{} has mode {}", obstacle.path.display(), obstacle.shown))
                .right(format!("{} can write it", worker.name))
                .run(format!("chown {} {shown}", worker.name)),
        );
    }
    or_ok("feed", format!("{shown}: {}, read by the daemon", people.accounts.mode_of(&found)), wrong)
}

fn socket(path: &Path, people: &People) -> Finding {
    let shown = path.display();
    if !fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        let warning = Finding::warning("feed", "nobody listens to what nginx reports; the daemon makes the socket when it starts");
        return warning.found(format!("no socket {shown}")).right("the daemon runs").run("systemctl start cloakroom");
    }
    match people.worker.as_ref().and_then(|worker| Some((worker, people.accounts.obstacle(worker, path, Wish::Write)?))) {
        Some((worker, obstacle)) => Finding::fault("feed", "nginx's workers cannot report: downloads are not seen to arrive")
            .found(format!("{} has mode {}", obstacle.path.display(), obstacle.shown))
            .right(format!("{} may write to {shown}", worker.name))
            .run(format!("chgrp {} {}", worker.name, obstacle.path.display())),
        None => Finding::ok("feed", format!("{shown}: nginx may report there")),
    }
}

/// Whether the last lines are of our format.
fn lines(log: &Path) -> Vec<Finding> {
    let Ok(end) = end_of(log) else { return Vec::new() };
    let (mut read, mut first_fault, mut faults) = (0_u64, None, 0_u64);
    // One line of Apache's is enough: nobody else begins so.
    let server = end.split(|byte| *byte == b'\n').map(WebServer::of).find(|server| *server == WebServer::Apache);
    let server = server.unwrap_or(WebServer::Nginx);
    for line in end.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match line::read(line) {
            Ok(_) => read += 1,
            Err(fault) => {
                faults += 1;
                first_fault.get_or_insert_with(|| fault.to_string());
            }
        }
    }
    let Some(fault) = first_fault else {
        let says = if read == 0 {
            "nothing was reported yet".to_owned()
        } else {
            format!("{} at its end, understood", terminal::counted(read, "line", "lines"))
        };
        return vec![Finding::ok("feed-lines", says)];
    };
    let finding = if read == 0 {
        Finding::fault("feed-lines", "no line of the report is understood: downloads are not seen to arrive")
    } else {
        Finding::warning("feed-lines", "some lines of the report are not understood; others write to the same file?")
    };
    let finding = finding.found(format!(
        "{}: {} of the last {}: {fault}",
        log.display(),
        terminal::grouped(faults),
        terminal::counted(read + faults, "line", "lines")
    ));
    let log = log.display();
    vec![match server {
        WebServer::Nginx => {
            finding.right("the log_format `cloakroom` of conf-examples/nginx/cloakroom.conf, and nothing else in this file").add(
                format!("access_log {log} cloakroom if=$upstream_http_cloakroom_delivery;"),
                "the location of the hand-off in nginx's configuration",
            )
        }
        WebServer::Apache => finding
            .right("the LogFormat `cloakroom` of conf-examples/apache/log.conf, and nothing else in this file")
            .add(format!("CustomLog {log} cloakroom \"expr=…\", as log.conf has it"), "the <VirtualHost> of the downloads"),
    }]
}

/// The last lines, from a whole one on, up to the last line end.
fn end_of(log: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(log)?;
    let size = file.metadata()?.len();
    let from = size.saturating_sub(END_BYTES);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(END_BYTES).read_to_end(&mut bytes)?;
    let last = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    bytes.truncate(last);
    let first = if from == 0 { 0 } else { bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1) };
    Ok(bytes.split_off(first.min(bytes.len())))
}

/// How logrotate treats the log.
fn rotated(log: &Path, rotation: &Path) -> Vec<Finding> {
    let path = log.to_string_lossy();
    let entries = fs::read_dir(rotation).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<_> = entries.filter_map(|file| Some((fs::read_to_string(&file).ok()?, file))).collect();
    files.sort();
    for (text, file) in files {
        let Some(block) = blocks(&text).find(|block| block.patterns.iter().any(|pattern| matches(pattern, &path))) else { continue };
        let place = |line: usize| format!("{}:{line}", file.display());
        let head = place(block.line);
        if let Some(line) = block.option("copytruncate") {
            let fault =
                Finding::fault("rotation", "lines that are written while the log is copied are lost: their downloads count as presumed");
            return vec![
                fault
                    .found(format!("{}: copytruncate", place(line)))
                    .right("the file is renamed, and nginx told to open a new one")
                    .remove(place(line)),
            ];
        }
        if let Some(line) = block.option("compress")
            && block.option("delaycompress").is_none()
        {
            let fault = Finding::fault("rotation", "the last lines of a rotated log are compressed before they are read");
            return vec![
                fault
                    .found(format!("{}: compress without delaycompress", place(line)))
                    .right("the file that was just renamed stays as it is")
                    .add("delaycompress", head),
            ];
        }
        return vec![Finding::ok("rotation", format!("{head} rotates the report"))];
    }
    let size = fs::metadata(log).map_or(0, |found| found.len());
    if size < UNROTATED_BYTES_MAX {
        return vec![Finding::ok("rotation", format!("nobody rotates the report; it has {}", terminal::bytes(size)))];
    }
    let warning = Finding::warning("rotation", "nobody rotates the report, and it fills the disk");
    vec![
        warning.found(format!("{path} has {}", terminal::bytes(size))).right("logrotate, with delaycompress and without copytruncate").add(
            format!("{path} {{ weekly rotate 8 compress delaycompress missingok create 0640 www-data adm sharedscripts postrotate … }}"),
            rotation.join("cloakroom").display().to_string(),
        ),
    ]
}

/// One block of logrotate's configuration.
struct Block<'a> {
    patterns: Vec<&'a str>,
    line: usize,
    options: Vec<(usize, &'a str)>,
}

impl Block<'_> {
    fn option(&self, name: &str) -> Option<usize> {
        self.options.iter().find(|(_, option)| *option == name).map(|(line, _)| *line)
    }
}

/// The blocks of a file: paths before a `{`, options up to the `}`, which stands on a line of its own.
fn blocks(text: &str) -> impl Iterator<Item = Block<'_>> {
    let mut patterns = Vec::new();
    let mut open: Option<Block<'_>> = None;
    text.lines().zip(1..).filter_map(move |(line, number)| {
        let line = line.trim();
        if line.starts_with('#') {
            return None;
        }
        if line == "}" {
            return open.take();
        }
        if let Some(block) = open.as_mut() {
            block.options.extend(line.split_whitespace().next().map(|option| (number, option)));
            return None;
        }
        let (paths, opens) = line.split_once('{').map_or((line, false), |(paths, _)| (paths, true));
        patterns.extend(paths.split_whitespace().map(|path| path.trim_matches('"')).filter(|path| path.starts_with('/')));
        if opens {
            open = Some(Block { patterns: std::mem::take(&mut patterns), line: number, options: Vec::new() });
        } else if !line.is_empty() && !line.starts_with('/') && !line.starts_with('"') {
            patterns.clear();
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_of_logrotate_is_found_with_the_lines_of_its_options() {
        let text =
            "weekly\n/var/log/a.log\n/var/log/nginx/*.log {\n\tdaily\n\t# copytruncate\n\tcompress\n}\n\"/b\" {\n  copytruncate\n}\n";
        let all: Vec<_> = blocks(text).collect();
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].patterns.as_slice(), all[0].line), (&["/var/log/a.log", "/var/log/nginx/*.log"][..], 3));
        assert_eq!((all[0].option("compress"), all[0].option("copytruncate"), all[1].option("copytruncate")), (Some(6), None, Some(9)));
        assert_eq!(blocks("}\n{\n{\n}\n").count(), 1);
    }
}

//! Apache's configuration: read from the files themselves; then looked at.

use std::fs;
use std::io::{Error, ErrorKind};
use std::path::Path;

use super::apache_conf::{Tree, read};
use super::apache_guarded::Htaccess;
use super::apache_site::ApacheSite;
use super::finding::Finding;
use super::nginx::{NoConf, paths, text_of};
use super::{apache_around, apache_asking};
use crate::cli::setup::MadeBy;
use crate::config::{Configuration, Serve};
use crate::dialect::Dialect;

/// Where distributions have the main file.
const MAIN: [&str; 2] = ["/etc/apache2/apache2.conf", "/etc/httpd/conf/httpd.conf"];

/// Whether any listener is for Apache.
pub(super) fn is_expected(configuration: &Configuration) -> bool {
    configuration.listeners.iter().any(|listener| matches!(listener.serve, Serve::Web(Dialect::Apache(_))))
}

/// Reads the configuration whose main file is `file`, or that of the machine.
pub(super) fn conf(file: Option<&Path>) -> Result<Tree, NoConf> {
    let not_asked = |why: &str| {
        NoConf::NotAsked(format!(
            "Apache's configuration was not read: {why}; run this as root, or name its main file with --apache-conf FILE"
        ))
    };
    let there = file.or_else(|| MAIN.iter().map(Path::new).find(|path| path.exists()));
    let Some(path) = there else { return Err(not_asked(&format!("there is no {}", MAIN.join(" and no ")))) };
    let path = &std::path::absolute(path).map_err(|error| NoConf::Unread(format!("{}: {error}", path.display())))?;
    let text = text_of(path).map_err(|error| match file {
        Some(_) => NoConf::Unread(format!("{}: {error}", path.display())),
        None => not_asked(&format!("{}: {error}", path.display())),
    })?;
    let environment =
        path.parent().and_then(|directory| text_of(&directory.join("envvars")).ok()).map_or_else(Vec::new, |text| exported(&text));
    let name = path.to_string_lossy().into_owned();
    let mut included = Included { texts: Vec::new(), unread: Vec::new() };
    let tree = read(&name, &text, &environment, &mut |pattern| {
        for path in paths(Path::new(pattern), &mut |path, error| included.failed(path, error)) {
            included.take(&path, 0);
        }
        std::mem::take(&mut included.texts)
    });
    tree.map(|tree| Tree { unread: included.unread, ..tree }).map_err(NoConf::Unread)
}

/// Directories within each other that are read.
const DEPTH_MAX: usize = 20;

/// What is included.
struct Included {
    /// By name, what is in the files.
    texts: Vec<(String, String)>,
    /// What is there and cannot be read, and why.
    unread: Vec<String>,
}

impl Included {
    /// Takes a file; of a directory all files in it, hidden ones too, as Apache does.
    fn take(&mut self, path: &Path, depth: usize) {
        if !path.is_dir() || depth > DEPTH_MAX {
            return match text_of(path) {
                Ok(text) => self.texts.push((path.to_string_lossy().into_owned(), text)),
                Err(error) => self.failed(path, &error),
            };
        }
        match fs::read_dir(path) {
            Ok(entries) => {
                let mut all: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
                all.sort();
                for path in all {
                    self.take(&path, depth + 1);
                }
            }
            Err(error) => self.failed(path, &error),
        }
    }

    /// What is not there is nothing that was not read.
    fn failed(&mut self, path: &Path, error: &Error) {
        let told = format!("{}: {error}", path.display());
        if !is_absent(error) && !self.unread.contains(&told) {
            self.unread.push(told);
        }
    }
}

fn is_absent(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// What Debian's `envvars` says of variables, for an Apache of which there is one.
fn exported(text: &str) -> Vec<(String, String)> {
    let line = |line: &str| {
        let (name, value) = line.trim().strip_prefix("export ")?.split_once('=')?;
        let value = value.replace("$SUFFIX", "");
        Some((name.to_owned(), value.trim_matches(['"', '\'']).to_owned()))
    };
    text.lines().filter_map(line).collect()
}

/// Everything about a configuration that was read; where its files do not say what made them, it is as `usual`.
pub(super) fn look(tree: &Tree, configuration: &Configuration, usual: &MadeBy) -> Vec<Finding> {
    let mut found = Vec::new();
    if !tree.unread.is_empty() {
        let files = tree.unread.join("; ");
        found.push(Finding::not_asked(
            "apache-conf",
            format!("what Apache reads in these files is not known, and what is said below holds without it; run this as root: {files}"),
        ));
    }
    if apache_asking::knows_us(tree, configuration) {
        let site = ApacheSite::of(tree, configuration, usual);
        found.extend(apache_asking::look(&site, configuration));
        found.extend(apache_around::look(&site, configuration, &htaccess));
    } else if tree.unread.is_empty() {
        let warning = Finding::warning("included", "this Apache has nothing to do with Cloakroom: the web server asks nobody");
        found.push(
            warning
                .found(format!("{} and its files name neither a provider `cloakroom` nor a listener", tree.main))
                .right("conf-examples/apache/README.md, steps 4 to 7; another Apache is named with --apache-conf FILE")
                .run(usual.command.trim_end_matches(" --force")),
        );
    }
    found
}

/// The `.htaccess` of a directory.
fn htaccess(directory: &Path) -> Htaccess {
    match text_of(&directory.join(".htaccess")) {
        Ok(text) => Htaccess::Says(text),
        Err(error) if is_absent(&error) => Htaccess::Absent,
        Err(_) => Htaccess::Unread,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_debian_are_read_without_their_suffix() {
        let text = "unset HOME\nexport APACHE_RUN_USER=www-data\nexport APACHE_LOG_DIR=/var/log/apache2$SUFFIX\n## x=y\n";
        let expected = [("APACHE_RUN_USER", "www-data"), ("APACHE_LOG_DIR", "/var/log/apache2")];
        assert_eq!(exported(text), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}

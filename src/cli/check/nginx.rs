//! Nginx's configuration: read from `nginx -T`, from its output in a file, or from the files themselves; then looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{Error, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::finding::Finding;
use super::nginx_conf::{Directive, files_of_dump, matches, read};
use super::nginx_site::NginxSite;
use super::{nginx_around, nginx_asking, nginx_handoff, nginx_shown, public_nginx};
use crate::config::{Configuration, Serve};
use crate::dialect::Dialect;

/// No configuration is longer: those of large hosters have some megabytes.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

/// `nginx -T` looks names up, which may take its time.
const PATIENCE: Duration = Duration::from_secs(30);

/// A configuration that was read.
#[derive(Debug)]
pub(super) struct Conf {
    /// The main file.
    pub(super) main: String,
    /// How many files there are.
    pub(super) files: usize,
    /// What is in them.
    pub(super) tree: Vec<Directive>,
}

/// Why there is none.
#[derive(Debug)]
pub(super) enum NoConf {
    /// It was not asked for, or nobody may ask.
    NotAsked(String),
    /// It is there and cannot be read.
    Unread(String),
}

/// Reads the configuration that `file` names: the main file, or what `nginx -T` printed; without one, asks `nginx -T`.
pub(super) fn conf(file: Option<&Path>) -> Result<Conf, NoConf> {
    let Some(path) = file else { return of_dump(&ask()?, None) };
    let text = text_of(path).map_err(|error| NoConf::Unread(format!("{}: {error}", path.display())))?;
    if files_of_dump(&text).is_some() {
        return of_dump(&text, Some(path));
    }
    let path = path.canonicalize().map_err(|error| NoConf::Unread(format!("{}: {error}", path.display())))?;
    let name = path.to_string_lossy().into_owned();
    let mut files = BTreeSet::from([name.clone()]);
    let tree = read(&name, &text, &mut |pattern| {
        let found = on_disk(Path::new(pattern));
        files.extend(found.iter().map(|(name, _)| name.clone()));
        found
    });
    let tree = tree.map_err(|unread| NoConf::Unread(unread.to_string()))?;
    Ok(Conf { main: name, files: files.len(), tree })
}

fn of_dump(dump: &str, from: Option<&Path>) -> Result<Conf, NoConf> {
    let said = || from.map_or_else(|| "nginx -T".to_owned(), |path| path.display().to_string());
    let all = files_of_dump(dump).ok_or_else(|| NoConf::Unread(format!("{}: this is no configuration of nginx", said())))?;
    let Some((main, text)) = all.first().cloned() else { return Err(NoConf::Unread(said())) };
    let files = all.len();
    let by_name: BTreeMap<String, String> = all.into_iter().collect();
    let mut including = |pattern: &str| {
        by_name.iter().filter(|(name, _)| matches(pattern, name)).map(|(name, text)| (name.clone(), text.clone())).collect()
    };
    let tree = read(&main, &text, &mut including).map_err(|unread| NoConf::Unread(unread.to_string()))?;
    Ok(Conf { main, files, tree })
}

/// What `nginx -T` prints.
fn ask() -> Result<String, NoConf> {
    let not_asked = |why: &str| {
        NoConf::NotAsked(format!("nginx's configuration was not read: {why}; run this as root, or name it with --nginx-conf FILE"))
    };
    let mut command = Command::new("nginx");
    command.arg("-T").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| not_asked(&format!("`nginx -T` does not start: {error}")))?;
    let (said, complained) = (child.stdout.take().map(all_of), child.stderr.take().map(all_of));
    let said = said.and_then(|said| said.recv_timeout(PATIENCE).ok());
    if said.is_none() {
        // It ended by itself a moment ago, or ends now.
        let _ = child.kill();
    }
    let ended = child.wait().map_err(|error| not_asked(&error.to_string()))?;
    match said {
        Some(bytes) if ended.success() => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Some(_) => {
            let complained = complained.and_then(|complained| complained.recv_timeout(PATIENCE).ok()).unwrap_or_default();
            let words = String::from_utf8_lossy(&complained).into_owned();
            let line =
                words.lines().find(|line| line.contains("[emerg]")).or_else(|| words.lines().next()).unwrap_or("it ends with a fault");
            Err(not_asked(&format!("`nginx -T`: {line}")))
        }
        None => Err(not_asked("`nginx -T` does not end")),
    }
}

/// All that comes from a pipe, read beside whoever waits for it.
fn all_of(pipe: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (sender, all) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What breaks off is no configuration, and is found to be none. Nobody hears it once the patience is over.
        let _ = pipe.take(BYTES_MAX).read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    });
    all
}

/// The text of a file.
pub(super) fn text_of(path: &Path) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The files that an absolute pattern means, by name, with what is in them.
pub(super) fn on_disk(pattern: &Path) -> Vec<(String, String)> {
    let paths = paths(pattern, &mut |_, _| {}).into_iter();
    paths.filter_map(|path| Some((path.to_string_lossy().into_owned(), text_of(&path).ok()?))).collect()
}

/// The paths that an absolute pattern means, in order. `failed` hears of directories that cannot be listed.
pub(super) fn paths(pattern: &Path, failed: &mut dyn FnMut(&Path, &Error)) -> Vec<PathBuf> {
    let mut paths = vec![PathBuf::from("/")];
    for part in pattern.components().skip(1) {
        let part = part.as_os_str().to_string_lossy();
        let mut next = Vec::new();
        for directory in paths {
            if part.contains(['*', '?', '[']) {
                let entries = fs::read_dir(&directory).inspect_err(|error| failed(&directory, error));
                let names = entries.into_iter().flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok());
                // As the shell has it, a `*` means no hidden file.
                next.extend(names.filter(|name| matches(&part, name) && !name.starts_with('.')).map(|name| directory.join(name)));
            } else {
                next.push(directory.join(&*part));
            }
        }
        paths = next;
    }
    paths.sort();
    paths
}

/// Everything about a configuration that was read.
pub(super) fn look(conf: &Conf, configuration: &Configuration) -> Vec<Finding> {
    let site = NginxSite::of(&conf.tree);
    if !knows_us(&site, configuration) {
        let warning = Finding::warning("included", "this nginx has nothing to do with Cloakroom: the web server asks nobody");
        let into = conf.tree.iter().find(|one| one.name == "http").map_or_else(|| "http { … }".to_owned(), Directive::shown);
        return vec![
            warning
                .found(format!("{} and its files have no location of Cloakroom", conf.main))
                .right("conf-examples/nginx/README.md, steps 1 to 3; another nginx is named with --nginx-conf FILE")
                .add("include cloakroom/cloakroom.conf;", into),
        ];
    }
    let mut found = nginx_asking::look(&site, configuration);
    found.extend(nginx_handoff::look(&site, configuration));
    found.extend(nginx_shown::look(&site, configuration));
    found.extend(nginx_around::look(&site, configuration));
    found.extend(public_nginx::look(&site, configuration));
    found
}

/// Whether anything in it is for us.
pub(super) fn knows_us(site: &NginxSite<'_>, configuration: &Configuration) -> bool {
    let public = configuration.public_url.path.as_str();
    let handoffs = |path: &str| configuration.storages.iter().any(|storage| storage.handoff.as_deref() == Some(path));
    let ours = |path: &str| {
        path.starts_with("/_cloakroom/") || path == "@cloakroom_refused" || (path == public && public != "/") || handoffs(path)
    };
    site.upstream("cloakroom").is_some() || site.locations.iter().any(|location| location.path().is_some_and(ours))
}

/// Whether any listener is for nginx.
pub(super) fn is_expected(configuration: &Configuration) -> bool {
    configuration.listeners.iter().any(|listener| listener.serve == Serve::Web(Dialect::Nginx))
}

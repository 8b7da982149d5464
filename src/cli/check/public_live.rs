//! Public directories as a customer and a stranger see them: stubs of a file that would be run, rendered or changed if
//! anything there did so. Everything that is planted goes again, whatever happens.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::finding::{Finding, or_ok};
use super::http::Answer;
use super::live::{Visit, shown};
use super::probe::hexadecimal;
use crate::config::{Configuration, Directory, Feed, Storage};
use crate::domain::placed::PlacedName;
use crate::public::ASIDE;
use crate::random;

/// Names under which web servers run, render or change a file.
const LEAVES: &[&str] = &["check.php", "index.html", "check.svg", "check.shtml"];

/// Enough for compression to be worth it.
const BYTES: usize = 16 * 1024;

/// What is looked at of a report.
const END_BYTES: u64 = 64 * 1024;

/// A line of a log comes within a moment.
const LOOKS: usize = 30;
const LOOK: Duration = Duration::from_millis(100);

/// A master and stubs of it. They go with this value.
#[derive(Debug)]
struct Planted {
    name: String,
    bytes: Vec<u8>,
    stub: PathBuf,
    /// Removed from the last to the first.
    made: Vec<PathBuf>,
}

impl Drop for Planted {
    fn drop(&mut self) {
        for path in self.made.drain(..).rev() {
            // Somebody who removed it before was right, too.
            let _ = if path.is_dir() && !path.is_symlink() { fs::remove_dir(&path) } else { fs::remove_file(&path) };
        }
    }
}

impl Planted {
    fn plant(storage: &Storage, directory: &Directory) -> io::Result<Self> {
        let name = PlacedName::new(random::bytes()).to_string();
        let mut planted = Self { bytes: content().into_bytes(), stub: directory.path.join(&name), name, made: Vec::new() };
        let master = storage.path.join(format!("cloakroom-check-{}.php", hexadecimal(&random::bytes::<8>())));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o640).open(&master)?;
        planted.made.push(master.clone());
        file.write_all(&planted.bytes)?;
        // As the directories' other files: the web server reads them by its group.
        as_in(&storage.path, &master, 0o640)?;
        DirBuilder::new().mode(0o750).create(&planted.stub)?;
        planted.made.push(planted.stub.clone());
        as_in(&directory.path, &planted.stub, 0o750)?;
        for leaf in LEAVES {
            let link = planted.stub.join(leaf);
            symlink(&master, &link)?;
            planted.made.push(link);
        }
        Ok(planted)
    }

    fn target(&self, directory: &Directory, leaf: &str) -> String {
        format!("{}{}/{leaf}", directory.url.path, self.name)
    }

    /// Takes the first of the stubs away.
    fn take(&mut self, leaf: &str) -> io::Result<()> {
        fs::remove_file(self.stub.join(leaf))
    }
}

/// Gives `path` the owner and group of what lies in `directory`, and this mode, whatever the umask is.
fn as_in(directory: &Path, path: &Path, mode: u32) -> io::Result<()> {
    let (above, there) = (fs::metadata(directory)?, fs::metadata(path)?);
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    let owner = rustix::process::geteuid().is_root().then(|| above.uid());
    chown(path, owner, Some(above.gid())).or_else(|error| if there.gid() == above.gid() { Ok(()) } else { Err(error) })
}

/// What changes if it is run by PHP or by server-side includes, or compressed.
fn content() -> String {
    let mut text = "<?php echo 'run ' . (6 * 7); ?>\n<!--#echo var=\"DATE_LOCAL\" -->\n<html><script>alert(1)</script>\n".to_owned();
    while text.len() < BYTES {
        text.push_str(&hexadecimal(&random::bytes::<16>()));
        text.push('\n');
    }
    text
}

/// All public directories.
pub(super) async fn look(visit: &mut Visit<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for directory in &visit.configuration.directories {
        found.extend(one(visit, directory).await);
    }
    found
}

async fn one(visit: &mut Visit<'_>, directory: &Directory) -> Vec<Finding> {
    let configuration = visit.configuration;
    let not_asked = |why: String| vec![Finding::not_asked("public-live", format!("`{}` was not tried: {why}", directory.name))];
    if directory.url.origin != configuration.public_url.origin {
        return not_asked(format!("it is served by {}", directory.url.origin));
    }
    let Some(storage) = configuration.storages.iter().find(|storage| storage.stub.as_ref() == Some(&directory.name)) else {
        return not_asked("no [[storage]] has stubs there".to_owned());
    };
    let mut planted = match Planted::plant(storage, directory) {
        Ok(planted) => planted,
        Err(error) => {
            return not_asked(format!("nothing can be planted in {} and {}: {error}", storage.path.display(), directory.path.display()));
        }
    };
    let at = format!("location ^~ {} {{ … }}", directory.url.path);
    let mut wrong = Vec::new();
    let mut is_served = true;
    for leaf in LEAVES {
        let fault = served(visit, directory, &planted, leaf, &at).await;
        is_served &= fault.is_none();
        wrong.extend(fault);
    }
    // One cause has many of these.
    wrong.dedup_by(|one, other| one.says == other.says);
    wrong.extend(listed(visit, directory, &planted, &at).await);
    wrong.extend(aside(visit, directory).await);
    if is_served {
        wrong.extend(part(visit, directory, &planted, &at).await);
        wrong.extend(gone(visit, directory, &mut planted, &at).await);
        wrong.extend(told(configuration, &planted, &at).await);
    }
    let says =
        format!("{} of one file came as they are, as attachments; nothing is listed; what is removed is gone at once", LEAVES.join(", "));
    or_ok("public-live", says, wrong)
}

/// One stub: every byte, to be saved.
async fn served(visit: &mut Visit<'_>, directory: &Directory, planted: &Planted, leaf: &str, at: &str) -> Option<Finding> {
    let target = planted.target(directory, leaf);
    let asked = visit.get(&target, &[("accept-encoding", "gzip, deflate, br"), ("accept", "text/html")]).await;
    let said = hidden(&shown("GET", &target, &asked), planted);
    let fault = |says: &str| Finding::fault("public-live", says).found(&said);
    let Ok(answer) = &asked else {
        return Some(fault("a stub gets no answer").right("200 and the file").run("tail -n 5 /var/log/nginx/error.log"));
    };
    let (encoding, media_type) = (answer.header("content-encoding"), answer.header("content-type"));
    if !encoding.is_empty() {
        return Some(
            fault("stubs are changed on their way")
                .found(format!("{said}, Content-Encoding: {encoding}"))
                .right("the bytes of the file")
                .add("gzip off;", at),
        );
    }
    match answer.status {
        200 if *answer.body == *planted.bytes => {}
        200 | 500..=599 => {
            let fault = fault("a file of a customer is run or changed on this server");
            return Some(
                fault.right("the bytes of the file, whatever it is called").replace(format!("location ^~ {} {{", directory.url.path), at),
            );
        }
        403 => {
            let fault = fault("nginx may not follow a stub to its file: customers see 403");
            return Some(fault.right("its workers enter the public directory and read the masters").add("disable_symlinks off;", at));
        }
        _ => {
            let fault = fault("a stub does not lead to its file");
            return Some(fault.right("200 and the file").add(format!("alias {}/;", directory.path.display()), at));
        }
    }
    for (name, value, line) in [
        ("content-disposition", "attachment", "add_header Content-Disposition attachment always;"),
        ("x-content-type-options", "nosniff", "add_header X-Content-Type-Options nosniff always;"),
    ] {
        let there = answer.header(name);
        if !there.contains(value) {
            let fault = fault("browsers show or run the file of a customer as a part of the shop");
            return Some(fault.found(format!("{said}, {name}: {there}")).right(format!("{name}: {value}")).add(line, at));
        }
    }
    if media_type.contains("html") || media_type.contains("svg") || media_type.contains("php") {
        let warning =
            Finding::warning("public-live", "a file has the type of a page or a picture; only its headers keep browsers from showing it");
        return Some(
            warning
                .found(format!("{said}, Content-Type: {media_type}"))
                .right("application/octet-stream")
                .add("types { }\ndefault_type application/octet-stream;", at),
        );
    }
    None
}

/// The name opens the file while it is there, and is no secret of the screen; what is long is in the way.
fn hidden(text: &str, planted: &Planted) -> String {
    text.replace(&planted.name, "<name>")
}

/// Neither the directory nor a stub's own shows what is in it.
async fn listed(visit: &mut Visit<'_>, directory: &Directory, planted: &Planted, at: &str) -> Option<Finding> {
    for target in [directory.url.path.clone(), format!("{}{}/", directory.url.path, planted.name)] {
        let asked = visit.get(&target, &[]).await;
        let Ok(answer) = &asked else { continue };
        let body = String::from_utf8_lossy(&answer.body);
        let shows = body.contains(&planted.name) || LEAVES.iter().any(|leaf| body.contains(leaf));
        let renders = answer.status == 200 && *answer.body == *planted.bytes;
        if !shows && !renders {
            continue;
        }
        let fault = if shows {
            Finding::fault("public-live", "everybody sees the names of the stubs, and each name opens its file").add("autoindex off;", at)
        } else {
            Finding::fault("public-live", "a page of a customer is shown as a page of the shop").add("index .none;", at)
        };
        return Some(fault.found(hidden(&shown("GET", &target, &asked), planted)).right("403 or 404"));
    }
    None
}

/// What is half made is nobody's.
async fn aside(visit: &mut Visit<'_>, directory: &Directory) -> Option<Finding> {
    let url = &directory.url.path;
    for target in [format!("{url}{ASIDE}/"), format!("{url}%2e{}/", ASIDE.trim_start_matches('.')), format!("{url}/{ASIDE}/")] {
        let asked = visit.get(&target, &[]).await;
        if asked.as_ref().is_ok_and(|answer: &Answer| (200..400).contains(&answer.status)) {
            let fault = Finding::fault("public-live", "what is half made can be looked into");
            let line = format!("location ^~ {url}. {{ return 404; }}");
            return Some(fault.found(shown("GET", &target, &asked)).right("404").add(line, "the server of the site"));
        }
    }
    None
}

/// A download can be resumed.
async fn part(visit: &mut Visit<'_>, directory: &Directory, planted: &Planted, at: &str) -> Option<Finding> {
    let target = planted.target(directory, "check.php");
    let asked = visit.get(&target, &[("range", "bytes=100-199")]).await;
    let is_right = asked.as_ref().is_ok_and(|answer| answer.status == 206 && planted.bytes.get(100..200) == Some(&*answer.body));
    let fault = || Finding::fault("public-live", "a part of a stub's file cannot be asked for: downloads cannot be resumed");
    (!is_right)
        .then(|| fault().found(hidden(&shown("GET", &target, &asked), planted)).right("206 and these bytes").add("max_ranges 64;", at))
}

/// A stub that is removed is gone at once.
async fn gone(visit: &mut Visit<'_>, directory: &Directory, planted: &mut Planted, at: &str) -> Option<Finding> {
    planted.take("check.php").ok()?;
    let target = planted.target(directory, "check.php");
    let asked = visit.get(&target, &[]).await;
    let is_right = asked.as_ref().is_ok_and(|answer| answer.status == 404);
    let fault = || Finding::fault("public-live", "a stub that was taken away is served on, or not answered with 404");
    (!is_right).then(|| fault().found(hidden(&shown("GET", &target, &asked), planted)).right("404").add("open_file_cache off;", at))
}

/// What was asked for stands in the report.
async fn told(configuration: &Configuration, planted: &Planted, at: &str) -> Option<Finding> {
    let Some(Feed::AccessLog(log)) = &configuration.feed else { return None };
    for _ in 0..LOOKS {
        match end_of(log) {
            Ok(end) if end.contains(&planted.name) => return None,
            // Another user's log is looked at by another check.
            Err(_) => return None,
            Ok(_) => tokio::time::sleep(LOOK).await,
        }
    }
    let fault = Finding::fault("public-live", "downloads of stubs are not reported: each counts, and is called presumed");
    let found = format!("no line about them at the end of {}", log.display());
    Some(fault.found(found).right("a line for each request").add(format!("access_log {} cloakroom_public;", log.display()), at))
}

fn end_of(log: &Path) -> io::Result<String> {
    use std::io::{Read as _, Seek as _};
    let mut file = fs::File::open(log)?;
    let size = file.metadata()?.len();
    file.seek(io::SeekFrom::Start(size.saturating_sub(END_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(END_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

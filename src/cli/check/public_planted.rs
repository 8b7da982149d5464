//! What a check plants in a public directory: stubs or copies of a file of its own, and a user name where a password is
//! asked for. All of it goes with the value.

use std::fmt;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::http::Answer;
use super::live::Visit;
use super::probe::hexadecimal;
use crate::auth::replace::replace;
use crate::clock;
use crate::config::{Directory, Storage};
use crate::domain::probe;
use crate::proof::htpasswd::edit;
use crate::proof::htpasswd::make::{self, New};
use crate::random;

/// Names under which web servers run, render or change a file.
pub(super) const LEAVES: &[&str] = &["check.php", "index.html", "check.svg", "check.shtml"];

/// Enough for compression to be worth it.
const BYTES: usize = 16 * 1024;

/// What was planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Symbolic links to one master, in a directory of theirs.
    Stub,
    /// Files.
    Copy,
}

impl Kind {
    pub(super) const fn one(self) -> &'static str {
        match self {
            Self::Stub => "stub",
            Self::Copy => "copy",
        }
    }

    pub(super) const fn many(self) -> &'static str {
        match self {
            Self::Stub => "stubs",
            Self::Copy => "copies",
        }
    }

    /// What it means that no line of the report tells of them.
    pub(super) const fn unreported(self) -> &'static str {
        match self {
            Self::Stub => "downloads of stubs are not reported: each counts, and is called presumed",
            Self::Copy => "downloads of copies are not reported: none counts, and a number of downloads limits nothing",
        }
    }
}

/// A line of a htpasswd file. It goes with this value.
struct Login {
    file: PathBuf,
    user: String,
    password: Zeroizing<String>,
    is_there: bool,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(hidden)")
    }
}

impl Login {
    fn plant(file: &Path) -> io::Result<Self> {
        let (user, password) = (new_name(), make::password(random::bytes()));
        let hash = make::hash(New::Apr1, password.as_bytes(), random::bytes()).map_err(io::Error::other)?;
        // Below Cloakroom's own lines, where those of people are, it stays until it is removed.
        let added = replace(file, false, random::bytes(), |bytes| (Some(edit::put(bytes, &user, &hash).0), ()));
        added.map_err(|fault| io::Error::other(fault.to_string()))?;
        Ok(Self { file: file.to_owned(), user, password, is_there: true })
    }

    fn remove(&mut self) -> io::Result<()> {
        if !self.is_there {
            return Ok(());
        }
        let without = |bytes: &[u8]| {
            let (new, lines) = edit::remove(bytes, &self.user);
            ((lines > 0).then_some(new), ())
        };
        replace(&self.file, false, random::bytes(), without).map_err(|fault| io::Error::other(fault.to_string()))?;
        self.is_there = false;
        Ok(())
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        // One that stays opens for nobody: its password ends here.
        let _ = self.remove();
    }
}

/// What was planted in one directory. It goes with this value.
#[derive(Debug)]
pub(super) struct Planted {
    /// What it is.
    pub(super) kind: Kind,
    /// What each of it brings.
    pub(super) bytes: Vec<u8>,
    /// The address of the directory of stubs.
    pub(super) own: Option<String>,
    /// Name, address and place, as [`LEAVES`].
    files: Vec<(&'static str, String, PathBuf)>,
    /// Nobody else may know these yet.
    names: Vec<String>,
    /// Removed from the last to the first.
    made: Vec<PathBuf>,
    login: Option<Login>,
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
    fn nothing(kind: Kind) -> Self {
        Self { kind, bytes: content().into_bytes(), own: None, files: Vec::new(), names: Vec::new(), made: Vec::new(), login: None }
    }

    /// A master, and stubs of it.
    pub(super) fn stubs(storage: &Storage, directory: &Directory) -> io::Result<Self> {
        let mut planted = Self::nothing(Kind::Stub);
        let name = new_name();
        let stub = directory.path.join(&name);
        let own = format!("{}{name}/", directory.url.path);
        planted.names.push(name);
        let master = storage.path.join(format!("{}.php", new_name()));
        planted.file(&storage.path, &master)?;
        DirBuilder::new().mode(0o750).create(&stub)?;
        planted.made.push(stub.clone());
        as_in(&directory.path, &stub, 0o750)?;
        for leaf in LEAVES {
            let link = stub.join(leaf);
            symlink(&master, &link)?;
            planted.made.push(link.clone());
            planted.files.push((leaf, format!("{own}{leaf}"), link));
        }
        planted.own = Some(own);
        planted.log_in(directory)?;
        Ok(planted)
    }

    /// Copies of what is nowhere else.
    pub(super) fn copies(directory: &Directory) -> io::Result<Self> {
        let mut planted = Self::nothing(Kind::Copy);
        for leaf in LEAVES {
            let name = new_name();
            let whole = format!("{name}.{}", leaf.rsplit_once('.').map_or("", |(_, extension)| extension));
            let path = directory.path.join(&whole);
            planted.names.push(name);
            planted.file(&directory.path, &path)?;
            planted.files.push((leaf, format!("{}{whole}", directory.url.path), path));
        }
        planted.log_in(directory)?;
        Ok(planted)
    }

    fn log_in(&mut self, directory: &Directory) -> io::Result<()> {
        if let Some(credentials) = &directory.credentials {
            self.login = Some(Login::plant(&credentials.htpasswd)?);
        }
        Ok(())
    }

    fn file(&mut self, directory: &Path, path: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o640).open(path)?;
        self.made.push(path.to_owned());
        file.write_all(&self.bytes)?;
        // As the directories' other files: the web server reads them by its group.
        as_in(directory, path, 0o640)
    }

    /// Where it is asked for.
    pub(super) fn target(&self, leaf: &str) -> String {
        self.files.iter().find(|(known, ..)| *known == leaf).map(|(_, target, _)| target.clone()).unwrap_or_default()
    }

    /// Takes one of them away.
    pub(super) fn take(&mut self, leaf: &str) -> io::Result<()> {
        self.files.iter().find(|(known, ..)| *known == leaf).map_or(Ok(()), |(_, _, path)| fs::remove_file(path))
    }

    /// Whether a password is asked for.
    pub(super) const fn has_login(&self) -> bool {
        self.login.is_some()
    }

    /// Takes the user name out of the file.
    pub(super) fn withdraw(&mut self) -> io::Result<()> {
        self.login.as_mut().map_or(Ok(()), Login::remove)
    }

    /// Asks as a customer who has all that opens.
    pub(super) async fn get(&self, visit: &mut Visit<'_>, target: &str, headers: &[(&str, &str)]) -> Result<Answer, String> {
        match self.authorization(str::to_owned) {
            Some(value) => visit.get(target, &[&[("authorization", value.as_str())], headers].concat()).await,
            None => visit.get(target, headers).await,
        }
    }

    /// Asks with the user name, and a password that is not its own.
    pub(super) async fn ask_wrongly(&self, visit: &mut Visit<'_>, target: &str) -> Result<Answer, String> {
        let value = self.authorization(|password| password.chars().rev().chain(['x']).collect()).unwrap_or_default();
        visit.get(target, &[("authorization", value.as_str())]).await
    }

    fn authorization(&self, change: impl Fn(&str) -> String) -> Option<Zeroizing<String>> {
        let Login { user, password, .. } = self.login.as_ref()?;
        Some(basic(user, &change(password)))
    }

    /// Whether one of the names stands in a text.
    pub(super) fn is_named(&self, text: &str) -> bool {
        self.names.iter().any(|name| text.contains(name))
    }

    /// A name opens the file while it is there, and is not for the screen; what is long is in the way.
    pub(super) fn hidden(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, name| text.replace(name, "<name>"))
    }
}

/// The header `Authorization` of a user name and password.
pub(super) fn basic(user: &str, password: &str) -> Zeroizing<String> {
    let pair = Zeroizing::new(format!("{user}:{password}"));
    Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())))
}

/// A name that the daemon knows as that of a check.
fn new_name() -> String {
    probe::name(clock::now(), random::bytes())
}

/// Gives `path` the owner and group of what lies in `directory`, and this mode, whatever the umask is.
pub(super) fn as_in(directory: &Path, path: &Path, mode: u32) -> io::Result<()> {
    let (above, there) = (fs::metadata(directory)?, fs::metadata(path)?);
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    let owner = rustix::process::geteuid().is_root().then(|| above.uid());
    chown(path, owner, Some(above.gid())).or_else(|error| if there.gid() == above.gid() { Ok(()) } else { Err(error) })
}

/// What changes if it is run by PHP or by server-side includes, or compressed.
pub(super) fn content() -> String {
    let mut text = "<?php echo 'run ' . (6 * 7); ?>\n<!--#echo var=\"DATE_LOCAL\" -->\n<html><script>alert(1)</script>\n".to_owned();
    while text.len() < BYTES {
        text.push_str(&hexadecimal(&random::bytes::<16>()));
        text.push('\n');
    }
    text
}

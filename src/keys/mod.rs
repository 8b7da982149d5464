//! Key files: read with suspicion, written once.

pub mod follow;

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::config;
use crate::proof::key::{BadKey, KeyRing, Purpose, SigningKey};
use crate::proof::public_key::{BadPublicKey, PublicKey};

/// A secret is one line: 32 bytes are 43 characters, and nobody needs twenty times that.
const SECRET_BYTES_MAX: usize = 1024;

/// The longest public key, RSA of 8192 bits, is 1.5 kilobytes of PEM.
const FILE_BYTES_MAX: u64 = 4096;

/// What others may not have of a secret: any access; what the group may not have: writing and executing.
const FORBIDDEN_MODE: u32 = 0o037;

/// What nobody but the owner may have of a public key: writing. Who can exchange it can sign in its name.
const FORBIDDEN_PUBLIC_MODE: u32 = 0o022;

/// The mode of a new key file. `0640` is accepted too, where a group shares the key.
const NEW_MODE: u32 = 0o600;

/// What is wrong with a key file. Names the file, what was found and what would be right, never what is in it.
#[derive(Debug)]
pub struct KeyFault {
    /// The id of the key.
    pub key: String,
    /// The file.
    pub file: PathBuf,
    /// What is wrong.
    pub cause: Cause,
}

/// What is wrong with a key file.
#[derive(Debug)]
pub enum Cause {
    /// It cannot be opened or read.
    Unreadable(io::Error),
    /// It is a directory, a device, a pipe or a socket.
    NotAFile,
    /// Its mode, which gives too much to others.
    Open(u32),
    /// The user that it belongs to, neither root nor the one that we run as.
    Foreign(u32),
    /// Its mode, which lets others change a public key.
    Writable(u32),
    /// It is longer than any key.
    TooLong,
    /// It has nothing in it.
    Empty,
    /// What is in it is no key.
    Bad(BadKey),
    /// It is PEM, and no public key that can be used.
    BadPublic(BadPublicKey),
    /// It is a public key, and is to sign.
    PublicSigns,
    /// It has the same secret as the key with this id.
    SecretOf(String),
    /// It is the same public key as the one with this id.
    PublicOf(String),
    /// Another key has this id.
    IdTwice,
}

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, file, cause } = self;
        write!(f, "key `{key}`: {}: {cause}", file.display())?;
        match cause {
            Cause::Unreadable(fault) if fault.kind() == io::ErrorKind::NotFound => {
                write!(f, "; make it with `cloakroom key new {key}`")
            }
            Cause::Open(_) => write!(f, "; run `chmod 600 {file}`, or 640 where its group shares it", file = file.display()),
            Cause::Writable(_) => write!(f, "; run `chmod 644 {file}`", file = file.display()),
            Cause::Foreign(_) => {
                f.write_str("; it must belong to root or to the user that the daemon runs as: run this command as that user")
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(fault) => write!(f, "cannot be read: {fault}"),
            Self::NotAFile => f.write_str("is not a regular file"),
            Self::Open(mode) => write!(f, "has mode {mode:04o}: others may not read it, nor its group write it"),
            Self::Foreign(user) => write!(f, "belongs to user {user}, who could change it"),
            Self::Writable(mode) => write!(f, "has mode {mode:04o}: nobody but its owner may change a public key"),
            Self::TooLong => write!(f, "is longer than {SECRET_BYTES_MAX} bytes; a key is one line of base64url, or a public key in PEM"),
            Self::Empty => f.write_str("is empty; a key is one line of base64url, or a public key in PEM"),
            Self::Bad(fault) => fault.fmt(f),
            Self::BadPublic(fault) => fault.fmt(f),
            Self::PublicSigns => {
                f.write_str("is a public key, with which nothing can be signed: it must have use = \"accept\" or \"retired\"")
            }
            Self::SecretOf(other) => write!(f, "has the same secret as the key `{other}`; each key needs one of its own"),
            Self::PublicOf(other) => write!(f, "is the same public key as `{other}`; each key stands once"),
            Self::IdTwice => f.write_str("another key has the same id"),
        }
    }
}

impl std::error::Error for KeyFault {}

/// What a key file holds.
enum Key {
    Secret(Box<SigningKey>),
    Public(PublicKey),
}

/// Reads all key files, or tells all that is wrong with them.
pub fn load(entries: &[config::KeyEntry]) -> Result<KeyRing, Vec<KeyFault>> {
    let mut secrets: Vec<(SigningKey, Purpose)> = Vec::with_capacity(entries.len());
    let mut public: Vec<(PublicKey, Purpose)> = Vec::new();
    let mut faults = Vec::new();
    for entry in entries {
        match read(&entry.file, &entry.id).and_then(|key| fitting(key, entry, &secrets, &public)) {
            Ok(Key::Secret(key)) => secrets.push((*key, entry.purpose)),
            Ok(Key::Public(key)) => public.push((key, entry.purpose)),
            Err(cause) => faults.push(KeyFault { key: entry.id.clone(), file: entry.file.clone(), cause }),
        }
    }
    if faults.is_empty() { Ok(KeyRing::new(secrets).with_public(public)) } else { Err(faults) }
}

/// Refuses a key that stands there already, and a public one that is to sign.
fn fitting(key: Key, entry: &config::KeyEntry, secrets: &[(SigningKey, Purpose)], public: &[(PublicKey, Purpose)]) -> Result<Key, Cause> {
    if secrets.iter().any(|(other, _)| other.id() == entry.id) || public.iter().any(|(other, _)| other.id() == entry.id) {
        return Err(Cause::IdTwice);
    }
    let twin = match &key {
        Key::Public(_) if entry.purpose == Purpose::Sign => Some(Cause::PublicSigns),
        Key::Public(key) => public.iter().find(|(other, _)| other.is_same_as(key)).map(|(other, _)| Cause::PublicOf(other.id().to_owned())),
        Key::Secret(key) => {
            secrets.iter().find(|(other, _)| other.has_secret_of(key)).map(|(other, _)| Cause::SecretOf(other.id().to_owned()))
        }
    };
    twin.map_or(Ok(key), Err)
}

/// Whoever owns the file can change what we sign with. Root, who signs with the daemon's key, believes the owner of its
/// directory, who could put another key there anyway.
const fn is_trusted(owner: u32, ourselves: u32, directory: Option<u32>) -> bool {
    owner == 0 || owner == ourselves || (ourselves == 0 && matches!(directory, Some(keeper) if keeper == owner))
}

/// The one line of a secret file that is no key of ours, under the rules of key files.
pub fn secret_line(path: &Path) -> Result<Zeroizing<String>, Cause> {
    let Opened { bytes, mode, foreign } = open(path)?;
    if mode & FORBIDDEN_MODE != 0 {
        return Err(Cause::Open(mode));
    }
    if let Some(owner) = foreign {
        return Err(Cause::Foreign(owner));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| Cause::Bad(BadKey::Encoding))?;
    let line = first_line(text);
    match line.len() {
        0 => Err(Cause::Empty),
        length if length > SECRET_BYTES_MAX => Err(Cause::TooLong),
        _ => Ok(Zeroizing::new(line.to_owned())),
    }
}

/// A file with a secret in it, as it was found.
struct Opened {
    bytes: Zeroizing<Vec<u8>>,
    mode: u32,
    /// The user that it belongs to, where that is neither root nor the one that we run as.
    foreign: Option<u32>,
}

fn first_line(text: &str) -> &str {
    text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line))
}

fn open(path: &Path) -> Result<Opened, Cause> {
    // What is asked about is the open file, so that it cannot be exchanged in between; a pipe must not make us wait.
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path).map_err(Cause::Unreadable)?;
    let found = file.metadata().map_err(Cause::Unreadable)?;
    if !found.is_file() {
        return Err(Cause::NotAFile);
    }
    let directory = path.parent().and_then(|parent| parent.metadata().ok()).map(|parent| parent.uid());
    let foreign = !is_trusted(found.uid(), rustix::process::geteuid().as_raw(), directory);
    // One allocation that is wiped; a buffer that grows would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(FILE_BYTES_MAX).unwrap_or_default() + 2));
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(Cause::Unreadable)?;
    Ok(Opened { bytes, mode: found.mode() & 0o7777, foreign: foreign.then(|| found.uid()) })
}

fn read(path: &Path, id: &str) -> Result<Key, Cause> {
    let Opened { bytes, mode, foreign } = open(path)?;
    let text = std::str::from_utf8(&bytes);
    let is_public = text.is_ok_and(|text| text.trim_start().starts_with("-----BEGIN ") && !text.contains("PRIVATE KEY-----"));
    match is_public {
        false if mode & FORBIDDEN_MODE != 0 => return Err(Cause::Open(mode)),
        true if mode & FORBIDDEN_PUBLIC_MODE != 0 => return Err(Cause::Writable(mode)),
        true | false => {}
    }
    if let Some(owner) = foreign {
        return Err(Cause::Foreign(owner));
    }
    let text = text.map_err(|_| Cause::Bad(BadKey::Encoding))?;
    if text.trim_start().starts_with("-----BEGIN ") {
        return PublicKey::from_pem(id, text).map(Key::Public).map_err(Cause::BadPublic);
    }
    let line = first_line(text);
    if line.len() > SECRET_BYTES_MAX {
        return Err(Cause::TooLong);
    }
    if line.is_empty() {
        return Err(Cause::Empty);
    }
    SigningKey::from_base64(id, line).map(|key| Key::Secret(Box::new(key))).map_err(Cause::Bad)
}

/// Writes a new key with this secret, which must be random, to `path`, mode 0600, durably. Never overwrites; makes the
/// last directory if it is missing, mode 0700. What root makes belongs to the owner of the directory, as whom the daemon
/// reads it. The key has no use before the configuration names it.
pub fn create(path: &Path, secret: &[u8]) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match DirBuilder::new().mode(0o700).create(parent) {
        Ok(()) => {
            if let Some(above) = parent.parent() {
                hand_over(&File::open(parent)?, above)?;
            }
        }
        Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => {}
        Err(fault) => return Err(fault),
    }
    let mut line = Zeroizing::new(String::with_capacity(secret.len().saturating_mul(4) / 3 + 4));
    URL_SAFE_NO_PAD.encode_string(secret, &mut line);
    line.push('\n');
    let mut file = OpenOptions::new().write(true).create_new(true).mode(NEW_MODE).open(path)?;
    let written = file
        .write_all(line.as_bytes())
        .and_then(|()| hand_over(&file, parent))
        .and_then(|()| file.sync_all())
        .and_then(|()| File::open(parent)?.sync_all());
    if written.is_err() {
        // Half a key would only be in the way of the next try.
        let _ = std::fs::remove_file(path);
    }
    written
}

/// Gives what root made in `folder` to the owner of `folder`.
fn hand_over(made: &File, folder: &Path) -> io::Result<()> {
    let owner = folder.metadata()?;
    if rustix::process::geteuid().is_root() && owner.uid() != 0 {
        rustix::fs::fchown(made, Some(rustix::fs::Uid::from_raw(owner.uid())), Some(rustix::fs::Gid::from_raw(owner.gid())))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use tempfile::TempDir;

    use super::*;

    /// RFC 8037, appendix A.2.
    const PUBLIC: &str =
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
    /// The generator of P-256 with another last byte.
    const OFF_CURVE: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9A==\n-----END PUBLIC KEY-----\n";
    const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

    fn entry(id: &str, file: PathBuf) -> config::KeyEntry {
        config::KeyEntry { id: id.to_owned(), file, purpose: Purpose::Sign }
    }

    fn written(directory: &TempDir, content: &[u8], mode: u32) -> PathBuf {
        let path = directory.path().join("main");
        let _ = fs::remove_file(&path);
        fs::write(&path, content).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("mode");
        path
    }

    #[test]
    fn a_new_key_is_private_loads_and_is_never_overwritten() {
        let directory = TempDir::new().expect("a directory");
        let path = directory.path().join("keys/main");
        create(&path, &[7; 32]).expect("made");
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o7777, 0o600);
        assert_eq!(fs::metadata(path.parent().expect("keys")).expect("there").mode() & 0o7777, 0o700);
        let first = fs::read(&path).expect("read");
        assert_eq!(first.len(), 44);
        assert_eq!(create(&path, &[7; 32]).expect_err("there already").kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).expect("read"), first);
        create(&directory.path().join("keys/next"), &[8; 32]).expect("made");
        let ring = load(&[entry("main", path), entry("next", directory.path().join("keys/next"))]).expect("a ring");
        assert_eq!(ring.signing().map(SigningKey::id), Some("main"));
        assert_eq!(ring.iter().count(), 2);
    }

    #[test]
    fn a_key_file_is_one_line_that_others_cannot_read() {
        let directory = TempDir::new().expect("a directory");
        for (content, mode) in
            [(SECRET.to_owned(), 0o600), (format!("{SECRET}\n"), 0o640), (format!("{SECRET}\r\n"), 0o400), (SECRET.repeat(4), 0o440)]
        {
            assert!(load(&[entry("main", written(&directory, content.as_bytes(), mode))]).is_ok(), "{content:?} {mode:o}");
        }
        for (content, mode, words) in [
            (PUBLIC.to_owned(), 0o664, "has mode 0664: nobody but its owner may change a public key; run `chmod 644 "),
            (PUBLIC.to_owned(), 0o644, "is a public key, with which nothing can be signed"),
            (PUBLIC.replace("MCow", "MC.w"), 0o644, "is a damaged PEM file"),
            (OFF_CURVE.to_owned(), 0o644, "does not lie on the curve P-256"),
            (SECRET.to_owned(), 0o604, "has mode 0604: others may not read it, nor its group write it; run `chmod 600 "),
            (SECRET.to_owned(), 0o644, "chmod 600"),
            (SECRET.to_owned(), 0o660, "chmod 600"),
            (SECRET.to_owned(), 0o601, "chmod 600"),
            (String::new(), 0o600, "is empty"),
            ("\n".to_owned(), 0o600, "is empty"),
            (format!("{SECRET}\n{SECRET}\n"), 0o600, "one line of base64url"),
            (format!(" {SECRET}"), 0o600, "one line of base64url"),
            (format!("{SECRET}="), 0o600, "one line of base64url"),
            ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg".to_owned(), 0o600, "at least 32 bytes"),
            ("-----BEGIN PRIVATE KEY-----\nMC4C\n".to_owned(), 0o600, "`openssl pkey -in private.pem -pubout`"),
            ("-----BEGIN PRIVATE KEY-----\nMC4C\n".to_owned(), 0o644, "chmod 600"),
            ("-----BEGIN CERTIFICATE-----\nMC4C\n".to_owned(), 0o644, "`openssl x509 "),
            ("A".repeat(1025), 0o600, "longer than 1024 bytes"),
        ] {
            let path = written(&directory, content.as_bytes(), mode);
            let faults = load(&[entry("main", path.clone())]).expect_err("a fault");
            let said = faults.iter().map(ToString::to_string).collect::<String>();
            assert!(said.contains(words) && said.contains(&path.display().to_string()), "{said}");
            assert!(!said.contains("AAECAwQF") && !format!("{faults:?}").contains("AAECAwQF"), "{said}");
        }
        assert!(load(&[entry("main", written(&directory, &[0xff; 40], 0o600))]).is_err());
    }

    #[test]
    fn a_public_key_may_be_read_by_everybody_and_stands_once() {
        let directory = TempDir::new().expect("a directory");
        let path = written(&directory, PUBLIC.as_bytes(), 0o644);
        let accepts = |id: &str, file: &Path| config::KeyEntry { purpose: Purpose::Accept, ..entry(id, file.to_owned()) };
        let ring = load(&[accepts("shop", &path)]).expect("a ring");
        assert_eq!(ring.public().map(|(key, purpose)| (key.id(), purpose)).collect::<Vec<_>>(), [("shop", Purpose::Accept)]);
        assert!(ring.signing().is_none() && ring.find("shop").is_none() && !ring.is_empty());
        let faults = load(&[accepts("shop", &path), accepts("again", &path), accepts("shop", &path)]).expect_err("faults");
        let said: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert!(said[0].ends_with("is the same public key as `shop`; each key stands once"), "{said:?}");
        assert!(said[1].ends_with("another key has the same id") && said.len() == 2, "{said:?}");
    }

    #[test]
    fn what_is_not_a_file_of_ours_is_no_key() {
        let directory = TempDir::new().expect("a directory");
        let says = |path: PathBuf, words: &str| {
            let said = load(&[entry("main", path)]).expect_err("a fault").remove(0).to_string();
            assert!(said.contains(words), "{said}");
        };
        says(directory.path().join("none"), "make it with `cloakroom key new main`");
        says(directory.path().to_owned(), "is not a regular file");
        let pipe = directory.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o600), 0).expect("a pipe");
        says(pipe, "is not a regular file");
        let path = written(&directory, SECRET.as_bytes(), 0o600);
        let link = directory.path().join("link");
        symlink(&path, &link).expect("a link");
        assert!(load(&[entry("main", link)]).is_ok(), "a link to a good file is a good file");
    }

    #[test]
    fn a_key_belongs_to_root_or_to_us_or_to_whom_root_signs_for() {
        for (owner, ourselves, directory, good) in [
            (0, 0, Some(0), true),
            (0, 998, Some(998), true),
            (998, 998, Some(0), true),
            (33, 998, Some(33), false),
            (998, 0, Some(998), true),
            (998, 0, Some(0), false),
            (998, 0, None, false),
        ] {
            assert_eq!(is_trusted(owner, ourselves, directory), good, "{owner} {ourselves} {directory:?}");
        }
        let fault = KeyFault { key: "main".to_owned(), file: "/k".into(), cause: Cause::Foreign(33) };
        assert_eq!(
            fault.to_string(),
            "key `main`: /k: belongs to user 33, who could change it; it must belong to root or to the user that the daemon runs as: run this command as that user"
        );
    }

    #[test]
    fn all_faults_are_told_at_once_and_secrets_are_not_shared() {
        let directory = TempDir::new().expect("a directory");
        let path = written(&directory, SECRET.as_bytes(), 0o600);
        let other = directory.path().join("other");
        create(&other, &[7; 32]).expect("made");
        let entries = [
            entry("a", path.clone()),
            entry("b", path),
            entry("c", directory.path().join("none")),
            entry("a", other),
            entry("d e", "/dev/null".into()),
        ];
        let said: Vec<_> = load(&entries).expect_err("faults").iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 4, "{said:?}");
        for (said, words) in said.iter().zip(["the same secret as the key `a`", "cannot be read", "the same id", "not a regular file"]) {
            assert!(said.contains(words), "{said}");
        }
    }
}

//! The file as written becomes the configuration as used, or all the errors.
//!
//! [`parse`] reads the TOML into a tree that knows where everything stands, `sections` and `policies` walk it key by key
//! and go on after each fault, `check` tells what does not go together, and `keys` holds every key with its words: it
//! drives the check for unknown ones, the errors, and [`default_file()`].

mod check;
mod credentials;
mod default_file;
mod fault;
mod feed;
mod keys;
mod listeners;
mod outbox;
mod places;
mod policies;
mod possible;
mod reader;
mod renewal;
mod rewrite;
mod sections;
mod storages;
mod suggest;
mod values;
mod zones;

use std::io::Read as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use crate::dialect::Dialect;
use crate::domain::file::StorageName;
use crate::domain::moment::Span;
use crate::domain::path::CanonicalPath;
use crate::domain::placed::DirectoryName;
use crate::domain::policy::Policy;
pub use crate::domain::purpose::Purpose;

pub use credentials::Credentials;
pub use default_file::default_file;
pub use fault::{Errors, Fault};
pub use feed::Feed;
pub use listeners::{Address, Listener, Serve};
pub use outbox::{Language, Mail, MailServer, Security, Webhook, WebhookUrl};
pub use places::Places;
pub use renewal::{Renewal, renew};
pub use rewrite::{Rewritten, set_purpose};
pub use storages::{Directory, PublicUrl, Storage, ZenCart};
pub use zones::time_zone;

use fault::Faults;
use sections::ReadStore;

/// The configuration as used: everything in it has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// Where state is kept.
    pub state_dir: PathBuf,
    /// Where customers reach us.
    pub public_url: PublicUrl,
    /// The name that signed URLs are made for.
    pub site: String,
    /// The longest life of a JWT.
    pub jwt_life_max: Span,
    /// How many threads answer; `None` is one for each processor.
    pub threads: Option<NonZeroUsize>,
    /// Where we listen; at least one is `web`.
    pub listeners: Vec<Listener>,
    /// The keys, in the order of the file; at least one has `use = "sign"` if there is any.
    pub keys: Vec<KeyEntry>,
    /// The storages.
    pub storages: Vec<Storage>,
    /// The public directories.
    pub directories: Vec<Directory>,
    /// The `pub/` of each Zen Cart.
    pub zen_carts: Vec<ZenCart>,
    /// The rules, the longest path first.
    pub rules: Vec<Rule>,
    /// The policies by name; `default` is always there.
    pub policies: Vec<(String, Policy)>,
    /// Where reports come from.
    pub feed: Option<Feed>,
    /// Where grants, links and deliveries are kept.
    pub store: StoreEntry,
    /// A directory whose templates take the place of the built-in ones.
    pub templates: Option<PathBuf>,
    /// The zone of the times that customers read; `None` is UTC.
    pub zone: Option<String>,
    /// Who is told what happens.
    pub webhooks: Vec<Webhook>,
    /// How long addresses of clients are kept once their download has ended; `None` is as long as the delivery.
    pub addresses_kept: Option<Span>,
    /// By which server mail goes to customers.
    pub mail: Option<Mail>,
    /// Where it stands in the file.
    pub places: Places,
}

/// One key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEntry {
    /// Its id, as `kid` names it: letters, digits, `-`, `_`, at most 32.
    pub id: String,
    /// The key file, absolute or under `state_dir`.
    pub file: PathBuf,
    /// What it is for.
    pub purpose: Purpose,
}

/// A URL prefix of the site and the proofs it accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The prefix, whole segments.
    pub path: CanonicalPath,
    /// The proofs.
    pub accept: Vec<ProofKind>,
    /// Whether what is refused is refused.
    pub mode: Mode,
    /// The htpasswd file; there is one where [`ProofKind::Basic`] is accepted.
    pub htpasswd: Option<PathBuf>,
    /// What browsers show who ask for a password: printable ASCII without `"` and `\`.
    pub realm: Option<String>,
}

impl Rule {
    /// Whether a user name and a password open it.
    pub fn takes_logins(&self) -> bool {
        self.accept.contains(&ProofKind::Basic)
    }
}

/// What becomes of a request that a rule refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It is refused.
    #[default]
    Enforce,
    /// It passes, and the log tells that it would have been refused.
    Observe,
}

/// A kind of proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofKind {
    /// `signed-url`.
    SignedUrl,
    /// `jwt`.
    Jwt,
    /// `basic`: a user name and a password of a htpasswd file.
    Basic,
}

/// Where grants, links and deliveries are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreEntry {
    /// In memory, until the daemon ends.
    Memory,
    /// In a file of SQLite.
    Sqlite {
        /// The file.
        file: PathBuf,
        /// What it survives.
        durability: Durability,
    },
}

/// What a decision survives once it is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A power cut: one wait for the disk for each batch of decisions.
    #[default]
    Full,
    /// The end of the process. A power cut may take the last seconds, and downloads that were used come back.
    Relaxed,
}

/// The file of a store that does not say one, in `state_dir`.
const STORE_FILE: &str = "cloakroom.db";

/// No configuration is longer; what is, is another file.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Reads the file at `path`. Environment variables change nothing.
pub fn load(path: &Path) -> Result<Configuration, Errors> {
    let name = path.to_string_lossy();
    let bytes = read(path).map_err(|wrong| Errors::of_file(&name, wrong))?;
    match String::from_utf8(bytes) {
        Ok(text) => parse(&text, &name),
        Err(wrong) => {
            let good = wrong.utf8_error().valid_up_to();
            let line = wrong.as_bytes().iter().take(good).filter(|byte| **byte == b'\n').count() + 1;
            Err(Errors::of_file(&name, format!("must be UTF-8, found another byte on line {line}")))
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|wrong| format!("cannot be read: {wrong}"))?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|wrong| format!("cannot be read: {wrong}"))?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > FILE_BYTES_MAX) {
        return Err("must be a configuration of at most 1 MiB".to_owned());
    }
    Ok(bytes)
}

/// Reads the text of a configuration file that is called `file_name` in the errors.
pub fn parse(text: &str, file_name: &str) -> Result<Configuration, Errors> {
    let mut faults = Faults::new(file_name, text);
    let (root, wrong) = DeTable::parse_recoverable(text);
    for wrong in wrong {
        let span = wrong.span().unwrap_or(0..0);
        let (message, structural) = syntax(wrong.message());
        faults.syntax(span, message, structural);
    }
    let file = sections::read(&mut faults, root.get_ref());
    let policies = check::check(&mut faults, &file);
    let places = Places::of(&faults, file_name, &file);
    let configuration = assemble(file, policies, places);
    faults.end(configuration)
}

/// What TOML's reader says, in our words where they help; and whether sections may have been lost by it.
fn syntax(said: &str) -> (String, bool) {
    let structural = ["table", "array", "multi-line", "key with no value"].iter().any(|word| said.contains(word));
    let message = match said {
        said if said.starts_with("string values must be quoted") => {
            "is not TOML: a value must be a number, true, false, a list, or a text in quotes".to_owned()
        }
        said if said.starts_with("unexpected leading zero") => {
            "is not TOML: a number must not begin with 0; a mode is a text in quotes, such as \"0660\"".to_owned()
        }
        "duplicate key" => "is not TOML: this stands a second time in the same place".to_owned(),
        said => format!("is not TOML: {said}"),
    };
    (message, structural)
}

fn assemble(file: sections::File, policies: Option<Vec<(String, Policy)>>, places: Places) -> Option<Configuration> {
    let server = file.server?;
    let state_dir = server.state_dir.value;
    let keys =
        file.keys.into_iter().map(|key| Some(KeyEntry { id: key.id?, file: state_dir.join(key.file?.value), purpose: key.purpose? }));
    let keys = keys.collect::<Option<_>>()?;
    let mut rules: Vec<Rule> = file.rules.into_iter().map(|rule| rule.rule).collect::<Option<_>>()?;
    rules.sort_by_key(|rule| std::cmp::Reverse(rule.path.decoded().trim_end_matches('/').len()));
    let store = match file.store? {
        ReadStore::Memory => StoreEntry::Memory,
        ReadStore::Sqlite { file, durability } => {
            StoreEntry::Sqlite { file: file.map_or_else(|| state_dir.join(STORE_FILE), |file| file.value), durability }
        }
    };
    let public_url = server.public_url;
    let storages = file.storages.into_iter().map(|storage| {
        let (storage, public) = storage.storage?;
        Some(Storage { public: public.map(|place| place.on(&public_url)), ..storage })
    });
    let directories = file.directories.into_iter().map(|directory| {
        let (name, path, place, hard_links) = directory.directory.filter(|_| !directory.credentials.is_faulty)?;
        Some(Directory { name, path, url: place.on(&public_url), hard_links, credentials: directory.credentials.credentials })
    });
    let zen_carts = file.zen_carts.into_iter().map(|zen_cart| {
        let (path, place, keep) = zen_cart.zen_cart?;
        Some(ZenCart { path, url: place.map(|place| place.on(&public_url)), keep })
    });
    let zen_carts = zen_carts.collect::<Option<_>>()?;
    let (storages, directories) = (storages.collect::<Option<_>>()?, directories.collect::<Option<_>>()?);
    let listeners = listeners::assemble(file.listeners, &state_dir)?;
    let (webhooks, mail) = outbox::assemble(file.webhooks, file.mail, &state_dir)?;
    Some(Configuration {
        webhooks,
        mail,
        keys,
        store,
        rules,
        state_dir,
        public_url,
        site: server.site,
        jwt_life_max: server.jwt_life_max,
        threads: server.threads,
        listeners,
        storages,
        directories,
        zen_carts,
        policies: policies?,
        feed: file.feed.map(|feed| feed.value),
        templates: file.templates.map(|templates| templates.value),
        zone: file.zone,
        addresses_kept: file.addresses_kept,
        places,
    })
}

impl Configuration {
    /// Tells two configurations apart, as read by one version of the program: 64 hexadecimal digits that follow from all
    /// that holds, and not from comments or spelling.
    pub fn digest(&self) -> String {
        use sha2::{Digest as _, Sha256};
        use std::fmt::Write as _;
        let mut text = String::new();
        for byte in Sha256::digest(format!("{self:?}").as_bytes()) {
            // Writing into a string does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    /// The storage of this name.
    pub fn storage(&self, name: &StorageName) -> Option<&Storage> {
        self.storages.iter().find(|storage| storage.name == *name)
    }

    /// The public directory of this name.
    pub fn directory(&self, name: &DirectoryName) -> Option<&Directory> {
        self.directories.iter().find(|directory| directory.name == *name)
    }

    /// The public directory that the web server serves `path` from, and the path inside it; both decoded.
    pub fn directory_of<'p>(&self, path: &'p str) -> Option<(&Directory, &'p str)> {
        let found = self.directories.iter().filter_map(|directory| Some((directory, path.strip_prefix(directory.url.path.as_str())?)));
        found.max_by_key(|(directory, _)| directory.url.path.len())
    }

    /// The rule that decides about `path`: the longest that it is or lies under.
    pub fn rule_for(&self, path: &CanonicalPath) -> Option<&Rule> {
        self.rules.iter().find(|rule| path.below(&rule.path).is_some())
    }

    /// The policy of this name; `default` is always there.
    pub fn policy(&self, name: &str) -> Option<&Policy> {
        self.policies.iter().find(|(policy, _)| policy == name).map(|(_, policy)| policy)
    }

    /// The same; or, in a sentence, that there is none and which there are.
    pub fn policy_named(&self, name: &str) -> Result<&Policy, String> {
        let known = || self.policies.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
        self.policy(name).ok_or_else(|| format!("there is no [[policy]] named `{name}` (there are: {})", known()))
    }

    /// The policy of what names none.
    pub fn default_policy(&self) -> &Policy {
        // `assemble` put it there; a policy without methods could do nothing.
        static NOTHING: std::sync::LazyLock<Policy> = std::sync::LazyLock::new(|| Policy { methods: Vec::new(), ..Policy::default() });
        self.policy("default").unwrap_or(&NOTHING)
    }

    /// The dialects of the `web` listeners, in the order of the file.
    pub fn web_dialects(&self) -> impl Iterator<Item = Dialect> {
        self.listeners.iter().filter_map(|listener| match listener.serve {
            Serve::Web(dialect) => Some(dialect),
            Serve::Api | Serve::Admin => None,
        })
    }

    /// Whether a feed reports what the web server sent. Without one a unit of a handed-off download is used when it
    /// starts, and whatever shows a number says "started".
    pub const fn is_measured(&self) -> bool {
        self.feed.is_some()
    }

    /// Whether it is known what arrived of every download: a feed tells it, or we send all bytes ourselves.
    pub fn knows_what_arrived(&self) -> bool {
        self.is_measured() || self.sends_all_itself()
    }

    /// By whom it is known what arrived: `stream` where we send all bytes ourselves, else the word of the feed, or `none`.
    pub fn known_by(&self) -> &'static str {
        match &self.feed {
            _ if self.sends_all_itself() => "stream",
            Some(feed) => feed.word(),
            None => "none",
        }
    }

    fn sends_all_itself(&self) -> bool {
        self.web_dialects().all(|dialect| dialect == Dialect::Standalone)
    }
}

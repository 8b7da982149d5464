//! Each section of the file, read into what is used. What is faulty is `None` and has been told.

mod storages;

use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;

use toml::de::DeTable;

pub(super) use self::storages::{ReadDirectory, ReadStorage, ReadZenCart};
use self::storages::{directory, storage, zen_cart};
use super::fault::Faults;
use super::keys;
use super::listeners::{ReadListener, listener};
use super::outbox::{ReadMail, ReadWebhook, mail, webhook};
use super::policies::{self, Part};
use super::reader::{Once, Placed, Read, Table, all_formed, entries, unknown_sections};
use super::values::{self, Wrong};
use super::zones;
use super::{Durability, Feed, Mode, ProofKind, PublicUrl, Purpose, Rule};
use crate::domain::grant::UNLIMITED;
use crate::domain::moment::Span;
use crate::domain::path::CanonicalPath;

/// More threads than this are a mistake on any machine.
const THREADS_LIMIT: u32 = 256;

/// The longest life of a JWT where nothing is said: a year, and the day of a leap year.
const LIFE_MAX: Span = Span::from_days(366);

/// The file as read.
pub(super) struct File {
    /// Whether every section is written in its form, so that what is not here is not there.
    pub(super) all_formed: bool,
    pub(super) server: Option<Server>,
    pub(super) listeners: Vec<ReadListener>,
    pub(super) keys: Vec<ReadKey>,
    pub(super) storages: Vec<ReadStorage>,
    pub(super) directories: Vec<ReadDirectory>,
    pub(super) zen_carts: Vec<ReadZenCart>,
    pub(super) rules: Vec<ReadRule>,
    pub(super) policies: Vec<Part>,
    /// Whether there is a `[feed]`, right or wrong.
    pub(super) measured: bool,
    /// What it is, and where the key stands that says so.
    pub(super) feed: Option<Placed<Feed>>,
    pub(super) store: Option<ReadStore>,
    pub(super) templates: Option<Placed<PathBuf>>,
    pub(super) zone: Option<String>,
    pub(super) addresses_kept: Option<Span>,
    pub(super) webhooks: Vec<ReadWebhook>,
    pub(super) mail: Option<ReadMail>,
}

/// `[server]`.
pub(super) struct Server {
    pub(super) state_dir: Placed<PathBuf>,
    pub(super) public_url: PublicUrl,
    pub(super) site: String,
    pub(super) threads: Option<NonZeroUsize>,
    pub(super) jwt_life_max: Span,
}

/// One `[[key]]`; its file may still be relative.
pub(super) struct ReadKey {
    pub(super) name: String,
    pub(super) header: Range<usize>,
    pub(super) purpose: Option<Purpose>,
    pub(super) file: Option<Placed<PathBuf>>,
    pub(super) id: Option<String>,
}

/// One `[[rule]]`.
pub(super) struct ReadRule {
    pub(super) name: String,
    pub(super) header: Range<usize>,
    /// Where `accept` stands.
    pub(super) accept_at: Option<Range<usize>>,
    /// Known even where something else of the rule is wrong.
    pub(super) htpasswd: Option<Placed<PathBuf>>,
    pub(super) rule: Option<Rule>,
}

/// Reads all sections.
pub(super) fn read<'t>(faults: &mut Faults<'t>, root: &'t DeTable<'t>) -> File {
    unknown_sections(faults, root);
    let mut seen = Once::new();
    let (templates, zone) = pages(faults, root);
    File {
        all_formed: all_formed(root),
        server: server(faults, root),
        listeners: each(faults, root, &keys::LISTENER, |table| listener(table, &mut seen)),
        keys: each(faults, root, &keys::KEY, |table| key(table, &mut seen)),
        storages: each(faults, root, &keys::STORAGE, |table| storage(table, &mut seen)),
        directories: each(faults, root, &keys::DIRECTORY, |table| directory(table, &mut seen)),
        zen_carts: each(faults, root, &keys::ZEN_CART, |table| zen_cart(table, &mut seen)),
        rules: each(faults, root, &keys::RULE, |table| rule(table, &mut seen)),
        policies: each(faults, root, &keys::POLICY, |table| policies::part(table, &mut seen)),
        measured: root.contains_key(keys::FEED.name),
        feed: feed(faults, root),
        store: store(faults, root),
        templates,
        zone,
        addresses_kept: addresses_kept(faults, root),
        webhooks: each(faults, root, &keys::WEBHOOK, |table| webhook(table, &mut seen)),
        mail: each(faults, root, &keys::MAIL, mail).into_iter().next(),
    }
}

fn each<'t, T>(
    faults: &mut Faults<'t>,
    root: &'t DeTable<'t>,
    section: &'static keys::Section,
    mut read: impl FnMut(&mut Table<'_, 't>) -> T,
) -> Vec<T> {
    let all = entries(faults, root, section);
    all.into_iter().map(|entry| read(&mut Table::new(faults, section, entry))).collect()
}

fn server<'t>(faults: &mut Faults<'t>, root: &'t DeTable<'t>) -> Option<Server> {
    if root.get(keys::SERVER.name).is_none() {
        faults.whole(0..0, keys::SERVER.name, "is missing: it must be a section [server] with state_dir and public_url".to_owned());
    }
    let read = each(faults, root, &keys::SERVER, |table| {
        let state_dir = table.needed_text("state_dir", values::absolute_path);
        let public_url = table.needed_text("public_url", values::public_url);
        let site = table.text("site", values::site).optional();
        let threads = table.number("threads", 1..=THREADS_LIMIT).optional();
        let jwt_life_max = table.text("jwt_life_max", |text| policies::span(text, "")).or(LIFE_MAX);
        let (state_dir, public_url) = (state_dir?, public_url?.value);
        let site = site.unwrap_or_else(|| public_url.host.clone());
        let threads = threads.and_then(|threads| NonZeroUsize::new(usize::try_from(threads).ok()?));
        Some(Server { state_dir, public_url, site, threads, jwt_life_max: jwt_life_max? })
    });
    read.into_iter().next().flatten()
}

const PURPOSES: [(&str, Purpose); 3] = [("sign", Purpose::Sign), ("accept", Purpose::Accept), ("retired", Purpose::Retired)];

fn key(table: &mut Table<'_, '_>, seen: &mut Once) -> ReadKey {
    let id = table.needed_text("id", values::id).map(|id| id.value);
    if let Some(id) = &id {
        table.once(seen, "id", id);
    }
    let file = table.needed_text("file", values::key_path);
    if let Some(file) = &file {
        table.once(seen, "file", &file.value.to_string_lossy());
    }
    let purpose = table.word("use", &PURPOSES, &[]);
    let purpose = table.needed("use", purpose).map(|purpose| purpose.value);
    ReadKey { name: table.name(), header: table.header.clone(), purpose, file, id }
}

const PROOFS: [(&str, ProofKind); 3] = [("signed-url", ProofKind::SignedUrl), ("jwt", ProofKind::Jwt), ("basic", ProofKind::Basic)];
const MODES: [(&str, Mode); 2] = [("enforce", Mode::Enforce), ("observe", Mode::Observe)];

fn rule(table: &mut Table<'_, '_>, seen: &mut Once) -> ReadRule {
    let path = table.needed_text("path", |text| CanonicalPath::parse(text).map_err(|_| Wrong::Shape));
    if let Some(path) = &path {
        // `/a` and `/a/` cover the same.
        table.once(seen, "path", path.value.encoded().trim_end_matches('/'));
    }
    let accept = table.words("accept", &PROOFS, &[]);
    let accept = table.needed("accept", accept);
    let accept_at = accept.as_ref().map(|accept| accept.span.clone());
    let accept: Option<Vec<ProofKind>> = accept.map(|accept| accept.value.into_iter().map(|proof| proof.value).collect());
    let mode = table.word("mode", &MODES, &[]).or(Mode::Enforce);
    let htpasswd = table.text("htpasswd", values::absolute_path);
    let realm = table.text("realm", values::realm);
    match accept.as_ref().map(|accept| accept.contains(&ProofKind::Basic)) {
        Some(true) if matches!(htpasswd, Read::Absent) => table.missing("htpasswd", " for \"basic\" in `accept`"),
        Some(false) => {
            for key in ["htpasswd", "realm"] {
                table.misplaced(key, "has its place beside \"basic\" in `accept` only");
            }
        }
        Some(true) | None => {}
    }
    let (is_htpasswd_good, is_realm_good) = (!matches!(htpasswd, Read::Faulty), !matches!(realm, Read::Faulty));
    let htpasswd = match htpasswd {
        Read::Good(placed) => Some(placed),
        Read::Absent | Read::Faulty => None,
    };
    let realm = realm.optional();
    let complete = || {
        let accept = accept.filter(|_| is_htpasswd_good && is_realm_good)?;
        Some(Rule { path: path?.value, accept, mode: mode?, htpasswd: htpasswd.as_ref().map(|file| file.value.clone()), realm })
    };
    let rule = complete();
    ReadRule { name: table.name(), header: table.header.clone(), accept_at, htpasswd, rule }
}

/// The keys of which a feed has exactly one.
const SOURCES: [&str; 3] = ["access_log", "syslog", "from"];

fn feed<'t>(faults: &mut Faults<'t>, root: &'t DeTable<'t>) -> Option<Placed<Feed>> {
    let read = each(faults, root, &keys::FEED, |table| {
        let mut written = SOURCES.into_iter().filter(|key| table.has(key));
        match (written.next(), written.next()) {
            (None, _) => table.missing("access_log", "; or `syslog` or `from` in its place"),
            (Some(first), Some(second)) => {
                table
                    .misplaced(second, &format!("must stand alone: a feed has one of access_log, syslog and from, and `{first}` is there"));
            }
            (Some(_), None) => {}
        }
        let access_log = table.text("access_log", values::absolute_path);
        let syslog = table.text("syslog", values::unix_socket);
        let from = table.word("from", &[("api", ())], &[]);
        let mode = table.text("mode", values::mode).or(values::SOCKET_MODE);
        let group = table.text("group", values::group).optional();
        if !table.has("syslog") {
            for key in ["mode", "group"] {
                table.misplaced(key, "has its place beside `syslog` only, whose socket it is for");
            }
        }
        match (access_log, syslog, from) {
            (Read::Good(Placed { value, span }), _, _) => Some(Placed { value: Feed::AccessLog(value), span }),
            (_, Read::Good(Placed { value: path, span }), _) => Some(Placed { value: Feed::Syslog { path, mode: mode?, group }, span }),
            (_, _, Read::Good(Placed { span, .. })) => Some(Placed { value: Feed::Api, span }),
            (_, _, Read::Absent | Read::Faulty) => None,
        }
    });
    read.into_iter().next().flatten()
}

/// `[store]`; its file may not be said.
pub(super) enum ReadStore {
    Memory,
    Sqlite { file: Option<Placed<PathBuf>>, durability: Durability },
}

/// The kinds of store.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StoreKind {
    Sqlite,
    Memory,
}

const KINDS: [(&str, StoreKind); 2] = [("sqlite", StoreKind::Sqlite), ("memory", StoreKind::Memory)];
const KINDS_LATER: [&str; 1] = ["postgresql"];
const DURABILITIES: [(&str, Durability); 2] = [("full", Durability::Full), ("relaxed", Durability::Relaxed)];

/// What `[store]` says, or what holds without it; `None` where it is wrong.
fn store<'t>(faults: &mut Faults<'t>, root: &'t DeTable<'t>) -> Option<ReadStore> {
    let read = each(faults, root, &keys::STORE, |table| {
        let kind = table.word("kind", &KINDS, &KINDS_LATER).or(StoreKind::Sqlite);
        let file = table.text("file", values::absolute_path);
        let durability = table.word("durability", &DURABILITIES, &[]).or(Durability::Full);
        if kind == Some(StoreKind::Memory) {
            for key in ["file", "durability"] {
                table.misplaced(key, "must not stand beside kind = \"memory\", which keeps nothing in a file");
            }
            return Some(ReadStore::Memory);
        }
        kind?;
        Some(ReadStore::Sqlite { file: file.placed(), durability: durability? })
    });
    if read.is_empty() && root.get(keys::STORE.name).is_none() {
        return Some(ReadStore::Sqlite { file: None, durability: Durability::Full });
    }
    read.into_iter().next().flatten()
}

fn addresses_kept<'t>(faults: &mut Faults<'t>, root: &'t DeTable<'t>) -> Option<Span> {
    let kept = |text: &str| if text == UNLIMITED { Ok(None) } else { policies::span(text, ", or \"unlimited\"").map(Some) };
    let read = each(faults, root, &keys::PRIVACY, |table| table.text("addresses", kept).optional().flatten());
    read.into_iter().next().flatten()
}

fn pages<'t>(faults: &mut Faults<'t>, root: &'t DeTable<'t>) -> (Option<Placed<PathBuf>>, Option<String>) {
    let read = each(faults, root, &keys::PAGES, |table| {
        (table.text("templates", values::absolute_path).placed(), table.text("zone", zones::zone).optional())
    });
    read.into_iter().next().unwrap_or_default()
}

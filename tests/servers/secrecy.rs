//! What nothing that the program prints may hold, whatever a test was about: a key, a password, a proof that opens
//! something. What a test has made or sent is learned, and is found in whatever place; a signature, a token of a link or a
//! delivery and a JWT are known by their shape besides.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// A link token or a delivery token.
const TOKEN_LENGTH: usize = 40;

/// An HMAC-SHA256 in base64url.
const SIGNATURE_LENGTH: usize = 43;

/// `cr_` and 160 bits in base32.
const API_KEY_LENGTH: usize = 35;

/// A key's file has at least so many letters.
const KEY_LENGTH_MIN: usize = 43;

/// What is shorter may be any word of a message.
const PASSWORD_LENGTH_MIN: usize = 6;

/// What `cloakroom htpasswd add --generate` makes up: 128 bits in base64url.
const GENERATED_LENGTH: usize = 22;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Key,
    Password,
    Signature,
    Token,
    Jwt,
    ApiKey,
}

/// What a command prints on standard output because that is its purpose: these, and nothing else does. Nothing at all may
/// stand in standard error, and no key anywhere: `key new` says where it lies.
const PRINTED_BY: &[(&[&str], &[Kind])] = &[
    (&["sign"], &[Kind::Signature]),
    (&["grant", "add"], &[Kind::Token, Kind::Password]),
    (&["link", "new"], &[Kind::Token, Kind::Password]),
    (&["order", "add"], &[Kind::Token, Kind::Password]),
    (&["order", "page"], &[Kind::Token]),
    (&["htpasswd", "add", "--generate"], &[Kind::Password]),
    (&["credential", "show"], &[Kind::Password]),
    (&["apikey", "new"], &[Kind::ApiKey]),
    (&["demo"], &[Kind::Signature, Kind::Token]),
];

/// All that the tests of this process have made or sent.
static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Known {
    /// Keys and passwords.
    phrases: HashMap<String, Kind>,
    /// Signatures and tokens: many, and each a piece of a run of letters.
    proofs: HashMap<String, Kind>,
}

impl Known {
    fn find<'a>(&'a self, text: &'a str) -> impl Iterator<Item = (Kind, &'a str)> {
        let phrases =
            self.phrases.iter().filter(|(phrase, _)| text.contains(phrase.as_str())).map(|(phrase, kind)| (*kind, phrase.as_str()));
        let runs = text.split(|letter: char| !letter.is_ascii() || !is_letter(letter as u8));
        let pieces = runs.flat_map(|run| [TOKEN_LENGTH, SIGNATURE_LENGTH].map(|length| (run, length))).flat_map(|(run, length)| {
            let last = (run.len() + 1).saturating_sub(length);
            (0..last).map(move |at| &run[at..at + length])
        });
        phrases.chain(pieces.filter_map(|piece| Some((*self.proofs.get(piece)?, piece))))
    }
}

const fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// The run of letters of base64url at the beginning of `text`.
fn run(text: &str) -> &str {
    text.split(|letter: char| !letter.is_ascii() || !is_letter(letter as u8)).next().unwrap_or_default()
}

/// Signatures and tokens, known by what stands before them.
fn marked(text: &str) -> impl Iterator<Item = (Kind, &str)> {
    let tokens = ["/l/", "/d/", "/s/", "/o/"].map(|mark| (mark, Kind::Token, TOKEN_LENGTH));
    let marks = [("sig=", Kind::Signature, SIGNATURE_LENGTH)].into_iter().chain(tokens);
    let found = move |(mark, kind, length): (&'static str, Kind, usize)| {
        let runs = text.match_indices(mark).map(move |(at, mark)| run(&text[at + mark.len()..]));
        runs.filter(move |run| run.len() == length).map(move |run| (kind, run))
    };
    marks.flat_map(found)
}

/// A key of the API, known by how it begins, how long it is, and its letters. A token may hold the same three in its middle.
fn api_key(line: &str) -> Option<&str> {
    let begins = |at: usize| line[..at].bytes().next_back().is_none_or(|before| !is_letter(before));
    let is_base32 = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_lowercase() && !b"ilou".contains(byte);
    let letters = |text: &&str| run(text).len() == API_KEY_LENGTH && text.as_bytes()[3..API_KEY_LENGTH].iter().all(is_base32);
    line.match_indices("cr_").filter(|(at, _)| begins(*at)).map(|(at, _)| &line[at..]).find(letters)
}

/// Three parts of base64url, of which the first is a JSON object, as `{"` begins.
fn jwt(line: &str) -> Option<&str> {
    let is_one = |text: &&str| {
        let parts: Vec<&str> = text.splitn(3, '.').collect();
        let [head, body, signature] = parts[..] else { return false };
        let letters = |part: &str| part.bytes().all(is_letter);
        letters(head) && body.starts_with("eyJ") && letters(body) && run(signature).len() >= SIGNATURE_LENGTH
    };
    line.match_indices("eyJ").map(|(at, _)| &line[at..]).find(is_one)
}

/// What in a line could be used by whoever reads it, and is none of what it `may` hold.
fn secret(line: &str, known: &Known, may: &[Kind]) -> Option<(Kind, String)> {
    let seen = marked(line).chain(jwt(line).map(|text| (Kind::Jwt, text))).chain(api_key(line).map(|text| (Kind::ApiKey, text)));
    known.find(line).chain(seen).find(|(kind, _)| !may.contains(kind)).map(|(kind, text)| (kind, text.to_owned()))
}

/// A key file's text as it stands there, and as a careless `Debug` would show it.
fn forms(text: &str) -> Vec<String> {
    // A public key is no secret.
    if text.starts_with("-----BEGIN PUBLIC KEY") {
        return Vec::new();
    }
    let lines = text.lines().map(str::trim).filter(|line| line.len() >= KEY_LENGTH_MIN && !line.starts_with("-----"));
    let mut forms: Vec<String> = lines.map(str::to_owned).collect();
    if let Ok(bytes) = URL_SAFE_NO_PAD.decode(text.trim().trim_end_matches('='))
        && bytes.len() >= 32
    {
        let list: Vec<String> = bytes.iter().map(ToString::to_string).collect();
        let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        forms.extend([hex.concat(), list.join(", "), STANDARD_NO_PAD.encode(bytes)]);
    }
    forms
}

/// Learns every key below these directories, in their folder `keys` or in that of a folder in them.
pub fn learn_keys(homes: &[PathBuf]) {
    let folders = homes.iter().filter_map(|home| fs::read_dir(home).ok()).flatten().flatten().map(|entry| entry.path());
    let files = homes.iter().cloned().chain(folders).filter_map(|folder| fs::read_dir(folder.join("keys")).ok()).flatten();
    let texts = files.flatten().filter_map(|file| fs::read_to_string(file.path()).ok());
    let forms: Vec<String> = texts.flat_map(|text| forms(&text)).collect();
    KNOWN.lock().unwrap().phrases.extend(forms.into_iter().map(|form| (form, Kind::Key)));
}

/// Learns a password.
pub fn learn_password(password: &str) {
    if password.len() >= PASSWORD_LENGTH_MIN {
        KNOWN.lock().unwrap().phrases.insert(password.to_owned(), Kind::Password);
    }
}

/// Learns what a value of `Authorization` brings, as it is sent and as it is meant.
pub fn learn_authorization(value: &str) {
    let Some((_, text)) = value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic")) else { return };
    learn_password(text);
    if let Some(login) = STANDARD.decode(text).ok().and_then(|login| String::from_utf8(login).ok()) {
        login.split_once(':').into_iter().for_each(|(_, password)| learn_password(password));
    }
}

/// Learns the password of every user of a public directory that a store below these directories knows, whether anybody was
/// told it or not; computed as `proof::directory_password` describes it.
pub fn learn_directory_passwords(homes: &[PathBuf]) {
    let of = |key: &[u8], text: &str| Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(text).finalize().into_bytes();
    for home in homes {
        let config = home.join("cloakroom.toml");
        // Where nobody is asked for a password there is none.
        if !fs::read_to_string(&config).is_ok_and(|text| text.contains("\nhtpasswd")) {
            continue;
        }
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let Ok(database) = rusqlite::Connection::open_with_flags(home.join("cloakroom.db"), flags) else { continue };
        let Ok(mut rows) = database.prepare("SELECT directory, user, kid FROM credentials") else { continue };
        let Ok(configuration) = cloakroom::config::load(&config) else { continue };
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?));
        for (directory, user, kid) in rows.query_map([], read).into_iter().flatten().flatten() {
            let Some(key) = fs::read_to_string(home.join("keys").join(kid)).ok().and_then(|text| URL_SAFE_NO_PAD.decode(text.trim()).ok())
            else {
                continue;
            };
            let key = of(&key, "cloakroom directory password 1");
            let mac = of(&key, &format!("{}\n{directory}\n{user}", configuration.site));
            learn_password(&cloakroom::domain::id::base32(&mac[..16]));
        }
    }
}

/// Learns the signatures and tokens of a URL or of another text.
pub fn learn_tokens(text: &str) {
    KNOWN.lock().unwrap().proofs.extend(marked(text).map(|(kind, text)| (text.to_owned(), kind)));
}

/// Learns what a command has printed because it `may`.
pub fn learn_printed(stdout: &[u8], may: &[Kind]) {
    let text = String::from_utf8_lossy(stdout);
    if !may.is_empty() {
        learn_tokens(&text);
    }
    if may.contains(&Kind::Password) {
        // Beside it stand paths and ids of the same length.
        let lines = text.lines().filter(|line| line.contains("password"));
        lines
            .flat_map(|line| line.split(|letter: char| !letter.is_ascii() || !is_letter(letter as u8)))
            .filter(|word| word.len() == GENERATED_LENGTH && !is_id(word))
            .for_each(learn_password);
    }
}

/// Ids are as long as a password that was made up, and no secret.
fn is_id(word: &str) -> bool {
    use cloakroom::domain::id::{DeliveryId, GrantId, LinkId};
    word.parse::<GrantId>().is_ok() || word.parse::<LinkId>().is_ok() || word.parse::<DeliveryId>().is_ok()
}

/// The words of a command line that are no options: the command, and what it is about.
pub fn words(arguments: &[OsString]) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = arguments.iter().map(|argument| argument.to_string_lossy());
    while let Some(word) = rest.next() {
        if word == "--config" {
            rest.next();
        } else if !word.starts_with("--") {
            words.push(word.into_owned());
        }
    }
    words
}

/// What a command line may print on standard output.
pub fn printed_by(arguments: &[OsString]) -> &'static [Kind] {
    let words = words(arguments);
    let is_row = |row: &&(&[&str], &[Kind])| {
        let (options, command): (Vec<&str>, Vec<&str>) = row.0.iter().partition(|word| word.starts_with("--"));
        words.iter().map(String::as_str).take(command.len()).eq(command.iter().copied())
            && options.iter().all(|option| arguments.iter().any(|argument| argument == option))
    };
    PRINTED_BY.iter().find(is_row).map_or(&[], |(_, kinds)| kinds)
}

/// Fails the test if a text holds a secret that it may not hold.
#[track_caller]
pub fn assert_none(what: &str, text: &[u8], may: &[Kind]) {
    let text = String::from_utf8_lossy(text);
    let known = KNOWN.lock().unwrap();
    let said: Vec<_> = text.lines().filter_map(|line| Some((secret(line, &known, may)?, line))).collect();
    drop(known);
    assert!(said.is_empty(), "{what} holds a secret: {said:#?}");
}

//! `cloakroom apikey`: keys with which programs call the API.

use clap::Subcommand;
use std::str::FromStr;

use super::client::Client;
use super::failure::Failure;
use super::paragraph::paragraph;
use super::terminal::{self, Column};
use super::when::ago;
use super::{Common, say, say_json, signs, width};
use crate::api::{ApiKeyView, NewApiKey, NewApiKeyView, RevokedApiKey};
use crate::clock;
use crate::domain::api_key::Scope;
use crate::domain::id::ApiKeyId;

/// What stands below the list of commands.
pub(super) const AFTER_HELP: &str = "\
Over a [[listener]] with serve = \"api\" on an address and port each call brings a key: `Authorization: Bearer cr_…`. \
Over a unix socket none is needed; one that is brought counts there, too.

Scopes: read (look at everything but passwords), grants (make and change grants and links), orders, catalogue (files, \
products, policies), admin (everything, keys and passwords too).";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a key, and print it: once, for it is kept nowhere.
    New {
        /// What it is called, such as `shop-php`: the history of grants shows it.
        #[arg(value_name = "NAME")]
        name: String,
        /// What it may do: read, grants, orders, catalogue or admin; may be given several times.
        #[arg(long = "scope", value_name = "SCOPE", required = true, value_parser = Scope::from_str)]
        scopes: Vec<Scope>,
        /// The only shop whose orders it may report and see.
        #[arg(long, value_name = "NAME")]
        shop: Option<String>,
        /// Until when it opens: 2027-01-31, which is in, or 2027-01-31T12:00:00Z; until it is revoked if not said.
        #[arg(long, value_name = "WHEN")]
        expires: Option<String>,
        /// From where alone it opens: 10.0.0.0/8, or an address; may be given several times. From anywhere if not said.
        #[arg(long = "network", value_name = "NETWORK")]
        networks: Vec<String>,
    },
    /// The keys, the newest first.
    List,
    /// Refuse a key from now on, for good.
    Revoke {
        /// The key, `k-…`; `cloakroom apikey list` shows it.
        #[arg(value_name = "KEY", value_parser = ApiKeyId::from_str)]
        key: ApiKeyId,
    },
}

pub(super) fn run(common: &Common, command: Command) -> Result<(), Failure> {
    let configuration = common.load()?;
    let client = |name: &str| Client::of(&configuration, &format!("apikey {name}"));
    match command {
        Command::New { name, scopes, shop, expires, networks } => {
            let scopes = scopes.into_iter().map(|scope| scope.word().to_owned()).collect();
            let new = NewApiKey { name, scopes, shop, expires, networks };
            let made: NewApiKeyView = client("new")?.post("/api/v1/apikeys", &new)?;
            // The key alone stands on standard output, so that a script can take it.
            if common.json { say_json(&made) } else { say(&made.text) }
        }
        Command::List => {
            let keys: Vec<ApiKeyView> = client("list")?.fetch("/api/v1/apikeys")?;
            if common.json { say_json(&keys) } else { say(list(&keys)) }
        }
        Command::Revoke { key } => {
            let revoked: RevokedApiKey = client("revoke")?.order(&format!("/api/v1/apikeys/{key}/revoke"))?;
            if common.json {
                return say_json(&revoked);
            }
            let name = &revoked.key.name;
            say(if revoked.changed { format!("{key} ({name}) is revoked") } else { format!("{key} ({name}) was revoked already") })
        }
    }
}

fn list(keys: &[ApiKeyView]) -> String {
    if keys.is_empty() {
        return paragraph("", "no keys yet: `cloakroom apikey new NAME --scope grants` makes one");
    }
    let now = clock::now();
    let columns = [
        Column::Text("key"),
        Column::Text("state"),
        Column::Text("made"),
        Column::Text("used"),
        Column::Long("scopes"),
        Column::Long("name"),
    ];
    let row = |key: &ApiKeyView| {
        let ApiKeyView { id, name, scopes, shop, state, created, used, expires, networks, .. } = key;
        let limits = [
            shop.as_ref().map(|shop| format!("orders of {shop}")),
            expires.as_ref().map(|expires| format!("until {expires}")),
            (!networks.is_empty()).then(|| format!("from {}", networks.join(" "))),
        ];
        let limits = limits.into_iter().flatten().collect::<Vec<_>>().join(", ");
        let name = if limits.is_empty() { name.clone() } else { format!("{name} ({limits})") };
        vec![id.clone(), state.clone(), ago(created, now), used.clone().unwrap_or_else(|| "never".to_owned()), scopes.join(" "), name]
    };
    terminal::table_within(&columns, &keys.iter().map(row).collect::<Vec<_>>(), width(), signs()).trim_end().to_owned()
}

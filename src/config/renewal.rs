//! What a running daemon takes from a changed configuration, and what waits for a restart.

use std::path::PathBuf;

use super::{Address, Configuration, Feed, KeyEntry, Listener, Mail, Serve, StoreEntry, Webhook};

/// A configuration that a running daemon can go on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// What holds from now on: as written, but for what waits.
    pub configuration: Configuration,
    /// The sections of which something new holds from now on, by the words of the file.
    pub changed: Vec<&'static str>,
    /// The keys that were changed and wait for a restart, as `listener[1].mode`.
    pub waiting: Vec<String>,
}

/// Takes what a reload can change from `written`, and the rest (sockets, threads, store, feed, state directory) from
/// `running`.
///
/// The error says what cannot wait: policies and rules were checked against the listeners' dialects, and against whether
/// there is a feed. With others they could promise what the running daemon cannot do.
pub fn renew(running: &Configuration, written: Configuration) -> Result<Renewal, String> {
    let restart = "a reload cannot change it, since policies and rules depend on it: restart to take this configuration";
    if !same_dialects(running, &written) {
        return Err(format!("`listener.dialect`: the listeners speak other dialects than the running ones; {restart}"));
    }
    if running.feed.is_some() != written.feed.is_some() {
        return Err(format!("`feed`: this section is {}; {restart}", if written.feed.is_some() { "new" } else { "gone" }));
    }
    // All fields by name: who adds one decides here whether a reload changes it.
    let Configuration {
        state_dir,
        public_url,
        site,
        threads,
        jwt_life_max,
        listeners,
        keys,
        storages,
        directories,
        zen_carts,
        rules,
        policies,
        feed,
        store,
        templates,
        zone,
        addresses_kept,
        webhooks,
        mail,
        places,
    } = written;
    let mut waiting = Vec::new();
    let mut wait = |key: &str, differs: bool| {
        if differs {
            waiting.push(key.to_owned());
        }
    };
    wait("server.state_dir", running.state_dir != state_dir);
    wait("server.threads", running.threads != threads);
    for place in 0..running.listeners.len().max(listeners.len()) {
        for key in differing(running.listeners.get(place), listeners.get(place)) {
            wait(&format!("listener[{}]{key}", place + 1), true);
        }
    }
    wait(feed_key(feed.as_ref().or(running.feed.as_ref())), running.feed != feed);
    wait(store_key(&running.store, &store), running.store != store);
    // What is named by its place in the state directory lies in the running one.
    let under_running = |file: PathBuf| file.strip_prefix(&state_dir).map(|rest| running.state_dir.join(rest)).unwrap_or(file);
    let keys: Vec<KeyEntry> = keys.into_iter().map(|key| KeyEntry { file: under_running(key.file), ..key }).collect();
    let webhooks: Vec<_> =
        webhooks.into_iter().map(|webhook| Webhook { secret: under_running(webhook.secret.clone()), ..webhook }).collect();
    let mail = mail.map(|mail| Mail { login: mail.login.clone().map(|(user, file)| (user, under_running(file))), ..mail });
    let changed = [
        ("server", running.public_url != public_url || running.site != site || running.jwt_life_max != jwt_life_max),
        ("key", running.keys != keys),
        ("storage", running.storages != storages),
        ("directory", running.directories != directories),
        ("zen_cart", running.zen_carts != zen_carts),
        ("rule", running.rules != rules),
        ("policy", running.policies != policies),
        ("pages", running.templates != templates || running.zone != zone),
        ("privacy", running.addresses_kept != addresses_kept),
        ("webhook", running.webhooks != webhooks),
        ("mail", running.mail != mail),
    ];
    let configuration = Configuration {
        state_dir: running.state_dir.clone(),
        public_url,
        site,
        threads: running.threads,
        jwt_life_max,
        listeners: running.listeners.clone(),
        keys,
        storages,
        directories,
        zen_carts,
        rules,
        policies,
        feed: running.feed.clone(),
        store: running.store.clone(),
        templates,
        zone,
        addresses_kept,
        webhooks,
        mail,
        places,
    };
    let changed = changed.into_iter().filter_map(|(section, differs)| differs.then_some(section)).collect();
    Ok(Renewal { configuration, changed, waiting })
}

fn same_dialects(one: &Configuration, other: &Configuration) -> bool {
    let within =
        |one: &Configuration, other: &Configuration| one.web_dialects().all(|dialect| other.web_dialects().any(|there| there == dialect));
    within(one, other) && within(other, one)
}

/// The keys in which two listeners at the same place of the file differ; an empty one where one of them is not there.
fn differing(running: Option<&Listener>, written: Option<&Listener>) -> Vec<&'static str> {
    let (Some(running), Some(written)) = (running, written) else { return vec![""] };
    let (mut keys, serves) = (Vec::new(), (running.serve, written.serve));
    match (&running.address, &written.address) {
        (Address::Unix { path, mode, group }, Address::Unix { path: new_path, mode: new_mode, group: new_group }) => {
            keys.extend((path != new_path).then_some(".address"));
            keys.extend((mode != new_mode).then_some(".mode"));
            keys.extend((group != new_group).then_some(".group"));
        }
        (one, other) => keys.extend((one != other).then_some(".address")),
    }
    match serves {
        (Serve::Web(one), Serve::Web(other)) => keys.extend((one != other).then_some(".dialect")),
        (one, other) => keys.extend((one != other).then_some(".serve")),
    }
    keys.extend((running.trusted_peers != written.trusted_peers).then_some(".trusted_peers"));
    keys.extend((running.secret != written.secret).then_some(".secret"));
    keys.extend((running.connections_max != written.connections_max).then_some(".connections_max"));
    keys
}

const fn feed_key(feed: Option<&Feed>) -> &'static str {
    match feed {
        Some(Feed::AccessLog(_)) => "feed.access_log",
        Some(Feed::Syslog { .. }) => "feed.syslog",
        Some(Feed::Api) => "feed.from",
        None => "feed",
    }
}

fn store_key(running: &StoreEntry, written: &StoreEntry) -> &'static str {
    match (running, written) {
        (StoreEntry::Sqlite { file, .. }, StoreEntry::Sqlite { file: other, .. }) if file == other => "store.durability",
        (StoreEntry::Sqlite { .. }, StoreEntry::Sqlite { .. }) => "store.file",
        _ => "store.kind",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    const RUNNING: &str = r#"
        [server]
        state_dir  = "/var/lib/cloakroom"
        public_url = "https://shop.example/dl/"
        [[listener]]
        address = "unix:/run/cloakroom/nginx.sock"
        dialect = "nginx"
        [[listener]]
        address = "127.0.0.1:8471"
        serve   = "admin"
        [[key]]
        id   = "main"
        file = "/k/main"
        use  = "sign"
        [[storage]]
        name    = "masters"
        path    = "/srv/downloads"
        handoff = "/_cloakroom/masters/"
        [[rule]]
        path   = "/members/"
        accept = ["signed-url"]
        [[policy]]
        name = "default"
        [feed]
        access_log = "/var/log/nginx/cloakroom.log"
        [store]
        kind = "sqlite"
    "#;

    fn renewed(old: &str, new: &str) -> Result<Renewal, String> {
        let running = parse(RUNNING, "a.toml").expect("the running one");
        assert!(old.is_empty() || RUNNING.contains(old), "{old}");
        let written = if old.is_empty() { format!("{RUNNING}{new}") } else { RUNNING.replacen(old, new, 1) };
        renew(&running, parse(&written, "a.toml").expect(new))
    }

    #[test]
    fn what_a_reload_can_change_holds_at_once_and_is_named() {
        for (old, new, section) in [
            ("shop.example/dl/", "shop.example/get/", "server"),
            ("https://shop.example", "https://other.example", "server"),
            ("/k/main", "/k/other", "key"),
            ("/srv/downloads", "/srv/files", "storage"),
            ("/members/", "/inside/", "rule"),
            ("name = \"default\"", "name = \"default\"\nmax_downloads = 7", "policy"),
            ("", "[pages]\ntemplates = \"/etc/t\"", "pages"),
            ("", "[pages]\nzone = \"Europe/Berlin\"", "pages"),
        ] {
            let renewal = renewed(old, new).expect(new);
            assert_eq!((renewal.changed, renewal.waiting.as_slice()), (vec![section], &[][..]), "{new}");
        }
        let renewal = renewed("", "").expect("the same");
        assert_eq!((renewal.changed.len(), renewal.waiting.len()), (0, 0));
    }

    #[test]
    fn what_waits_for_a_restart_is_named_by_its_key_and_stays_as_it_is() {
        let running = parse(RUNNING, "a.toml").expect("the running one");
        for (old, new, keys) in [
            ("state_dir  = \"/var/lib/cloakroom\"", "state_dir = \"/var/lib/other\"", &["server.state_dir", "store.file"][..]),
            ("public_url =", "threads = 3\npublic_url =", &["server.threads"]),
            ("cloakroom/nginx.sock", "cloakroom/other.sock", &["listener[1].address"]),
            ("dialect = \"nginx\"", "dialect = \"nginx\"\nmode = \"0600\"\ngroup = \"www\"", &["listener[1].mode", "listener[1].group"]),
            ("serve   = \"admin\"", "serve = \"admin\"\nconnections_max = 7", &["listener[2].connections_max"]),
            ("serve   = \"admin\"", "serve = \"admin\"\ntrusted_peers = [\"192.0.2.1\"]", &["listener[2].trusted_peers"]),
            ("", "[[listener]]\naddress = \"unix:/run/a.sock\"\nserve = \"api\"", &["listener[3]"]),
            ("log/nginx/cloakroom.log", "log/cloakroom.log", &["feed.access_log"]),
            ("kind = \"sqlite\"", "durability = \"relaxed\"", &["store.durability"]),
            ("kind = \"sqlite\"", "file = \"/var/lib/a.db\"", &["store.file"]),
            ("kind = \"sqlite\"", "kind = \"memory\"", &["store.kind"]),
        ] {
            let renewal = renewed(old, new).expect(new);
            assert_eq!(
                (renewal.waiting.as_slice(), renewal.changed.len()),
                (keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>().as_slice(), 0),
                "{new}"
            );
            assert_eq!(renewal.configuration, running, "{new}");
        }
    }

    #[test]
    fn what_policies_and_rules_depend_on_cannot_wait() {
        for (old, new, key) in [
            ("access_log = \"/var/log/nginx/cloakroom.log\"", "", "`feed`"),
            (
                "dialect = \"nginx\"",
                "dialect = \"nginx\"\n[[listener]]\naddress = \"127.0.0.1:80\"\ndialect = \"standalone\"",
                "`listener.dialect`",
            ),
        ] {
            let written =
                if new.is_empty() { RUNNING.replacen("[feed]", "", 1).replacen(old, "", 1) } else { RUNNING.replacen(old, new, 1) };
            let running = parse(RUNNING, "a.toml").expect("the running one");
            let refused = renew(&running, parse(&written, "a.toml").expect("written")).expect_err(key);
            assert!(refused.starts_with(key) && refused.contains("restart"), "{refused}");
        }
    }
}

//! The commented default file, written from the table of keys.

use std::fmt::Write as _;

use super::keys::Without::{Refused, Value, Words};
use super::keys::{Key, LISTENER, SECTIONS, Section};

const HEAD: &str = "\
# Cloakroom's configuration: every key that there is, each with what holds without it.
# Check it with `cloakroom check`; what is changed holds from the next reload (SIGHUP) or start on.
# Durations are \"90s\", \"15m\", \"24h\", \"30d\", \"2w\" or together as \"1h30m\".
";

/// The second listener of the default file.
const COMMANDS: &str = "
# Here `cloakroom grant`, `link`, `delivery` and others reach the daemon. Whoever may connect may use it: the daemon's user alone.
[[listener]]
address = \"unix:/run/cloakroom/api.sock\"
serve = \"api\"
mode = \"0600\"
";

/// The commented default file: what has to be written stands, all else is a comment (`#key` without a blank).
pub fn default_file() -> String {
    let mut text = HEAD.to_owned();
    for section in SECTIONS {
        text.push('\n');
        for line in section.doc {
            put(&mut text, &["# ", line]);
        }
        put(&mut text, &[if section.active { "" } else { "#" }, &section.header()]);
        for key in section.keys {
            let (value, word) = match &key.without {
                Refused(example) => (*example, "Needed.".to_owned()),
                Value(value) => (*value, format!("Default: {value}.")),
                Words(words, example) => (*example, format!("{words}.")),
            };
            let needed = matches!(key.without, Refused(_)) || shown(section, key);
            put(&mut text, &["# ", key.doc, " ", &word]);
            put(&mut text, &[if section.active && needed { "" } else { "#" }, key.name, " = ", value]);
        }
        if section.name == LISTENER.name {
            text.push_str(COMMANDS);
        }
    }
    text
}

/// Keys that have a default, but without which the smallest shop's file would not work or not be clear.
fn shown(section: &Section, key: &Key) -> bool {
    matches!((section.name, key.name), ("listener", "dialect" | "serve") | ("storage", "handoff") | ("feed", "access_log"))
}

fn put(text: &mut String, parts: &[&str]) {
    for part in parts {
        text.push_str(part);
    }
    // Writing to a String cannot fail.
    let _ = writeln!(text);
}

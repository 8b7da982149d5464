//! Every section and key of the configuration file: what it is, what would be right, what holds without it. This one
//! table drives the check for unknown keys, the words of the errors, and the commented default file.

mod listener;
mod outbox;
mod places;
mod privacy;

use super::suggest::closest;
use Without::{Refused, Value, Words};
pub(super) use listener::LISTENER;
pub(super) use outbox::{MAIL, WEBHOOK};
pub(super) use places::{DIRECTORY, STORAGE, ZEN_CART};
pub(super) use privacy::PRIVACY;

/// A section of the file.
pub(super) struct Section {
    /// Its name, as in `[server]`.
    pub(super) name: &'static str,
    /// Whether it is written `[[listener]]` and may stand many times.
    pub(super) many: bool,
    /// Whether it stands in the default file, or only as a comment.
    pub(super) active: bool,
    /// What it is, in lines.
    pub(super) doc: &'static [&'static str],
    /// Its keys, in the order of the default file.
    pub(super) keys: &'static [Key],
    /// Keys of the design that this version does not have.
    later: &'static [&'static str],
}

/// A key of a section.
pub(super) struct Key {
    /// Its name.
    pub(super) name: &'static str,
    /// What holds without it.
    pub(super) without: Without,
    /// What would be right, as it follows after "must be".
    pub(super) shape: &'static str,
    /// What it is, one line.
    pub(super) doc: &'static str,
}

/// What holds when a key is not written.
pub(super) enum Without {
    /// It has to be written; an example.
    Refused(&'static str),
    /// This value, as TOML.
    Value(&'static str),
    /// What the sentence says; an example.
    Words(&'static str, &'static str),
}

/// How a key that is asked for but stands in no table would be read: as refused.
static NOWHERE: Key = Key { name: "", without: Without::Refused("\"\""), shape: "a value", doc: "" };

/// What a name that the file uses turns out to be.
pub(super) enum Known {
    /// A key or section of this version.
    Yes,
    /// Known to the design, not in this version.
    Later,
    /// Neither; the closest name that is known, if one is close.
    No(Option<&'static str>),
}

impl Section {
    /// The key `name`.
    pub(super) fn key(&self, name: &str) -> &'static Key {
        self.keys.iter().find(|key| key.name == name).unwrap_or(&NOWHERE)
    }

    /// As it is written: `[server]`, `[[listener]]`.
    pub(super) fn header(&self) -> String {
        if self.many { format!("[[{}]]", self.name) } else { format!("[{}]", self.name) }
    }

    /// What the key `name` is to this section.
    pub(super) fn knows(&self, name: &str) -> Known {
        if self.keys.iter().any(|key| key.name == name) {
            Known::Yes
        } else if self.later.contains(&name) {
            Known::Later
        } else {
            Known::No(closest(name, self.keys.iter().map(|key| key.name)))
        }
    }

    /// The names of its keys, for an error.
    pub(super) fn names(&self) -> String {
        self.keys.iter().map(|key| key.name).collect::<Vec<_>>().join(", ")
    }
}

const fn key(name: &'static str, without: Without, shape: &'static str, doc: &'static str) -> Key {
    Key { name, without, shape, doc }
}

/// `[server]`.
pub(super) static SERVER: Section = Section {
    name: "server",
    many: false,
    active: true,
    doc: &["The daemon itself."],
    keys: &[
        key(
            "state_dir",
            Refused("\"/var/lib/cloakroom\""),
            "an absolute path such as \"/var/lib/cloakroom\"",
            "Where keys and state are kept; nobody else may read it.",
        ),
        key(
            "public_url",
            Refused("\"https://shop.example/dl/\""),
            "a URL such as \"https://shop.example/dl/\"",
            "Where customers reach Cloakroom: http or https, a host, a path that ends with `/`.",
        ),
        key(
            "site",
            Words("Without it, the host of public_url", "\"shop.example\""),
            "a name of lower-case letters, digits and `-._`, such as \"shop.example\"",
            "The name that signed URLs and JWTs (`aud`) are made for; one made for another site is refused.",
        ),
        key(
            "jwt_life_max",
            Value("\"366d\""),
            "a duration such as \"366d\"",
            "The longest life of a JWT; one that holds for longer is refused.",
        ),
        key(
            "threads",
            Words("Without it, one for each processor", "1"),
            "a number from 1 to 256",
            "Threads that answer. One answers what several Nginx workers ask; more help where processors are idle.",
        ),
    ],
    later: &[],
};

/// `[[key]]`.
pub(super) static KEY: Section = Section {
    name: "key",
    many: true,
    active: true,
    doc: &[
        "A key. One made by `cloakroom key new ID` is for signed URLs, links and JWTs by HS256; the first with use = \"sign\" signs",
        "what is new. A public key in PEM (Ed25519, EC P-256, RSA) checks JWTs by EdDSA, ES256 or RS256 and has use = \"accept\".",
    ],
    keys: &[
        key(
            "id",
            Refused("\"main\""),
            "1 to 32 letters, digits, `-` and `_`, such as \"main\"",
            "Its name, the `kid` of signed URLs and JWTs.",
        ),
        key(
            "file",
            Refused("\"keys/main\""),
            "the path of a file, absolute or under state_dir, such as \"keys/main\"",
            "Its file, absolute or under state_dir; a secret is not readable by others.",
        ),
        key(
            "use",
            Refused("\"sign\""),
            "\"sign\", \"accept\" or \"retired\"",
            "\"sign\" and accept; \"accept\" what it signed before; \"retired\": refuse it by name.",
        ),
    ],
    later: &[],
};

/// `[[rule]]`.
pub(super) static RULE: Section = Section {
    name: "rule",
    many: true,
    active: false,
    doc: &["A part of the site that the web server sends itself, once Cloakroom says yes (auth_request). The longest path decides."],
    keys: &[
        key(
            "path",
            Refused("\"/members/\""),
            "a URL path such as \"/members/\"",
            "What it protects: this path and all under it, by whole segments.",
        ),
        key(
            "accept",
            Refused("[\"signed-url\", \"jwt\", \"basic\"]"),
            "a list of \"signed-url\", \"jwt\" and \"basic\"",
            "The proofs that open it; the first that a request brings decides. \"jwt\": ?jwt=, Authorization: Bearer, or the cookie cloakroom_jwt; \"basic\": a name and a password.",
        ),
        key(
            "htpasswd",
            Words("Needed for \"basic\", and only there", "\"/etc/cloakroom/members.htpasswd\""),
            "an absolute path such as \"/etc/cloakroom/members.htpasswd\"",
            "The file of names and passwords, read again when it changes; `cloakroom htpasswd add FILE NAME`.",
        ),
        key(
            "realm",
            Words("Without it, the name of the site", "\"Members\""),
            "1 to 100 printable signs of ASCII without `\"` and `\\`, such as \"Members\"",
            "What browsers show when they ask for a password.",
        ),
        key(
            "mode",
            Value("\"enforce\""),
            "\"enforce\" or \"observe\"",
            "\"enforce\": what brings no proof is refused; \"observe\": it passes, and the log says `would_refuse`.",
        ),
    ],
    later: &[],
};

/// `[[policy]]`.
pub(super) static POLICY: Section = Section {
    name: "policy",
    many: true,
    active: false,
    doc: &[
        "The limits of a grant, copied when it is made. The policy \"default\" holds where none is named; what another one",
        "does not say it takes from there.",
    ],
    keys: &[
        key("name", Refused("\"default\""), "1 to 32 letters, digits, `-` and `_`, such as \"default\"", "Its name."),
        key(
            "max_downloads",
            Value("5"),
            "a number from 0 to 4294967295, or \"unlimited\"",
            "How many downloads of each file, or \"unlimited\"; 0 means none.",
        ),
        key("valid_for", Value("\"30d\""), "a duration such as \"30d\", or \"unlimited\"", "How long the grant lasts, or \"unlimited\"."),
        key(
            "expires",
            Value("\"exact\""),
            "\"exact\" or \"end-of-day\"",
            "When its time is over: \"exact\", or \"end-of-day\" with the last second of that day in `zone`.",
        ),
        key(
            "zone",
            Words("Needed for expires = \"end-of-day\", and only there", "\"Europe/Berlin\""),
            "a time zone such as \"Europe/Berlin\"",
            "Whose days they are: a zone of /usr/share/zoneinfo.",
        ),
        key("link_ttl", Value("\"30d\""), "a duration such as \"30d\"", "How long a link of the grant lasts."),
        key(
            "resume_grace",
            Value("\"24h\""),
            "a duration from \"1s\" to \"7d\"",
            "How long after its last request a download can be resumed without counting again, at most \"7d\".",
        ),
        key("retry_factor", Value("2"), "a number from 0 to 100", "How many times a file's bytes may be sent again within one download."),
        key(
            "method",
            Words("Without it, what the listeners can do: [\"handoff\"] with Nginx", "[\"handoff\"]"),
            "a list with \"handoff\" (Nginx sends), \"stub\", \"copy\", \"public\" (customers are led to a public directory or address) or \"stream\" (Cloakroom sends, standalone only)",
            "How the bytes travel; the first that can work is taken.",
        ),
        key("connections_max", Value("16"), "a number from 1 to 512", "How many requests of one download may run at once."),
        key(
            "rate",
            Words("Without it, no limit", "\"2MB/s\""),
            "a rate such as \"500k/s\", \"2MB/s\" or a number of bytes a second",
            "Bytes a second of each request: \"500k/s\" (k = 1024), \"2MB/s\" (MB = 1000000), or a number of bytes.",
        ),
        key(
            "networks",
            Words("Without it, from anywhere", "[\"10.0.0.0/8\", \"2001:db8::/32\"]"),
            "a list of 1 to 64 addresses and networks such as [\"10.0.0.0/8\", \"2001:db8::/32\"]",
            "Downloads only from these networks.",
        ),
        key(
            "networks_max",
            Value("\"unlimited\""),
            "a number from 1 to 256, or \"unlimited\"",
            "From how many networks (/24 of IPv4, /56 of IPv6) a grant is used; a phone alone comes from two.",
        ),
        key(
            "version",
            Value("\"latest\""),
            "\"latest\" or \"purchased\"",
            "Which version of a file that is replaced: \"latest\", or \"purchased\", what it was when it was bought; with method \"public\" it cannot be.",
        ),
        key(
            "landing",
            Value("true"),
            "true or false",
            "Whether a browser that opens a link is shown a page about the file first, with a button. Tools get the file at once.",
        ),
    ],
    later: &[],
};

/// `[feed]`.
pub(super) static FEED: Section = Section {
    name: "feed",
    many: false,
    active: true,
    doc: &[
        "Where the web server reports what it sent, by one of access_log, syslog and from. Without this section a download",
        "counts when it starts. A download of which a line was lost counts, too, and is marked as presumed.",
    ],
    keys: &[
        key(
            "access_log",
            Words("Needed, or one of syslog and from", "\"/var/log/nginx/cloakroom.log\""),
            "an absolute path such as \"/var/log/nginx/cloakroom.log\"",
            "An access log of its own, in the log_format of conf-examples/nginx/.",
        ),
        key(
            "syslog",
            Words("Not beside access_log", "\"unix:/run/cloakroom/log.sock\""),
            "a unix socket such as \"unix:/run/cloakroom/log.sock\"",
            "A socket for the same lines by syslog, which needs no disk and loses lines, all of them while Cloakroom is down.",
        ),
        key("mode", Value("\"0660\""), "a socket's mode as an octal string such as \"0660\"", "Who may write to the socket of syslog."),
        key(
            "group",
            Words("Without it, the group of the socket's directory", "\"www-data\""),
            "the name of a group such as \"www-data\"",
            "The group of the socket of syslog: the web server's.",
        ),
        key(
            "from",
            Words("Not beside access_log", "\"api\""),
            "\"api\"",
            "\"api\": `cloakroom feed` hands over the lines that it reads from its standard input.",
        ),
    ],
    later: &[],
};

/// `[store]`.
pub(super) static STORE: Section = Section {
    name: "store",
    many: false,
    active: false,
    doc: &["Where grants, links and deliveries are kept. Signed URLs need none of it."],
    keys: &[
        key(
            "kind",
            Value("\"sqlite\""),
            "\"sqlite\" or \"memory\"",
            "`sqlite` keeps one file; `memory` forgets every link when the daemon ends.",
        ),
        key(
            "file",
            Words("Without it, cloakroom.db in state_dir", "\"/var/lib/cloakroom/cloakroom.db\""),
            "an absolute path such as \"/var/lib/cloakroom/cloakroom.db\"",
            "The file of `sqlite`, on a disk of this machine: a file system of the network may not lock it.",
        ),
        key(
            "durability",
            Value("\"full\""),
            "\"full\" or \"relaxed\"",
            "`full` survives a power cut; `relaxed` does not wait for the disk, and a power cut may give the last seconds' downloads back.",
        ),
    ],
    later: &[],
};

/// `[pages]`.
pub(super) static PAGES: Section = Section {
    name: "pages",
    many: false,
    active: false,
    doc: &["The pages that customers see: of a link, a download, an order, and when something is refused."],
    keys: &[
        key(
            "templates",
            Words("Without it, the built-in pages", "\"/etc/cloakroom/templates\""),
            "an absolute path such as \"/etc/cloakroom/templates\"",
            "A directory whose templates take the place of the built-in ones.",
        ),
        key(
            "zone",
            Value("\"UTC\""),
            "a time zone such as \"Europe/Berlin\"",
            "In whose time customers read until when they can download, also in letters: a zone of /usr/share/zoneinfo.",
        ),
    ],
    later: &[],
};

/// All sections, in the order of the default file.
pub(super) static SECTIONS: [&Section; 14] =
    [&SERVER, &LISTENER, &KEY, &STORAGE, &DIRECTORY, &ZEN_CART, &RULE, &POLICY, &FEED, &STORE, &PAGES, &PRIVACY, &WEBHOOK, &MAIL];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_stands_twice_and_nothing_is_both_known_and_later() {
        let mut keys = 0;
        for section in SECTIONS {
            for (place, key) in section.keys.iter().enumerate() {
                keys += 1;
                assert!(section.keys.iter().skip(place + 1).all(|other| other.name != key.name), "{}", key.name);
                assert!(!section.later.contains(&key.name), "{}", key.name);
                assert!(key.doc.ends_with('.') && !key.shape.ends_with('.'), "{}", key.name);
            }
        }
        assert!(keys > 25, "{keys}");
    }
}

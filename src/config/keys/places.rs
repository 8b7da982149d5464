//! Where files lie: private ones, and what is public of them.

use super::Without::{Refused, Value, Words};
use super::{Section, key};

/// `[[storage]]`.
pub(in crate::config) static STORAGE: Section = Section {
    name: "storage",
    many: true,
    active: true,
    doc: &["A private directory that files lie in, outside of every public one."],
    keys: &[
        key(
            "name",
            Refused("\"masters\""),
            "1 to 32 lower-case letters, digits and `-`, a letter first, such as \"masters\"",
            "Its name, the first part of a file's: masters/set/a.zip.",
        ),
        key("path", Refused("\"/srv/downloads\""), "an absolute path such as \"/srv/downloads\"", "The directory."),
        key(
            "handoff",
            Words("Needed for Nginx to send its files", "\"/_cloakroom/masters/\""),
            "a location of the web server that begins and ends with `/`, such as \"/_cloakroom/masters/\"",
            "The web server's internal location for the directory.",
        ),
        key(
            "stub",
            Words("Needed for method \"stub\"", "\"pub\""),
            "the name of a [[directory]], such as \"pub\"",
            "The public directory that stubs of its files are placed in.",
        ),
        key(
            "copy",
            Words("Needed for method \"copy\"", "\"pub\""),
            "the name of a [[directory]], such as \"goods\"",
            "The public directory that copies of its files are placed in.",
        ),
        key(
            "public",
            Words("Needed for method \"public\"", "\"/free/\""),
            "a path or URL that begins with `/`, `https://` or `http://` and ends with `/`, such as \"/free/\"",
            "Where everybody finds its files, for method \"public\".",
        ),
    ],
    later: &[],
};

/// `[[directory]]`.
pub(in crate::config) static DIRECTORY: Section = Section {
    name: "directory",
    many: true,
    active: false,
    doc: &[
        "A directory that the web server serves as it is, and that Cloakroom alone fills: a symbolic link with an unguessable",
        "name for each download (method \"stub\"), taken away when the download is over; or a copy for each grant (method",
        "\"copy\"), taken away when the grant is over.",
    ],
    keys: &[
        key(
            "name",
            Refused("\"pub\""),
            "1 to 32 lower-case letters, digits and `-`, a letter first, such as \"pub\"",
            "Its name, which a [[storage]] says.",
        ),
        key("path", Refused("\"/srv/www/pub\""), "an absolute path such as \"/srv/www/pub\"", "The directory."),
        key(
            "url",
            Refused("\"/pub/\""),
            "a path or URL that begins with `/`, `https://` or `http://` and ends with `/`, such as \"/pub/\"",
            "Where the web server serves it; a path is one of the host of public_url.",
        ),
        key(
            "hard_links",
            Value("false"),
            "true or false",
            "Whether a copy may be another name of its master, where it cannot share its blocks: who changes the master in place changes it.",
        ),
        key(
            "htpasswd",
            Words("Without it, nobody is asked", "\"/var/lib/cloakroom-htpasswd/goods\""),
            "an absolute path such as \"/var/lib/cloakroom-htpasswd/goods\"",
            "The file by which the web server asks for user name and password; Cloakroom writes its lines, those of people stay.",
        ),
        key(
            "credential",
            Value("\"grant\""),
            "\"grant\" or \"shared\"",
            "\"grant\": a user name and password for each grant; \"shared\": one for the directory.",
        ),
        key(
            "rotate_every",
            Words("Without it, `cloakroom credential rotate` alone replaces it", "\"30d\""),
            "a duration such as \"30d\"",
            "How long a shared one is told before another takes its place.",
        ),
        key("overlap", Value("\"7d\""), "a duration such as \"7d\"", "How long one that was replaced still opens."),
    ],
    later: &[],
};

/// `[[zen_cart]]`.
pub(in crate::config) static ZEN_CART: Section = Section {
    name: "zen_cart",
    many: true,
    active: false,
    doc: &[
        "The `pub/` of a Zen Cart shop that links its downloads there itself (\"download by redirect\"). Cloakroom takes over its",
        "clean-up: links go by age and use, not under those who are downloading. The shop needs one constant:",
        "conf-examples/zencart/README.md.",
    ],
    keys: &[
        key("path", Refused("\"/srv/www/shop/pub\""), "an absolute path such as \"/srv/www/shop/pub\"", "The directory."),
        key(
            "url",
            Words("Without it, the log tells nothing of its links", "\"/pub/\""),
            "a path or URL that begins with `/`, `https://` or `http://` and ends with `/`, such as \"/pub/\"",
            "Where the web server serves it, with log_format cloakroom_public into the feed's log.",
        ),
        key(
            "keep",
            Value("\"24h\""),
            "a duration such as \"24h\"",
            "How long a link stays after it was made or last used. While its file is read it stays longer, but never beyond 7 days.",
        ),
    ],
    later: &[],
};

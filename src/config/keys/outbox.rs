//! To whom messages leave.

use super::Without::{Refused, Value, Words};
use super::{Section, key};

/// `[[webhook]]`.
pub(in crate::config) static WEBHOOK: Section = Section {
    name: "webhook",
    many: true,
    active: false,
    doc: &[
        "A program of yours that is told what happens, by a signed POST (Standard Webhooks). What it does not take is tried again",
        "for four days; it may hear the same twice, under the same `webhook-id`, and not always in order.",
    ],
    keys: &[
        key(
            "name",
            Refused("\"shop\""),
            "1 to 32 lower-case letters, digits and `-`, a letter first, such as \"shop\"",
            "Its name, in commands and in the log.",
        ),
        key(
            "url",
            Refused("\"https://shop.example/hooks/cloakroom\""),
            "a URL such as \"https://shop.example/hooks/cloakroom\"",
            "Where it is; redirects are not followed.",
        ),
        key(
            "events",
            Refused("[\"delivery.completed\", \"grant.exhausted\", \"grant.expiring\"]"),
            "a list of \"grant.activated\", \"delivery.completed\", \"grant.exhausted\", \"grant.expiring\", \"grant.more_requested\", \"refused\", \"file.version_released\" and \"credential.rotated\"",
            "What it is told: \"grant.activated\", \"delivery.completed\", \"grant.exhausted\", \"grant.expiring\", \"grant.more_requested\", \"refused\", \"file.version_released\", \"credential.rotated\".",
        ),
        key(
            "secret",
            Refused("\"keys/webhook-shop\""),
            "the path of a file, absolute or under state_dir, such as \"keys/webhook-shop\"",
            "The file of what signs: one line, `whsec_` and 24 to 64 random bytes in base64; not readable by others.",
        ),
        key(
            "notice",
            Value("\"48h\""),
            "a duration such as \"48h\"",
            "How long before its end \"grant.expiring\" tells of a grant that was made, or extended, since it was asked for.",
        ),
        key("private_network", Value("false"), "true or false", "Whether it may lie in a private network of yours; without TLS, too."),
    ],
    later: &[],
};

/// `[mail]`.
pub(in crate::config) static MAIL: Section = Section {
    name: "mail",
    many: false,
    active: false,
    doc: &["By which server mail goes to customers: for orders that are paid, and for `cloakroom grant add --mail`."],
    keys: &[
        key(
            "from",
            Refused("\"shop@shop.example\""),
            "a mail address such as \"shop@shop.example\"",
            "From whom it is, and where answers go.",
        ),
        key(
            "name",
            Words("Without it, the address alone", "\"Example Shop\""),
            "1 to 100 letters without `<`, `>`, `@` and `\"`, such as \"Example Shop\"",
            "The name beside the address.",
        ),
        key(
            "server",
            Refused("\"starttls://mail.shop.example\""),
            "\"starttls://\", \"smtps://\" or \"smtp://\" and a host, such as \"starttls://mail.shop.example:587\"",
            "The server that takes it: starttls:// (port 587), smtps:// (465), or smtp:// without TLS (25).",
        ),
        key(
            "user",
            Words("Without it, nobody logs in", "\"shop@shop.example\""),
            "a user name such as \"shop@shop.example\"",
            "Who we are there.",
        ),
        key(
            "password_file",
            Words("Needed beside `user`", "\"keys/mail\""),
            "the path of a file, absolute or under state_dir, such as \"keys/mail\"",
            "The file of the password, one line; not readable by others.",
        ),
        key("orders", Value("true"), "true or false", "Whether the customer of an order gets a mail with all its links when it is paid."),
        key("language", Value("\"en\""), "\"en\" or \"de\"", "The language of mails for which none is asked: \"en\" or \"de\"."),
        key(
            "templates",
            Words("Without it, the built-in mails", "\"/etc/cloakroom/mail\""),
            "an absolute path such as \"/etc/cloakroom/mail\"",
            "A directory whose templates take the place of the built-in ones.",
        ),
    ],
    later: &[],
};

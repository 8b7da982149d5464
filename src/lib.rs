//! Cloakroom checks the ticket; your web server hands over the goods.
//!
//! A small daemon beside a web server. It answers two questions: *may this request pass?* (`authorize`; the web server
//! sends its own file) and *give me this download* (`download`; the answer tells the web server what to send). Then it
//! reads in the web server's log what was really sent, and counts each download that arrived once. What was decided is on
//! the disk before it is answered.
//!
//! ```text
//!  nginx, Apache, or customers themselves
//!    └─► wire: HTTP/1.1 | FastCGI | SCGI ─► dialect ─► Question{path, proof, client, range}                  pure
//!    who?   proof: MAC first, then parsed                                                       → Claim
//!    may?   rule, or account: join the open delivery, or reserve one unit and its bytes         → Pass, Permit
//!             └─► store: queue ─► one writer, many decisions a durable step ─► SQLite; readers beside it
//!    how?   storage × policy × dialect                                                          → Method
//!    act    public: a stub is placed, a copy is there; or nothing: the web server sends
//!    say    dialect ─► answer          note  one counter; a log line for refusals and changes
//!  web server's report: access log | syslog | cloakroom feed ─► feed ─► account ─► completed | released | presumed
//!                       └─ how far it was read is kept in the same step ─┘             └─► stats, evidence
//!  public directory: row ─► file ─► 303; over or revoked ─► going ─► taken away ─► gone        watched, swept
//!  any web server's log: cloakroom audit ─► feed::access ─► domain::audit ─► true downloads; no daemon, no store
//!  another shop's tables ─► import ─► plan ─► rehearsed, then kept order by order: files, products, what is left of each sale
//! ```
//!
//! # Reading order
//!
//! [`domain`] is what is true: moments, paths, refusals, and the rules of counting in [`domain::account`].
//! [`proof`] holds the formats of proofs, [`dialect`] what each web server says and hears, [`config`] the configuration;
//! all four are pure, as is [`import`]: tables of other shops. Adapters touch the world and do not know each other: [`keys`] (key files), [`auth`] (who logs in with
//! a password), [`storage`] (the masters), [`store`] (what is remembered: one contract, in memory and in SQLite),
//! [`public`] (what is placed in public directories: stubs, copies, htpasswd files), [`feed`]
//! (what web servers report, and the access logs of others), [`outbox`] (how webhooks and customers are told), [`pages`] (what customers read, in their language).
//! [`service`] holds the use cases, each readable as its list of steps. Around it lie [`wire`] (listeners), [`api`]
//! (JSON, health, metrics) and [`cli`] (commands). [`clock`] and [`random`] alone ask the system for time and randomness;
//! [`watch`] tells when followed files change.
//! `tests/architecture.rs` keeps who may use whom.
//!
//! # Words
//!
//! A *grant* is the right of one customer to one file, a *link* its stored URL, a *delivery* one download under it. An
//! *account* is a grant with its deliveries: what one decision changes. A click makes an *offer*, a delivery that reserves
//! nothing yet; its first request opens it. A browser that *visits* a link is shown a page, whose button is the click. A
//! shop reports an *order* of *products*, which hold *files* in *versions*; what it sold are grants. A stateless URL is
//! *signed*, and is no link. A *stub* is a symbolic link in a
//! public directory for one delivery, a *copy* a file there for one grant; its *directory credential* is what the web server
//! asks for.
//!
//! # States
//!
//! What a thing is, what leads there and out of it, and what it refuses meanwhile, stands in a table of the module that
//! decides it: orders in [`domain::order`], grants in [`domain::grant`], links in [`domain::link`], deliveries in
//! [`domain::account`].
//!
//! # What holds at every moment
//!
//! 1. Doubt is a refusal: a header twice, an odd name, a store that does not answer.
//! 2. A MAC or a signature is checked, a MAC in constant time, before anything but its key's id (and the prefix it was made
//!    for) is read. The key says by which algorithm, never what was signed.
//! 3. A check returns proof ([`proof::signed_url::Claim`], [`proof::jwt::Claim`], [`service::authorize::Pass`],
//!    [`domain::account::Permit`]), never `bool`; delivering consumes it.
//! 4. A hand-off header leaves only with 200 and an empty body; an `authorize` answer never waits for a request body.
//! 5. Each listener reads the client's URI from one source; a second one is a refusal. Where the web server says which file it
//!    has mapped the URI to, that must be the one that the path means. Over TCP a secret can prove who asks.
//! 6. A path is compared only in its canonical form ([`domain::path::CanonicalPath`]), which Nginx, Apache and lighttpd
//!    understand alike; what they could see differently is refused.
//! 7. Unit, bytes and request id are reserved in one durable step before the first byte leaves; a unit ends used or
//!    released exactly once, over crashes. A store that is damaged or full decides nothing.
//! 8. Secrets have types that do not print; logs carry the id of a token and never a token.
//! 9. Everything has a limit, each a named constant or a setting with its reason.
//! 10. Background loops and accept loops log and go on.
//! 11. Time and randomness are arguments below `service`.
//! 12. One question sees one configuration: each asks [`service::site::Current`] once, and a reload replaces it whole.
//! 13. Row before file, file before answer: a crash leaves a row to sweep, never a file that nobody knows of.
//! 14. Nothing foreign is removed, ever: what [`public`] takes away it has looked at where nobody can exchange it. Nothing that
//!     an open delivery uses is taken away, but by revocation and a hard end.

pub mod api;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dialect;
pub mod domain;
pub mod feed;
pub mod import;
pub mod keys;
pub mod outbox;
pub mod pages;
pub mod proof;
pub mod public;
pub mod random;
pub mod service;
pub mod storage;
pub mod store;
pub mod watch;
pub mod wire;

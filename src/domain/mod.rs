//! What is true. Pure: no input or output, no clock, no randomness, no async; all of these are arguments.
//!
//! In reading order: [`moment`] and [`units`] (time and amounts), [`path`] (the one canonical form of a URL path),
//! [`client`], [`language`], [`authorization`], [`question`] (what a web server asks), [`refusal`] (every "no"), [`mod@file`], [`policy`], then counting:
//! [`grant`], [`link`], [`delivery`] with its [`course`], [`coverage`] and [`account`], which holds the rules that join
//! them; [`placed`] is what lies in public for them (and [`checksum`] what its bytes are), [`credential`] who may enter there. [`history`] is what people did about a
//! grant, [`tally`] what was counted in each hour, [`event`] what others want to hear of, [`message`] how that waits to leave,
//! to a [`mail_address`] or a URL. [`file_state`] tells that a followed file was changed. [`audit`] finds
//! downloads in the log of a site that has no Cloakroom yet, [`zen_cart`] tells its links from others. [`order`] is what a shop reports
//! of what it sold, [`catalogue`] what it sells, and [`locator`] where that lies. [`api_key`] is who may call the API, [`repeated`] which calls are known from
//! before, [`robot`] which clients nobody sits at. `section_name` makes the names by which sections of the configuration are called, `short_text` those that others give.

pub mod account;
pub mod api_key;
pub mod audit;
pub mod authorization;
pub mod catalogue;
pub mod checksum;
pub mod client;
pub mod course;
pub mod coverage;
pub mod credential;
pub mod deed;
pub mod delivery;
pub mod event;
pub mod feed_position;
pub mod file;
pub mod file_name;
pub mod file_state;
pub mod grant;
pub mod history;
pub mod id;
pub mod language;
pub mod line_keys;
pub mod link;
pub mod locator;
pub mod mail_address;
pub mod message;
pub mod moment;
pub mod note;
pub mod order;
pub mod path;
pub mod place;
pub mod placed;
pub mod policy;
pub mod privacy;
pub mod probe;
pub mod purpose;
pub mod question;
pub mod range;
pub mod recent;
pub mod refusal;
pub mod repeated;
pub mod robot;
mod section_name;
pub mod share;
mod short_text;
pub mod support;
pub mod tally;
pub mod units;
pub mod zen_cart;

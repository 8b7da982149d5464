//! The use cases, each readable as its list of steps.
//!
//! [`answer`] is a web server's request from head to answer; it runs [`authorize`] or [`download`]. [`settle`] takes in
//! what was sent and ends what is due, [`streams`] brings it what we sent ourselves; [`watching`] keeps public directories
//! and what is remembered of them alike; [`issue`] makes grants and links,
//! [`amend`] changes them for the [`caller`], who may have an [`api_key`] and ask twice ([`repeated`]), [`outbox`] tells webhooks and customers, [`copies`] makes files for those that are fetched as copies, [`credential`] lets
//! customers into directories that ask for a password; [`explain`] tells the steps of a decision, [`inventory`] what lies in
//! public directories, which [`sweeping`] clears on demand; [`mod@audit`] finds downloads in a log. [`catalogue`] keeps what is sold,
//! [`scan`] what its masters are, [`waiting`] those who bought what was not there yet. [`zen_cart`] looks after
//! the links of a shop that has no plugin.

pub mod address;
pub mod amend;
pub mod answer;
pub mod api_key;
pub mod asking;
pub mod audit;
pub mod authorize;
mod away;
mod bytes_of;
pub mod caller;
pub mod catalogue;
pub mod copies;
pub mod credential;
mod describe;
pub mod download;
pub mod ending;
pub mod explain;
pub mod fingerprint;
mod following;
mod hashing;
pub mod htpasswd;
pub mod import;
pub mod inventory;
pub mod issue;
mod jwt;
mod landing;
mod listing;
mod login;
pub mod lying;
mod masters;
mod method;
pub mod metrics;
mod naming;
pub mod order;
pub mod order_report;
pub mod outbox;
pub mod outcome;
pub mod places;
pub mod policy;
pub mod preparation;
pub mod privacy;
pub mod product;
mod public;
mod reconcile;
pub mod refusals;
pub mod rehearsal;
pub mod remembered;
pub mod repeated;
mod retries;
mod running;
pub mod scan;
mod secrecy;
pub mod settle;
pub mod site;
mod source;
pub mod stream;
pub mod streams;
pub mod sweeping;
pub mod trace;
mod upkeep;
pub mod waiting;
pub mod watching;
pub mod way_in;
pub mod your_downloads;
pub mod zen_cart;

use crate::domain::id::RequestId;

/// A request id of our own, for requests that no web server has named.
fn request_id() -> RequestId {
    RequestId::of_bits(&crate::random::bytes())
}

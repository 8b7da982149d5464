//! `cloakroom openapi`: what the API says of itself.

use super::failure::Failure;
use super::say;
use crate::api::openapi;

/// What stands below the options.
pub(super) const AFTER_HELP: &str = "\
No daemon and no configuration is needed. A running daemon answers the same at /api/v1/openapi.json.

Example:
  cloakroom openapi > cloakroom.json";

pub(super) fn run() -> Result<(), Failure> {
    say(openapi::text())
}

//! What the running daemon is.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::health::Health;
use crate::api::admin::HealthSource as _;
use crate::config::Serve;
use crate::dialect::Dialect;
use crate::service::site::Current;

/// The running daemon.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct About {
    /// Its version.
    pub version: String,
    /// The digest of the configuration that it runs with: [`crate::config::Configuration::digest`].
    pub configuration: String,
    /// Its process.
    #[serde(default)]
    pub process: Option<u32>,
    /// Its time.
    pub now: String,
    /// Connections of web servers that were taken so far.
    pub connections: u64,
    /// What is wrong with a part of it: `store: …`.
    pub faults: Vec<String>,
}

pub(super) async fn about(State(current): State<Current>) -> Json<About> {
    let site = current.site();
    let parts = Health(current).parts().await;
    let faults = parts.into_iter().filter_map(|part| part.fault.map(|fault| format!("{}: {fault}", part.name)));
    Json(About {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        configuration: site.configuration.digest(),
        process: Some(std::process::id()),
        now: crate::clock::now().to_string(),
        connections: site.metrics.connections_taken(Serve::Web(Dialect::Nginx)),
        faults: faults.collect(),
    })
}

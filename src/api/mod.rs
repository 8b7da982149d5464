//! The JSON API on listeners with `serve = "api"`: what the command line talks to.
//!
//! | call | does |
//! |---|---|
//! | `POST /api/v1/grants` | makes a grant and its first link ([`NewGrant`] → [`Issued`]) |
//! | `GET /api/v1/grants?customer=&file=&before=&limit=` | the newest grants ([`GrantView`]) |
//! | `GET /api/v1/grants/{id}` | one grant with its links, deliveries and history ([`GrantPage`]) |
//! | `POST /api/v1/grants/{id}/suspend`, `resume`, `revoke`, `reset` | changes it ([`Amended`]) |
//! | `POST /api/v1/grants/{id}/extend` | gives it time or downloads ([`Extension`] → [`Amended`]) |
//! | `POST /api/v1/grants/{id}/links` | makes one more link ([`NewLink`] → [`Issued`]) |
//! | `POST /api/v1/links/{id}/revoke` | withdraws a link ([`RevokedLink`]) |
//! | `POST /api/v1/orders` | keeps what a shop reports: an order, its grants and links ([`NewOrder`] → [`OrderView`]) |
//! | `GET /api/v1/orders?shop=&external_id=&customer=&before=&limit=` | the newest orders ([`ListedOrder`]) |
//! | `GET /api/v1/orders/{id}` | one order with what it opens, without URLs ([`OrderView`]) |
//! | `POST /api/v1/orders/{id}/page` | the URL of the customer's page of it ([`OrderPageView`]) |
//! | `POST /api/v1/orders/{id}/state` | says what became of it, without URLs ([`NewState`] → [`OrderView`]) |
//! | `POST /api/v1/files` | adds a file to the catalogue ([`NewFile`] → [`FileView`]) |
//! | `GET /api/v1/files?after=&limit=`, `GET /api/v1/files/{id}` | files ([`FileView`]) |
//! | `PUT /api/v1/products/{sku}` | keeps a product ([`ProductView`]) |
//! | `GET /api/v1/products?after=&limit=`, `GET /api/v1/products/{sku}` | products ([`ProductView`]) |
//! | `GET /api/v1/grants/{id}/evidence` | what happened, for a dispute ([`Evidence`]); reads the file to hash it |
//! | `GET /api/v1/deliveries?grant=&before=&limit=` | the newest deliveries ([`ListedDelivery`]) |
//! | `GET /api/v1/deliveries/{id}` | one delivery with its requests ([`DeliveryView`]); `newest` names the newest |
//! | `GET /api/v1/public?directory=&after=&limit=` | what lies in public directories, and why ([`PublicPage`]) |
//! | `POST /api/v1/public/sweep` | takes away what has to go, or tells what would ([`SweepOrder`] → [`SweepView`]) |
//! | `GET /api/v1/credentials?directory=&grant=&before=&limit=` | the newest user names of public directories ([`CredentialView`]) |
//! | `GET /api/v1/credentials/{user}` | one, with its password ([`CredentialPage`]) |
//! | `POST /api/v1/directories/{name}/rotate` | replaces those of a directory ([`Rotation`] → [`RotatedView`]) |
//! | `POST /api/v1/reports` | settles lines of the web server's report, one a line of the body ([`Handed`]) |
//! | `GET /api/v1/stats?from=&to=&by=` | numbers by hour or day ([`Stats`]) |
//! | `GET /api/v1/outbox` | the webhooks and the mail server, with what waits ([`LaneView`]) |
//! | `POST /api/v1/outbox/{lane}/retry` | sends again all that was given up there ([`Retried`]) |
//! | `GET /api/v1/messages?lane=&state=&grant=&order=&before=&limit=` | the newest messages ([`MessageView`]) |
//! | `POST /api/v1/messages/{id}/retry` | sends one again that was given up ([`Retried`]) |
//! | `POST /api/v1/webhooks/{name}/test`, `/api/v1/mail/test` | tries whether messages arrive ([`NewLetter`] → [`MessageView`]) |
//! | `POST /api/v1/grants/{id}/mail`, `/api/v1/orders/{id}/mail` | writes to the customer once more ([`NewLetter`] → [`MessageView`]) |
//! | `POST /api/v1/explain` | every step of a decision ([`What`] → [`Explanation`]) |
//! | `GET /api/v1/about` | the running daemon ([`About`]) |
//!
//! The history of a grant keeps who called: the user at the other end of the socket, and its `User-Agent`. Errors are
//! `application/problem+json` (RFC 9457): [`Problem`].

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, FromRef, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::{Deserialize, Serialize};

pub use self::about::About;
pub use self::catalogue::{AttachmentView, FileView, NAME_BYTES_MAX, NewFile, ProductView};
pub use self::credentials::Rotation;
pub use self::customers::{CustomerPage, ForgetOrder, ForgottenView};
pub use self::evidence::{Evidence, EvidenceClient, EvidenceDelivery, VersionView};
pub use self::grants::{Extension, NewGrant};
pub use self::imports::{FateView, IMPORT_BYTES_MAX, ImportView, ImportedAttachment, ImportedFile, ImportedProduct, NewImport, PART_MAX};
pub use self::links::NewLink;
pub use self::orders::{CustomerView, NewLine, NewOrder, NewState, SHOP};
pub use self::outbox::NewLetter;
pub use self::problem::Problem;
pub use self::public::{DirectoryView, ForeignView, PlacedView, PublicPage, SweepOrder, SweepView};
pub use self::reports::{Handed, LINES_BYTES_MAX, LINES_MAX};
pub use self::stats::{Counts, Period, Stats};
pub use self::view::{
    Amended, CopyView, CourseView, CredentialPage, CredentialView, DeliveryView, EntryView, GrantPage, GrantView, InterruptionView, Issued,
    LaneView, LineView, LinkView, ListedDelivery, ListedOrder, MessageView, OfferedView, OrderPageView, OrderView, RangeView, ReportView,
    RequestView, Retried, RevokedLink, RotatedView, SoldGrant, SoldView,
};
pub use self::zen_carts::{ZenCartLinkView, ZenCartView};
use crate::service::explain::{Explanation, explain};
use crate::service::site::{Current, Site};

mod about;
pub mod admin;
mod author;
mod catalogue;
mod credentials;
mod customers;
mod deliveries;
mod evidence;
mod grants;
pub mod health;
mod imports;
mod links;
mod orders;
mod outbox;
mod problem;
mod public;
mod reports;
mod stats;
mod view;
pub mod wording;
mod zen_carts;

/// Larger bodies are nobody's order.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// What to explain. It may be a URL with a token, and is not printed.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct What {
    /// A URL, a path, a support code, a request id, or the id of a grant, link or delivery.
    pub what: String,
    /// The client's address to assume.
    #[serde(default)]
    pub from: Option<IpAddr>,
}

impl fmt::Debug for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("What").field("from", &self.from).finish_non_exhaustive()
    }
}

/// Each call works with the generation that is current when it comes.
impl FromRef<Current> for Arc<Site> {
    fn from_ref(current: &Current) -> Self {
        current.site()
    }
}

/// The API of a site.
pub fn router(current: Current) -> Router {
    Router::new()
        .route("/api/v1/grants", get(grants::list).post(grants::add))
        .route("/api/v1/grants/{id}", get(grants::show))
        .route("/api/v1/grants/{id}/suspend", post(grants::suspend))
        .route("/api/v1/grants/{id}/resume", post(grants::resume))
        .route("/api/v1/grants/{id}/revoke", post(grants::revoke))
        .route("/api/v1/grants/{id}/reset", post(grants::reset))
        .route("/api/v1/grants/{id}/extend", post(grants::extend))
        .route("/api/v1/grants/{id}/links", post(links::add))
        .route("/api/v1/grants/{id}/evidence", get(evidence::evidence))
        .route("/api/v1/links/{id}/revoke", post(links::revoke))
        .route("/api/v1/orders", get(orders::list).post(orders::add))
        .route("/api/v1/orders/{id}", get(orders::show))
        .route("/api/v1/orders/{id}/page", post(orders::page))
        .route("/api/v1/orders/{id}/state", post(orders::set))
        .route("/api/v1/customers/{who}", get(customers::show))
        .route("/api/v1/customers/{who}/forget", post(customers::forget_them))
        .route("/api/v1/import", post(imports::take_part).layer(DefaultBodyLimit::max(IMPORT_BYTES_MAX)))
        .route("/api/v1/files", get(catalogue::files).post(catalogue::add_file))
        .route("/api/v1/files/{id}", get(catalogue::file))
        .route("/api/v1/products", get(catalogue::products))
        .route("/api/v1/products/{sku}", get(catalogue::product).put(catalogue::put_product))
        .route("/api/v1/deliveries", get(deliveries::list))
        .route("/api/v1/deliveries/{id}", get(deliveries::show))
        .route("/api/v1/public", get(public::list))
        .route("/api/v1/public/sweep", post(public::sweep))
        .route("/api/v1/credentials", get(credentials::list))
        .route("/api/v1/credentials/{user}", get(credentials::show))
        .route("/api/v1/directories/{name}/rotate", post(credentials::replace))
        .route("/api/v1/reports", post(reports::take).layer(DefaultBodyLimit::max(LINES_BYTES_MAX)))
        .route("/api/v1/stats", get(stats::stats))
        .route("/api/v1/outbox", get(outbox::lanes))
        .route("/api/v1/outbox/{lane}/retry", post(outbox::retry_lane))
        .route("/api/v1/messages", get(outbox::list))
        .route("/api/v1/messages/{id}/retry", post(outbox::retry))
        .route("/api/v1/webhooks/{name}/test", post(outbox::test_webhook))
        .route("/api/v1/mail/test", post(outbox::test_mail))
        .route("/api/v1/grants/{id}/mail", post(outbox::mail_grant))
        .route("/api/v1/orders/{id}/mail", post(outbox::mail_order))
        .route("/api/v1/explain", post(explain_what))
        .route("/api/v1/about", get(about::about))
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is no such call; the API begins with /api/v1/"))
        .method_not_allowed_fallback(async || Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this call takes another method"))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(current)
}

async fn explain_what(State(site): State<Arc<Site>>, body: Result<Json<What>, JsonRejection>) -> Result<Json<Explanation>, Problem> {
    let what = problem::body(body)?;
    explain(&site, &what.what, what.from).await.map(Json).map_err(|unexplained| Problem::unknown(unexplained.0))
}

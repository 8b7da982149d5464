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
//! | `POST /api/v1/orders/{id}/renew-page` | gives that page another URL; those before show nothing ([`OrderPageView`]) |
//! | `POST /api/v1/orders/{id}/state` | says what became of it, without URLs ([`NewState`] → [`OrderView`]) |
//! | `POST /api/v1/files` | adds a file to the catalogue ([`NewFile`] → [`FileView`]) |
//! | `GET /api/v1/files?after=&limit=` | files ([`FileView`]) |
//! | `GET /api/v1/files/{id}` | one file with its versions ([`FilePage`]) |
//! | `DELETE /api/v1/files/{id}?anyway=` | takes it out of the catalogue ([`RemovedFile`]) |
//! | `POST /api/v1/files/{id}/versions` | gives it another version ([`NewVersion`] → [`ReplacedFile`]) |
//! | `POST /api/v1/files/{id}/move` | says where its master lies now ([`NewPlace`] → [`ReplacedFile`]) |
//! | `POST /api/v1/files/{id}/rename` | gives it another name or folder ([`NewName`] → [`FileView`]) |
//! | `POST /api/v1/files/scan`, `GET /api/v1/files/scan?scan=` | looks at all masters, and tells how far that is ([`ScanView`]) |
//! | `GET /api/v1/files/orphans?storage=&folder=&limit=` | masters that no file names ([`OrphansView`]) |
//! | `PUT /api/v1/products/{sku}` | keeps a product, and serves orders that wait for it ([`ProductView`]) |
//! | `DELETE /api/v1/products/{sku}` | forgets a product ([`RemovedProduct`]) |
//! | `GET /api/v1/products/missing?after=&limit=` | SKUs that orders have and no product ([`MissingProduct`]) |
//! | `GET /api/v1/policies`, `GET /api/v1/policies/{name}` | the policies of the configuration ([`PolicyView`]) |
//! | `POST /api/v1/policies/{name}/apply` | gives its limits to grants of a product ([`Application`] → [`AppliedView`]) |
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
//! | `GET /api/v1/customers/{who}` | all that is kept about a customer ([`CustomerPage`]) |
//! | `POST /api/v1/customers/{who}/forget` | forgets who that is, or tells how much it would be ([`ForgetOrder`] → [`ForgottenView`]) |
//! | `POST /api/v1/import` | takes over a part of what another shop sold ([`NewImport`] → [`ImportView`]) |
//! | `GET /api/v1/history?about=&before=&limit=` | what was done over the API, the newest first ([`DeedView`]) |
//! | `POST /api/v1/explain` | every step of a decision ([`What`] → [`Explanation`]) |
//! | `GET /api/v1/apikeys` | the keys of the API ([`ApiKeyView`]) |
//! | `POST /api/v1/apikeys` | makes one, and tells its text once ([`NewApiKey`] → [`NewApiKeyView`]) |
//! | `POST /api/v1/apikeys/{id}/revoke` | refuses it from now on ([`RevokedApiKey`]) |
//! | `GET /api/v1/openapi.json` | this table for programs: `OpenAPI` 3.1, as `cloakroom openapi` prints it |
//! | `GET /api/v1/about` | the running daemon ([`About`]) |
//!
//! Over TCP each call brings a key (`Authorization: Bearer cr_…`) with the scope that [`table()`] has for it; over a unix socket
//! its mode lets in who may do everything. The history of a grant keeps who called: the name of the key, or the user at the
//! other end of the socket and its `User-Agent`. Calls that make something take an `Idempotency-Key`. Errors are `application/problem+json` (RFC 9457): [`Problem`].

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, FromRef, State};
use axum::middleware::from_fn_with_state;
use axum::{Json, Router};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::about::About;
pub use self::api_keys::NewApiKey;
pub use self::calls::Call;
pub use self::credentials::Rotation;
pub use self::customers::{CustomerPage, ForgetOrder, ForgottenView};
pub use self::deeds::DeedView;
pub use self::evidence::{Evidence, EvidenceClient, EvidenceDelivery, VersionView};
pub use self::files::{
    FilePage, FileView, NewFile, NewName, NewPlace, NewVersion, OrphansView, ReadingView, RemovedFile, ReplacedFile, ScanView,
    SoldCountView, VersionOfFile,
};
pub use self::grants::{Extension, NewGrant};
pub use self::imports::{FateView, IMPORT_BYTES_MAX, ImportView, ImportedAttachment, ImportedFile, ImportedProduct, NewImport, PART_MAX};
pub use self::links::NewLink;
pub use self::orders::{CustomerView, NewLine, NewOrder, NewState, SHOP};
pub use self::outbox::NewLetter;
pub use self::problem::{FieldFault, Problem};
pub use self::products::{Application, AppliedView, AttachmentView, MissingProduct, PolicyView, ProductView, RemovedProduct, ServedView};
pub use self::public::{DirectoryView, ForeignView, PlacedView, PublicPage, SweepOrder, SweepView};
pub use self::reports::{Handed, LINES_BYTES_MAX, LINES_MAX};
pub use self::stats::{Counts, Period, Stats};
pub use self::view::{
    Amended, ApiKeyView, CopyView, CourseView, CredentialPage, CredentialView, DeliveryView, EntryView, GrantPage, GrantView,
    InterruptionView, Issued, LaneView, LineView, LinkView, ListedDelivery, ListedOrder, MessageView, NewApiKeyView, OfferedView,
    OrderPageView, OrderView, RangeView, ReportView, RequestView, Retried, RevokedApiKey, RevokedLink, RotatedView, SoldGrant, SoldView,
};
pub use self::zen_carts::{ZenCartLinkView, ZenCartView};
use crate::service::explain::{Explanation, explain};
use crate::service::site::{Current, Site};

mod about;
pub mod admin;
mod api_keys;
mod author;
mod bearer;
mod calls;
mod conditions;
mod credentials;
mod customers;
mod deeds;
mod deliveries;
mod evidence;
mod files;
mod grants;
pub mod health;
mod imports;
mod links;
mod listed;
pub mod openapi;
mod orders;
mod outbox;
mod problem;
mod products;
mod public;
mod repeated;
mod reports;
mod stats;
mod table;
mod told;
mod undisturbed;
mod view;
pub mod wording;
mod zen_carts;

/// Larger bodies are nobody's order.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// What to explain. It may be a URL with a token, and is not printed.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct What {
    /// A URL, a path, a support code, a request id, or the id of a grant, link or delivery.
    pub what: String,
    /// The client's address to assume.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
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

/// Every call there is, and what it needs.
pub fn table() -> Vec<Call> {
    table::calls().into_parts().1.all()
}

/// What conditional calls are held against.
#[derive(Clone)]
struct Seen {
    current: Current,
    /// The calls that look, without any condition.
    things: Router,
}

/// The API of a site.
pub fn router(current: Current) -> Router {
    let (router, known) = table::calls().into_parts();
    let things = router.clone().with_state(current.clone());
    router
        .route_layer(from_fn_with_state(current.clone(), deeds::write_down))
        .route_layer(from_fn_with_state(Seen { current: current.clone(), things }, conditions::hold))
        .route_layer(from_fn_with_state(current.clone(), repeated::once))
        .route_layer(from_fn_with_state((current.clone(), known), bearer::check))
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is no such call; the API begins with /api/v1/"))
        .method_not_allowed_fallback(async || Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this call takes another method"))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(current)
}

async fn explain_what(State(site): State<Arc<Site>>, body: Result<Json<What>, JsonRejection>) -> Result<Json<Explanation>, Problem> {
    let what = problem::body(body)?;
    explain(&site, &what.what, what.from).await.map(Json).map_err(|unexplained| Problem::unknown(unexplained.0))
}

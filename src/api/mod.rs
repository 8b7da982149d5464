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
//! | `POST /api/v1/orders/{id}/state` | says what became of it ([`NewState`] → [`OrderView`]) |
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
//! | `POST /api/v1/explain` | every step of a decision ([`What`] → [`Explanation`]) |
//! | `GET /api/v1/apikeys` | the keys of the API ([`ApiKeyView`]) |
//! | `POST /api/v1/apikeys` | makes one, and tells its text once ([`NewApiKey`] → [`NewApiKeyView`]) |
//! | `POST /api/v1/apikeys/{id}/revoke` | refuses it from now on ([`RevokedApiKey`]) |
//! | `GET /api/v1/openapi.json` | this table for programs: `OpenAPI` 3.1, as `cloakroom openapi` prints it |
//! | `GET /api/v1/about` | the running daemon ([`About`]) |
//!
//! Over TCP each call brings a key (`Authorization: Bearer cr_…`) with the scope that [`table`] has for it; over a unix socket
//! its mode lets in who may do everything. The history of a grant keeps who called: the name of the key, or the user at the
//! other end of the socket and its `User-Agent`. Calls that make something take an `Idempotency-Key`. Errors are `application/problem+json` (RFC 9457): [`Problem`].

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, FromRef, State};
use axum::middleware::from_fn_with_state;
use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::about::About;
pub use self::api_keys::NewApiKey;
pub use self::calls::Call;
use self::calls::Calls;
pub use self::catalogue::{AttachmentView, FileView, NewFile, ProductView};
pub use self::credentials::Rotation;
pub use self::evidence::{Evidence, EvidenceClient, EvidenceDelivery, VersionView};
pub use self::grants::{Extension, NewGrant};
pub use self::links::NewLink;
pub use self::orders::{CustomerView, NewLine, NewOrder, NewState, SHOP};
pub use self::problem::{FieldFault, Problem};
pub use self::public::{DirectoryView, ForeignView, PlacedView, PublicPage, SweepOrder, SweepView};
pub use self::reports::{Handed, LINES_BYTES_MAX, LINES_MAX};
pub use self::stats::{Counts, Period, Stats};
use self::told::does;
pub use self::view::{
    Amended, ApiKeyView, CopyView, CourseView, CredentialPage, CredentialView, DeliveryView, EntryView, GrantPage, GrantView,
    InterruptionView, Issued, LineView, LinkView, ListedDelivery, ListedOrder, NewApiKeyView, OfferedView, OrderView, RangeView,
    ReportView, RequestView, RevokedApiKey, RevokedLink, RotatedView, SoldGrant, SoldView,
};
pub use self::zen_carts::{ZenCartLinkView, ZenCartView};
use crate::domain::api_key::Scope;
use crate::service::explain::{Explanation, explain};
use crate::service::site::{Current, Site};

mod about;
pub mod admin;
mod api_keys;
mod author;
mod bearer;
mod calls;
mod catalogue;
mod credentials;
mod deliveries;
mod evidence;
mod grants;
pub mod health;
mod links;
pub mod openapi;
mod orders;
mod problem;
mod public;
mod repeated;
mod reports;
mod stats;
mod told;
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

/// What can be called, and by whom.
fn calls() -> Calls {
    use Scope::{Admin, Catalogue, Grants, Orders, Read};
    let reports = Call { method: "POST", path: "/api/v1/reports", scope: Admin, makes: false };
    Calls::default()
        .get("/api/v1/grants", Read, does("The newest grants.").asked::<grants::Which>().lists::<GrantView>(), grants::list)
        .make("/api/v1/grants", Grants, does("Makes a grant and its first link.").takes::<NewGrant>().answers::<Issued>(), grants::add)
        .get("/api/v1/grants/{id}", Read, does("A grant with its links, deliveries and history.").answers::<GrantPage>(), grants::show)
        .post("/api/v1/grants/{id}/suspend", Grants, does("Shuts a grant for now.").answers::<Amended>(), grants::suspend)
        .post("/api/v1/grants/{id}/resume", Grants, does("Opens a grant that was suspended.").answers::<Amended>(), grants::resume)
        .post("/api/v1/grants/{id}/revoke", Grants, does("Shuts a grant for good.").answers::<Amended>(), grants::revoke)
        .post("/api/v1/grants/{id}/reset", Grants, does("Lets a grant begin anew.").answers::<Amended>(), grants::reset)
        .post(
            "/api/v1/grants/{id}/extend",
            Grants,
            does("Gives a grant time or downloads.").takes::<Extension>().answers::<Amended>(),
            grants::extend,
        )
        .make(
            "/api/v1/grants/{id}/links",
            Grants,
            does("Makes one more link of a grant.").takes::<NewLink>().answers::<Issued>(),
            links::add,
        )
        .get(
            "/api/v1/grants/{id}/evidence",
            Read,
            does("What happened under a grant, for a dispute.").answers::<Evidence>(),
            evidence::evidence,
        )
        .post("/api/v1/links/{id}/revoke", Grants, does("Withdraws a link.").answers::<RevokedLink>(), links::revoke)
        .get("/api/v1/orders", Read, does("The newest orders.").asked::<orders::Which>().lists::<ListedOrder>(), orders::list)
        .make(
            "/api/v1/orders",
            Orders,
            does("Takes what a shop reports of an order: what is paid opens, what is taken back shuts.")
                .takes::<NewOrder>()
                .answers::<OrderView>(),
            orders::add,
        )
        .get("/api/v1/orders/{id}", Read, does("An order with what was sold.").answers::<OrderView>(), orders::show)
        .post(
            "/api/v1/orders/{id}/state",
            Orders,
            does("Takes what became of an order.").takes::<NewState>().answers::<OrderView>(),
            orders::set,
        )
        .get("/api/v1/files", Read, does("Files of the catalogue.").asked::<catalogue::Which>().lists::<FileView>(), catalogue::files)
        .make(
            "/api/v1/files",
            Catalogue,
            does("Adds a file to the catalogue.").takes::<NewFile>().answers::<FileView>(),
            catalogue::add_file,
        )
        .get("/api/v1/files/{id}", Read, does("A file of the catalogue.").answers::<FileView>(), catalogue::file)
        .get("/api/v1/products", Read, does("Products.").asked::<catalogue::Which>().lists::<ProductView>(), catalogue::products)
        .get("/api/v1/products/{sku}", Read, does("A product with its files.").answers::<ProductView>(), catalogue::product)
        .put(
            "/api/v1/products/{sku}",
            Catalogue,
            does("Makes a product, or puts it in the place of the one before.").takes::<ProductView>().answers::<ProductView>(),
            catalogue::put_product,
        )
        .get(
            "/api/v1/deliveries",
            Read,
            does("The newest deliveries.").asked::<deliveries::Which>().lists::<ListedDelivery>(),
            deliveries::list,
        )
        .get(
            "/api/v1/deliveries/{id}",
            Read,
            does("A delivery with its requests; `newest` names the newest.").answers::<DeliveryView>(),
            deliveries::show,
        )
        .get(
            "/api/v1/public",
            Read,
            does("What lies in public directories, and why.").asked::<public::Which>().answers::<PublicPage>(),
            public::list,
        )
        .post(
            "/api/v1/public/sweep",
            Admin,
            does("Takes away what has to go, or tells what would.").takes::<SweepOrder>().answers::<SweepView>(),
            public::sweep,
        )
        .get(
            "/api/v1/credentials",
            Read,
            does("The newest user names of public directories.").asked::<credentials::Which>().lists::<CredentialView>(),
            credentials::list,
        )
        .get(
            "/api/v1/credentials/{user}",
            Admin,
            does("A user name of a public directory, with its password.").answers::<CredentialPage>(),
            credentials::show,
        )
        .make(
            "/api/v1/directories/{name}/rotate",
            Admin,
            does("Replaces the user names of a public directory.").takes::<Rotation>().answers::<RotatedView>(),
            credentials::replace,
        )
        .call(
            reports,
            does("Settles lines of the web server's report.").takes_lines().answers::<Handed>(),
            post(reports::take).layer(DefaultBodyLimit::max(LINES_BYTES_MAX)),
        )
        .get("/api/v1/stats", Read, does("Numbers by hour or day.").asked::<stats::Which>().answers::<Stats>(), stats::stats)
        .post(
            "/api/v1/explain",
            Read,
            does("Every step of a decision, and what mends it.").takes::<What>().answers::<Explanation>(),
            explain_what,
        )
        .get("/api/v1/about", Read, does("The running daemon.").answers::<About>(), about::about)
        .get("/api/v1/openapi.json", Read, does("This document."), openapi::show)
        .get("/api/v1/apikeys", Admin, does("The keys of the API, the newest first.").lists::<ApiKeyView>(), api_keys::list)
        .post(
            "/api/v1/apikeys",
            Admin,
            does("Makes a key, and tells its text once.").takes::<NewApiKey>().answers::<NewApiKeyView>(),
            api_keys::add,
        )
        .post("/api/v1/apikeys/{id}/revoke", Admin, does("Refuses a key from now on.").answers::<RevokedApiKey>(), api_keys::revoke)
}

/// Every call there is, and what it needs.
pub fn table() -> Vec<Call> {
    calls().into_parts().1.all()
}

/// The API of a site.
pub fn router(current: Current) -> Router {
    let (router, known) = calls().into_parts();
    router
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

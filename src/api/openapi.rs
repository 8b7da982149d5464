//! What the API says of itself: `OpenAPI` 3.1, put together from the table of calls.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use http::Method;
use http::header::CONTENT_TYPE;
use utoipa::PartialSchema as _;
use utoipa::ToSchema as _;
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{ComponentsBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, PathsBuilder, Ref, Required, ResponseBuilder, ServerBuilder};

use super::calls::Call;
use super::conditions::{is_thing, thing_of};
use super::problem::Problem;
use super::told::Told;
use crate::proof::api_key::PREFIX;

/// What the scheme of keys is called in the document.
const KEY: &str = "key";

const DESCRIPTION: &str = "\
Makes grants and links, reports orders, and shows what became of them. Over a unix socket the socket's mode lets callers in; \
over TCP each call brings a key, which `cloakroom apikey new` makes. Times are RFC 3339 UTC, sizes are bytes. Whatever is not \
answered with 200 is a problem (RFC 9457).";

static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let document = document(super::table::calls().told());
    // It is made of strings and numbers.
    document.to_pretty_json().unwrap_or_default()
});

/// The document.
pub fn text() -> &'static str {
    &DOCUMENT
}

pub(super) async fn show() -> Response {
    ([(CONTENT_TYPE, "application/json")], text()).into_response()
}

fn document(calls: &[(Call, Told)]) -> OpenApi {
    let key = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format(format!("{PREFIX}…")).build();
    let mut components =
        ComponentsBuilder::new().security_scheme(KEY, SecurityScheme::Http(key)).schema(Problem::name(), Problem::schema());
    let mut of_problem = Vec::new();
    Problem::schemas(&mut of_problem);
    components = components.schemas_from_iter(of_problem);
    let mut paths = PathsBuilder::new();
    for (call, told) in calls {
        components = components.schemas_from_iter(told.schemas());
        let method = match call.method {
            "GET" => HttpMethod::Get,
            "PUT" => HttpMethod::Put,
            "DELETE" => HttpMethod::Delete,
            _ => HttpMethod::Post,
        };
        paths = paths.path(call.path, PathItem::new(method, operation(*call, told)));
    }
    let info = InfoBuilder::new().title("Cloakroom").version(env!("CARGO_PKG_VERSION")).description(Some(DESCRIPTION));
    OpenApiBuilder::new()
        .info(info.build())
        .servers(Some([ServerBuilder::new().url("/").build()]))
        .paths(paths.build())
        .components(Some(components.build()))
        .build()
}

fn operation(call: Call, told: &Told) -> Operation {
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name(Problem::name()))).build();
    let problem =
        ResponseBuilder::new().description("Why it was not done, and what would be right.").content("application/problem+json", problem);
    let answer = ContentBuilder::new().schema(Some(told.answer())).build();
    let answer = ResponseBuilder::new().description("It is done, or was so already.").content("application/json", answer);
    let text = || ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).build();
    let named = names(call.path).map(|name| {
        ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True).schema(Some(text())).build()
    });
    let header = |name: &str, says: &str| {
        let header = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header).required(Required::False);
        header.description(Some(says)).schema(Some(text())).build()
    };
    let method = match call.method {
        "PUT" => Method::PUT,
        "DELETE" => Method::DELETE,
        _ => Method::POST,
    };
    let condition = match call.method {
        "GET" if is_thing(call.path) => Some(header("If-None-Match", "The `ETag` that was seen: 304 where it is still that.")),
        "GET" => None,
        _ => thing_of(&method, call.path).map(|_| header("If-Match", "The `ETag` that was seen: 412 where it is another.")),
    };
    let absence = (call.method == "PUT").then(|| header("If-None-Match", "`*`: 412 where it is there already."));
    let mut operation = OperationBuilder::new()
        .operation_id(Some(id(call)))
        .summary(Some(told.summary))
        .description(Some(format!("Needs a key with scope `{}`.", call.scope)))
        .parameters(Some(named.chain(told.parameters()).chain(condition).chain(absence)))
        .security(SecurityRequirement::new(KEY, [call.scope.word()]))
        .response("200", answer.build())
        .response("default", problem.build());
    if call.method == "GET" && is_thing(call.path) {
        operation = operation.response("304", ResponseBuilder::new().description("It is as it was seen.").build());
    }
    if let Some(body) = told.body() {
        operation = operation.request_body(Some(body));
    }
    operation.build()
}

/// What stands in braces in a path.
fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// `post_grants_id_links`.
fn id(call: Call) -> String {
    let path = call.path.trim_start_matches("/api/v1/").replace(['{', '}'], "").replace(['/', '.', '-'], "_");
    format!("{}_{path}", call.method.to_ascii_lowercase())
}

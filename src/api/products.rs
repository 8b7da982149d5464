//! Calls about products and policies.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use http::Uri;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::author::Author;
use super::files::not_kept;
use super::listed::Listed;
use super::problem::{self, Problem};
use crate::domain::catalogue::{Attachment, Product, Units};
use crate::domain::order::{Options, Sku};
use crate::domain::policy::Policy;
use crate::service::policy::{Applied, InWords, Reach, Run, apply};
use crate::service::product::{self, NO_SUCH_PRODUCT};
use crate::service::site::Site;
use crate::service::waiting::Served;
use crate::store::{Down, LIST_MAX};

/// A product.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductView {
    /// Its SKU.
    #[serde(default)]
    pub sku: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// The policy whose limits its grants get; `default` if not said.
    #[serde(default)]
    pub policy: Option<String>,
    /// `per_line` (one grant for each file of a line) or `per_unit` (as many as were ordered); `per_line` if not said.
    #[serde(default)]
    pub units: Option<String>,
    /// What all who bought it are told beside its files, such as its licence: text of some lines.
    #[serde(default)]
    pub note: String,
    /// Its files, in order.
    #[serde(default)]
    pub files: Vec<AttachmentView>,
    /// What became of orders that waited for it; told, and never asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served: Option<ServedView>,
}

/// A file of a product.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AttachmentView {
    /// `f-…`.
    pub file: String,
    /// What the customer must have chosen to get it.
    #[serde(default, skip_serializing_if = "Options::is_empty")]
    pub options: Options,
    /// Under which name people see it; told, and never asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What became of orders that waited for a product, or a file of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServedView {
    /// How many waited.
    pub orders: u64,
    /// How many grants were made for them.
    pub grants: u64,
    /// Whether more wait: the same call once more looks after the next.
    pub more: bool,
}

impl ServedView {
    /// `None` where none waited.
    pub(super) fn of(served: Served) -> Option<Self> {
        let Served { orders, grants, is_cut: more } = served;
        (orders > 0 || more).then_some(Self { orders, grants, more })
    }
}

/// A SKU that orders have and no product.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MissingProduct {
    /// The SKU.
    pub sku: String,
    /// How many orders have it.
    pub orders: u64,
}

/// A product that is gone.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RemovedProduct {
    /// Its SKU.
    pub sku: String,
}

/// A policy.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PolicyView {
    /// Its name.
    pub name: String,
    /// What it allows, in a sentence.
    pub in_words: String,
    /// How many downloads; none is any number.
    pub max_downloads: Option<u32>,
    /// How long, such as `30d`; none is for ever.
    pub valid_for: Option<String>,
    /// How long a link lasts.
    pub link_ttl: String,
    /// The methods, in the order in which they are tried.
    pub methods: Vec<String>,
    /// `latest` or `purchased`.
    pub version: String,
    /// The products whose grants get it, by SKU; at most 1000.
    pub products: Vec<String>,
}

/// To which grants a policy is applied.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// Those that were sold under this SKU.
    pub product: String,
    /// Whether it is only told what would be changed.
    #[serde(default)]
    pub dry_run: bool,
    /// Whether those are changed, too, to which a person gave another end or number of downloads.
    #[serde(default)]
    pub amended: bool,
}

/// What became of them.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct AppliedView {
    /// How many there are.
    pub grants: u64,
    /// How many have other limits now, or would have.
    pub changed: u64,
    /// How many are revoked, and stay as they are.
    pub revoked: u64,
    /// How many would be over by these limits already, and stay as they are.
    pub over: u64,
    /// How many would have other limits, but were given theirs by a person, and stay as they are.
    pub amended: u64,
    /// Whether nothing was changed, only told.
    pub dry_run: bool,
}

/// Which to list.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    #[serde(default)]
    after: Option<String>,
    #[serde(default)]
    limit: Option<usize>,
}

type Id = Result<Path<String>, PathRejection>;

fn sku_of(id: Id) -> Result<Sku, Problem> {
    problem::read_name(id)
}

async fn view(site: &Site, product: &Product, served: Option<Served>) -> Result<ProductView, Down> {
    let mut files = Vec::with_capacity(product.files.len());
    for Attachment { file, options } in &product.files {
        let name = site.catalogue.file(*file).await?.map(|file| file.name);
        files.push(AttachmentView { file: file.to_string(), options: options.clone(), name });
    }
    Ok(ProductView {
        sku: product.sku.to_string(),
        name: product.name.clone(),
        policy: product.policy.clone(),
        units: Some(product.units.word().to_owned()),
        note: product.note.as_str().to_owned(),
        files,
        served: served.and_then(ServedView::of),
    })
}

pub(super) async fn put(
    State(site): State<Arc<Site>>,
    sku: Id,
    Author(author): Author,
    body: Result<Json<ProductView>, JsonRejection>,
) -> Result<Json<ProductView>, Problem> {
    let sku = sku_of(sku)?;
    let ProductView { sku: said, name, policy, units, note, files, served: _ } = problem::body(body)?;
    if !said.is_empty() && said != sku.as_str() {
        return Err(Problem::of_body("sku", format_args!("`{said}` must be that of the call, `{sku}`")));
    }
    let unknown = |units: &String| Problem::of_body("units", format_args!("`{units}` must be per_line or per_unit"));
    let units = units.map_or(Ok(Units::default()), |units| Units::parse(&units).ok_or_else(|| unknown(&units)))?;
    let mut attached = Vec::with_capacity(files.len());
    for (place, AttachmentView { file, options, name: _ }) in files.into_iter().enumerate() {
        attached.push(Attachment { file: problem::read_field(&format!("files[{place}].file"), &file)?, options });
    }
    let note = problem::read_field("note", &note)?;
    let product = Product { sku, name, policy, units, note, files: attached };
    let served = product::keep(&site, product.clone(), &author).await.map_err(|fault| not_kept(&fault))?;
    Ok(Json(view(&site, &product, Some(served)).await?))
}

pub(super) async fn show(State(site): State<Arc<Site>>, sku: Id) -> Result<Json<ProductView>, Problem> {
    let found = site.catalogue.products_named(vec![sku_of(sku)?]).await?;
    let product = found.first().ok_or_else(|| Problem::unknown(NO_SUCH_PRODUCT))?;
    Ok(Json(view(&site, product, None).await?))
}

pub(super) async fn remove(State(site): State<Arc<Site>>, sku: Id) -> Result<Json<RemovedProduct>, Problem> {
    let sku = sku_of(sku)?;
    product::remove(&site, sku.clone()).await.map_err(|fault| not_kept(&fault))?;
    Ok(Json(RemovedProduct { sku: sku.to_string() }))
}

fn page(which: Result<Query<Which>, QueryRejection>) -> Result<(Option<Sku>, usize), Problem> {
    let Which { after, limit } = problem::query(which)?;
    let after = after.as_deref().map(|text| problem::read_parameter("after", text)).transpose()?;
    Ok((after, problem::limit(limit, LIST_MAX)?))
}

pub(super) async fn list(
    State(site): State<Arc<Site>>,
    uri: Uri,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Listed<ProductView>, Problem> {
    let (after, limit) = page(which)?;
    let mut views = Vec::new();
    for product in site.catalogue.products(after, limit).await? {
        views.push(view(&site, &product, None).await?);
    }
    Ok(Listed::page(&uri, views, limit, "after", |product| &product.sku))
}

pub(super) async fn missing(
    State(site): State<Arc<Site>>,
    uri: Uri,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Listed<MissingProduct>, Problem> {
    let (after, limit) = page(which)?;
    let found = site.catalogue.unknown_skus(after, limit).await?;
    let missing = found.into_iter().map(|(sku, orders)| MissingProduct { sku: sku.to_string(), orders }).collect();
    Ok(Listed::page(&uri, missing, limit, "after", |missing| &missing.sku))
}

fn policy_view(name: &str, policy: &Policy, products: &[Product]) -> PolicyView {
    let uses = products.iter().filter(|product| product.policy.as_deref().unwrap_or("default") == name);
    PolicyView {
        name: name.to_owned(),
        in_words: InWords(policy).to_string(),
        max_downloads: policy.max_downloads,
        valid_for: policy.valid_for.map(|span| span.to_string()),
        link_ttl: policy.link_ttl.to_string(),
        methods: policy.methods.iter().map(|method| method.word().to_owned()).collect(),
        version: policy.edition.word().to_owned(),
        products: uses.map(|product| product.sku.to_string()).collect(),
    }
}

pub(super) async fn policies(State(site): State<Arc<Site>>) -> Result<Json<Vec<PolicyView>>, Problem> {
    let products = site.catalogue.products(None, LIST_MAX).await?;
    let views = site.configuration.policies.iter().map(|(name, policy)| policy_view(name, policy, &products));
    Ok(Json(views.collect()))
}

pub(super) async fn policy(State(site): State<Arc<Site>>, name: Id) -> Result<Json<PolicyView>, Problem> {
    let name = problem::name(name)?;
    let products = site.catalogue.products(None, LIST_MAX).await?;
    let policy = site.configuration.policy_named(&name).map_err(Problem::unknown)?;
    Ok(Json(policy_view(&name, policy, &products)))
}

pub(super) async fn apply_policy(
    State(site): State<Arc<Site>>,
    name: Id,
    Author(author): Author,
    body: Result<Json<Application>, JsonRejection>,
) -> Result<Json<AppliedView>, Problem> {
    let (name, Application { product, dry_run, amended }) = (problem::name(name)?, problem::body(body)?);
    let sku: Sku = problem::read_field("product", &product)?;
    let run = if dry_run { Run::Dry } else { Run::Real };
    let reach = if amended { Reach::Amended } else { Reach::Untouched };
    let applied = apply(&site, &name, &sku, run, reach, &author).await.map_err(|fault| not_kept(&fault))?;
    let Applied { grants, changed, revoked, over, amended } = applied;
    Ok(Json(AppliedView { grants, changed, revoked, over, amended, dry_run }))
}

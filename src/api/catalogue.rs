//! Calls about files and products.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::grants::stored;
use super::problem::{self, Problem};
use crate::clock;
use crate::domain::catalogue::{Attachment, File, Product, Units};
use crate::domain::id::FileId;
use crate::domain::order::{Options, Sku};
use crate::domain::refusal::Refusal;
use crate::random;
use crate::service::site::Site;
use crate::store::{Files, LIST_MAX};

/// A file to add to the catalogue.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewFile {
    /// `STORAGE/PATH`.
    pub file: String,
    /// Under which name people see it; the last part of its path if not said.
    #[serde(default)]
    pub name: Option<String>,
    /// In which folder of the catalogue; at the top if not said.
    #[serde(default)]
    pub folder: Option<String>,
}

/// A file of the catalogue.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FileView {
    /// `f-…`: it stays.
    pub id: String,
    /// Under which name people see it.
    pub name: String,
    /// In which folder of the catalogue.
    pub folder: String,
    /// Where its current version lies: `STORAGE/PATH`.
    pub at: String,
    /// When it was added.
    pub added: String,
    /// The products that hold it, by SKU.
    pub products: Vec<String>,
}

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
    /// Its files, in order.
    #[serde(default)]
    pub files: Vec<AttachmentView>,
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
}

impl ProductView {
    fn of(product: &Product) -> Self {
        let attached = |attached: &Attachment| AttachmentView { file: attached.file.to_string(), options: attached.options.clone() };
        Self {
            sku: product.sku.to_string(),
            name: product.name.clone(),
            policy: product.policy.clone(),
            units: Some(product.units.word().to_owned()),
            files: product.files.iter().map(attached).collect(),
        }
    }
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

/// A name that is longer is not one.
pub const NAME_BYTES_MAX: usize = 255;

pub(super) fn named(field: &str, text: &str) -> Result<(), Problem> {
    let good = text.len() <= NAME_BYTES_MAX && !text.chars().any(char::is_control);
    good.then_some(())
        .ok_or_else(|| Problem::of_body(field, format_args!("must have at most {NAME_BYTES_MAX} bytes and no control characters")))
}

async fn view(site: &Site, file: &File) -> Result<FileView, Problem> {
    let products = site.catalogue.products_with(file.id).await?;
    Ok(FileView {
        id: file.id.to_string(),
        name: file.name.clone(),
        folder: file.folder.clone(),
        at: file.at.to_string(),
        added: file.added.to_string(),
        products: products.iter().map(Sku::to_string).collect(),
    })
}

pub(super) async fn add_file(State(site): State<Arc<Site>>, body: Result<Json<NewFile>, JsonRejection>) -> Result<Json<FileView>, Problem> {
    let NewFile { file: at, name, folder } = problem::body(body)?;
    let at = stored(&site, &at)?;
    let (name, folder) = (name.unwrap_or_else(|| at.path.file_name().to_owned()), folder.unwrap_or_default());
    named("name", &name)?;
    named("folder", &folder)?;
    site.storages.look(&at).map_err(|absent| Problem::unknown(format!("file: `{at}`: {absent}")).coded(Refusal::FileMissing))?;
    if let Some(known) = site.catalogue.file_at(at.clone()).await? {
        return Err(Problem::conflict(format!("file: `{at}` is in the catalogue already, as {}", known.id)));
    }
    let file = File { id: FileId::new(random::bytes()), name, folder, at, added: clock::now() };
    site.catalogue.put_file(file.clone()).await?;
    tracing::info!(event = "file_added", id = %file.id, file = %file.at);
    view(&site, &file).await.map(Json)
}

pub(super) async fn files(
    State(site): State<Arc<Site>>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Json<Vec<FileView>>, Problem> {
    let Which { after, limit } = problem::query(which)?;
    let after = after.as_deref().map(|text| problem::read_parameter("after", text)).transpose()?;
    let found = site.catalogue.files(Files { after, limit: problem::limit(limit, LIST_MAX)? }).await?;
    let mut views = Vec::with_capacity(found.len());
    for file in &found {
        views.push(view(&site, file).await?);
    }
    Ok(Json(views))
}

pub(super) async fn file(State(site): State<Arc<Site>>, id: Id) -> Result<Json<FileView>, Problem> {
    let id: FileId = problem::read_name(id)?;
    let file = site
        .catalogue
        .file(id)
        .await?
        .ok_or_else(|| Problem::unknown("there is no such file: `cloakroom file list` lists those that there are"))?;
    view(&site, &file).await.map(Json)
}

pub(super) async fn put_product(
    State(site): State<Arc<Site>>,
    sku: Id,
    body: Result<Json<ProductView>, JsonRejection>,
) -> Result<Json<ProductView>, Problem> {
    let sku: Sku = problem::read_name(sku)?;
    let ProductView { sku: said, name, policy, units, files } = problem::body(body)?;
    if !said.is_empty() && said != sku.as_str() {
        return Err(Problem::of_body("sku", format_args!("`{said}` must be that of the call, `{sku}`")));
    }
    named("name", &name)?;
    if let Some(policy) = &policy
        && site.configuration.policy(policy).is_none()
    {
        let known: Vec<&str> = site.configuration.policies.iter().map(|(name, _)| name.as_str()).collect();
        return Err(Problem::of_body("policy", format_args!("there is no [[policy]] named `{policy}` (there are: {})", known.join(", "))));
    }
    let unknown = |units: &String| Problem::of_body("units", format_args!("`{units}` must be per_line or per_unit"));
    let units = units.map_or(Ok(Units::default()), |units| Units::parse(&units).ok_or_else(|| unknown(&units)))?;
    if files.len() > Product::FILES_MAX {
        return Err(Problem::of_body("files", format_args!("there must be at most {} of them", Product::FILES_MAX)));
    }
    let mut attached = Vec::with_capacity(files.len());
    for (place, AttachmentView { file, options }) in files.into_iter().enumerate() {
        let id: FileId = problem::read_field(&format!("files[{place}].file"), &file)?;
        if site.catalogue.file(id).await?.is_none() {
            return Err(Problem::of_body(
                &format!("files[{place}].file"),
                format_args!("there is no file {id} in the catalogue: `cloakroom file list`"),
            ));
        }
        attached.push(Attachment { file: id, options });
    }
    let product = Product { sku, name, policy, units, files: attached };
    site.catalogue.put_product(product.clone()).await?;
    tracing::info!(event = "product_kept", sku = %product.sku, files = product.files.len());
    Ok(Json(ProductView::of(&product)))
}

pub(super) async fn product(State(site): State<Arc<Site>>, sku: Id) -> Result<Json<ProductView>, Problem> {
    let sku: Sku = problem::read_name(sku)?;
    let found = site.catalogue.products_named(vec![sku]).await?;
    let unknown = || Problem::unknown("there is no such product: `cloakroom product list` lists those that there are");
    found.first().map(|product| Json(ProductView::of(product))).ok_or_else(unknown)
}

pub(super) async fn products(
    State(site): State<Arc<Site>>,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Json<Vec<ProductView>>, Problem> {
    let Which { after, limit } = problem::query(which)?;
    let after: Option<Sku> = after.as_deref().map(|text| problem::read_parameter("after", text)).transpose()?;
    let found = site.catalogue.products(after, problem::limit(limit, LIST_MAX)?).await?;
    Ok(Json(found.iter().map(ProductView::of).collect()))
}

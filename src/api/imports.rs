//! The call that takes over what another shop sold, part by part.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::author::Author;
use super::bearer::Bound;
use super::files::not_kept;
use super::grants::stored;
use super::orders::{NewOrder, reported};
use super::problem::{self, Problem};
use crate::domain::order::Options;
use crate::service::catalogue::{check_file_name, check_name};
use crate::service::import::{Doing, Fate, Part, Taken, TakenOrder, WantedOrder, WantedProduct, take};
use crate::service::site::Site;

/// Larger parts are to be divided: one call holds the daemon no longer than a moment. An order of two hundred files, each with
/// a path of three hundred bytes, fits.
pub const IMPORT_BYTES_MAX: usize = 256 * 1024;

/// So many files, products and orders are in one part at most.
pub const PART_MAX: usize = 500;

/// A part of what is taken over.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewImport {
    /// Only tell what would be done.
    #[serde(default)]
    pub dry_run: bool,
    /// All files that products and orders of this part name.
    #[serde(default)]
    pub files: Vec<ImportedFile>,
    /// Products.
    #[serde(default)]
    pub products: Vec<ImportedProduct>,
    /// Orders. A line may say its `file` by `STORAGE/PATH`, which is one of `files`.
    #[serde(default)]
    pub orders: Vec<NewOrder>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportedFile {
    /// `STORAGE/PATH`.
    pub file: String,
    /// Under which name people see it.
    pub name: String,
}

/// A product.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportedProduct {
    /// Its SKU.
    pub sku: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// The policy whose limits its grants get; `default` if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Its files.
    pub files: Vec<ImportedAttachment>,
}

/// A file of a product.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportedAttachment {
    /// `STORAGE/PATH`, which is one of `files`.
    pub file: String,
    /// What the customer must have chosen to get it.
    #[serde(default, skip_serializing_if = "Options::is_empty")]
    pub options: Options,
}

/// What became of a part.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ImportView {
    /// Whether nothing was done.
    pub dry_run: bool,
    /// How many files were not in the catalogue.
    pub files_new: usize,
    /// Files that are not where they should be. What is sold of them works as soon as they are there.
    pub missing: Vec<String>,
    /// Products, by SKU.
    pub products: Vec<FateView>,
    /// Orders, by the shop's number.
    pub orders: Vec<FateView>,
}

/// What became of one thing.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FateView {
    /// Its SKU, or the shop's number of the order.
    pub id: String,
    /// `new`; `grown` (it has lines that it had not); `same`; `differs` from what is known here, which stays; `refused`.
    pub fate: String,
    /// How it differs, why it is refused, or what stands in the way of its lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<String>,
    /// How many grants it has: those of an order that is open.
    #[serde(default)]
    pub grants: usize,
}

impl FateView {
    fn of(id: String, fate: Fate, grants: usize) -> Self {
        let (fate, why) = match fate {
            Fate::New => ("new", Vec::new()),
            Fate::Grown => ("grown", Vec::new()),
            Fate::Same => ("same", Vec::new()),
            Fate::Differs(why) => ("differs", why),
            Fate::Refused(why) => ("refused", vec![why]),
        };
        Self { id, fate: fate.to_owned(), why, grants }
    }

    fn of_order(taken: TakenOrder) -> Self {
        let TakenOrder { number, fate, grants, problems } = taken;
        let mut view = Self::of(number, fate, grants);
        view.why.extend(problems);
        view
    }
}

pub(super) async fn take_part(
    State(site): State<Arc<Site>>,
    Author(author): Author,
    bound: Bound,
    body: Result<Json<NewImport>, JsonRejection>,
) -> Result<Json<ImportView>, Problem> {
    let NewImport { dry_run, files, products, orders } = problem::body_of(body, IMPORT_BYTES_MAX)?;
    for (field, count) in [("files", files.len()), ("products", products.len()), ("orders", orders.len())] {
        if count > PART_MAX {
            return Err(Problem::of_body(field, format_args!("there must be at most {PART_MAX} of them in one call")));
        }
    }
    let mut part = Part::default();
    for (place, ImportedFile { file, name }) in files.into_iter().enumerate() {
        check_file_name(&format!("files[{place}].name"), &name).map_err(|fault| not_kept(&fault))?;
        part.files.push((stored(&site, &file)?, name));
    }
    for (place, product) in products.into_iter().enumerate() {
        part.products.push(wanted_product(&site, place, product)?);
    }
    for (place, order) in orders.into_iter().enumerate() {
        let of_order = |problem: Problem| {
            let detail = format!("orders[{place}].{}", problem.detail);
            problem.saying(detail)
        };
        part.orders.push(wanted_order(&site, order, &bound).await.map_err(of_order)?);
    }
    let doing = if dry_run { Doing::Rehearsal } else { Doing::Import };
    let Taken { files_new, missing, products, orders } = take(&site, part, doing, &author).await?;
    Ok(Json(ImportView {
        dry_run,
        files_new,
        missing: missing.into_iter().map(|(at, why)| format!("{at}: {why}")).collect(),
        products: products.into_iter().map(|(sku, fate)| FateView::of(sku.to_string(), fate, 0)).collect(),
        orders: orders.into_iter().map(FateView::of_order).collect(),
    }))
}

fn wanted_product(site: &Site, place: usize, product: ImportedProduct) -> Result<WantedProduct, Problem> {
    let ImportedProduct { sku, name, policy, files } = product;
    check_name(&format!("products[{place}].name"), &name).map_err(|fault| not_kept(&fault))?;
    let attached = |file: ImportedAttachment| Ok((stored(site, &file.file)?, file.options));
    Ok(WantedProduct {
        sku: problem::read_field(&format!("products[{place}].sku"), &sku)?,
        name,
        policy,
        files: files.into_iter().map(attached).collect::<Result<_, Problem>>()?,
    })
}

async fn wanted_order(site: &Site, mut order: NewOrder, bound: &Bound) -> Result<WantedOrder, Problem> {
    let mut named = Vec::new();
    for line in order.lines.iter_mut().flatten() {
        let at = line.file.take().map(|file| stored(site, &file)).transpose()?;
        named.push(at);
    }
    // None of them names a file any more.
    let (report, _) = reported(site, order, bound).await?;
    Ok(WantedOrder { report, files: named })
}

//! Hands what was read over to the daemon, part by part: first as a rehearsal, then for good.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};

use super::read::Found;
use super::told;
use crate::api::{CustomerView, FateView, ImportView, ImportedAttachment, ImportedFile, ImportedProduct, NewImport, NewLine, NewOrder};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::{Common, terminal};
use crate::config::Configuration;
use crate::domain::grant::UNLIMITED;
use crate::domain::order::{Options, OrderState};
use crate::domain::path::FilePath;
use crate::import::zen_cart::plan::{Download, Order, Product};
use crate::service::catalogue::NAME_BYTES_MAX;
use crate::service::issue::CUSTOMER_BYTES_MAX;

/// So many orders or products are in one call: each may have two hundred files.
const PART: usize = 100;

/// A call has fewer files than the daemon takes, and stays small.
const PART_FILES: usize = 300;

/// What holds for all of it.
#[derive(Debug)]
pub(super) struct Terms {
    /// The storage that is Zen Cart's download directory.
    pub(super) storage: String,
    /// The shop.
    pub(super) shop: String,
    /// The policy of products.
    pub(super) policy: Option<String>,
}

impl Terms {
    fn at(&self, path: &FilePath) -> String {
        format!("{}/{path}", self.storage, path = path.as_str())
    }
}

/// What the option of an attribute is called, and the value that says that it was chosen.
fn chosen(attribute: u64) -> Options {
    Options::from([(format!("attribute-{attribute}"), "yes".to_owned())])
}

/// A text of the shop as it can be kept: on one line, and no longer than `most` bytes.
fn plain(text: &str, most: usize) -> String {
    let mut plain: String = text.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).collect();
    while plain.len() > most {
        plain.pop();
    }
    plain
}

fn line(terms: &Terms, download: &Download) -> NewLine {
    let unlimited = || UNLIMITED.to_owned();
    NewLine {
        line: Some(download.id.to_string()),
        options: download.attribute.map(chosen).unwrap_or_default(),
        file: Some(terms.at(&download.path)),
        max_downloads: Some(download.downloads.map_or_else(unlimited, |most| most.to_string())),
        expires: Some(download.expires.map_or_else(unlimited, |end| end.to_string())),
        ..NewLine::of(download.product.to_string())
    }
}

fn order(terms: &Terms, order: &Order) -> NewOrder {
    let row = &order.row;
    let id = if row.customer == 0 { String::new() } else { row.customer.to_string() };
    NewOrder {
        shop: Some(terms.shop.clone()),
        external_id: order.id.to_string(),
        state: if order.is_open { OrderState::Paid } else { OrderState::Pending }.word().to_owned(),
        customer: Some(CustomerView {
            id,
            name: plain(&row.name, CUSTOMER_BYTES_MAX),
            email: plain(row.email.trim(), CUSTOMER_BYTES_MAX),
            language: plain(&row.language, CUSTOMER_BYTES_MAX),
        }),
        lines: Some(order.downloads.iter().map(|download| line(terms, download)).collect()),
        placed: order.placed.map(|placed| placed.to_string()),
    }
}

fn product(terms: &Terms, product: &Product) -> ImportedProduct {
    let attached = |(attribute, path): &(u64, FilePath)| ImportedAttachment { file: terms.at(path), options: chosen(*attribute) };
    ImportedProduct {
        sku: product.id.to_string(),
        name: plain(&product.name, NAME_BYTES_MAX),
        policy: terms.policy.clone(),
        files: product.files.iter().map(attached).collect(),
    }
}

/// What goes over in one call each.
fn parts(found: &Found, terms: &Terms) -> Vec<NewImport> {
    let plan = &found.plan;
    let products =
        plan.products.iter().map(|wanted| (product(terms, wanted), wanted.files.iter().map(|(_, path)| path).collect::<Vec<_>>()));
    let orders =
        plan.orders.iter().map(|wanted| (order(terms, wanted), wanted.downloads.iter().map(|sold| &sold.path).collect::<Vec<_>>()));
    let mut parts = Vec::new();
    let mut part = NewImport::default();
    let mut files: BTreeMap<&FilePath, String> = BTreeMap::new();
    let mut add = |part: &mut NewImport, files: &mut BTreeMap<&FilePath, String>, is_last: bool| {
        if is_last || part.orders.len() + part.products.len() >= PART || files.len() >= PART_FILES {
            let file = |(path, name): (&FilePath, String)| ImportedFile { file: terms.at(path), name: plain(&name, NAME_BYTES_MAX) };
            part.files = std::mem::take(files).into_iter().map(file).collect();
            parts.push(std::mem::take(part));
        }
    };
    let name = |path: &FilePath| plan.files.get(path).cloned().unwrap_or_else(|| path.file_name().to_owned());
    for (product, paths) in products {
        part.products.push(product);
        files.extend(paths.into_iter().map(|path| (path, name(path))));
        add(&mut part, &mut files, false);
    }
    for (order, paths) in orders {
        part.orders.push(order);
        files.extend(paths.into_iter().map(|path| (path, name(path))));
        add(&mut part, &mut files, false);
    }
    add(&mut part, &mut files, true);
    parts
}

/// Asks for all parts; what the daemon answered, together.
fn ask(client: &Client, parts: &mut [NewImport], dry_run: bool) -> Result<ImportView, Failure> {
    let (all, mut done) = (parts.len(), 0);
    let is_terminal = std::io::stderr().is_terminal();
    let mut answered = ImportView { dry_run, ..ImportView::default() };
    for part in parts {
        part.dry_run = dry_run;
        let outcome = client.post_slowly::<ImportView>("/api/v1/import", part);
        let view = outcome.map_err(|fault| {
            let orders = terminal::counted(answered.orders.len() as u64, "order", "orders");
            let kept = if dry_run {
                "nothing was imported".to_owned()
            } else {
                format!("{orders} are done: the same command goes on behind them")
            };
            Failure::failed(format!("{fault}; {kept}"))
        })?;
        answered.files_new += view.files_new;
        answered.missing.extend(view.missing);
        answered.products.extend(view.products);
        answered.orders.extend(view.orders);
        done += 1;
        if is_terminal && all > 1 {
            let what = if dry_run { "looked at" } else { "imported" };
            // What cannot be drawn is not missed.
            let _ = write!(std::io::stderr().lock(), "\r\u{1b}[K{what} {}", terminal::percent(done, all as u64));
        }
    }
    if is_terminal && all > 1 {
        let _ = write!(std::io::stderr().lock(), "\r\u{1b}[K");
    }
    // A file that several parts name is missing once.
    answered.missing.sort_unstable();
    answered.missing.dedup();
    Ok(answered)
}

/// Rehearses it, and does it unless it is only to be shown or cannot be.
pub(super) fn run(common: &Common, configuration: &Configuration, found: &Found, terms: &Terms, dry_run: bool) -> Result<(), Failure> {
    let client = Client::of(configuration, "import zencart")?;
    let mut parts = parts(found, terms);
    let rehearsed = ask(&client, &mut parts, true)?;
    let is_refused = |fate: &&FateView| fate.fate == "refused";
    let refused = rehearsed.products.iter().chain(&rehearsed.orders).filter(is_refused).count();
    if dry_run || refused > 0 {
        told::rehearsed(common, found, terms, &rehearsed, dry_run)?;
        return match refused {
            0 => Ok(()),
            _ => Err(Failure::failed(format!("{}: nothing was imported", terminal::counted(refused as u64, "refusal", "refusals")))),
        };
    }
    let done = ask(&client, &mut parts, false)?;
    told::done(common, found, terms, &done)
}

//! Hands what was read over to the daemon, part by part: first as a rehearsal, then for good.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};

use serde::Serialize;

use super::read::Found;
use super::told;
use crate::api::{
    CustomerView, FateView, IMPORT_BYTES_MAX, ImportView, ImportedAttachment, ImportedFile, ImportedProduct, NewImport, NewLine, NewOrder,
};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::{Common, terminal};
use crate::config::Configuration;
use crate::domain::grant::UNLIMITED;
use crate::domain::order::{Options, OrderState};
use crate::domain::path::FilePath;
use crate::import::zen_cart::plan::{Download, Order, Plan, Product};
use crate::service::catalogue::NAME_BYTES_MAX;
use crate::service::issue::CUSTOMER_BYTES_MAX;

/// So many orders or products are in one call: each may have two hundred files.
const PART: usize = 100;

/// A call has fewer files than the daemon takes, and stays small.
const PART_FILES: usize = 300;

/// A call has at most so many bytes, unless one order or product alone has more: the daemon takes [`IMPORT_BYTES_MAX`].
const PART_BYTES: usize = 200 * 1024;

const _: () = assert!(PART_BYTES < IMPORT_BYTES_MAX);

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

/// Bytes of it on the wire. What cannot be written is told when it is sent.
fn size(value: &impl Serialize) -> usize {
    serde_json::to_vec(value).map_or(0, |text| text.len() + 1)
}

/// Cuts what goes over into calls.
struct Cut<'plan> {
    plan: &'plan Plan,
    terms: &'plan Terms,
    done: Vec<NewImport>,
    part: NewImport,
    files: BTreeMap<&'plan FilePath, ImportedFile>,
    bytes: usize,
}

impl<'plan> Cut<'plan> {
    fn file(&self, path: &FilePath) -> ImportedFile {
        let said = self.plan.files.get(path).map(String::as_str).filter(|name| !name.trim().is_empty());
        let name = said.unwrap_or_else(|| path.file_name());
        ImportedFile { file: self.terms.at(path), name: plain(name, NAME_BYTES_MAX) }
    }

    fn end(&mut self) {
        self.part.files = std::mem::take(&mut self.files).into_values().collect();
        self.done.push(std::mem::take(&mut self.part));
        self.bytes = 0;
    }

    /// The part that takes what is so large, with its files. One that several name counts for each: a part is rather too
    /// small.
    fn with(&mut self, bytes: usize, paths: impl Iterator<Item = &'plan FilePath>) -> &mut NewImport {
        let files: BTreeMap<&FilePath, ImportedFile> = paths.map(|path| (path, self.file(path))).collect();
        let bytes = bytes + files.values().map(size).sum::<usize>();
        let count = self.part.orders.len() + self.part.products.len();
        if count > 0 && (count >= PART || self.files.len() >= PART_FILES || self.bytes + bytes > PART_BYTES) {
            self.end();
        }
        self.bytes += bytes;
        self.files.extend(files);
        &mut self.part
    }
}

/// What goes over in one call each.
fn parts(plan: &Plan, terms: &Terms) -> Vec<NewImport> {
    let (done, part, files) = (Vec::new(), NewImport::default(), BTreeMap::new());
    let mut cut = Cut { plan, terms, done, part, files, bytes: 0 };
    for wanted in &plan.products {
        let product = product(terms, wanted);
        cut.with(size(&product), wanted.files.iter().map(|(_, path)| path)).products.push(product);
    }
    for wanted in &plan.orders {
        let order = order(terms, wanted);
        cut.with(size(&order), wanted.downloads.iter().map(|sold| &sold.path)).orders.push(order);
    }
    cut.end();
    cut.done
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
    let mut parts = parts(&found.plan, terms);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::zen_cart::tables::OrderRow;

    fn sale(id: u64, name: &str, files: u64) -> Order {
        let download = |file: u64| Download {
            id: id * 1000 + file,
            product: file,
            attribute: None,
            path: FilePath::parse(&format!("{}/{id}-{file}.zip", "d".repeat(150))).expect("a path"),
            downloads: Some(5),
            expires: None,
        };
        let row = OrderRow {
            customer: id,
            name: name.to_owned(),
            email: "anna@b.example".to_owned(),
            purchased: None,
            status: 2,
            language: String::new(),
        };
        Order { id, row, placed: None, is_open: true, downloads: (0..files).map(download).collect() }
    }

    #[test]
    fn each_call_is_as_large_as_the_daemon_reads_and_nothing_is_left_out() {
        let terms = Terms { storage: "masters".to_owned(), shop: "shop".to_owned(), policy: None };
        let mut seen = 0;
        // Signs of JSON that become two.
        for (orders, files) in [(0, 0), (1, 1), (99, 1), (100, 1), (101, 1), (250, 4), (90, 3), (40, 50), (3, 200)] {
            let all: Vec<Order> = (1..=orders).map(|id| sale(id, &"\"\\".repeat(90), files)).collect();
            let plan = Plan { orders: all, ..Plan::default() };
            let parts = parts(&plan, &terms);
            let told: Vec<&str> = parts.iter().flat_map(|part| &part.orders).map(|order| order.external_id.as_str()).collect();
            assert_eq!(told, (1..=orders).map(|id| id.to_string()).collect::<Vec<_>>(), "each once, in order");
            for part in &parts {
                let bytes = serde_json::to_vec(part).expect("json").len();
                assert!(bytes < IMPORT_BYTES_MAX, "{orders} of {files}: {bytes}");
                assert!(!part.orders.is_empty() || orders == 0);
                let wanted = part.orders.iter().flat_map(|order| order.lines.iter().flatten()).filter_map(|line| line.file.as_deref());
                assert!(wanted.clone().all(|file| part.files.iter().any(|known| known.file == file)));
            }
            seen += parts.len();
        }
        assert!(seen > 9, "{seen}");
    }
}

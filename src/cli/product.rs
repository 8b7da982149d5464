//! `cloakroom product`: which files a SKU holds.

use std::str::FromStr;

use clap::{Args, Subcommand};

use super::client::{Client, encoded_segment, query};
use super::failure::Failure;
use super::terminal::{self, Column, table};
use super::{Common, say, say_json};
use crate::api::{AttachmentView, MissingProduct, ProductView, RemovedProduct, ServedView};
use crate::domain::id::FileId;
use crate::domain::order::Options;

/// What stands below the list of commands.
pub(super) const AFTER_HELP: &str = "\
Examples:
  cloakroom product add ebook --name 'The book' --file f-… --policy books
  cloakroom product attach ebook f-… --option format=pdf
  cloakroom product list --missing";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Keep a product, in place of one with the same SKU.
    Add(Add),
    /// Add a file to a product, for all who order it or for a choice.
    Attach(Attach),
    /// Take a file from a product. What was sold of it stays sold.
    Detach {
        /// The SKU of the product.
        sku: String,

        /// The file, `f-…`.
        #[arg(value_name = "FILE", value_parser = FileId::from_str)]
        file: FileId,
    },
    /// Forget a product. What was sold of it stays sold.
    Remove {
        /// Its SKU.
        sku: String,
    },
    /// Products, by SKU.
    List(List),
    /// One product, with its files.
    Show {
        /// Its SKU.
        sku: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// Its SKU.
    sku: String,

    /// Its name.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    name: String,

    /// A file of it; may be said several times.
    #[arg(long = "file", value_name = "FILE", value_parser = FileId::from_str)]
    files: Vec<FileId>,

    /// The policy whose limits its grants get; `default` if not said.
    #[arg(long, value_name = "NAME")]
    policy: Option<String>,

    /// A grant for each that was ordered, not one for the line.
    #[arg(long)]
    per_unit: bool,

    /// What all who bought it are told beside its files, such as its licence.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    note: String,
}

#[derive(Debug, Args)]
pub(super) struct Attach {
    /// The SKU of the product.
    sku: String,

    /// The file, `f-…`.
    #[arg(value_name = "FILE", value_parser = FileId::from_str)]
    file: FileId,

    /// What the customer must have chosen to get it; may be said several times.
    #[arg(long = "option", value_name = "NAME=VALUE", value_parser = option)]
    options: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// SKUs that orders have and no product.
    #[arg(long)]
    missing: bool,

    /// Only those behind this SKU: the last one of the page before.
    #[arg(long, value_name = "SKU")]
    after: Option<String>,

    /// At most so many, 1 to 1000.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

fn option(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or("must be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn call(sku: &str) -> String {
    format!("/api/v1/products/{}", encoded_segment(sku))
}

pub(super) fn run(common: &Common, command: Command) -> Result<(), Failure> {
    let configuration = common.load()?;
    match command {
        Command::Add(Add { sku, name, files, policy, per_unit, note }) => {
            let files = files.iter().map(|file| AttachmentView { file: file.to_string(), options: Options::new(), name: None }).collect();
            let units = per_unit.then(|| "per_unit".to_owned());
            let product = ProductView { sku: sku.clone(), name, policy, units, note, files, served: None };
            told(common, &Client::of(&configuration, "product add")?.put(&call(&sku), &product)?)
        }
        Command::Attach(Attach { sku, file, options }) => {
            let client = Client::of(&configuration, "product attach")?;
            let options: Options = options.into_iter().collect();
            let attach = |product: &mut ProductView| {
                product.files.push(AttachmentView { file: file.to_string(), options: options.clone(), name: None });
                Ok(())
            };
            told(common, &client.change(&call(&sku), attach)?)
        }
        Command::Detach { sku, file } => {
            let client = Client::of(&configuration, "product detach")?;
            let detach = |product: &mut ProductView| {
                let before = product.files.len();
                product.files.retain(|attached| attached.file != file.to_string());
                let is_gone = product.files.len() < before;
                let not_held = || Failure::failed(format!("the product `{}` does not hold {file}", terminal::visible(&sku)));
                is_gone.then_some(()).ok_or_else(not_held)
            };
            told(common, &client.change(&call(&sku), detach)?)
        }
        Command::Remove { sku } => {
            let gone: RemovedProduct = Client::of(&configuration, "product remove")?.delete(&call(&sku))?;
            let text = || format!("there is no product `{}` any more; what was sold of it stays sold", terminal::visible(&gone.sku));
            if common.json { say_json(&gone) } else { say(text()) }
        }
        Command::Show { sku } => told(common, &Client::of(&configuration, "product show")?.fetch(&call(&sku))?),
        Command::List(List { missing, after, limit }) => {
            let limit = limit.to_string();
            let pairs = [("after", after.as_deref()), ("limit", Some(limit.as_str()))];
            if missing {
                let path = format!("/api/v1/products/missing{}", query(&pairs));
                let skus: Vec<MissingProduct> = Client::of(&configuration, "product list")?.fetch(&path)?;
                return if common.json { say_json(&skus) } else { say(list_missing(&skus)) };
            }
            let products: Vec<ProductView> =
                Client::of(&configuration, "product list")?.fetch(&format!("/api/v1/products{}", query(&pairs)))?;
            if common.json { say_json(&products) } else { say(list(&products)) }
        }
    }
}

fn told(common: &Common, product: &ProductView) -> Result<(), Failure> {
    if common.json {
        return say_json(product);
    }
    let ProductView { sku, name, policy, units, note, files, served } = product;
    let mut lines = vec![format!("{}  {}", terminal::visible(sku), terminal::visible(name))];
    lines.push(format!("policy    {}", policy.as_deref().unwrap_or("default")));
    let units = if units.as_deref() == Some("per_unit") { "for each that is ordered" } else { "for each line of an order" };
    lines.push(format!("a grant   {units}"));
    lines.extend(note.lines().map(|line| format!("note      {}", terminal::visible(line))));
    for AttachmentView { file, options, name } in files {
        let chosen: Vec<String> =
            options.iter().map(|(name, value)| format!("{}={}", terminal::visible(name), terminal::visible(value))).collect();
        let chosen = if chosen.is_empty() { String::new() } else { format!("  for {}", chosen.join(" ")) };
        let name = name.as_deref().map_or_else(|| "(no longer in the catalogue)".to_owned(), terminal::visible);
        lines.push(format!("  {file}  {name}{chosen}"));
    }
    lines.extend(served.as_ref().map(waited));
    say(lines.join("\n").trim_end())
}

/// What became of orders that waited.
pub(super) fn waited(served: &ServedView) -> String {
    let ServedView { orders, grants, more } = served;
    let (orders, grants) = (terminal::counted(*orders, "order", "orders"), terminal::counted(*grants, "grant", "grants"));
    let more = if *more { "\nmore orders wait: the same command once more looks after the next" } else { "" };
    format!("{orders} waited for it; {grants} made{more}")
}

fn list_missing(skus: &[MissingProduct]) -> String {
    if skus.is_empty() {
        return "every SKU of every order is a product".to_owned();
    }
    let row = |missing: &MissingProduct| vec![terminal::visible(&missing.sku), terminal::grouped(missing.orders)];
    let rows: Vec<_> = skus.iter().map(row).collect();
    let text = table(&[Column::Text("sku"), Column::Number("orders")], &rows);
    format!(
        "{}
`cloakroom product add SKU --file FILE` makes one, and serves the orders that wait for it",
        text.trim_end()
    )
}

fn list(products: &[ProductView]) -> String {
    if products.is_empty() {
        return "no products; `cloakroom product add SKU --file FILE` keeps one".to_owned();
    }
    let row = |product: &ProductView| {
        let policy = product.policy.clone().unwrap_or_else(|| "default".to_owned());
        vec![terminal::visible(&product.sku), terminal::visible(&product.name), policy, product.files.len().to_string()]
    };
    let columns = [Column::Text("sku"), Column::Text("name"), Column::Text("policy"), Column::Number("files")];
    table(&columns, &products.iter().map(row).collect::<Vec<_>>()).trim_end().to_owned()
}

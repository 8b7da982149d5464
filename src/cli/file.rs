//! `cloakroom file`: the catalogue of files.

use std::str::FromStr;

use clap::{Args, Subcommand};

use super::client::{Client, query};
use super::failure::Failure;
use super::terminal::{self, Column, table};
use super::{Common, say, say_json};
use crate::api::{FileView, NewFile};
use crate::domain::id::FileId;

/// What stands below the list of commands.
pub(super) const AFTER_HELP: &str = "\
Examples:
  cloakroom file add masters/books/ebook.pdf --name 'The book' --folder books
  cloakroom file list";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add a master to the catalogue, and print its id.
    Add(Add),
    /// The files of the catalogue.
    List(List),
    /// One file: where it lies, and what holds it.
    Show {
        /// Its id, `f-…`.
        #[arg(value_name = "FILE", value_parser = FileId::from_str)]
        id: FileId,
    },
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// Where it lies.
    #[arg(value_name = "STORAGE/PATH")]
    file: String,

    /// Under which name people see it; the last part of its path if not said.
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,

    /// In which folder of the catalogue; at the top if not said.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only those behind this one: the last one of the page before.
    #[arg(long, value_name = "FILE", value_parser = FileId::from_str)]
    after: Option<FileId>,

    /// At most so many, 1 to 1000.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

pub(super) fn run(common: &Common, command: Command) -> Result<(), Failure> {
    let configuration = common.load()?;
    match command {
        Command::Add(Add { file, name, folder }) => {
            let added: FileView = Client::of(&configuration, "file add")?.post("/api/v1/files", &NewFile { file, name, folder })?;
            if common.json { say_json(&added) } else { say(&added.id) }
        }
        Command::List(List { after, limit }) => {
            let (after, limit) = (after.map(|id| id.to_string()), limit.to_string());
            let pairs = [("after", after.as_deref()), ("limit", Some(limit.as_str()))];
            let files: Vec<FileView> = Client::of(&configuration, "file list")?.fetch(&format!("/api/v1/files{}", query(&pairs)))?;
            if common.json { say_json(&files) } else { say(list(&files)) }
        }
        Command::Show { id } => {
            let file: FileView = Client::of(&configuration, "file show")?.fetch(&format!("/api/v1/files/{id}"))?;
            if common.json { say_json(&file) } else { say(page(&file)) }
        }
    }
}

fn list(files: &[FileView]) -> String {
    if files.is_empty() {
        return "no files; `cloakroom file add STORAGE/PATH` adds one".to_owned();
    }
    let row = |file: &FileView| {
        let products = terminal::visible(&file.products.join(", "));
        vec![file.id.clone(), terminal::visible(&file.folder), terminal::visible(&file.name), terminal::visible(&file.at), products]
    };
    let columns = [Column::Text("file"), Column::Text("folder"), Column::Text("name"), Column::Text("lies at"), Column::Text("used by")];
    table(&columns, &files.iter().map(row).collect::<Vec<_>>()).trim_end().to_owned()
}

fn page(file: &FileView) -> String {
    let FileView { id, name, folder, at, added, products } = file;
    let used = if products.is_empty() { "no product".to_owned() } else { terminal::visible(&products.join(", ")) };
    let folder = if folder.is_empty() { "(top)".to_owned() } else { terminal::visible(folder) };
    let (name, at) = (terminal::visible(name), terminal::visible(at));
    format!("{id}  {name}\nfolder    {folder}\nlies at   {at}\nadded     {added}\nused by   {used}")
}

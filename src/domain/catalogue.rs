//! What a shop sells: files with ids that stay, and products that hold them.

use super::file::FileRef;
use super::id::FileId;
use super::moment::Moment;
use super::order::{Options, Sku};

/// A file as customers know it. Its id stays whatever becomes of its name and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its id.
    pub id: FileId,
    /// Under which name people see it.
    pub name: String,
    /// In which folder of the catalogue it is, parts by `/`; empty is at the top.
    pub folder: String,
    /// Where its current version lies.
    pub at: FileRef,
    /// When it was added.
    pub added: Moment,
}

/// How many grants a line of an order makes of each file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Units {
    /// One, whatever its quantity.
    #[default]
    PerLine,
    /// One for each that was ordered.
    PerUnit,
}

impl Units {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::PerLine => "per_line",
            Self::PerUnit => "per_unit",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::PerLine, Self::PerUnit].into_iter().find(|units| units.word() == word)
    }

    /// The units of a line of this quantity: from 1 to this.
    pub const fn of(self, quantity: u32) -> u32 {
        match self {
            Self::PerLine if quantity > 0 => 1,
            Self::PerLine | Self::PerUnit => quantity,
        }
    }
}

/// What is sold under one SKU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Its SKU.
    pub sku: Sku,
    /// Its name; may be empty.
    pub name: String,
    /// The name of the policy whose limits its grants get; `None` is `default`.
    pub policy: Option<String>,
    /// How many grants a line makes.
    pub units: Units,
    /// Its files, in order.
    pub files: Vec<Attachment>,
}

/// A file of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The file.
    pub file: FileId,
    /// What the customer must have chosen to get it; empty is anything.
    pub options: Options,
}

impl Product {
    /// More files than this are sold in an archive.
    pub const FILES_MAX: usize = 200;

    /// The files of a line with these options, in order, each once.
    pub fn files_of(&self, chosen: &Options) -> Vec<FileId> {
        let mut files = Vec::new();
        for Attachment { file, options } in &self.files {
            let is_chosen = options.iter().all(|(option, value)| chosen.get(option) == Some(value));
            if is_chosen && !files.contains(file) {
                files.push(*file);
            }
        }
        files
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_gets_what_fits_its_options_in_order_and_once() {
        let options = |pairs: &[(&str, &str)]| -> Options { pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect() };
        let attach = |file: u8, pairs: &[(&str, &str)]| Attachment { file: FileId::new([file; 12]), options: options(pairs) };
        let product = Product {
            sku: "set".parse().expect("a sku"),
            name: String::new(),
            policy: None,
            units: Units::PerLine,
            files: vec![
                attach(3, &[]),
                attach(1, &[("format", "pdf")]),
                attach(2, &[("format", "epub")]),
                attach(4, &[("format", "pdf"), ("size", "large")]),
                attach(3, &[("format", "pdf")]),
            ],
        };
        for (chosen, files) in [
            (vec![], vec![3]),
            (vec![("format", "pdf")], vec![3, 1]),
            (vec![("format", "epub"), ("size", "large")], vec![3, 2]),
            (vec![("format", "pdf"), ("size", "large"), ("gift", "yes")], vec![3, 1, 4]),
            (vec![("Format", "pdf")], vec![3]),
        ] {
            let found: Vec<u8> = product.files_of(&options(&chosen)).iter().map(|file| file.bits()[0]).collect();
            assert_eq!(found, files, "{chosen:?}");
        }
    }

    #[test]
    fn units_follow_the_quantity_where_they_are_sold_one_by_one() {
        for (units, quantity, most) in [(Units::PerLine, 0, 0), (Units::PerLine, 7, 1), (Units::PerUnit, 0, 0), (Units::PerUnit, 7, 7)] {
            assert_eq!(units.of(quantity), most, "{units:?} {quantity}");
            assert_eq!(Units::parse(units.word()), Some(units));
        }
        assert_eq!(Units::parse("per unit"), None);
    }
}

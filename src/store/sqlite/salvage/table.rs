//! Tables and rows of which only their statements tell what they are.

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Row};

use super::super::fault::Fault;
use super::super::rows;

/// A table, as its statement made it.
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    pub(super) key: Vec<String>,
    /// The name of each index that lists all rows, and its columns; one with ids, by which rows are named, comes first.
    pub(super) indices: Vec<(String, Vec<String>)>,
    /// Each column that refers to another table, that table, and its column.
    pub(super) refers: Vec<(String, String, String)>,
}

impl Table {
    pub(super) fn read(copy: &Connection, name: String) -> Result<Self, Fault> {
        let text = |sql: &str, of: &str| rows::all(copy, sql, [of], |row| Ok(row.get::<_, String>(0)?));
        let columns = text("SELECT name FROM pragma_table_info(?1) ORDER BY cid", &name)?;
        let key = text("SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk", &name)?;
        let mut indices = Vec::new();
        for index in text("SELECT name FROM pragma_index_list(?1) WHERE partial = 0 AND origin <> 'pk'", &name)? {
            let columns = text("SELECT name FROM pragma_index_info(?1) ORDER BY seqno", &index)?;
            indices.push((index, columns));
        }
        indices.sort_by_key(|(_, columns)| !columns.iter().any(|column| column == "id"));
        let refers = rows::all(copy, "SELECT \"from\", \"table\", \"to\" FROM pragma_foreign_key_list(?1)", [&name], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
        Ok(Self { name, columns, key, indices, refers })
    }

    /// What it is a part of, if its rows are only parts of those of another table: the column that says of which, that
    /// table, and its column.
    pub(super) fn parent(&self) -> Option<&(String, String, String)> {
        self.refers.iter().find(|(column, _, to)| self.key.first() == Some(column) && to == "number")
    }

    pub(super) fn select(&self, rest: &str) -> String {
        format!("SELECT {} FROM {} {rest}", self.columns.join(", "), self.name)
    }

    /// What names a row: its id, else its key.
    pub(super) fn naming(&self) -> String {
        if self.columns.iter().any(|column| column == "id") { "id".to_owned() } else { self.key.join(" || '/' || ") }
    }

    pub(super) fn by_key(&self) -> String {
        let equal = (1..).zip(&self.key).map(|(number, column)| format!("{column} = ?{number}"));
        format!("WHERE {}", equal.collect::<Vec<_>>().join(" AND "))
    }

    pub(super) fn ordered(columns: &[String], direction: &str) -> String {
        if columns.is_empty() {
            return String::new();
        }
        let columns: Vec<String> = columns.iter().map(|column| format!("{column} {direction}")).collect();
        format!("ORDER BY {}", columns.join(", "))
    }
}

/// The first `count` columns of a row; `None` where one holds no text.
pub(super) fn values(row: &Row<'_>, count: usize) -> Option<Vec<Value>> {
    (0..count).map(|at| Value::try_from(row.get_ref(at).ok()?).ok()).collect()
}

/// What names a row that cannot be copied.
pub(super) fn name(row: &Row<'_>, table: &Table) -> String {
    let part = |column: &String| {
        let at = table.columns.iter().position(|other| other == column)?;
        row.get_ref(at).ok().map(shown)
    };
    let id = "id".to_owned();
    part(&id).unwrap_or_else(|| table.key.iter().filter_map(part).collect::<Vec<_>>().join("/"))
}

pub(super) fn shown(value: ValueRef<'_>) -> String {
    let text = match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    };
    text.chars().take(64).collect()
}

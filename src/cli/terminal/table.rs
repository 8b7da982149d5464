//! Tables.

use super::{Signs, cells, visible, width};

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column<'a> {
    /// Words, from the left.
    Text(&'a str),
    /// The same; they are cut where the line would not fit.
    Long(&'a str),
    /// Numbers, to the right.
    Number(&'a str),
}

/// Rows under their heads, columns aligned and two spaces apart, a line end after each row. Missing cells are
/// empty, cells without a column are left out, and what could steer the terminal is made visible.
pub fn table(columns: &[Column<'_>], rows: &[Vec<String>]) -> String {
    table_within(columns, rows, None, Signs::Ascii)
}

/// The same, in lines of at most `most` cells if they can be: long columns are cut, down to eight cells.
pub fn table_within(columns: &[Column<'_>], rows: &[Vec<String>], most: Option<usize>, signs: Signs) -> String {
    let head = columns.iter().map(|(Column::Text(name) | Column::Long(name) | Column::Number(name))| visible(name)).collect();
    let mut lines: Vec<Vec<String>> = vec![head];
    lines.extend(rows.iter().map(|row| row.iter().map(|cell| visible(cell)).collect()));
    let cell = |line: &[String], place: usize| line.get(place).cloned().unwrap_or_default();
    let mut widths: Vec<usize> =
        (0..columns.len()).map(|place| lines.iter().map(|line| width(&cell(line, place))).max().unwrap_or_default()).collect();
    let is_long = |place: usize| matches!(columns.get(place), Some(Column::Long(_)));
    while let Some(most) = most
        && widths.iter().sum::<usize>() + 2 * columns.len().saturating_sub(1) > most
    {
        // The widest gives way, cell by cell.
        let widest = widths.iter_mut().enumerate().filter(|(place, wide)| is_long(*place) && **wide > CUT_MIN);
        let Some((_, wide)) = widest.max_by_key(|(_, wide)| **wide) else { break };
        *wide -= 1;
    }
    let mut text = String::new();
    for line in &lines {
        let mut row = String::new();
        for (place, (column, wide)) in columns.iter().zip(&widths).enumerate() {
            let cell = cut(cell(line, place), *wide, signs);
            let space = " ".repeat(wide.saturating_sub(width(&cell)));
            if place > 0 {
                row.push_str("  ");
            }
            match column {
                Column::Text(_) | Column::Long(_) => row.extend([cell, space]),
                Column::Number(_) => row.extend([space, cell]),
            }
        }
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

/// So much stays of a cell that is cut.
const CUT_MIN: usize = 8;

/// `text` in at most `most` cells, with dots where its end was.
fn cut(text: String, most: usize, signs: Signs) -> String {
    if width(&text) <= most {
        return text;
    }
    let dots = if signs == Signs::Unicode { "…" } else { "..." };
    let mut left = most.saturating_sub(width(dots));
    let mut kept: String = text
        .chars()
        .take_while(|sign| {
            let fits = cells(*sign) <= left;
            left = left.saturating_sub(cells(*sign));
            fits
        })
        .collect();
    kept.push_str(dots);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lines_up_also_with_wide_signs_and_gaps() {
        let row = |cells: &[&str]| cells.iter().map(|&cell| cell.to_owned()).collect::<Vec<_>>();
        let columns = [Column::Text("file"), Column::Number("bytes"), Column::Text("state")];
        let rows = [row(&["a.zip", "7", "open"]), row(&["写真.zip", "12345"]), row(&["e\u{301}.zip", "1", "completed", "extra"])];
        assert_eq!(
            table(&columns, &rows),
            "file      bytes  state\na.zip         7  open\n写真.zip  12345\ne\u{301}.zip         1  completed\n"
        );
        assert_eq!(table(&columns, &[]), "file  bytes  state\n");
        assert_eq!(table(&[], &[row(&["a"])]), "\n\n");
    }

    #[test]
    fn a_table_is_cut_to_the_width_of_the_terminal_where_columns_may_be() {
        let row = |cells: &[&str]| cells.iter().map(|&cell| cell.to_owned()).collect::<Vec<_>>();
        let columns = [Column::Text("id"), Column::Long("customer"), Column::Long("file")];
        let rows = [row(&["g-1234", "a@b.example", "masters/写真の本.zip"]), row(&["g-5678", "-", "masters/a.zip"])];
        for (most, signs, text) in [
            (
                None,
                Signs::Unicode,
                "id      customer     file\ng-1234  a@b.example  masters/写真の本.zip\ng-5678  -            masters/a.zip\n",
            ),
            (
                Some(41),
                Signs::Unicode,
                "id      customer     file\ng-1234  a@b.example  masters/写真の本.zip\ng-5678  -            masters/a.zip\n",
            ),
            (
                Some(34),
                Signs::Unicode,
                "id      customer     file\ng-1234  a@b.example  masters/写真…\ng-5678  -            masters/a.zip\n",
            ),
            (Some(28), Signs::Ascii, "id      customer   file\ng-1234  a@b.ex...  master...\ng-5678  -          master...\n"),
            // What cannot be cut that far is not.
            (Some(5), Signs::Unicode, "id      customer  file\ng-1234  a@b.exa…  masters…\ng-5678  -         masters…\n"),
        ] {
            let shown = table_within(&columns, &rows, most, signs);
            assert_eq!(shown, text, "{most:?}");
            let wide = shown.lines().map(width).max().unwrap_or_default();
            assert!(most.is_none_or(|most| wide <= most || most == 5), "{most:?}: {wide}");
        }
    }
}

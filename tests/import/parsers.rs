//! CSV and SQL, good and bad.

use cloakroom::import::csv::Backslash;
use cloakroom::import::text::Text;
use cloakroom::import::{Cell, Fault, Position, Rows};
use proptest::prelude::*;

use crate::files::read;

/// Keeps the columns `a` and `c` of tables that are called so.
#[derive(Debug, Default, PartialEq, Eq)]
struct Kept {
    rows: Vec<Vec<Cell>>,
    at: Vec<(u64, u64)>,
}

impl Rows for Kept {
    fn table(&mut self, name: Option<&str>, columns: &[String]) -> Result<Option<Vec<usize>>, String> {
        if name.is_some_and(|name| name != "t") {
            return Ok(None);
        }
        let place = |wanted: &str| columns.iter().position(|column| column == wanted).ok_or_else(|| format!("has no column `{wanted}`"));
        Ok(Some(vec![place("a")?, place("c")?]))
    }

    fn row(&mut self, cells: Vec<Cell>, at: Position) -> Result<(), Fault> {
        self.rows.push(cells);
        self.at.push((at.line, at.column));
        Ok(())
    }
}

/// The rows as `a|c`, NULL as `-`; or what is wrong.
fn rows(text: &[u8], part: usize, backslash: Backslash) -> Result<String, String> {
    let (mut kept, mut reader) = (Kept::default(), Text::new(backslash));
    for part in text.chunks(part.max(1)) {
        reader.feed(part, &mut kept).map_err(|fault| fault.to_string())?;
    }
    reader.end(&mut kept).map_err(|fault| fault.to_string())?;
    let shown = |row: &Vec<Cell>| row.iter().map(|cell| cell.clone().unwrap_or_else(|| "-".to_owned())).collect::<Vec<_>>().join("|");
    Ok(kept.rows.iter().map(shown).collect::<Vec<_>>().join(" "))
}

const MADE: &str = "CREATE TABLE `t` (\n  `a` int(11) NOT NULL DEFAULT 0,\n  b varchar(9) DEFAULT 'x,(;',\n  `c` text,\n  PRIMARY KEY (`a`),\n  KEY k (b(3),c)\n) ENGINE=MyISAM COMMENT='; DROP';\n";

#[test]
fn dumps_give_their_rows() {
    let mut seen = 0;
    for (text, wanted) in [
        ("INSERT INTO t (a,b,c) VALUES (1,2,3);", "1|3"),
        ("insert ignore into `db`.`t` (`A`,`b`,`C`) values (1,2,3),(4,5,6) ;", "1|3 4|6"),
        ("REPLACE INTO db.t (c,a) VALUES ('x','y');", "y|x"),
        ("INSERT INTO t (a,c) VALUES ('it''s',\"a \"\"b\"\"\");", "it's|a \"b\""),
        (r"INSERT INTO t (a,c) VALUES ('a\'b\\c\nd','\%\_\Z\0x');", "a'b\\c\nd|\\%\\_\u{1a}\0x"),
        ("INSERT INTO t (a,c) VALUES (NULL,'NULL');", "-|NULL"),
        ("INSERT INTO t (a,c) VALUES (-5,+1.50);", "-5|1.50"),
        ("INSERT INTO t (a,c) VALUES (0x4142,_utf8mb4'x');", "AB|x"),
        ("INSERT INTO t (a,b,c) VALUES (1,f(2,'),('),3);", "1|3"),
        ("-- INSERT INTO t (a,c) VALUES (9,9);\n# (\n/* ' */INSERT/**/INTO t (a,c) VALUES (1,2)-- x\n;", "1|2"),
        ("/*!40101 SET x='a;' */;\nINSERT INTO t (a,c) VALUES ('--','/*');", "--|/*"),
        ("INSERT INTO u VALUES ('(1,2'),(3);INSERT INTO t (a,c) VALUES (1,2);", "1|2"),
        ("INSERT INTO t (a,c) VALUES (1,2) ON DUPLICATE KEY UPDATE a=(3);", "1|2"),
        ("INSERT INTO t (a,c) SELECT 1,2;INSERT INTO t (a,c) VALUES (7,8);", "7|8"),
        (
            "DELIMITER ;;\nCREATE TRIGGER x BEGIN INSERT INTO t (a,c) VALUES (9,9); END;;\nDELIMITER ;\nINSERT INTO t (a,c) VALUES (1,2);",
            "1|2",
        ),
        ("SET x = 1; INSERT INTO t (a,c)\nVALUES\n(1,2)\n,\r\n(3,4)\r\n;\r\n", "1|2 3|4"),
        ("CREATE VIEW v AS SELECT 1; CREATE DATABASE d; INSERT INTO t (a,c) VALUES (1,'Größe');", "1|Größe"),
        ("CREATE TEMPORARY TABLE IF NOT EXISTS t (a int, c int); INSERT INTO t VALUES (1,2);", "1|2"),
        ("INSERT INTO t (a,c) VALUES (1,'a``b'); INSERT INTO `t` (a,c) VALUE (3,4);", "1|a``b 3|4"),
    ] {
        for part in [1, 3, 10_000] {
            assert_eq!(rows(text.as_bytes(), part, Backslash::Itself).as_deref(), Ok(wanted), "{text}");
            seen += 1;
        }
    }
    assert_eq!(seen, 57);
    let made = format!("{MADE}INSERT INTO `t` VALUES (1,'x','y'),(2,'(;','z');\n");
    assert_eq!(rows(made.as_bytes(), 2, Backslash::Itself), Ok("1|y 2|z".to_owned()), "columns of CREATE TABLE");
    let binary = [MADE.as_bytes(), b"INSERT INTO t VALUES (1,_binary '\xff\0\\'\x80','y');"].concat();
    assert_eq!(rows(&binary, 1, Backslash::Itself), Ok("1|y".to_owned()), "a blob that nobody wants");
}

#[test]
fn what_is_wrong_with_a_dump_is_told_by_line_and_column() {
    let mut seen = 0;
    for (text, wanted) in [
        ("INSERT INTO t VALUES (1,2);", "1:15: the table `t` has no column `a`: dump it with its structure, or with --complete-insert"),
        ("INSERT INTO t (a,b) VALUES (1,2);", "1:21: the table `t` has no column `c`"),
        ("INSERT INTO t (a,c) VALUES\n(1,2),\n(3);", "3:1: a row of 1 values, where the table has 2 columns"),
        ("INSERT INTO t (a,c) VALUES (1,2,3);", "1:28: a row of 3 values"),
        ("INSERT INTO t (a,c) VALUES (1,f(2));", "value 2 of the row must be a text, a number or NULL"),
        ("INSERT INTO t (a,c) VALUES (1,2 3);", "value 2 of the row"),
        ("INSERT INTO t (a,c) VALUES (1,);", "value 2 of the row"),
        ("INSERT INTO t (a,c) VALUES (1,0x4);", "pairs of hexadecimal digits"),
        ("INSERT INTO t (a,c) VALUES (1;", "the statement ends in the middle of a row"),
        ("INSERT INTO t (a,c) VALUES (1,2) (3,4);", "1:34: between two rows there must be a comma"),
        ("INSERT INTO t a VALUES (1);", "must go on with its columns"),
        ("INSERT INTO t (a,c) VALUES (1,'x", "1:31: a text begins here and has no end"),
        ("SET x; /* never", "1:8: a comment begins here and has no end"),
        ("SET x; INSERT INTO `t", "a name in backticks begins here"),
        ("INSERT INTO t (a,c) VALUES (1,2),", "the dump ends in the middle of a statement"),
        ("\u{1f}\u{8b}", "must have the names of the columns"),
        ("   \n", "the file is empty"),
    ] {
        for part in [1, 10_000] {
            let fault = rows(text.as_bytes(), part, Backslash::Itself).expect_err(text);
            assert!(fault.contains(wanted), "{text}: {fault}");
            seen += 1;
        }
    }
    assert_eq!(seen, 34);
    for (bytes, wanted) in [
        (b"INSERT INTO t (a,c) VALUES (1,'\xe4');".as_slice(), "is not UTF-8: write the file with utf8mb4"),
        (b"\x1f\x8b\x08\0", "zcat FILE |"),
        (b"PK\x03\x04", "unpack it first"),
        (b"\xff\xfea\0", "UTF-16"),
    ] {
        let fault = rows(bytes, 2, Backslash::Itself).expect_err("bytes");
        assert!(fault.contains(wanted), "{fault}");
    }
    let long = format!("INSERT INTO t (a,c) VALUES (1,'{}');", "x".repeat(70_000));
    assert!(rows(long.as_bytes(), 9, Backslash::Itself).unwrap_err().contains("more than 65536 bytes"));
    let unwanted = format!("INSERT INTO t (a,b,c) VALUES (1,'{}',2);", "x".repeat(70_000));
    assert_eq!(rows(unwanted.as_bytes(), 9, Backslash::Itself), Ok("1|2".to_owned()));
}

#[test]
fn a_text_that_never_ends_is_refused_by_line_and_column_long_before_it_fills_the_memory() {
    /// Whatever is read of `more`, again and again; so many bytes of it.
    fn endless(begin: &str, more: impl Fn(usize) -> String, bytes: usize) -> Result<(), String> {
        let (mut kept, mut reader) = (Kept::default(), Text::new(Backslash::Itself));
        let mut read = begin.len();
        reader.feed(begin.as_bytes(), &mut kept).map_err(|fault| fault.to_string())?;
        for number in 0.. {
            let text = more(number);
            read += text.len();
            if read > bytes {
                break;
            }
            reader.feed(text.as_bytes(), &mut kept).map_err(|fault| fault.to_string())?;
        }
        Ok(())
    }
    type More = fn(usize) -> String;
    let cases: [(&str, More, &str); 9] = [
        ("INSERT INTO t (", |_| "a ".repeat(200), "a table of more than 4096 columns"),
        ("INSERT INTO t (", |_| "a,".repeat(200), "a table of more than 4096 columns"),
        ("CREATE TABLE t (", |_| "a int,".repeat(200), "a table of more than 4096 columns"),
        ("INSERT INTO t (", |number| format!("`{}`,", "x".repeat(number * 10)), "a name of more than 256 bytes"),
        ("SET x;", |_| format!("CREATE TABLE `{}` (a int);", "x".repeat(300)), "a name of more than 256 bytes"),
        ("SET x;\n", |number| format!("CREATE TABLE t{number} (a int);"), "more than 10000 tables"),
        ("SET x;\n", |number| format!("CREATE TABLE t{number} ({});", "a int,".repeat(4000)), "more than 200000 columns"),
        ("INSERT INTO t (a,c) VALUES\n(1,0x", |_| format!("{});", "41".repeat(40_000)), "2:4: a value of 65536 bytes or more"),
        ("\"x\",\"a\nb\"", |_| ",\"a\nb\"".repeat(100), "a table of more than 4096 columns"),
    ];
    let mut seen = 0;
    for (begin, more, wanted) in cases {
        let fault = endless(begin, more, 4_000_000).expect_err(wanted);
        let (place, what) = fault.split_once(": ").unwrap();
        let is_place = place.split_once(':').is_some_and(|(line, column)| line.parse::<u64>().is_ok() && column.parse::<u64>().is_ok());
        assert!(is_place && format!("{place}: {what}").contains(wanted), "{wanted}: {fault}");
        seen += 1;
    }
    assert_eq!(seen, 9);
    // The same table again is one table.
    let again: More = |_| "CREATE TABLE t (a int, b int, c int);".to_owned();
    assert_eq!(endless("SET x;", again, 1_000_000), Ok(()));
    // What nobody wants may be of any size, and is not kept.
    let blob: More = |_| "41".repeat(40_000);
    assert_eq!(endless("INSERT INTO u VALUES (0x", blob, 1_000_000), Ok(()));
}

#[test]
fn tables_of_text_give_their_rows_and_what_is_wrong_with_them() {
    use Backslash::{Escapes, Itself};
    let mut seen = 0;
    for (text, backslash, wanted) in [
        ("a,b,c\n1,2,3\n", Itself, Ok("1|3")),
        ("\u{feff}\"a\",\"b\",\"c\"\r\n\"1\",\"2\",\"3\"\r\n\r\n4,5,6", Itself, Ok("1|3 4|6")),
        ("A;c\n1;\"x;\n\"\"y\"\"\"\n", Itself, Ok("1|x;\n\"y\"")),
        ("a,c\nNULL,\"NULL\"\n\\N,\"\"\n", Itself, Ok("-|NULL -|")),
        ("a\tc\nit\\ts\tx\\\\y\nNULL\t\\N\n\"q\"\tr", Itself, Ok("it\ts|x\\y -|- \"q\"|r")),
        ("a,c\n\"x\\\",y\n", Itself, Ok("x\\|y")),
        ("a,c\n\"x\\\"y\",\\N\n", Escapes, Ok("x\"y|-")),
        ("`a`,c\n1,2", Itself, Ok("1|2")),
        ("a,c\n,\n", Itself, Ok("|")),
        ("a,c\n1,2\n3\n", Itself, Err("3:1: a row of 1 fields, where the first line has 2 columns")),
        ("a,c\n1,2,3\n", Itself, Err("2:1: a row of 3 fields")),
        ("a,c\n1,\"x\"y\n", Itself, Err("2:6: after the closing quote there must be a separator")),
        ("a,c\n1,\"x\n2,3\n", Itself, Err("2:3: a field in quotes begins here and has no end")),
        ("a,b\n1,2\n", Itself, Err("1:1: has no column `c`")),
        ("hello\nworld\n", Itself, Err("1:1: the first line must have the names of the columns")),
    ] {
        for part in [1, 10_000] {
            let found = rows(text.as_bytes(), part, backslash);
            match wanted {
                Ok(wanted) => assert_eq!(found.as_deref(), Ok(wanted), "{text}"),
                Err(wanted) => assert!(found.as_ref().is_err_and(|fault| fault.contains(wanted)), "{text}: {found:?}"),
            }
            seen += 1;
        }
    }
    assert_eq!(seen, 30);
}

#[test]
fn rows_that_mean_nothing_are_told_by_their_column() {
    const ORDER: &str = "orders_id,customers_id,customers_name,customers_email_address,date_purchased,orders_status\n";
    const SOLD: &str =
        "orders_products_download_id,orders_id,orders_products_id,orders_products_filename,download_maxdays,download_count\n";
    for (texts, wanted) in [
        (vec![format!("{ORDER}x,1,a,b,,2\n")], "1: (2, 1) orders.orders_id: `x` must be a number"),
        (vec![format!("{ORDER}1,1,a,b,,paid\n2,,a,b,,1\n")], "2: (2, 1) orders.orders_status: `paid` must be a number"),
        (vec![format!("{SOLD}1,1,1,a,7,99999999999\n")], "download_count: `99999999999` must be a number"),
        (vec![format!("{SOLD}1,1,1,a,7,5\n1,1,1,a,7,5\n1,1,1,a,7,4\n")], "1: (4, 1) row 1 of orders_products_download was there before"),
        (vec![format!("{ORDER}1,1,a,b,,2\n")], "none of the files has a table `orders_products_download`"),
        (vec!["x,y\n1,2\n".to_owned()], "the first line is not that of one of the tables orders, orders_products"),
    ] {
        let texts: Vec<Vec<u8>> = texts.into_iter().map(String::into_bytes).collect();
        let fault = read(&texts, 11, Backslash::Itself).unwrap_err();
        assert!(fault.contains(wanted), "{fault}");
    }
    let one = "INSERT INTO a_orders_products_download (orders_products_download_id,orders_id,orders_products_id,orders_products_filename,download_maxdays,download_count) VALUES (1,1,1,'x',1,1);";
    let both = format!("{one}{}", one.replace("a_orders", "b_orders")).into_bytes();
    assert!(read(&[both], 64, Backslash::Itself).unwrap_err().contains("there are several shops: say --prefix, one of `a_`, `b_`"));
}

/// A value as dumps write it.
fn sql_value(cell: &Cell) -> String {
    cell.as_ref()
        .map_or_else(|| "NULL".to_owned(), |text| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''").replace('\n', "\\n")))
}

fn csv_value(cell: &Cell) -> String {
    cell.as_ref().map_or_else(|| "NULL".to_owned(), |text| format!("\"{}\"", text.replace('"', "\"\"")))
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(table in prop::collection::vec((prop::option::of(any::<String>()), prop::option::of(any::<String>())), 1..20), part in 1..40_usize) {
        let sql: Vec<String> = table.iter().map(|(a, c)| format!("({},7,{})", sql_value(a), sql_value(c))).collect();
        let csv: Vec<String> = table.iter().map(|(a, c)| format!("{},7,{}", csv_value(a), csv_value(c))).collect();
        let wanted: Vec<Vec<Cell>> = table.iter().map(|(a, c)| vec![a.clone(), c.clone()]).collect();
        for text in [format!("INSERT INTO t (a,b,c) VALUES {};", sql.join(",\n")), format!("a,b,c\n{}\n", csv.join("\n"))] {
            let (mut kept, mut reader) = (Kept::default(), Text::new(Backslash::Itself));
            for part in text.as_bytes().chunks(part) {
                reader.feed(part, &mut kept).unwrap();
            }
            reader.end(&mut kept).unwrap();
            prop_assert_eq!(&kept.rows, &wanted);
        }
    }

    #[test]
    fn no_text_panics_and_its_parts_do_not_matter(text in "(INSERT INTO t |CREATE TABLE t |[(),;'\"`\\\\\n/*#-]|\\(a,c\\)|VALUES|[ac1\t ]|NULL|DELIMITER){0,40}", part in 1..9_usize) {
        let sql = format!("SET;{text}");
        for text in [&text, &sql] {
            for backslash in [Backslash::Itself, Backslash::Escapes] {
                prop_assert_eq!(rows(text.as_bytes(), part, backslash), rows(text.as_bytes(), usize::MAX, backslash));
            }
        }
    }
}

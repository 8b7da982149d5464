//! Zen Cart's rules in PHP.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// One row, and who asks when.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) zone: &'static str,
    pub(crate) purchased: Option<&'static str>,
    pub(crate) max_days: i64,
    pub(crate) count: i64,
    pub(crate) status: i64,
    pub(crate) file: &'static str,
    pub(crate) exists: bool,
    pub(crate) has_line: bool,
    pub(crate) has_order: bool,
    /// When it is asked for, in seconds since 1970.
    pub(crate) asked: Vec<i64>,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            zone: "Europe/Berlin",
            purchased: Some("2026-03-20 10:00:00"),
            max_days: 7,
            count: 5,
            status: 2,
            file: "book.pdf",
            exists: true,
            has_line: true,
            has_order: true,
            asked: Vec::new(),
        }
    }
}

/// What Zen Cart does about a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// To each who asks: file, `time_out`, missing, nothing, error, elsewhere.
    pub(crate) answers: Vec<String>,
    /// Whether its pages have a button for it.
    pub(crate) button: bool,
    pub(crate) name: String,
    /// Seconds since 1970; `None` is never.
    pub(crate) expiry: Option<i64>,
}

/// Asks PHP.
#[track_caller]
pub(crate) fn zen_cart(cases: &[Case]) -> Vec<Told> {
    let rows: Vec<Value> = cases
        .iter()
        .map(|case| {
            json!({
                "zone": case.zone, "purchased": case.purchased, "max_days": case.max_days, "count": case.count, "status": case.status,
                "file": case.file, "exists": case.exists, "line": case.has_line, "order": case.has_order, "asked": case.asked,
            })
        })
        .collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/zen_cart.php");
    let mut php = Command::new("php");
    let php = php.args(["-d", "display_errors=stderr", "-d", "error_reporting=-1"]).arg(script);
    let mut child = php.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("php-cli is installed (tests/run does it)");
    child.stdin.take().unwrap().write_all(json!(rows).to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let told: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told.len(), cases.len());
    let read = |told: &Value| Told {
        answers: told["told"].as_array().unwrap().iter().map(|answer| answer.as_str().unwrap().to_owned()).collect(),
        button: told["button"].as_bool().unwrap(),
        name: told["name"].as_str().unwrap().to_owned(),
        expiry: told["expiry"].as_i64(),
    };
    told.iter().map(read).collect()
}

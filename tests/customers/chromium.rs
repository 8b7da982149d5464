//! Debian's Chromium, driven by `browser.mjs`.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

/// Chromium is asked one thing at a time: two of them on a busy machine are slower than one after the other.
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What the browser saw; fails the test where a page has a fault.
#[track_caller]
pub(crate) fn browse(task: &str, mut wanted: Value) -> Value {
    let modules = root().join("target/browser");
    for needed in ["node_modules/playwright-core", "node_modules/axe-core"] {
        assert!(modules.join(needed).is_dir(), "target/browser/{needed} is missing: tests/run --only install brings it");
    }
    assert!(Path::new("/usr/bin/chromium").exists(), "chromium is missing: tests/run --only install brings it");
    wanted["modules"] = json!(modules);
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let output = Command::new("timeout")
        .args(["300", "node"])
        .arg(root().join("tests/customers/browser.mjs"))
        .args([task, &wanted.to_string()])
        .output()
        .unwrap();
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{wrong}");
    let said: Value = serde_json::from_str(said.trim()).unwrap_or_else(|error| panic!("{error}: {said}{wrong}"));
    assert_eq!(said["faults"], json!([]), "{said:#}");
    said
}

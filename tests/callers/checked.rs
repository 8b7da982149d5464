//! The API against its own description, by a program that makes up calls: <https://schemathesis.readthedocs.io>.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::shop::{Shop, json_of};

/// What is held against the description of each answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,\
                      response_headers_conformance,unsupported_method,ignored_auth";

/// So many seconds it makes up calls.
const SECONDS: &str = "30";

#[test]
fn whatever_is_called_is_answered_as_described_and_nothing_breaks() {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/schemathesis/bin/st");
    assert!(program.exists(), "{} is missing: `tests/run --only install` brings it", program.display());
    let shop = Shop::open();
    let key = shop.key("everything", &["admin"]);
    shop.grant(&key);
    let file = json_of(&shop.by(&key, "POST", "/api/v1/files", Some(&json!({ "file": "masters/album.zip" }))));
    let product = json!({ "name": "Album", "files": [{ "file": file["id"] }] });
    assert_eq!(shop.by(&key, "PUT", "/api/v1/products/ALBUM", Some(&product)).status, 200);
    let order = json!({ "external_id": "7", "state": "paid", "lines": [{ "sku": "ALBUM" }] });
    assert_eq!(shop.by(&key, "POST", "/api/v1/orders", Some(&order)).status, 200);
    let url = format!("http://127.0.0.1:{}/api/v1/openapi.json", shop.port);
    let output = Command::new(program)
        .current_dir(shop.daemon.state())
        .args(["run", &url, "--header", &format!("Authorization: Bearer {key}"), "--checks", CHECKS])
        .args(["--phases", "coverage,fuzzing", "--max-time", SECONDS, "--max-examples", "25", "--max-failures", "20", "--seed", "6"])
        // It reads the ids of keys, and would revoke its own.
        .args(["--exclude-path", "/api/v1/apikeys/{id}/revoke"])
        .args(["--continue-on-failure", "--suppress-health-check", "all", "--warnings", "off"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("No issues found"), "{text}");
    assert_eq!(shop.by(&key, "GET", "/api/v1/about", None).status, 200);
}

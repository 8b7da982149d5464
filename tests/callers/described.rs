//! What the API says of itself: each call, and no other.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::servers::program::Program;
use crate::shop::{Shop, json_of};

fn document() -> Value {
    let output = Program::new().arg("openapi").output();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn each_call_is_described_and_no_other() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            described.insert((method.to_uppercase(), path.clone()));
            let scope = operation["security"][0]["key"][0].as_str().unwrap();
            let call = cloakroom::api::table().into_iter().find(|call| call.path == path && call.method.eq_ignore_ascii_case(method));
            let call = call.unwrap_or_else(|| panic!("{method} {path} is no call"));
            assert_eq!(call.scope.word(), scope, "{method} {path}");
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let named = |name: &str, place: &str| parameters.iter().any(|one| one["name"] == name && one["in"] == place);
            for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
                assert!(named(name, "path"), "{method} {path}: {name}");
            }
            assert_eq!(named("Idempotency-Key", "header"), call.makes, "{method} {path}");
            let answer = &operation["responses"]["200"]["content"]["application/json"]["schema"];
            assert!(answer.is_object(), "{method} {path} answers what?");
            assert!(operation["responses"]["default"]["content"]["application/problem+json"].is_object(), "{method} {path}");
        }
    }
    let known: BTreeSet<(String, String)> =
        cloakroom::api::table().into_iter().map(|call| (call.method.to_owned(), call.path.to_owned())).collect();
    assert_eq!(described, known);
    assert!(known.len() > 30, "{}", known.len());
}

#[test]
fn the_table_that_people_read_has_each_call_and_no_other() {
    let source = include_str!("../../src/api/mod.rs");
    let mut written = BTreeSet::new();
    for row in source.lines().filter_map(|line| line.strip_prefix("//! | `")) {
        let (calls, _) = row.split_once(" | ").unwrap();
        let (mut method, mut path) = ("", String::new());
        // `POST /api/v1/grants/{id}/suspend`, `resume`: the words behind the first are other ends of its path.
        for call in calls.split('`').filter(|part| !part.trim_matches([',', ' ']).is_empty()) {
            let call = call.split('?').next().unwrap();
            path = match call.split_once(' ') {
                Some((said, whole)) => {
                    method = said;
                    whole.to_owned()
                }
                None if call.starts_with('/') => call.to_owned(),
                None => format!("{}/{call}", path.rsplit_once('/').unwrap().0),
            };
            assert!(written.insert((method.to_owned(), path.clone())), "{method} {path} stands there twice");
        }
    }
    let known: BTreeSet<(String, String)> =
        cloakroom::api::table().into_iter().map(|call| (call.method.to_owned(), call.path.to_owned())).collect();
    assert_eq!(written, known);
}

#[test]
fn every_name_in_the_document_is_there_and_every_field_is_explained() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut names = BTreeSet::new();
    collect(&document, &mut names);
    assert!(names.len() > 30, "{names:?}");
    for name in &names {
        assert!(schemas.contains_key(name), "{name}");
    }
    let mut seen = 0;
    for (name, schema) in schemas {
        for (field, told) in schema["properties"].as_object().into_iter().flatten() {
            // What is named elsewhere is explained beside the name.
            let explained = told["description"].is_string() || told.to_string().contains("description");
            assert!(explained, "{name}.{field}: {told}");
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen}");
}

fn collect(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (field, inner) in fields {
                match inner.as_str().and_then(|text| text.strip_prefix("#/components/schemas/")) {
                    Some(name) if field == "$ref" => drop(names.insert(name.to_owned())),
                    _ => collect(inner, names),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn the_daemon_answers_the_same_document() {
    let shop = Shop::open();
    let key = shop.key("reader", &["read"]);
    let answer = shop.by(&key, "GET", "/api/v1/openapi.json", None);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(json_of(&answer), document());
}

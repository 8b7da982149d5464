//! Reads a JSON list of `{"file": …, "user": …, "password": …}` from standard input and prints what the crate
//! `htpasswd-verify` says of each: `right`, `wrong` or `panicked`.

use std::io::Read as _;
use std::panic::{catch_unwind, set_hook};

use htpasswd_verify::Htpasswd;
use serde_json::Value;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let asked: Vec<Value> = serde_json::from_str(&text)?;
    set_hook(Box::new(|_| {}));
    let said: Vec<&str> = asked.iter().map(verdict).collect();
    println!("{}", serde_json::to_string(&said)?);
    Ok(())
}

fn verdict(asked: &Value) -> &'static str {
    let text = |name: &str| asked.get(name).and_then(Value::as_str).unwrap_or_default();
    let (file, user, password) = (text("file"), text("user"), text("password"));
    match catch_unwind(|| Htpasswd::new_borrowed(file).check(user, password)) {
        Ok(true) => "right",
        Ok(false) => "wrong",
        Err(_) => "panicked",
    }
}

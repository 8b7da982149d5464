//! Keys: made, brought, shown, changed and taken out of use, while customers download.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Output;

use crate::load::Load;
use crate::reload::{reload, rewrite};
use crate::servers::cloakroom::Cloakroom;
use crate::servers::program::Program;
use crate::servers::site::Site;

/// 00 01 02 … 1f, as a key file has it and as others write it.
const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// Adds a key above the others.
fn add(cloakroom: &Cloakroom, id: &str, purpose: &str) {
    let key = format!("[[key]]  # {id}, of the shop\nid = \"{id}\"\nfile = \"keys/{id}\"\nuse = \"{purpose}\"\n\n[[key]]\nid = \"main\"");
    rewrite(cloakroom, "[[key]]\nid = \"main\"", &key);
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn import(cloakroom: &Cloakroom, arguments: &[&str], input: &[u8]) -> (Option<i32>, String, String) {
    said(&Program::configured(&cloakroom.config()).args(["key", "import"]).args(arguments).output_of(input))
}

#[test]
fn a_key_is_changed_by_reloads_and_no_link_breaks_before_it_is_retired() {
    let site = Site::open();
    site.master("a.bin", b"the file");
    let old = site.sign("masters/a.bin", &["--for", "1h"]);
    let old_link = site.target(&site.cloakroom.link("masters/a.bin", 100));
    let click = |link: &str| {
        let answer = site.get(link);
        answer.header("Location").map_or((answer.status, None), |to| (answer.status, Some(site.get(to).status)))
    };
    let load = Load::begin(site.nginx.port, &old, b"the file");

    add(&site.cloakroom, "next", "sign");
    assert!(reload(&site.cloakroom, "reload_refused").contains("stays in force"), "its file is not there yet");
    let made = site.cloakroom.say(&["key", "new", "next"]);
    for words in [
        "keys/next: made",
        "1  in ",
        "set use = \"accept\" for `main`",
        "2  `systemctl reload cloakroom`",
        "3  when what `main` has signed",
        "`cloakroom key retire main`",
    ] {
        assert!(made.contains(words), "{words}: {made}");
    }
    rewrite(
        &site.cloakroom,
        "id = \"main\"\nfile = \"keys/main\"\nuse = \"sign\"",
        "id = \"main\"\nfile = \"keys/main\"\nuse = \"accept\"  # until March",
    );
    assert!(reload(&site.cloakroom, "reloaded").contains("changed=key"));
    let new = site.sign("masters/a.bin", &["--for", "1h"]);
    let new_link = site.target(&site.cloakroom.link("masters/a.bin", 100));
    assert!(old.contains("kid=main") && new.contains("kid=next"), "{old} {new}");
    for url in [&old, &new] {
        assert_eq!(site.get(url).status, 200, "{url}");
    }
    for link in [&old_link, &new_link] {
        assert_eq!(click(link), (303, Some(200)), "{link}");
    }
    load.end().assert_good("a change of keys");

    let retired = site.cloakroom.say(&["key", "retire", "main"]);
    assert!(retired.contains("\"accept\" is \"retired\" now") && retired.contains("systemctl reload cloakroom"), "{retired}");
    let text = fs::read_to_string(site.cloakroom.config()).unwrap();
    assert!(text.contains("use = \"retired\"  # until March") && text.contains("# next, of the shop"), "{text}");
    assert_eq!(site.get(&old).status, 200, "nothing is refused before the reload");
    assert!(reload(&site.cloakroom, "reloaded").contains("changed=key"));
    let refused = site.get(&old);
    assert_eq!((refused.status, refused.header("Cloakroom-Refusal")), (403, Some("key_retired")));
    assert_eq!(site.get(&old_link).header("Cloakroom-Refusal"), Some("key_retired"));
    assert_eq!(site.get(&new).status, 200);
    assert_eq!(click(&new_link), (303, Some(200)));
}

#[test]
fn retiring_changes_one_word_or_nothing() {
    let site = Site::open();
    let config = site.cloakroom.config();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o640)).unwrap();
    let before = fs::read_to_string(&config).unwrap();
    let (code, _, err) = said(&site.cloakroom.command(&["key", "retire", "main"]));
    assert_eq!(code, Some(78), "{err}");
    assert!(err.contains("stays as it is") && err.contains("use = \"sign\""), "{err}");
    let (code, _, err) = said(&site.cloakroom.command(&["key", "retire", "none"]));
    assert!(code == Some(78) && err.contains("it names main"), "{err}");
    assert_eq!(fs::read_to_string(&config).unwrap(), before);
    add(&site.cloakroom, "shop", "accept");
    let before = fs::read_to_string(&config).unwrap();
    assert_eq!(site.cloakroom.json(&["key", "retire", "shop"])["changed"], true);
    assert_eq!(fs::read_to_string(&config).unwrap(), before.replace("\"accept\"", "\"retired\""));
    assert_eq!(fs::metadata(&config).unwrap().mode() & 0o7777, 0o640);
    assert_eq!(site.cloakroom.json(&["key", "retire", "shop"])["changed"], false);
    let left: Vec<String> =
        fs::read_dir(site.cloakroom.state()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(left.iter().all(|name| !name.starts_with(".cloakroom-")), "{left:?}");
}

#[test]
fn a_secret_of_another_program_becomes_a_key_and_is_never_shown() {
    let site = Site::open();
    let file = site.cloakroom.state().join("keys/shop");
    add(&site.cloakroom, "shop", "accept");
    add(&site.cloakroom, "twin", "accept");
    for (arguments, input, words) in [
        (&["shop"][..], HEX, "--format"),
        (&["shop", "--format", "hex"], SECRET, "hexadecimal"),
        (&["shop", "--format", "base64url"], "c2hvcnQ", "at least 32"),
        (&["shop", "--format", "raw"], "", "empty"),
        (&["shop", "--format", "raw", "/nowhere/secret"], "", "/nowhere/secret"),
        (&["none", "--format", "hex"], HEX, "no [[key]]"),
    ] {
        let (code, out, err) = import(&site.cloakroom, arguments, input.as_bytes());
        assert!(code != Some(0) && out.is_empty() && err.contains(words), "{arguments:?}: {code:?} {out} {err}");
        assert!(!err.contains(SECRET) && !err.contains(HEX), "{err}");
        assert!(!file.exists());
    }
    let (code, out, err) = import(&site.cloakroom, &["shop", "--format", "hex"], format!("{HEX}\n").as_bytes());
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("keys/shop: made, 32 bytes") && !out.contains(SECRET) && !out.contains(HEX), "{out}");
    assert_eq!(fs::read_to_string(&file).unwrap(), format!("{SECRET}\n"));
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o600);
    let (code, _, err) = import(&site.cloakroom, &["shop", "--format", "hex"], HEX.replace('0', "1").as_bytes());
    assert!(code == Some(1) && err.contains("never overwritten"), "{err}");
    let (code, _, err) = import(&site.cloakroom, &["twin", "--format", "base64"], SECRET.as_bytes());
    assert!(code == Some(2) && err.contains("secret of the key `shop`"), "{err}");
    let (code, _, err) = import(&site.cloakroom, &["twin", "--format", "raw"], &[0xff; 64]);
    assert_eq!(code, Some(0), "{err}");
    assert!(reload(&site.cloakroom, "reloaded").contains("changed=key"));
    // What the other program signs opens the file from now on.
    site.master("a.bin", b"the file");
    let query = "kid=shop&exp=1900000000";
    let signature = crate::servers::site::signature(SECRET, "/dl/f/masters/a.bin", query);
    assert_eq!(site.get(&format!("/dl/f/masters/a.bin?{query}&sig={signature}")).status, 200);
}

#[test]
fn the_list_shows_each_key_and_what_is_wrong_with_its_file() {
    let site = Site::open();
    let list = site.cloakroom.say(&["key", "list"]);
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines.len(), 2, "{list}");
    for (line, words) in [
        (lines[0], &["key", "use", "kind", "mode", "owner", "state", "file"][..]),
        (lines[1], &["main", "sign", "hmac", "0600", "good", "keys/main"]),
    ] {
        assert!(words.iter().all(|word| line.contains(word)), "{list}");
    }
    add(&site.cloakroom, "gone", "accept");
    add(&site.cloakroom, "open", "retired");
    fs::write(site.cloakroom.state().join("keys/open"), SECRET).unwrap();
    fs::set_permissions(site.cloakroom.state().join("keys/open"), fs::Permissions::from_mode(0o644)).unwrap();
    let (code, out, err) = said(&site.cloakroom.command(&["key", "list"]));
    assert_eq!(code, Some(78), "{out}{err}");
    for (id, words) in [("open", &["retired", "0644", "bad"][..]), ("gone", &["accept", "missing"]), ("main", &["sign", "good"])] {
        let line = out.lines().find(|line| line.starts_with(id)).unwrap();
        assert!(words.iter().all(|word| line.contains(word)), "{out}");
    }
    assert!(err.contains("chmod 600") && err.contains("cloakroom key new gone"), "{err}");
    let (_, out, _) = said(&site.cloakroom.command(&["key", "list", "--json"]));
    let keys: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(keys.as_array().unwrap().len(), 3);
    assert_eq!((&keys[1]["id"], &keys[1]["mode"], &keys[1]["use"]), (&"open".into(), &"0644".into(), &"retired".into()), "{keys}");
    assert_eq!(
        (&keys[0]["mode"], &keys[2]["fault"], &keys[2]["kind"]),
        (&serde_json::Value::Null, &serde_json::Value::Null, &"hmac".into())
    );
    assert!(!out.contains(SECRET) && !err.contains(SECRET));
}

#[test]
fn a_key_file_that_changes_is_taken_by_itself_and_a_bad_one_is_not() {
    let site = Site::open();
    site.master("a.bin", b"the file");
    let file = site.cloakroom.state().join("keys/main");
    let old = site.sign("masters/a.bin", &["--for", "1h"]);
    // The whole file aside and renamed, as a careful program writes one.
    let put = |text: &str| {
        let aside = site.cloakroom.state().join("keys/.aside");
        fs::write(&aside, text).unwrap();
        fs::set_permissions(&aside, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(&aside, &file).unwrap();
    };
    let before = fs::read_to_string(&file).unwrap();
    put("no key");
    site.cloakroom.logged(&["ERROR", "keys_kept", "key=main", "file=", "the keys before stay in force", "base64url"]);
    assert_eq!(site.get(&old).status, 200);
    fs::remove_file(&file).unwrap();
    site.cloakroom.logged(&["ERROR", "keys_kept", "cannot be read"]);
    assert_eq!(site.get(&old).status, 200);
    put(&format!("{SECRET}\n"));
    site.cloakroom.logged(&["INFO", "keys_read", "keys=main"]);
    assert_eq!(site.get(&old).header("Cloakroom-Refusal"), Some("bad_proof"));
    assert_eq!(site.get(&site.mint("/dl/f/masters/a.bin", "kid=main&exp=1900000000")).status, 200);
    put(&before);
    crate::servers::until("the first key again", || (site.get(&old).status == 200).then_some(()));
    // A configuration that names another file is followed there.
    let other = site.cloakroom.state().join("elsewhere");
    fs::create_dir(&other).unwrap();
    fs::copy(&file, other.join("main")).unwrap();
    rewrite(&site.cloakroom, "keys/main", "elsewhere/main");
    reload(&site.cloakroom, "reloaded");
    fs::write(other.join("main"), format!("{SECRET}\n")).unwrap();
    crate::servers::until("the other key", || (site.get(&old).status == 403).then_some(()));
    let said = || site.cloakroom.log().iter().filter(|line| line.contains("keys_read")).count();
    crate::servers::until("a line for each", || (said() >= 3).then_some(()));
}

#[test]
fn the_file_that_is_faulty_is_named_whichever_changed() {
    let site = Site::open();
    add(&site.cloakroom, "next", "accept");
    site.cloakroom.say(&["key", "new", "next"]);
    crate::reload::reload(&site.cloakroom, "reloaded");
    let keys = site.cloakroom.state().join("keys");
    let kept = |words: &[&str]| site.cloakroom.logged(&[&["ERROR", "keys_kept"], words].concat());
    fs::set_permissions(keys.join("main"), fs::Permissions::from_mode(0o644)).unwrap();
    kept(&["key=main", "changed=main", "has mode 0644", "chmod 600"]);
    fs::write(keys.join("next"), format!("{SECRET}\n")).unwrap();
    let said = kept(&["key=main", "changed=next", "has mode 0644"]);
    assert!(said.contains(&format!("file={}", keys.join("main").display())), "{said}");
    fs::set_permissions(keys.join("main"), fs::Permissions::from_mode(0o600)).unwrap();
    site.cloakroom.logged(&["INFO", "keys_read"]);
}

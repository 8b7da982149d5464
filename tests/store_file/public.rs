//! What lies in public travels with the store, is verified with it, and is saved with it.

use std::fs;

use cloakroom::domain::account::Away;
use cloakroom::domain::checksum::Checksum;
use cloakroom::domain::credential::{DirectoryCredential, Holder, UserName};
use cloakroom::domain::grant::Grant;
use cloakroom::domain::place::FileId;
use cloakroom::domain::placed::{DirectoryName, How, Made, NewCopy, NewStub, PlacedName};
use cloakroom::store::record::{FORMAT, Totals};
use cloakroom::store::sqlite::{export, import, info, places, salvage, verify};
use cloakroom::store::{CredentialStore, PlaceStore, Store};

use crate::damage::{Place, runtime};
use crate::fixtures::{at, author, click, client, delivery_id, grant, grant_id, link, link_id, request_id, version};

const DAY: u64 = 86_400;

fn directory(name: &str) -> DirectoryName {
    DirectoryName::parse(name).unwrap()
}

fn name(number: u8) -> PlacedName {
    PlacedName::new([number; 16])
}

fn credential(number: u8, holder: Holder) -> DirectoryCredential {
    DirectoryCredential {
        user: UserName::new([number; 5]),
        directory: directory("members"),
        holder,
        begins: at(1),
        ends: (number == 2).then(|| at(DAY)),
        replaced: (number == 2).then(|| at(9)),
        kid: "main".to_owned(),
        hash: "$5$salt$hash".to_owned(),
        author: "anna".to_owned(),
    }
}

/// A closed store with stubs that are there, going and gone, and copies that are waiting and made, and two user names.
fn filled() -> Place {
    let place = Place::new();
    let store = place.open().unwrap();
    runtime().block_on(async {
        for number in 1..=3_u32 {
            store.issue(grant(number, Some(3)), link(number), author()).await.unwrap();
            let clicked = cloakroom::domain::account::Click { link: link_id(number), ..click(number, 1, at(0)) };
            store.click(clicked).await.unwrap().unwrap();
            let now = at(u64::from(number) * DAY / 100);
            let away =
                Away { delivery: delivery_id(number), request: request_id("click"), now, address: client(1).address, measured: true };
            let stub = NewStub { name: name(u8::try_from(number).unwrap()), directory: directory("pub"), leaf: "a b.zip".to_owned() };
            assert!(store.send_away(away, Some(stub)).await.unwrap().is_ok());
        }
        assert_eq!(store.close_due(at(2 * DAY / 100 + DAY)).await.unwrap().going.len(), 2);
        store.placed_gone(vec![name(1)], at(2 * DAY)).await.unwrap();
        for number in [4_u32, 5] {
            let copy =
                NewCopy { name: name(u8::try_from(number).unwrap()), directory: directory("members"), leaf: "Grüße.zip".to_owned() };
            store.issue_with(grant(number, Some(3)), link(number), author(), Some(copy)).await.unwrap();
        }
        let made = Made { how: How::Copied, inode: u64::MAX, version: version(7), checksum: Some(Checksum::new([7; 32])) };
        assert!(store.copy_made(name(5), made, at(1)).await.unwrap().is_some());
        let place = |path: &str, left| cloakroom::domain::place::Place {
            directory: directory("pub"),
            path: path.to_owned(),
            id: Some(FileId { device: 1, inode: u64::MAX }),
            left,
        };
        store.keep_places(vec![place("/srv/new", None), place("/srv/old", Some(at(DAY / 100)))]).await.unwrap();
        let both = vec![credential(1, Holder::Everybody), credential(2, Holder::Grant(grant_id(5)))];
        assert!(store.put_credentials(both, Vec::new()).await.unwrap());
    });
    drop(store);
    place
}

fn exported(place: &Place) -> (Totals, String) {
    let mut out = Vec::new();
    let totals = export(&place.file(), &mut out).unwrap();
    (totals, String::from_utf8(out).unwrap())
}

/// Why it is not imported.
#[track_caller]
fn refused(text: &str) -> String {
    let place = Place::new();
    import(&place.file(), &mut text.as_bytes()).expect_err("it was imported").to_string()
}

#[test]
fn what_lies_in_public_and_who_may_enter_is_exported_and_imported_as_it_is() {
    let place = filled();
    let (totals, text) = exported(&place);
    assert_eq!((totals.grants, totals.deliveries, totals.placed, totals.places, totals.credentials), (5, 3, 5, 2, 2));
    let there: Vec<(String, u64)> = places(&place.file()).unwrap().into_iter().map(|(place, rows)| (place.path, rows)).collect();
    assert_eq!(there, [("/srv/new".to_owned(), 2), ("/srv/old".to_owned(), 0)], "one of three is gone, and the first alone lay there");
    let copy = Place::new();
    assert_eq!(import(&copy.file(), &mut text.as_bytes()).unwrap(), totals);
    assert_eq!(exported(&copy).1, text);
    assert_eq!(verify(&copy.file(), &mut |_, _| {}).unwrap().faults, Vec::<String>::new());
    let info = info(&copy.file()).unwrap();
    let stays: Vec<_> = info.placed.iter().map(|(stay, number)| (stay.as_str(), *number)).collect();
    assert_eq!((stays, info.credentials), (vec![("going", 1), ("gone", 1), ("live", 2), ("preparing", 1)], 2));
    let (one, other) = (place.open().unwrap(), copy.open().unwrap());
    runtime().block_on(async {
        for number in 1..=5 {
            let placed = one.placed_for(grant_id(number)).await.unwrap();
            assert_eq!((placed.len(), other.placed_for(grant_id(number)).await), (1, Ok(placed)), "{number}");
        }
        let users = vec![UserName::new([1; 5]), UserName::new([2; 5])];
        let known = one.credentials_named(users.clone()).await.unwrap();
        assert_eq!((known.len(), other.credentials_named(users).await), (2, Ok(known)));
        // What was due there is due here.
        assert_eq!(one.close_due(at(9 * DAY)).await, other.close_due(at(9 * DAY)).await);
    });
}

#[test]
fn an_export_of_an_earlier_version_is_read_and_one_of_a_later_version_is_refused() {
    let text = exported(&filled()).1;
    // What the first format lacks.
    let new = ["{\"placed\"", "{\"place\"", "{\"credential\""];
    let lines = text.lines().filter(|line| !new.iter().any(|new| line.starts_with(new)));
    let earlier: String = lines.map(|line| line.replace("\"away\":true,", "") + "\n").collect();
    let earlier = earlier.replace(&format!("\"format\":{FORMAT}"), "\"format\":1").replace(
        ",\"placed\":5,\"places\":2,\"credentials\":2,\"files\":0,\"products\":0,\"orders\":0,\"messages\":0,\"api_keys\":0,\"deeds\":0}",
        "}",
    );
    assert!(earlier.contains("{\"format\":1,") && !earlier.contains("credentials") && earlier.len() < text.len());
    let copy = Place::new();
    let totals = import(&copy.file(), &mut earlier.as_bytes()).unwrap();
    assert_eq!((totals.grants, totals.deliveries, totals.placed), (5, 3, 0));
    assert!(verify(&copy.file(), &mut |_, _| {}).unwrap().is_clean());
    for format in [0, FORMAT + 1, 99] {
        let said = refused(&text.replace(&format!("\"format\":{FORMAT}"), &format!("\"format\":{format}")));
        assert!(said.contains(&format!("line 1: is of format {format}; this program reads formats 1 to {FORMAT}")), "{said}");
    }
}

#[test]
fn a_line_about_what_is_in_public_that_does_not_fit_is_refused_by_its_number() {
    let text = exported(&filled()).1;
    let stub = text.lines().find(|line| line.contains("\"what\":\"stub\"") && line.contains("\"stay\":\"live\"")).unwrap();
    let copy = text.lines().find(|line| line.contains("\"stay\":\"preparing\"")).unwrap();
    let made = text.lines().find(|line| line.contains("\"made\":{\"how\":\"copied\"")).unwrap();
    let user = text.lines().find(|line| line.starts_with("{\"credential\"") && line.contains("\"grant\"")).unwrap();
    let live = delivery_id(3).to_string();
    for (line, from, to, words) in [
        (stub, "\"what\":\"stub\"", "\"what\":\"door\"", "`what` holds \"door\""),
        (stub, "\"what\":\"stub\"", "\"what\":\"copy\"", "`what` holds \"copy\""),
        (stub, "\"stay\":\"live\"", "\"stay\":\"gone\"", "`stay` holds \"gone\""),
        (stub, "\"stay\":\"live\"", "\"stay\":\"preparing\"", "`stay` holds \"preparing\""),
        (stub, live.as_str(), &delivery_id(9).to_string(), "is for a grant or a delivery that does not stand before it"),
        (stub, live.as_str(), &delivery_id(2).to_string(), "is for a grant or a delivery that does not stand before it"),
        (stub, &grant_id(3).to_string(), &grant_id(9).to_string(), "is for a grant or a delivery that does not stand before it"),
        (stub, "\"directory\":\"pub\"", "\"directory\":\"../pub\"", "`directory` holds"),
        (stub, name(3).as_str(), "../../../etc", "`name` holds"),
        (stub, "\"leaf\":\"a b.zip\"", "\"leaf\":\"../../x\"", "`leaf` holds \"../../x\""),
        (stub, "\"leaf\":\"a b.zip\"", "\"leaf\":\"..\"", "`leaf` holds \"..\""),
        (made, "\"sha256\":\"07", "\"sha256\":\"7", "`sha256` holds \"707"),
        (made, "\"sha256\":\"07", "\"sha256\":\"0G", "`sha256` holds \"0G07"),
        (copy, "\"leaf\":\"Grüße.zip\"", "\"leaf\":\"\"", "`leaf` holds \"\""),
        (stub, name(3).as_str(), name(2).as_str(), "the same id stood before"),
        (stub, "{\"placed\":{", "{\"placed\":{\"more\":1,", "is not a line of an export"),
        (copy, &grant_id(4).to_string(), &grant_id(9).to_string(), "is for a grant or a delivery that does not stand before it"),
        (user, &grant_id(5).to_string(), &grant_id(9).to_string(), "is for a grant that does not stand before it"),
        (user, &UserName::new([2; 5]).to_string(), &UserName::new([1; 5]).to_string(), "the same id stood before"),
    ] {
        let changed = line.replace(from, to);
        assert_ne!(changed, line, "{from}");
        let number = 1 + text.lines().position(|other| other == line).unwrap();
        let said = refused(&text.replace(line, &changed));
        assert!(said.contains(words) && said.starts_with(&format!("line {number}: ")), "{from} {to}: {said}");
    }
    let said = refused(&text.replace(&format!("{stub}\n"), ""));
    assert!(said.contains("lines are missing"), "{said}");
}

#[test]
fn verify_names_what_in_public_is_for_nothing_that_is_there() {
    let orphans = format!("PRAGMA foreign_keys = OFF; DELETE FROM deliveries WHERE id = '{}'", delivery_id(3));
    for (sql, words) in [
        (orphans.as_str(), &["d-", "which it is for, is not there"][..]),
        (&format!("UPDATE placed SET grant_id = '{}' WHERE what = 'copy'", grant_id(9)), &[&grant_id(9).to_string(), "is not there"]),
        (
            &format!("UPDATE placed SET delivery = '{}' WHERE stay = 'live' AND what = 'stub'", delivery_id(1)),
            &["in public", "which it is for, is not there"],
        ),
        (&format!("UPDATE credentials SET grant_id = '{}' WHERE grant_id IS NOT NULL", grant_id(9)), &["a user name of members"]),
        ("UPDATE placed SET leaf = '../../x' WHERE what = 'stub'", &["a row cannot be read", "`leaf` holds \"../../x\""]),
        ("UPDATE placed SET sha256 = 'x' WHERE how = 'copied'", &["a row cannot be read", "`sha256` holds \"x\""]),
        ("UPDATE placed SET stay = 'here'", &["a row cannot be read", "`stay` holds \"here\""]),
        ("UPDATE placed SET stay = 'live', gone = NULL, due = 9000000000000 WHERE stay = 'gone'", &["and its delivery has ended"]),
    ] {
        let place = filled();
        place.sql(sql);
        let verified = verify(&place.file(), &mut |_, _| {}).unwrap();
        let said = verified.faults.join("\n");
        assert!(!verified.is_clean() && words.iter().all(|word| said.contains(word)), "{sql}: {said}");
    }
}

#[test]
fn of_a_damaged_store_what_is_in_public_is_saved_but_for_what_is_for_nothing_any_more() {
    let place = filled();
    let lost = Grant { ..grant(3, None) }.id;
    place.sql(&format!("PRAGMA foreign_keys = OFF; DELETE FROM grants WHERE id = '{lost}'; UPDATE credentials SET grant_id = '{lost}' WHERE grant_id IS NOT NULL"));
    place.sql(&format!("UPDATE placed SET leaf = 'b', path = '/' WHERE name = '{}'", name(5)));
    place.sql(&format!("UPDATE placed SET leaf = '../../x' WHERE name = '{}'", name(4)));
    let mut out = Vec::new();
    let salvaged = salvage(&place.file(), &mut out).unwrap();
    let left_out = |table: &str| salvaged.left_out[table].names.iter().cloned().collect::<Vec<_>>();
    let mut names = [name(3).to_string(), name(4).to_string(), name(5).to_string()];
    names.sort();
    assert_eq!((left_out("placed"), left_out("credentials")), (names.to_vec(), vec![UserName::new([2; 5]).to_string()]));
    assert_eq!((salvaged.totals.placed, salvaged.totals.credentials), (2, 1));
    let copy = Place::new();
    import(&copy.file(), &mut &out[..]).unwrap();
    assert_eq!(verify(&copy.file(), &mut |_, _| {}).unwrap().faults, Vec::<String>::new());
    assert!(fs::metadata(place.file()).unwrap().len() > 0);
}

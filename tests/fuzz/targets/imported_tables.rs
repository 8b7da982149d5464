//! Any bytes as a table of another shop, CSV or SQL: read, or refused with where and why, in whatever parts they come; and
//! what was read means something, or is told.
#![no_main]

use cloakroom::import::csv::Backslash;
use cloakroom::import::text::Text;
use cloakroom::import::zen_cart::plan::{Gate, Plan, plan};
use cloakroom::import::zen_cart::tables::{NotAShop, Tables};
use libfuzzer_sys::fuzz_target;

fn read(bytes: &[u8], part: usize, backslash: Backslash) -> Result<Plan, String> {
    let (mut tables, mut text) = (Tables::default(), Text::new(backslash));
    tables.begin(0);
    for part in bytes.chunks(part) {
        text.feed(part, &mut tables).map_err(|fault| fault.to_string())?;
    }
    text.end(&mut tables).map_err(|fault| fault.to_string())?;
    let shop = tables.shop(None).map_err(|fault| match fault {
        NotAShop::Faults(faults, total) => {
            assert!(!faults.is_empty() && faults.len() <= total);
            faults.iter().map(|fault| fault.what.clone()).collect()
        }
        NotAShop::Other(what) => what,
    })?;
    plan(&shop, &Gate::Open, Some(&jiff::tz::TimeZone::UTC))
}

fuzz_target!(|input: (u8, bool, &[u8])| {
    let (part, escapes, bytes) = input;
    let backslash = if escapes { Backslash::Escapes } else { Backslash::Itself };
    let whole = read(bytes, usize::MAX, backslash);
    assert_eq!(read(bytes, usize::from(part).max(1), backslash), whole, "parts do not matter");
    match whole {
        Ok(plan) => assert!(plan.orders.iter().all(|order| !order.downloads.is_empty())),
        Err(fault) => assert!(!fault.is_empty()),
    }
});

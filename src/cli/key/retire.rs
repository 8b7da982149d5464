//! `cloakroom key retire`: one word of the configuration, changed where it stands.

use super::super::failure::Failure;
use super::super::paragraph::paragraph;
use super::super::{Common, say, say_json};
use super::named;
use crate::auth::replace::replace;
use crate::config::{self, Purpose, Rewritten, set_purpose};
use crate::random;

pub(super) fn run(common: &Common, id: &str) -> Result<(), Failure> {
    let configuration = common.load()?;
    let entry = named(common, &configuration, id)?;
    // A link to the file stays one.
    let path = common.config.canonicalize().map_err(|error| Failure::failed(format!("{}: {error}", common.config.display())))?;
    let shown = common.config.display().to_string();
    if entry.purpose == Purpose::Retired {
        return told(common, id, false, format!("the key `{id}` is retired already; {shown} stays as it is"));
    }
    let rewritten = replace(&path, false, random::bytes(), |bytes| match rewrite(bytes, id, &shown) {
        Ok(rewritten) => (Some(rewritten.text.clone().into_bytes()), Ok(rewritten)),
        Err(failure) => (None, Err(failure)),
    });
    let by_hand = |fault: &dyn std::fmt::Display| Failure::failed(format!("{fault}; set use = \"retired\" for the key `{id}` by hand"));
    let Rewritten { line, before, after, .. } = rewritten.map_err(|fault| by_hand(&fault))??;
    let next = format!(
        "`systemctl reload cloakroom` (SIGHUP) makes it hold: links and signed URLs of `{id}` are refused from then on, as key_retired. \
         Until every one of them has expired the [[key]] and its file stay where they are, or the refusal could not say why."
    );
    told(common, id, true, format!("{shown}:{line}: {before} is {after} now\n\n{}", paragraph("", &next)))
}

fn told(common: &Common, id: &str, is_changed: bool, text: String) -> Result<(), Failure> {
    if common.json {
        return say_json(&serde_json::json!({ "id": id, "use": Purpose::Retired.word(), "changed": is_changed }));
    }
    say(text)
}

/// The configuration with the key retired, if it is right then.
fn rewrite(bytes: &[u8], id: &str, shown: &str) -> Result<Rewritten, Failure> {
    let text = std::str::from_utf8(bytes).map_err(|_| Failure::failed(format!("{shown} is not UTF-8")))?;
    let Some(rewritten) = set_purpose(text, id, Purpose::Retired) else {
        return Err(Failure::failed(format!("{shown}: set use = \"retired\" for the key `{id}` by hand: its line was not found")));
    };
    if let Err(errors) = config::parse(&rewritten.text, shown) {
        let faults = errors.faults().iter().map(|fault| format!("`{}` {}", fault.key, fault.message));
        let mut said = vec![format!("{shown} stays as it is: with the key `{id}` retired it would be wrong")];
        said.extend(faults);
        return Err(Failure::Configuration(said));
    }
    Ok(rewritten)
}

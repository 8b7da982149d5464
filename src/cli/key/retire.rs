//! `cloakroom key retire`: one word of the configuration, changed where it stands.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{Gid, Mode, Uid, fchmod, fchown};

use super::super::failure::Failure;
use super::super::paragraph::paragraph;
use super::super::{Common, say, say_json};
use super::named;
use crate::config::{self, Purpose, Rewritten, set_purpose};
use crate::domain::id::base32;
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
    let text = fs::read_to_string(&path).map_err(|error| Failure::failed(format!("{shown}: {error}")))?;
    let Some(rewritten) = set_purpose(&text, id, Purpose::Retired) else {
        return Err(Failure::failed(format!("{shown}: set use = \"retired\" for the key `{id}` by hand: its line was not found")));
    };
    let Rewritten { text, line, before, after } = rewritten;
    if let Err(errors) = config::parse(&text, &shown) {
        let faults = errors.faults().iter().map(|fault| format!("`{}` {}", fault.key, fault.message));
        let mut said = vec![format!("{shown} stays as it is: with the key `{id}` retired it would be wrong")];
        said.extend(faults);
        return Err(Failure::Configuration(said));
    }
    replace(&path, text.as_bytes()).map_err(|error| {
        Failure::failed(format!("{shown} cannot be written: {error}; change it by hand, on line {line}: {before} becomes {after}"))
    })?;
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

/// Writes `bytes` aside, with the owner and mode of the file at `path`, and puts it in its place, durably: who reads it
/// meanwhile sees the one or the other.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let found = fs::metadata(path)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let aside = folder.join(format!(".cloakroom-{}", base32(&random::bytes::<8>())));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
    let written = file
        .write_all(bytes)
        .and_then(|()| {
            let made = file.metadata()?;
            if (made.uid(), made.gid()) != (found.uid(), found.gid()) {
                fchown(&file, Some(Uid::from_raw(found.uid())), Some(Gid::from_raw(found.gid())))?;
            }
            fchmod(&file, Mode::from_raw_mode(found.mode() & 0o7777))?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&aside, path))
        .and_then(|()| File::open(folder)?.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(&aside);
    }
    written
}

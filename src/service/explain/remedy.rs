//! What to do where a copy cannot be made.

use crate::domain::placed::Placed;
use crate::service::preparation::Mend;
use crate::service::site::Site;

/// Two sentences.
pub(super) fn remedy(site: &Site, placed: &Placed, mend: &Mend) -> String {
    let Some(directory) = site.configuration.directory(&placed.directory) else {
        return format!("configure the [[directory]] `{}` again, or revoke the grant {}", placed.directory, placed.grant);
    };
    let master = site.storages.named(&placed.file.storage).map(|storage| storage.entry.path.join(placed.file.path.as_str()));
    let master = master.map_or_else(|| placed.file.to_string(), |master| master.display().to_string());
    let path = directory.path.display().to_string();
    format!(
        "{}. It is tried again by itself, within 5 minutes; until it is there customers get 503 on their links",
        mends(mend, placed, &master, &path)
    )
}

/// What to do, of a copy of `master` in the directory `path`.
fn mends(mend: &Mend, placed: &Placed, master: &str, path: &str) -> String {
    match mend {
        Mend::Directory => format!("see that {path} is there, and that the daemon may write there; `cloakroom check` looks at it"),
        Mend::Master => format!("see that {master} is there, and that the daemon may read it; `cloakroom check` looks at it"),
        Mend::Sold(version) => format!(
            "put the version that was sold back as {master}, with its time, as `cp -p` keeps it: {} bytes, changed at {}; or sell what \
             is there now, under a new grant, and take this one back with `cloakroom grant revoke {}`",
            version.size, version.modified, placed.grant
        ),
        Mend::Rest => format!("let {master} rest while it is copied: write new versions beside it, and rename them to its name"),
        Mend::Differs => format!(
            "see whether something writes to {master} and sets its time back; if nothing does, do not trust the machine: `dmesg` and \
             `smartctl` tell of its disks, a memory test of its memory"
        ),
        Mend::Room => format!("make room: `df -h {path}` and `df -i {path}` tell how much there is, `quota` how much the daemon may use"),
        Mend::Large => format!("have {path} on a file system that holds files so large, and see `LimitFSIZE=` of the daemon's unit"),
        Mend::Disk => format!("see that the disks of {master} and {path} work, and are not mounted read-only: `dmesg` and `mount` tell"),
        Mend::Place => format!("see what {path}/{} is, which Cloakroom did not put there, and move it away", placed.path()),
        Mend::Wait => "nothing is to be done about it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::file::{FileRef, StorageName, Version};
    use crate::domain::id::GrantId;
    use crate::domain::moment::Moment;
    use crate::domain::path::FilePath;
    use crate::domain::placed::{DirectoryName, NewCopy, PlacedName};

    #[test]
    fn each_fault_has_its_own_advice() {
        let file = FileRef { storage: StorageName::parse("masters").unwrap(), path: FilePath::parse("a.zip").unwrap() };
        let new = NewCopy { name: PlacedName::new([1; 16]), directory: DirectoryName::parse("goods").unwrap(), leaf: "a.zip".to_owned() };
        let placed = new.row(GrantId::new([1; 12]), file, Moment::EPOCH);
        let sold = Version { size: 7, modified: Moment::from_seconds(86_400), etag: String::new(), media_type: String::new() };
        let (path, grant) = (format!("/goods/{}", placed.path()), placed.grant.to_string());
        let table: [(Mend, &[&str]); 10] = [
            (Mend::Directory, &["/goods is there", "write", "check"]),
            (Mend::Master, &["/masters/a.zip is there", "read", "check"]),
            (Mend::Sold(sold), &["/masters/a.zip", "7 bytes", "1970-01-02T00:00:00Z", "grant revoke", &grant]),
            (Mend::Rest, &["/masters/a.zip rest", "rename"]),
            (Mend::Differs, &["/masters/a.zip", "dmesg"]),
            (Mend::Room, &["df -h /goods", "df -i /goods"]),
            (Mend::Large, &["/goods on a file system", "LimitFSIZE"]),
            (Mend::Disk, &["/masters/a.zip", "/goods", "read-only"]),
            (Mend::Place, &[&path, "move it away"]),
            (Mend::Wait, &["nothing"]),
        ];
        let mut seen = std::collections::BTreeSet::new();
        for (mend, words) in table {
            let told = mends(&mend, &placed, "/masters/a.zip", "/goods");
            assert!(words.iter().all(|word| told.contains(word)), "{told}");
            assert!(seen.insert(told), "{mend:?} has the advice of another");
        }
    }
}

//! Where the bytes of a copy come from: the master; or, where that is another version than the one that was sold, the copy
//! of that one which lies where its directory was before.

use std::fs::File;
use std::sync::Arc;

use super::preparation::NotMade;
use crate::domain::file::Version;
use crate::domain::placed::Placed;
use crate::public::Former;
use crate::storage::{Storages, version_of};

/// What a copy is made of.
pub(super) struct Source {
    /// Open for reading.
    pub(super) file: File,
    /// Of which version it is.
    pub(super) version: Version,
    /// Whether it is the master, which may change while it is read.
    pub(super) is_master: bool,
}

impl Source {
    /// Opens the master of `placed`, or the copy of the version that was sold in one of `former`; or says what is wrong.
    pub(super) fn open(storages: &Storages, former: &[Arc<Former>], placed: &Placed, sold: Option<&Version>) -> Result<Self, NotMade> {
        let why = match (storages.open_file(&placed.file), sold) {
            (Ok((_, version)), Some(sold)) if sold.differs_from(&version) => NotMade::Sold(sold.clone()),
            (Ok((file, version)), _) => return Ok(Self { file, version, is_master: true }),
            (Err(absent), _) => NotMade::Master(absent),
        };
        let before = former.iter().filter_map(|former| former.directory().ok()?.open_copy(placed).ok().flatten());
        let mut sold_before = before.filter_map(|file| {
            let version = version_of(&file, &placed.file).ok()?;
            let sold = sold.filter(|sold| !sold.differs_from(&version))?;
            Some(Self { file, version: sold.clone(), is_master: false })
        });
        sold_before.next().ok_or(why)
    }
}

//! Where deliveries lay. Those that have ended do not remember it: the versions of their file do.

use std::collections::BTreeMap;

use super::site::Site;
use crate::domain::catalogue::File;
use crate::domain::delivery::Delivery;
use crate::domain::file::FileRef;
use crate::domain::grant::Grant;
use crate::domain::id::FileId;
use crate::store::Down;

/// Tells where deliveries lay, or lie; asks for each file once.
pub struct Lying<'a> {
    site: &'a Site,
    files: BTreeMap<FileId, Option<File>>,
}

impl<'a> Lying<'a> {
    /// Nothing was asked yet.
    pub fn new(site: &'a Site) -> Self {
        Self { site, files: BTreeMap::new() }
    }

    /// Where the bytes of `delivery` lie, or lay when it ended, as far as that is known.
    pub async fn of(&mut self, delivery: &Delivery, grant: &Grant) -> Result<FileRef, Down> {
        let told = delivery.at.as_ref().unwrap_or(&grant.file);
        let Some(sold) = grant.sold.as_ref().filter(|_| delivery.closed.is_some()) else { return Ok(told.clone()) };
        if !self.files.contains_key(&sold.file) {
            self.files.insert(sold.file, self.site.catalogue.file(sold.file).await?);
        }
        let file = self.files.get(&sold.file).and_then(Option::as_ref);
        Ok(file.and_then(|file| file.lay(&delivery.version, told)).unwrap_or(told).clone())
    }
}

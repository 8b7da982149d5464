//! The name under which a customer saves a file.

use super::site::Site;
use crate::domain::file::FileRef;
use crate::domain::id::FileId;

/// That of the file of the catalogue that was `sold`, else the last one of its path. A name is no reason to send nothing:
/// where the catalogue does not answer, it is the last one of the path, too.
pub(super) async fn saved_name(site: &Site, sold: Option<FileId>, at: &FileRef) -> String {
    let known = match sold {
        Some(sold) => site.catalogue.file(sold).await.ok().flatten(),
        None => None,
    };
    known.map_or_else(|| at.path.file_name().to_owned(), |file| file.saved_as(at))
}

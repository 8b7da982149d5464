//! Which bytes a click leads to, where the file got other versions since it was bought or began to be downloaded.

use super::site::Site;
use super::trace::Trace;
use crate::domain::file::{FileRef, Version};
use crate::domain::id::DeliveryId;
use crate::domain::refusal::Refusal;
use crate::store::{Store, Target};

/// Refuses a master that is another than the version that was bought and is to stay what it was.
pub(super) async fn check_bought(site: &Site, target: &Target, version: &Version, trace: &mut Trace) -> Result<(), Refusal> {
    let Some((id, when)) = target.bought else { return Ok(()) };
    let file = site.catalogue.file(id).await.map_err(|down| trace.down(down))?;
    let Some(file) = file else {
        trace.failed(|| format!("which version of {id} was bought is not known any more: it is no longer in the catalogue"));
        return Err(Refusal::FileMissing);
    };
    let bought = file.version_at(when);
    if file.has_bytes_of(bought, &target.file, version) {
        trace.held(|| format!("it is the version that was bought, {}", bought.id));
        return Ok(());
    }
    trace.failed(|| {
        let (id, released) = (bought.id, bought.released);
        format!("`{}` is not what was bought any more, which is {id} of {released}: `cloakroom file show {}`", target.file, file.id)
    });
    Err(Refusal::FileMissing)
}

/// Where the bytes lie of a delivery with which a click for a later part goes on: at `file`, or where they lay before that
/// got another version, as long as they do.
pub(super) async fn lies(
    site: &Site,
    store: &dyn Store,
    (delivery, file): (DeliveryId, &FileRef),
    trace: &mut Trace,
) -> Result<Option<(FileRef, Version)>, Refusal> {
    let content = store.content(delivery).await.map_err(|down| trace.down(down))?;
    let Some(content) = content.filter(|content| content.target.file != *file) else { return Ok(None) };
    let at = content.target.file;
    if site.storages.look(&at).as_ref() == Ok(&content.version) {
        trace.held(|| format!("what was begun lies at {at} still"));
        return Ok(Some((at, content.version)));
    }
    trace.failed(|| format!("what was begun lay at {at}, and does no more: a download from the first byte gets the version of now"));
    Err(Refusal::LinkExpired)
}

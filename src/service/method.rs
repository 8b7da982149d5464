//! How the bytes of a file can travel, of the methods that its policy names.

use super::site::Site;
use super::trace::Trace;
use crate::config::Storage;
use crate::dialect::Dialect;
use crate::domain::file::FileRef;
use crate::domain::policy::Method;
use crate::domain::refusal::Refusal;
use crate::store::Target;

/// The first method of the list that can work here.
pub(super) fn choose(site: &Site, dialect: Dialect, file: &FileRef, methods: &[Method], trace: &mut Trace) -> Result<Method, Refusal> {
    let Some(storage) = site.storages.named(&file.storage) else {
        trace.failed(|| format!("no [[storage]] is named `{}`", file.storage));
        return Err(Refusal::FileMissing);
    };
    let method = methods.iter().copied().find(|method| works(site, dialect, &storage.entry, *method));
    match method {
        Some(method) => trace.held(|| format!("method `{}`", method.word())),
        None => trace.failed(|| format!("no method of the policy can work for storage `{}` on this listener", file.storage)),
    }
    method.ok_or(Refusal::FileMissing)
}

/// Whether files of `storage` can travel so, as far as the configuration and its directories say.
fn works(site: &Site, dialect: Dialect, storage: &Storage, method: Method) -> bool {
    match (method, dialect) {
        (Method::Handoff, Dialect::Nginx) => storage.handoff.is_some(),
        (Method::Stream, Dialect::Standalone) => true,
        (Method::Stub, _) => storage.stub.as_ref().is_some_and(|name| site.directories.named(name).is_some()),
        (Method::Public, _) => storage.public.is_some(),
        _ => false,
    }
}

/// Whether a method of the grant, other than those that lead away, can send the file.
pub(super) fn falls_back(site: &Site, dialect: Dialect, target: &Target) -> bool {
    let storage = site.storages.named(&target.file.storage);
    let other = |method: &Method| matches!(method, Method::Handoff | Method::Stream);
    storage.is_some_and(|storage| {
        target.methods.iter().filter(|method| other(method)).any(|method| works(site, dialect, &storage.entry, *method))
    })
}

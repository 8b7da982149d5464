//! By which method a file travels: the first of the policy's list that can work.

use super::site::Site;
use super::trace::Trace;
use crate::config::Storage;
use crate::dialect::Dialect;
use crate::domain::file::FileRef;
use crate::domain::policy::Method;
use crate::domain::question::Kind;
use crate::domain::refusal::Refusal;

/// The first method of the list that can work on a listener of this dialect.
pub(super) fn choose(site: &Site, dialect: Dialect, file: &FileRef, methods: &[Method], trace: &mut Trace) -> Result<Method, Refusal> {
    let Some(storage) = site.storages.named(&file.storage) else {
        trace.failed(|| format!("no [[storage]] is named `{}`", file.storage));
        return Err(Refusal::FileMissing);
    };
    let method = methods.iter().copied().find(|method| works(site, dialect, file, &storage.entry, *method));
    match method {
        Some(method) => trace.held(|| format!("method `{}`", method.word())),
        None => trace.failed(|| format!("no method of the policy can work for storage `{}` on this listener", file.storage)),
    }
    method.ok_or(Refusal::FileMissing)
}

/// Those by which an answer sends the file itself, and leads nowhere else.
pub(super) fn sending(methods: &[Method]) -> Vec<Method> {
    methods.iter().copied().filter(|method| matches!(method, Method::Handoff | Method::Stream)).collect()
}

/// The first method of the list that can work on any listener.
pub(super) fn first_that_works(site: &Site, file: &FileRef, methods: &[Method]) -> Option<Method> {
    let storage = &site.storages.named(&file.storage)?.entry;
    let works = |method: &Method| site.configuration.web_dialects().any(|dialect| works(site, dialect, file, storage, *method));
    methods.iter().copied().find(works)
}

/// Whether a method of the list sends the file where another one led nowhere.
pub(super) fn falls_back(site: &Site, dialect: Dialect, file: &FileRef, methods: &[Method]) -> bool {
    let storage = site.storages.named(&file.storage);
    storage.is_some_and(|storage| sending(methods).into_iter().any(|method| works(site, dialect, file, &storage.entry, method)))
}

/// Whether `file` of `storage` can travel so, as far as its name, the configuration and its directories say.
fn works(site: &Site, dialect: Dialect, file: &FileRef, storage: &Storage, method: Method) -> bool {
    let is_open = |name: &Option<_>| name.as_ref().is_some_and(|name| site.directories.named(name).is_some());
    if !dialect.can_ask(Kind::Download) {
        return false;
    }
    match (method, dialect) {
        (Method::Handoff, Dialect::Nginx | Dialect::Apache(_)) => storage.handoff.is_some() && dialect.can_hand_off(&file.path),
        (Method::Stream, Dialect::Standalone) => true,
        (Method::Stub, _) => is_open(&storage.stub),
        (Method::Copy, _) => is_open(&storage.copy),
        (Method::Public, _) => storage.public.is_some(),
        (Method::Handoff, Dialect::Standalone)
        | (Method::Stream, Dialect::Nginx | Dialect::Apache(_))
        | (Method::Presigned | Method::Proxy, _) => false,
    }
}

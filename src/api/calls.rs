//! The table of calls: each has a method, a path, the scope that a key needs for it, and what is told of it. There is no
//! other way into the router, so that no call is without them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::routing::{MethodRouter, delete, get, post, put};
use http::Method;

use super::BODY_BYTES_MAX;
use super::told::Told;
use crate::domain::api_key::Scope;
use crate::service::site::Current;

/// One call of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub method: &'static str,
    /// Its path, with `{id}` for what names something.
    pub path: &'static str,
    /// What a key needs for it.
    pub scope: Scope,
    /// Whether it makes something, and takes an `Idempotency-Key`.
    pub makes: bool,
    /// Where to look for what it made, where the same again would make another one though it was only cut off before its answer
    /// was kept. `None` where it finds what it made.
    pub look: Option<&'static str>,
    /// The most bytes that its body may have.
    pub bytes_max: usize,
}

impl Call {
    /// A call that makes nothing, and has a body of ordinary size.
    pub(super) const fn new(method: &'static str, path: &'static str, scope: Scope) -> Self {
        Self { method, path, scope, makes: false, look: None, bytes_max: BODY_BYTES_MAX }
    }
}

/// Calls, with those who answer them.
#[derive(Default)]
pub(super) struct Calls {
    router: Router<Current>,
    known: Vec<(Call, Told)>,
}

impl Calls {
    /// A call that looks.
    pub(super) fn get<H: Handler<T, Current>, T: 'static>(self, path: &'static str, scope: Scope, told: Told, handler: H) -> Self {
        self.call(Call::new("GET", path, scope), told, get(handler))
    }

    /// A call that changes something; the same again changes nothing, or what the caller wants.
    pub(super) fn post<H: Handler<T, Current>, T: 'static>(self, path: &'static str, scope: Scope, told: Told, handler: H) -> Self {
        self.call(Call::new("POST", path, scope), told, post(handler))
    }

    /// A call that puts what it names in a state; the same again changes nothing.
    pub(super) fn put<H: Handler<T, Current>, T: 'static>(self, path: &'static str, scope: Scope, told: Told, handler: H) -> Self {
        self.call(Call::new("PUT", path, scope), told, put(handler))
    }

    /// A call that takes away what it names.
    pub(super) fn delete<H: Handler<T, Current>, T: 'static>(self, path: &'static str, scope: Scope, told: Told, handler: H) -> Self {
        self.call(Call::new("DELETE", path, scope), told, delete(handler))
    }

    /// A call that makes something; the same again makes another one. Under its name the ids of what it makes are the same.
    pub(super) fn make<H: Handler<T, Current>, T: 'static>(self, path: &'static str, scope: Scope, told: Told, handler: H) -> Self {
        self.made(Call { makes: true, ..Call::new("POST", path, scope) }, told, handler)
    }

    /// The same of one that cannot be found by its ids when it was cut off: who asks again is told where to look.
    pub(super) fn make_once<H: Handler<T, Current>, T: 'static>(
        self,
        (path, scope, look): (&'static str, Scope, &'static str),
        told: Told,
        handler: H,
    ) -> Self {
        self.made(Call { makes: true, look: Some(look), ..Call::new("POST", path, scope) }, told, handler)
    }

    fn made<H: Handler<T, Current>, T: 'static>(self, call: Call, told: Told, handler: H) -> Self {
        let says = "A name for this call: the same call under it has the same answer for 24 hours, and makes nothing twice.";
        let told = told.header("Idempotency-Key", says, "^[!#-\\[\\]-~]{1,128}$");
        self.call(call, told, post(handler))
    }

    /// A call with limits of its own.
    pub(super) fn call(mut self, call: Call, told: Told, answers: MethodRouter<Current>) -> Self {
        self.known.push((call, told));
        let answers = answers.layer(DefaultBodyLimit::max(call.bytes_max));
        Self { router: self.router.route(call.path, answers), ..self }
    }

    /// The calls, and what is told of each.
    pub(super) fn told(&self) -> &[(Call, Told)] {
        &self.known
    }

    /// The router, and what each call needs.
    pub(super) fn into_parts(self) -> (Router<Current>, Known) {
        let known = self.known.into_iter().map(|(call, _)| ((call.method, call.path), call));
        (self.router, Known(Arc::new(known.collect())))
    }
}

/// What each call needs, by method and path.
#[derive(Clone)]
pub(super) struct Known(Arc<BTreeMap<(&'static str, &'static str), Call>>);

impl Known {
    /// The call by a method, of which HEAD is GET without its body, at a path as it stands in the table.
    pub(super) fn find(&self, method: &Method, path: &str) -> Option<Call> {
        let method = if *method == Method::HEAD { "GET" } else { method.as_str() };
        self.0.get(&(method, path)).copied()
    }

    /// All of them, by method and path.
    pub(super) fn all(&self) -> Vec<Call> {
        self.0.values().copied().collect()
    }
}

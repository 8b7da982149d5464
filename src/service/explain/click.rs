//! Where a click would lead.

use crate::domain::policy::Method;
use crate::service::outcome::Redirect;
use crate::service::site::Site;
use crate::service::trace::Trace;

/// Tells where `redirect` leads, by whom it is known what arrives, and what happens where a stub cannot be placed.
pub(super) fn told(site: &Site, redirect: &Redirect, trace: &mut Trace) {
    let measured = site.configuration.is_measured();
    match (redirect.method, redirect.counted) {
        (Method::Stub, Some(_)) => {
            trace.held(|| "the click would be answered by 303 to the stub, which the web server serves as a plain file".to_owned());
            trace.held(|| {
                if measured {
                    "it counts when it has arrived, as the log of the public path tells".to_owned()
                } else {
                    "it counts at the redirect: there is no [feed] to tell what arrives".to_owned()
                }
            });
        }
        (Method::Public, Some(_)) => {
            trace.held(|| "the click would be answered by 303 to the file's public address".to_owned());
            trace.held(|| "it counts at the redirect: nobody tells what arrives".to_owned());
        }
        (Method::Stub | Method::Public, None) => {
            let word = redirect.method.word();
            trace.held(|| format!("`{word}` does not work now: the click would be answered by 303 to the delivery's own address, whose file the next method of the policy sends"));
        }
        _ => trace.held(|| "the click would be answered by 303 to the delivery's own address".to_owned()),
    }
}

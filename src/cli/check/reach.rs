//! Whether anybody is there: the web server answers, it is Cloakroom behind it, on the same time, with no cache between.

use super::finding::Finding;
use super::http::Answer;
use super::live::{Visit, shown};
use crate::clock;
use crate::domain::moment::Moment;

/// A clock that is further off makes URLs end early or late; browsers and caches care, too.
const CLOCK_SECONDS_MAX: u64 = 30;

/// Whether the web server answers, and passes what is ours on.
pub(super) async fn look(visit: &mut Visit<'_>) -> Vec<Finding> {
    let Some(path) = visit.path() else { return vec![Finding::not_asked("reach", "the file has a name that no URL can carry")] };
    let target = path.encoded().to_owned();
    let asked = visit.get(&target, &[]).await;
    let found = shown("GET", &target, &asked);
    let public = visit.configuration.public_url.path.clone();
    let Ok(answer) = &asked else {
        let fault = Finding::fault("reach", "the web server does not answer").found(found);
        return vec![fault.right("an answer").run("systemctl status nginx; ss -ltnp")];
    };
    let finding = match answer.status {
        401 | 403 if answer.is_refusal() => {
            let mut found = vec![Finding::ok("reach", format!("{public} reaches Cloakroom; nothing opens without proof"))];
            found.push(clock_of(answer));
            found.extend(cached(answer));
            return found;
        }
        200 | 206 => {
            let fault = Finding::fault("reach", "the file opens without any proof");
            fault.right("401").add("include cloakroom/locations.conf;", "the server { … } of the site, in place of what answers there now")
        }
        502..=504 if !answer.is_refusal() => {
            let fault = Finding::fault("reach", "nginx does not reach Cloakroom");
            fault.right("nginx's error_log tells why: no socket, no permission, nobody listens").run("tail -n 5 /var/log/nginx/error.log")
        }
        400 if answer.headers.contains_key("cloakroom-support") || answer.is_refusal() => {
            let fault = Finding::fault("reach", "nginx reaches Cloakroom, and does not tell it what it has to");
            fault
                .right("the shipped headers.conf, in the location itself")
                .add("include cloakroom/headers.conf;", format!("location ^~ {public} {{ … }}"))
        }
        301 | 302 | 307 | 308 => {
            let fault = Finding::fault("reach", "the site leads elsewhere");
            let elsewhere = answer.header("location").split('?').next().unwrap_or_default().to_owned();
            fault
                .right(format!("public_url is where customers end up; here it is {elsewhere}"))
                .replace("public_url = \"…\"", "cloakroom.toml, [server]")
        }
        _ => {
            let fault = Finding::fault("reach", "something else than Cloakroom answers");
            fault
                .right(format!("a location ^~ {public} that passes on to Cloakroom"))
                .add("include cloakroom/locations.conf;", "the server { … } of the site")
        }
    };
    vec![finding.found(found)]
}

/// Whether the web server's clock is ours.
fn clock_of(answer: &Answer) -> Finding {
    let now = clock::now();
    let Some(theirs) = date(answer.header("date")) else { return Finding::not_asked("site-clock", "the answer has no Date") };
    let off = theirs.seconds().abs_diff(now.seconds());
    if off <= CLOCK_SECONDS_MAX {
        return Finding::ok("site-clock", "the web server's clock is this one's");
    }
    let warning =
        Finding::warning("site-clock", "the web server's clock is another one's: URLs end early or late, and reports are of the future");
    warning
        .found(format!("Date: {}; here it is {now}", answer.header("date")))
        .right("both keep the time of the network")
        .run("timedatectl set-ntp true")
}

/// RFC 9110, 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn date(text: &str) -> Option<Moment> {
    let parsed = jiff::fmt::rfc2822::parse(text).ok()?;
    u64::try_from(parsed.timestamp().as_second()).ok().map(Moment::from_seconds)
}

/// Whether something between the customer and the web server keeps answers.
fn cached(answer: &Answer) -> Option<Finding> {
    let marks = ["age", "x-cache", "x-cache-status", "cf-cache-status", "x-varnish", "x-served-by"];
    let mark = marks.into_iter().find(|name| answer.headers.contains_key(*name))?;
    let warning = Finding::warning("cache", "a cache stands between customers and the web server");
    Some(
        warning
            .found(format!("{mark}: {}", answer.header(mark)))
            .right("it keeps nothing below public_url, and passes the client's address on (set_real_ip_from, real_ip_header)")
            .add("Cache-Control: private, no-store is honoured", "the cache's own configuration"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_of_http_is_read() {
        assert_eq!(date("Sun, 06 Nov 1994 08:49:37 GMT").map(Moment::seconds), Some(784_111_777));
        assert_eq!((date(""), date("yesterday")), (None, None));
    }
}

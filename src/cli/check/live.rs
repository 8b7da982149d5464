//! The site as a customer sees it: asked over HTTP with a file and URLs of its own.
//!
//! Order: is anybody there, what opens and what does not, what arrives of a file, what a client can claim, what lies inside
//! and is shut, connections, and one counted download from its grant to its completion.

use std::net::SocketAddr;

use http::Method;

use super::finding::{Finding, Verdict, or_ok};
use super::http::{Answer, Customer, Place};
use super::probe::{Probe, hexadecimal};
use super::{counted, nginx, public_live, reach, shut, zen_cart_live};
use crate::api::About;
use crate::cli::client::Client;
use crate::cli::terminal::grouped;
use crate::clock;
use crate::config::Configuration;
use crate::dialect::Dialect;
use crate::dialect::apache::Protocol;
use crate::domain::id::RequestId;
use crate::domain::moment::Span;
use crate::domain::path::CanonicalPath;
use crate::domain::refusal::Refusal;
use crate::domain::support::SupportCode;
use crate::proof::key::SigningKey;
use crate::proof::signed_url::{self, Terms};
use crate::random;

/// A URL of a check is good for this long.
const LIFETIME: Span = Span::from_seconds(600);

/// What shows why nginx did what it did.
const ERRORS: &str = "tail -n 5 /var/log/nginx/error.log";

/// So many questions are asked to see whether connections stay open.
const QUESTIONS: u64 = 24;

/// A network that belongs to nobody (RFC 5737), and an address in it.
const NOBODY: &str = "203.0.113.0/24";
const NOBODY_INSIDE: &str = "203.0.113.7";

/// What is asked, and how.
pub(super) struct Visit<'a> {
    /// The configuration.
    pub(super) configuration: &'a Configuration,
    /// Who asks.
    pub(super) customer: Customer,
    /// The file.
    pub(super) probe: Option<&'a Probe>,
    /// The key that signs.
    pub(super) key: Option<&'a SigningKey>,
    /// Who asks the daemon.
    pub(super) client: Option<Client>,
    /// Whether the web server shows pages of ours to those who are refused.
    pub(super) has_pages: bool,
}

impl<'a> Visit<'a> {
    /// Asks `place`, at `connect` where that is given.
    pub(super) fn of(
        configuration: &'a Configuration,
        place: Place,
        connect: Option<SocketAddr>,
        probe: Option<&'a Probe>,
        key: Option<&'a SigningKey>,
    ) -> Self {
        let client = Client::of(configuration, "check").ok();
        Self { configuration, customer: Customer::of(place, connect), probe, key, client, has_pages: true }
    }

    /// The path of the probe, encoded.
    pub(super) fn path(&self) -> Option<CanonicalPath> {
        let (public, file) = (&self.configuration.public_url.path, &self.probe?.file);
        CanonicalPath::of_decoded(&format!("{public}f/{}/{}", file.storage, file.path)).ok()
    }

    /// A URL of the probe, signed with these terms.
    pub(super) fn signed(&self, network: Option<&str>) -> Option<String> {
        let network = network.and_then(|network| network.parse().ok());
        let terms = Terms { expires: clock::now() + LIFETIME, not_before: None, network, prefix: None, name: None, rate: None };
        Some(signed_url::sign(&self.configuration.site, &self.path()?, &terms, self.key?))
    }

    /// The web server's location for the probe's storage.
    pub(super) fn handoff(&self) -> String {
        self.probe.and_then(|probe| self.configuration.storage(&probe.file.storage)?.handoff.clone()).unwrap_or_default()
    }

    /// Asks with GET.
    pub(super) async fn get(&mut self, target: &str, headers: &[(&str, &str)]) -> Result<Answer, String> {
        self.customer.ask(Method::GET, target, headers).await
    }
}

/// Everything that can be asked from outside. `grant` takes the id of the grant that is made, so that it can be revoked
/// whatever happens.
pub(super) async fn look(mut visit: Visit<'_>, grant: &mut Option<String>) -> Vec<Finding> {
    if visit.probe.is_none() {
        let mut found = shut::rules(&mut visit).await;
        found.extend(zen_cart_live::look(&mut visit).await);
        return found;
    }
    let mut found = reach::look(&mut visit).await;
    if found.iter().any(|finding| finding.verdict == Verdict::Fault) {
        found.push(Finding::not_asked("site", "the rest was not asked: nothing of it can be right before this is"));
        return found;
    }
    found.extend(refused(&mut visit).await);
    let opens = arrives(&mut visit, &mut found).await;
    if opens {
        found.extend(parts(&mut visit).await);
        found.extend(claims(&mut visit).await);
    }
    found.extend(shut::look(&mut visit).await);
    found.extend(shut::rules(&mut visit).await);
    found.extend(public_live::look(&mut visit).await);
    found.extend(zen_cart_live::look(&mut visit).await);
    found.extend(connections(&mut visit).await);
    found.extend(counted::look(&mut visit, grant).await);
    found
}

/// What is said of an answer that was not the right one.
pub(super) fn shown(method: &str, target: &str, answer: &Result<Answer, String>) -> String {
    // What is signed stays secret on screens, too.
    let path = target.split('?').next().unwrap_or_default();
    match answer {
        Ok(answer) if answer.is_refusal() => {
            format!("{method} {path}: {} {} {}", answer.status, answer.header("cloakroom-refusal"), answer.header("cloakroom-support"))
        }
        Ok(answer) => format!("{method} {path}: {}, {} bytes", answer.status, answer.body.len()),
        Err(why) => format!("{method} {path}: {why}"),
    }
}

/// A wrong proof: our page, with a support code, and no byte of the file.
async fn refused(visit: &mut Visit<'_>) -> Vec<Finding> {
    let Some(good) = visit.signed(None) else {
        return vec![Finding::not_asked("signed", "no [[key]] with use = \"sign\": signed URLs were not tried")];
    };
    let mut letters = good.clone();
    let wrong = if letters.pop() == Some('A') { format!("{letters}E") } else { format!("{letters}A") };
    let claimed = hexadecimal(&random::bytes::<16>());
    let asked = visit.get(&wrong, &[("accept", "text/html"), ("x-request-id", &claimed)]).await;
    let found = shown("GET", &wrong, &asked);
    let Ok(answer) = &asked else {
        return vec![Finding::fault("refused", "a wrong signature gets no answer").found(found).right("403").run(ERRORS)];
    };
    let support = answer.header("cloakroom-support").to_owned();
    let body = String::from_utf8_lossy(&answer.body);
    let mut faults = Vec::new();
    if answer.status != 403 || support.is_empty() || visit.has_pages && !body.contains(&support) {
        let fault = Finding::fault("refused", "who is refused does not see Cloakroom's page with its support code");
        let line = "proxy_intercept_errors off;";
        faults.push(
            fault.found(found).right("403 and the page").add(line, format!("location ^~ {} {{ … }}", visit.configuration.public_url.path)),
        );
    }
    if RequestId::parse(&claimed).is_some_and(|id| SupportCode::of(&id).to_string() == support) {
        let fault = Finding::fault("claims", "a client gives its requests their ids: it can count one for many");
        let (line, at) =
            ("proxy_set_header X-Request-Id $request_id;", format!("location ^~ {} {{ … }}", visit.configuration.public_url.path));
        faults.push(
            fault
                .found("the support code follows from the X-Request-Id that the client sent")
                .right("nginx's own $request_id")
                .add(line, at),
        );
    }
    let where_told = if visit.has_pages { "" } else { " in a header; the page is Apache's own, as a RewriteMap hands on none" };
    or_ok("refused", format!("a wrong signature gets 403 and a support code{where_told}"), faults)
}

/// A signed URL: all bytes, and nothing but them. Whether it opens at all.
async fn arrives(visit: &mut Visit<'_>, found: &mut Vec<Finding>) -> bool {
    let (Some(target), Some(probe)) = (visit.signed(None), visit.probe) else { return false };
    if visit.configuration.default_policy().methods.iter().all(|method| method.leads_away()) {
        let says = "signed URLs open nothing here: no method of the policy `default` sends a file in answer to them";
        found.push(Finding::not_asked("bytes", says));
        return false;
    }
    if !probe.is_whole() {
        found.push(Finding::not_asked("bytes", "the file is larger than what is compared; parts of it are"));
        return true;
    }
    let asked = visit.get(&target, &[("accept-encoding", "gzip, deflate, br")]).await;
    let said = shown("GET", &target, &asked);
    let handoff = visit.handoff();
    let at = format!("location ^~ {handoff} {{ … }}");
    let Ok(answer) = asked.as_ref().map_err(drop) else {
        found.push(Finding::fault("bytes", "a good URL gets no answer").found(said).right("200 and the file").run(ERRORS));
        return false;
    };
    if !answer.header("content-encoding").is_empty() {
        let fault = Finding::fault("bytes", "the file is changed on its way: no ranges, no resume, and it counts as bytes only");
        let found_there = format!("{said}, Content-Encoding: {}", answer.header("content-encoding"));
        found.push(fault.found(found_there).right("the bytes of the file, whatever Accept-Encoding says").add("gzip off;", at));
        return true;
    }
    if answer.status != 200 || answer.body != probe.bytes {
        let fault = Finding::fault("bytes", "a good URL does not get the bytes of the file");
        let finding = match answer.status {
            404 => fault.right("200 and the file; nginx's error_log names the path that it looked for").add(
                visit
                    .configuration
                    .storage(&probe.file.storage)
                    .map_or_else(String::new, |storage| format!("alias {}/;", storage.path.display())),
                at,
            ),
            403 if !answer.is_refusal() => fault.right("nginx's workers can read the file").run(ERRORS),
            200 => fault.right(format!("{} bytes, the same ones", probe.size)).add("sub_filter, ssi, gzip … off", at),
            _ => fault.right("200 and the file").run(ERRORS),
        };
        found.push(finding.found(said));
        return false;
    }
    found.push(Finding::ok("bytes", format!("a signed URL brings all {} bytes, unchanged", grouped(probe.size))));
    found.extend(headers(answer, &at, nginx::is_expected(visit.configuration)));
    true
}

/// The headers of a file; nginx adds some of them.
fn headers(answer: &Answer, at: &str, behind_nginx: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    for (name, part, line, why) in [
        ("content-disposition", "attachment", "", "browsers show the file instead of saving it"),
        ("cache-control", "no-store", "", "a cache may keep the file, and give it to others"),
        (
            "x-content-type-options",
            "nosniff",
            "add_header X-Content-Type-Options nosniff always;",
            "browsers may take the file for a page, and run it",
        ),
        (
            "content-security-policy",
            "sandbox",
            "add_header Content-Security-Policy \"sandbox; default-src 'none'\" always;",
            "a page among the files can act as the shop",
        ),
        ("etag", "\"", "add_header ETag $upstream_http_etag;", "browsers cannot go on with a download safely"),
    ] {
        let values: Vec<_> = answer.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        let by_nginx = line.contains("Content-Security-Policy");
        if values.len() == 1 && values.iter().all(|value| value.contains(part)) || by_nginx && !behind_nginx {
            continue;
        }
        let finding = Finding::fault("site-headers", why).found(if values.is_empty() {
            format!("no {name}")
        } else {
            format!("{name}: {}", values.join(" and "))
        });
        let finding = finding.right(format!("one {name} with {part}"));
        found.push(if line.is_empty() { finding.remove(format!("what hides or doubles it, in {at}")) } else { finding.add(line, at) });
    }
    or_ok("site-headers", if behind_nginx { "attachment, nosniff, a sandbox, no-store" } else { "attachment, nosniff, no-store" }, found)
}

/// Ranges and HEAD.
async fn parts(visit: &mut Visit<'_>) -> Vec<Finding> {
    let (Some(target), Some(probe)) = (visit.signed(None), visit.probe) else { return Vec::new() };
    let last = probe.size.min(1000) - 1;
    let first = last / 2;
    let handoff = visit.handoff();
    let at = format!("location ^~ {handoff} {{ … }}");
    let mut found = Vec::new();
    let wanted = format!("bytes {first}-{last}/{}", probe.size);
    let asked = visit.get(&target, &[("range", &format!("bytes={first}-{last}"))]).await;
    let slice = usize::try_from(first).ok().zip(usize::try_from(last).ok()).and_then(|(first, last)| probe.bytes.get(first..=last));
    if !asked.as_ref().is_ok_and(|answer| answer.status == 206 && answer.header("content-range") == wanted && Some(&*answer.body) == slice)
    {
        let fault = Finding::fault("site-ranges", "a part of the file cannot be asked for: downloads cannot be resumed");
        let range = asked.as_ref().map(|answer| answer.header("content-range").to_owned()).unwrap_or_default();
        found.push(
            fault
                .found(format!("{}, Content-Range: {range}", shown("GET", &target, &asked)))
                .right(format!("206, Content-Range: {wanted}"))
                .add("max_ranges 64;", &at),
        );
    }
    let asked = visit.customer.ask(Method::HEAD, &target, &[]).await;
    let length = asked.as_ref().map(|answer| answer.header("content-length").to_owned()).unwrap_or_default();
    if !asked.as_ref().is_ok_and(|answer| answer.status == 200 && answer.body.is_empty()) || length != probe.size.to_string() {
        let fault = Finding::fault("site-ranges", "download programs that ask with HEAD first are told something else");
        found.push(
            fault
                .found(format!("{}, Content-Length: {length}", shown("HEAD", &target, &asked)))
                .right(format!("200, Content-Length: {}", probe.size))
                .add("gzip off;", &at),
        );
    }
    or_ok("site-ranges", "ranges and HEAD are answered as they should be", found)
}

/// What a client can claim about itself.
async fn claims(visit: &mut Visit<'_>) -> Vec<Finding> {
    let (Some(good), Some(foreign)) = (visit.signed(None), visit.signed(Some(NOBODY))) else { return Vec::new() };
    let at = format!("location ^~ {} {{ … }}", visit.configuration.public_url.path);
    let mut found = Vec::new();
    let forged = [
        ("x-original-uri", "/elsewhere"),
        ("x-original-method", "POST"),
        ("x-original-url", "/elsewhere"),
        ("x-rewrite-url", "/elsewhere"),
        ("x-forwarded-uri", "/elsewhere"),
        ("x-forwarded-method", "POST"),
        ("x-request-id", "check"),
        ("cloakroom-refusal", "no_rule"),
        ("cloakroom-delivery", "d-00000000000000000000"),
        ("cloakroom-user", "root"),
        ("cloakroom-rate", "1"),
    ];
    for (name, value) in forged {
        let asked = visit.get(&good, &[("range", "bytes=0-0"), (name, value)]).await;
        if !asked.as_ref().is_ok_and(|answer| answer.status == 206) {
            let fault = Finding::fault("claims", format!("a client's own {name} reaches Cloakroom: it is refused for it, or believed"));
            let line = match name {
                "x-original-uri" => "proxy_set_header X-Original-URI $request_uri;".to_owned(),
                "x-original-method" => "proxy_set_header X-Original-Method $request_method;".to_owned(),
                "x-request-id" => "proxy_set_header X-Request-Id $request_id;".to_owned(),
                other => format!("proxy_set_header {other} \"\";"),
            };
            found.push(fault.found(shown("GET", &good, &asked)).right("206, as without it").add(line, &at));
        }
    }
    let asked = visit.get(&good, &[("range", "bytes=0-0"), ("x_original_uri", "/elsewhere"), ("x_real_ip", NOBODY_INSIDE)]).await;
    // By HTTP Apache passes them on beside its own, and who sends them is refused, and not believed.
    let by_http = visit.configuration.web_dialects().any(|dialect| dialect == Dialect::Apache(Protocol::Http));
    let by_http = by_http && !nginx::is_expected(visit.configuration);
    let is_refused = |answer: &Answer| answer.status == 400 && answer.header("cloakroom-refusal") == Refusal::BadRequest.code();
    let is_refused = by_http && asked.as_ref().is_ok_and(is_refused);
    if !is_refused && !asked.as_ref().is_ok_and(|answer| answer.status == 206) {
        let fault = Finding::fault("claims", "headers with an underscore reach Cloakroom, which cannot tell whose they are");
        found.push(
            fault
                .found(shown("GET", &good, &asked))
                .right("206: nginx drops them")
                .add("underscores_in_headers off;", "the server { … } of the site"),
        );
    }
    for (name, line) in
        [("x-real-ip", "proxy_set_header X-Real-IP $remote_addr;"), ("x-forwarded-for", "set_real_ip_from only for your own proxies")]
    {
        let asked = visit.get(&foreign, &[("range", "bytes=0-0"), (name, NOBODY_INSIDE)]).await;
        if asked.as_ref().is_ok_and(|answer| answer.status == 206) {
            let fault = Finding::fault("claims", "a client chooses its own address: limits by network and lock-outs hold nobody");
            found.push(
                fault
                    .found(format!("{}, with {name}: {NOBODY_INSIDE}", shown("GET", &foreign, &asked)))
                    .right("403 wrong_network")
                    .add(line, &at),
            );
        }
    }
    let refused = if is_refused { "; X_Real_IP and the like are refused, since by HTTP Apache keeps them" } else { "" };
    or_ok("claims", format!("a client's own X-Real-IP and the like change nothing{refused}"), found)
}

/// How many connections the questions take.
async fn connections(visit: &mut Visit<'_>) -> Vec<Finding> {
    async fn taken(client: Option<&Client>) -> Option<u64> {
        Some(client?.ask::<About>(Method::GET, "/api/v1/about", bytes::Bytes::new()).await.ok()?.connections)
    }
    // Over FastCGI and SCGI each question has a connection of its own.
    if visit.configuration.web_dialects().all(|dialect| matches!(dialect, Dialect::Apache(Protocol::FastCgi | Protocol::Scgi))) {
        return Vec::new();
    }
    let Some(target) = visit.path().map(|path| path.encoded().to_owned()) else { return Vec::new() };
    let Some(before) = taken(visit.client.as_ref()).await else {
        return vec![Finding::not_asked("site-keepalive", "the daemon cannot be asked how many connections nginx opens")];
    };
    for _ in 0..QUESTIONS {
        if visit.get(&target, &[]).await.is_err() {
            break;
        }
    }
    let Some(opened) = taken(visit.client.as_ref()).await.map(|after| after.saturating_sub(before)) else { return Vec::new() };
    if opened * 2 < QUESTIONS {
        return vec![Finding::ok("site-keepalive", format!("{QUESTIONS} questions took {opened} new connections"))];
    }
    let fault = Finding::fault("site-keepalive", "nginx opens a connection for each question: a restart costs requests");
    vec![
        fault
            .found(format!("{QUESTIONS} questions took {opened} new connections"))
            .right("connections stay open: `keepalive 32;`, `proxy_http_version 1.1;` and an empty Connection")
            .add("keepalive 32;", "upstream cloakroom { … }"),
    ]
}

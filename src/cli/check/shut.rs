//! What must be shut from outside: internal addresses in all their spellings, the masters by any other way, and the parts
//! of the site that a rule protects.

use bytes::Bytes;
use http::Method;

use super::finding::{Finding, or_ok};
use super::http::Answer;
use super::live::{Visit, shown};
use super::nginx;
use super::probe::hexadecimal;
use crate::random;

/// Ways to write an internal path that some web server or proxy takes for it.
fn spellings(prefix: &str, name: &str) -> Vec<String> {
    let inner = prefix.trim_matches('/');
    let (first, rest) = inner.split_once('/').unwrap_or((inner, ""));
    let rest = if rest.is_empty() { String::new() } else { format!("{rest}/") };
    let encoded = first.bytes().map(|byte| format!("%{}", hexadecimal(&[byte]))).collect::<Vec<_>>().concat();
    vec![
        format!("/{inner}/{name}"),
        format!("//{inner}/{name}"),
        format!("/{inner}//{name}"),
        format!("/./{inner}/{name}"),
        format!("/x/../{inner}/{name}"),
        format!("/x/%2e%2e/{inner}/{name}"),
        format!("/{encoded}/{rest}{name}"),
        format!("/{first}%2f{rest}{name}"),
        format!("/{}/{rest}{name}", first.to_uppercase()),
        format!("/{inner}/./{name}"),
        format!("/{inner}/%2e/{name}"),
        format!("/{inner}/x/../{name}"),
        format!("/{inner}../{name}"),
        format!("/{inner}/{name}?sig=x"),
        format!("/{inner};x/{name}"),
    ]
}

/// Internal addresses and masters.
pub(super) async fn look(visit: &mut Visit<'_>) -> Vec<Finding> {
    let Some(file) = visit.probe.map(|probe| probe.file.clone()) else { return Vec::new() };
    let probe = file.path.encoded();
    let public = visit.configuration.public_url.path.clone();
    let storage = visit.configuration.storage(&file.storage).cloned();
    let handoff = storage.as_ref().and_then(|storage| storage.handoff.clone()).unwrap_or_else(|| "/_cloakroom/masters/".to_owned());
    let mut internal = spellings(&handoff, &probe);
    internal.push(format!("{public}..{handoff}{probe}"));
    internal.extend(
        [
            "/_cloakroom/authorize",
            "/_cloakroom/refused/expired",
            "/_cloakroom/refused/",
            "//_cloakroom/authorize",
            "/%5fcloakroom/authorize",
        ]
        .map(str::to_owned),
    );
    // Where Cloakroom answers customers itself, its refusals are right everywhere.
    let behind_nginx = nginx::is_expected(visit.configuration);
    let mut faults: Vec<Finding> = Vec::new();
    for target in &internal {
        let asked = visit.get(target, &[]).await;
        let Ok(answer) = &asked else { continue };
        if is_probe(visit, answer) {
            let fault = Finding::fault("site-internal", "everybody can fetch the files of the storage, without any proof");
            faults.push(fault.found(shown("GET", target, &asked)).right("404").add("internal;", format!("location ^~ {handoff} {{ … }}")));
        } else if behind_nginx && (answer.is_refusal() || answer.headers.contains_key("cloakroom-rate")) {
            let fault = Finding::fault("site-internal", "anybody can ask Cloakroom as if it were nginx");
            faults.push(
                fault
                    .found(shown("GET", target, &asked))
                    .right("404")
                    .add("internal;", "the location of the internal address in nginx's configuration"),
            );
        }
    }
    // One fault opens many spellings.
    let mut seen = Vec::new();
    faults.retain(|fault| {
        let is_new = !seen.contains(&fault.says);
        seen.push(fault.says.clone());
        is_new
    });
    let number = internal.len();
    let mut found = or_ok("site-internal", format!("internal addresses are shut, in {number} spellings"), faults);
    let mut elsewhere = vec![format!("/{probe}"), format!("/{}/{probe}", file.storage), format!("{public}{probe}")];
    if let Some(storage) = &storage {
        let names: Vec<String> = storage.path.iter().skip(1).map(|name| name.to_string_lossy().into_owned()).collect();
        elsewhere.extend((0..names.len()).filter_map(|from| names.get(from..).map(|names| format!("/{}/{probe}", names.join("/")))));
    }
    let mut faults = Vec::new();
    for target in &elsewhere {
        let asked = visit.get(target, &[]).await;
        if asked.as_ref().is_ok_and(|answer| is_probe(visit, answer)) {
            let fault = Finding::fault("site-masters", "everybody can fetch the files of the storage past Cloakroom");
            let root = storage.as_ref().map_or_else(String::new, |storage| storage.path.display().to_string());
            let right = "the directory of a storage lies below no root and no alias of the site; change `path` and `alias` with it";
            faults.push(fault.found(shown("GET", target, &asked)).right(right).run(format!("mv {root} /srv/downloads")));
        }
    }
    found.extend(or_ok("site-masters", "the file is nowhere else", faults));
    found
}

/// Whether the answer carries the file, or a part of it.
fn is_probe(visit: &Visit<'_>, answer: &Answer) -> bool {
    let begin = visit.probe.and_then(|probe| probe.bytes.get(..probe.bytes.len().min(64))).unwrap_or_default();
    matches!(answer.status, 200 | 206) && !begin.is_empty() && answer.body.starts_with(begin)
}

/// Each rule's path, asked without a proof, and by a POST with a body.
pub(super) async fn rules(visit: &mut Visit<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let paths: Vec<String> = visit.configuration.rules.iter().map(|rule| rule.path.encoded().trim_end_matches('/').to_owned()).collect();
    for path in paths {
        let name = hexadecimal(&random::bytes::<8>());
        let mut faults = Vec::new();
        for target in [
            format!("{path}/{name}"),
            format!("/{path}/{name}"),
            format!("{path}//{name}"),
            format!("{path}/x/../{name}"),
            format!("{path}/{name}.php"),
            format!("{path}/{name}.zip"),
        ] {
            let asked = visit.get(&target, &[]).await;
            if asked.as_ref().is_ok_and(|answer| answer.is_refusal() || answer.status == 400) {
                continue;
            }
            let finding = if asked.as_ref().is_ok_and(|answer| matches!(answer.status, 401 | 403)) {
                let fault = Finding::fault("site-rules", "who is refused does not see Cloakroom's page with its support code");
                fault
                    .right("the page of the refusal")
                    .add("error_page 401 403 = @cloakroom_refused;", format!("location ^~ {path}/ {{ … }}"))
            } else {
                let fault =
                    Finding::fault("site-rules", format!("what lies below {path}/ is served, or looked for, before anybody is asked"));
                fault
                    .right("401 and the page of the refusal")
                    .add("include cloakroom/protect.conf;", format!("location ^~ {path}/ {{ … }}"))
            };
            faults.push(finding.found(shown("GET", &target, &asked)));
            break;
        }
        let target = format!("{path}/{name}");
        let asked = visit.customer.ask_with(Method::POST, &target, &[("content-type", "text/plain")], Bytes::from_static(b"check")).await;
        if faults.is_empty() && !asked.as_ref().is_ok_and(Answer::is_refusal) {
            let fault = Finding::fault("site-rules", "a request with a body is not answered by Cloakroom");
            let right = "401 and the page of the refusal";
            faults.push(
                fault
                    .found(shown("POST", &target, &asked))
                    .right(right)
                    .add("proxy_pass_request_body off;", "location = /_cloakroom/authorize { … }"),
            );
        }
        found.extend(or_ok("site-rules", format!("{path}/ asks for a proof"), faults));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_differ_and_are_targets() {
        let all = spellings("/_cloakroom/masters/", "a.html");
        assert!(all.len() >= 15 && all.contains(&"/_cloakroom/masters/a.html".to_owned()), "{all:?}");
        assert!(all.contains(&"/_CLOAKROOM/masters/a.html".to_owned()), "{all:?}");
        for (number, one) in all.iter().enumerate() {
            assert!(one.parse::<http::uri::PathAndQuery>().is_ok(), "{one}");
            assert!(!all.iter().skip(number + 1).any(|other| other == one), "{one}");
        }
    }
}

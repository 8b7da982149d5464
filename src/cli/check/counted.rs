//! One counted download from end to end: a grant is made, its link clicked, the file fetched, the report waited for, the
//! grant revoked.

use std::time::Duration;

use bytes::Bytes;
use http::Method;

use super::finding::Finding;
use super::http::Answer;
use super::live::{Visit, shown};
use super::public_planted::basic;
use crate::api::{Amended, GrantPage, Issued, ListedDelivery, NewGrant};
use crate::cli::client::{CallFault, Client};
use crate::config::Feed;
use crate::domain::refusal::Refusal;

/// Whom the grant is for, in lists and evidence.
const CUSTOMER: &str = "cloakroom check";

/// A report comes within a moment.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// Downloads, and tells whether it was seen to arrive.
pub(super) async fn look(visit: &mut Visit<'_>, grant: &mut Option<String>) -> Vec<Finding> {
    let Some(client) = visit.client.take() else {
        return vec![Finding::not_asked(
            "counted",
            "a counted download was not tried: there is no [[listener]] with serve = \"api\" on a unix socket",
        )];
    };
    let found = match download(visit, &client, grant).await {
        Ok(delivery) => arrived(visit, &client, delivery).await,
        Err(finding) => *finding,
    };
    visit.client = Some(client);
    vec![found]
}

async fn call<Answer: serde::de::DeserializeOwned>(
    client: &Client,
    method: Method,
    path: &str,
    body: &impl serde::Serialize,
) -> Result<Answer, CallFault> {
    let body = serde_json::to_vec(body).map_err(|error| CallFault::Broken(error.to_string()))?;
    client.ask(method, path, Bytes::from(body)).await
}

/// Makes the grant, clicks, and fetches the file; the id of the grant.
async fn download(visit: &mut Visit<'_>, client: &Client, grant: &mut Option<String>) -> Result<String, Box<Finding>> {
    let file = visit.probe.map_or_else(String::new, |probe| probe.file.to_string());
    let wish = NewGrant {
        file,
        customer: CUSTOMER.to_owned(),
        policy: None,
        max_downloads: Some("1".to_owned()),
        valid_for: Some("1h".to_owned()),
        email: None,
        language: None,
    };
    let issued: Issued = call(client, Method::POST, "/api/v1/grants", &wish).await.map_err(|fault| {
        let finding = Finding::fault("counted", "no grant can be made");
        Box::new(finding.found(fault.to_string()).right("the daemon makes grants").run("systemctl restart cloakroom"))
    })?;
    let id = issued.grant.id.clone();
    *grant = Some(id.clone());
    let fault = |what: &str, found: String| {
        Box::new(Finding::fault("counted", what).found(found).right("a click leads to the file").run("journalctl -u cloakroom -n 20"))
    };
    // A link begins with the origin of public_url, which may not be what was asked for with --url.
    let origin = visit.configuration.public_url.origin.clone();
    let link = issued.url.strip_prefix(&origin).unwrap_or(&issued.url).to_owned();
    let clicked = click(visit, &link).await;
    let hidden = "the link";
    let answer = clicked.as_ref().map_err(|why| fault("the link is not answered", why.clone()))?;
    let to = answer.header("location").to_owned();
    if answer.status != 303 || to.is_empty() {
        return Err(fault("a click on a link leads nowhere", shown("GET", hidden, &clicked)));
    }
    let cookie = answer.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
    let to = to.strip_prefix(&origin).unwrap_or(&to).to_owned();
    // A copy lies where the web server itself asks for a password.
    let login = issued.copy.as_ref().filter(|copy| copy.url.strip_prefix(&origin).unwrap_or(&copy.url) == to);
    let login = login.and_then(|copy| Some(basic(copy.user.as_deref()?, copy.password.as_deref()?)));
    let mut headers = vec![("cookie", cookie.as_str())];
    headers.extend(login.as_ref().map(|login| ("authorization", login.as_str())));
    let fetched = visit.get(&to, &headers).await;
    let whole = fetched
        .as_ref()
        .is_ok_and(|answer| answer.status == 200 && visit.probe.is_some_and(|probe| !probe.is_whole() || answer.body == probe.bytes));
    if whole { Ok(id) } else { Err(fault("the file does not arrive", shown("GET", "the delivery", &fetched))) }
}

/// Clicks on the link, again where the copy that it leads to is being made.
async fn click(visit: &mut Visit<'_>, link: &str) -> Result<Answer, String> {
    for _ in 0..PATIENCE.as_millis() / LOOK.as_millis() {
        let clicked = visit.get(link, &[]).await;
        let is_preparing = |answer: &Answer| answer.status == 503 && answer.header("cloakroom-refusal") == Refusal::Preparing.code();
        if !clicked.as_ref().is_ok_and(is_preparing) {
            return clicked;
        }
        tokio::time::sleep(LOOK).await;
    }
    visit.get(link, &[]).await
}

/// Waits until the download was seen to arrive.
async fn arrived(visit: &Visit<'_>, client: &Client, grant: String) -> Finding {
    let Some(feed) = &visit.configuration.feed else {
        return Finding::ok("counted", "a link brought the file; it counted when it started");
    };
    let path = format!("/api/v1/deliveries?grant={grant}&limit=1");
    let looks = PATIENCE.as_millis() / LOOK.as_millis();
    let mut last = "no delivery".to_owned();
    for _ in 0..looks {
        match client.ask::<Vec<ListedDelivery>>(Method::GET, &path, Bytes::new()).await {
            Ok(all) => match all.first() {
                Some(delivery) if delivery.state == "completed" => {
                    return Finding::ok("counted", "a link brought the file, its report came, it counts");
                }
                Some(delivery) => {
                    last = format!("the delivery is {} with {} of {} bytes reported", delivery.state, delivery.covered, delivery.size);
                }
                None => {}
            },
            Err(fault) => last = fault.to_string(),
        }
        tokio::time::sleep(LOOK).await;
    }
    let fault = Finding::fault("counted", "the file arrives and its report does not: each download counts, and is called presumed");
    let fault = fault.found(format!("after {} s {last}", PATIENCE.as_secs()));
    let handoff = visit.handoff();
    let into = format!("location ^~ {handoff} {{ … }}");
    let condition = "cloakroom if=$upstream_http_cloakroom_delivery;";
    match feed {
        Feed::AccessLog(log) => fault
            .right(format!("a line in {} within a moment", log.display()))
            .add(format!("access_log {} {condition}", log.display()), into),
        Feed::Syslog { path, .. } => fault
            .right(format!("a line to {} within a moment", path.display()))
            .add(format!("access_log syslog:server=unix:{},nohostname,tag=cloakroom {condition}", path.display()), into),
        Feed::Api => fault
            .right("`cloakroom feed` runs, and is given the lines of the web server")
            .run("tail -n +1 -F /var/log/nginx/cloakroom.log | cloakroom feed"),
    }
}

/// Revokes the grant: nobody is to use what a check left.
pub(super) async fn end(client: &Client, grant: &str) -> Option<Finding> {
    let revoked: Result<Amended, CallFault> =
        call(client, Method::POST, &format!("/api/v1/grants/{grant}/revoke"), &serde_json::json!({})).await;
    let page: Result<GrantPage, CallFault> = client.ask(Method::GET, &format!("/api/v1/grants/{grant}"), Bytes::new()).await;
    match (revoked, page) {
        (Ok(_), Ok(page)) if page.grant.state == "revoked" => None,
        (Err(fault), _) | (_, Err(fault)) => {
            let warning = Finding::warning("counted", "the grant of this check is still there; it ends within an hour");
            Some(warning.found(fault.to_string()).right("it is revoked").run(format!("cloakroom grant revoke {grant}")))
        }
        _ => None,
    }
}

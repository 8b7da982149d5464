//! The password of a public directory as strangers and customers see it: none, a wrong one, the right one, and one that was
//! withdrawn.

use super::finding::Finding;
use super::http::Answer;
use super::live::{Visit, shown};
use super::public_planted::Planted;
use crate::config::Directory;

/// The one that is asked for here.
const LEAF: &str = "check.svg";

/// Whether a password is asked for, and the right one opens.
pub(super) async fn asks(visit: &mut Visit<'_>, directory: &Directory, planted: &Planted, at: &str) -> Option<Finding> {
    let file = directory.credentials.as_ref()?.htpasswd.display().to_string();
    let target = planted.target(LEAF);
    let lines = format!("auth_basic \"Downloads\";\nauth_basic_user_file {file};");
    let fault = |says: &str, how: &str, asked: &Result<Answer, String>| {
        Finding::fault("public-live", says).found(format!("{}, {how}", planted.hidden(&shown("GET", &target, asked))))
    };
    let without = visit.get(&target, &[]).await;
    match without.as_ref().map(|answer| answer.status) {
        Ok(401) => {}
        Ok(200..=299) => {
            let fault = fault("nobody is asked for a password: whoever knows a name has the file", "without a password", &without);
            return Some(fault.right("401").add(lines, at));
        }
        // What is wrong is told by what follows: no location, or no answer.
        Ok(_) | Err(_) => return None,
    }
    let wrong = planted.ask_wrongly(visit, &target).await;
    // Nginx reads the file only where somebody brings a password.
    if let Some(status @ (403 | 500)) = wrong.as_ref().ok().map(|answer| answer.status) {
        let says = format!("the web server cannot read the file of the passwords: customers see {status}");
        let run = format!("ls -l {file}; tail -n 5 /var/log/nginx/error.log");
        return Some(fault(&says, "with a wrong password", &wrong).right("401, and its workers can read the file").run(run));
    }
    if wrong.as_ref().is_ok_and(|answer| answer.status != 401) {
        let fault = fault("a wrong password opens, or is not told to be wrong", "with a wrong password", &wrong);
        return Some(fault.right("401").add(lines, at));
    }
    let right = planted.get(visit, &target, &[]).await;
    if right.as_ref().is_ok_and(|answer| answer.status == 401) {
        let fault = fault(
            "a right password is refused: the web server asks by another file than Cloakroom writes",
            "with a password of that file",
            &right,
        );
        return Some(fault.right("200 and the file").add(format!("auth_basic_user_file {file};"), at));
    }
    None
}

/// What was withdrawn opens nothing, at once.
pub(super) async fn ends(visit: &mut Visit<'_>, planted: &mut Planted, at: &str) -> Option<Finding> {
    if !planted.has_login() {
        return None;
    }
    let target = planted.target(LEAF);
    if let Err(error) = planted.withdraw() {
        return Some(Finding::not_asked("public-live", format!("the user name of the check could not be taken out: {error}")));
    }
    let asked = planted.get(visit, &target, &[]).await;
    let is_right = asked.as_ref().is_ok_and(|answer| answer.status == 401);
    let fault = || Finding::fault("public-live", "a user name that was withdrawn still opens");
    (!is_right).then(|| {
        fault().found(planted.hidden(&shown("GET", &target, &asked))).right("401").remove(format!("what remembers passwords, in {at}"))
    })
}

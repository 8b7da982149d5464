//! Nginx's files for one configuration, from those of `conf-examples/nginx`. Pure.

use super::plan::{Piece, Places, Plan, Users, Way, commands};
use super::template::{body, cut, fill, without};
use super::words::{self, Unsayable, of_path};
use crate::config::{Configuration, Directory, Feed, Serve};
use crate::dialect::Dialect;

const CLOAKROOM: &str = include_str!("../../../conf-examples/nginx/cloakroom.conf");
const HEADERS: &str = include_str!("../../../conf-examples/nginx/headers.conf");
const LOCATIONS: &str = include_str!("../../../conf-examples/nginx/locations.conf");
const PROTECT: &str = include_str!("../../../conf-examples/nginx/protect.conf");
const MEMBERS: &str = include_str!("../../../conf-examples/nginx/members.conf");
const PUB: &str = include_str!("../../../conf-examples/nginx/pub.conf");
const GOODS: &str = include_str!("../../../conf-examples/nginx/goods.conf");

/// Where the files are expected to lie: there `include cloakroom/…` finds them.
pub(super) const DIRECTORY: &str = "/etc/nginx/cloakroom";

/// What is to be added where no listener is for Nginx.
pub(super) const NO_LISTENER: &str = "\
    [[listener]]
    address = \"unix:/run/cloakroom/nginx.sock\"
    serve   = \"web\"
    dialect = \"nginx\"
    group   = \"www-data\"
";

const SERVER: &str = "server { … } of each site that hands out downloads, by vhost.conf";

/// All of it; `None` where there is no listener for Nginx.
pub(super) fn plan(configuration: &Configuration, users: &Users, places: &Places) -> Result<Option<Plan>, Unsayable> {
    let Some(listener) = configuration.listeners.iter().find(|listener| listener.serve == Serve::Web(Dialect::Nginx)) else {
        return Ok(None);
    };
    let way = Way::to(listener, places)?;
    let mut files = vec![
        Piece::new("cloakroom.conf", "http { … }, once", &upstream(&way)?),
        Piece::new("headers.conf", "included by the others", body(HEADERS)),
        Piece::new("locations.conf", SERVER, &locations(configuration)?),
    ];
    let mut notes = Vec::new();
    if let Some(members) = members(configuration, &mut notes)? {
        files.push(Piece::new("protect.conf", "included by members.conf; location { … } of what a [[rule]] covers", body(PROTECT)));
        files.push(Piece::new("members.conf", SERVER, &members));
    }
    for directory in &configuration.directories {
        let name = format!("directory-{}.conf", directory.name);
        files.push(Piece::new(name, SERVER, &public(configuration, directory)?));
    }
    let mut includes = String::new();
    for file in files.iter().filter(|file| file.goes == SERVER) {
        includes.extend(["include cloakroom/", &file.name, ";\n"]);
    }
    files.push(Piece::new("vhost.conf", "server { … } of each site that hands out downloads", &includes));
    if places.directory != DIRECTORY {
        let quoted = words::nginx(&format!("{}/", places.directory))?;
        let (open, close) = if quoted.starts_with('"') { (quoted.trim_end_matches('"'), "\";") } else { (quoted.as_str(), ";") };
        for file in &mut files {
            file.text = elsewhere(&file.text, open, close);
        }
    }
    notes.push("a location that the site has already may not stand there twice: move what it does into the one in members.conf, or put `include cloakroom/protect.conf;` into yours and take that one away".to_owned());
    let notes = if configuration.rules.is_empty() { Vec::new() } else { notes };
    let commands = commands(configuration, users, &words::shell(&users.worker));
    Ok(Some(Plan { server: "nginx", modules: Vec::new(), commands, notes, files }))
}

/// `include cloakroom/NAME;` with another directory.
fn elsewhere(text: &str, open: &str, close: &str) -> String {
    let line = |line: &str| match line.split_once("include cloakroom/") {
        Some((before, after)) if !before.contains('#') => {
            let (name, rest) = after.split_once(';').unwrap_or((after, ""));
            format!("{before}include {open}{name}{close}{rest}")
        }
        _ => line.to_owned(),
    };
    text.split_inclusive('\n').map(line).collect()
}

/// In how many ways the upstream spells the path of the socket.
const SPELLINGS: usize = 5;

/// A longer path of a socket nginx refuses, as the system does.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// `cloakroom.conf`.
fn upstream(way: &Way) -> Result<String, Unsayable> {
    let text = body(CLOAKROOM);
    match way {
        Way::Unix(path) => {
            // Each is another spelling of one path.
            let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
            let spelled = |above: &str, name: &str, dots: usize| format!("unix:{above}/{}{name}", "./".repeat(dots));
            let shipped: Vec<_> = (0..SPELLINGS).map(|dots| spelled("/run/cloakroom", "nginx.sock", dots)).collect();
            let fits = |dots: usize| dots == 0 || path.len() + 2 * dots <= SOCKET_PATH_BYTES_MAX;
            let is_too_long =
                |line: &str| (0..SPELLINGS).any(|dots| !fits(dots) && line.contains(&format!("{}nginx.sock ", "./".repeat(dots))));
            let text = without(text, is_too_long);
            let ours = (0..SPELLINGS).map(|dots| words::nginx(&spelled(above, name, dots)));
            let ours = ours.collect::<Result<Vec<_>, _>>()?;
            let instead: Vec<_> = shipped.iter().map(String::as_str).zip(ours.iter().map(String::as_str)).collect();
            Ok(fill(&text, &instead))
        }
        Way::Tcp(address) => {
            // A port has one spelling, and no systemd that holds it meanwhile.
            let text = without(text, |line| line.contains("/./"));
            let comment = cut(&text, "# When Cloakroom restarts or dies", "# Without these lines");
            let text = [comment.before, comment.after].concat();
            Ok(fill(&text, &[("unix:/run/cloakroom/nginx.sock", &address.to_string())]))
        }
    }
}

/// `locations.conf`.
fn locations(configuration: &Configuration) -> Result<String, Unsayable> {
    let text = body(LOCATIONS);
    let masters = cut(text, "# The files of the storage whose `handoff`", "}");
    let mut made = fill(masters.before, &[("/dl/", &configuration.public_url.path)]);
    let handed: Vec<_> = configuration.storages.iter().filter_map(|storage| Some((storage, storage.handoff.as_deref()?))).collect();
    for (number, (storage, handoff)) in handed.iter().enumerate() {
        if number > 0 {
            made.push('\n');
        }
        let path = format!("{}/", of_path(&storage.path)?.trim_end_matches('/'));
        let directory = words::nginx(&path)?;
        let part = reporting(masters.part, configuration)?;
        made.push_str(&fill(&part, &[("/_cloakroom/masters/", handoff), ("/srv/downloads/", &directory)]));
    }
    made.push_str(if handed.is_empty() { masters.after.trim_start() } else { masters.after });
    Ok(made)
}

/// The report of a location, as the configuration has it: the shipped one reads a file, and names the socket of syslog in a
/// comment.
fn reporting(text: &str, configuration: &Configuration) -> Result<String, Unsayable> {
    let is_file = |line: &str| line.starts_with("access_log /var/log/nginx/cloakroom.log");
    let is_syslog = |line: &str| line.starts_with("# access_log syslog:");
    let is_about_syslog = |line: &str| is_syslog(line) || line.starts_with("# By syslog,");
    match &configuration.feed {
        Some(Feed::AccessLog(log)) => Ok(fill(text, &[("/var/log/nginx/cloakroom.log", &words::nginx(of_path(log)?)?)])),
        Some(Feed::Syslog { path, .. }) => {
            let path = of_path(path)?;
            if path.contains([',', ' ']) {
                return Err(Unsayable(format!("{path:?} has a blank or a comma, which Nginx cannot have in the address of a syslog")));
            }
            let told = without(text, |line| is_file(line) || line.starts_with("# By syslog,"));
            let told: String = told
                .split_inclusive('\n')
                .map(|line| if is_syslog(line.trim_start()) { line.replacen("# ", "", 1) } else { line.to_owned() })
                .collect();
            Ok(fill(&told, &[("unix:/run/cloakroom/log.sock", &format!("unix:{path}"))]))
        }
        // It reaches Cloakroom by another way: the lines are the same.
        Some(Feed::Api) => Ok(without(text, is_about_syslog)),
        None => {
            let cut = cut(text, "# Each request ", "# By syslog,");
            let told = if cut.part.is_empty() { text.to_owned() } else { [cut.before, cut.after].concat() };
            Ok(without(&told, |line| is_file(line) || is_about_syslog(line) || line.starts_with("# access_log /var/log")))
        }
    }
}

/// `members.conf`, where a rule needs it.
fn members(configuration: &Configuration, notes: &mut Vec<String>) -> Result<Option<String>, Unsayable> {
    let mut made = String::new();
    let template = body(MEMBERS);
    for rule in &configuration.rules {
        let path = rule.path.decoded();
        if path == "/" {
            notes.push("a [[rule]] covers the whole site: put `include cloakroom/protect.conf;` into its `location / { … }`".to_owned());
            continue;
        }
        let block = |location: &str| -> Result<String, Unsayable> {
            let word = words::nginx(location.trim_start_matches("= ").trim_start_matches("^~ "))?;
            let modifier = if location.starts_with('=') { "=" } else { "^~" };
            Ok(fill(template, &[("^~ /members/", &format!("{modifier} {word}"))]))
        };
        let below = if path.ends_with('/') { vec![format!("^~ {path}")] } else { vec![format!("= {path}"), format!("^~ {path}/")] };
        for location in below {
            if !made.is_empty() {
                made.push('\n');
            }
            made.push_str(&block(&location)?);
        }
    }
    Ok((!configuration.rules.is_empty()).then_some(made))
}

/// `directory-NAME.conf`.
fn public(configuration: &Configuration, directory: &Directory) -> Result<String, Unsayable> {
    let has_stubs = configuration.storages.iter().any(|storage| storage.stub.as_ref() == Some(&directory.name));
    let path = format!("{}/", of_path(&directory.path)?.trim_end_matches('/'));
    let (quoted, url) = (words::nginx(&path)?, directory.url.path.as_str());
    let template = if has_stubs { body(PUB) } else { body(GOODS) };
    let text = match &directory.credentials {
        Some(_) if !has_stubs => template.to_owned(),
        Some(_) => {
            let asks = cut(body(GOODS), "auth_basic ", "auth_basic_user_file");
            let there = cut(template, "auth_request off;", "auth_request off;");
            [there.before, there.part, asks.part, there.after].concat()
        }
        None => {
            let there = cut(template, "# Without `htpasswd`", "auth_basic_user_file");
            [there.before, there.after.trim_start_matches('\n')].concat()
        }
    };
    let text = reporting(&text, configuration)?;
    // `from=` is glued to its path: the whole argument stands in quotes, or nothing does.
    let from = words::nginx(&format!("from={path}"))?;
    let htpasswd = directory.credentials.as_ref().map_or(Ok(""), |credentials| of_path(&credentials.htpasswd))?;
    Ok(fill(
        &text,
        &[
            ("/var/lib/cloakroom-htpasswd/goods", &words::nginx(htpasswd)?),
            ("from=/srv/www/goods/", &from),
            ("/srv/www/pub/", &quoted),
            ("/srv/www/goods/", &quoted),
            ("^~ /pub/", &format!("^~ {url}")),
            ("^~ /goods/", &format!("^~ {url}")),
        ],
    ))
}

//! Zen Cart's links as a customer sees them: two are made as the shop makes them, with and without a dot in front, to a file of
//! their own beside the masters. Everything that is planted goes again, whatever happens.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::finding::{Finding, or_ok};
use super::live::{Visit, shown};
use super::public_live::{LOOK, LOOKS, end_of};
use super::public_planted::{as_in, content};
use super::zen_cart::folders;
use super::zen_cart_shop::Shop;
use crate::clock;
use crate::config::{Feed, ZenCart};
use crate::domain::probe;
use crate::random;

const CHECK: &str = "zen-cart-live";

/// Zen Cart names a link so, or with a dot in front.
const LETTERS: usize = 18;

/// A name that Zen Cart's own rules for web servers let pass, and one that they do not.
const LEAF: &str = "check.zip";
const RUN: &str = "check.php";

/// What was planted. It goes with this value.
struct Planted {
    bytes: Vec<u8>,
    plain: String,
    dotted: String,
    /// Removed from the last to the first.
    made: Vec<PathBuf>,
}

impl Drop for Planted {
    fn drop(&mut self) {
        for path in self.made.drain(..).rev() {
            // The daemon may have been there before.
            let _ = if path.is_dir() && !path.is_symlink() { fs::remove_dir(&path) } else { fs::remove_file(&path) };
        }
    }
}

impl Planted {
    fn plant(public: &Path, masters: &Path) -> io::Result<Self> {
        let letters: String = random::bytes::<LETTERS>().iter().map(|byte| char::from(b'a' + byte % 26)).collect();
        let plain = format!("{letters}-{}", clock::now().seconds());
        let mut planted = Self { bytes: content().into_bytes(), dotted: format!(".{plain}"), plain, made: Vec::new() };
        let master = masters.join(format!("{}.zip", probe::name(clock::now(), random::bytes())));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&master)?;
        planted.made.push(master.clone());
        file.write_all(&planted.bytes)?;
        as_in(masters, &master, 0o644)?;
        for name in [planted.plain.clone(), planted.dotted.clone()] {
            let directory = public.join(&name);
            DirBuilder::new().mode(0o777).create(&directory)?;
            planted.made.push(directory.clone());
            as_in(public, &directory, 0o777)?;
            for leaf in [LEAF, RUN] {
                let link = directory.join(leaf);
                symlink(&master, &link)?;
                planted.made.push(link);
            }
        }
        Ok(planted)
    }

    /// The names open a file while they are there, and are not for the screen.
    fn hidden(&self, text: &str) -> String {
        text.replace(&self.plain, "<link>")
    }
}

/// All of Zen Cart's directories.
pub(super) async fn look(visit: &mut Visit<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for entry in &visit.configuration.zen_carts {
        found.extend(one(visit, entry).await);
    }
    found
}

async fn one(visit: &mut Visit<'_>, entry: &ZenCart) -> Vec<Finding> {
    let path = entry.path.display();
    let not_asked = |why: String| vec![Finding::not_asked(CHECK, format!("Zen Cart's links in {path} were not tried: {why}"))];
    let Some(url) = &entry.url else { return not_asked("its [[zen_cart]] has no `url`".to_owned()) };
    if url.origin != visit.configuration.public_url.origin {
        return not_asked(format!("they are served by {}", url.origin));
    }
    let shop = Shop::around(&entry.path).ok();
    let folders = folders(entry, shop.as_ref());
    let Some(masters) = folders.first() else { return not_asked("nobody says where the masters lie: no link is there now".to_owned()) };
    let planted = match Planted::plant(&entry.path, masters) {
        Ok(planted) => planted,
        Err(why) => return not_asked(format!("nothing can be planted in {} and there: {why}", masters.display())),
    };
    let mut wrong = Vec::new();
    let is_dotless = shop.as_ref().is_some_and(|shop| shop.is_dotless);
    match served(visit, &planted, &url.path, &planted.plain).await {
        Some(fault) => wrong.push(fault),
        None if !is_dotless => wrong.extend(dotted(visit, &planted, &url.path, shop.as_ref()).await),
        None => {}
    }
    let is_served = wrong.is_empty();
    wrong.extend(run(visit, &planted, &url.path).await);
    wrong.extend(listed(visit, &planted, &url.path).await);
    if is_served {
        wrong.extend(told(visit, &planted, &url.path).await);
    }
    let says = format!("{path}: a link made as Zen Cart makes them came as it is; none is run or listed");
    or_ok(CHECK, says, wrong)
}

/// Every byte of the file.
async fn served(visit: &mut Visit<'_>, planted: &Planted, url: &str, name: &str) -> Option<Finding> {
    let target = format!("{url}{name}/{LEAF}");
    let asked = visit.get(&target, &[("accept-encoding", "gzip, deflate, br")]).await;
    let at = format!("the location of {url}");
    let said = planted.hidden(&shown("GET", &target, &asked));
    let fault = |says: &str| Finding::fault(CHECK, says).found(&said).right("200 and the file");
    match &asked {
        Ok(answer) if answer.status == 200 && *answer.body == *planted.bytes => None,
        Ok(answer) if answer.status == 200 => {
            Some(fault("the file behind a link of Zen Cart's is changed on its way").add("gzip off;", at))
        }
        Ok(answer) if answer.status == 403 => {
            Some(fault("the web server does not follow Zen Cart's links: customers see 403").add("disable_symlinks off;", at))
        }
        _ => Some(fault("a link of Zen Cart's does not lead to its file").run("tail -n 5 /var/log/nginx/error.log")),
    }
}

/// With a dot in front of its name, as Zen Cart makes it where nothing else is said.
async fn dotted(visit: &mut Visit<'_>, planted: &Planted, url: &str, shop: Option<&Shop>) -> Option<Finding> {
    let fault = served(visit, planted, url, &planted.dotted).await?;
    let says = "the web server refuses names that begin with a dot, and Zen Cart's links do: customers see an error";
    let place = shop.map_or_else(
        || "includes/extra_configures/cloakroom.php of the shop".to_owned(),
        |shop| shop.root.join("includes/extra_configures/cloakroom.php").display().to_string(),
    );
    let found = fault.found.unwrap_or_default();
    let right = "names without a dot, or a web server that serves them";
    Some(Finding::fault(CHECK, says).found(found).right(right).add("define('DOWNLOADS_SKIP_DOT_PREFIX_ON_REDIRECT', true);", place))
}

/// Nothing there is a program.
async fn run(visit: &mut Visit<'_>, planted: &Planted, url: &str) -> Option<Finding> {
    let target = format!("{url}{}/{RUN}", planted.plain);
    let asked = visit.get(&target, &[]).await;
    let is_run = asked.as_ref().is_ok_and(|answer| matches!(answer.status, 200 | 500..=599) && *answer.body != *planted.bytes);
    let fault = || Finding::fault(CHECK, "a file that customers buy is run on this server, if its name ends with .php");
    let at = format!("the location of {url}");
    is_run.then(|| {
        fault()
            .found(planted.hidden(&shown("GET", &target, &asked)))
            .right("403, or the bytes of the file")
            .replace(format!("location ^~ {url} {{"), at)
    })
}

/// Nobody sees the names.
async fn listed(visit: &mut Visit<'_>, planted: &Planted, url: &str) -> Option<Finding> {
    let asked = visit.get(url, &[]).await;
    let shows = asked.as_ref().is_ok_and(|answer| String::from_utf8_lossy(&answer.body).contains(&planted.plain));
    let fault = || Finding::fault(CHECK, "everybody sees the names of Zen Cart's links, and each name opens its file");
    shows.then(|| {
        fault()
            .found(planted.hidden(&shown("GET", url, &asked)))
            .right("403 or 404")
            .add("autoindex off;", format!("the location of {url}"))
    })
}

/// What was asked for stands in the report.
async fn told(visit: &Visit<'_>, planted: &Planted, url: &str) -> Option<Finding> {
    let Some(Feed::AccessLog(log)) = &visit.configuration.feed else { return None };
    for _ in 0..LOOKS {
        match end_of(log) {
            Ok(end) if end.contains(&planted.plain) => return None,
            // Another user's log is looked at by another check.
            Err(_) => return None,
            Ok(_) => tokio::time::sleep(LOOK).await,
        }
    }
    let says = "requests for Zen Cart's links are not reported: each goes by its age, and by who reads its file";
    let line = format!("access_log {} cloakroom_public;", log.display());
    let found = format!("no line about them at the end of {}", log.display());
    Some(Finding::warning(CHECK, says).found(found).right("a line for each request").add(line, format!("the location of {url}")))
}

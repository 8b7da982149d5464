//! What Apache opens is what was asked about: an address that the site's own configuration leads elsewhere is refused, and
//! one that means the same file passes, however Apache comes to it. Nothing leads to the masters but a hand-off.

use std::fs;
use std::os::unix::fs::symlink;

use crate::servers::apache::{ApacheSetup, Downloads, Members};
use crate::servers::site::{ApacheSite, content};
use crate::table::seen;

/// What a site may have in its configuration. `{home}` is the directory of the site.
const HOST: &str = r#"
  DirectoryIndex index.html
  Alias "/members/goods/" "{home}/shelf/"
  Alias "/members/one.zip" "{home}/shelf/two.zip"
  AliasMatch "^/members/matched/(.*)$" "{home}/shelf/$1"
  ScriptAlias "/members/run/" "{home}/shelf/"
  <Directory "{home}/shelf">
    Require all granted
  </Directory>
  Redirect "/members/moved.zip" "/members/a.zip"
  RewriteEngine On
  RewriteRule "^/members/front/(.*)$" "/members/front.txt" [PT]
  RewriteRule "^/members/same.zip$" "/members/same.zip" [PT]
  RewriteRule "^/free/(.*)$" "/members/$1" [PT]
  RewriteRule "^/file/(.*)$" "{home}/www/members/$1"
  RewriteRule "^/members/toadmin.zip$" "{home}/www/members/a.zip"
  RewriteRule "^/members/proxied/(.*)$" "http://127.0.0.1:{port}/members/$1" [P]
  ErrorDocument 404 /members/error.zip
  ErrorDocument 410 /_cloakroom/masters/a.zip
  Redirect gone /gone.zip
  <Location "/members/many/">
    Options +MultiViews
  </Location>
  <Location "/denied/">
    ErrorDocument 403 /_cloakroom/masters/a.zip
    Require all denied
  </Location>
  RewriteRule "^/inner/(.*)$" "/_cloakroom/masters/$1" [PT]
  RewriteRule "^/members/inner/(.*)$" "/_cloakroom/masters/$1" [PT]
  RewriteRule "^/round/(.*)$" "/_cloakroom/masters/$1" [PT,E=CLOAKROOM_SECRET:guessed]
"#;

/// The same from `.htaccess`, where a directory's owner writes it.
const HTACCESS: &str = r#"
RewriteEngine On
RewriteRule "^rewritten/(.*)$" "a.zip" [L]
RewriteRule "^inside/(.*)$" "/_cloakroom/masters/$1" [L]
RewriteRule "^insidewith/(.*)$" "/_cloakroom/masters/$1" [L,E=CLOAKROOM_SECRET:${CLOAKROOM_SECRET}]
RewriteRule "^insideby/(.*)$" "/_cloakroom/masters/$1" [L,E=CLOAKROOM_SECRET:%{reqenv:CLOAKROOM_SECRET}]
SetEnvIfExpr true CLOAKROOM_SECRET=${CLOAKROOM_SECRET}
RewriteCond %{REQUEST_FILENAME} !-f
RewriteRule "^shop/.*$" "front.txt" [L]
ErrorDocument 403 /_cloakroom/masters/a.zip
ErrorDocument 404 /_cloakroom/masters/a.zip
"#;

/// What is not at the place that was asked for.
fn other() -> Vec<u8> {
    content(3000).split_off(2200)
}

fn site(members: Members, bytes: &[u8]) -> ApacheSite {
    let setup = ApacheSetup {
        host: HOST.to_owned(),
        members,
        downloads: Downloads::Scgi,
        modules: &["rewrite", "proxy_http"],
        ..ApacheSetup::default()
    };
    let site = ApacheSite::around(&setup, "");
    let other = other();
    for (name, bytes) in [
        ("members/a.zip", bytes),
        ("members/same.zip", bytes),
        ("members/set/index.html", bytes),
        ("members/front.txt", &other),
        ("members/error.zip", &other),
        ("members/many/a.zip", &other),
        ("members/many/b.html.en", &other),
        ("members/shop/real.zip", bytes),
    ] {
        site.page(name, bytes);
    }
    let home = site.apache.home().to_owned();
    fs::create_dir(home.join("shelf")).unwrap();
    for (name, bytes) in [("shelf/a.zip", bytes), ("shelf/two.zip", &other), ("www/members/inner.zip", &other)] {
        fs::write(home.join(name), bytes).unwrap();
    }
    site.master("a.zip", &other);
    symlink("a.zip", home.join("www/members/link.zip")).unwrap();
    symlink(home.join("downloads/a.zip"), home.join("www/members/master.zip")).unwrap();
    fs::write(home.join("www/members/a.zip.txt"), &other).unwrap();
    site
}

/// There is nothing to explain.
const SAME: &str = "";
const ALIAS: &str = "a <Location> guards addresses, .htaccess the files of its directory: what an Alias leads elsewhere is not among them";
const FILE: &str = "a <Location> guards addresses, .htaccess files: what is rewritten to a file of the machine has another address";
const PROXY: &str = "a .htaccess does not hold for what is passed on, and the server that it is passed on to asks for itself";
const ERROR: &str = "the error page that the site's configuration names, within what the proof has opened";
const OWNER: &str = "what the owner of the directory says in .htaccess that the address means: rewritten there after the question";

/// Path; what comes with its proof and without, guarded by a `<Location>` and by `.htaccess`; why they differ.
type Row = (&'static str, [&'static str; 2], [&'static str; 2], &'static str);

const ROWS: &[Row] = &[
    ("/members/a.zip", ["200 whole", "401 no_proof"], ["200 whole", "401 no_proof"], SAME),
    ("/members/goods/a.zip", ["200 whole", "401 no_proof"], ["200 whole", "200 whole"], ALIAS),
    ("/members/one.zip", ["400 bad_request", "400 bad_request"], ["200 other", "200 other"], ALIAS),
    ("/members/matched/a.zip", ["400 bad_request", "400 bad_request"], ["200 whole", "200 whole"], ALIAS),
    ("/members/run/a.zip", ["200 whole", "401 no_proof"], ["200 whole", "200 whole"], ALIAS),
    ("/file/a.zip", ["200 whole", "200 whole"], ["400 bad_request", "400 bad_request"], FILE),
    ("/members/same.zip", ["200 whole", "401 no_proof"], ["200 whole", "401 no_proof"], SAME),
    ("/members/link.zip", ["200 whole", "401 no_proof"], ["200 whole", "401 no_proof"], SAME),
    ("/members/set/", ["200 whole", "401 no_proof"], ["200 whole", "401 no_proof"], SAME),
    ("/members/set", ["301", "401 no_proof"], ["301", "401 no_proof"], SAME),
    ("/members/", ["403", "401 no_proof"], ["403", "401 no_proof"], SAME),
    ("/members/shop/real.zip", ["200 whole", "401 no_proof"], ["200 whole", "401 no_proof"], SAME),
    ("/members/moved.zip", ["302", "302"], ["302", "302"], SAME),
    ("/members/front/x", ["400 bad_request", "400 bad_request"], ["400 bad_request", "400 bad_request"], SAME),
    ("/free/a.zip", ["400 bad_request", "400 bad_request"], ["400 bad_request", "400 bad_request"], SAME),
    ("/members/toadmin.zip", ["400 bad_request", "400 bad_request"], ["400 bad_request", "400 bad_request"], SAME),
    ("/members/proxied/a.zip", ["400 bad_request", "400 bad_request"], ["403 bad_proof", "401 no_proof"], PROXY),
    ("/members/many/a", ["404 bad_request", "401 no_proof"], ["404", "401 no_proof"], ERROR),
    ("/members/many/b.html", ["404 bad_request", "401 no_proof"], ["404", "401 no_proof"], ERROR),
    ("/members/none.zip", ["404 other", "401 no_proof"], ["404", "401 no_proof"], ERROR),
    ("/members/none/x/y.zip", ["404 other", "401 no_proof"], ["404", "401 no_proof"], ERROR),
    ("/members/a.zip/more", ["404 other", "401 no_proof"], ["404", "401 no_proof"], ERROR),
    ("/members/A.zip", ["404 other", "401 no_proof"], ["404", "401 no_proof"], ERROR),
    ("/members/rewritten/x", ["404 other", "401 no_proof"], ["200 whole", "401 no_proof"], OWNER),
    ("/members/shop/none.zip", ["404 other", "401 no_proof"], ["200 other", "401 no_proof"], OWNER),
    ("/members/master.zip", ["200 other", "401 no_proof"], ["200 other", "401 no_proof"], SAME),
    ("/members/inside/a.zip", ["404 other", "401 no_proof"], ["403", "401 no_proof"], OWNER),
    ("/members/insideby/a.zip", ["404 other", "401 no_proof"], ["403", "401 no_proof"], OWNER),
    ("/members/insidewith/a.zip", ["404 other", "401 no_proof"], ["403", "401 no_proof"], OWNER),
    ("/inner/a.zip", ["403", "403"], ["403", "403"], SAME),
    ("/members/inner/a.zip", ["403", "403"], ["403", "403"], SAME),
    ("/round/a.zip", ["403", "403"], ["403", "403"], SAME),
    ("/gone.zip", ["410", "410"], ["410", "410"], SAME),
    ("/denied/x", ["403", "403"], ["403", "403"], SAME),
    ("/_cloakroom/masters/a.zip", ["403", "403"], ["403", "403"], SAME),
    ("/_cloakroom/", ["403", "403"], ["403", "403"], SAME),
    ("/_cloakroom/masters/", ["403", "403"], ["403", "403"], SAME),
    ("/_cloakroom/authorize", ["403", "403"], ["403", "403"], SAME),
    ("//_cloakroom/masters/a.zip", ["403", "403"], ["403", "403"], SAME),
    ("/_cloakroom//masters/a.zip", ["403", "403"], ["403", "403"], SAME),
    ("/members/../_cloakroom/masters/a.zip", ["403", "403"], ["403", "403"], SAME),
    ("/dl/../_cloakroom/masters/a.zip", ["403", "403"], ["403", "403"], SAME),
    ("/%5fcloakroom/masters/a.zip", ["403", "403"], ["403", "403"], SAME),
];

#[test]
fn only_what_was_asked_about_is_opened_wherever_the_site_leads() {
    let (bytes, other) = (content(2000), other());
    let (mut faults, mut seen_rows) = (Vec::new(), 0);
    for members in [Members::Location, Members::Htaccess] {
        let site = site(members, &bytes);
        if members == Members::Htaccess {
            let path = site.root.join("members/.htaccess");
            let text = fs::read_to_string(&path).unwrap();
            fs::write(path, text + HTACCESS).unwrap();
        }
        for (path, by_location, by_htaccess, why) in ROWS {
            let expected = if members == Members::Location { by_location } else { by_htaccess };
            assert_eq!(*why == SAME, by_location == by_htaccess, "{path}");
            let exp = cloakroom::clock::now().seconds() + 3600;
            for (target, expected) in [site.mint(path, &format!("kid=main&exp={exp}")), (*path).to_owned()].iter().zip(expected) {
                let answer = site.get(target);
                let found = if answer.body == other { format!("{} other", answer.status) } else { seen(&answer, &bytes, false) };
                if found != *expected {
                    faults.push(format!("{members:?} {path}: {found}, expected {expected}"));
                }
                seen_rows += 1;
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(seen_rows >= 160, "{seen_rows}");
}

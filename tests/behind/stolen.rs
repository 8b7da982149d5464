//! Who may write a `.htaccess` on a site, and so can read what Apache says to Cloakroom, gets nothing by it but what is his; a
//! rule for the whole site opens no masters; and no page of the site is told the secret.

use std::fs;

use crate::servers::apache::{ApacheSetup, Downloads};
use crate::servers::site::{ApacheSite, content};

/// What a site may allow, and more than it should.
const HOST: &str = r#"
  <DirectoryMatch "/www/(evil|worse|members)">
    AllowOverride All
    Options +Includes +FollowSymLinks
    AddOutputFilter INCLUDES .shtml
    Require all granted
  </DirectoryMatch>
"#;

/// All that leads elsewhere, and all that it could say of itself.
const EVIL: &str = r#"
SetEnvIfExpr true CLOAKROOM_SECRET=${CLOAKROOM_SECRET} CLOAKROOM_HANDOFF=${CLOAKROOM_SECRET}
RewriteEngine On
RewriteRule "^x.txt$" "/_cloakroom/masters/a.zip" [L]
RewriteRule "^y.txt$" "/_cloakroom/masters/a.zip" [L,E=CLOAKROOM_HANDOFF:${CLOAKROOM_SECRET}]
ErrorDocument 404 /_cloakroom/masters/a.zip
DirectoryIndex /_cloakroom/masters/a.zip
"#;

const WORSE: &str = "SetEnvIfExpr true CLOAKROOM_HANDOFF=${CLOAKROOM_SECRET}\nFallbackResource /_cloakroom/masters/a.zip\n";

const TARGETS: [&str; 20] = [
    "/evil/",
    "/evil/x.txt",
    "/evil/y.txt",
    "/evil/none",
    "/evil/page.shtml",
    "/worse/x",
    "/dl/../evil/",
    "/dl/../evil/x.txt",
    "/dl/../evil/y.txt",
    "/dl/../worse/x",
    "/dl/%2e%2e/evil/x.txt",
    "/dl/%2E%2e/evil/",
    "/dl/.%2e/evil/y.txt",
    "/dl/%2e./evil/y.txt",
    "/dl/x/../../evil/x.txt",
    "//dl/../evil/",
    "/dl/./../evil/x.txt",
    "/evil/x.txt?/dl/",
    "/_cloakroom/masters/a.zip",
    "/dl/../_cloakroom/masters/a.zip",
];

#[test]
fn no_htaccess_leads_to_the_masters_whatever_it_knows() {
    let master = content(3000);
    for downloads in [Downloads::Scgi, Downloads::RewriteMap] {
        for instead in [&[][..], &[("<Location \"/members/\">", "<Location \"/\">")]] {
            let setup =
                ApacheSetup { host: HOST.to_owned(), downloads, modules: &["rewrite", "include"], instead, ..ApacheSetup::default() };
            let site = ApacheSite::around(&setup, "");
            site.master("a.zip", &master);
            for (name, text) in [("evil/.htaccess", EVIL), ("worse/.htaccess", WORSE)] {
                site.page(name, text.as_bytes());
            }
            site.page("evil/page.shtml", b"<!--#include virtual=\"/_cloakroom/masters/a.zip\" -->");
            for target in TARGETS {
                for method in ["GET", "POST", "HEAD"] {
                    let answer = site.ask(method, target, &[]);
                    let is_master = answer.body.windows(16).any(|window| window == &master[..16]);
                    let length = answer.header("Content-Length") == Some("3000");
                    assert!(!is_master && !length, "{downloads:?} {instead:?} {method} {target}: {}", answer.status);
                }
            }
            if instead.is_empty() {
                assert_eq!(site.get(&site.sign("masters/a.zip", &[])).body, master, "{downloads:?}: a hand-off is one still");
            }
        }
    }
}

#[test]
fn no_page_of_the_site_is_told_the_secret() {
    let host = format!(
        "{HOST}\n  ErrorDocument 401 /err/page.shtml\n  ErrorDocument 404 /err/page.shtml\n  ErrorDocument 500 /err/page.shtml\n  <Directory \"{{home}}/www/err\">\n    Options +Includes\n    AddOutputFilter INCLUDES .shtml\n    Require all granted\n  </Directory>\n"
    );
    let setup = ApacheSetup { host, modules: &["include"], ..ApacheSetup::default() };
    let mut site = ApacheSite::around(&setup, "");
    let printed = b"printed: <!--#printenv -->";
    site.page("members/page.shtml", printed);
    site.page("err/page.shtml", printed);
    let secret = fs::read_to_string(site.apache.secret()).unwrap();
    let query = format!("kid=main&exp={}", cloakroom::clock::now().seconds() + 3600);
    let told = |site: &ApacheSite, path: &str| {
        let text = site.get(&site.mint(path, &query)).text();
        assert!(text.contains("printed: ") && !text.contains(secret.trim()), "{path}: {text}");
        text
    };
    assert!(told(&site, "/members/page.shtml").contains("UNIQUE_ID="), "it prints what it is told");
    assert!(told(&site, "/members/none.shtml").contains("REDIRECT_STATUS=404"));
    assert!(site.cloakroom.stop());
    assert!(told(&site, "/members/page.shtml").contains("REDIRECT_STATUS=500"));
}

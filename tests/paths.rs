//! What we take a path for is what Nginx, Apache and lighttpd open for it.
//!
//! Some hundred hostile request targets are sent, byte for byte, to the three real servers. Of a target that
//! `CanonicalPath` accepts all three must open the very file that it names, and nothing else. What it refuses may differ.
//! `tests/golden/paths/canonical.tsv` holds the verdict on each target, for others to test their own signers with;
//! `CLOAKROOM_BLESS=1` writes it anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::format_collect, missing_docs)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cloakroom::domain::path::{CanonicalPath, read_target};
use tempfile::TempDir;

const GOLDEN: &str = "tests/golden/paths/canonical.tsv";
const SECRET: &str = "nobody may see this";

/// Files below the root; each one's content is its own name.
const FILES: &str = r#"
/secret.txt /a.zip /host/dl/a.zip /http:/shop.example/dl/a.zip /dl/a.zip /dl/A.ZIP /dl/sub/deep/x.txt /dl/trail. /dl/a+b.zip
/dl/a%20b.zip /dl/%2e%2e /dl/%2e%2e%2fsecret.txt /dl/100% /dl/ü.zip /dl/日本語.zip /dl/🎵.zip /dl/a;b.zip /dl/..;/secret.txt
/dl;v=1/a.zip /dl../a.zip /dl/a?b.zip /dl/a#b.zip /dl/a:b /dl/a&b=c /dl/a'b /dl/a"b /dl/a*b /dl/(a) /dl/[a] /dl/{a} /dl/a|b
/dl/a^b /dl/a`b /dl/<a> /dl/a$b /dl/a!b /dl/a@b /dl/a,b /dl/~a /dl/a~ /dl/-a_ /dl/.hidden /dl/.hidden.d/x /dl/... /dl/..a /dl/a..
/dl/..../secret.txt /dl/a\b.zip /dl/..\secret.txt
"#;

/// The same, of names that cannot stand in such a list.
const ODD_FILES: [&str; 8] =
    ["/dl/a b.zip", "/dl/ lead", "/dl/trail ", "/dl/u\u{308}.zip", "/dl/a\nb", "/dl/a\u{85}b", "/dl/a\u{202e}b", "/dl/ /a.zip"];

fn files() -> impl Iterator<Item = &'static str> {
    FILES.split_whitespace().chain(ODD_FILES)
}

/// What stands where `..` could.
const DOTS: &str = r"
. .. %2e %2E %2e%2e %2E%2e .%2e %2e. %252e%252e %25252e ..%00 %00.. .%00. ..; ..;a=b ..%3b ..%20 %20.. ..%09 ..%0d ... ....
%2e%2e%2e ..%c0%ae %c0%ae%c0%ae %e0%80%ae%e0%80%ae %f0%80%80%ae %u002e%u002e %ff%fe.. ．． %ef%bc%8e%ef%bc%8e ..\ ..%5c ..%2f ..%2F
..%252f %%32e ..~ ..: ..|
";

/// What stands where `/` could.
const SEPARATORS: &str = r"
/ // //////// %2f %2F /%2f %2f/ %5c %5C \ /\ %252f %c0%af %e0%80%af ∕ %e2%88%95 ／ %u2215 %u002f ;/ /; /;/ %00/ /%00 /%20/ %20/ ?/
#/ %23/ %3f/ %0a/ %7f/ +/ :/ @/ /./ /../
";

/// One of a kind.
const TARGETS: &str = r"
/ * dl/a.zip ? # %2fdl/a.zip http://shop.example/dl/a.zip HTTP://shop.example/dl/a.zip http://shop.example/../secret.txt
https://shop.example/dl/a.zip http:/dl/a.zip http:///dl/a.zip file:///etc/passwd shop.example:80 //host/dl/a.zip ///host/dl/a.zip
//../secret.txt //shop.example@host/dl/a.zip /http://shop.example/dl/a.zip /dl/a.zip? /dl/a.zip?x=/../secret.txt /dl/a.zip?a?b
/dl/a.zip?a#b /dl/a.zip# /dl/a.zip#/../../secret.txt /#/../secret.txt /dl/a.zip%3f /dl/a.zip%3Fx=1 /dl/a.zip%23x /dl/a.zip%
/dl/a.zip%2 /dl/a.zip%zz /dl/a.zip%-1 /dl/a.zip%+1 /dl/a.zip%u0061 /dl/a.zip%00 /dl/a.zip%00.txt /dl/a.zip%0a
/dl/a.zip%0d%0aX:%20y /dl/a.zip%09 /dl/a.zip%1f /dl/a.zip%7f /dl/a.zip%80 /dl/a.zip%c3 /dl/%c3%28 /dl/%ed%a0%80 /dl/%f4%90%80%80
/dl/%fe%ff /dl/a.zip. /dl/a.zip.. /dl/a.zip%20 /dl/a.zip+ /dl/a.zip; /dl/a.zip;v=1 /dl/a.zip::$DATA /dl/a.zip~1 /dl/a.zip/
/dl/a.zip// /dl/a.zip/x /dl/a.zip/. /dl/A.zip /DL/a.zip /dl/%61.zip /%64%6c/a.zip /dl/%6 /dl /dl/ /dl/sub /dl/sub/ /dl/sub/deep
/dl/sub/deep/y /dl.. /dl../ /dl../secret.txt /dl.../secret.txt /~root/ /%7eroot /dl/%e2%80%ae /root/../../secret.txt
/../root/dl/a.zip /dl/$uri /dl/${HOME} /dl/%24uri /dl/%(a) /dl/{{a}} /dl/* /dl/? /dl/[a-z].zip
";

/// A web server of this test.
struct Server {
    name: &'static str,
    address: SocketAddr,
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts `program` with a configuration made by `configure` from directory, root and port.
    fn start(name: &'static str, program: &str, arguments: &[&str], home: &Path, configure: fn(&Path, u16) -> String) -> Self {
        // Between finding a free port and listening on it, another process may take it.
        for _ in 0..5 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port").local_addr().expect("an address").port();
            let file = home.join(format!("{name}.conf"));
            fs::write(&file, configure(home, port)).expect("a configuration");
            let log = fs::File::create(home.join(format!("{name}.out"))).expect("a log");
            let child = Command::new(program)
                .args(arguments)
                .arg(&file)
                .stdin(Stdio::null())
                .stdout(log.try_clone().expect("a log"))
                .stderr(log)
                .spawn()
                .unwrap_or_else(|fault| panic!("{program} must be installed: {fault}"));
            let mut server = Self { name, address: (Ipv4Addr::LOCALHOST, port).into(), child };
            if server.is_up() {
                return server;
            }
        }
        let said = |end: &str| fs::read_to_string(home.join(format!("{name}.{end}"))).unwrap_or_default();
        panic!("{program} does not start: {}{}", said("out"), said("log"));
    }

    fn is_up(&mut self) -> bool {
        for _ in 0..1000 {
            if TcpStream::connect(self.address).is_ok() {
                return self.get(b"/dl/a.zip") == Answer { status: 200, body: "/dl/a.zip".into() };
            }
            if self.child.try_wait().expect("a state").is_some() {
                return false;
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        false
    }

    /// Sends `target` as it is. A server that answers nothing has status 0.
    fn get(&self, target: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
        let request = [b"GET ", target, b" HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n"].concat();
        // A server may answer and close before it has read a target that it does not like.
        let _ = stream.write_all(&request);
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Answer { status, body: body.to_owned() }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    body: String,
}

fn nginx(home: &Path, port: u16) -> String {
    let home = home.display();
    let temporary: String =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].iter().map(|kind| format!("{kind}_temp_path {home}/{kind};\n")).collect();
    format!(
        "daemon off; master_process off; pid {home}/nginx.pid; error_log {home}/nginx.log;\nevents {{}}\nhttp {{ access_log off;\n{temporary}\
         server {{ listen 127.0.0.1:{port}; server_name shop.example; root {home}/root; }} }}\n"
    )
}

fn apache(home: &Path, port: u16) -> String {
    let home = home.display();
    let modules: String = ["mpm_event", "authz_core", "dir"]
        .iter()
        .map(|module| format!("LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so\n"))
        .collect();
    format!(
        "{modules}ServerRoot {home}\nServerName shop.example\nListen 127.0.0.1:{port}\nDefaultRuntimeDir {home}\nPidFile {home}/apache.pid\n\
         User www-data\nGroup www-data\nErrorLog {home}/apache.log\nDocumentRoot {home}/root\n\
         <Directory {home}/root>\nRequire all granted\n</Directory>\n"
    )
}

fn lighttpd(home: &Path, port: u16) -> String {
    let home = home.display();
    // Without the last line it opens `/a.zip` for `/a.zip/x`; the shipped configuration has it too.
    format!(
        "server.document-root = \"{home}/root\"\nserver.bind = \"127.0.0.1\"\nserver.port = {port}\nserver.errorlog = \"{home}/lighttpd.log\"\n\
         server.upload-dirs = (\"{home}\")\nstatic-file.disable-pathinfo = \"enable\"\n"
    )
}

/// The tree: `root` is public, `secret.txt` beside it is not.
fn tree() -> TempDir {
    let home = TempDir::new().expect("a directory");
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).expect("readable");
    fs::write(home.path().join("secret.txt"), SECRET).expect("written");
    for file in files() {
        let path = home.path().join(format!("root{file}"));
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(&path, file).expect("written");
    }
    home
}

/// Every byte but `/` as `%xx`, or `%XX`.
fn escaped(text: &str, upper: bool) -> String {
    let escape = |byte: u8| if upper { format!("%{byte:02X}") } else { format!("%{byte:02x}") };
    text.bytes().map(|byte| if byte == b'/' { "/".to_owned() } else { escape(byte) }).collect()
}

fn targets() -> Vec<Vec<u8>> {
    let mut targets: Vec<Vec<u8>> = Vec::new();
    let mut add = |target: &[u8]| {
        if !targets.iter().any(|known| known == target) {
            targets.push(target.to_vec());
        }
    };
    for file in files() {
        add(file.as_bytes());
        for text in [escaped(file, false), escaped(file, true), format!("/{}", &escaped(file, true)), format!("{file}/")] {
            add(text.as_bytes());
        }
        // Twice encoded: names another file, or none.
        add(escaped(file, false).replace('%', "%25").as_bytes());
    }
    for dots in DOTS.split_whitespace() {
        for pattern in ["/dl/@/secret.txt", "/@/secret.txt", "/dl/@", "/dl//@//secret.txt", "/dl/@/@/@/@/@/@/@/@/etc/passwd"] {
            add(pattern.replace('@', dots).as_bytes());
        }
    }
    for separator in SEPARATORS.split_whitespace().chain(["/ /"]) {
        for pattern in ["/dl@a.zip", "/dl/..@secret.txt", "@dl@a.zip", "/dl/sub@deep@x.txt", "/dl/a.zip@"] {
            add(pattern.replace('@', separator).as_bytes());
        }
    }
    for target in TARGETS.split_whitespace().chain(["", "/dl/a.zip% 1", "/dl/\u{feff}a.zip", "/dl/\u{200b}a.zip"]) {
        add(target.as_bytes());
    }
    for target in
        [&b"/dl/\xff"[..], b"/dl/\xc3", b"/dl/\xc0\xae\xc0\xae/secret.txt", b"/dl/\x80a.zip", b"/dl/a\x7fb", b"/dl/\xfc.zip", b"/dl/a\x01b"]
    {
        add(target);
    }
    for (piece, count) in [
        ("a", 100),
        ("a", 255),
        ("a", 256),
        ("a", 3000),
        ("a", 4085),
        ("a", 7000),
        ("a/", 2000),
        ("%61", 1300),
        ("/", 3000),
        ("../", 1000),
        ("ü", 300),
        ("!", 1300),
    ] {
        add(format!("/dl/{}", piece.repeat(count)).as_bytes());
        add(format!("/dl/{}/a.zip", piece.repeat(count)).as_bytes());
    }
    targets
}

/// As a dialect reads a target.
fn read(target: &[u8]) -> Result<CanonicalPath, String> {
    let text = std::str::from_utf8(target).map_err(|fault| fault.to_string())?;
    read_target(text).map(|(path, _)| path).map_err(|fault| fault.to_string())
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

#[test]
fn an_accepted_path_is_the_file_that_all_three_servers_open() {
    let home = tree();
    let servers = [
        Server::start("nginx", "nginx", &["-e", "stderr", "-c"], home.path(), nginx),
        Server::start("apache", "apache2", &["-X", "-f"], home.path(), apache),
        Server::start("lighttpd", "lighttpd", &["-D", "-f"], home.path(), lighttpd),
    ];
    let (mut accepted, mut opened, mut refused, mut faults) = (0, 0, 0, Vec::new());
    let targets = targets();
    for target in &targets {
        let Ok(path) = read(target) else {
            refused += 1;
            continue;
        };
        accepted += 1;
        let file = home.path().join(format!("root{}", path.decoded()));
        let there = !path.decoded().ends_with('/') && file.is_file();
        opened += usize::from(there);
        for server in &servers {
            let Answer { status, body } = server.get(target);
            let good = match status {
                200 => there && body == path.decoded(),
                // A directory's address without its `/`.
                301 => file.is_dir(),
                // 403 is the word for a directory without index, for what would be below a file (lighttpd), and for names
                // that are too long (Apache).
                403 | 404 => !there,
                _ => false,
            };
            if !good || body.contains(SECRET) {
                let [target, path, body] = [&String::from_utf8_lossy(target), path.decoded(), &body].map(shortened);
                faults.push(format!("{}: {target:?} is {path:?}, but got {status} {body:?}", server.name));
            }
        }
    }
    println!("{} targets, {accepted} accepted, {opened} of them files, {refused} refused", targets.len());
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert!(targets.len() >= 300 && accepted >= 60 && opened >= 60 && refused >= 100);
}

#[test]
fn each_target_has_the_published_verdict() {
    let mut table = String::from("# target (bytes as \\xNN)\tcanonical path, or ! and the reason of its refusal\n");
    for target in targets().iter().filter(|target| target.len() < 200) {
        let verdict = read(target).map_or_else(|reason| format!("! {reason}"), |path| path.encoded().to_owned());
        table.extend([target.escape_ascii().to_string(), "\t".to_owned(), verdict, "\n".to_owned()]);
    }
    if std::env::var_os("CLOAKROOM_BLESS").is_some() {
        fs::write(GOLDEN, &table).expect("written");
    }
    let golden = fs::read_to_string(GOLDEN).expect("the golden file");
    assert!(golden.lines().count() > 300);
    for (new, old) in table.lines().zip(golden.lines()) {
        assert_eq!(new, old, "CLOAKROOM_BLESS=1 writes {GOLDEN} anew");
    }
    assert_eq!(table.lines().count(), golden.lines().count());
}

//! A real Nginx that reads what was written for it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::servers::cloakroom::Cloakroom;
use super::servers::http::ask;
use super::servers::{free_port, until};

/// Ends with this value.
struct Nginx(Child);

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        until("the end of nginx", || self.0.try_wait().unwrap());
    }
}

#[test]
fn what_is_written_serves_whatever_the_paths_are_called() {
    let bytes = b"the goods, ".repeat(200);
    let mut seen = 0;
    for (odd, path, handoff, by, feed) in [
        (" ä'\"{#;[1]*", "/dl/", "/_cloakroom/", "unix", "access_log"),
        ("", "/a.b/dl/", "/inner.x/", "tcp", "syslog"),
        (" \\x", "/dl/", "/_cloakroom/", "unix", "none"),
    ] {
        let home = tempfile::Builder::new().prefix("cloakroom-setup-").tempdir().unwrap();
        let (root, port) = (home.path(), free_port());
        fs::set_permissions(root, Permissions::from_mode(0o755)).unwrap();
        let name = |name: &str| root.join(format!("{name}{odd}"));
        for place in [name("one"), name("two"), name("pub"), root.join("run"), root.join("log"), root.join("www/members"), root.join("tmp")]
        {
            fs::create_dir_all(place).unwrap();
        }
        fs::set_permissions(name("pub"), Permissions::from_mode(0o2755)).unwrap();
        let quoted = |there: &str| serde_json::to_string(name(there).to_str().unwrap()).unwrap();
        let address = match by {
            "tcp" => format!("address = \"127.0.0.1:{}\"", free_port()),
            _ => format!("address = \"unix:{}/run/a b.sock\"\nmode = \"0666\"", root.display()),
        };
        let feed = match feed {
            "access_log" => format!("[feed]\naccess_log = \"{}/log/a b.log\"\n", root.display()),
            "syslog" => format!("[feed]\nsyslog = \"unix:{}/run/log.sock\"\nmode = \"0666\"\n", root.display()),
            _ => String::new(),
        };
        let toml = format!(
            "[[listener]]\n{address}\ndialect = \"nginx\"\n\n\
             [[storage]]\nname = \"one\"\npath = {}\nhandoff = \"{handoff}one/\"\nstub = \"pub\"\n\n\
             [[storage]]\nname = \"two\"\npath = {}\nhandoff = \"{handoff}two/\"\n\n\
             [[directory]]\nname = \"pub\"\npath = {}\nurl = \"/pub/\"\n\n\
             [[rule]]\npath = \"/members/\"\naccept = [\"signed-url\"]\n\n[[rule]]\npath = \"/one%20%7Bpage%7D.html\"\naccept = [\"signed-url\"]\n\n\
             [[policy]]\nname = \"default\"\n{unmeasured}\n[[policy]]\nname = \"stubs\"\nmethod = [\"stub\"]\n\n{feed}",
            quoted("one"),
            quoted("two"),
            quoted("pub"),
            unmeasured = "",
        );
        let daemon = Cloakroom::with(&format!("http://127.0.0.1:{port}{path}"), &toml);
        let made = root.join("conf it's");
        daemon.say(&["setup", "nginx", "--write", made.to_str().unwrap()]);
        let temporary: String = ["client_body", "proxy", "fastcgi", "scgi", "uwsgi"]
            .map(|what| format!("{what}_temp_path {}/tmp/{what};\n", root.display()))
            .concat();
        let main = root.join("nginx.conf");
        let text = format!(
            "user root;\ndaemon off;\npid {home}/run/nginx.pid;\nerror_log {home}/log/error.log;\nevents {{ }}\nhttp {{\n{temporary}access_log off;\n\
             include \"{made}/cloakroom.conf\";\nserver {{\nlisten 127.0.0.1:{port};\nroot {home}/www;\ngzip on;\ngzip_types *;\n\
             include \"{made}/vhost.conf\";\n}}\n}}\n",
            home = root.display(),
            made = made.display(),
        );
        fs::write(&main, text).unwrap();
        let nginx = || {
            let mut command = Command::new("nginx");
            command.arg("-p").arg(root).arg("-c").arg(&main).arg("-e").arg(root.join("log/error.log")).stdin(Stdio::null());
            command
        };
        let tested = nginx().arg("-t").output().expect("nginx is installed (tests/run does it)");
        assert!(tested.status.success(), "{odd}: {tested:?}");
        let running = Nginx(nginx().stderr(Stdio::null()).spawn().unwrap());
        until("nginx listens", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        let target = |url: &str| url.strip_prefix(&format!("http://127.0.0.1:{port}")).unwrap_or(url).to_owned();
        let serves = |target: &str, accepted: &str| {
            let answer = ask(port, "GET", target, &[("Accept-Encoding", accepted)]);
            let said = fs::read_to_string(root.join("log/error.log")).unwrap();
            assert!(answer.status == 200 && answer.body == bytes, "{odd} {target}: {} {said}", answer.status);
        };
        for storage in ["one", "two"] {
            fs::write(name(storage).join("a b.zip"), &bytes).unwrap();
            let url = daemon.sign(&format!("{storage}/a b.zip"));
            serves(&target(&url), "gzip");
            assert_eq!(ask(port, "GET", &target(url.split_once('?').unwrap().0), &[]).status, 401);
            assert_eq!(ask(port, "GET", &format!("{handoff}{storage}/a%20b.zip"), &[]).status, 404);
        }
        for (page, there) in [("members/a.html", "/members/a.html"), ("one {page}.html", "/one%20%7Bpage%7D.html")] {
            fs::write(root.join("www").join(page), &bytes).unwrap();
            assert_eq!(ask(port, "GET", there, &[]).status, 401, "{there}");
            serves(&target(&daemon.sign(&format!("/{page}"))), "identity");
        }
        let link = daemon.say(&["grant", "add", "--file", "one/a b.zip", "--policy", "stubs"]);
        let clicked = ask(port, "GET", &target(&link), &[]);
        assert_eq!(clicked.status, 303);
        serves(&target(clicked.header("Location").unwrap()), "gzip");
        if !feed.is_empty() {
            until("a completed delivery", || daemon.states().iter().any(|state| state == "completed").then_some(()));
        }
        drop(running);
        seen += 1;
    }
    assert_eq!(seen, 3);
}

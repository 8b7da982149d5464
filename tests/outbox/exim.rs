//! A real mail server, Debian's Exim: on loopback, out of a directory of its own, with a mailbox for each customer.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::receiver::certificates;
use crate::servers::{free_port, secrecy, until};

/// The password of the user `shop`.
pub(crate) const PASSWORD: &str = "a-password-of-the-shop";

/// How it takes mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// From everybody on loopback, without TLS.
    All,
    /// From who says STARTTLS and logs in.
    StartTls,
    /// From who speaks TLS from the first byte on and logs in.
    Tls,
}

/// The server. Mail to `nobody@customers.example` is refused for good, to `later@` for now; other mail to
/// `customers.example` arrives.
pub(crate) struct Exim {
    directory: TempDir,
    child: Option<Child>,
    pub(crate) port: u16,
    takes: Takes,
}

impl Exim {
    #[track_caller]
    pub(crate) fn open(takes: Takes) -> Self {
        let exim = Self { directory: TempDir::new().unwrap(), child: None, port: free_port(), takes };
        let root = exim.directory.path();
        certificates(root);
        for name in ["spool", "log", "box"] {
            fs::create_dir(root.join(name)).unwrap();
        }
        fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(root.join("exim.conf"), exim.configuration()).unwrap();
        // What root starts goes on as this user.
        if rustix::process::geteuid().is_root() {
            let mine = Command::new("chown").args(["-R", "Debian-exim"]).arg(root).status().unwrap();
            assert!(mine.success());
        }
        // Exim reads a configuration that others name only if root owns it, or as the user who runs it.
        let owner = if rustix::process::geteuid().is_root() { Some(0) } else { None };
        std::os::unix::fs::chown(root.join("exim.conf"), owner, None).unwrap();
        secrecy::learn_password(PASSWORD);
        exim
    }

    /// One that runs.
    #[track_caller]
    pub(crate) fn start(takes: Takes) -> Self {
        let mut exim = Self::open(takes);
        exim.run();
        exim
    }

    /// Starts it.
    #[track_caller]
    pub(crate) fn run(&mut self) {
        let root = self.directory.path();
        let (out, conf) = (File::create(root.join("out")).unwrap(), root.join("exim.conf"));
        let child =
            Command::new("exim4").arg("-C").arg(conf).arg("-bdf").stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out).spawn();
        self.child = Some(child.unwrap_or_else(|error| panic!("exim4 is installed (tests/run does it): {error}")));
        let port = self.port;
        until("Exim listens", || {
            assert!(
                self.child.as_mut().unwrap().try_wait().unwrap().is_none(),
                "{}",
                fs::read_to_string(self.directory.path().join("out")).unwrap()
            );
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
    }

    fn configuration(&self) -> String {
        let (root, port) = (self.directory.path().display(), self.port);
        let user = if rustix::process::geteuid().is_root() {
            "Debian-exim".to_owned()
        } else {
            String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap().trim().to_owned()
        };
        let tls = match self.takes {
            Takes::All => "tls_advertise_hosts =\n".to_owned(),
            Takes::StartTls | Takes::Tls => format!("tls_certificate = {root}/server.pem\ntls_privatekey = {root}/server.key\n"),
        };
        let at_once = if self.takes == Takes::Tls { format!("tls_on_connect_ports = {port}\n") } else { String::new() };
        let login = if self.takes == Takes::All { "" } else { "  deny !authenticated = *\n       message = log in first\n" };
        format!(
            "primary_hostname = mail.example\nspool_directory = {root}/spool\nlog_file_path = {root}/log/%slog\npid_file_path = {root}/pid\n\
             local_interfaces = 127.0.0.1\ndaemon_smtp_ports = {port}\n{at_once}{tls}domainlist local_domains = customers.example\n\
             acl_smtp_rcpt = rcpt\nacl_smtp_data = data\nnever_users =\nqualify_domain = customers.example\nhost_lookup =\n\
             rfc1413_query_timeout = 0s\nkeep_environment =\nbegin acl\nrcpt:\n{login}\
             \x20 deny local_parts = nobody\n       message = 5.1.1 there is nobody of this name\n\
             \x20 defer local_parts = later\n       message = 4.7.1 greylisted: come back later\n\
             \x20 accept domains = +local_domains\n  deny message = relay not permitted\ndata:\n  accept\n\
             begin routers\nall:\n  driver = accept\n  domains = +local_domains\n  local_parts = anna : bert\n  transport = box\n\
             begin transports\nbox:\n  driver = appendfile\n  file = {root}/box/$local_part_data\n  user = {user}\n  envelope_to_add\n  return_path_add\n\
             begin authenticators\nplain:\n  driver = plaintext\n  public_name = PLAIN\n  server_prompts = :\n  server_set_id = $auth2\n\
             \x20 server_advertise_condition = ${{if def:tls_cipher}}\n\
             \x20 server_condition = ${{if and{{{{eq{{$auth2}}{{shop}}}}{{eq{{$auth3}}{{{PASSWORD}}}}}}}}}\n"
        )
    }

    /// The `[mail]` that leads here.
    pub(crate) fn section(&self, more: &str) -> String {
        let (scheme, login) = match self.takes {
            Takes::All => ("smtp", String::new()),
            Takes::StartTls | Takes::Tls => {
                let file = self.directory.path().join("password");
                fs::write(&file, format!("{PASSWORD}\n")).unwrap();
                fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
                let scheme = if self.takes == Takes::Tls { "smtps" } else { "starttls" };
                (scheme, format!("user = \"shop\"\npassword_file = \"{}\"\n", file.display()))
            }
        };
        format!(
            "[mail]\nfrom = \"shop@shop.example\"\nname = \"The Shop\"\nserver = \"{scheme}://localhost:{}\"\n{login}{more}\n",
            self.port
        )
    }

    /// Who signed its certificate.
    pub(crate) fn authority(&self) -> String {
        self.directory.path().join("ca.pem").display().to_string()
    }

    /// The letters in a mailbox, each whole.
    pub(crate) fn letters(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.directory.path().join("box").join(name)).unwrap_or_default();
        let parts = text.split("From shop@shop.example ").skip(1);
        parts.map(str::to_owned).collect()
    }

    /// Waits for `count` letters in a mailbox.
    #[track_caller]
    pub(crate) fn until(&self, name: &str, count: usize) -> Vec<String> {
        for _ in 0..2000 {
            let letters = self.letters(name);
            if letters.len() >= count {
                return letters;
            }
            std::thread::park_timeout(std::time::Duration::from_millis(10));
        }
        panic!("{count} letters to {name}: {}\n{:?}", self.log(), self.letters(name));
    }

    /// All that it logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log/mainlog")).unwrap_or_default()
    }

    /// A directory for whatever the test needs.
    pub(crate) fn root(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for Exim {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

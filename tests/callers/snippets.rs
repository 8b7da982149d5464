//! The clients of `conf-examples/shops/`, run by the programs of their languages against the real daemon.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread;

use serde_json::{Value, json};

use crate::shop::{Shop, json_of};

/// A client, and the same program in its language: what it prints is one JSON value.
struct Client {
    program: &'static [&'static str],
    file: &'static str,
    /// Uses the file `FILE`, and `$url` and `$key`, or `url` and `key`.
    sells: &'static str,
    /// Calls at `URL`, once.
    calls: &'static str,
    webhooks: &'static str,
}

const PHP: Client = Client {
    program: &["php", "-d", "error_reporting=-1", "-d", "display_errors=stderr", "-r"],
    file: "php/cloakroom.php",
    sells: r"
        require 'FILE';
        $cloakroom = new Cloakroom(getenv('URL'), getenv('KEY'));
        $grants = [];
        foreach ([1, 2] as $time) {
            $grants[] = $cloakroom->grant('masters/album.zip', 'anna', ['max_downloads' => '3'], 'order 7 line 1');
        }
        $grants[] = $cloakroom->grant('masters/album.zip', 'anna');
        $order = $cloakroom->order(['external_id' => '1007', 'state' => 'paid', 'customer' => ['name' => 'Jörg'], 'lines' => [['sku' => 'ALBUM']]]);
        $state = $cloakroom->orderState($order['id'], 'refunded')['state'];
        try {
            $cloakroom->grant('masters/none.zip', 'anna');
        } catch (CloakroomProblem $fault) {
            $problem = $fault->problem + ['message' => $fault->getMessage()];
        }
        try {
            (new Cloakroom('http://127.0.0.1:1', 'cr_'))->call('GET', '/api/v1/about');
        } catch (CloakroomProblem $fault) {
            $silent = $fault->getMessage();
        }
        echo json_encode(compact('grants', 'order', 'state', 'problem', 'silent'));
    ",
    calls: r"
        require 'FILE';
        try {
            $told = (new Cloakroom(getenv('URL'), 'cr_'))->grant('masters/album.zip', 'anna', [], 'order 7 line 1');
        } catch (CloakroomProblem $fault) {
            $told = $fault->problem;
        }
        echo json_encode($told);
    ",
    webhooks: r"
        require 'FILE';
        $told = [];
        foreach (json_decode(getenv('CASES'), true) as [$secret, $headers, $body, $now]) {
            $told[] = Cloakroom::isWebhook($secret, $headers, $body, $now);
        }
        echo json_encode($told);
    ",
};

const PYTHON: Client = Client {
    program: &["/usr/bin/python3", "-W", "error", "-B", "-c"],
    file: "python/cloakroom.py",
    sells: r"
import json, os, sys
sys.path.insert(0, os.path.dirname('FILE'))
from cloakroom import Cloakroom, Problem
cloakroom = Cloakroom(os.environ['URL'], os.environ['KEY'])
grants = [cloakroom.grant('masters/album.zip', 'anna', once='order 7 line 1', max_downloads='3') for _ in range(2)]
grants.append(cloakroom.grant('masters/album.zip', 'anna'))
order = cloakroom.order(external_id='1007', state='paid', customer={'name': 'Jörg'}, lines=[{'sku': 'ALBUM'}])
state = cloakroom.order_state(order['id'], 'refunded')['state']
try:
    cloakroom.grant('masters/none.zip', 'anna')
except Problem as fault:
    problem = {**fault.problem, 'message': str(fault)}
try:
    Cloakroom('http://127.0.0.1:1', 'cr_').call('GET', '/api/v1/about')
except Problem as fault:
    silent = str(fault)
print(json.dumps(dict(grants=grants, order=order, state=state, problem=problem, silent=silent)))
",
    calls: r"
import json, os, sys
sys.path.insert(0, os.path.dirname('FILE'))
from cloakroom import Cloakroom, Problem
try:
    told = Cloakroom(os.environ['URL'], 'cr_').grant('masters/album.zip', 'anna', once='order 7 line 1')
except Problem as fault:
    told = fault.problem
print(json.dumps(told))
",
    webhooks: r"
import json, os, sys
sys.path.insert(0, os.path.dirname('FILE'))
from cloakroom import is_webhook
print(json.dumps([is_webhook(secret, headers, body.encode(), now) for secret, headers, body, now in json.loads(os.environ['CASES'])]))
",
};

impl Client {
    /// What the program prints.
    #[track_caller]
    fn run(&self, text: &str, environment: &[(&str, &str)]) -> Value {
        let file: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf-examples/shops").join(self.file);
        let (program, arguments) = self.program.split_first().unwrap();
        let text = text.replace("FILE", file.to_str().unwrap());
        let output = Command::new(program).args(arguments).arg(text).envs(environment.iter().copied()).output();
        let output = output.unwrap_or_else(|fault| panic!("{program}: {fault} (tests/run installs it)"));
        assert!(output.status.success() && output.stderr.is_empty(), "{}: {output:?}", self.file);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}: {output:?}", self.file))
    }
}

#[test]
fn each_client_makes_grants_once_and_reports_orders_and_tells_what_is_wrong() {
    for client in [PHP, PYTHON] {
        let shop = Shop::open();
        let all = shop.key("catalogue", &["catalogue", "read"]);
        let file = json_of(&shop.by(&all, "POST", "/api/v1/files", Some(&json!({ "file": "masters/album.zip" }))));
        let product = json!({ "name": "Album", "files": [{ "file": file["id"] }] });
        assert_eq!(shop.by(&all, "PUT", "/api/v1/products/ALBUM", Some(&product)).status, 200);
        let key = shop.key("shop", &["grants", "orders"]);
        let url = format!("http://127.0.0.1:{}", shop.port);
        let told = client.run(client.sells, &[("URL", &url), ("KEY", &key)]);
        let [first, again, other] = told["grants"].as_array().unwrap().as_slice() else { panic!("{told}") };
        assert!(first["url"].as_str().unwrap().starts_with("https://shop.example/dl/l/"), "{first}");
        assert_eq!((first, &first["grant"]["max_downloads"]), (again, &json!(3)), "{}", client.file);
        assert_ne!(first["grant"]["id"], other["grant"]["id"], "{}", client.file);
        let order = &told["order"];
        assert_eq!((&order["state"], &order["customer"]["name"], &told["state"]), (&json!("paid"), &json!("Jörg"), &json!("refunded")));
        assert!(order["lines"][0]["grants"][0]["url"].as_str().unwrap().ends_with("/album.zip"), "{order}");
        let problem = &told["problem"];
        assert_eq!((&problem["status"], &problem["code"]), (&json!(404), &json!("file_missing")));
        assert_eq!(problem["message"], problem["detail"]);
        assert!(told["silent"].as_str().unwrap().contains("does not answer at http://127.0.0.1:1"), "{told}");
        let page = json_of(&shop.by(&all, "GET", &format!("/api/v1/grants/{}", first["grant"]["id"].as_str().unwrap()), None));
        assert!(page["history"][0]["author"].as_str().unwrap().starts_with("shop (api key k-"), "{page}");
    }
}

/// Answers one call after the other with these, and is asked no more after the last; where it listens, and the
/// `Idempotency-Key` of each call.
fn answering(answers: &'static [&'static str]) -> (u16, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (named, calls) = mpsc::channel();
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut name, mut length) = (String::new(), 0);
            for line in reader.by_ref().lines() {
                let line = line.unwrap();
                match line.split_once(": ").map(|(header, value)| (header.to_ascii_lowercase(), value)) {
                    Some((header, value)) if header == "idempotency-key" => value.clone_into(&mut name),
                    Some((header, value)) if header == "content-length" => length = value.parse().unwrap(),
                    None if line.is_empty() => break,
                    Some(_) | None => {}
                }
            }
            reader.read_exact(&mut vec![0; length]).unwrap();
            named.send(name).unwrap();
            let (says, body) = answer.split_once('|').unwrap();
            write!(stream, "HTTP/1.1 {says}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        }
    });
    (port, calls)
}

#[test]
fn each_client_waits_as_it_is_asked_to_and_not_for_long() {
    const BUSY: &str = "409 Conflict\r\nRetry-After: 1|{\"status\": 409, \"detail\": \"busy\"}";
    const AWAY: &str = "503 Service Unavailable\r\nretry-after: 0|{\"status\": 503, \"detail\": \"away\"}";
    const DONE: &str = "200 OK|{\"status\": 200}";
    let cases: [(&'static [&'static str], i32); 7] = [
        (&[BUSY, DONE], 200),
        (&[BUSY, AWAY, DONE], 200),
        (&[AWAY, AWAY, AWAY], 503),
        (&[BUSY, BUSY, BUSY], 409),
        (&["409 Conflict|{\"status\": 409, \"detail\": \"for good\"}"], 409),
        (&["503 Service Unavailable\r\nRetry-After: 11|{\"status\": 503, \"detail\": \"later\"}"], 503),
        (&["422 Unprocessable Content\r\nRetry-After: 1|{\"status\": 422, \"detail\": \"wrong\"}"], 422),
    ];
    for client in [PHP, PYTHON] {
        for (answers, status) in cases {
            let (port, calls) = answering(answers);
            let told = client.run(client.calls, &[("URL", &format!("http://127.0.0.1:{port}"))]);
            assert_eq!(told["status"], status, "{} {answers:?}: {told}", client.file);
            let names: Vec<String> = calls.iter().collect();
            assert_eq!(names.len(), answers.len(), "{} {answers:?}", client.file);
            assert!(names.iter().all(|name| name.len() == 64 && *name == names[0]), "it is the same call: {names:?}");
        }
    }
}

#[test]
fn each_client_knows_a_genuine_webhook() {
    // The vector of the Standard Webhooks libraries.
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let headers =
        |id: &str, time: &str, signature: &str| json!({ "Webhook-Id": id, "webhook-timestamp": time, "WEBHOOK-SIGNATURE": signature });
    let (id, time, signature) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    let (body, now) = (r#"{"test": 2432232314}"#, 1_614_265_330);
    let good = headers(id, time, signature);
    let cases = [
        (json!([secret, good, body, now]), true),
        (json!([&secret[6..], good, body, now + 300]), true),
        (json!([secret, headers(id, time, &format!("v1,AAAA {signature} v2,x")), body, now]), true),
        (json!([secret, good, body, now + 301]), false),
        (json!([secret, good, body, now - 301]), false),
        (json!([secret, good, format!("{body} "), now]), false),
        (json!([secret, headers("msg_other", time, signature), body, now]), false),
        (json!([secret, headers(id, "1614265331", signature), body, now]), false),
        (json!([secret, headers(id, "soon", signature), body, now]), false),
        (json!([secret, headers(id, time, &signature.replace("v1", "v2")), body, now]), false),
        (json!([secret, headers(id, time, ""), body, now]), false),
        (json!([secret, {}, body, now]), false),
        (json!(["whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", good, body, now]), false),
    ];
    let asked = json!(cases.iter().map(|(case, _)| case).collect::<Vec<_>>()).to_string();
    let wanted: Vec<bool> = cases.iter().map(|(_, wanted)| *wanted).collect();
    for client in [PHP, PYTHON] {
        assert_eq!(client.run(client.webhooks, &[("CASES", &asked)]), json!(wanted), "{}", client.file);
    }
}

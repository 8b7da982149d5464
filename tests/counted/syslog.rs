//! nginx reports by syslog over a unix socket: nothing lies on a disk, and lines may be lost. What is lost is presumed.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixDatagram;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use crate::clients::{Customer, whole};
use crate::servers::http::{Download, ask};
use crate::servers::nginx::NginxSetup;
use crate::servers::until;
use crate::shop::{MIB, SLOW, Shop, in_flight, requests, units};

const SHORT_GRACE: &str = "[[policy]]\nname = \"default\"\nresume_grace = \"2s\"\n";

#[test]
fn a_download_that_is_reported_by_syslog_counts_when_it_arrived() {
    // As shipped, and as nginx does by default: with its host's name, as `nginx`, with another facility.
    for instead in [&[][..], &[(",nohostname,tag=cloakroom", ",facility=local0,severity=debug")]] {
        let shop = Shop::by_syslog_in(&NginxSetup { syslog: true, instead, ..NginxSetup::default() }, 100_000, "");
        whole(Customer::new().curl(&shop.link(1)));
        let delivery = shop.becomes("completed");
        assert_eq!((units(&delivery), requests(&delivery).len(), delivery["feed"].as_str()), ((1, 0), 1, Some("syslog")));
        let said = shop.cloakroom.say(&["delivery", "show"]);
        assert!(said.contains("syslog, which may lose lines"), "{said}");
        assert!(!shop.web.access_log().exists(), "nothing lies on the disk");
        shop.web.assert_calm();
    }
}

#[test]
fn its_socket_has_its_mode_and_is_there_as_long_as_the_daemon() {
    let mut shop = Shop::by_syslog(1000, "");
    let socket = shop.web.nginx().log_socket();
    let there = fs::symlink_metadata(&socket).unwrap();
    assert!(there.file_type().is_socket());
    assert_eq!(there.permissions().mode() & 0o777, 0o666);
    assert!(shop.cloakroom.stop());
    assert!(fs::symlink_metadata(&socket).is_err(), "it goes with the daemon");
    shop.cloakroom.start();
    shop.cloakroom.kill();
    assert!(fs::symlink_metadata(&socket).is_ok());
    shop.cloakroom.start();
    shop.cloakroom.logged(&["listening", "serve=syslog"]);
    // A second daemon does not take it away.
    let text = fs::read_to_string(shop.cloakroom.config()).unwrap();
    let other = tempfile::tempdir().unwrap();
    let text = text.replace("/api.sock", "/api2.sock").replace("/nginx.sock", "/nginx2.sock") + "\n[store]\nkind = \"memory\"\n";
    fs::write(other.path().join("c.toml"), text).unwrap();
    let second = shop.cloakroom.command(&["serve", "--config", other.path().join("c.toml").to_str().unwrap()]);
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(!second.status.success() && said.contains("somebody answers there already"), "{said}");
    whole(Customer::new().curl(&shop.link(1)));
    assert_eq!(units(&shop.becomes("completed")), (1, 0));
}

#[test]
fn a_line_that_nobody_heard_makes_a_download_presumed_and_the_next_is_heard_again() {
    let shop = Shop::by_syslog(100_000, SHORT_GRACE);
    let socket = shop.web.nginx().log_socket();
    fs::rename(&socket, socket.with_extension("away")).unwrap();
    let url = shop.click(&shop.link(1));
    assert!(shop.get(&url, &[]).body == shop.goods);
    let open = shop.newest();
    assert_eq!((open["state"].as_str(), units(&open), in_flight(&open)), (Some("open"), (0, 1), 1), "{open:#}");
    assert_eq!(units(&shop.becomes("presumed")), (1, 0));
    fs::rename(socket.with_extension("away"), &socket).unwrap();
    assert!(shop.get(&shop.click(&shop.link(1)), &[]).body == shop.goods);
    assert_eq!(units(&shop.becomes("completed")), (1, 0));
}

#[test]
fn lines_that_the_kernel_had_no_room_for_make_a_download_presumed_and_no_unit_is_lost() {
    const PARTS: usize = 48;
    let more = "[[policy]]\nname = \"default\"\nresume_grace = \"3s\"\nconnections_max = 64\nrate = \"30k/s\"\n";
    let shop = Shop::by_syslog(PARTS * 50_000, more);
    let url = shop.click(&shop.link(1));
    let parts: Vec<Download> = (0..PARTS)
        .map(|part| {
            let range = format!("bytes={}-{}", part * 50_000, (part + 1) * 50_000 - 1);
            Download::open(shop.web.port, "GET", shop.target(&url), &[("Range", &range)])
        })
        .collect();
    let pid = Pid::from_raw(i32::try_from(shop.cloakroom.pid()).unwrap()).unwrap();
    // It reads nothing while nginx reports.
    kill_process(pid, Signal::STOP).unwrap();
    let got: usize = thread::scope(|scope| {
        let running: Vec<_> = parts.into_iter().map(|part| scope.spawn(move || part.finish().body.len())).collect();
        running.into_iter().map(|part| part.join().unwrap()).sum()
    });
    kill_process(pid, Signal::CONT).unwrap();
    assert_eq!(got, shop.goods.len());
    let over = shop.comes_to("its end", |delivery| delivery["closed"].is_string());
    assert_eq!((over["state"].as_str(), units(&over)), (Some("presumed"), (1, 0)), "{over:#}");
    let unheard = in_flight(&over);
    assert!((1..PARTS).contains(&unheard), "some lines were heard and some were not: {unheard} of {PARTS}");
}

#[test]
fn a_download_that_ends_while_the_daemon_is_down_is_presumed() {
    let mut shop = Shop::by_syslog(3 * MIB, "[[policy]]\nname = \"default\"\nrate = \"1MB/s\"\nresume_grace = \"4s\"\n");
    let url = shop.click(&shop.link(1));
    let mut download = Download::open(shop.web.port, "GET", shop.target(&url), &[]);
    download.read(MIB / 2);
    shop.cloakroom.kill();
    assert!(download.finish().body == shop.goods);
    shop.cloakroom.start();
    assert_eq!(units(&shop.becomes("presumed")), (1, 0));
}

#[test]
fn after_a_restart_each_download_is_completed_or_presumed_and_used_once() {
    let mut shop = Shop::by_syslog(1000, SHORT_GRACE);
    for _ in 0..4 {
        assert_eq!(shop.get(&shop.click(&shop.link(1)), &[]).status, 200);
    }
    shop.cloakroom.stop();
    shop.cloakroom.start();
    // The first line of each worker of nginx goes to the socket that is gone.
    let mut ends = vec![];
    for _ in 0..8 {
        assert_eq!(shop.get(&shop.click(&shop.link(1)), &[]).status, 200);
        let over = shop.comes_to("its end", |delivery| delivery["closed"].is_string());
        assert_eq!(units(&over), (1, 0), "{over:#}");
        ends.push(over["state"].as_str().unwrap().to_owned());
    }
    let presumed = ends.iter().filter(|state| *state == "presumed").count();
    assert!(presumed <= 2 && ends.iter().all(|state| ["presumed", "completed"].contains(&state.as_str())), "{ends:?}");
}

#[test]
fn sixteen_connections_are_heard_by_syslog_as_one_download() {
    let shop = Shop::by_syslog(16 * MIB, "[[policy]]\nname = \"default\"\nresume_grace = \"3s\"\n");
    let customer = Customer::new();
    whole(customer.aria2c(&shop.link(1)));
    assert!(customer.got() == shop.goods);
    let over = shop.comes_to("its end", |delivery| delivery["closed"].is_string());
    assert_eq!(units(&over), (1, 0), "{over:#}");
    assert!(over["state"] == "completed" || over["state"] == "presumed", "{over:#}");
}

#[test]
fn datagrams_of_others_half_ones_and_doubled_ones_change_nothing() {
    let shop = Shop::by_syslog(3 * MIB, SLOW);
    let url = shop.click(&shop.link(1));
    let mut download = Download::open(shop.web.port, "GET", shop.target(&url), &[]);
    download.read(MIB / 2);
    let running = shop.newest();
    let line = |request: &str| {
        format!(
            "<190>Nov 21 23:02:12 cloakroom: {{\"v\":\"1\",\"time\":\"1795292217.083\",\"request\":\"{request}\",\"delivery\":\"{}\",\
             \"status\":\"200\",\"method\":\"GET\",\"bytes\":\"3145728\",\"done\":\"OK\",\"range\":\"\",\"length\":\"3145728\",\
             \"encoding\":\"\",\"type\":\"application/zip\",\"client\":\"127.0.0.1\",\"took\":\"0.000\"}}",
            running["id"].as_str().unwrap()
        )
    };
    let own = line(requests(&running)[0]["id"].as_str().unwrap());
    let (sender, socket) = (UnixDatagram::unbound().unwrap(), shop.web.nginx().log_socket());
    let send = |text: &[u8]| assert_eq!(sender.send_to(text, &socket).unwrap(), text.len());
    let endless = format!("<190>Nov 21 23:02:12 cloakroom: {}", "x".repeat(100_000));
    for text in
        [&b""[..], b"hello", b"<190>Nov 21 23:02:12 nginx: GET / 200", &own.as_bytes()[..120], &own.as_bytes()[120..], endless.as_bytes()]
    {
        send(text);
        // Each is heard before the next is sent: the kernel keeps few.
        shop.cloakroom.logged(&["not understood"]);
    }
    send(line("967f98bf42db0d3fd624ec50e8a62b7a").as_bytes());
    let untouched = shop.newest();
    assert_eq!((untouched["covered"].as_u64(), units(&untouched)), (Some(0), (0, 1)), "{untouched:#}");
    assert!(download.finish().body == shop.goods);
    let delivery = shop.becomes("completed");
    send(own.as_bytes());
    send(b"the end");
    until("the end of the datagrams", || {
        let faults = shop.cloakroom.log().iter().filter(|line| line.contains("not understood")).count();
        (faults > 1).then_some(())
    });
    assert_eq!(shop.newest(), delivery, "the same report again says nothing new");
    assert_eq!(ask(shop.web.port, "GET", shop.target(&url), &[]).status, 200, "the daemon answers");
}

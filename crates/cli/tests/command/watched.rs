//! Health and metrics of a running `serve`, as a monitor reads them.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use openmetrics_parser::prometheus::parse_prometheus;
use serde_json::Value;

use crate::{
    serving::Serving,
    world::{Ran, World},
};

/// The status and body of a page.
fn get(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn command(world: &World, args: &[&str]) -> Ran {
    world.end(world.command(args).spawn().unwrap())
}

fn watched(world: &World) -> (Serving<'_>, String) {
    world.configure(&format!(
        "{}\n[schedule]\nchanges = \"1h\"\nmoments = \"1h\"\n[serve]\nlisten = \"127.0.0.1:0\"\n",
        world.configuration()
    ));
    let serving = Serving::ready(world);
    let address = serving.line("health and metrics are at").split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
    (serving, address)
}

#[test]
fn health_says_what_isn_t_ready() {
    let world = World::new(10);
    let (serving, address) = watched(&world);
    serving.wait_for("pass ended", 1);
    assert_eq!(get(&address, "/healthz"), (200, "ok\n".into()));
    assert_eq!(get(&address, "/readyz").0, 200);
    assert_eq!(command(&world, &["health", "--ready"]).expect(0).stdout, "default: ready\n");
    command(&world, &["pause"]).expect(0);
    let (status, body) = get(&address, "/readyz");
    let ready: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &ready["ready"], &ready["bridges"]["default"]["code"]), (503, &false.into(), &"paused".into()), "{body}");
    assert!(command(&world, &["health"]).expect(0).stdout.contains("not ready (paused)"));
    command(&world, &["health", "--ready"]).expect(1);
    serving.stop().expect(0);
    assert!(command(&world, &["health"]).expect(1).stdout.contains("no process serves it"));
}

#[test]
fn metrics_are_read_by_a_parser_of_prometheus_format() {
    let world = World::new(40);
    let (serving, address) = watched(&world);
    serving.wait_for("pass ended", 1);
    let (status, body) = get(&address, "/metrics");
    assert_eq!(status, 200, "{body}");
    assert!(!body.contains('@'), "{body}");
    let parsed = parse_prometheus(&body).unwrap_or_else(|error| panic!("{error}\n{body}"));
    let names: Vec<&str> = parsed.families.keys().map(String::as_str).collect();
    for name in ["open", "ready", "paused", "lag_seconds", "pass_running", "last_pass_seconds", "backlog", "marketo_calls_left"] {
        assert!(names.contains(&format!("insight_bridge_{name}").as_str()), "{name} of {names:?}");
    }
    for line in [
        "insight_bridge_open{bridge=\"default\"} 1",
        "insight_bridge_pass_running{bridge=\"default\",pass=\"changes\"} 0",
        "insight_bridge_backlog{bridge=\"default\",object=\"company\",state=\"ready\"} 0",
        "insight_bridge_calls_total{bridge=\"default\",side=\"marketo\",kind=\"leads.sync\",outcome=\"answered\"}",
        "insight_bridge_passes_total{bridge=\"default\",pass=\"changes\"",
    ] {
        assert!(body.contains(line), "{line} isn't in\n{body}");
    }
    serving.stop().expect(0);
}

#[test]
fn only_this_machine_is_shown_anything() {
    let world = World::new(0);
    world.configure(&format!("{}\n[serve]\nlisten = \"0.0.0.0:9464\"\n", world.configuration()));
    world.run(&["serve"]).expect(2).tells(&["write 127.0.0.1:9464"]);
}

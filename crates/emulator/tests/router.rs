//! The router around a counting state machine, in process under a paused clock and over a real loopback socket.

#![allow(clippy::unwrap_used)]

use std::{
    io::{Read, Write},
    time::Duration,
};

use axum::body::Body;
use base::{Clock, Timestamp};
use emulator::{Effect, Emulator, Fault, Latency, Level, Request, Response, Served, Spoil, When};
use http_body_util::BodyExt;
use tower::ServiceExt;

/// Counts what it is asked for; at most two requests at one time.
#[derive(Default)]
struct Counter {
    handled: u64,
    inside: u64,
    released: u64,
    refused: Vec<String>,
}

impl Emulator for Counter {
    fn operation(&self, request: &Request) -> String {
        request.path.trim_start_matches('/').replace('/', ".")
    }

    fn admit(&mut self, _: &Request, _: Timestamp) -> Result<(), Response> {
        if self.inside == 2 {
            return Err(Response::empty(429));
        }
        self.inside += 1;
        Ok(())
    }

    fn handle(&mut self, request: &Request, _: Timestamp) -> Response {
        self.handled += 1;
        let text = format!("{} {} {} {} {}", request.method, request.origin, request.path, request.query, request.body.len());
        match request.path.as_str() {
            "/big" | "/bulk/big" => Response::new(200, "text/plain", "x".repeat(5000)),
            _ => Response::new(200, "text/plain", text),
        }
    }

    fn release(&mut self, _: &Request, _: Timestamp, _: Duration) {
        self.inside -= 1;
        self.released += 1;
    }

    fn refused(&mut self, _: &Request, code: &str, _: Timestamp) {
        self.refused.push(code.to_owned());
    }

    fn handle_spoilt(&mut self, request: &Request, spoil: &Spoil, now: Timestamp) -> Response {
        self.handle(request, now).with_body(format!("{} {:?}", spoil.code, spoil.strikes(3)))
    }

    fn failure(&self, level: Level, code: &str, _: Option<u64>, _: Timestamp) -> Response {
        Response::new(200, "text/plain", format!("{level:?} {code}"))
    }

    fn refusal(&self, code: &str, wait_s: Option<u64>, _: Timestamp) -> Response {
        Response::new(code.parse().unwrap_or(500), "text/plain", format!("{wait_s:?}"))
    }
}

fn served() -> Served<Counter> {
    Served::new(Counter::default(), Clock::system(), 7)
}

fn fault(operation: &str, effect: Effect) -> Fault {
    Fault { when: When::operation(operation), effect, times: Some(1) }
}

async fn ask(served: &Served<Counter>, request: http::request::Builder, body: &str) -> http::Response<Body> {
    served.router().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap()
}

async fn text(response: http::Response<Body>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

fn get(uri: &str) -> http::request::Builder {
    http::Request::get(uri)
}

#[tokio::test]
async fn path_and_query_arrive_as_they_were_sent() {
    let served = served();
    let answer = ask(&served, http::Request::post("https://org.test/a%20b?x=%252c&y=1"), "four").await;
    assert_eq!(text(answer).await, "POST https://org.test /a%20b x=%252c&y=1 4");
    let answer = ask(&served, get("/plain").header("host", "127.0.0.1:4001"), "").await;
    assert_eq!(text(answer).await, "GET http://127.0.0.1:4001 /plain  0");
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let served = served();
    let answer = ask(&served, http::Request::head("/a").header("host", "h"), "").await;
    assert_eq!(answer.headers()["content-length"], "18");
    assert_eq!(text(answer).await, "");
}

#[tokio::test]
async fn long_answers_are_compressed_for_those_who_ask() {
    let served = served();
    for (path, accept, zipped) in [("/big", "gzip", true), ("/big", "br", false), ("/bulk/big", "gzip", false), ("/small", "gzip", false)] {
        let answer = ask(&served, get(path).header("accept-encoding", accept), "").await;
        assert_eq!(answer.headers().contains_key("content-encoding"), zipped, "{path} {accept}");
        let declared: usize = answer.headers()["content-length"].to_str().unwrap().parse().unwrap();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body.len(), declared);
        if zipped {
            let mut plain = String::new();
            flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut plain).unwrap();
            assert_eq!(plain.len(), 5000);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn latency_is_virtual_and_the_limits_see_it() {
    let served = served();
    served.faults().set_latency(Some(Latency::fixed(60_000.0)));
    let asked = (0..3).map(|_| ask(&served, get("/slow"), ""));
    let start = tokio::time::Instant::now();
    let statuses: Vec<u16> = futures::future::join_all(asked).await.iter().map(|answer| answer.status().as_u16()).collect();
    assert_eq!(start.elapsed().as_secs(), 60);
    assert_eq!(statuses, [200, 200, 429], "the third came while two were inside");
    let journal = served.journal();
    assert_eq!((journal.in_flight, journal.in_flight_max, journal.count("slow")), (0, 3, 3));
    let state = served.state();
    assert_eq!((state.inside, state.released), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_gives_its_place_back() {
    let served = served();
    served.faults().set_latency(Some(Latency::fixed(1000.0)));
    for (patience, handled) in [(400, 0), (600, 1)] {
        let before = served.state().handled;
        tokio::time::timeout(Duration::from_millis(patience), ask(&served, get("/slow"), "")).await.unwrap_err();
        assert_eq!(served.state().handled - before, handled, "gone after {patience} ms");
    }
    assert_eq!((served.state().inside, served.journal().in_flight), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn faults_in_process() {
    let served = served();
    served.journal().keep(10);
    let effects = [
        (Effect::DropBefore, None, 0),
        (Effect::DropAfter, None, 1),
        (Effect::Hang { ms: 5000, applied: false }, None, 0),
        (Effect::Hang { ms: 5000, applied: true }, None, 1),
        (Effect::Html, Some(502), 0),
        (Effect::Refuse { code: "429".to_owned(), wait_s: Some(9) }, Some(429), 0),
        (Effect::Truncate, Some(200), 1),
    ];
    for (effect, status, applied) in effects {
        let before = served.state().handled;
        served.faults().add(fault("a", effect.clone()));
        let answer = ask(&served, get("/a").header("host", "h"), "").await;
        let answered = answer.status().as_u16();
        let body = answer.into_body().collect().await.map(|body| body.to_bytes());
        assert_eq!(body.is_ok().then_some(answered), status, "{effect:?}");
        assert_eq!(served.state().handled - before, applied, "{effect:?}");
        if effect == Effect::Truncate {
            assert_eq!(body.unwrap().as_ref(), b"GET http:");
        }
    }
    let statuses: Vec<_> = served.journal().last.iter().map(|exchange| exchange.status).collect();
    assert_eq!(statuses, [None, None, None, None, Some(502), Some(429), Some(200)]);
    assert_eq!(text(ask(&served, get("/a").header("host", "h"), "").await).await, "GET http://h /a  0", "each struck once");
}

#[tokio::test]
async fn failures_at_each_level_and_who_is_told_of_them() {
    let served = served();
    let fail = |level, records| Effect::Fail { level, code: "1014".to_owned(), wait_s: None, records, percent: None };
    for (effect, expected, applied) in [
        (fail(Level::Http, None), "Http 1014", 0),
        (fail(Level::Response, None), "Response 1014", 0),
        (fail(Level::Record, Some(vec![1])), "1014 [false, true, false]", 1),
        (Effect::Refuse { code: "606".to_owned(), wait_s: None }, "None", 0),
    ] {
        let before = served.state().handled;
        served.faults().add(fault("a", effect));
        assert_eq!(text(ask(&served, get("/a").header("host", "h"), "").await).await, expected);
        assert_eq!(served.state().handled - before, applied, "{expected}");
    }
    assert_eq!(served.state().refused, ["1014", "1014", "606"]);
}

#[tokio::test]
async fn too_long_a_body_gets_the_vendors_refusal() {
    let served = served();
    let request = http::Request::post("/a").header("content-length", (emulator::router::BODY_MAX + 1).to_string());
    let answer = served.router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status().as_u16(), 413);
    assert_eq!(served.state().handled, 0);
}

/// What a plain socket receives for one request.
fn over_a_socket(address: std::net::SocketAddr, path: &str) -> String {
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    // A reset is as good an end as a close.
    let _end = socket.read_to_end(&mut bytes);
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn drops_over_loopback_send_no_byte() {
    let served = served();
    let bound = emulator::bind(0).await.unwrap();
    let address = bound.address;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(bound.serve(served.router(), async move { drop(stopped.await) }));
    let ask = async |path: &'static str| tokio::task::spawn_blocking(move || over_a_socket(address, path)).await.unwrap();

    assert!(ask("/a").await.ends_with(&format!("GET http://{address} /a  0")));
    served.faults().add(fault("a", Effect::DropBefore));
    assert_eq!(ask("/a").await, "");
    assert_eq!(served.state().handled, 1);
    served.faults().add(fault("a", Effect::DropAfter));
    assert_eq!(ask("/a").await, "");
    assert_eq!(served.state().handled, 2);
    served.faults().add(fault("a", Effect::Truncate));
    let answer = ask("/a").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("content-length: {}", body.len())) && "GET http://127.0.0.1".starts_with(body), "{answer}");

    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
    assert!(std::net::TcpStream::connect(address).is_err(), "nobody listens any more");
}

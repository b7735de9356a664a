//! The attacks on listeners, at a real one: held, and broken by a door that is open, by an answer that
//! tells too much, and by a listener that does not look at what it is sent.
//!
//! Goal: what tries the listeners sees what is wrong with one. Method: the product's own edge over a
//! cloud of this process, on ports that the system chooses; beside it an edge with a hole, and a
//! listener that answers before it has read anything.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// What other tests use of the common parts.
#![allow(dead_code)]

#[path = "common/cloud.rs"]
#[allow(dead_code)]
mod cloud;

use cloud::Running;
use jinyun_edge::{Dialect, Edge, Listener, Mount, serve, tls, with_discovery};
use jinyun_evidence::attack::{Judged, judge};
use jinyun_evidence::checks::find;
use jinyun_evidence::{Doors, RouteFact, Site, Verdict, World, read_doors};
use jinyun_rest::{Reply, Route};
use serde_json::json;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use tokio_rustls::rustls::ServerConnection;

/// The product's services behind one listener, with routes more.
struct House {
    running: Running,
    files: tls::Files,
    config: Arc<tls::ServerConfig>,
}

impl House {
    fn new(name: &str) -> House {
        let running = Running::new(name, &[]);
        let files = tls::Files::in_dir(&running.dir);
        tls::ensure(&files, &["127.0.0.1".into(), "localhost".into()]).unwrap();
        let config = tls::server(&files).unwrap();
        House { running, files, config }
    }

    fn edge(&self, more: Vec<Mount>) -> Arc<Edge> {
        let identity = self.running.identity.clone();
        let mount = |prefix, service, dialect, routes| Mount {
            prefix,
            dialect,
            routes: with_discovery(service, routes),
        };
        let mut mounts = vec![
            mount("/identity", "identity", Dialect::Identity,
                jinyun_identity::routes(identity.clone(), Vec::new())),
            mount("/network", "network", Dialect::Network, jinyun_network::routes()),
        ];
        mounts.extend(more);
        Arc::new(Edge::new(self.running.cloud.clone(), identity, mounts))
    }

    /// Answers on a port of the system's choice, as long as the process lives.
    fn listen(&self, edge: Arc<Edge>) -> SocketAddr {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let at = socket.local_addr().unwrap();
        let config = self.config.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all()
                .build().unwrap();
            runtime.block_on(async {
                let socket = tokio::net::TcpListener::from_std(socket).unwrap();
                let listener = Listener { url: format!("https://{at}"), management: false };
                serve(edge, listener, socket, config).await;
            });
        });
        at
    }

    /// Says that it is well before it has read a word.
    fn deaf(&self) -> SocketAddr {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = socket.local_addr().unwrap();
        let config = self.config.clone();
        std::thread::spawn(move || {
            for stream in socket.incoming() {
                let (stream, config) = (stream.unwrap(), config.clone());
                std::thread::spawn(move || answer_at_once(stream, config));
            }
        });
        at
    }

    fn read(&self, routes: &[RouteFact], at: SocketAddr) -> Doors {
        let ca: PathBuf = self.files.ca.clone();
        read_doors(routes, &[("tenants", at)], &ca).unwrap_or_else(|e| panic!("{e}"))
    }
}

fn answer_at_once(mut stream: TcpStream, config: Arc<tls::ServerConfig>) {
    let mut tls = ServerConnection::new(config).unwrap();
    // Byte by byte: what comes behind the handshake must not be looked at.
    while tls.is_handshaking() {
        while tls.wants_write() && tls.write_tls(&mut stream).is_ok() {}
        let read = tls.read_tls(&mut std::io::Read::take(&mut stream, 1));
        // Somebody who offers nothing that we speak, or who goes.
        if !matches!(read, Ok(1)) || tls.process_new_packets().is_err() {
            let _ = tls.write_tls(&mut stream);
            return;
        }
    }
    let answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    tls.writer().write_all(answer).unwrap();
    while tls.wants_write() && tls.write_tls(&mut stream).is_ok() {}
    // Whatever comes is thrown away; the client goes when it has read.
    let _ = std::io::copy(&mut stream, &mut std::io::sink());
}

fn table(edge: &Edge) -> Vec<RouteFact> {
    edge.routes().map(|(prefix, route)| RouteFact {
        method: route.method.into(),
        path: format!("{prefix}{}", route.path),
        token: route.token,
    }).collect()
}

fn verdict(doors: &Doors, check: &str) -> (Verdict, String) {
    let site = Site { doors: Ok(doors.clone()), ..Site::default() };
    let world = World { site, ..World::default() };
    let found = find(check).unwrap().find(&world);
    (found.verdict, found.says)
}

const CHECKS: [&str; 3] = ["routes-need-token", "errors-say-little", "tls-suites"];

#[test]
fn our_own_listener_holds_and_holes_are_seen() {
    let house = House::new("doors");
    let edge = house.edge(Vec::new());
    let routes = table(&edge);
    assert!(routes.len() > 50 && routes.iter().any(|route| !route.token));
    let at = house.listen(edge);
    let doors = house.read(&routes, at);
    for check in CHECKS {
        let (verdict, says) = verdict(&doors, check);
        assert_eq!(verdict, Verdict::Met, "{check}: {says}");
    }
    assert!(matches!(judge(&doors.damage), Judged::Held(_)), "{:?}", doors.damage);

    // A door that is thought locked and is not.
    let mut believed = routes.clone();
    let open = believed.iter_mut().find(|route| {
        !route.token && route.method == "GET" && !route.path.contains('{')
    });
    open.unwrap().token = true;
    let (found, says) = verdict(&house.read(&believed, at), "routes-need-token");
    assert_eq!(found, Verdict::Failed, "{says}");

    // An answer that tells where things lie, at a path that is tried.
    let leak = Route::new("GET", "/here", "", |_| {
        Ok(Reply::with(404, json!({ "error": "no such file: /var/lib/jinyun/x" })))
    });
    let mount = Mount { prefix: "/nothing", dialect: Dialect::Own, routes: vec![leak.open()] };
    let at = house.listen(house.edge(vec![mount]));
    let (found, says) = verdict(&house.read(&routes, at), "errors-say-little");
    assert_eq!(found, Verdict::Failed, "{says}");

    // A listener that does not look at what it is sent.
    let doors = house.read(&[], house.deaf());
    assert!(matches!(judge(&doors.damage), Judged::Broken(_)), "{:?}", doors.damage);
}

#[test]
fn nobody_there_is_no_proof() {
    let house = House::new("silent");
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = socket.local_addr().unwrap();
    drop(socket);
    let routes = [RouteFact { method: "GET".into(), path: "/x".into(), token: true }];
    let doors = house.read(&routes, at);
    for check in CHECKS {
        assert_eq!(verdict(&doors, check).0, Verdict::Error, "{check}");
    }
    assert!(matches!(judge(&doors.damage), Judged::Nothing(_)), "{:?}", doors.damage);
}

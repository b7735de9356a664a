//! The metadata service: what a guest learns about itself at 169.254.169.254.
//!
//! Problem: the answer holds keys and secrets of one guest, and the question says nothing about who
//! asks. Guests are not trusted and may open as many connections as they like.
//!
//! Mechanism: the address of the connection says which port asks. The packet filter makes that
//! true for every port, also for one without port security, and a connection needs answers to
//! arrive where the address is routed. Headers such as `X-Forwarded-For` are not looked at. Each
//! port may hold a few connections at a time, each for a few seconds, so one guest can keep neither
//! its neighbours nor the agent busy.
//!
//! Pages are the document's, by exact path; a directory lists what is in it, as OpenStack's does.
//! The password of a guest is no part of a document, which is kept on disk: its page says only that
//! there is one (`admin_pass` is null), and it is put in here, from memory, as it is read. Until the
//! control plane has told it the page is not to be had: a guest reads it once, and would be without
//! a password for ever. Where there has been no control plane for a while it goes out without: a guest
//! that starts then needs its addresses and keys more. Nova's way to say that a password is set, a POST
//! to `password`, ends it; what is posted there is not kept.

use super::serve::Book;
use crate::locked;
use crate::secret::{Secret, wipe};
use axum::Router;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::serve::{IncomingStream, Listener};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jinyun_wire::{NetworkWant, PasswordFor, PortWant};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep};

/// Connections that one port may have open.
const PER_PORT: usize = 8;
/// How long a connection may last, whatever it does.
const VISIT: Duration = Duration::from_secs(10);

/// The page that a password is put into, and its member there.
const PAGE: &str = "meta_data.json";
const MEMBER: &str = "admin_pass";
/// Its member that says whose page it is.
const WHOSE: &str = "uuid";
/// For so long without a control plane a page waits for a password.
const ALONE: Duration = Duration::from_secs(20);

/// Passwords that guests have not taken yet. Clones are the same ones.
#[derive(Clone, Default)]
pub struct Passwords(Arc<Mutex<Kept>>);

/// Hears which guest has taken its password. It must not wait for anything.
pub type OnTaken = Box<dyn Fn(String) + Send>;

/// Says for how long there has been no control plane, if there is none. It must not wait either.
pub type Apart = Box<dyn Fn() -> Option<Duration> + Send>;

#[derive(Default)]
struct Kept {
    /// By guest; none where it was taken and the control plane has not said so yet.
    guests: BTreeMap<String, Option<Secret>>,
    /// Guests by port.
    ports: BTreeMap<String, String>,
    on_taken: Option<OnTaken>,
    apart: Option<Apart>,
}

impl Kept {
    fn tell(&self, guest: &str) {
        if let Some(hears) = &self.on_taken {
            hears(guest.to_owned());
        }
    }

    /// Whether there has been no control plane for longer than a guest should wait for it.
    fn alone(&self) -> bool {
        let apart = self.apart.as_ref().and_then(|knows| knows());
        apart.is_some_and(|long| long >= ALONE)
    }
}

impl Passwords {
    /// From now on it is these.
    pub fn replace(&self, all: Vec<PasswordFor>) {
        let mut kept = locked(&self.0);
        let before = std::mem::take(&mut kept.guests);
        kept.ports.clear();
        for one in all {
            let taken = before.get(&one.guest).is_some_and(Option::is_none);
            let secret = Secret::from_base64(one.password.into_text());
            if secret.is_none() && !taken {
                continue;
            }
            for port in one.ports {
                kept.ports.insert(port, one.guest.clone());
            }
            if taken {
                // It was said before, but perhaps not heard.
                kept.tell(&one.guest);
            }
            kept.guests.insert(one.guest, secret.filter(|_| !taken));
        }
    }

    /// Who hears of taken ones.
    pub fn on_taken(&self, hears: OnTaken) {
        locked(&self.0).on_taken = Some(hears);
    }

    /// Who knows for how long there has been no control plane.
    pub fn on_apart(&self, knows: Apart) {
        locked(&self.0).apart = Some(knows);
    }

    /// A page with the password of the guest behind a port, if it says that there is one; `None`
    /// where that is not known yet.
    fn put_in(&self, port: &str, page: String) -> Option<String> {
        let Ok(Value::Object(mut members)) = serde_json::from_str(&page) else {
            return Some(page);
        };
        if !members.get(MEMBER).is_some_and(Value::is_null) {
            return Some(page);
        }
        let whose = members.get(WHOSE).and_then(Value::as_str);
        let kept = locked(&self.0);
        // Also the page has to be that guest's: a port can be another's by now.
        let guest = kept.ports.get(port).filter(|g| whose == Some(g.as_str()));
        let secret = match guest.and_then(|guest| kept.guests.get(guest)) {
            Some(secret) => secret.as_ref(),
            None if kept.alone() => None,
            None => return None,
        };
        match secret {
            None => members.remove(MEMBER),
            Some(secret) => {
                let text = String::from_utf8(STANDARD.decode(secret.base64()).ok()?).ok()?;
                members.insert(MEMBER.to_owned(), text.into())
            }
        };
        let mut whole = Value::Object(members);
        let page = whole.to_string();
        // The page goes out; what it was made of does not stay behind.
        if let Some(Value::String(text)) = whole.get_mut(MEMBER).map(Value::take) {
            wipe(&mut text.into_bytes());
        }
        Some(page)
    }

    /// The guest behind a port has taken its password; whether there was one to take.
    fn take(&self, port: &str) -> bool {
        let mut kept = locked(&self.0);
        let Some(guest) = kept.ports.get(port).cloned() else {
            return false;
        };
        let had = kept.guests.get_mut(&guest).and_then(Option::take);
        if had.is_some() {
            kept.tell(&guest);
        }
        had.is_some()
    }
}

/// The port that a client's address is of.
fn port_of(network: &NetworkWant, ip: Ipv4Addr) -> Option<&PortWant> {
    let mut ports = network.ports.iter().filter(|p| p.up);
    ports.find(|p| p.ips.iter().any(|(_, i)| *i == ip))
}

/// What a client at `ip` reads at `path`; `None` if there is nothing.
pub fn page(network: &NetworkWant, ip: Ipv4Addr, path: &str) -> Option<String> {
    let port = port_of(network, ip)?;
    let path = path.trim_matches('/');
    let mut entries = BTreeSet::new();
    for (key, body) in &port.metadata {
        let key = key.trim_matches('/');
        if key == path {
            return Some(body.clone());
        }
        let below = match path {
            "" => Some(key),
            _ => key
                .strip_prefix(path)
                .and_then(|rest| rest.strip_prefix('/')),
        };
        entries.extend(below.and_then(|rest| rest.split('/').next()));
    }
    let entries: Vec<&str> = entries.into_iter().collect();
    (!entries.is_empty()).then(|| entries.join("\n"))
}

/// Serves a namespace's metadata until it is cancelled.
pub async fn serve(listener: std::net::TcpListener, space: String, book: Book) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    let door = Door {
        listener,
        visitors: Arc::default(),
    };
    let house: Router = Router::new()
        .fallback(answer)
        .with_state(Room { space, book });
    let house = house.into_make_service_with_connect_info::<Client>();
    // Ends only with an error of the accept loop, of which it has none.
    let _ = axum::serve(door, house).await;
}

#[derive(Clone)]
struct Room {
    space: String,
    book: Book,
}

async fn answer(
    State(room): State<Room>,
    ConnectInfo(Client(ip)): ConnectInfo<Client>,
    method: Method,
    uri: Uri,
) -> Response {
    let nothing = || (StatusCode::NOT_FOUND, "There is nothing here.\n").into_response();
    let (Some(network), IpAddr::V4(ip)) = (room.book.network(&room.space), ip) else {
        return nothing();
    };
    let passwords = &room.book.passwords;
    let port = port_of(&network, ip).map(|port| port.id.as_str());
    if method == Method::POST && is_password(uri.path()) {
        return match port.is_some_and(|port| passwords.take(port)) {
            true => StatusCode::OK.into_response(),
            false => (StatusCode::CONFLICT, "There is no password to be taken.\n").into_response(),
        };
    }
    if method != Method::GET && method != Method::HEAD {
        return (
            StatusCode::METHOD_NOT_ALLOWED,
            [(header::ALLOW, "GET, HEAD")],
        )
            .into_response();
    }
    let (Some(port), Some(body)) = (port, page(&network, ip, uri.path())) else {
        return nothing();
    };
    let body = match uri.path().trim_end_matches('/').ends_with(PAGE) {
        true => passwords.put_in(port, body),
        false => Some(body),
    };
    let Some(body) = body else {
        let say = "Not all of this is known yet: ask again.\n";
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            [(header::RETRY_AFTER, "1")],
            say,
        )
            .into_response();
    };
    let kind = if uri.path().ends_with(".json") {
        "application/json"
    } else {
        "text/plain; charset=utf-8"
    };
    ([(header::CONTENT_TYPE, kind)], body).into_response()
}

/// Where a guest says that it has set its password: `openstack/<version>/password`.
fn is_password(path: &str) -> bool {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    matches!(parts[..], ["openstack", _, "password"])
}

/// Who is connected.
#[derive(Debug, Clone, Copy)]
struct Client(IpAddr);

impl Connected<IncomingStream<'_, Door>> for Client {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Client {
        Client(stream.remote_addr().ip())
    }
}

type Visitors = Arc<Mutex<BTreeMap<IpAddr, usize>>>;

/// A listener that counts its visitors.
struct Door {
    listener: TcpListener,
    visitors: Visitors,
}

impl Listener for Door {
    type Io = Visit;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Visit, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, from)) => {
                    if let Some(visit) = Visit::admit(stream, from.ip(), &self.visitors) {
                        return (visit, from);
                    }
                }
                // Out of descriptors, or the connection is gone already.
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection with an end in sight.
struct Visit {
    stream: TcpStream,
    ends: Pin<Box<Sleep>>,
    ip: IpAddr,
    visitors: Visitors,
}

impl Visit {
    fn admit(stream: TcpStream, ip: IpAddr, visitors: &Visitors) -> Option<Visit> {
        let mut counts = visitors.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(ip).or_insert(0);
        if *count >= PER_PORT {
            return None;
        }
        *count += 1;
        Some(Visit {
            stream,
            ends: Box::pin(sleep(VISIT)),
            ip,
            visitors: Arc::clone(visitors),
        })
    }

    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        self.ends.as_mut().poll(cx).is_ready()
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut counts = self.visitors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.ip);
            }
        }
    }
}

fn over<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
}

impl AsyncRead for Visit {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_over(cx) {
            return over();
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Visit {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_over(cx) {
            return over();
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_over(cx) {
            return over();
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_over(cx) {
            return over();
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;
    use jinyun_wire::{Attach, SecretText};
    use std::sync::mpsc::channel;

    const META: &str = "/openstack/latest/meta_data.json";
    const PASSWORD: &str = "a:b\\c\"d$e%f";

    fn port(id: &str, ip: Ipv4Addr, meta: &str) -> PortWant {
        PortWant {
            id: id.into(),
            mac: "fa:16:3e:00:00:01".into(),
            ips: vec![("s".into(), ip)],
            hostname: id.into(),
            up: true,
            filtered: true,
            groups: Vec::new(),
            attach: Attach::Tap,
            metadata: vec![(META.into(), meta.into())],
        }
    }

    /// `a` has a password to take, `b` has none.
    fn room() -> Room {
        let ports = vec![
            port("a", [10, 0, 0, 11].into(), r#"{"admin_pass":null,"uuid":"g"}"#),
            port("b", [10, 0, 0, 12].into(), r#"{"uuid":"h"}"#),
        ];
        let network = NetworkWant {
            id: "n".into(),
            mtu: 1450,
            dns_domain: String::new(),
            subnets: Vec::new(),
            ports,
        };
        let book = Book::default();
        book.replace(BTreeMap::from([("space".to_owned(), Arc::new(network))]));
        Room {
            space: "space".into(),
            book,
        }
    }

    fn told() -> Vec<PasswordFor> {
        vec![PasswordFor {
            guest: "g".into(),
            ports: vec!["a".into()],
            password: SecretText(STANDARD.encode(PASSWORD)),
        }]
    }

    /// Status and body, as the guest behind an address gets them.
    fn ask(room: &Room, last: u8, method: Method, path: &str) -> (u16, String) {
        let client = Client(IpAddr::V4([10, 0, 0, last].into()));
        let uri: Uri = path.parse().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let answered = answer(State(room.clone()), ConnectInfo(client), method, uri).await;
            let status = answered.status().as_u16();
            let body = to_bytes(answered.into_body(), 1 << 16).await.unwrap();
            (status, String::from_utf8(body.to_vec()).unwrap())
        })
    }

    fn password(room: &Room, last: u8) -> (u16, Value) {
        let (status, body) = ask(room, last, Method::GET, META);
        let page: Value = serde_json::from_str(&body).unwrap_or_default();
        (
            status,
            page.get(MEMBER).cloned().unwrap_or_else(|| "-".into()),
        )
    }

    #[test]
    fn a_password_is_told_to_its_guest_until_it_is_taken() {
        let room = room();
        let passwords = room.book.passwords.clone();
        let (hears, heard) = channel();
        passwords.on_taken(Box::new(move |guest| hears.send(guest).unwrap()));
        let post = |last, path: &str| ask(&room, last, Method::POST, path).0;
        let place = "/openstack/latest/password";

        // There is one, and nobody has said which: a page without it would be believed.
        assert_eq!(password(&room, 11).0, 503);
        assert_eq!(post(11, place), 409);
        assert_eq!(password(&room, 12), (200, "-".into()), "has none");

        passwords.replace(told());
        assert_eq!(password(&room, 11), (200, PASSWORD.into()));
        assert_eq!(password(&room, 11), (200, PASSWORD.into()), "not taken yet");
        assert_eq!(password(&room, 12), (200, "-".into()));
        assert_eq!(password(&room, 13).0, 404, "nobody's address");
        for (last, path, want) in [
            (12, place, 409),
            (13, place, 409),
            (11, META, 405),
            (11, "/openstack/latest/x/password", 405),
            (11, "/password", 405),
        ] {
            assert_eq!(post(last, path), want, "{last} {path}");
        }
        assert!(heard.try_recv().is_err(), "taken by nobody yet");
        assert_eq!(ask(&room, 11, Method::GET, place).0, 404);

        assert_eq!(post(11, "/openstack/2013-04-04/password"), 200);
        assert_eq!(heard.try_recv().unwrap(), "g");
        assert_eq!(password(&room, 11), (200, "-".into()), "taken");
        assert_eq!(post(11, place), 409, "taken once");
        // The control plane has not heard: it is told again, and the guest is told nothing again.
        passwords.replace(told());
        assert_eq!(heard.try_recv().unwrap(), "g");
        assert_eq!(password(&room, 11), (200, "-".into()));
        // It has heard; what it says afterwards is another guest's life.
        passwords.replace(Vec::new());
        assert!(heard.try_recv().is_err());
        assert_eq!(password(&room, 11).0, 503, "the page is an older one");
    }

    #[test]
    fn a_page_waits_for_its_password_while_somebody_can_tell_it() {
        let room = room();
        let passwords = &room.book.passwords;
        for (apart, want) in [
            (None, 503),
            (Some(Duration::ZERO), 503),
            (Some(ALONE - Duration::from_millis(1)), 503),
            (Some(ALONE), 200),
        ] {
            passwords.on_apart(Box::new(move || apart));
            assert_eq!(password(&room, 11).0, want, "{apart:?}");
        }
        assert_eq!(password(&room, 11), (200, "-".into()), "without it");
        let (_, page) = ask(&room, 11, Method::GET, META);
        assert_eq!(page, r#"{"uuid":"g"}"#, "and with all else");
        passwords.replace(told());
        assert_eq!(password(&room, 11), (200, PASSWORD.into()), "it was told before");
        passwords.on_apart(Box::new(|| None));
        assert_eq!(password(&room, 11), (200, PASSWORD.into()));
    }

    #[test]
    fn a_password_stands_on_no_other_guests_page() {
        let room = room();
        let mut all = told();
        all[0].guest = "other".into();
        room.book.passwords.replace(all);
        assert_eq!(password(&room, 11).0, 503, "the port was another's");
    }

    #[test]
    fn what_is_no_password_is_not_told() {
        let room = room();
        for text in ["", "not base64!"] {
            let mut all = told();
            all[0].password = SecretText(text.into());
            room.book.passwords.replace(all);
            assert_eq!(password(&room, 11).0, 503, "{text}");
        }
    }
}

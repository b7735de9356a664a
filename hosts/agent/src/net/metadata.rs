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

use super::serve::Book;
use axum::Router;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::serve::{IncomingStream, Listener};
use jinyun_wire::NetworkWant;
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

/// What a client at `ip` reads at `path`; `None` if there is nothing.
pub fn page(network: &NetworkWant, ip: Ipv4Addr, path: &str) -> Option<String> {
    let mut ports = network.ports.iter().filter(|p| p.up);
    let port = ports.find(|p| p.ips.iter().any(|(_, i)| *i == ip))?;
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
    if method != Method::GET && method != Method::HEAD {
        return (
            StatusCode::METHOD_NOT_ALLOWED,
            [(header::ALLOW, "GET, HEAD")],
        )
            .into_response();
    }
    let network = room.book.network(&room.space);
    let body = match (network, ip) {
        (Some(network), IpAddr::V4(ip)) => page(&network, ip, uri.path()),
        _ => None,
    };
    match body {
        Some(body) => {
            let kind = if uri.path().ends_with(".json") {
                "application/json"
            } else {
                "text/plain; charset=utf-8"
            };
            ([(header::CONTENT_TYPE, kind)], body).into_response()
        }
        None => (StatusCode::NOT_FOUND, "There is nothing here.\n").into_response(),
    }
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

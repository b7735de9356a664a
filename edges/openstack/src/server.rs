//! The listeners: TCP, TLS, HTTP/1.1.

use crate::dispatch::{Edge, Head, In, Listener, Out};
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use jinyun_base::limits;
use jinyun_rest::{Body, Takes};
use std::convert::Infallible;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{Receiver, channel};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

type Answer = Response<BoxBody<Bytes, io::Error>>;

/// How long a peer may take for a TLS handshake or a request's head.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long an upload may stand still: it holds a thread and one of a few places.
const SILENCE: Duration = Duration::from_secs(30);

/// Serves a bound listener until the runtime ends.
pub async fn serve(edge: Arc<Edge>, listener: Listener, socket: TcpListener,
    tls: Arc<ServerConfig>) {
    let acceptor = TlsAcceptor::from(tls);
    let listener = Arc::new(listener);
    loop {
        let Ok((stream, peer)) = socket.accept().await else {
            // Out of descriptors, most likely: the next connection may find one again.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (edge, listener, acceptor) = (edge.clone(), listener.clone(), acceptor.clone());
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let handshake = tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await;
            // A peer that cannot do the handshake has nobody to be told.
            let Ok(Ok(stream)) = handshake else { return };
            let service = service_fn(move |request| {
                let (edge, listener) = (edge.clone(), listener.clone());
                async move { Ok::<_, Infallible>(one(edge, listener, peer, request).await) }
            });
            let _ = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn one(edge: Arc<Edge>, listener: Arc<Listener>, peer: SocketAddr,
    request: Request<Incoming>) -> Answer {
    let (parts, body) = request.into_parts();
    let headers = parts.headers.iter().map(|(name, value)| {
        (name.as_str().to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    }).collect();
    let head = Head {
        method: parts.method.as_str().into(),
        path: parts.uri.path().into(),
        query: parts.uri.query().unwrap_or_default().into(),
        headers,
        source: peer.ip().to_string(),
    };
    // Most requests have no body: one blocking task finds the way and walks it.
    let empty = parts.headers.get(CONTENT_LENGTH).is_none_or(|n| n == "0")
        && parts.headers.get(TRANSFER_ENCODING).is_none();
    if empty {
        if let Some(out) = edge.quick(&listener, &head) {
            return respond(out);
        }
        let task = tokio::task::spawn_blocking(move || match edge.way(&listener, &head) {
            Ok(way) if way.takes == Takes::Json => {
                edge.call(&listener, head, way, In::Json(Vec::new()))
            }
            Ok(way) => edge.call(&listener, head, way, In::Stream(Box::new(io::empty()))),
            Err(out) => out,
        });
        return task.await.map_or_else(|_| failed(), respond);
    }
    // Finding the way may journal a refusal, which waits for its commit.
    let found = {
        let (edge, listener) = (edge.clone(), listener.clone());
        tokio::task::spawn_blocking(move || {
            let way = edge.way(&listener, &head);
            (head, way)
        }).await
    };
    let Ok((head, way)) = found else { return failed() };
    let way = match way {
        Ok(way) => way,
        Err(out) => {
            let all = drain(body).await;
            let mut answer = respond(out);
            if !all {
                let close = hyper::header::HeaderValue::from_static("close");
                answer.headers_mut().insert(hyper::header::CONNECTION, close);
            }
            return answer;
        }
    };
    // An upload holds a thread for as long as its client likes: there are only so many.
    let upload = match way.takes {
        Takes::Stream => edge.uploads.clone().acquire_owned().await.ok(),
        Takes::Json => None,
    };
    let input = match way.takes {
        Takes::Stream => In::Stream(stream_in(body)),
        Takes::Json => match whole(body).await {
            Whole::All(bytes) => In::Json(bytes),
            // What broke off may mean anything: it is not carried out.
            Whole::BrokeOff => {
                let task = tokio::task::spawn_blocking(move || edge.broke_off(&head, &way));
                return task.await.map_or_else(|_| failed(), respond);
            }
            Whole::TooLong(rest) => {
                drain(rest).await;
                let task = tokio::task::spawn_blocking(move || edge.too_large(&head, &way));
                return task.await.map_or_else(|_| failed(), respond);
            }
        },
    };
    // Whoever has no token yet shares a few threads: a flood of logins leaves the others free. Only
    // now: whoever sends slowly holds a connection, not a turn.
    let turn = match way.takes {
        Takes::Json if way.stranger() => edge.strangers.clone().acquire_owned().await.ok(),
        _ => None,
    };
    let task = tokio::task::spawn_blocking(move || edge.call(&listener, head, way, input));
    let answer = task.await.map_or_else(|_| failed(), respond);
    drop((upload, turn));
    answer
}

/// What came of reading a body.
enum Whole {
    /// All of it.
    All(Vec<u8>),
    /// It is longer than allowed; the rest has not been read.
    TooLong(Incoming),
    /// The connection or its framing broke in the middle.
    BrokeOff,
}

/// A body of at most the allowed length.
async fn whole(mut body: Incoming) -> Whole {
    let mut bytes = Vec::new();
    loop {
        match tokio::time::timeout(SILENCE, body.frame()).await {
            Ok(None) => return Whole::All(bytes),
            Err(_) | Ok(Some(Err(_))) => return Whole::BrokeOff,
            Ok(Some(Ok(frame))) => {
                let Ok(data) = frame.into_data() else { continue };
                if bytes.len() + data.len() > limits::BODY {
                    return Whole::TooLong(body);
                }
                bytes.extend_from_slice(&data);
            }
        }
    }
}

/// Reads what a client still sends to a refused request, within bounds: a client that is cut off
/// in the middle of its body never sees the answer. Whether it was all of it.
async fn drain(mut body: Incoming) -> bool {
    let read = async {
        let mut left: usize = 8 * limits::BODY;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            left = left.saturating_sub(length);
            if left == 0 {
                return false;
            }
        }
        true
    };
    tokio::time::timeout(Duration::from_secs(5), read).await.unwrap_or(false)
}

/// A route panicked: the process goes on, the caller gets an honest answer.
fn failed() -> Answer {
    let text = "{\"error\":{\"code\":500,\"message\":\"The request failed inside the platform.\"}}";
    let mut response = Response::new(full(text.into()));
    *response.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
    response
}

fn full(text: Bytes) -> BoxBody<Bytes, io::Error> {
    Full::new(text).map_err(|never| match never {}).boxed()
}

fn respond(out: Out) -> Answer {
    let body = match out.body {
        Body::Empty => full(Bytes::new()),
        Body::Json(value) => full(value.to_string().into()),
        Body::Text(text) => full(text.into()),
        Body::File(path) => stream_out(move || {
            Ok(Box::new(std::fs::File::open(path)?) as Box<dyn Read + Send>)
        }),
        Body::Stream(reader) => stream_out(move || Ok(reader)),
    };
    let mut response = Response::new(body);
    *response.status_mut() = hyper::StatusCode::from_u16(out.status)
        .unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in out.headers {
        let name = hyper::header::HeaderName::from_bytes(name.as_bytes());
        let value = hyper::header::HeaderValue::from_str(&value);
        if let (Ok(name), Ok(value)) = (name, value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// A request's body as a blocking reader, a few frames ahead.
fn stream_in(mut body: Incoming) -> Box<dyn Read + Send> {
    let (sender, receiver) = channel::<io::Result<Bytes>>(8);
    tokio::spawn(async move {
        loop {
            let frame = match tokio::time::timeout(SILENCE, body.frame()).await {
                Ok(Some(frame)) => frame,
                Ok(None) => return,
                Err(_) => {
                    let late = io::Error::new(io::ErrorKind::TimedOut, "the upload stands still");
                    let _ = sender.send(Err(late)).await;
                    return;
                }
            };
            let sent = match frame.map(Frame::into_data) {
                Ok(Ok(data)) => sender.send(Ok(data)).await,
                Ok(Err(_)) => continue,
                Err(e) => sender.send(Err(io::Error::other(e))).await,
            };
            if sent.is_err() {
                // The route has answered without reading on.
                drain(body).await;
                return;
            }
        }
    });
    Box::new(Pull { receiver, chunk: Bytes::new() })
}

struct Pull {
    receiver: Receiver<io::Result<Bytes>>,
    chunk: Bytes,
}

impl Read for Pull {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.receiver.blocking_recv() {
                Some(chunk) => self.chunk = chunk?,
                None => return Ok(0),
            }
        }
        let n = out.len().min(self.chunk.len());
        out[..n].copy_from_slice(&self.chunk.split_to(n));
        Ok(n)
    }
}

/// A file or a reader as a body. Chunks are read as the client takes them: a client that takes
/// nothing holds a descriptor, never a thread.
fn stream_out(open: impl FnOnce() -> io::Result<Box<dyn Read + Send>> + Send + 'static)
    -> BoxBody<Bytes, io::Error> {
    let (sender, receiver) = channel::<io::Result<Frame<Bytes>>>(2);
    tokio::spawn(async move {
        let mut file = match tokio::task::spawn_blocking(open).await {
            Ok(Ok(file)) => file,
            Ok(Err(e)) => return drop(sender.send(Err(e)).await),
            Err(_) => return,
        };
        loop {
            let Ok(place) = sender.reserve().await else { return };
            let read = tokio::task::spawn_blocking(move || {
                let mut chunk = vec![0; 256 << 10];
                let n = file.read(&mut chunk);
                (file, n.map(|n| {
                    chunk.truncate(n);
                    chunk
                }))
            }).await;
            let Ok((back, chunk)) = read else { return };
            file = back;
            match chunk {
                Ok(chunk) if chunk.is_empty() => return,
                Ok(chunk) => place.send(Ok(Frame::data(chunk.into()))),
                Err(e) => return place.send(Err(e)),
            }
        }
    });
    BodyExt::boxed(Frames(receiver))
}

/// Frames that a thread sends.
struct Frames(Receiver<io::Result<Frame<Bytes>>>);

impl hyper::body::Body for Frames {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>)
        -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(cx)
    }
}

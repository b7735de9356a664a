//! The listeners, tried as somebody would who wants in: without a token, with a bad one, with
//! damaged records of TLS, with ciphers of yesterday, and with requests that are none.
//!
//! Problem: that every door is locked is said by the table that locks them. Mechanism: the table
//! tells where the doors are ([`RouteFact`]) and nothing else; each is tried from outside, over TLS,
//! at both listeners, and beside it those that must be open. What comes back is kept as it came; the
//! checks judge. A damaged record is made by changing one bit of what the TLS library wrote, so that
//! the damage is in the protected part and not in how it is framed.

use crate::attack::{Attempt, Outcome, Tried};
use jinyun_base::limits;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::crypto::aws_lc_rs::{ALL_CIPHER_SUITES, default_provider};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedCipherSuite,
};

/// How long a listener may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer that is read, in bytes.
const LONGEST: usize = 64 << 10;
/// A token that nobody has.
const BAD_TOKEN: &str = "gAAAAABnobody-has-a-token-like-this-one";
/// An id that nothing has.
const NO_ID: &str = "00000000000000000000000000000000";
/// Where one signs in: the only place that takes a body from everybody.
const SIGN_IN: &str = "/identity/v3/auth/tokens";

/// An operation as the edge's table has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteFact {
    /// `GET`, ...
    pub method: String,
    /// Whole path, parameters in braces.
    pub path: String,
    /// It needs a token.
    pub token: bool,
}

/// What came back for a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answered {
    /// Status.
    pub status: u16,
    /// Head, in small letters.
    pub head: String,
    /// Body.
    pub body: String,
}

/// A door that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorTry {
    /// At which listener.
    pub listener: &'static str,
    /// What was asked.
    pub what: String,
    /// With which key.
    pub with: &'static str,
    /// The status that came back.
    pub status: Result<u16, String>,
}

/// A request that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RudeTry {
    /// At which listener.
    pub listener: &'static str,
    /// What is wrong with it.
    pub what: &'static str,
    /// The status that it must have; 0 is any refusal of the caller's doing.
    pub status: u16,
    /// What came back.
    pub answer: Result<Answered, String>,
}

/// A cipher suite that was offered alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuiteTry {
    /// At which listener.
    pub listener: &'static str,
    /// Its name.
    pub suite: String,
    /// Whether the listener agreed.
    pub agreed: Result<bool, String>,
}

/// Everything that was tried at the listeners.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Doors {
    /// Operations that need a token, without a good one.
    pub locked: Vec<DoorTry>,
    /// Operations that are open to everybody.
    pub open: Vec<DoorTry>,
    /// Requests that are none.
    pub rude: Vec<RudeTry>,
    /// Suites of today, each alone.
    pub strong: Vec<SuiteTry>,
    /// Suites of yesterday, all together; and beside them some of today in the same form.
    pub weak: Vec<SuiteTry>,
    /// Damaged records and whole ones.
    pub damage: Vec<Attempt>,
}

fn text(e: &dyn std::fmt::Display) -> String {
    e.to_string()
}

/// A client's settings with these suites, which trusts the instance's CA alone.
fn config(ca: &Path, suites: Option<SupportedCipherSuite>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).map_err(|e| text(&e))? {
        roots.add(certificate.map_err(|e| text(&e))?).map_err(|e| text(&e))?;
    }
    let mut provider = default_provider();
    let all = ClientConfig::builder_with_provider;
    let builder = match suites {
        Some(suite) => {
            provider.cipher_suites = vec![suite];
            all(Arc::new(provider)).with_protocol_versions(&[suite.version()])
        }
        None => all(Arc::new(provider)).with_safe_default_protocol_versions(),
    };
    let builder = builder.map_err(|e| text(&e))?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

fn open(address: SocketAddr) -> Result<TcpStream, String> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(|e| text(&e))?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(|e| text(&e))?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(|e| text(&e))?;
    stream.set_nodelay(true).map_err(|e| text(&e))?;
    Ok(stream)
}

/// A connection whose handshake is done.
fn greet(address: SocketAddr, config: &Arc<ClientConfig>)
    -> Result<(ClientConnection, TcpStream), String> {
    let name = ServerName::from(address.ip());
    let mut tls = ClientConnection::new(Arc::clone(config), name).map_err(|e| text(&e))?;
    let mut stream = open(address)?;
    while tls.is_handshaking() {
        tls.complete_io(&mut stream).map_err(|e| text(&e))?;
    }
    Ok((tls, stream))
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Asks one request after the other, over one connection as long as the listener keeps it.
struct Client {
    address: SocketAddr,
    config: Arc<ClientConfig>,
    stream: Option<Stream>,
}

impl Client {
    fn new(address: SocketAddr, config: Arc<ClientConfig>) -> Client {
        Client { address, config, stream: None }
    }

    /// Sends bytes and reads an answer. A connection that was kept may have ended meanwhile: then it
    /// is tried once more over a new one.
    fn ask(&mut self, request: &[u8]) -> Result<Answered, String> {
        if let Some(mut kept) = self.stream.take()
            && let Ok((answer, keep)) = exchange(&mut kept, request)
        {
            self.stream = keep.then_some(kept);
            return Ok(answer);
        }
        let (tls, stream) = greet(self.address, &self.config)?;
        let mut new = StreamOwned::new(tls, stream);
        let (answer, keep) = exchange(&mut new, request)?;
        self.stream = keep.then_some(new);
        Ok(answer)
    }

    fn request(&mut self, method: &str, path: &str, token: Option<&str>, body: &[u8])
        -> Result<Answered, String> {
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n", self.address, body.len()
        );
        if let Some(token) = token {
            head.push_str(&format!("X-Auth-Token: {token}\r\n"));
        }
        head.push_str("\r\n");
        let mut request = head.into_bytes();
        request.extend(body);
        self.ask(&request)
    }
}

/// Writes a request and reads its answer, and whether the connection stays.
fn exchange(stream: &mut Stream, request: &[u8]) -> Result<(Answered, bool), String> {
    stream.write_all(request).and_then(|()| stream.flush()).map_err(|e| text(&e))?;
    let mut got = Vec::new();
    let end = loop {
        if let Some(at) = got.windows(4).position(|w| w == b"\r\n\r\n") {
            break at;
        }
        if more(stream, &mut got)? == 0 {
            return Err("the connection ended before an answer".into());
        }
    };
    let head = String::from_utf8_lossy(&got[..end]).to_lowercase();
    let mut body = got.split_off(end + 4);
    let status: u16 = head.split_whitespace().nth(1).and_then(|word| word.parse().ok())
        .ok_or("the answer is not HTTP")?;
    let named = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let chunked = named("transfer-encoding:").is_some_and(|how| how.contains("chunked"));
    let length = named("content-length:").and_then(|n| n.parse::<usize>().ok());
    let mut keep = !named("connection:").is_some_and(|how| how.contains("close"));
    // To a question for the head alone there is no body, whatever the head says.
    let none = request.starts_with(b"HEAD ") || matches!(status, 204 | 304);
    let whole = |body: &[u8]| match (none, chunked, length) {
        (true, ..) => true,
        (_, true, _) => body.ends_with(b"0\r\n\r\n"),
        (_, _, Some(length)) => body.len() >= length,
        _ => false,
    };
    while !whole(&body) {
        if more(stream, &mut body)? == 0 {
            keep = false;
            break;
        }
    }
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok((Answered { status, head, body }, keep))
}

fn more(stream: &mut Stream, into: &mut Vec<u8>) -> Result<usize, String> {
    if into.len() > LONGEST {
        return Err("the answer is longer than any should be".into());
    }
    let mut part = [0; 4096];
    match stream.read(&mut part) {
        Ok(n) => {
            into.extend(&part[..n]);
            Ok(n)
        }
        // Closed without a word of TLS about it.
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(0),
        Err(e) => Err(e.to_string()),
    }
}

/// A route's path with something in the place of each parameter.
fn filled(path: &str) -> String {
    let fill = |part: &str| if part.starts_with('{') { NO_ID.to_string() } else { part.into() };
    path.split('/').map(fill).collect::<Vec<String>>().join("/")
}

/// Tries everything at these listeners.
pub fn read(routes: &[RouteFact], listeners: &[(&'static str, SocketAddr)], ca: &Path)
    -> Result<Doors, String> {
    let usual = config(ca, None)?;
    let mut doors = often(listeners, ca)?;
    for &(listener, address) in listeners {
        let mut client = Client::new(address, Arc::clone(&usual));
        for route in routes {
            let path = filled(&route.path);
            let what = format!("{} {}", route.method, route.path);
            let mut tried = |with, token: Option<&str>| DoorTry {
                listener,
                what: what.clone(),
                with,
                status: client.request(&route.method, &path, token, b"").map(|a| a.status),
            };
            if route.token {
                doors.locked.push(tried("no token", None));
                doors.locked.push(tried("a bad token", Some(BAD_TOKEN)));
            } else if route.method == "GET" && !route.path.contains('{') {
                doors.open.push(tried("no token", None));
            }
        }
        doors.rude.extend(rude(listener, &mut client));
    }
    Ok(doors)
}

/// Tries what may be tried every half minute: what no entry of the journal comes of, because it does
/// not become a request.
pub fn often(listeners: &[(&'static str, SocketAddr)], ca: &Path) -> Result<Doors, String> {
    let usual = config(ca, None)?;
    let mut doors = Doors::default();
    for &(listener, address) in listeners {
        doors.damage.extend(damage(address, &usual));
        for suite in ALL_CIPHER_SUITES {
            doors.strong.push(alone(listener, address, ca, *suite));
        }
        doors.weak.extend([
            hello(listener, address, "suites of yesterday", YESTERDAY),
            hello(listener, address, "suites of today", TODAY),
        ]);
    }
    Ok(doors)
}

/// Requests that are none. Those that come as far as a service are on record, so there are few.
fn rude(listener: &'static str, client: &mut Client) -> Vec<RudeTry> {
    let deep = "[".repeat(4000);
    let long = vec![b' '; limits::BODY + 1];
    let far = format!("/{}", "a/".repeat(400));
    let mut tried = Vec::new();
    let mut post = |what, status, body: &[u8]| {
        let answer = client.request("POST", SIGN_IN, None, body);
        tried.push(RudeTry { listener, what, status, answer });
    };
    post("a body that is cut off", 400, b"{\"auth\": ");
    post("a body that is nested too deep", 400, deep.as_bytes());
    post("a body that is too long", 413, &long);
    for (what, method, path) in [
        ("a path that is none", "GET", "/nothing/here"),
        ("a path that leads upwards", "GET", "/%2e%2e/%2e%2e/etc/passwd"),
        ("a path with a question to a database", "GET", "/network/v2.0/ports/%27%20OR%201=1--"),
        ("a path with a null byte", "GET", "/image/v2/images/%00"),
        ("a path without end", "GET", far.as_str()),
        ("a method that the path has not", "PATCH", "/identity/v3"),
    ] {
        let answer = client.request(method, path, None, b"");
        tried.push(RudeTry { listener, what, status: 0, answer });
    }
    let answer = client.ask(b"BREW coffee\r\n\r\n");
    tried.push(RudeTry { listener, what: "a request line that is none", status: 0, answer });
    tried
}

/// A request whose record was changed by one bit on its way, and the same one whole.
fn damage(address: SocketAddr, config: &Arc<ClientConfig>) -> [Attempt; 2] {
    [("a record with one bit changed", true), ("the same record as it was written", false)]
        .map(|(what, forbidden)| Attempt {
            what,
            forbidden,
            outcome: match sent(address, config, forbidden) {
                Ok(Some(how)) => Outcome::Worked(how),
                Ok(None) => Outcome::Stopped("the connection was closed without an answer".into()),
                Err(why) => Outcome::Untried(why),
            },
        })
}

/// Sends a request, damaged or not; what came back of plain text, if anything.
fn sent(address: SocketAddr, config: &Arc<ClientConfig>, damaged: bool)
    -> Result<Option<String>, String> {
    let (mut tls, mut stream) = greet(address, config)?;
    let request = format!("GET /identity/v3 HTTP/1.1\r\nHost: {address}\r\n\r\n");
    tls.writer().write_all(request.as_bytes()).map_err(|e| text(&e))?;
    let mut records = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut records).map_err(|e| text(&e))?;
    }
    if let Some(last) = records.last_mut().filter(|_| damaged) {
        *last ^= 1;
    }
    stream.write_all(&records).map_err(|e| text(&e))?;
    loop {
        match tls.read_tls(&mut stream) {
            // Closed, or reset: nothing came.
            Ok(0) => return Ok(None),
            Err(e) if e.kind() == ErrorKind::ConnectionReset => return Ok(None),
            Err(e) => return Err(text(&e)),
            Ok(_) => {}
        }
        let state = match tls.process_new_packets() {
            Ok(state) => state,
            // An alert, which ends the connection.
            Err(_) => return Ok(None),
        };
        if state.plaintext_bytes_to_read() > 0 {
            let mut plain = [0; 64];
            let n = tls.reader().read(&mut plain).map_err(|e| text(&e))?;
            let first = String::from_utf8_lossy(&plain[..n]);
            let line = first.lines().next().unwrap_or_default();
            return Ok(Some(format!("it was answered: {line}")));
        }
        if state.peer_has_closed() {
            return Ok(None);
        }
    }
}

/// Offers a single suite.
fn alone(listener: &'static str, address: SocketAddr, ca: &Path, suite: SupportedCipherSuite)
    -> SuiteTry {
    let name = suite.suite().as_str().unwrap_or("a suite without a name").to_string();
    // That nobody listens is no refusal.
    let agreed = open(address).and_then(|_| config(ca, Some(suite)))
        .map(|config| greet(address, &config).is_ok());
    SuiteTry { listener, suite: name, agreed }
}

/// Without forward secrecy, without integrity, with keys that anybody can find, or with a mode that
/// was broken: RSA key exchange, RC4, 3DES, export, NULL, anonymous, CBC.
const YESTERDAY: &[u16] = &[
    0x0001, 0x0002, 0x0003, 0x0004, 0x0005, 0x000a, 0x002f, 0x0035, 0x003c, 0x0034, 0x009c, 0x009d,
    0xc006, 0xc007, 0xc008, 0xc009, 0xc00a, 0xc010, 0xc011, 0xc012, 0xc013, 0xc014, 0xc023, 0xc027,
];
/// ECDHE with AES-GCM or ChaCha20, for either sort of certificate.
const TODAY: &[u16] = &[0xc02b, 0xc02c, 0xc02f, 0xc030, 0xcca8, 0xcca9];

/// Offers suites in the bare form of TLS 1.2, which our own library would not write.
fn hello(listener: &'static str, address: SocketAddr, what: &str, suites: &[u16]) -> SuiteTry {
    let agreed = open(address).and_then(|mut stream| {
        stream.write_all(&client_hello(suites)).map_err(|e| text(&e))?;
        let mut got = [0; 6];
        match stream.read_exact(&mut got) {
            // A record of the handshake that holds a server's hello.
            Ok(()) => Ok(got[0] == 22 && got[5] == 2),
            // An alert is longer than this; less is a closed connection.
            Err(e) if matches!(e.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
                Ok(false)
            }
            Err(e) => Err(text(&e)),
        }
    });
    SuiteTry { listener, suite: what.into(), agreed }
}

fn client_hello(suites: &[u16]) -> Vec<u8> {
    let length = |n: usize| [(n >> 8) as u8, n as u8];
    let mut body: Vec<u8> = vec![3, 3];
    body.extend([0x42; 32]);
    body.push(0);
    body.extend(length(suites.len() * 2));
    body.extend(suites.iter().flat_map(|suite| suite.to_be_bytes()));
    body.extend([1, 0]);
    let extensions: [&[u8]; 4] = [
        // Groups: X25519, P-256, P-384. Points: uncompressed.
        &[0, 10, 0, 8, 0, 6, 0, 29, 0, 23, 0, 24],
        &[0, 11, 0, 2, 1, 0],
        // Signatures: ECDSA and RSA with SHA-256 and SHA-384.
        &[0, 13, 0, 12, 0, 10, 4, 3, 5, 3, 8, 4, 8, 5, 4, 1],
        // The extended master secret.
        &[0, 23, 0, 0],
    ];
    let extensions = extensions.concat();
    body.extend(length(extensions.len()));
    body.extend(extensions);
    let mut hello: Vec<u8> = vec![1, 0];
    hello.extend(length(body.len()));
    hello.extend(body);
    let mut record: Vec<u8> = vec![22, 3, 1];
    record.extend(length(hello.len()));
    record.extend(hello);
    record
}

/// Damaged records as an attack, for the check that reads it.
pub fn as_attack(doors: &Result<Doors, String>) -> Tried {
    let attempts = match doors {
        Ok(doors) => doors.damage.clone(),
        Err(why) => vec![Attempt {
            what: "a damaged record",
            forbidden: true,
            outcome: Outcome::Untried(why.clone()),
        }],
    };
    Tried { check: "tls-damage", attempts }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_filled() {
        assert_eq!(filled("/volume/v3/{project}/x"), format!("/volume/v3/{NO_ID}/x"));
        assert_eq!(filled("/identity/v3"), "/identity/v3");
    }

    #[test]
    fn a_hello_has_its_own_lengths() {
        for suites in [YESTERDAY, TODAY] {
            let record = client_hello(suites);
            let at = |n: usize| usize::from(record[n]) * 256 + usize::from(record[n + 1]);
            assert_eq!(at(3), record.len() - 5);
            assert_eq!(at(7), record.len() - 9);
            assert_eq!(at(44), suites.len() * 2);
        }
    }
}

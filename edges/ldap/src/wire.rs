//! The connection to a directory: resolving, connecting, TLS, whole messages; all before a deadline.
//!
//! Problem: timeouts of a socket begin again with each byte, the system's resolver has none that we
//! set, and a server chooses how much it sends. Mechanism: every read and write asks how much time is
//! left of the whole; names are resolved by a thread that is left behind if it takes too long, of
//! which there are few; a message is read only if its length fits what is left of a bound.

use crate::{Trouble, trouble};
use jinyun_base::{Refusal, Secret};
use jinyun_identity::{LdapSettings, Server, servers};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// For connecting to one server.
const CONNECT: Duration = Duration::from_secs(3);
/// All that a directory may answer in one connection, in bytes.
const BUDGET: usize = 4 << 20;
/// Names that are being resolved at a time.
const RESOLVING: usize = 16;
/// Addresses of a name that are tried.
const ADDRESSES: usize = 4;
/// Certificates of authorities.
const AUTHORITIES: usize = 64;

/// A socket that knows when everything has to be over.
pub(crate) struct Timed {
    socket: TcpStream,
    end: Instant,
}

fn left(end: Instant) -> io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

impl Read for Timed {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(left(self.end)?))?;
        self.socket.read(bytes)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(left(self.end)?))?;
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

enum Stream {
    Plain(Timed),
    Tls(Box<StreamOwned<ClientConnection, Timed>>),
    /// Between the plain stream and TLS on it.
    None,
}

impl Stream {
    fn ends(&mut self) -> io::Result<&mut dyn Both> {
        match self {
            Stream::Plain(plain) => Ok(plain),
            Stream::Tls(tls) => Ok(&mut **tls),
            Stream::None => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

/// What is read and written.
trait Both: Read + Write {}

impl<T: Read + Write> Both for T {}

/// A failure in words for the journal.
fn said(error: &io::Error) -> Trouble {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => trouble("no answer in time"),
        io::ErrorKind::UnexpectedEof => trouble("the server ended the connection"),
        _ => trouble(error.to_string()),
    }
}

/// TLS as the settings want it.
pub(crate) fn tls(settings: &LdapSettings) -> Result<Arc<ClientConfig>, Refusal> {
    let wrong = |what: &str| Refusal::invalid("jinyun:tls_ca", what);
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(settings.tls_ca.as_bytes()) {
        let certificate = certificate.map_err(|_| wrong("cannot be read as PEM"))?;
        roots.add(certificate).map_err(|_| wrong("holds a certificate that cannot be read"))?;
        if roots.len() > AUTHORITIES {
            return Err(wrong("holds too many certificates: name the directory's own authorities"));
        }
    }
    if roots.is_empty() {
        return Err(wrong("holds no certificate in PEM"));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()
        .map_err(|_| wrong("cannot be used"))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// Names that are being resolved.
static RESOLVED_NOW: AtomicUsize = AtomicUsize::new(0);

/// A count that goes down when this goes.
struct Counted;

impl Drop for Counted {
    fn drop(&mut self) {
        RESOLVED_NOW.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The addresses of a server.
fn addresses(server: &Server, end: Instant) -> Result<Vec<SocketAddr>, Trouble> {
    if let Ok(address) = server.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, server.port)]);
    }
    let counted = Counted;
    if RESOLVED_NOW.fetch_add(1, Ordering::SeqCst) >= RESOLVING {
        return Err(trouble("too many names of servers are being resolved"));
    }
    let (tell, hear) = mpsc::channel();
    let (host, port) = (server.host.clone(), server.port);
    let resolve = move || {
        let found = (host.as_str(), port).to_socket_addrs()
            .map(|all| all.take(ADDRESSES).collect::<Vec<SocketAddr>>());
        // Whoever asked may have gone.
        let _ = tell.send(found);
        drop(counted);
    };
    std::thread::Builder::new().name("ldap-resolver".into()).spawn(resolve)
        .map_err(|e| trouble(format!("resolving the server's name: {e}")))?;
    let found: io::Result<Vec<SocketAddr>> = hear.recv_timeout(left(end).map_err(|e| said(&e))?)
        .map_err(|_| trouble("the server's name is not resolved in time"))?;
    found.map_err(|_| trouble("the server's name is not resolved"))
}

fn connected(server: &Server, encrypted: bool, end: Instant) -> Result<Timed, Trouble> {
    let until = end.min(Instant::now() + CONNECT);
    let mut last = trouble("the server's name has no address");
    for address in addresses(server, until)? {
        if !encrypted && !address.ip().to_canonical().is_loopback() {
            // The name was this machine's when it was set.
            return Err(trouble("plain LDAP is for this machine only, and the name is another's"));
        }
        match left(until).and_then(|left| TcpStream::connect_timeout(&address, left)) {
            Ok(socket) => {
                let _ = socket.set_nodelay(true);
                return Ok(Timed { socket, end });
            }
            Err(e) => last = said(&e),
        }
    }
    Err(last)
}

/// A connection that sends and takes whole messages.
pub(crate) struct Wire {
    stream: Stream,
    budget: usize,
    /// The number of the last message that was sent.
    pub sent: i64,
}

impl Wire {
    /// A connection to the first server that takes one, encrypted as the settings want it.
    pub fn connect(settings: &LdapSettings, end: Instant) -> Result<Wire, Trouble> {
        let all = servers(settings).map_err(|r| trouble(r.message))?;
        let mut last = trouble("there is no server");
        for server in &all {
            match Wire::at(settings, server, end) {
                Ok(wire) => return Ok(wire),
                Err(why) => last = why,
            }
        }
        Err(last)
    }

    fn at(settings: &LdapSettings, server: &Server, end: Instant) -> Result<Wire, Trouble> {
        let plain = connected(server, server.tls || settings.use_tls, end)?;
        let mut wire = Wire { stream: Stream::Plain(plain), budget: BUDGET, sent: 0 };
        if settings.use_tls {
            wire.start_tls()?;
        }
        if server.tls || settings.use_tls {
            wire.encrypt(settings, server)?;
        }
        Ok(wire)
    }

    fn encrypt(&mut self, settings: &LdapSettings, server: &Server) -> Result<(), Trouble> {
        let config = tls(settings).map_err(|r| trouble(r.message))?;
        let name = ServerName::try_from(server.host.clone())
            .map_err(|_| trouble("the server's name can stand in no certificate"))?;
        let mut client = ClientConnection::new(config, name).map_err(|e| trouble(e.to_string()))?;
        let Stream::Plain(mut plain) = std::mem::replace(&mut self.stream, Stream::None) else {
            return Err(trouble("TLS was begun twice"));
        };
        while client.is_handshaking() {
            client.complete_io(&mut plain).map_err(|e| said(&e))?;
        }
        self.stream = Stream::Tls(Box::new(StreamOwned::new(client, plain)));
        Ok(())
    }

    /// Sends a message.
    pub fn send(&mut self, message: &Secret<Vec<u8>>) -> Result<(), Trouble> {
        let stream = self.stream.ends().map_err(|e| said(&e))?;
        stream.write_all(message.expose()).and_then(|()| stream.flush()).map_err(|e| said(&e))
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), Trouble> {
        let stream = self.stream.ends().map_err(|e| said(&e))?;
        stream.read_exact(bytes).map_err(|e| said(&e))
    }

    /// Takes a message: what stands in its outermost element.
    pub fn take(&mut self) -> Result<Vec<u8>, Trouble> {
        let strange = || trouble("the server answers something else than LDAP");
        let mut head = [0u8; 6];
        self.read(head.get_mut(..2).ok_or_else(strange)?)?;
        let more = match (head[0], head[1]) {
            (crate::ber::SEQUENCE, length) if length & 0x80 != 0 => usize::from(length & 0x7F),
            (crate::ber::SEQUENCE, _) => 0,
            _ => return Err(strange()),
        };
        self.read(head.get_mut(2..2 + more).ok_or_else(strange)?)?;
        let (length, _) = head.get(1..).and_then(crate::ber::read_length).ok_or_else(strange)?;
        self.budget = self.budget.checked_sub(length)
            .ok_or_else(|| trouble(format!("the answer is larger than {BUDGET} bytes")))?;
        let mut message = vec![0u8; length];
        self.read(&mut message)?;
        Ok(message)
    }
}

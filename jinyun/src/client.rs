//! A client of our own listeners: one request a connection, JSON both ways.
//!
//! For commands that ask a running instance, on this machine or elsewhere. Blocking and by hand: a
//! client library would bring a pool, redirects and proxies, none of which may stand between an
//! auditor and the platform. It trusts the CA that it is given and nothing else, and speaks TLS only.

use crate::fail::{FAILED, Failed, UNREACHABLE};
use jinyun_base::{Fault, Secret};
use serde_json::Value;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an answer may take: an assessment waits for probes.
const PATIENCE: Duration = Duration::from_secs(300);
/// The longest answer that is taken into memory.
const LONGEST: u64 = 64 << 20;
/// The longest head.
const HEAD: u64 = 64 << 10;
/// The longest file of certificates.
const CERTIFICATES: usize = 8 << 20;
/// How a part of a PEM file begins.
const BEGIN: &[u8] = b"-----BEGIN ";

/// A client of one listener.
pub struct Client {
    host: String,
    port: u16,
    tls: Arc<rustls::ClientConfig>,
}

/// What is asked.
#[derive(Default)]
pub struct Ask<'a> {
    /// `GET`, `POST`, ...
    pub method: &'a str,
    /// Path and query, quoted.
    pub path: &'a str,
    /// Who asks.
    pub token: Option<&'a Secret<String>>,
    /// Further headers.
    pub headers: &'a [(&'a str, &'a Secret<String>)],
    /// The body.
    pub body: Option<&'a Value>,
}

/// What came back.
#[derive(Debug, Default)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The token that a login gave.
    pub token: Option<Secret<String>>,
    /// What a login that is half done gave, to go on with.
    pub receipt: Option<Secret<String>>,
    /// The body; null if there was none.
    pub body: Value,
}

/// Host and port of `https://host:port/...`.
fn address(url: &str) -> Result<(String, u16), Fault> {
    let bad = || Fault::new(format!("`{url}` is no address: give one like https://cloud.example:8443"));
    if url.starts_with("http://") {
        return Err(Fault::new("only https is spoken: a password must not travel in the clear"));
    }
    let rest = url.strip_prefix("https://").ok_or_else(bad)?;
    let place = rest.split('/').next().unwrap_or_default();
    let (host, port) = match place.strip_prefix('[') {
        Some(six) => {
            let (host, port) = six.split_once(']').ok_or_else(bad)?;
            (host, port.strip_prefix(':').or(port.is_empty().then_some("443")).ok_or_else(bad)?)
        }
        None => place.split_once(':').unwrap_or((place, "443")),
    };
    let good = |c: char| c.is_ascii_alphanumeric() || ".-:_".contains(c);
    let port = port.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(bad)?;
    if host.is_empty() || !host.chars().all(good) {
        return Err(bad());
    }
    Ok((host.into(), port))
}

/// An address of the command line, if it is one that is spoken to.
pub fn spoken(url: &str) -> Result<String, String> {
    address(url).map(|_| url.into()).map_err(|fault| fault.to_string())
}

/// The certificates of a file, which servers have to be signed by. They are read before anything is
/// sent: of a file without any, a connection would only say that the server is not who it should be.
fn roots(ca: &Path) -> Result<rustls::RootCertStore, Fault> {
    let bad = |what: &dyn std::fmt::Display| {
        Fault::new(format!("the file of the CA, {}: {what}", ca.display()))
    };
    let (mut text, most) = (Vec::new(), u64::try_from(CERTIFICATES).unwrap_or(u64::MAX));
    File::open(ca).and_then(|file| file.take(most + 1).read_to_end(&mut text)).map_err(|e| bad(&e))?;
    if text.len() > CERTIFICATES {
        return Err(bad(&format!("is longer than {CERTIFICATES} bytes")));
    }
    if !text.windows(BEGIN.len()).any(|at| at == BEGIN) {
        return Err(bad(&"is not PEM, whose certificates begin with -----BEGIN CERTIFICATE----- \
            (`openssl x509 -inform der -in FILE` makes it of DER)"));
    }
    let mut roots = rustls::RootCertStore::empty();
    // What the reader says is left out: it may quote a line, and the file may hold a key.
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate
            .map_err(|_| bad(&"is damaged PEM: a part of it is cut off, or is not base64"))?;
        roots.add(certificate).map_err(|_| bad(&"holds a certificate that cannot be read"))?;
    }
    if roots.is_empty() {
        return Err(bad(&"holds no certificate, only PEM of another sort"));
    }
    Ok(roots)
}

/// Whether an error means that nobody is there any more, and not that something here is wrong.
fn gone(e: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(e.kind(), Kind::BrokenPipe | Kind::ConnectionReset | Kind::ConnectionAborted
        | Kind::UnexpectedEof)
}

impl Client {
    /// A client of this machine's listener on a port, whose certificate the file's CA must have
    /// signed.
    pub fn new(port: u16, ca: &Path) -> Result<Client, Fault> {
        Client::to("127.0.0.1".into(), port, ca)
    }

    /// A client of the listener at `https://host:port`.
    pub fn at(url: &str, ca: &Path) -> Result<Client, Fault> {
        let (host, port) = address(url)?;
        Client::to(host, port, ca)
    }

    fn to(host: String, port: u16, ca: &Path) -> Result<Client, Fault> {
        let roots = roots(ca)?;
        let bad = |e: &dyn std::fmt::Display| Fault::new(format!("TLS: {e}"));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions().map_err(|e| bad(&e))?
            .with_root_certificates(roots).with_no_client_auth();
        Ok(Client { host, port, tls: Arc::new(config) })
    }

    /// `https://host:port`.
    pub fn url(&self) -> String {
        format!("https://{}", self.place())
    }

    fn place(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    /// Sends a request and waits for the answer.
    pub fn send(&self, method: &str, path: &str, token: Option<&Secret<String>>,
        body: Option<&Value>) -> Result<Answer, Failed> {
        self.ask(&Ask { method, path, token, body, headers: &[] })
    }

    /// Sends a request and waits for the answer; says whether somebody answered at all.
    pub fn ask(&self, ask: &Ask<'_>) -> Result<Answer, Failed> {
        self.exchange(ask, None, read)
    }

    /// Sends a file of this length as the body.
    pub fn upload(&self, ask: &Ask<'_>, file: &mut dyn Read, length: u64) -> Result<Answer, Failed> {
        self.exchange(ask, Some((file, length)), read)
    }

    /// Writes the answer's body to `out` if the request succeeded, and nothing otherwise.
    pub fn download(&self, ask: &Ask<'_>, out: &mut dyn Write) -> Result<Answer, Failed> {
        self.exchange(ask, None, |stream| {
            let head = head(stream)?;
            if head.answer.status != 200 {
                return whole(stream, head);
            }
            carry(stream, &head, out)?;
            Ok(head.answer)
        })
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT) {
                Ok(socket) => return Ok(socket),
                Err(e) => last = e,
            }
        }
        Err(last)
    }

    fn exchange<T>(&self, ask: &Ask<'_>, file: Option<(&mut dyn Read, u64)>,
        read: impl FnOnce(&mut dyn BufRead) -> Result<T, String>) -> Result<T, Failed> {
        let Ask { method, path, .. } = *ask;
        let url = self.url();
        let bad = |e: &dyn std::fmt::Display| {
            Failed::new(FAILED, format!("{url}{}: {e}", path.split('?').next().unwrap_or_default()))
        };
        let broken = |e: &io::Error| match e.kind() {
            io::ErrorKind::InvalidData => Failed::new(UNREACHABLE, format!(
                "{url} is not who it should be ({e}): is the CA file the right one?"
            )),
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Failed::new(UNREACHABLE, format!(
                "{url} has not answered for {} s", PATIENCE.as_secs()
            )),
            _ if gone(e) => Failed::new(UNREACHABLE, format!("{url} has ended the connection: {e}")),
            _ => bad(e),
        };
        let mut socket = self.connect().map_err(|e| match e.kind() {
            io::ErrorKind::ConnectionRefused => Failed::new(UNREACHABLE, format!(
                "nothing answers at {url}: is the instance up? (`jinyun status`)"
            )),
            _ => Failed::new(UNREACHABLE, format!("{url} cannot be reached: {e}")),
        })?;
        socket.set_read_timeout(Some(PATIENCE)).map_err(|e| bad(&e))?;
        let name = match self.host.parse::<IpAddr>() {
            Ok(address) => ServerName::from(address),
            Err(_) => ServerName::try_from(self.host.clone()).map_err(|e| bad(&e))?,
        };
        let mut tls =
            rustls::ClientConnection::new(self.tls.clone(), name).map_err(|e| bad(&e))?;
        let mut stream = rustls::Stream::new(&mut tls, &mut socket);
        let body = ask.body.map(Value::to_string).unwrap_or_default();
        let (kind, length) = match &file {
            Some((_, length)) => ("application/octet-stream", *length),
            None => ("application/json", body.len() as u64),
        };
        let own = ask.token.map(|token| ("x-auth-token", token));
        let mut headers = String::new();
        for (name, value) in own.iter().chain(ask.headers) {
            if value.expose().bytes().any(|b| !b.is_ascii_graphic()) {
                return Err(bad(&format!("the header {name} would hold a strange character")));
            }
            headers.push_str(&format!("{name}: {}\r\n", value.expose()));
        }
        let request = Secret::new(format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\
             content-type: {kind}\r\ncontent-length: {length}\r\n{headers}\r\n{body}", self.place()
        ));
        let uploads = file.is_some();
        let mut sent = stream.write_all(request.expose().as_bytes());
        if let Some((file, length)) = file {
            let copied = sent.and_then(|()| io::copy(&mut Read::take(file, length), &mut stream));
            if copied.as_ref().is_ok_and(|n| *n < length) {
                return Err(bad(&"the file became shorter while it was sent"));
            }
            sent = copied.map(drop);
        }
        let sent = sent.and_then(|()| stream.flush());
        let over = |e: &io::Error| {
            matches!(e.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
        };
        // A platform that refuses an upload may close before all was sent: its answer tells more.
        sent.or_else(|e| if uploads && over(&e) { Ok(()) } else { Err(e) }).map_err(|e| broken(&e))?;
        let mut stream = BufReader::new(stream);
        // An answer that does not begin is told from one that is wrong.
        if stream.fill_buf().map_err(|e| broken(&e))?.is_empty() {
            let say = format!("{url} has ended the connection without an answer");
            return Err(Failed::new(UNREACHABLE, say));
        }
        read(&mut stream).map_err(|e| bad(&e))
    }
}

/// An answer's head.
struct Head {
    answer: Answer,
    length: u64,
    chunked: bool,
}

fn line(stream: &mut dyn BufRead) -> Result<String, String> {
    let mut line = String::new();
    stream.read_line(&mut line).map_err(|e| e.to_string())?;
    match line.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_string()),
        None => Err("the answer is cut off".into()),
    }
}

fn head(stream: &mut dyn BufRead) -> Result<Head, String> {
    let mut stream = Read::take(stream, HEAD);
    let first = line(&mut stream)?;
    let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok())
        .ok_or_else(|| "what came is no answer".to_string())?;
    let answer = Answer { status, ..Answer::default() };
    let mut head = Head { answer, length: 0, chunked: false };
    loop {
        let header = line(&mut stream)?;
        let Some((name, value)) = header.split_once(':') else { return Ok(head) };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => {
                head.length = value.parse().map_err(|_| "the answer tells no length".to_string())?;
            }
            "transfer-encoding" => head.chunked = value.eq_ignore_ascii_case("chunked"),
            "x-subject-token" => head.answer.token = Some(Secret::new(value.to_string())),
            "openstack-auth-receipt" => {
                head.answer.receipt = Some(Secret::new(value.to_string()));
            }
            _ => {}
        }
    }
}

/// Carries so many bytes.
fn some(stream: &mut dyn BufRead, length: u64, out: &mut dyn Write) -> Result<(), String> {
    let carried = io::copy(&mut Read::take(stream, length), out).map_err(|e| e.to_string())?;
    if carried == length { Ok(()) } else { Err("the answer is cut off".into()) }
}

/// Carries a body of any length. One that ends early is an error.
fn carry(stream: &mut dyn BufRead, head: &Head, out: &mut dyn Write) -> Result<(), String> {
    if !head.chunked {
        return some(stream, head.length, out);
    }
    loop {
        let size = line(stream)?;
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16).map_err(|_| "the answer is damaged".to_string())?;
        if size == 0 {
            while !line(stream)?.is_empty() {}
            return Ok(());
        }
        some(stream, size, out)?;
        if !line(stream)?.is_empty() {
            return Err("the answer is damaged".into());
        }
    }
}

/// The answer with its body, which is JSON.
fn whole(stream: &mut dyn BufRead, mut head: Head) -> Result<Answer, String> {
    if head.length > LONGEST {
        return Err(format!("the answer has {} bytes: too long", head.length));
    }
    let mut body = Vec::new();
    carry(&mut Read::take(stream, LONGEST + HEAD), &head, &mut body)?;
    if !body.is_empty() {
        head.answer.body =
            serde_json::from_slice(&body).map_err(|e| format!("the answer: {e}"))?;
    }
    Ok(head.answer)
}

/// Reads an answer into memory.
fn read(stream: &mut dyn BufRead) -> Result<Answer, String> {
    let head = head(stream)?;
    whole(stream, head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let text = "HTTP/1.1 201 Created\r\nX-Subject-Token: abc\r\ncontent-length: 7\r\n\r\n\
                    {\"a\":1}left over";
        let answer = read(&mut text.as_bytes()).unwrap();
        assert_eq!((answer.status, &answer.body["a"]), (201, &Value::from(1)));
        assert_eq!(answer.token.unwrap().expose(), "abc");
        for bad in ["", "HTTP/1.1 200", "SSH-2.0\r\n\r\n", "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n{ }\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"] {
            assert!(read(&mut bad.as_bytes()).is_err(), "{bad}");
        }
        let none = read(&mut "HTTP/1.1 204 No Content\r\n\r\n".as_bytes()).unwrap();
        assert_eq!((none.status, none.body), (204, Value::Null));
        let half = "HTTP/1.1 401 No\r\nOpenstack-Auth-Receipt: r\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(read(&mut half.as_bytes()).unwrap().receipt.unwrap().expose(), "r");
    }

    #[test]
    fn long_answers_come_in_pieces() {
        let text = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;x=y\r\n{\"a\":\r\n\
                    2\r\n1}\r\n0\r\ntrailer: x\r\n\r\n";
        assert_eq!(read(&mut text.as_bytes()).unwrap().body["a"], 1);
    }

    #[test]
    fn a_file_of_certificates_is_read_before_anything_is_sent() {
        let dir = jinyun_testdb::Dir::new("roots");
        let files = jinyun_edge::tls::Files::in_dir(&dir);
        jinyun_edge::tls::ensure(&files, &["localhost".to_string()]).unwrap();
        let good = std::fs::read_to_string(&files.ca).unwrap();
        let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let no_base64 = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
        let path = dir.join("given.pem");
        for (text, want) in [
            (good.clone(), None),
            (format!("a comment\n{good}{good}"), None),
            (String::new(), Some("is not PEM")),
            ("tour ed25519 00\n".into(), Some("is not PEM")),
            ("0\u{82}\u{1}\u{0}".into(), Some("is not PEM")),
            (good[..good.len() / 2].into(), Some("damaged PEM")),
            (no_base64.into(), Some("damaged PEM")),
            (no_certificate.into(), Some("cannot be read")),
            (format!("{good}{no_certificate}"), Some("cannot be read")),
            (std::fs::read_to_string(&files.key).unwrap(), Some("no certificate")),
            (" ".repeat(CERTIFICATES + 1), Some("longer than")),
        ] {
            std::fs::write(&path, &text).unwrap();
            let said = roots(&path).err().map(|fault| fault.to_string());
            assert_eq!(said.is_some(), want.is_some(), "{said:?}");
            let (said, want) = (said.unwrap_or_default(), want.unwrap_or_default());
            assert!(said.contains(want) && (want.is_empty() || said.contains("given.pem")), "{said}");
        }
        for (path, want) in [(dir.join("none.pem"), "No such file"), (dir.to_path_buf(), "directory")] {
            let said = roots(&path).err().map(|fault| fault.to_string()).unwrap_or_default();
            assert!(said.contains(&path.display().to_string()) && said.contains(want), "{said}");
        }
    }

    #[test]
    fn who_does_not_answer_is_told_from_who_answers_wrongly() {
        let dir = jinyun_testdb::Dir::new("nobody");
        let files = jinyun_edge::tls::Files::in_dir(&dir);
        jinyun_edge::tls::ensure(&files, &["localhost".to_string()]).unwrap();
        for (says, want) in [("", "ended the connection"), ("SSH-2.0-x\r\n\r\n", "not who it should be")] {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            let other = std::thread::spawn(move || {
                let (mut socket, _) = listener.accept().unwrap();
                // All of the first message: with some of it unread, an end would be a reset.
                let mut hello = vec![0; 16 << 10];
                assert!(socket.read(&mut hello).unwrap() > 0);
                socket.write_all(says.as_bytes()).unwrap();
            });
            let ask = Ask { method: "GET", path: "/", ..Ask::default() };
            let failed = Client::new(port, &files.ca).unwrap().ask(&ask).unwrap_err();
            assert_eq!(failed.code, UNREACHABLE, "{}", failed.say);
            assert!(failed.say.contains(want), "{}", failed.say);
            other.join().unwrap();
        }
    }

    #[test]
    fn addresses_are_read() {
        for (url, want) in [
            ("https://127.0.0.1:8443", Some(("127.0.0.1", 8443))),
            ("https://cloud.example/identity/v3", Some(("cloud.example", 443))),
            ("https://[::1]:8443/", Some(("::1", 8443))),
            ("https://[::1]", Some(("::1", 443))),
            ("http://cloud.example", None),
            ("cloud.example:8443", None),
            ("https://", None),
            ("https://a b", None),
            ("https://a:0", None),
            ("https://a:x", None),
            ("https://[::1]x", None),
            ("https://user@host", None),
        ] {
            let got = address(url).ok();
            assert_eq!(got.as_ref().map(|(host, port)| (host.as_str(), *port)), want, "{url}");
        }
    }
}

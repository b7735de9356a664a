//! A client of our own listeners: one request a connection, JSON both ways.
//!
//! For commands that ask the running instance. Blocking and by hand: a client library would bring a
//! pool, redirects and proxies, none of which may stand between an auditor and the platform. It
//! trusts the instance's CA and nothing else.

use jinyun_base::{Fault, Secret};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};

/// How long an answer may take: an assessment waits for probes.
const PATIENCE: Duration = Duration::from_secs(300);
/// The longest answer that is taken.
const LONGEST: usize = 64 << 20;
/// The longest head.
const HEAD: u64 = 64 << 10;

/// A client of one listener.
pub struct Client {
    address: SocketAddr,
    tls: Arc<rustls::ClientConfig>,
}

/// What came back.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The token that a login gave.
    pub token: Option<Secret<String>>,
    /// The body; null if there was none.
    pub body: Value,
}

impl Client {
    /// A client of the listener on this port, whose certificate the file's CA must have signed.
    pub fn new(port: u16, ca: &Path) -> Result<Client, Fault> {
        let bad = |e: &dyn std::fmt::Display| Fault::new(format!("{}: {e}", ca.display()));
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(ca).map_err(|e| bad(&e))? {
            roots.add(certificate.map_err(|e| bad(&e))?).map_err(|e| bad(&e))?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions().map_err(|e| bad(&e))?
            .with_root_certificates(roots).with_no_client_auth();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Ok(Client { address, tls: Arc::new(config) })
    }

    /// Sends a request and waits for the answer.
    pub fn send(&self, method: &str, path: &str, token: Option<&Secret<String>>,
        body: Option<&Value>) -> Result<Answer, Fault> {
        let address = self.address;
        let bad = |e: &dyn std::fmt::Display| Fault::new(format!("https://{address}{path}: {e}"));
        let mut socket = TcpStream::connect(address).map_err(|e| match e.kind() {
            std::io::ErrorKind::ConnectionRefused => Fault::new(format!(
                "nothing answers at https://{address}: is the instance up? (`jinyun status`)"
            )),
            _ => bad(&e),
        })?;
        socket.set_read_timeout(Some(PATIENCE)).map_err(|e| bad(&e))?;
        let name = ServerName::from(address.ip());
        let mut tls =
            rustls::ClientConnection::new(self.tls.clone(), name).map_err(|e| bad(&e))?;
        let mut stream = rustls::Stream::new(&mut tls, &mut socket);
        let body = body.map(Value::to_string).unwrap_or_default();
        let token = token.map_or(String::new(), |t| format!("x-auth-token: {}\r\n", t.expose()));
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n{token}\r\n{body}", body.len()
        );
        stream.write_all(request.as_bytes()).and_then(|()| stream.flush()).map_err(|e| bad(&e))?;
        read(&mut BufReader::new(stream)).map_err(|e| bad(&e))
    }
}

/// Reads an answer whose length is told: ours always is.
fn read(stream: &mut impl BufRead) -> Result<Answer, String> {
    let mut head = stream.by_ref().take(HEAD);
    let mut line = || -> Result<String, String> {
        let mut line = String::new();
        head.read_line(&mut line).map_err(|e| e.to_string())?;
        match line.strip_suffix("\r\n") {
            Some(line) => Ok(line.to_string()),
            None => Err("the answer is cut off".into()),
        }
    };
    let first = line()?;
    let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok())
        .ok_or_else(|| format!("`{first}` is no answer"))?;
    let (mut length, mut token) = (0, None);
    loop {
        let header = line()?;
        let Some((name, value)) = header.split_once(':') else { break };
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().map_err(|_| "the answer tells no length".to_string())?;
        } else if name.eq_ignore_ascii_case("x-subject-token") {
            token = Some(Secret::new(value.to_string()));
        }
    }
    if length > LONGEST {
        return Err(format!("the answer has {length} bytes: too long"));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).map_err(|e| e.to_string())?;
    let body = match body.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(&body).map_err(|e| format!("the answer: {e}"))?,
    };
    Ok(Answer { status, token, body })
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
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}"] {
            assert!(read(&mut bad.as_bytes()).is_err(), "{bad}");
        }
        let none = read(&mut "HTTP/1.1 204 No Content\r\n\r\n".as_bytes()).unwrap();
        assert_eq!((none.status, none.body), (204, Value::Null));
    }
}

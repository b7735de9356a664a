//! The listeners, tried as a client would: with TLS, without, and with a TLS that is too old.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, crypto::aws_lc_rs::default_provider,
};

/// How long a listener may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// A listener as a client finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerLook {
    /// `tenants` or `management`.
    pub name: &'static str,
    /// Where.
    pub address: SocketAddr,
    /// Protocol and cipher suite that a handshake with a verified certificate agreed on.
    pub tls: Result<(String, String), String>,
    /// Whether a request without TLS was answered.
    pub plain: Result<bool, String>,
    /// Whether a handshake of TLS 1.1 was answered.
    pub old: Result<bool, String>,
}

fn open(address: SocketAddr) -> Result<TcpStream, String> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(|e| e.to_string())?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(|e| e.to_string())?;
    stream.set_write_timeout(Some(PATIENCE)).map_err(|e| e.to_string())?;
    Ok(stream)
}

/// Tries a listener. `ca` is the file of the instance's CA.
pub fn read(name: &'static str, address: SocketAddr, ca: &Path) -> ListenerLook {
    ListenerLook {
        name,
        address,
        tls: handshake(address, ca),
        plain: said(address, b"GET / HTTP/1.0\r\n\r\n").map(|got| got.starts_with(b"HTTP/")),
        // A handshake record (22) is an answer, an alert (21) or silence is a refusal.
        old: said(address, &hello_1_1()).map(|got| got.first() == Some(&22)),
    }
}

fn handshake(address: SocketAddr, ca: &Path) -> Result<(String, String), String> {
    let text = |e: &dyn std::fmt::Display| e.to_string();
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).map_err(|e| text(&e))? {
        roots.add(certificate.map_err(|e| text(&e))?).map_err(|e| text(&e))?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions().map_err(|e| text(&e))?
        .with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::from(address.ip());
    let mut tls = ClientConnection::new(Arc::new(config), name).map_err(|e| text(&e))?;
    let mut stream = open(address)?;
    tls.complete_io(&mut stream).map_err(|e| text(&e))?;
    let version = tls.protocol_version().and_then(|v| v.as_str());
    let suite = tls.negotiated_cipher_suite().and_then(|s| s.suite().as_str());
    match (version, suite) {
        (Some(version), Some(suite)) => Ok((version.into(), suite.into())),
        _ => Err("the handshake agreed on nothing that is known".into()),
    }
}

/// What comes back for some bytes; nothing if the peer closes.
fn said(address: SocketAddr, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut stream = open(address)?;
    stream.write_all(bytes).map_err(|e| e.to_string())?;
    let mut got = vec![0; 64];
    match stream.read(&mut got) {
        Ok(n) => {
            got.truncate(n);
            Ok(got)
        }
        // A reset is a refusal too.
        Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => Ok(Vec::new()),
        Err(e) => Err(e.to_string()),
    }
}

/// A ClientHello that speaks TLS 1.1 at most, with the suites that clients of its time had.
fn hello_1_1() -> Vec<u8> {
    let mut body: Vec<u8> = vec![3, 2];
    body.extend([0x42; 32]);
    // No session; ECDHE-ECDSA-AES128-SHA, ECDHE-RSA-AES128-SHA, AES128-SHA; no compression.
    body.extend([0, 0, 6, 0xc0, 0x09, 0xc0, 0x13, 0, 0x2f, 1, 0]);
    // Groups: P-256. Points: uncompressed.
    body.extend([0, 14, 0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0]);
    let length = |n: usize| [(n >> 8) as u8, n as u8];
    let mut hello: Vec<u8> = vec![1, 0];
    hello.extend(length(body.len()));
    hello.extend(body);
    let mut record: Vec<u8> = vec![22, 3, 1];
    record.extend(length(hello.len()));
    record.extend(hello);
    record
}

/// Addresses on which processes of this process's user listen for TCP.
pub fn sockets() -> Result<Vec<SocketAddr>, String> {
    let us = std::fs::metadata("/proc/self").map_err(|e| e.to_string())?.uid();
    let mut all = Vec::new();
    for path in ["/proc/net/tcp", "/proc/net/tcp6"] {
        match std::fs::read_to_string(path) {
            Ok(text) => all.extend(text.lines().skip(1).filter_map(|line| listening(line, us))),
            // A kernel without IPv6 has no such file.
            Err(e) if path.ends_with('6') && e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(format!("{path}: {e}")),
        }
    }
    Ok(all)
}

/// `0: 0100007F:20FB 00000000:0000 0A 00000000:00000000 00:00000000 00000000 1000 ...`
fn listening(line: &str, us: u32) -> Option<SocketAddr> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (local, state, uid) = (words.get(1)?, words.get(3)?, words.get(7)?);
    if *state != "0A" || uid.parse() != Ok(us) {
        return None;
    }
    let (ip, port) = local.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let ip = match u32::from_str_radix(ip, 16) {
        // The kernel prints the bytes as one number of the machine's order.
        Ok(number) if ip.len() == 8 => IpAddr::V4(Ipv4Addr::from(number.to_ne_bytes())),
        // Any IPv6 address: what matters is that it is there.
        _ => IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_sockets_are_read() {
        let line = "   1: 0100007F:20FB 00000000:0000 0A 00000000:00000000 00:00000000 00000000  \
                    1000        0 12345 1 0000000000000000 100 0 0 10 0";
        assert_eq!(listening(line, 1000), Some("127.0.0.1:8443".parse().unwrap()));
        assert_eq!(listening(line, 1001), None);
        assert_eq!(listening(&line.replace(" 0A ", " 01 "), 1000), None);
        let six = line.replace("0100007F", "00000000000000000000000000000000");
        assert!(listening(&six, 1000).unwrap().is_ipv6());
    }

    #[test]
    fn the_old_hello_has_its_own_lengths() {
        let record = hello_1_1();
        assert_eq!(usize::from(record[3]) * 256 + usize::from(record[4]), record.len() - 5);
        assert_eq!(usize::from(record[7]) * 256 + usize::from(record[8]), record.len() - 9);
    }
}

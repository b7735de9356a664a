//! The instance's CA and the certificate of its listeners.
//!
//! Made at the first start: an institution replaces both files by its own. Clients trust the CA's
//! file, whose path stands in `clouds.yaml`.

use jinyun_base::Fault;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
    KeyUsagePurpose};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
pub use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};

/// Where the files are.
pub struct Files {
    /// The CA's certificate.
    pub ca: PathBuf,
    /// The listeners' certificate.
    pub certificate: PathBuf,
    /// Its key, mode 0600.
    pub key: PathBuf,
}

impl Files {
    /// The files in a directory.
    pub fn in_dir(dir: &Path) -> Files {
        Files {
            ca: dir.join("ca.pem"),
            certificate: dir.join("server.pem"),
            key: dir.join("server.key"),
        }
    }
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), Fault> {
    let io = |e: std::io::Error| Fault::new(format!("{}: {e}", path.display()));
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode)
        .open(path).map_err(io)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io)
}

/// Makes what is missing. The CA's key is not kept: a new certificate means a new CA.
pub fn ensure(files: &Files, names: &[String]) -> Result<(), Fault> {
    if files.ca.exists() && files.certificate.exists() && files.key.exists() {
        return Ok(());
    }
    let bad = |e: rcgen::Error| Fault::new(format!("making a certificate: {e}"));
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, "Jinyun instance CA");
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let issuer = CertifiedIssuer::self_signed(ca, KeyPair::generate().map_err(bad)?).map_err(bad)?;
    let mut params = CertificateParams::new(names.to_vec()).map_err(bad)?;
    params.distinguished_name.push(DnType::CommonName, "Jinyun");
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().map_err(bad)?;
    let certificate = params.signed_by(&key, &issuer).map_err(bad)?;
    write(&files.key, &key.serialize_pem(), 0o600)?;
    write(&files.certificate, &certificate.pem(), 0o644)?;
    write(&files.ca, &issuer.pem(), 0o644)
}

/// Refuses a certificate that does not name the host by which browsers come: none of them would take
/// it, and no passkey could be used. It may be an institution's own, so it is not made anew here.
pub fn names(files: &Files, host: &str) -> Result<(), Fault> {
    let path = files.certificate.display();
    let bad = |e: &dyn std::fmt::Display| Fault::new(format!("{path}: {e}"));
    let first = CertificateDer::pem_file_iter(&files.certificate).map_err(|e| bad(&e))?.next();
    let first = first.ok_or_else(|| bad(&"holds no certificate"))?.map_err(|e| bad(&e))?;
    let parsed = rustls::server::ParsedCertificate::try_from(&first).map_err(|e| bad(&e))?;
    let name = ServerName::try_from(host.to_string()).map_err(|e| bad(&e))?;
    rustls::client::verify_server_name(&parsed, &name).map_err(|_| {
        let (key, ca) = (files.key.display(), files.ca.display());
        Fault::new(format!(
            "{path} does not name `{host}` (--public-name): put a certificate there that does, or \
             remove it with {key} and {ca} to have new ones made, which clients have to be told of"
        ))
    })
}

/// The server's side of TLS 1.2 and 1.3.
pub fn server(files: &Files) -> Result<Arc<rustls::ServerConfig>, Fault> {
    let bad = |e: &dyn std::fmt::Display| Fault::new(format!("the TLS files: {e}"));
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(|e| bad(&e))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|e| bad(&e))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions().map_err(|e| bad(&e))?
        .with_no_client_auth().with_single_cert(chain, key).map_err(|e| bad(&e))?;
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_names_the_host_by_which_browsers_come() {
        let dir = std::env::temp_dir().join(format!("jytls-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let files = Files::in_dir(&dir);
        ensure(&files, &["127.0.0.1".into(), "cloud.example".into()]).unwrap();
        let told = ["cloud.example", "other.example", "a.cloud.example"]
            .map(|host| names(&files, host).err().map(|e| e.to_string()));
        std::fs::write(&files.certificate, "").unwrap();
        let empty = names(&files, "cloud.example").err().map(|e| e.to_string()).unwrap_or_default();
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!(told[0], None);
        for (host, said) in ["other.example", "a.cloud.example"].iter().zip(&told[1..]) {
            let said = said.as_deref().unwrap_or_default();
            assert!(said.contains(host) && said.contains("--public-name"), "{host}: {said}");
        }
        assert!(empty.contains("holds no certificate"), "{empty}");
    }
}

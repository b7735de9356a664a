//! A timestamp authority of the tests' own: Debian's openssl, in a directory that goes away.
#![allow(dead_code)]

use std::path::PathBuf;
use std::process::Command;

const CONFIG: &str = "\
[req]
distinguished_name=dn
[dn]
[ca]
basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign
subjectKeyIdentifier=hash
[tsa]
basicConstraints=CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=critical,timeStamping
subjectKeyIdentifier=hash
[loose]
extendedKeyUsage=timeStamping
[web]
extendedKeyUsage=critical,serverAuth
[both]
extendedKeyUsage=critical,timeStamping,serverAuth
[none]
basicConstraints=CA:FALSE
[ts]
serial=serial
default_policy=1.2.3.4.1
digests=sha256,sha512
signer_digest=sha256
accuracy=secs:1
ess_cert_id_chain=no
ess_cert_id_alg=sha256
[old]
serial=serial
default_policy=1.2.3.4.1
digests=sha256
signer_digest=sha256
ess_cert_id_chain=no
ess_cert_id_alg=sha1
";

/// The words for a key on a curve.
pub const P256: &str = "ec -pkeyopt ec_paramgen_curve:P-256";
pub const P384: &str = "ec -pkeyopt ec_paramgen_curve:P-384";
pub const RSA: &str = "rsa:2048";

/// The directory with its keys.
pub struct Office(PathBuf);

impl Drop for Office {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Office {
    /// With the root `root` and the authority `clock` under it.
    pub fn new(name: &str) -> Office {
        let dir = std::env::temp_dir().join(format!("jyoffice-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let office = Office(dir);
        office.put("openssl.cnf", CONFIG.as_bytes());
        office.put("serial", b"01\n");
        office.root("root", RSA);
        office.issue("clock", "root", "tsa", "sha256", RSA);
        office
    }

    pub fn put(&self, file: &str, bytes: &[u8]) {
        std::fs::write(self.0.join(file), bytes).unwrap();
    }

    pub fn get(&self, file: &str) -> Vec<u8> {
        std::fs::read(self.0.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
    }

    pub fn pem(&self, name: &str) -> String {
        String::from_utf8(self.get(&format!("{name}.pem"))).unwrap()
    }

    /// openssl with these words.
    pub fn run(&self, words: &str) {
        let out = Command::new("openssl").current_dir(&self.0).args(words.split_whitespace()).output()
            .expect("these tests need the program openssl");
        assert!(out.status.success(), "openssl {words}: {}", String::from_utf8_lossy(&out.stderr));
    }

    pub fn root(&self, name: &str, key: &str) {
        self.run(&format!("req -config openssl.cnf -x509 -newkey {key} -nodes -keyout {name}.key \
            -out {name}.pem -subj /O=Example/CN={name} -days 3650 -extensions ca"));
    }

    /// A certificate with one of the sections above.
    pub fn issue(&self, name: &str, by: &str, section: &str, hash: &str, key: &str) {
        self.run(&format!("req -config openssl.cnf -new -newkey {key} -nodes -keyout {name}.key \
            -out {name}.csr -subj /C=CN/O=Example/CN={name}"));
        self.run(&format!("x509 -req -in {name}.csr -CA {by}.pem -CAkey {by}.key -CAcreateserial \
            -out {name}.pem -days 3000 -{hash} -extfile openssl.cnf -extensions {section}"));
    }

    /// The answer to a request, by an authority that follows the rules.
    pub fn answer(&self, request: &[u8], name: &str, more: &str) -> Vec<u8> {
        let section = if more.contains("-section") { "" } else { "-section ts" };
        self.put("request", request);
        self.run(&format!("ts -reply -config openssl.cnf {section} -queryfile request -signer {name}.pem \
            -inkey {name}.key -out answer {more}"));
        self.get("answer")
    }

    /// What a token signs.
    pub fn content(&self, token: &[u8]) -> Vec<u8> {
        self.put("token", token);
        self.run("cms -verify -noverify -inform DER -in token -out content");
        self.get("content")
    }

    /// A token made by hand, as no authority would.
    pub fn forge(&self, content: &[u8], name: &str, more: &str) -> Vec<u8> {
        self.put("content", content);
        let kind = if more.contains("-econtent_type") { "" } else {
            "-econtent_type 1.2.840.113549.1.9.16.1.4"
        };
        let hash = if more.contains("-md") { "" } else { "-md sha256" };
        self.run(&format!("cms -sign -binary -nodetach -outform DER {hash} {kind} -signer {name}.pem \
            -inkey {name}.key -in content -out token {more}"));
        self.get("token")
    }
}

//! The judgement of a timestamp token (RFC 3161, section 2.4.2; RFC 5652; RFC 5816).
//!
//! In this order: it is a CMS signature by one signer over a `TSTInfo` that names the given hash; the
//! signed attributes name that content and the certificate; the certificate is for timestamps and
//! nothing else; the signature is that certificate's; the certificate was valid, at the time that
//! the token states, under the given root. All but the last two are read here; signatures and chains
//! are judged by webpki. Revocation is not asked: there is no network, and a list would have to be
//! newer than what it speaks about.

use crate::exchange::shown;
use crate::parts::{
    BOOLEAN, INTEGER, OCTETS, OID, Part, Parts, SEQUENCE, SET, TIME, algorithm, nested,
};
use der::DateTime;
use jinyun_journal::to_hex;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use sha2::Digest;
use std::time::Duration;
use webpki::aws_lc_rs as known;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, Error, KeyUsage, anchor_from_trusted_cert};

// The values of object identifiers.
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
const TST_INFO: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04];
const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03];
const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04];
const CERTIFICATE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x0c];
const CERTIFICATE_V2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x2f];
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const RSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];
const SM3: &[u8] = &[0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x83, 0x11];
const SM2_SM3: &[u8] = &[0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x83, 0x75];
const USES: &[u8] = &[0x55, 0x1d, 0x25];
const BASIC: &[u8] = &[0x55, 0x1d, 0x13];
const KEY_ID: &[u8] = &[0x55, 0x1d, 0x0e];
/// What a certificate may be for. The only one for an authority's.
const TIME_STAMPING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08];
/// Of names, what people know: common name, organisation, country.
const NAMES: &[(&[u8], &str)] = &[(&[0x55, 4, 3], "CN"), (&[0x55, 4, 10], "O"), (&[0x55, 4, 6], "C")];

/// What a token proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// When, microseconds since 1970.
    pub time: i64,
    /// The same to the second, RFC 3339.
    pub said: String,
    /// Who says so: the subject of the certificate that signed.
    pub authority: String,
    /// SHA-256 of the root's certificate, hex.
    pub root: String,
    /// The token's number with its authority, hex.
    pub serial: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    fn of(oid: &[u8]) -> Result<Hash, String> {
        match oid {
            [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01] => Ok(Hash::Sha256),
            [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02] => Ok(Hash::Sha384),
            [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03] => Ok(Hash::Sha512),
            SM3 => Err("it is hashed with SM3: authorities by GM/T 0033 are not built".into()),
            _ => Err("it is hashed with something else than SHA-256, SHA-384 or SHA-512".into()),
        }
    }

    fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha256 => sha2::Sha256::digest(bytes).to_vec(),
            Hash::Sha384 => sha2::Sha384::digest(bytes).to_vec(),
            Hash::Sha512 => sha2::Sha512::digest(bytes).to_vec(),
        }
    }
}

/// How a signature with this algorithm over this hash can be checked.
fn algorithms(oid: &[u8], hash: Hash) -> Result<Vec<&'static dyn SignatureVerificationAlgorithm>, String> {
    let named = match oid {
        RSA => None,
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b] => Some(Hash::Sha256),
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c] => Some(Hash::Sha384),
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d] => Some(Hash::Sha512),
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02] => Some(Hash::Sha256),
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03] => Some(Hash::Sha384),
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04] => Some(Hash::Sha512),
        RSA_PSS => return Err("it is signed with RSASSA-PSS, which is not read".into()),
        SM2_SM3 => return Err("it is signed with SM2: authorities by GM/T 0033 are not built".into()),
        _ => return Err("it is signed with something else than RSA or ECDSA".into()),
    };
    if named.is_some_and(|named| named != hash) {
        return Err("its signature names another hash than its signer".into());
    }
    let rsa = oid.starts_with(&RSA[..RSA.len() - 1]);
    Ok(match (rsa, hash) {
        (true, Hash::Sha256) => vec![known::RSA_PKCS1_2048_8192_SHA256],
        (true, Hash::Sha384) => vec![known::RSA_PKCS1_2048_8192_SHA384],
        (true, Hash::Sha512) => vec![known::RSA_PKCS1_2048_8192_SHA512],
        (false, Hash::Sha256) => vec![known::ECDSA_P256_SHA256, known::ECDSA_P384_SHA256],
        (false, Hash::Sha384) => vec![known::ECDSA_P256_SHA384, known::ECDSA_P384_SHA384],
        (false, Hash::Sha512) => vec![known::ECDSA_P256_SHA512, known::ECDSA_P384_SHA512],
    })
}

/// Who signed, and how.
struct Signer<'a> {
    id: Part<'a>,
    hash: &'a [u8],
    attributes: Part<'a>,
    algorithm: &'a [u8],
    signature: &'a [u8],
}

/// A token, taken apart.
struct Token<'a> {
    kind: &'a [u8],
    content: &'a [u8],
    certificates: Vec<CertificateDer<'a>>,
    signers: Vec<Part<'a>>,
}

impl<'a> Token<'a> {
    fn read(bytes: &'a [u8]) -> Option<Token<'a>> {
        let mut outer = Parts::only(bytes, SEQUENCE)?;
        let signed = outer.need(OID)?.value == SIGNED_DATA;
        let mut data = outer.enter(nested(0))?.enter(SEQUENCE).filter(|_| signed)?;
        data.need(INTEGER)?;
        data.need(SET)?;
        let mut content = data.enter(SEQUENCE)?;
        let kind = content.need(OID)?.value;
        let content = content.enter(nested(0))?.need(OCTETS)?.value;
        let certificates = match data.maybe(nested(0))? {
            Some(all) => all.parts()?.rest()?,
            None => Vec::new(),
        };
        let certificates = certificates.iter().filter(|one| one.tag == SEQUENCE)
            .map(|one| CertificateDer::from(one.whole)).collect();
        data.maybe(nested(1))?;
        let signers = data.enter(SET)?.rest()?;
        (outer.over() && data.over()).then_some(Token { kind, content, certificates, signers })
    }
}

impl<'a> Signer<'a> {
    fn read(part: &Part<'a>) -> Option<Signer<'a>> {
        let mut parts = part.parts().filter(|_| part.tag == SEQUENCE)?;
        parts.need(INTEGER)?;
        let id = parts.any()?;
        let hash = algorithm(parts.enter(SEQUENCE)?)?;
        let attributes = parts.need(nested(0))?;
        let algorithm = algorithm(parts.enter(SEQUENCE)?)?;
        let signature = parts.need(OCTETS)?.value;
        parts.maybe(nested(1))?;
        parts.over().then_some(Signer { id, hash, attributes, algorithm, signature })
    }

    /// Whether a certificate is the one that it names.
    fn is(&self, der: &[u8], certificate: &EndEntityCert<'_>) -> bool {
        let by_issuer = |mut id: Parts<'_>| {
            let (issuer, serial) = (id.need(SEQUENCE)?.value, id.need(INTEGER)?.value);
            Some(issuer == certificate.issuer() && serial == certificate.serial())
        };
        match self.id.tag {
            SEQUENCE => self.id.parts().and_then(by_issuer).unwrap_or(false),
            // `[0]` of the key's id, which the certificate has as an octet string in its extension.
            0x80 => {
                let own = extension(der, KEY_ID).flatten().and_then(|own| {
                    Some(Parts::of(own.value)?.need(OCTETS)?.value)
                });
                own == Some(self.id.value)
            }
            _ => false,
        }
    }

    /// The value of a signed attribute, if it is there exactly once with exactly one value.
    fn attribute(&self, oid: &[u8]) -> Option<Part<'a>> {
        let mut found = Vec::new();
        for attribute in self.attributes.parts()?.rest()? {
            let mut parts = attribute.parts().filter(|_| attribute.tag == SEQUENCE)?;
            if parts.need(OID)?.value == oid {
                found.extend(parts.enter(SET)?.rest()?);
            }
        }
        match found[..] {
            [one] => Some(one),
            _ => None,
        }
    }

    /// Whether the signed attributes name this certificate (RFC 5035).
    fn names(&self, certificate: &[u8]) -> Result<(), String> {
        let fits = |first: Part<'_>, old: bool| {
            let mut id = first.parts()?.enter(SEQUENCE)?.enter(SEQUENCE)?;
            let hash = match (old, id.maybe(SEQUENCE)?) {
                (true, None) => None,
                (true, Some(_)) => return None,
                (false, None) => Some(Hash::Sha256),
                (false, Some(named)) => Some(Hash::of(algorithm(named.parts()?)?).ok()?),
            };
            let own = match hash {
                Some(hash) => hash.digest(certificate),
                None => sha1::Sha1::digest(certificate).to_vec(),
            };
            Some(id.need(OCTETS)?.value == own)
        };
        let new = self.attribute(CERTIFICATE_V2);
        let old = self.attribute(CERTIFICATE);
        if new.is_none() && old.is_none() {
            return Err("its signed attributes do not name the certificate".into());
        }
        let good = new.is_none_or(|one| fits(one, false) == Some(true))
            && old.is_none_or(|one| fits(one, true) == Some(true));
        if good { Ok(()) } else { Err("its signed attributes name another certificate".into()) }
    }
}

/// What is signed.
struct Info<'a> {
    hash: &'a [u8],
    imprint: &'a [u8],
    serial: &'a [u8],
    time: &'a [u8],
    nonce: Option<&'a [u8]>,
    /// An extension that must be understood.
    critical: bool,
}

impl<'a> Info<'a> {
    fn read(bytes: &'a [u8]) -> Option<Info<'a>> {
        let mut parts = Parts::only(bytes, SEQUENCE)?;
        if parts.need(INTEGER)?.value != [1] {
            return None;
        }
        parts.need(OID)?;
        let mut about = parts.enter(SEQUENCE)?;
        let hash = algorithm(about.enter(SEQUENCE)?)?;
        let imprint = about.need(OCTETS)?.value;
        let serial = parts.need(INTEGER)?.value;
        let time = parts.need(TIME)?.value;
        parts.maybe(SEQUENCE)?;
        parts.maybe(BOOLEAN)?;
        let nonce = parts.maybe(INTEGER)?.map(|nonce| nonce.value);
        parts.maybe(nested(0))?;
        let mut critical = false;
        if let Some(extensions) = parts.maybe(nested(1))? {
            for one in extensions.parts()?.rest()? {
                let mut one = one.parts()?;
                one.need(OID)?;
                critical |= one.maybe(BOOLEAN)?.is_some_and(|flag| flag.value != [0]);
            }
        }
        parts.over().then_some(Info { hash, imprint, serial, time, nonce, critical })
    }
}

/// `20260131040000.25Z` as microseconds since 1970 and as RFC 3339 to the second.
fn moment(text: &[u8]) -> Option<(i64, String)> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.len() != 14 || fraction.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let number = |from: usize| whole.get(from..from + 2)?.parse::<u8>().ok();
    let date = DateTime::new(whole.get(..4)?.parse().ok()?, number(4)?, number(6)?, number(8)?, number(10)?,
        number(12)?).ok()?;
    let micros: i64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    let seconds = i64::try_from(date.unix_duration().as_secs()).ok()?;
    Some((seconds * 1_000_000 + micros, date.to_string()))
}

/// An extension of a certificate.
struct Extension<'a> {
    critical: bool,
    value: &'a [u8],
}

/// An extension; the outer `None` is a certificate that cannot be read, or that has it twice.
fn extension<'a>(certificate: &'a [u8], oid: &[u8]) -> Option<Option<Extension<'a>>> {
    let body = Parts::only(certificate, SEQUENCE)?.need(SEQUENCE)?;
    let mut found = None;
    for part in body.parts()?.rest()?.iter().filter(|part| part.tag == nested(3)) {
        for one in part.parts()?.enter(SEQUENCE)?.rest()? {
            let mut one = one.parts()?;
            let named = one.need(OID)?.value == oid;
            let critical = one.maybe(BOOLEAN)?.is_some_and(|flag| flag.value != [0]);
            let value = one.need(OCTETS)?.value;
            if named && found.replace(Extension { critical, value }).is_some() {
                return None;
            }
        }
    }
    Some(found)
}

/// A certificate of an authority's must be for timestamps alone, and say so critically.
fn for_timestamps(certificate: &[u8]) -> Result<(), String> {
    let uses = extension(certificate, USES).ok_or("its certificate cannot be read")?;
    let uses = uses.ok_or("its certificate has no extended key usage: it is not for timestamps")?;
    let purposes = Parts::only(uses.value, SEQUENCE).and_then(Parts::rest)
        .ok_or("its certificate cannot be read")?;
    let has = purposes.iter().any(|one| one.tag == OID && one.value == TIME_STAMPING);
    if !has {
        return Err("its certificate is not for timestamps (extended key usage)".into());
    }
    if purposes.len() > 1 {
        return Err("its certificate is for other purposes too (extended key usage)".into());
    }
    if !uses.critical {
        return Err("the extended key usage of its certificate is not critical".into());
    }
    Ok(())
}

/// Whether a certificate is one of an authority that signs others'.
pub(crate) fn signs_others(certificate: &[u8]) -> bool {
    let basic = extension(certificate, BASIC).flatten();
    let first = basic.and_then(|basic| Parts::only(basic.value, SEQUENCE)?.need(BOOLEAN));
    first.is_some_and(|flag| flag.value != [0])
        && anchor_from_trusted_cert(&CertificateDer::from(certificate)).is_ok()
}

/// A name as people write it.
fn name(rdns: &[u8]) -> Option<String> {
    let mut said = Vec::new();
    for set in Parts::of(rdns)?.rest()? {
        for pair in set.parts()?.rest()? {
            let mut pair = pair.parts()?;
            let (oid, value) = (pair.need(OID)?.value, pair.any()?);
            let Some((_, word)) = NAMES.iter().find(|(known, _)| *known == oid) else { continue };
            let text = match value.tag {
                // BMPString: two bytes a character.
                0x1e => {
                    let units = value.value.chunks_exact(2).map(|c| u16::from_be_bytes([c[0], c[1]]));
                    shown(String::from_utf16_lossy(&units.collect::<Vec<_>>()).as_bytes())
                }
                _ => shown(value.value),
            };
            said.push(format!("{word}={text}"));
        }
    }
    Some(said.join(", "))
}

/// The subject of a certificate, as people write it.
pub(crate) fn subject(certificate: &[u8]) -> Option<String> {
    let der = CertificateDer::from(certificate);
    name(EndEntityCert::try_from(&der).ok()?.subject())
}

/// Whether bytes are a timestamp token, good or not.
pub fn is_one(bytes: &[u8]) -> bool {
    Token::read(bytes).is_some()
}

/// What a token says it is about, and the nonce that it names. Nothing of it is checked.
pub(crate) fn named(bytes: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let info = Info::read(Token::read(bytes)?.content)?;
    Some((info.imprint, info.nonce))
}

fn chained(error: &Error, said: &str) -> String {
    match error {
        Error::UnknownIssuer => "its certificate is not from the authority's root".into(),
        Error::CertExpired { .. } => format!("a certificate of its chain had expired at {said}"),
        Error::CertNotValidYet { .. } => format!("a certificate of its chain was not valid yet at {said}"),
        Error::EndEntityUsedAsCa => "a certificate of its chain may not sign others".into(),
        Error::CaUsedAsEndEntity => "its certificate is one of an authority that signs others'".into(),
        Error::RequiredEkuNotFoundContext(_) => "a certificate of its chain is not for timestamps".into(),
        other => {
            let other = shown(other.to_string().as_bytes());
            format!("the chain of its certificate does not hold ({other})")
        }
    }
}

/// Judges a token over a hash (SHA-256) under a root's certificate; says what is wrong with it.
pub fn check(token: &[u8], imprint: &[u8; 32], root: &[u8]) -> Result<Stamp, String> {
    let token = Token::read(token).ok_or("it cannot be read")?;
    if token.kind != TST_INFO {
        return Err("it is a signature over something that is no timestamp".into());
    }
    let info = Info::read(token.content).ok_or("what it signs cannot be read")?;
    if Hash::of(info.hash)? != Hash::Sha256 || info.imprint != imprint {
        return Err("it is about something else: the hashes differ".into());
    }
    if info.critical {
        return Err("it has a critical extension, and none is known".into());
    }
    let (time, said) = moment(info.time).ok_or("its time cannot be read")?;
    let [signer] = &token.signers[..] else {
        return Err("it does not have exactly one signer".into());
    };
    let signer = Signer::read(signer).ok_or("its signer cannot be read")?;
    let hash = Hash::of(signer.hash)?;
    let content = signer.attribute(MESSAGE_DIGEST).filter(|one| one.tag == OCTETS)
        .is_some_and(|one| one.value == hash.digest(token.content));
    let kind = signer.attribute(CONTENT_TYPE).is_some_and(|one| one.value == TST_INFO);
    if !content || !kind {
        return Err("it was changed: its signed attributes do not fit what it says".into());
    }
    let mut found = None;
    for der in &token.certificates {
        if let Ok(certificate) = EndEntityCert::try_from(der)
            && signer.is(der, &certificate)
        {
            found = Some((der, certificate));
            break;
        }
    }
    let (der, certificate) = found.ok_or("it does not hold its signer's certificate: ask with certReq")?;
    signer.names(der)?;
    for_timestamps(der)?;
    // Signed are the attributes as a set, not under the tag that they have here.
    let mut signed = signer.attributes.whole.to_vec();
    if let Some(tag) = signed.first_mut() {
        *tag = SET;
    }
    let good = algorithms(signer.algorithm, hash)?.iter()
        .any(|one| certificate.verify_signature(*one, &signed, signer.signature).is_ok());
    if !good {
        return Err("its signature does not verify".into());
    }
    let anchor = CertificateDer::from(root);
    let anchors = [anchor_from_trusted_cert(&anchor).map_err(|_| "the root's certificate cannot be read")?];
    let seconds = u64::try_from(time / 1_000_000).map_err(|_| "its time lies before 1970")?;
    let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let usage = KeyUsage::required_if_present(TIME_STAMPING);
    let others = &token.certificates;
    certificate.verify_for_usage(ALL_VERIFICATION_ALGS, &anchors, others, at, usage, None, None)
        .map_err(|error| chained(&error, &said))?;
    let authority = name(certificate.subject()).ok_or("its certificate cannot be read")?;
    let root = to_hex(&sha2::Sha256::digest(root));
    Ok(Stamp { time, said, authority, root, serial: to_hex(info.serial) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_to_the_microsecond() {
        let start = 1_769_832_000_000_000;
        for (text, want) in [
            ("20260131040000Z", Some(start)), ("20260131040000.25Z", Some(start + 250_000)),
            ("20260131040000.1234567Z", Some(start + 123_456)), ("20260131040000", None),
            ("20260131040000.Z", None), ("202601310400Z", None), ("20261331040000Z", None),
            ("20260131040000+0800", None), ("2026013104000xZ", None), ("", None), ("Z", None),
        ] {
            assert_eq!(moment(text.as_bytes()).map(|(micros, _)| micros), want, "{text}");
        }
        assert_eq!(moment(b"20260131040000.9Z").unwrap().1, "2026-01-31T04:00:00Z");
    }
}

//! The bytes of an upload, from a request to wherever they are kept.
//!
//! What every service that takes files has to do alike: read a body of unknown length to its end, stop
//! at a limit before what is over it is written, and say so when it breaks off. Where the bytes go and
//! what is made of them on the way is the service's.

use jinyun_base::{Refusal, Refused};
use jinyun_engine::Failure;
use std::io::{ErrorKind, Read};

const CHUNK: usize = 1 << 20;

/// What an upload may be, and how it is called in refusals.
#[derive(Debug, Clone, Copy)]
pub struct Upload<'a> {
    /// The member that a refusal names.
    pub field: &'a str,
    /// What it is, as the beginning of a sentence: `an image`.
    pub thing: &'a str,
    /// The longest, in bytes.
    pub largest: i64,
}

impl Upload<'_> {
    /// Reads to the end, a part at a time, none of which is over the limit. Returns the length.
    pub fn receive(&self, input: &mut dyn Read, each: &mut dyn FnMut(&[u8]) -> Result<(), Failure>)
        -> Result<i64, Failure> {
        let Upload { field, thing, largest } = *self;
        let mut chunk = vec![0u8; CHUNK];
        let mut bytes: i64 = 0;
        loop {
            let got = match input.read(&mut chunk) {
                Ok(0) => return Ok(bytes),
                Ok(got) => got,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => {
                    let say = format!("ended early ({e}): nothing was kept, upload it again");
                    return Err(Refusal::invalid(field, say).into());
                }
            };
            bytes = bytes.saturating_add(i64::try_from(got).unwrap_or(i64::MAX));
            if bytes > largest {
                let say = format!("{thing} may have {largest} bytes at most; this one has more");
                return Err(Refusal::new(Refused::TooLarge, say).into());
            }
            each(chunk.get(..got).unwrap_or_default())?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    /// Gives its parts one by one; an error of each sort where there is none.
    struct Parts(Vec<Result<&'static [u8], ErrorKind>>);

    impl Read for Parts {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.pop() {
                None => Ok(0),
                Some(Err(kind)) => Err(kind.into()),
                Some(Ok(part)) => {
                    buffer[..part.len()].copy_from_slice(part);
                    Ok(part.len())
                }
            }
        }
    }

    fn part(bytes: &'static [u8]) -> Result<&'static [u8], ErrorKind> {
        Ok(bytes)
    }

    #[test]
    fn an_upload_is_read_to_its_end_its_limit_or_where_it_breaks_off() {
        let upload = Upload { field: "data", thing: "an image", largest: 6 };
        let read = |mut parts: Vec<Result<&'static [u8], ErrorKind>>| {
            parts.reverse();
            let mut kept = Vec::new();
            let came = upload.receive(&mut Parts(parts), &mut |bytes| {
                kept.extend_from_slice(bytes);
                Ok(())
            });
            let came = came.map_err(|failure| failure.to_string());
            (came, kept)
        };
        assert_eq!(read(vec![]), (Ok(0), vec![]));
        let whole = vec![part(b"abc"), Err(ErrorKind::Interrupted), part(b"def")];
        assert_eq!(read(whole), (Ok(6), b"abcdef".to_vec()));
        // What is over the limit is not handed on.
        let (came, kept) = read(vec![part(b"abcdef"), part(b"g"), part(b"h")]);
        assert!(came.unwrap_err().contains("an image may have 6 bytes at most"), "{kept:?}");
        assert_eq!(kept, b"abcdef");
        let (came, kept) = read(vec![part(b"abc"), Err(ErrorKind::ConnectionReset), part(b"d")]);
        let why = came.unwrap_err();
        assert!(why.contains("data ") && why.contains("ended early") && kept == b"abc", "{why}");
        // Whoever keeps the bytes can stop too.
        let full = upload.receive(&mut &b"abc"[..], &mut |_| Err(Refusal::conflict("no room").into()));
        assert!(full.unwrap_err().to_string().contains("no room"));
    }
}

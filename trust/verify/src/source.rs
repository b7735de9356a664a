//! Reading a part of a file at any place, a stretch at a time.
//!
//! Problem: a journal of a year is larger than a laptop's memory, and what its verification has to know
//! before the first entry (the hashes of what came before) stands behind the last one. Mechanism: a
//! window over whatever can be read and sought in, a file or a file inside of a pack; readers go through
//! stretches of it, each at its own pace, and sum what they read, so that two readings of one stretch
//! can be held against each other. Nothing larger than a stretch, or than the longest line that is
//! allowed, is ever in memory. Why not the file mapped into memory: whoever changes the file while it is
//! read would then change what was verified, and the language cannot promise otherwise.

use jinyun_journal::merkle::Hash;
use sha2::{Digest, Sha256};
use std::io::{self, BufRead, Read, Seek, SeekFrom};

/// What can be read at any place.
pub(crate) trait Source: Read + Seek {}

impl<T: Read + Seek + ?Sized> Source for T {}

/// Bytes that are searched or summed at once.
const BLOCK: usize = 256 << 10;
/// Where the first two lines of a file have to end.
const HEAD: usize = 64 << 10;

/// A part of a source.
pub(crate) struct Window<'a> {
    from: &'a mut dyn Source,
    base: u64,
    size: u64,
}

impl<'a> Window<'a> {
    /// So many bytes, from a place on.
    pub fn new(from: &'a mut dyn Source, base: u64, size: u64) -> Window<'a> {
        Window { from, base, size }
    }

    /// All of it.
    pub fn whole(from: &'a mut dyn Source) -> io::Result<Window<'a>> {
        let size = from.seek(SeekFrom::End(0))?;
        Ok(Window::new(from, 0, size))
    }

    /// How many bytes there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Reads at a place, as much as there is until the buffer is full; returns how much.
    pub fn read(&mut self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let want = span(at, self.size, buffer.len());
        self.from.seek(SeekFrom::Start(self.base.saturating_add(at)))?;
        self.from.read_exact(&mut buffer[..want])?;
        Ok(want)
    }

    /// Where a pattern begins for the last time inside of `low..high`.
    pub fn rfind(&mut self, pattern: &[u8], low: u64, high: u64) -> io::Result<Option<u64>> {
        let mut block = vec![0; span(low, high, BLOCK)];
        let mut end = high;
        while end > low {
            let start = end.saturating_sub(block.len() as u64).max(low);
            let want = span(start, end, block.len());
            let have = self.read(start, &mut block[..want])?;
            let same = |some: &[u8]| some.first() == pattern.first() && some == pattern;
            if let Some(at) = block[..have].windows(pattern.len()).rposition(same) {
                return Ok(Some(start + at as u64));
            }
            if start == low {
                break;
            }
            // It may lie across the border of two blocks.
            end = start + pattern.len() as u64 - 1;
        }
        Ok(None)
    }

    /// Where the line of a place ends, behind its line feed; `high` if it does not end before that.
    pub fn line_end(&mut self, low: u64, high: u64) -> io::Result<u64> {
        let mut block = vec![0; span(low, high, BLOCK)];
        let mut at = low;
        while at < high {
            let want = span(at, high, block.len());
            let have = self.read(at, &mut block[..want])?;
            if have == 0 {
                break;
            }
            if let Some(feed) = feed(&block[..have]) {
                return Ok(at + feed as u64 + 1);
            }
            at += have as u64;
        }
        Ok(high)
    }

    /// The first two lines, as far as they end before a place.
    pub fn head(&mut self, before: u64) -> io::Result<Head> {
        let mut bytes = vec![0; span(0, before, HEAD)];
        let have = self.read(0, &mut bytes)?;
        bytes.truncate(have);
        let first = feed(&bytes);
        let second = first.and_then(|first| Some(first + 1 + feed(&bytes[first + 1..])?));
        Ok(Head { bytes, first, second })
    }
}

/// So much of `low..high` at once.
fn span(low: u64, high: u64, most: usize) -> usize {
    usize::try_from(high.saturating_sub(low)).unwrap_or(usize::MAX).min(most)
}

/// The place of the first line feed. (The standard library's fast search for a byte has no other name.)
fn feed(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    let passed = rest.skip_until(b'\n').ok()?;
    let last = passed.checked_sub(1)?;
    (bytes[last] == b'\n').then_some(last)
}

/// The beginning of a file.
pub(crate) struct Head {
    bytes: Vec<u8>,
    first: Option<usize>,
    second: Option<usize>,
}

impl Head {
    /// The first line.
    pub fn first(&self) -> Option<&[u8]> {
        self.first.map(|end| &self.bytes[..end])
    }

    /// The second.
    pub fn second(&self) -> Option<&[u8]> {
        Some(&self.bytes[self.first? + 1..self.second?])
    }

    /// Both, with their line feeds; nothing if there are not two.
    pub fn both(&self) -> &[u8] {
        &self.bytes[..self.second.map_or(0, |end| end + 1)]
    }
}

/// How much is read at once, and how long a line may be, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub bytes: usize,
    pub lines: usize,
    pub longest: usize,
}

/// Some lines.
pub(crate) struct Chunk {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Chunk {
    /// Each without its line feed.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let mut from = 0;
        self.ends.iter().map(move |end| {
            let line = &self.bytes[from..*end];
            from = *end + 1;
            line
        })
    }
}

/// What comes next in a stretch.
pub(crate) enum Next {
    Chunk(Chunk),
    /// A line that is longer than one may be.
    Long,
    End,
}

/// Goes through a stretch once, forwards.
pub(crate) struct Reader {
    at: u64,
    end: u64,
    /// What was read and not handed out yet.
    rest: Vec<u8>,
    sum: Sha256,
}

impl Reader {
    /// Over a stretch, behind what was summed already.
    pub fn new(at: u64, end: u64, sum: Sha256) -> Reader {
        Reader { at, end, rest: Vec::new(), sum }
    }

    /// The next lines. What the stretch ends with is a line even without a line feed.
    pub fn next(&mut self, window: &mut Window<'_>, pace: Pace) -> io::Result<Next> {
        let mut bytes = std::mem::take(&mut self.rest);
        let (mut ends, mut begin, mut looked, mut long) = (Vec::new(), 0, 0, false);
        loop {
            while ends.len() < pace.lines && !long {
                let found = feed(&bytes[looked..]);
                let end = found.map_or(bytes.len(), |more| looked + more);
                long = end - begin > pace.longest;
                if found.is_none() {
                    looked = end;
                    break;
                }
                if !long {
                    ends.push(end);
                    begin = end + 1;
                    looked = begin;
                }
            }
            let full = ends.len() >= pace.lines || !ends.is_empty() && bytes.len() >= pace.bytes;
            if long || full || self.at >= self.end {
                break;
            }
            let (have, want) = (bytes.len(), span(self.at, self.end, pace.bytes.max(1)));
            bytes.reserve_exact(want);
            bytes.resize(have + want, 0);
            let read = window.read(self.at, &mut bytes[have..])?;
            bytes.truncate(have + read);
            self.sum.update(&bytes[have..]);
            // Nothing is where the window ends before the stretch does.
            self.at = if read == 0 { self.end } else { self.at + read as u64 };
        }
        if !long && ends.len() < pace.lines && begin < bytes.len() && self.at >= self.end {
            ends.push(bytes.len());
            begin = bytes.len();
        }
        self.rest = bytes.split_off(begin);
        Ok(match (ends.is_empty(), long) {
            (false, _) => Next::Chunk(Chunk { bytes, ends }),
            (true, true) => Next::Long,
            (true, false) => Next::End,
        })
    }

    /// Sums what is left.
    pub fn finish(mut self, window: &mut Window<'_>) -> io::Result<Sha256> {
        pass(window, (self.at, self.end), |bytes| self.sum.update(bytes))?;
        Ok(self.sum)
    }
}

/// Reads over a stretch.
fn pass(window: &mut Window<'_>, stretch: (u64, u64), mut each: impl FnMut(&[u8])) -> io::Result<()> {
    let (mut at, end) = stretch;
    let mut block = vec![0; span(at, end, BLOCK)];
    while at < end {
        let want = span(at, end, block.len());
        let have = window.read(at, &mut block[..want])?;
        if have == 0 {
            break;
        }
        each(&block[..have]);
        at += have as u64;
    }
    Ok(())
}

/// Sums a stretch that was read before, behind what stands before it; returns its digest by itself, too.
pub(crate) fn again(window: &mut Window<'_>, stretch: (u64, u64), sum: &mut Sha256) -> io::Result<Hash> {
    let mut own = Sha256::new();
    pass(window, stretch, |bytes| {
        sum.update(bytes);
        own.update(bytes);
    })?;
    Ok(own.finalize().into())
}

/// What the last line of a file says of the others.
pub(crate) struct Ending {
    /// It has the sum of all bytes before it.
    pub good: bool,
    /// SHA-256 of the whole file.
    pub sha256: Hash,
}

/// Reads the last line, which begins at a place; `sum` is over all before it.
pub(crate) fn ending(window: &mut Window<'_>, at: u64, mut sum: Sha256) -> io::Result<Ending> {
    let told = format!("end {}\n", jinyun_journal::to_hex(&sum.clone().finalize()));
    let mut line = vec![0; told.len()];
    let have = window.read(at, &mut line)?;
    let size = window.size();
    let good = size.saturating_sub(at) == told.len() as u64 && line[..have] == *told.as_bytes();
    if good {
        sum.update(&line);
    } else {
        pass(window, (at, size), |bytes| sum.update(bytes))?;
    }
    Ok(Ending { good, sha256: sum.finalize().into() })
}

/// Does something with each line, on as many threads as there are processors, and something else on this
/// one meanwhile. A few lines are not worth a thread.
pub(crate) fn beside<T: Send>(
    lines: &[&[u8]],
    alone: usize,
    each: impl Fn(&[u8]) -> T + Sync,
    meanwhile: impl FnOnce() -> io::Result<()>,
) -> io::Result<Vec<T>> {
    let each = &each;
    if lines.len() <= alone {
        let all = lines.iter().map(|line| each(line)).collect();
        meanwhile()?;
        return Ok(all);
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = lines.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let work: Vec<_> = lines.chunks(share).map(|some| {
            scope.spawn(move || some.iter().map(|line| each(line)).collect::<Vec<T>>())
        }).collect();
        meanwhile()?;
        let mut all = Vec::with_capacity(lines.len());
        for one in work {
            all.extend(one.join().map_err(|_| io::Error::other("a thread ended early"))?);
        }
        Ok(all)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn read(text: &[u8], pace: Pace) -> (Vec<Vec<u8>>, bool, Hash) {
        let mut cursor = Cursor::new(text);
        let mut window = Window::whole(&mut cursor).unwrap();
        let mut reader = Reader::new(0, window.size(), Sha256::new());
        let mut lines: Vec<Vec<u8>> = Vec::new();
        let long = loop {
            match reader.next(&mut window, pace).unwrap() {
                Next::Chunk(chunk) => {
                    let some: Vec<_> = chunk.lines().map(<[u8]>::to_vec).collect();
                    assert!((1..=pace.lines).contains(&some.len()));
                    lines.extend(some);
                }
                Next::Long => break true,
                Next::End => break false,
            }
        };
        (lines, long, reader.finish(&mut window).unwrap().finalize().into())
    }

    #[test]
    fn lines_are_the_same_at_any_pace() {
        let texts: [&[u8]; 8] = [
            b"", b"\n", b"a", b"a\n", b"\n\n\na\n\nbb", b"one\ntwo\nthree\n", b"0123456789\n0\n",
            b"0\n0123456789",
        ];
        for text in texts {
            let all: Hash = Sha256::digest(text).into();
            let mut want: Vec<Vec<u8>> = text.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
            if want.last().is_some_and(|last| last.is_empty()) {
                want.pop();
            }
            for bytes in [1, 2, 3, 7, 100] {
                for lines in [1, 2, 100] {
                    let (found, long, sum) = read(text, Pace { bytes, lines, longest: 10 });
                    assert_eq!((&found, long), (&want, false), "{bytes} {lines}");
                    assert_eq!(sum, all);
                    // One byte less is too little for the longest line; the sum goes on behind it.
                    let (found, long, sum) = read(text, Pace { bytes, lines, longest: 9 });
                    let short = want.iter().take_while(|line| line.len() < 10).count();
                    assert_eq!((found.len(), long), (short, short < want.len()), "{bytes} {lines}");
                    assert_eq!(sum, all);
                }
            }
        }
    }

    #[test]
    fn what_is_searched_is_found_across_blocks() {
        let mut text = vec![b'x'; 2 * BLOCK + 100];
        let places = [0, 1, 99, BLOCK - 1, BLOCK, BLOCK + 99, BLOCK + 100, 2 * BLOCK - 1, 2 * BLOCK + 98];
        for place in places {
            text[place..place + 2].copy_from_slice(b"\n{");
            let mut cursor = Cursor::new(&text);
            let mut window = Window::whole(&mut cursor).unwrap();
            let size = window.size();
            assert_eq!(window.rfind(b"\n{", 0, size).unwrap(), Some(place as u64));
            assert_eq!(window.rfind(b"\n{", place as u64 + 1, size).unwrap(), None);
            assert_eq!(window.rfind(b"\n{", 0, place as u64 + 1).unwrap(), None);
            assert_eq!(window.line_end(0, size).unwrap(), place as u64 + 1);
            assert_eq!(window.line_end(0, place as u64).unwrap(), place as u64);
            text[place..place + 2].copy_from_slice(b"xx");
        }
    }

    #[test]
    fn what_others_do_beside_comes_back_in_order() {
        let lines: Vec<Vec<u8>> = (0..1000).map(|n: u32| n.to_string().into_bytes()).collect();
        let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        for alone in [0, 999, 1000] {
            let mut done = false;
            let all = beside(&lines, alone, |line| line.to_vec(), || {
                done = true;
                Ok(())
            }).unwrap();
            assert!(done && all == lines);
            assert!(beside(&lines, alone, |line| line.len(), || Err(io::Error::other("no"))).is_err());
        }
        assert!(beside(&[], 0, |line| line.len(), || Ok(())).unwrap().is_empty());
    }
}

//! What guest and host say to each other: frames on a serial line, a header in a line and then so many bytes.

use std::io::{self, Read, Write};

/// Begins each header. What stands between frames is somebody else's and is passed over.
const MARK: &[u8] = b"@guest ";

/// The longest content of a frame.
const LONGEST: usize = 1 << 20;

/// One message of the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    /// Which program it is about; 0 where that means nothing.
    pub(crate) index: usize,
    pub(crate) content: Vec<u8>,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The first process runs: seconds since boot.
    Hello,
    /// Something that the host should show: a module that does not go in.
    Note,
    /// A program begins.
    Start,
    /// A piece of its standard output.
    Output,
    /// A piece of its standard error.
    Complaint,
    /// It ended: `exit N`, `signal N` or `timeout`.
    End,
    /// A file that it left.
    File,
    /// All is done.
    Done,
}

const NAMES: [(Kind, &str); 8] = [
    (Kind::Hello, "hello"),
    (Kind::Note, "note"),
    (Kind::Start, "start"),
    (Kind::Output, "output"),
    (Kind::Complaint, "complaint"),
    (Kind::End, "end"),
    (Kind::File, "file"),
    (Kind::Done, "done"),
];

impl Frame {
    pub(crate) fn new(kind: Kind, index: usize, content: impl Into<Vec<u8>>) -> Frame {
        Frame {
            kind,
            index,
            content: content.into(),
        }
    }

    /// Writes it; content beyond the limit goes into further frames.
    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let name = NAMES.iter().find(|(kind, _)| *kind == self.kind);
        let name = name.map_or("note", |(_, name)| name);
        let mut rest = self.content.as_slice();
        loop {
            let (piece, more) = rest.split_at(rest.len().min(LONGEST));
            let mut bytes = format!("\n@guest {name} {} {}\n", self.index, piece.len()).into_bytes();
            bytes.extend_from_slice(piece);
            out.write_all(&bytes)?;
            rest = more;
            if rest.is_empty() {
                return out.flush();
            }
        }
    }
}

/// Finds frames in a stream.
#[derive(Debug)]
pub(crate) struct Frames<R> {
    stream: R,
    pending: Vec<u8>,
}

impl<R: Read> Frames<R> {
    pub(crate) fn new(stream: R) -> Frames<R> {
        Frames {
            stream,
            pending: Vec::new(),
        }
    }

    /// The next frame; none at the end of the stream, even if that is in the middle of one.
    pub(crate) fn next(&mut self) -> io::Result<Option<Frame>> {
        let mut buffer = [0; 1 << 16];
        loop {
            if let Some(frame) = self.take() {
                return Ok(Some(frame));
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(length) => self.pending.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// A frame that is complete, if there is one.
    fn take(&mut self) -> Option<Frame> {
        loop {
            let Some(mark) = find(&self.pending, MARK) else {
                // The end may be the beginning of a mark.
                let keep = self.pending.len().min(MARK.len() - 1);
                self.pending.drain(..self.pending.len() - keep);
                return None;
            };
            self.pending.drain(..mark);
            let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') else {
                if self.pending.len() > 80 {
                    self.pending.drain(..MARK.len());
                    continue;
                }
                return None;
            };
            let Some((kind, index, length)) = header(&self.pending[MARK.len()..end]) else {
                self.pending.drain(..MARK.len());
                continue;
            };
            let all = end + 1 + length;
            if self.pending.len() < all {
                return None;
            }
            let content = self.pending[end + 1..all].to_vec();
            self.pending.drain(..all);
            return Some(Frame { kind, index, content });
        }
    }
}

fn header(line: &[u8]) -> Option<(Kind, usize, usize)> {
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split(' ');
    let name = words.next()?;
    let (kind, _) = NAMES.iter().find(|(_, known)| *known == name)?;
    let index = words.next()?.parse().ok()?;
    let length = words.next()?.parse().ok().filter(|length| *length <= LONGEST)?;
    words.next().is_none().then_some((*kind, index, length))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else {
                return Ok(0);
            };
            self.0 = rest;
            buffer[0] = *first;
            Ok(1)
        }
    }

    #[test]
    fn frames_survive_noise_and_slowness() {
        let sent = [
            Frame::new(Kind::Hello, 0, "1.25"),
            Frame::new(
                Kind::Output,
                3,
                b"@guest output 3 9\nnot a frame\n\0\xff".to_vec(),
            ),
            Frame::new(Kind::Complaint, 3, ""),
            Frame::new(Kind::End, 3, "signal 11"),
        ];
        let mut stream = b"BIOS @guest what 1 2\n".to_vec();
        for frame in &sent {
            frame.write(&mut stream).unwrap();
            stream.extend(b"[  1.0] kernel says @guest");
        }
        let mut frames = Frames::new(Slow(&stream));
        for frame in sent {
            assert_eq!(frames.next().unwrap(), Some(frame));
        }
        assert_eq!(frames.next().unwrap(), None);
    }

    #[test]
    fn long_content_comes_in_pieces() {
        let mut stream = Vec::new();
        let content = vec![7; LONGEST + 5];
        Frame::new(Kind::Output, 1, content.clone())
            .write(&mut stream)
            .unwrap();
        let mut frames = Frames::new(stream.as_slice());
        let mut found = Vec::new();
        while let Some(frame) = frames.next().unwrap() {
            found.extend(frame.content);
        }
        assert_eq!(found, content);
    }
}

//! Captures: packets in, and packets out.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use pcap_parser::traits::PcapReaderIterator;
use pcap_parser::{Block, PcapBlockOwned, PcapError, create_reader};

/// The packets of a capture in the form of pcap or pcapng, one after the other.
pub(super) struct Packets {
    path: PathBuf,
    reader: Box<dyn PcapReaderIterator + Send>,
    /// Bytes of its buffer.
    room: usize,
}

/// Bytes that are read at once; a longer packet makes it grow.
const ROOM: usize = 1 << 16;
/// The longest block that is taken.
const LONGEST: usize = 1 << 24;

impl Packets {
    pub(super) fn open(path: &Path) -> Result<Packets> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        if file.metadata().is_ok_and(|about| about.is_dir()) {
            return Err(bad(path, &"it is a directory"));
        }
        let reader = create_reader(ROOM, file).map_err(|error| bad(path, &error))?;
        Ok(Packets {
            path: path.to_owned(),
            reader,
            room: ROOM,
        })
    }
}

fn bad(path: &Path, error: &dyn std::fmt::Display) -> anyhow::Error {
    let error = io::Error::new(io::ErrorKind::InvalidData, error.to_string());
    anyhow::Error::new(error).context(format!("cannot read {} as a capture", path.display()))
}

impl Iterator for Packets {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.step() {
                Step::Packet(packet) => return Some(Ok(packet)),
                Step::Other => {}
                Step::End => return None,
                Step::Bad(problem) => return Some(Err(bad(&self.path, &problem))),
            }
        }
    }
}

/// What a look at the file comes to.
enum Step {
    Packet(Vec<u8>),
    /// A block that holds no packet, or more was read.
    Other,
    End,
    Bad(String),
}

impl Packets {
    fn step(&mut self) -> Step {
        let is_at_end = self.reader.reader_exhausted();
        let (used, step) = match self.reader.next() {
            Ok((used, block)) => (used, data(&block).map_or(Step::Other, Step::Packet)),
            Err(PcapError::Eof) => return Step::End,
            Err(PcapError::Incomplete(_) | PcapError::BufferTooSmall) if !is_at_end => {
                return self.read_more();
            }
            Err(error) => return Step::Bad(format!("{error:?}")),
        };
        self.reader.consume(used);
        step
    }

    fn read_more(&mut self) -> Step {
        if self.reader.data().len() >= self.room {
            self.room *= 2;
            if self.room > LONGEST {
                return Step::Bad("a block is too long".to_owned());
            }
            self.reader.grow(self.room);
        }
        match self.reader.refill() {
            Ok(()) => Step::Other,
            Err(error) => Step::Bad(format!("{error:?}")),
        }
    }
}

/// The packet of a block, as far as it was captured.
fn data(block: &PcapBlockOwned<'_>) -> Option<Vec<u8>> {
    let (bytes, len) = match block {
        PcapBlockOwned::Legacy(packet) => (packet.data, packet.caplen),
        PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => (packet.data, packet.caplen),
        PcapBlockOwned::NG(Block::SimplePacket(packet)) => (packet.data, packet.origlen),
        _ => return None,
    };
    let len = usize::try_from(len).ok()?.min(bytes.len());
    bytes.get(..len).map(<[u8]>::to_vec)
}

/// Write packets as a capture of Ethernet in the form of pcap, without times.
pub(super) fn write<'p>(path: &Path, packets: impl Iterator<Item = &'p [u8]>) -> io::Result<()> {
    /// The form's number, version 2.4, no time zone, no accuracy, the longest packet, Ethernet.
    const HEAD: [u32; 6] = [0xa1b2_c3d4, 2 | 4 << 16, 0, 0, 1 << 18, 1];
    let mut file = BufWriter::new(File::create(path)?);
    let words = |file: &mut BufWriter<File>, words: &[u32]| {
        words
            .iter()
            .try_for_each(|word| file.write_all(&word.to_le_bytes()))
    };
    words(&mut file, &HEAD)?;
    for packet in packets {
        let len = u32::try_from(packet.len()).map_err(io::Error::other)?;
        words(&mut file, &[0, 0, len, len])?;
        file.write_all(packet)?;
    }
    file.flush()
}

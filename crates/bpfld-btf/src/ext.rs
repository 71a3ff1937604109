//! BTF.ext: what an object file says about its instructions, in terms of its BTF.

mod record;

use alloc::vec::Vec;
use core::{fmt, iter::FusedIterator, marker::PhantomData};

pub use self::record::{CoreRelocation, ExtRecord, FuncInfo, LineInfo};
use crate::{Btf, Bytes, Endian, Error, ErrorKind, header::Preamble, reader::Reader};

/// The `.BTF.ext` section of an object file: which function, which source line and which CO-RE relocation belongs to
/// which instruction. Names are offsets into the strings of the object's [`Btf`].
///
/// ```
/// use bpfld_btf::{Btf, BtfExt};
///
/// # fn example(btf: &Btf, bytes: Vec<u8>) -> Result<(), bpfld_btf::Error> {
/// let ext = BtfExt::parse(bytes)?;
/// for section in ext.line_info().sections() {
///     println!("section {}", section.name(btf)?);
///     for line in section.records() {
///         println!("{:#x}: {}:{}", line.insn_offset, btf.string(line.file)?, line.line());
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct BtfExt {
    bytes: Bytes,
    endian: Endian,
    func_info: Table,
    line_info: Table,
    core_relo: Table,
}

/// One of the three tables, checked.
#[derive(Clone, Debug, Default)]
struct Table {
    record_size: usize,
    sections: Vec<Block>,
}

/// The records of one ELF section.
#[derive(Clone, Copy, Debug)]
struct Block {
    name: u32,
    start: usize,
    len: usize,
}

/// The header without the CO-RE fields.
const HEADER_LEN: usize = 24;
const HEADER_LEN_CORE: usize = 32;

impl BtfExt {
    /// Reads a `.BTF.ext` section, in whichever byte order it is written.
    ///
    /// # Errors
    ///
    /// When header, tables or records do not fit together.
    pub fn parse(bytes: impl Into<Bytes>) -> Result<Self, Error> {
        let bytes = bytes.into();
        let data = bytes.as_slice();
        let Preamble { endian, header_len } = Preamble::parse(data, HEADER_LEN)?;
        let reader = Reader::new(data, 0, endian);
        let table = |at, name, min_size| Table::parse(&reader, header_len, at, name, min_size);
        let func_info = table(8, "func_info", FuncInfo::SIZE)?;
        let line_info = table(16, "line_info", LineInfo::SIZE)?;
        let core_relo = match header_len {
            HEADER_LEN_CORE.. => table(24, "core_relo", CoreRelocation::SIZE)?,
            _ => Table::default(),
        };
        Ok(Self {
            bytes,
            endian,
            func_info,
            line_info,
            core_relo,
        })
    }

    /// The byte order of the data.
    pub fn endian(&self) -> Endian {
        self.endian
    }

    /// The data this was parsed from.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Which function begins at which instruction.
    pub fn func_info(&self) -> ExtTable<'_, FuncInfo> {
        self.table(&self.func_info)
    }

    /// Which source line begins at which instruction.
    pub fn line_info(&self) -> ExtTable<'_, LineInfo> {
        self.table(&self.line_info)
    }

    /// Which instruction is to be adapted to the kernel's types.
    pub fn core_relos(&self) -> ExtTable<'_, CoreRelocation> {
        self.table(&self.core_relo)
    }

    fn table<'a, R>(&'a self, table: &'a Table) -> ExtTable<'a, R> {
        ExtTable {
            ext: self,
            table,
            record: PhantomData,
        }
    }
}

impl Table {
    fn parse(
        reader: &Reader<'_>,
        base: usize,
        at: usize,
        name: &'static str,
        min_size: usize,
    ) -> Result<Self, Error> {
        let (start, len) = (
            reader.u32(at, "header")? as usize,
            reader.u32(at + 4, "header")? as usize,
        );
        if len == 0 {
            return Ok(Self::default());
        }
        let section = || ErrorKind::Section(name);
        if !start.is_multiple_of(4) {
            return Err(reader.error(section(), at));
        }
        let start = base
            .checked_add(start)
            .ok_or_else(|| reader.error(section(), at))?;
        let table = reader.window(start, len, section())?;
        let record_size = table.u32(0, name)?;
        let size = record_size as usize;
        if size < min_size || !size.is_multiple_of(4) {
            return Err(reader.error(ErrorKind::RecordSize(record_size), start));
        }
        let mut sections = Vec::new();
        let mut at = 4;
        while at < len {
            let (name_offset, count) = (table.u32(at, name)?, table.u32(at + 4, name)?);
            at += 8;
            let bytes = (count as usize).checked_mul(size);
            let end = bytes
                .and_then(|bytes| at.checked_add(bytes))
                .filter(|end| *end <= len);
            let Some(end) = end else {
                return Err(reader.error(ErrorKind::Truncated(name), start + at));
            };
            sections.push(Block {
                name: name_offset,
                start: start + at,
                len: end - at,
            });
            at = end;
        }
        Ok(Self {
            record_size: size,
            sections,
        })
    }
}

/// One table of BTF.ext: records by ELF section.
pub struct ExtTable<'a, R> {
    ext: &'a BtfExt,
    table: &'a Table,
    record: PhantomData<R>,
}

impl<'a, R: ExtRecord> ExtTable<'a, R> {
    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.table.sections.iter().all(|block| block.len == 0)
    }

    /// The size of a record in the file, in bytes; more than this build knows if a newer compiler wrote it. Zero if
    /// the table is absent.
    pub fn record_size(&self) -> usize {
        self.table.record_size
    }

    /// The sections that have records, in file order.
    pub fn sections(&self) -> impl ExactSizeIterator<Item = ExtSection<'a, R>> + use<'a, R> {
        let Self { ext, table, .. } = *self;
        table.sections.iter().map(move |block| {
            let data = ext
                .bytes
                .as_slice()
                .get(block.start..block.start + block.len)
                .unwrap_or_default();
            let (name, size, endian) = (block.name, table.record_size, ext.endian);
            ExtSection {
                name,
                offset: block.start,
                data,
                size,
                endian,
                record: PhantomData,
            }
        })
    }
}

impl<R> Clone for ExtTable<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for ExtTable<'_, R> {}

impl<R: ExtRecord> fmt::Debug for ExtTable<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.sections()).finish()
    }
}

/// The records about the instructions of one ELF section.
pub struct ExtSection<'a, R> {
    name: u32,
    offset: usize,
    data: &'a [u8],
    size: usize,
    endian: Endian,
    record: PhantomData<R>,
}

impl<'a, R: ExtRecord> ExtSection<'a, R> {
    /// The offset of the section's name in the strings of the object's BTF.
    pub fn name_offset(&self) -> u32 {
        self.name
    }

    /// The name of the ELF section.
    ///
    /// # Errors
    ///
    /// When the name's offset is out of bounds, or the name is not UTF-8.
    pub fn name<'b>(&self, btf: &'b Btf) -> Result<&'b str, Error> {
        btf.string(self.name)
    }

    /// Where the records begin in the data, in bytes.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The size of a record in the file, in bytes.
    pub fn record_size(&self) -> usize {
        self.size
    }

    /// The number of records.
    pub fn len(&self) -> usize {
        self.data.len().checked_div(self.size).unwrap_or(0)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The records.
    pub fn records(&self) -> ExtRecords<'a, R> {
        ExtRecords {
            data: self.data,
            size: self.size,
            endian: self.endian,
            record: PhantomData,
        }
    }

    /// The record with this number.
    pub fn get(&self, index: usize) -> Option<R> {
        let start = index.checked_mul(self.size)?;
        let record = self.data.get(start..)?.get(..self.size)?;
        let (words, _) = record.as_chunks::<4>();
        Some(R::decode(|at| {
            words.get(at).map_or(0, |word| self.endian.u32(*word))
        }))
    }

    /// A record as 32-bit words in host order, with whatever follows the fields this build knows. Empty if there is no
    /// such record.
    pub fn words(&self, index: usize) -> impl Iterator<Item = u32> + use<'a, R> {
        let start = index.checked_mul(self.size);
        let record = start.and_then(|start| self.data.get(start..)?.get(..self.size));
        let (words, _) = record.unwrap_or_default().as_chunks::<4>();
        let endian = self.endian;
        words.iter().map(move |word| endian.u32(*word))
    }
}

impl<R> Clone for ExtSection<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for ExtSection<'_, R> {}

impl<R: ExtRecord> fmt::Debug for ExtSection<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExtSection")
            .field("name", &self.name)
            .field("records", &self.records())
            .finish()
    }
}

/// The records of an [`ExtSection`].
pub struct ExtRecords<'a, R> {
    data: &'a [u8],
    size: usize,
    endian: Endian,
    record: PhantomData<R>,
}

impl<R: ExtRecord> Iterator for ExtRecords<'_, R> {
    type Item = R;

    fn next(&mut self) -> Option<R> {
        if self.data.is_empty() {
            return None;
        }
        let (record, rest) = self.data.split_at_checked(self.size)?;
        self.data = rest;
        let (words, _) = record.as_chunks::<4>();
        Some(R::decode(|index| {
            words.get(index).map_or(0, |word| self.endian.u32(*word))
        }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.data.len().checked_div(self.size).unwrap_or(0);
        (len, Some(len))
    }
}

impl<R: ExtRecord> ExactSizeIterator for ExtRecords<'_, R> {}
impl<R: ExtRecord> FusedIterator for ExtRecords<'_, R> {}

impl<R> Clone for ExtRecords<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for ExtRecords<'_, R> {}

impl<R: ExtRecord> fmt::Debug for ExtRecords<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(*self).finish()
    }
}

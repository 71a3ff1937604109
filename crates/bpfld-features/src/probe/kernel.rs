//! The calls that probes make, in the form that suits them: everything optional left out, errors as bare numbers.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use bpfld_insn::Slot;
use bpfld_sys::{
    AttachType, BtfLoad, CStrAddress, ElemFlags, Errno, KernelFunctions, KprobeMultiFlags, LinkCreate,
    LinkKind, Log, MapCreate, MapFd, MapFlags, MapType, ProgFlags, ProgLoad, ProgramType, Records, Relative,
    Target, UprobeFile, UprobeMultiFlags,
};
use zerocopy::IntoBytes;

/// How often a program is handed over again when the verifier was interrupted.
const ATTEMPTS: usize = 5;

/// A program to load.
#[derive(Clone, Copy)]
pub(crate) struct Load<'a> {
    pub(crate) kind: ProgramType,
    pub(crate) code: &'a [Slot],
    pub(crate) attach_type: AttachType,
    pub(crate) attach_btf_id: u32,
    pub(crate) flags: ProgFlags,
    pub(crate) name: &'a str,
    pub(crate) btf: Option<BorrowedFd<'a>>,
    /// Instruction and type of each function.
    pub(crate) functions: &'a [[u32; 2]],
    /// Descriptors to name by index, of which the kernel is told the number.
    pub(crate) fd_array: &'a [i32],
}

impl<'a> Load<'a> {
    pub(crate) fn new(kind: ProgramType, code: &'a [Slot]) -> Load<'a> {
        Load {
            kind,
            code,
            attach_type: AttachType(0),
            attach_btf_id: 0,
            flags: ProgFlags::empty(),
            name: "",
            btf: None,
            functions: &[],
            fd_array: &[],
        }
    }

    /// Load it.
    pub(crate) fn run(&self) -> Result<OwnedFd, Errno> {
        self.attempt(None)
    }

    /// Load it and listen to what the verifier says.
    pub(crate) fn run_with_log(&self) -> (Result<OwnedFd, Errno>, String) {
        let mut buffer = [0; 4096];
        let mut log = Log::new(1, &mut buffer);
        let result = self.attempt(Some(&mut log));
        (result, String::from_utf8_lossy(log.text()).into_owned())
    }

    /// Load it with a log of the caller's.
    pub(crate) fn run_with(&self, log: &mut Log<'_>) -> Result<OwnedFd, Errno> {
        self.attempt(Some(log))
    }

    fn attempt(&self, mut log: Option<&mut Log<'_>>) -> Result<OwnedFd, Errno> {
        let Load {
            kind,
            code,
            attach_type,
            attach_btf_id,
            flags,
            name,
            btf,
            functions,
            fd_array,
        } = *self;
        let mut load = ProgLoad::new(kind, code.as_bytes(), c"GPL");
        load.expected_attach_type = attach_type;
        load.attach_btf_id = attach_btf_id;
        load.flags = flags;
        load.name = name;
        load.btf = btf;
        load.func_info = Records {
            bytes: functions.as_bytes(),
            record_size: if functions.is_empty() { 0 } else { 8 },
        };
        load.fd_array = fd_array;
        load.fd_array_is_complete = !fd_array.is_empty();
        if kind == ProgramType::KPROBE {
            load.kernel_version = crate::Release::current().map_or(0, crate::Release::version_code);
        }
        let mut attempts = 0;
        loop {
            attempts += 1;
            match bpfld_sys::prog_load(&load, log.as_deref_mut()) {
                Err(error) if error.errno() == Errno::EAGAIN && attempts < ATTEMPTS => {}
                result => return result.map_err(|error| error.errno()),
            }
        }
    }
}

/// Make a map.
pub(crate) fn create(map: &MapCreate<'_>) -> Result<MapFd, Errno> {
    bpfld_sys::map_create(map).map_err(|error| error.errno())
}

/// Make a map, with attributes that are common to all commands.
pub(crate) fn create_with_log(map: &MapCreate<'_>) -> Result<MapFd, Errno> {
    let mut buffer = [0; 256];
    bpfld_sys::map_create_with_log(map, &mut Log::new(1, &mut buffer)).map_err(|error| error.errno())
}

/// Make an array of one value.
pub(crate) fn array(value_size: u32, flags: MapFlags) -> Result<MapFd, Errno> {
    let mut map = MapCreate::new(MapType::ARRAY, 4, value_size, 1);
    map.flags = flags;
    create(&map)
}

/// The number by which instructions name a map.
pub(crate) fn number(map: &MapFd) -> i32 {
    map.as_fd().as_raw_fd()
}

/// Write an element.
pub(crate) fn write(map: &MapFd, key: &[u8], value: &[u8], flags: ElemFlags) -> Result<(), Errno> {
    bpfld_sys::map_update_elem(map, key, value, flags).map_err(|error| error.errno())
}

/// Instructions as the kernel reads them.
pub(crate) fn bytes(code: &[Slot]) -> &[u8] {
    code.as_bytes()
}

/// Look up a batch of no elements.
pub(crate) fn look_up_nothing(map: &MapFd) -> Result<(), Errno> {
    let mut next = [0; 4];
    bpfld_sys::map_lookup_batch(map, None, &mut next, &mut [], &mut [], &mut 0, ElemFlags::empty())
        .map_err(|error| error.errno())
}

/// Tie a map to a program.
pub(crate) fn bind(program: &OwnedFd, map: &MapFd) -> Result<(), Errno> {
    bpfld_sys::prog_bind_map(program, map).map_err(|error| error.errno())
}

/// Load BTF.
pub(crate) fn load_btf(bytes: &[u8]) -> Result<OwnedFd, Errno> {
    bpfld_sys::btf_load(&BtfLoad::new(bytes), None).map_err(|error| error.errno())
}

/// Ask for the name of a BTF object, which is empty.
pub(crate) fn btf_name(btf: &OwnedFd) -> Result<(), Errno> {
    let mut name = [0; 512];
    bpfld_sys::btf_name(btf, &mut name)
        .map(|_| ())
        .map_err(|error| error.errno())
}

/// Make a link to a file descriptor.
pub(crate) fn link_to_file(program: &OwnedFd, attach: AttachType, file: BorrowedFd<'_>) -> Result<(), Errno> {
    link(&LinkCreate::new(
        program.as_fd(),
        Target::Fd(file),
        attach,
        LinkKind::Plain,
    ))
}

/// Make a link to a network device, by tcx.
pub(crate) fn link_to_device(program: &OwnedFd, attach: AttachType, ifindex: u32) -> Result<(), Errno> {
    let kind = LinkKind::Tcx {
        relative: Relative::None,
        expected_revision: 0,
    };
    link(&LinkCreate::new(
        program.as_fd(),
        Target::Ifindex(ifindex),
        attach,
        kind,
    ))
}

/// Make a link to a kernel function that is not there.
pub(crate) fn link_to_no_function(program: &OwnedFd, attach: AttachType) -> Result<(), Errno> {
    let kind = LinkKind::KprobeMulti {
        functions: KernelFunctions::Names(&[CStrAddress::new(c"no function")]),
        cookies: &[],
        flags: KprobeMultiFlags::empty(),
    };
    link(&LinkCreate::new(program.as_fd(), Target::None, attach, kind))
}

/// Make a link to many places in the root directory.
pub(crate) fn link_to_root(program: &OwnedFd, attach: AttachType, pid: u32) -> Result<(), Errno> {
    let kind = LinkKind::UprobeMulti {
        file: UprobeFile::Path(c"/"),
        offsets: &[0],
        ref_ctr_offsets: &[],
        cookies: &[],
        flags: UprobeMultiFlags::empty(),
        pid,
    };
    link(&LinkCreate::new(program.as_fd(), Target::None, attach, kind))
}

fn link(wanted: &LinkCreate<'_>) -> Result<(), Errno> {
    bpfld_sys::link_create(wanted)
        .map(|_| ())
        .map_err(|error| error.errno())
}

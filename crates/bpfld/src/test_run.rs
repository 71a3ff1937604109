//! Running a program on made-up input.

use std::time::Duration;

use bpfld_sys::{self as sys, Errno, TestRunFlags};
use zerocopy::{Immutable, IntoBytes};

use crate::{Error, Program, Result};

/// How much longer than the data that goes in the data that comes out may be, unless said otherwise.
const HEADROOM: usize = 1024;

/// A test run of a program (4.12): what goes in, and how often. Made by [`Program::test_run`].
///
/// ```no_run
/// # fn example(program: &bpfld::Program) -> Result<(), bpfld::Error> {
/// let packet = [0u8; 64];
/// let outcome = program.test_run().data(&packet).repeat(1000).run()?;
/// println!("returned {} after {:?}", outcome.return_value, outcome.duration);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing happens before `run`"]
pub struct TestRun<'a> {
    program: &'a Program,
    data: &'a [u8],
    data_room: Option<usize>,
    context: &'a [u8],
    context_room: Option<usize>,
    repeat: u32,
    flags: TestRunFlags,
    cpu: u32,
    batch_size: u32,
}

/// What came of a test run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TestRunResult {
    /// What the program returned, at the last run.
    pub return_value: u32,
    /// How long a run took, on average.
    pub duration: Duration,
    /// The data afterwards: for packets, the packet.
    pub data: Vec<u8>,
    /// The context afterwards.
    pub context: Vec<u8>,
}

impl<'a> TestRun<'a> {
    pub(crate) fn new(program: &'a Program) -> Self {
        TestRun {
            program,
            data: &[],
            data_room: None,
            context: &[],
            context_room: None,
            repeat: 0,
            flags: TestRunFlags::empty(),
            cpu: 0,
            batch_size: 0,
        }
    }

    /// The data: for packet programs a packet of at least 14 bytes, Ethernet header and all.
    pub fn data(mut self, data: &'a [u8]) -> Self {
        self.data = data;
        self
    }

    /// Room for the data that comes out; without this, room for what goes in and 1 KiB more. None where nothing goes in.
    pub fn data_room(mut self, bytes: usize) -> Self {
        self.data_room = Some(bytes);
        self
    }

    /// The context (5.2): as the program's argument points to, such as `struct __sk_buff` or, for raw tracepoints, an array
    /// of `u64` arguments.
    pub fn context<T: IntoBytes + Immutable + ?Sized>(mut self, context: &'a T) -> Self {
        self.context = context.as_bytes();
        self
    }

    /// Room for the context that comes out; without this, room for as much as goes in, for kinds of programs that give one back.
    pub fn context_room(mut self, bytes: usize) -> Self {
        self.context_room = Some(bytes);
        self
    }

    /// Runs it so many times, with the same data and, where the program changes it, what the last run left. The duration
    /// is the average.
    pub fn repeat(mut self, times: u32) -> Self {
        self.repeat = times;
        self
    }

    /// Runs it on this CPU (5.10; raw tracepoints).
    pub fn on_cpu(mut self, cpu: u32) -> Self {
        self.flags |= TestRunFlags::RUN_ON_CPU;
        self.cpu = cpu;
        self
    }

    /// Has what the program returns carried out for the packets, as if they were received: XDP only (5.18). `batch_size`
    /// packets are under way at once; 0 leaves it to the kernel. No data comes out.
    pub fn live_frames(mut self, batch_size: u32) -> Self {
        self.flags |= TestRunFlags::XDP_LIVE_FRAMES;
        self.batch_size = batch_size;
        self
    }

    /// Other flags.
    pub fn flags(mut self, flags: TestRunFlags) -> Self {
        self.flags |= flags;
        self
    }

    /// Runs the program.
    ///
    /// # Errors
    ///
    /// When the kernel does not run programs of this kind (ENOTSUPP) or not with this input (EINVAL), or when what comes out
    /// does not fit (ENOSPC; the program has run then).
    #[doc(alias = "BPF_PROG_TEST_RUN")]
    pub fn run(self) -> Result<TestRunResult> {
        let TestRun {
            program,
            data,
            data_room,
            context,
            context_room,
            repeat,
            flags,
            cpu,
            batch_size,
        } = self;
        let live = flags.contains(TestRunFlags::XDP_LIVE_FRAMES);
        let data_room = data_room.unwrap_or(if data.is_empty() || live {
            0
        } else {
            data.len() + HEADROOM
        });
        let context_room = context_room.unwrap_or(if gives_context_back(program) && !live {
            context.len()
        } else {
            0
        });
        let mut data_out = vec![0; data_room];
        let mut context_out = vec![0; context_room];
        // Some programs change it in place.
        let mut context_in = context.to_vec();

        let mut run = sys::TestRun::default();
        run.data_in = data;
        run.data_out = &mut data_out;
        run.context = &mut context_in;
        run.context_out = &mut context_out;
        run.repeat = repeat;
        run.flags = flags;
        run.cpu = cpu;
        run.batch_size = batch_size;
        let outcome = sys::prog_test_run(program, &mut run);
        let (return_value, duration) = (run.return_value, run.duration);
        let (data_len, context_len) = (run.data_len as usize, run.context_len as usize);
        outcome.map_err(|source| explain(program, source, data.len(), data_len, data_room))?;

        data_out.truncate(data_len);
        context_out.truncate(context_len);
        if program.program_type() == sys::ProgramType::SYSCALL {
            context_out = context_in;
        }
        Ok(TestRunResult {
            return_value,
            duration: Duration::from_nanos(duration.into()),
            data: data_out,
            context: context_out,
        })
    }
}

/// Whether the kernel fills a second context for programs of this kind; others refuse room for it.
fn gives_context_back(program: &Program) -> bool {
    takes_packets(program) || program.program_type() == sys::ProgramType::SK_LOOKUP
}

/// Whether programs of this kind are run on a packet.
fn takes_packets(program: &Program) -> bool {
    use sys::ProgramType as T;
    matches!(
        program.program_type(),
        T::XDP
            | T::SCHED_CLS
            | T::SCHED_ACT
            | T::SOCKET_FILTER
            | T::CGROUP_SKB
            | T::LWT_IN
            | T::LWT_OUT
            | T::LWT_XMIT
            | T::LWT_SEG6LOCAL
            | T::FLOW_DISSECTOR
    )
}

/// Whether it is for packets that were redirected to a device or processor.
fn runs_behind_redirect(program: &Program) -> bool {
    matches!(
        program.attach_type(),
        Some(sys::AttachType::XDP_DEVMAP | sys::AttachType::XDP_CPUMAP)
    )
}

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

fn explain(program: &Program, source: sys::Error, given: usize, needed: usize, room: usize) -> Error {
    let error = match given {
        0 => program.failed("run", source),
        _ => program.failed(format!("run with {given} bytes of data"), source),
    };
    match source.errno() {
        Errno::ENOSPC if needed > room => error.with_hint(format!(
            "{needed} bytes came out where there was room for {room}; see `data_room`"
        )),
        Errno::ENOTSUPP | Errno::EOPNOTSUPP => error.with_hint(format!(
            "this kernel does not run programs of type {}",
            program.program_type()
        )),
        Errno::EFAULT if program.program_type() == sys::ProgramType::TRACING => error.with_hint(
            "of tracing programs, kernels run those that attach to functions: fentry, fexit, fmod_ret",
        ),
        Errno::EINVAL if runs_behind_redirect(program) => {
            error.with_hint("kernels do not run programs that belong to elements of a devmap or cpumap")
        }
        // sizes that are refused for other reasons are long ones
        Errno::EINVAL if given < ETHERNET && (given > 0 || takes_packets(program)) => error.with_hint(
            format!("kernels take packets of {ETHERNET} bytes, an Ethernet header, and more"),
        ),
        _ => error,
    }
}

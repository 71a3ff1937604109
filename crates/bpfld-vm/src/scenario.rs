//! The world around the programs: time, chance, processors and the current task, all of it given by the host.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use crate::address::GuestAddr;
use crate::network::Network;

/// What helpers tell programs about the world. Nothing in it changes by itself but the generator of random numbers, so that
/// the same program does the same every time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scenario {
    /// Nanoseconds since boot.
    pub time: u64,
    /// How far the time moves on with each reading of a clock, in nanoseconds.
    pub tick: u64,
    /// Nanoseconds from 1970 to boot, for clocks that tell the date.
    pub boot: u64,
    /// Timer interrupts a second, for `jiffies`.
    pub hz: u64,
    /// State of the generator of random numbers.
    pub seed: u64,
    /// The processor that programs run on.
    pub cpu: u32,
    /// Its memory node.
    pub numa_node: u32,
    /// The current task.
    pub task: Task,
    /// What `bpf_get_attach_cookie` tells.
    pub cookie: u64,
    /// What `bpf_get_func_ip` tells: the address of the function that the program is attached to.
    pub function: u64,
    /// What `bpf_get_socket_cookie` tells of the socket that programs work on. Those of the network's sockets are their places in the
    /// list, from 1 on.
    pub socket_cookie: u64,
    /// Devices, routes, neighbours and sockets.
    pub network: Network,
    /// Options of the socket that programs work on, by level and name, in the order of the guest: what `bpf_getsockopt` reads,
    /// and `bpf_setsockopt` sets.
    pub socket_options: BTreeMap<(u32, u32), Vec<u8>>,
}

/// The current task.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Task {
    /// The thread's number.
    pub pid: u32,
    /// The process's number.
    pub tgid: u32,
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The name, cut after 15 bytes.
    pub comm: String,
    /// Where programs find its structure (`struct task_struct`), if the host gave them one by
    /// [`Vm::add_memory`](crate::Vm::add_memory); else they only get a handle.
    pub structure: Option<GuestAddr>,
    /// The control group, which is also that of sockets.
    pub cgroup_id: u64,
    /// The groups above it, from the root on.
    pub cgroup_ancestors: Vec<u64>,
    /// The namespace that its numbers are of: device and inode.
    pub pid_namespace: (u64, u64),
    /// Where its functions in the kernel return to, the innermost first: what `bpf_get_stack` copies.
    pub kernel_stack: Vec<u64>,
    /// The same of its functions in user space.
    pub user_stack: Vec<u64>,
    /// The signals that programs sent to it.
    pub signals: Vec<u32>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            time: 1_000_000_000,
            tick: 0,
            boot: 1_700_000_000_000_000_000,
            hz: 250,
            seed: 1,
            cpu: 0,
            numa_node: 0,
            task: Task::default(),
            cookie: 0,
            function: 0,
            socket_cookie: 10_000,
            network: Network::default(),
            socket_options: BTreeMap::new(),
        }
    }
}

impl Default for Task {
    fn default() -> Self {
        Self {
            pid: 1000,
            tgid: 1000,
            uid: 0,
            gid: 0,
            comm: "task".into(),
            structure: None,
            cgroup_id: 1,
            cgroup_ancestors: Vec::new(),
            pid_namespace: (4, 0xefff_fffc),
            kernel_stack: Vec::new(),
            user_stack: Vec::new(),
            signals: Vec::new(),
        }
    }
}

impl Scenario {
    /// The time now; moves it on by a tick.
    pub(crate) fn read_time(&mut self) -> u64 {
        let now = self.time;
        self.time = self.time.wrapping_add(self.tick);
        now
    }

    /// The next random number.
    pub(crate) fn random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.seed ^ self.seed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

//! The machines that can be had: one row for each architecture.

/// An architecture of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Arch {
    /// 64-bit x86.
    X86_64,
    /// 64-bit ARM.
    Aarch64,
    /// IBM Z: the big-endian one.
    S390x,
}

/// What differs between machines.
pub(crate) struct Machine {
    /// As in a target triple and on the command line.
    pub(crate) name: &'static str,
    /// As the distribution calls it.
    pub(crate) debian: &'static str,
    /// Whether there is a flavour of the kernel for virtual machines.
    pub(crate) has_cloud: bool,
    /// The Rust target for static programs.
    pub(crate) target: &'static str,
    pub(crate) qemu: &'static str,
    /// The package with that.
    pub(crate) package: &'static str,
    /// Machine and processor in software emulation.
    pub(crate) machine: &'static [&'static str],
    /// How that runs several processors: in turn or at once.
    pub(crate) emulation: &'static str,
    pub(crate) console: &'static str,
    /// Parameters for its kernels.
    pub(crate) parameters: &'static [&'static str],
    /// Arguments for the channel of results, which is the character device `results`.
    pub(crate) channel: &'static [&'static str],
    /// That channel in the guest.
    pub(crate) results: &'static str,
}

const X86_64: Machine = Machine {
    name: "x86_64",
    debian: "amd64",
    has_cloud: true,
    target: "x86_64-unknown-linux-gnu",
    qemu: "qemu-system-x86_64",
    package: "qemu-system-x86",
    machine: &["-M", "pc", "-cpu", "max"],
    // At once they trip over code that is being patched.
    emulation: "tcg,thread=single",
    console: "ttyS0",
    // On a busy host the emulated timer is too late for a test that kernels make of it.
    parameters: &["no_timer_check"],
    channel: &["-serial", "chardev:results"],
    results: "/dev/ttyS1",
};

const AARCH64: Machine = Machine {
    name: "aarch64",
    debian: "arm64",
    has_cloud: true,
    target: "aarch64-unknown-linux-gnu",
    qemu: "qemu-system-aarch64",
    package: "qemu-system-arm",
    machine: &["-M", "virt", "-cpu", "max,pauth-impdef=on"],
    emulation: "tcg,thread=multi",
    console: "ttyAMA0",
    parameters: &[],
    channel: &[
        "-device",
        "virtio-serial-pci",
        "-device",
        "virtserialport,chardev=results,name=results",
    ],
    results: "/dev/vport0p1",
};

const S390X: Machine = Machine {
    name: "s390x",
    debian: "s390x",
    has_cloud: false,
    target: "s390x-unknown-linux-gnu",
    qemu: "qemu-system-s390x",
    package: "qemu-system-misc",
    // Kernels make the checksums of packets with a vector instruction, if there are any, that qemu 7.2 adds up wrongly.
    machine: &["-M", "s390-ccw-virtio", "-cpu", "max,vx=off,vxeh=off"],
    // In turn, the kernel stumbles before the first process runs.
    emulation: "tcg,thread=multi",
    console: "ttysclp0",
    parameters: &[],
    channel: &[
        "-device",
        "virtio-serial-ccw",
        "-device",
        "virtserialport,chardev=results,name=results",
    ],
    results: "/dev/vport0p1",
};

impl Arch {
    /// All of them.
    pub const ALL: [Arch; 3] = [Arch::X86_64, Arch::Aarch64, Arch::S390x];

    /// The architecture of this machine, if guests can have it.
    pub fn host() -> Option<Arch> {
        Arch::named(std::env::consts::ARCH)
    }

    /// The architecture with a name such as `s390x`.
    pub fn named(name: &str) -> Option<Arch> {
        Arch::ALL.into_iter().find(|arch| arch.name() == name)
    }

    /// `x86_64`, `aarch64` or `s390x`.
    pub fn name(self) -> &'static str {
        self.machine().name
    }

    /// The Rust target to build programs for a guest with. Link them statically: `-C target-feature=+crt-static`.
    pub fn rust_target(self) -> &'static str {
        self.machine().target
    }

    /// The program that emulates it.
    pub fn qemu(self) -> &'static str {
        self.machine().qemu
    }

    /// The package of the distribution with that program.
    pub fn qemu_package(self) -> &'static str {
        self.machine().package
    }

    pub(crate) fn machine(self) -> &'static Machine {
        match self {
            Arch::X86_64 => &X86_64,
            Arch::Aarch64 => &AARCH64,
            Arch::S390x => &S390X,
        }
    }
}

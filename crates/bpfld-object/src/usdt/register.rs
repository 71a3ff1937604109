//! Registers by the name that assemblers use, and where programs find them: offsets in the context of a probe, which is
//! `struct pt_regs` on x86-64, `struct user_pt_regs` on arm64 and s390x, `struct user_regs_struct` on riscv64.

use goblin::elf::header::{EM_AARCH64, EM_RISCV, EM_S390, EM_X86_64};

/// Registers of x86-64 by their place in the structure; all their names, from the widest to the narrowest.
const X86_64: [(u16, [&str; 4]); 17] = [
    (0, ["r15", "r15d", "r15w", "r15b"]),
    (8, ["r14", "r14d", "r14w", "r14b"]),
    (16, ["r13", "r13d", "r13w", "r13b"]),
    (24, ["r12", "r12d", "r12w", "r12b"]),
    (32, ["rbp", "ebp", "bp", "bpl"]),
    (40, ["rbx", "ebx", "bx", "bl"]),
    (48, ["r11", "r11d", "r11w", "r11b"]),
    (56, ["r10", "r10d", "r10w", "r10b"]),
    (64, ["r9", "r9d", "r9w", "r9b"]),
    (72, ["r8", "r8d", "r8w", "r8b"]),
    (80, ["rax", "eax", "ax", "al"]),
    (88, ["rcx", "ecx", "cx", "cl"]),
    (96, ["rdx", "edx", "dx", "dl"]),
    (104, ["rsi", "esi", "si", "sil"]),
    (112, ["rdi", "edi", "di", "dil"]),
    (128, ["rip", "eip", "", ""]),
    (152, ["rsp", "esp", "sp", "spl"]),
];

/// The second bytes of four of them.
const X86_64_HIGH: [(u16, &str); 4] = [(41, "bh"), (81, "ah"), (89, "ch"), (97, "dh")];

/// Registers of riscv64 in the order of the structure; the program counter has no name in operands.
const RISCV64: [&str; 32] = [
    "pc", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5", "a6",
    "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
];

/// Whether this module knows the registers of a machine.
pub(super) fn knows(machine: u16) -> bool {
    matches!(machine, EM_X86_64 | EM_AARCH64 | EM_RISCV | EM_S390)
}

/// Where a register is in the context of a probe, in bytes.
pub(super) fn offset(machine: u16, name: &str) -> Option<u16> {
    match machine {
        EM_X86_64 => {
            let wide = X86_64
                .iter()
                .find(|(_, names)| names.contains(&name) && !name.is_empty());
            let high = || X86_64_HIGH.iter().find(|(_, high)| *high == name);
            wide.map(|(offset, _)| *offset)
                .or_else(|| high().map(|(offset, _)| *offset))
        }
        EM_AARCH64 => match name {
            "sp" | "wsp" => Some(248),
            _ => numbered(name.strip_prefix(['x', 'w'])?, 31).map(|number| number * 8),
        },
        EM_RISCV => {
            let name = if name == "fp" { "s0" } else { name };
            let place = RISCV64.iter().position(|known| *known == name)?;
            u16::try_from(place * 8).ok()
        }
        // behind an argument and the program status word
        EM_S390 => numbered(name.strip_prefix('r')?, 16).map(|number| 24 + number * 8),
        _ => None,
    }
}

fn numbered(digits: &str, end: u16) -> Option<u16> {
    if digits.starts_with('+') || digits.len() > 1 && digits.starts_with('0') {
        return None;
    }
    digits.parse().ok().filter(|number| *number < end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_machine_has_its_names() {
        for (machine, name, expected) in [
            (EM_X86_64, "r15", Some(0)),
            (EM_X86_64, "al", Some(80)),
            (EM_X86_64, "ah", Some(81)),
            (EM_X86_64, "r10d", Some(56)),
            (EM_X86_64, "rsp", Some(152)),
            (EM_X86_64, "xmm0", None),
            (EM_X86_64, "", None),
            (EM_AARCH64, "x0", Some(0)),
            (EM_AARCH64, "w30", Some(240)),
            (EM_AARCH64, "x31", None),
            (EM_AARCH64, "x+1", None),
            (EM_AARCH64, "x01", None),
            (EM_AARCH64, "sp", Some(248)),
            (EM_RISCV, "ra", Some(8)),
            (EM_RISCV, "s0", Some(64)),
            (EM_RISCV, "fp", Some(64)),
            (EM_RISCV, "a0", Some(80)),
            (EM_RISCV, "t6", Some(248)),
            (EM_RISCV, "a8", None),
            (EM_S390, "r0", Some(24)),
            (EM_S390, "r15", Some(144)),
            (EM_S390, "r16", None),
        ] {
            assert_eq!(offset(machine, name), expected, "{name} of machine {machine}");
        }
    }

    /// Held against what the C library says about the machine this runs on.
    #[test]
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    fn agrees_with_the_c_library() {
        use core::mem::offset_of;
        use libc::user_regs_struct as Regs;
        for (name, expected) in [
            ("r15", offset_of!(Regs, r15)),
            ("r14", offset_of!(Regs, r14)),
            ("r13", offset_of!(Regs, r13)),
            ("r12", offset_of!(Regs, r12)),
            ("rbp", offset_of!(Regs, rbp)),
            ("rbx", offset_of!(Regs, rbx)),
            ("r11", offset_of!(Regs, r11)),
            ("r10", offset_of!(Regs, r10)),
            ("r9", offset_of!(Regs, r9)),
            ("r8", offset_of!(Regs, r8)),
            ("rax", offset_of!(Regs, rax)),
            ("rcx", offset_of!(Regs, rcx)),
            ("rdx", offset_of!(Regs, rdx)),
            ("rsi", offset_of!(Regs, rsi)),
            ("rdi", offset_of!(Regs, rdi)),
            ("rip", offset_of!(Regs, rip)),
            ("rsp", offset_of!(Regs, rsp)),
        ] {
            assert_eq!(offset(EM_X86_64, name).map(usize::from), Some(expected), "{name}");
        }
    }
}

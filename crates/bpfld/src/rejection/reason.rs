//! Kinds of mistakes: by which words the verifier tells of them, and what helps.

macro_rules! classes {
    ($($(#[$doc:meta])+ $class:ident = $name:literal,)+) => {
        /// A kind of mistake that the verifier finds.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ReasonClass { $($(#[$doc])+ $class,)+ }

        impl ReasonClass {
            /// A word for it, which stays the same.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(ReasonClass::$class => $name,)+ }
            }
        }
    };
}

classes! {
    /// A register or part of the stack is read before it was written.
    Uninitialized = "uninitialized",
    /// A pointer that may be NULL is used.
    MaybeNull = "maybe_null",
    /// Something that is no pointer is used as one.
    NotAPointer = "not_a_pointer",
    /// Beyond the end of a packet, or not compared with it.
    PacketBounds = "packet_bounds",
    /// Beyond the bounds of a map value, buffer or other memory.
    MemoryBounds = "memory_bounds",
    /// Beyond the bounds of the stack, or badly aligned there.
    Stack = "stack",
    /// A field of the context that is not there, or not for this kind of program.
    Context = "context",
    /// Arithmetic on a pointer that is not allowed.
    PointerArithmetic = "pointer_arithmetic",
    /// Memory that is only to be read is written to.
    ReadOnly = "read_only",
    /// An argument of a call has the wrong type.
    ArgumentType = "argument_type",
    /// A helper that this kind of program may not call.
    HelperNotAllowed = "helper_not_allowed",
    /// A kernel function that this kind of program may not call, or at this place.
    KfuncNotAllowed = "kfunc_not_allowed",
    /// A map that a helper or kind of program does not take.
    MapNotAllowed = "map_not_allowed",
    /// Something acquired is not released, or released wrongly.
    Reference = "reference",
    /// A lock is not held, not released, or held where it may not be.
    Lock = "lock",
    /// A dynptr, iterator or other object on the stack is not in the state it should be in.
    ObjectState = "object_state",
    /// A return value outside of what this kind of program may return.
    ReturnValue = "return_value",
    /// More work than the verifier is willing to do.
    TooComplex = "too_complex",
    /// A loop that does not end, or that the verifier cannot see the end of.
    Loop = "loop",
    /// Instructions that are never reached, jumps to nowhere, a missing end.
    ControlFlow = "control_flow",
    /// Stack or calls too deep.
    Depth = "depth",
    /// Instructions that are malformed, or that this kernel does not know.
    Malformed = "malformed",
    /// The loader found nothing to put here: a CO-RE relocation, map or kernel function that is missing.
    Missing = "missing",
    /// Rights that the process lacks.
    NotPermitted = "not_permitted",
    /// The target to attach to does not fit.
    AttachTarget = "attach_target",
    /// The types that came with the program.
    Types = "types",
    /// Anything else.
    Other = "other",
}

use ReasonClass as Class;

impl ReasonClass {
    /// What kind of mistake a line of the verifier tells of.
    #[must_use]
    pub fn of(reason: &str) -> Self {
        let found = PATTERNS
            .iter()
            .find(|(words, _)| words.iter().all(|word| reason.contains(word)));
        found.map_or(Class::Other, |(_, class)| *class)
    }

    /// What helps against mistakes of this kind.
    #[must_use]
    pub fn help(self) -> Option<&'static str> {
        Some(match self {
            Class::Uninitialized => "set it on every path that leads here",
            Class::MaybeNull => "compare the pointer with NULL before it is used",
            Class::NotAPointer => {
                "the verifier lost track of what this is: keep pointers in variables of pointer type, and read kernel memory with \
                 bpf_probe_read_kernel or CO-RE reads"
            }
            Class::PacketBounds => {
                "compare the end of what is accessed with data_end first, and use that same pointer"
            }
            Class::MemoryBounds => {
                "compare the index or length with its limit first, in an unsigned variable"
            }
            Class::Stack => {
                "keep accesses within the 512 bytes of the stack, by constant and aligned offsets"
            }
            Class::Context => "look up which fields this kind of program may access, and how wide",
            Class::ReturnValue => "return only what this kind of program may return",
            Class::Reference => "release what was acquired on every path, and only once",
            Class::Lock => "hold exactly this lock here, and nothing else between lock and unlock",
            Class::TooComplex => {
                "split the program: global functions are checked by themselves, bpf_loop and iterators keep loops small"
            }
            Class::Loop => "give the loop a constant bound, or use bpf_loop or an open-coded iterator",
            Class::HelperNotAllowed => {
                "look up which kinds of programs have this helper: `bpfld features` lists them for this kernel"
            }
            Class::Depth => "keep large variables in a map, and call fewer functions within each other",
            Class::NotPermitted => "this needs more capabilities: CAP_BPF, and CAP_PERFMON or CAP_NET_ADMIN",
            _ => return None,
        })
    }
}

/// All words of a row must be there; the first row that fits counts.
const PATTERNS: &[(&[&str], ReasonClass)] = &[
    // what our loader puts in the place of what is missing
    (&["is referenced but was not created"], Class::Missing),
    (&["CO-RE relocation"], Class::Missing),
    (&["kernel function", "is referenced but"], Class::Missing),
    (&["invalid func unknown#"], Class::HelperNotAllowed),
    (&["unknown func "], Class::HelperNotAllowed),
    (&["cannot use helper"], Class::HelperNotAllowed),
    (&["cannot call GPL-restricted"], Class::HelperNotAllowed),
    (&["GPL compatible license"], Class::HelperNotAllowed),
    (&["not allowed for non-JITed"], Class::HelperNotAllowed),
    (&["helper call is not allowed"], Class::HelperNotAllowed),
    (&["helper call might sleep"], Class::HelperNotAllowed),
    (&["helper access to the packet"], Class::HelperNotAllowed),
    (
        &["calling kernel function", "is not allowed"],
        Class::KfuncNotAllowed,
    ),
    (&["kernel func", "is sleepable within"], Class::KfuncNotAllowed),
    (&["must be called from sleepable"], Class::KfuncNotAllowed),
    (&["metadata kfuncs require"], Class::KfuncNotAllowed),
    // pointers that may be nothing
    (&["invalid mem access", "_or_null'"], Class::MaybeNull),
    (&["null-check it first"], Class::MaybeNull),
    (&["Possibly NULL pointer"], Class::MaybeNull),
    (&["expected=", "_or_null expected"], Class::MaybeNull),
    (&["type=", "_or_null expected="], Class::MaybeNull),
    (&["invalid mem access"], Class::NotAPointer),
    // memory
    (&["!read_ok"], Class::Uninitialized),
    (&["invalid indirect read from stack"], Class::Uninitialized),
    (&["invalid read from stack"], Class::Uninitialized),
    (&["uninitialized", "stack"], Class::Uninitialized),
    (&["outside of the packet"], Class::PacketBounds),
    (&["invalid access to packet"], Class::PacketBounds),
    (&["stack type", "not supported"], Class::Stack),
    (&["write to stack"], Class::Stack),
    (&["stack access"], Class::Stack),
    (&["from stack"], Class::Stack),
    (&["invalid stack"], Class::Stack),
    (&["frame pointer is read only"], Class::Stack),
    (&["bpf_context access"], Class::Context),
    (&["ctx access"], Class::Context),
    (&["ctx ptr"], Class::Context),
    (&["outside of the allowed memory range"], Class::MemoryBounds),
    (&["unbounded memory access"], Class::MemoryBounds),
    (&["min value is negative"], Class::MemoryBounds),
    (&["access beyond"], Class::MemoryBounds),
    (&["invalid access to map value"], Class::MemoryBounds),
    (&["invalid access to"], Class::MemoryBounds),
    (&["zero-sized read"], Class::MemoryBounds),
    (&["buffer access"], Class::MemoryBounds),
    (&["makes", "pointer be out of bounds"], Class::MemoryBounds),
    (&["leads to invalid memory access"], Class::MemoryBounds),
    (&["unbounded min value is not allowed"], Class::PointerArithmetic),
    (&["math between"], Class::PointerArithmetic),
    (&["pointer arithmetic"], Class::PointerArithmetic),
    (&["pointer += pointer"], Class::PointerArithmetic),
    (&["subtract pointer from scalar"], Class::PointerArithmetic),
    (&["pointer offset"], Class::PointerArithmetic),
    (&["bitwise operator"], Class::PointerArithmetic),
    (&["pointer comparison prohibited"], Class::PointerArithmetic),
    (
        &["same insn cannot be used with different pointers"],
        Class::PointerArithmetic,
    ),
    (&["sock access"], Class::Context),
    (&["sock_common access"], Class::Context),
    (&["misaligned value access"], Class::MemoryBounds),
    (&["negative access"], Class::MemoryBounds),
    (&["buffer offset"], Class::MemoryBounds),
    (&["BPF_ATOMIC stores into"], Class::ReadOnly),
    (&["does not allow writes"], Class::ReadOnly),
    (&["may write into memory"], Class::ReadOnly),
    (&["cannot write into"], Class::ReadOnly),
    (&["write into map forbidden"], Class::ReadOnly),
    (&["read from map forbidden"], Class::ReadOnly),
    (&["only read", "supported"], Class::ReadOnly),
    (&["leaks addr"], Class::NotPermitted),
    // what is held
    (&["reference leak"], Class::Reference),
    (&["Unreleased reference"], Class::Reference),
    (&["unacquired reference"], Class::Reference),
    (&["must be referenced"], Class::Reference),
    (&["expects refcounted"], Class::Reference),
    (&["release"], Class::Reference),
    (&["spin_lock", "must be held"], Class::Lock),
    (&["spin_unlock"], Class::Lock),
    (&["holding a lock"], Class::Lock),
    (&["bpf_spin_lock"], Class::Lock),
    (&["-ed region"], Class::Lock),
    (&["rcu_read_lock"], Class::Lock),
    (&["rcu pointer"], Class::Lock),
    (&["dynptr"], Class::ObjectState),
    (&["ynptr has to be"], Class::ObjectState),
    (&["nitialized iter"], Class::ObjectState),
    (&["timer"], Class::ObjectState),
    (&["kptr"], Class::ObjectState),
    (&["workqueue"], Class::ObjectState),
    (&["bpf_list_"], Class::ObjectState),
    (&["bpf_rb"], Class::ObjectState),
    // calls
    (&["cannot pass map_type"], Class::MapNotAllowed),
    (&["not pointing to valid bpf_map"], Class::MapNotAllowed),
    (&["has no valid"], Class::MapNotAllowed),
    (&["type=", "expected="], Class::ArgumentType),
    (&["arg#"], Class::ArgumentType),
    (&["args#"], Class::ArgumentType),
    (&["Caller passes invalid args"], Class::ArgumentType),
    (&["must point to"], Class::ArgumentType),
    (&["must be a known constant"], Class::ArgumentType),
    (&["is expected"], Class::ArgumentType),
    (&["At program exit the register"], Class::ReturnValue),
    (&["At callback return the register"], Class::ReturnValue),
    (&["should have been in"], Class::ReturnValue),
    (&["doesn't return scalar"], Class::ReturnValue),
    // shape and size
    (&["too large. Processed"], Class::TooComplex),
    (&["BPF program is too complex"], Class::TooComplex),
    (&["sequence of", "jumps is too complex"], Class::TooComplex),
    (&["too many states"], Class::TooComplex),
    (&["infinite loop detected"], Class::Loop),
    (&["back-edge"], Class::Loop),
    (&["loop detected"], Class::Loop),
    (&["combined stack size"], Class::Depth),
    (&["call stack of"], Class::Depth),
    (&["too deep"], Class::Depth),
    (&["recursive call"], Class::Depth),
    (&["unreachable insn"], Class::ControlFlow),
    (&["jump out of range"], Class::ControlFlow),
    (&["last insn is not an exit or jmp"], Class::ControlFlow),
    (&["cannot be called from callback"], Class::ControlFlow),
    (&["exception cb"], Class::ControlFlow),
    (&["exception callback"], Class::ControlFlow),
    (&["LD_ABS is only allowed"], Class::ControlFlow),
    (&["unknown opcode"], Class::Malformed),
    (&["uses reserved fields"], Class::Malformed),
    (&["invalid BPF_LD_IMM64"], Class::Malformed),
    (&["unrecognized bpf_ld_imm64"], Class::Malformed),
    (&["div by zero"], Class::Malformed),
    (&["invalid shift"], Class::Malformed),
    (&["invalid btf"], Class::Types),
    (&["func_info"], Class::Types),
    (&["line_info"], Class::Types),
    (&["BTF"], Class::Types),
    (&["attach"], Class::AttachTarget),
    (&["is not a kernel function"], Class::AttachTarget),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_by_words() {
        #[track_caller]
        fn check(reason: &str, expected: ReasonClass) {
            assert_eq!(ReasonClass::of(reason), expected);
        }
        check("R0 invalid mem access 'map_value_or_null'", Class::MaybeNull);
        check("R1 invalid mem access 'scalar'", Class::NotAPointer);
        check(
            "R1 type=sock_or_null expected=sock_common, sock",
            Class::MaybeNull,
        );
        check("R2 !read_ok", Class::Uninitialized);
        check(
            "invalid access to packet, off=14 size=4, R1(id=0,off=14,r=0)",
            Class::PacketBounds,
        );
        check("R1 offset is outside of the packet", Class::PacketBounds);
        check(
            "invalid access to map value, value_size=8 off=8 size=8",
            Class::MemoryBounds,
        );
        check(
            "R1 min value is outside of the allowed memory range",
            Class::MemoryBounds,
        );
        check("invalid bpf_context access off=164 size=4", Class::Context);
        check("Unreleased reference id=2 alloc_insn=5", Class::Reference);
        check(
            "BPF_EXIT instruction in main prog would lead to reference leak",
            Class::Reference,
        );
        check(
            "BPF program is too large. Processed 1000001 insn",
            Class::TooComplex,
        );
        check("infinite loop detected at insn 4", Class::Loop);
        check("unreachable insn 7", Class::ControlFlow);
        check(
            "program of this type cannot use helper bpf_get_retval#186",
            Class::HelperNotAllowed,
        );
        check("unknown func bpf_ktime_get_boot_ns#125", Class::HelperNotAllowed);
        check(
            "At program exit the register R0 has smin=2 smax=2 should have been in [0, 1]",
            Class::ReturnValue,
        );
        check("map 'x' is referenced but was not created", Class::Missing);
        check("arg#0 expected pointer to allocated object", Class::ArgumentType);
        check(
            "bpf_spin_lock at off=16 must be held for bpf_list_head",
            Class::Lock,
        );
        check("Expected an initialized dynptr as arg #1", Class::ObjectState);
        check("something new", Class::Other);
    }
}

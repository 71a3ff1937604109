//! The table of features: what each is, since when the kernel has it, and how to find out.
//!
//! This is the one source of these numbers: documentation, messages of the loader and tests take them from here, and the
//! vocabularies of `bpfld-sys` and `bpfld-insn` (map types, helpers, instructions and so on) bring their own. A number is the first
//! mainline release with the thing in it, by the kernel's history; recorded answers of real kernels are held against it.

use std::fmt;

use bpfld_insn::{Cpu, Helper, Op};
use bpfld_sys::{AttachType, Command, ElemFlags, LinkType, MapFlags, MapType, ProgFlags, ProgramType};

use crate::probe::{attach, btf, command, flag, insn, link, log, map, program, system};
use crate::{Answer, Group, Release};

/// Write the plain features once: variant, name, first release, documentation and probe all come from these rows.
macro_rules! features {
    ($($group:ident {
        $(#[doc = $doc:literal] $variant:ident, $name:literal, ($major:literal, $minor:literal), $probe:expr;)*
    })*) => {
        /// Something that a kernel can do, or cannot.
        ///
        /// ```
        /// use bpfld_features::{Feature, Release};
        ///
        /// assert_eq!(Feature::PerfLink.name(), "perf_link");
        /// assert_eq!(Feature::PerfLink.since(), Some(Release::new(5, 15)));
        /// assert_eq!("perf_link".parse(), Ok(Feature::PerfLink));
        /// ```
        #[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Feature {
            $($(
                #[doc = $doc]
                #[doc = concat!("Since Linux ", $major, ".", $minor, ".")]
                $variant,
            )*)*
            /// A command of bpf(2) exists.
            Command(Command),
            /// Maps of a type can be created.
            MapType(MapType),
            /// A flag (one bit) is taken when a map is created or, for [`MapFlags::PATH_FD`], pinned.
            MapFlag(MapFlags),
            /// A flag (one bit) is taken when an element is read or written.
            ElemFlag(ElemFlags),
            /// Programs of a type can be loaded. For tracing programs this asks for those that attach to raw tracepoints with
            /// BTF; see [`Feature::Fentry`] for the others.
            ProgramType(ProgramType),
            /// A flag (one bit) is taken when a program is loaded.
            LoadFlag(ProgFlags),
            /// Programs can be attached there.
            AttachType(AttachType),
            /// Links of a type can be made, and asked about themselves.
            LinkType(LinkType),
            /// Programs that a compiler makes for a level of the instruction set can be loaded.
            InstructionSet(Cpu),
            /// An instruction may be in programs.
            Instruction(Op),
            /// A helper function can be called from programs of a type.
            Helper(ProgramType, Helper),
        }

        impl Feature {
            /// All features without a parameter, in the order of the table.
            pub const PLAIN: &'static [Feature] = &[$($(Feature::$variant),*),*];

            /// What it belongs to.
            pub fn group(self) -> Group {
                match self {
                    $($(Feature::$variant)|* => Group::$group,)*
                    Feature::Command(_) => Group::Commands,
                    Feature::MapType(_) => Group::MapTypes,
                    Feature::MapFlag(_) => Group::MapFlags,
                    Feature::ElemFlag(_) => Group::ElemFlags,
                    Feature::ProgramType(_) => Group::ProgramTypes,
                    Feature::LoadFlag(_) => Group::LoadFlags,
                    Feature::AttachType(_) => Group::AttachTypes,
                    Feature::LinkType(_) => Group::LinkTypes,
                    Feature::InstructionSet(_) => Group::InstructionSets,
                    Feature::Instruction(_) => Group::Instructions,
                    Feature::Helper(..) => Group::Helpers,
                }
            }

            /// The name of a plain feature; nothing for those with a parameter.
            pub(crate) fn plain_name(self) -> Option<&'static str> {
                match self {
                    $($(Feature::$variant => Some($name),)*)*
                    _ => None,
                }
            }

            /// What it means, in a sentence.
            pub fn doc(self) -> &'static str {
                match self {
                    $($(Feature::$variant => $doc.trim_ascii(),)*)*
                    Feature::Command(_) => "This command of bpf(2) exists.",
                    Feature::MapType(_) => "Maps of this type can be created.",
                    Feature::MapFlag(_) => "This flag is taken when a map is created.",
                    Feature::ElemFlag(_) => "This flag is taken when an element is read or written.",
                    Feature::ProgramType(_) => "Programs of this type can be loaded.",
                    Feature::LoadFlag(_) => "This flag is taken when a program is loaded.",
                    Feature::AttachType(_) => "Programs can be attached there.",
                    Feature::LinkType(_) => "Links of this type can be made.",
                    Feature::InstructionSet(_) => "Programs compiled for this level can be loaded.",
                    Feature::Instruction(op) => op.pattern().doc,
                    Feature::Helper(..) => "Programs of this type can call the helper.",
                }
            }

            /// The first release of the kernel that has it, if this build knows. Distribution kernels may have it earlier; a
            /// configuration may lack it.
            ///
            /// For a helper this is the later of the releases of helper and program type; the kernel may have let the two
            /// come together later still.
            pub fn since(self) -> Option<Release> {
                match self {
                    $($(Feature::$variant => Some(Release::new($major, $minor)),)*)*
                    Feature::Command(command) => command.since().map(Release::from),
                    Feature::MapType(map) => map.since().map(Release::from),
                    Feature::MapFlag(flag) => flag.since().map(Release::from),
                    Feature::ElemFlag(flag) => flag.since().map(Release::from),
                    Feature::ProgramType(program) => program.since().map(Release::from),
                    Feature::LoadFlag(flag) => flag.since().map(Release::from),
                    Feature::AttachType(attach) => attach.since().map(Release::from),
                    Feature::LinkType(link) => link.since().map(Release::from),
                    Feature::InstructionSet(level) => insn::representative(level).and_then(insn::since),
                    Feature::Instruction(op) => insn::since(op),
                    Feature::Helper(program, helper) => {
                        helper.since().map(Release::from).max(program.since().map(Release::from))
                    }
                }
            }

            /// Ask the running kernel, every time anew.
            pub(crate) fn ask(self) -> Answer {
                match self {
                    $($(Feature::$variant => $probe(),)*)*
                    Feature::Command(command) => command::exists(command),
                    Feature::MapType(map) => map::create(map),
                    Feature::MapFlag(flag) => flag::map(flag),
                    Feature::ElemFlag(flag) => flag::element(flag),
                    Feature::ProgramType(program) => program::load(program),
                    Feature::LoadFlag(flag) => flag::load(flag),
                    Feature::AttachType(attach) => attach::to(attach),
                    Feature::LinkType(link) => link::of_type(link),
                    Feature::InstructionSet(level) => insn::level(level),
                    Feature::Instruction(op) => insn::takes(op),
                    Feature::Helper(program, helper) => program::call(program, helper),
                }
            }
        }
    };
}

features! {
    Btf {
        /// BTF can be loaded.
        Btf, "btf", (4, 18), btf::plain;
        /// BTF may describe functions.
        BtfFunc, "btf_func", (5, 0), btf::func;
        /// BTF may describe variables and data sections.
        BtfDatasec, "btf_datasec", (5, 2), btf::datasec;
        /// BTF may say that a function is global, so that the verifier checks it by itself.
        BtfGlobalFunc, "btf_global_func", (5, 6), btf::global_func;
        /// BTF may describe floating-point types.
        BtfFloat, "btf_float", (5, 13), btf::float;
        /// BTF may carry tags on declarations.
        BtfDeclTag, "btf_decl_tag", (5, 16), btf::decl_tag;
        /// BTF may carry tags on types.
        BtfTypeTag, "btf_type_tag", (5, 17), btf::type_tag;
        /// BTF may describe enumerations with 64-bit values.
        BtfEnum64, "btf_enum64", (6, 0), btf::enum64;
        /// Names of data sections in BTF may begin with a question mark.
        BtfOptionalDatasec, "btf_optional_datasec", (6, 9), btf::optional_datasec;
        /// Tags in BTF may stand for any attribute of a compiler.
        BtfAttribute, "btf_attribute", (6, 15), btf::attribute;
        /// BTF may carry a section that tells the sizes of its kinds.
        BtfLayout, "btf_layout", (7, 1), btf::layout;
        /// Kernel modules have BTF, and BTF objects have names.
        ModuleBtf, "module_btf", (5, 11), btf::module;
    }
    Programs {
        /// Programs and maps may have names.
        Names, "names", (4, 15), program::name;
        /// Programs may refer to values of maps, as they do for global variables.
        GlobalData, "global_data", (5, 2), program::global_data;
        /// Offsets into the value of a map may be as large as the instruction can hold.
        FullMapValueOffset, "full_map_value_offset", (7, 0), program::full_map_value_offset;
        /// The attach type may be given when a program is loaded.
        ExpectedAttachType, "expected_attach_type", (4, 17), program::expected_attach_type;
        /// Helpers tell reading of kernel memory from reading of user memory.
        ProbeReadKernel, "probe_read_kernel", (5, 5), program::probe_read_kernel;
        /// Programs can ask for the value given when they were attached.
        AttachCookie, "attach_cookie", (5, 15), program::attach_cookie;
        /// Parameters tagged as context are taken as such.
        ArgCtx, "arg_ctx", (6, 8), program::arg_ctx;
        /// Tracing programs may attach to the entry and the exit of kernel functions.
        Fentry, "fentry", (5, 5), program::fentry;
        /// Programs may have more than 4096 instructions.
        LargeInstructionLimit, "large_instruction_limit", (5, 2), program::large;
        /// Programs may have loops, if the verifier can see their end.
        BoundedLoops, "bounded_loops", (5, 3), program::bounded_loop;
        /// The kernel can be told how many descriptors a program names by index.
        FdArrayCount, "fd_array_count", (6, 14), program::fd_array_count;
    }
    Logs {
        /// The verifier counts what it did, if asked to.
        LogStats, "log_stats", (5, 2), log::stats;
        /// A log that is too long keeps its end, or its beginning if asked to.
        LogFixed, "log_fixed", (6, 4), log::fixed;
        /// The kernel says how large a log would have been.
        LogTrueSize, "log_true_size", (6, 4), log::true_size;
    }
    Maps {
        /// Array maps can be mapped into memory.
        ArrayMmap, "array_mmap", (5, 5), map::array_mmap;
        /// Many elements of a map can be read or written in one call.
        Batch, "batch", (5, 6), map::batch;
        /// A map can be tied to the life of a program that does not use it.
        ProgBindMap, "prog_bind_map", (5, 10), map::bind;
        /// Commands take attributes that are common to all of them.
        CommonAttributes, "common_attributes", (7, 2), map::common_attributes;
    }
    Links {
        /// Programs are attached through links.
        Link, "link", (5, 7), link::plain;
        /// Programs are attached to perf events through links.
        PerfLink, "perf_link", (5, 15), link::perf;
        /// One link attaches a program to many places in user-space code, for the right process.
        UprobeMulti, "uprobe_multi", (6, 6), link::uprobe_multi;
        /// Programs are attached to a network device's ingress and egress through links.
        TcxLink, "tcx_link", (6, 6), link::tcx;
    }
    System {
        /// Memory of BPF counts against the control group, not against a resource limit.
        MemcgAccounting, "memcg_accounting", (5, 11), program::memcg_accounting;
        /// System calls have a wrapper per architecture that takes its arguments from the saved registers.
        SyscallWrapper, "syscall_wrapper", (4, 17), system::syscall_wrapper;
    }
}

impl Feature {
    /// What a kernel must have so that a program of this type, for this attach type, can be loaded.
    pub fn for_program(kind: ProgramType, attach: AttachType) -> Feature {
        let attaches_to_functions = matches!(
            attach,
            AttachType::TRACE_FENTRY
                | AttachType::TRACE_FEXIT
                | AttachType::MODIFY_RETURN
                | AttachType::TRACE_FSESSION
                | AttachType::TRACE_FENTRY_MULTI
                | AttachType::TRACE_FEXIT_MULTI
                | AttachType::TRACE_FSESSION_MULTI
        );
        match kind {
            ProgramType::TRACING if attaches_to_functions => Feature::Fentry,
            _ => Feature::ProgramType(kind),
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_of_the_vocabularies_has_a_release() {
        for group in Group::ALL {
            for feature in group.features() {
                assert!(feature.since().is_some(), "{feature}");
                assert_eq!(feature.group(), *group);
                assert!(feature.doc().len() > 5, "{feature}");
            }
        }
        let helper = Feature::Helper(ProgramType::XDP, Helper::MAP_LOOKUP_ELEM);
        assert_eq!(helper.since(), Some(Release::new(4, 8)));
        assert_eq!(helper.name(), "helper:xdp:map_lookup_elem");
    }
}

//! The table of features: what each is, since when the kernel has it, and how to find out.

use std::fmt;

use bpfld_insn::Helper;
use bpfld_sys::{AttachType, MapType, ProgramType};

use crate::probe::{btf, link, map, program, system};
use crate::{Answer, Release};

/// Write the plain features once: variant, name, first release, documentation and probe all come from these rows.
macro_rules! features {
    ($(#[doc = $doc:literal] $variant:ident, $name:literal, ($major:literal, $minor:literal), $probe:expr;)*) => {
        /// Something that a kernel can do, or cannot.
        ///
        /// ```
        /// use bpfld_features::{Feature, Release};
        ///
        /// assert_eq!(Feature::PerfLink.name(), "perf_link");
        /// assert_eq!(Feature::PerfLink.since(), Some(Release::new(5, 15)));
        /// ```
        #[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Feature {
            $(#[doc = $doc] $variant,)*
            /// Maps of a type can be created.
            MapType(MapType),
            /// Programs of a type can be loaded. For tracing programs this asks for those that attach to raw tracepoints with
            /// BTF; see [`Feature::Fentry`] for the others.
            ProgramType(ProgramType),
            /// A helper function can be called from programs of a type.
            Helper(ProgramType, Helper),
        }

        impl Feature {
            /// All features without a parameter, in the order of the table.
            pub const PLAIN: &'static [Feature] = &[$(Feature::$variant),*];

            /// A short name: letters, digits, and for the features with a parameter a colon before it.
            pub fn name(self) -> String {
                match self {
                    $(Feature::$variant => $name.to_owned(),)*
                    Feature::MapType(map) => format!("map_type:{map}"),
                    Feature::ProgramType(program) => format!("program_type:{program}"),
                    Feature::Helper(program, helper) => format!("helper:{program}:{helper}"),
                }
            }

            /// What it means, in a sentence.
            pub fn doc(self) -> &'static str {
                match self {
                    $(Feature::$variant => $doc.trim_ascii(),)*
                    Feature::MapType(_) => "Maps of this type can be created.",
                    Feature::ProgramType(_) => "Programs of this type can be loaded.",
                    Feature::Helper(..) => "Programs of this type can call the helper.",
                }
            }

            /// The first release of the kernel that has it, if this build knows. Distribution kernels may have it earlier; a
            /// configuration may lack it.
            pub fn since(self) -> Option<Release> {
                match self {
                    $(Feature::$variant => Some(Release::new($major, $minor)),)*
                    Feature::MapType(map) => map.since().map(Release::from),
                    Feature::ProgramType(program) => program.since().map(Release::from),
                    Feature::Helper(program, helper) => {
                        helper.since().map(Release::from).max(program.since().map(Release::from))
                    }
                }
            }

            /// Ask the running kernel, every time anew.
            pub(crate) fn ask(self) -> Answer {
                match self {
                    $(Feature::$variant => $probe(),)*
                    Feature::MapType(map) => map::create(map),
                    Feature::ProgramType(program) => program::load(program),
                    Feature::Helper(program, helper) => program::call(program, helper),
                }
            }
        }
    };
}

features! {
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
    /// BTF may carry a section that tells the sizes of its kinds.
    BtfLayout, "btf_layout", (7, 1), btf::layout;
    /// Kernel modules have BTF, and BTF objects have names.
    ModuleBtf, "module_btf", (5, 11), btf::module;
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
    /// Array maps can be mapped into memory.
    ArrayMmap, "array_mmap", (5, 5), map::array_mmap;
    /// Many elements of a map can be read or written in one call.
    Batch, "batch", (5, 6), map::batch;
    /// A map can be tied to the life of a program that does not use it.
    ProgBindMap, "prog_bind_map", (5, 10), map::bind;
    /// Programs are attached through links.
    Link, "link", (5, 7), link::plain;
    /// Programs are attached to perf events through links.
    PerfLink, "perf_link", (5, 15), link::perf;
    /// One link attaches a program to many places in user-space code, for the right process.
    UprobeMulti, "uprobe_multi", (6, 6), link::uprobe_multi;
    /// Programs are attached to a network device's ingress and egress through links.
    TcxLink, "tcx_link", (6, 6), link::tcx;
    /// Memory of BPF counts against the control group, not against a resource limit.
    MemcgAccounting, "memcg_accounting", (5, 11), program::memcg_accounting;
    /// Commands take attributes that are common to all of them.
    CommonAttributes, "common_attributes", (7, 2), map::common_attributes;
    /// System calls have a wrapper per architecture that takes its arguments from the saved registers.
    SyscallWrapper, "syscall_wrapper", (4, 17), system::syscall_wrapper;
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
    fn names_are_unique_and_plain() {
        let mut names: Vec<String> = Feature::PLAIN.iter().map(|feature| feature.name()).collect();
        assert!(names.iter().all(|name| {
            name.chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        }));
        names.sort();
        names.dedup();
        assert_eq!(names.len(), Feature::PLAIN.len());
    }

    #[test]
    fn every_member_of_the_vocabularies_has_a_release() {
        for map in MapType::ALL {
            assert!(Feature::MapType(*map).since().is_some(), "{map}");
        }
        for program in ProgramType::ALL {
            assert!(Feature::ProgramType(*program).since().is_some(), "{program}");
        }
        let helper = Feature::Helper(ProgramType::XDP, Helper::MAP_LOOKUP_ELEM);
        assert_eq!(helper.since(), Some(Release::new(4, 8)));
        assert_eq!(helper.name(), "helper:xdp:map_lookup_elem");
    }
}

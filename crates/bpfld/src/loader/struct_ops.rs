//! struct_ops maps: the object's table of functions brought into the kernel's layout.

use bpfld_btf::{Btf, Kind, Type, TypeId, essential_name};
use bpfld_object::{MapDef, ProgramIndex};

use crate::error::{Error, ErrorKind, Subject};
use crate::kernel_btf::{KernelBtf, KernelType};

/// What the kernel's types say about a struct_ops map.
#[derive(Clone, Debug)]
pub(crate) struct StructOps {
    /// The struct that elements have: the kernel's own, with the users' table in it.
    pub(crate) value_type: KernelType,
    /// The table's struct, of the same BTF; programs are tied to it and to one of its members.
    pub(crate) table: TypeId,
    /// An element, filled as far as it is known before programs are loaded.
    pub(crate) value: Vec<u8>,
    /// The members that are programs.
    pub(crate) programs: Vec<StructOpsProgram>,
}

/// A member that is a program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StructOpsProgram {
    /// The program that the object puts there.
    pub(crate) program: ProgramIndex,
    /// The number of the member in the kernel's struct.
    pub(crate) member: u32,
    /// Where its descriptor goes in [`StructOps::value`].
    pub(crate) offset: usize,
}

/// The kernel wraps each table into a struct of its own, whose name begins with this.
const WRAPPER: &str = "bpf_struct_ops_";

impl StructOps {
    /// Finds the kernel's types for a map, and moves the initial value over member by member.
    pub(crate) fn resolve(
        btf: &Btf,
        map: &MapDef,
        initial: &[u8],
        kernel: &KernelBtf,
    ) -> Result<Self, Error> {
        let resolver = Resolver { btf, map, initial };
        resolver.resolve(kernel)
    }
}

struct Resolver<'a> {
    btf: &'a Btf,
    map: &'a MapDef,
    initial: &'a [u8],
}

impl Resolver<'_> {
    fn subject(&self) -> Subject {
        Subject::Map(self.map.name.to_string())
    }

    fn invalid(&self, message: String) -> Error {
        Error::invalid(self.subject(), message)
    }

    fn btf_error(&self, error: bpfld_btf::Error) -> Error {
        Error::new(self.subject(), ErrorKind::Btf(error))
    }

    fn resolve(&self, kernel: &KernelBtf) -> Result<StructOps, Error> {
        let local = self
            .map
            .value_type
            .ok_or_else(|| self.invalid("it has no type".into()))?;
        let local = self.btf.resolve(local).map_err(|error| self.btf_error(error))?;
        let name = local.name().map_err(|error| self.btf_error(error))?;
        let name = String::from_utf8_lossy(essential_name(name.as_bytes())).into_owned();

        let wrapper = format!("{WRAPPER}{name}");
        let Some(value_type) = kernel.find(&wrapper, Kind::STRUCT)? else {
            return Err(
                Error::unsupported(self.subject(), format!("struct_ops of type {name}"), None, None)
                    .with_hint(format!(
                        "struct {wrapper} is neither in the kernel nor in a module that is loaded"
                    )),
            );
        };
        let target = value_type.btf(kernel);
        let missing = || self.invalid(format!("struct {wrapper} of the kernel holds no struct {name}"));
        let table = target.find(&name, Kind::STRUCT).ok_or_else(missing)?;
        let wrapper_type = target.ty(value_type.id).map_err(|error| self.btf_error(error))?;
        let data = wrapper_type
            .members()
            .find(|member| member.type_id == table)
            .ok_or_else(missing)?;
        let data_offset = (data.bit_offset / 8) as usize;
        let size = wrapper_type.size_bytes().unwrap_or_default() as usize;

        let table_type = target.ty(table).map_err(|error| self.btf_error(error))?;
        let mut value = vec![0; size];
        let mut programs = Vec::new();
        self.move_members(local, table_type, data_offset, &mut value, &mut programs)?;
        Ok(StructOps {
            value_type: value_type.clone(),
            table,
            value,
            programs,
        })
    }

    fn move_members(
        &self,
        local: Type<'_>,
        table: Type<'_>,
        data_offset: usize,
        value: &mut [u8],
        programs: &mut Vec<StructOpsProgram>,
    ) -> Result<(), Error> {
        let target = table.btf();
        for (index, member) in local.members().enumerate() {
            let name = member.name().map_err(|error| self.btf_error(error))?;
            let size = self
                .btf
                .resolve_size(member.type_id)
                .map_err(|error| self.btf_error(error))? as usize;
            let from = (member.bit_offset / 8) as usize;
            let bytes = self.initial.get(from..).and_then(|rest| rest.get(..size));
            let bytes =
                bytes.ok_or_else(|| self.invalid(format!("member {name} lies beyond its initial value")))?;
            let program = self
                .map
                .members
                .iter()
                .find(|entry| entry.member as usize == index);

            let found = table
                .members()
                .enumerate()
                .find(|(_, kernel)| kernel.name().is_ok_and(|n| n == name));
            let Some((kernel_index, kernel_member)) = found else {
                // What the kernel does not have can be left out as long as nothing is said in it.
                if program.is_none() && bytes.iter().all(|&byte| byte == 0) {
                    continue;
                }
                let feature = format!("member {name} of this struct_ops type");
                return Err(Error::unsupported(self.subject(), feature, None, None));
            };
            if member.bitfield_size != 0 || kernel_member.bitfield_size != 0 {
                return Err(self.invalid(format!("member {name} is a bit field, which nobody can set here")));
            }
            let local_type = self
                .btf
                .resolve(member.type_id)
                .map_err(|error| self.btf_error(error))?;
            let kernel_type = target
                .resolve(kernel_member.type_id)
                .map_err(|error| self.btf_error(error))?;
            if local_type.kind() != kernel_type.kind() {
                let (ours, theirs) = (local_type.kind(), kernel_type.kind());
                return Err(self.invalid(format!("member {name} is a {ours}, but a {theirs} in the kernel")));
            }
            let to = data_offset + (kernel_member.bit_offset / 8) as usize;
            if local_type.kind() == Kind::PTR {
                let Some(program) = program else { continue };
                let pointee = kernel_type.target().unwrap_or(TypeId::VOID);
                let function = target.resolve(pointee).map_err(|error| self.btf_error(error))?;
                if function.kind() != Kind::FUNC_PROTO {
                    return Err(self.invalid(format!("member {name} is no function in the kernel")));
                }
                let program = program.program;
                programs.push(StructOpsProgram {
                    program,
                    member: kernel_index as u32,
                    offset: to,
                });
                continue;
            }
            let kernel_size = target
                .resolve_size(kernel_member.type_id)
                .map_err(|error| self.btf_error(error))? as usize;
            let place = value.get_mut(to..).and_then(|rest| rest.get_mut(..size));
            match place {
                Some(place) if kernel_size == size => place.copy_from_slice(bytes),
                _ => {
                    let message = format!("member {name} has {size} bytes, but {kernel_size} in the kernel");
                    return Err(self.invalid(message));
                }
            }
        }
        Ok(())
    }
}

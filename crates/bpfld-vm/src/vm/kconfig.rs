//! Values of the kernel's configuration, given by the host.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use bpfld_object::{ExternKind, Object};

use super::{Builder, Error};

/// A value of the kernel's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Setting {
    /// `y`
    Yes,
    /// `m`
    Module,
    /// `n`
    No,
    /// A number.
    Number(u64),
    /// A string.
    Text(String),
}

impl From<bool> for Setting {
    fn from(value: bool) -> Self {
        if value { Self::Yes } else { Self::No }
    }
}

impl From<u64> for Setting {
    fn from(value: u64) -> Self {
        Self::Number(value)
    }
}

impl From<i32> for Setting {
    fn from(value: i32) -> Self {
        Self::Number(i64::from(value) as u64)
    }
}

impl From<&str> for Setting {
    fn from(value: &str) -> Self {
        Self::Text(value.into())
    }
}

/// The release that programs are told, unless the host says otherwise: 6.18.
const RELEASE: u64 = 6 << 16 | 18 << 8;

/// What the map of configuration values begins with.
pub(super) fn values(builder: &Builder, object: &Object, size: usize) -> Result<Vec<u8>, Error> {
    let mut out = vec![0; size];
    for item in object.externs() {
        let ExternKind::Kconfig {
            value: shape,
            offset,
            size,
            ..
        } = item.kind
        else {
            continue;
        };
        let problem = |message: Cow<'static, str>| Error::new("configuration value", &*item.name, message);
        let place = out
            .get_mut(offset as usize..)
            .and_then(|rest| rest.get_mut(..size as usize));
        let place = place.ok_or_else(|| problem("lies outside of its map".into()))?;
        let endian = object.endian();
        let result = match builder.kconfig.get(&*item.name) {
            Some(Setting::Yes) => shape.write_letter(b'y', place, endian),
            Some(Setting::Module) => shape.write_letter(b'm', place, endian),
            Some(Setting::No) => shape.write_letter(b'n', place, endian),
            Some(Setting::Number(number)) => shape.write_number(*number, place, endian),
            Some(Setting::Text(text)) => shape.write_text(text, place),
            None => match &*item.name {
                "LINUX_KERNEL_VERSION" => shape.write_number(RELEASE, place, endian),
                "LINUX_HAS_BPF_COOKIE" | "LINUX_HAS_SYSCALL_WRAPPER" => shape.write_number(1, place, endian),
                _ if item.weak => Ok(()),
                _ => Err("it is not given; give it to the builder, or declare it weak".into()),
            },
        };
        result.map_err(problem)?;
    }
    Ok(out)
}

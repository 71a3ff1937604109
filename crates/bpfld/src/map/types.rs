//! What keys and values of a map are, as its BTF says.

use std::sync::Arc;

use bpfld_btf::{Btf, InputError, RenderError, Style, TypeId};

use super::Map;
use crate::{KernelBtf, Result};

/// The types of a map's keys and values. Made by [`Map::types`].
#[derive(Clone, Debug)]
pub struct MapTypes {
    btf: Arc<Btf>,
    key: Option<TypeId>,
    value: Option<TypeId>,
}

impl Map {
    /// The types of keys and values, if the map was made with them (4.18): for tools that know neither map nor program.
    ///
    /// ```no_run
    /// use bpfld::{ElemFlags, Map, btf::Style};
    ///
    /// # fn example(map: &Map) -> Result<(), Box<dyn std::error::Error>> {
    /// if let Some(types) = map.types()? {
    ///     let key = types.encode_key("{address: 0x7f000001, port: 53}")?;
    ///     if let Some(value) = map.lookup(&key)? {
    ///         println!("{}", types.render_value(&value, &Style::text())?);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When the kernel does not tell: opening its type information needs CAP_SYS_ADMIN.
    pub fn types(&self) -> Result<Option<MapTypes>> {
        let info = self.info()?;
        let raw = info.raw();
        let some = |id: u32| (id != 0).then_some(TypeId(id));
        // Values that the kernel itself describes: those of struct_ops.
        if let Some(value) = some(raw.btf_vmlinux_value_type_id) {
            return Ok(Some(MapTypes {
                btf: Arc::clone(KernelBtf::shared()?.vmlinux()),
                key: None,
                value: Some(value),
            }));
        }
        let Some(id) = info.btf_id() else { return Ok(None) };
        Ok(Some(MapTypes {
            btf: KernelBtf::by_id(id)?,
            key: some(raw.btf_key_type_id),
            value: some(raw.btf_value_type_id),
        }))
    }
}

impl MapTypes {
    /// The type information that the ids are of.
    #[must_use]
    pub fn btf(&self) -> &Btf {
        &self.btf
    }

    /// The type of keys, if they have one.
    #[must_use]
    pub fn key(&self) -> Option<TypeId> {
        self.key
    }

    /// The type of values, if they have one; of a per-CPU map, of one CPU's.
    #[must_use]
    pub fn value(&self) -> Option<TypeId> {
        self.value
    }

    /// A key as text or JSON.
    ///
    /// # Errors
    ///
    /// When keys have no type, or the bytes are too few.
    pub fn render_key(&self, bytes: &[u8], style: &Style) -> Result<String, RenderError> {
        self.render(self.key, bytes, style)
    }

    /// A value as text or JSON; of a per-CPU map, one CPU's.
    ///
    /// # Errors
    ///
    /// When values have no type, or the bytes are too few.
    pub fn render_value(&self, bytes: &[u8], style: &Style) -> Result<String, RenderError> {
        self.render(self.value, bytes, style)
    }

    /// A key from text, as [`Btf::encode`] reads it.
    ///
    /// # Errors
    ///
    /// When the text is no key.
    pub fn encode_key(&self, text: &str) -> Result<Vec<u8>, InputError> {
        self.btf.encode(self.key.unwrap_or(TypeId::VOID), text, None)
    }

    /// A value from text, as [`Btf::encode`] reads it; of a per-CPU map, one CPU's.
    ///
    /// # Errors
    ///
    /// When the text is no value.
    pub fn encode_value(&self, text: &str) -> Result<Vec<u8>, InputError> {
        self.btf.encode(self.value.unwrap_or(TypeId::VOID), text, None)
    }

    /// The types of keys and values as C spells them: `struct key to u64`.
    #[must_use]
    pub fn declaration(&self) -> String {
        let spell = |ty: Option<TypeId>| ty.map_or_else(|| "bytes".to_owned(), |ty| self.btf.type_name(ty));
        format!("{} to {}", spell(self.key), spell(self.value))
    }

    fn render(&self, ty: Option<TypeId>, bytes: &[u8], style: &Style) -> Result<String, RenderError> {
        let mut text = String::new();
        self.btf
            .render(ty.unwrap_or(TypeId::VOID), bytes, style, &mut text)?;
        Ok(text)
    }
}

//! Rewriting BTF for kernels that lack something: one step per missing feature, each by itself.

use alloc::vec::Vec;

use super::{BtfFeature, BtfFeatures, Draft};
use crate::{
    Btf, Error, ErrorKind, IntEncoding, Kind, TypeId,
    record::{MAX_VLEN, info},
};

/// The BTF of an object, rewritten for a kernel that has `features`, in the byte order of this machine.
///
/// # Errors
///
/// When the BTF is split or has kinds that this build does not know and so cannot rewrite.
pub fn sanitize(btf: &Btf, features: BtfFeatures) -> Result<Vec<u8>, Error> {
    let mut draft = Draft::new(btf)?;
    draft.downgrade(features)?;
    Ok(draft.to_bytes())
}

impl Draft {
    /// Rewrites whatever a kernel with only these features would refuse: each missing one by its
    /// [remedy](BtfFeature::remedy). Returns the features on whose account something was changed.
    ///
    /// # Errors
    ///
    /// When the format has no room for what must be added.
    pub fn downgrade(&mut self, features: BtfFeatures) -> Result<Vec<BtfFeature>, Error> {
        let mut applied = Vec::new();
        for feature in BtfFeature::ALL
            .into_iter()
            .filter(|feature| !features.contains(*feature))
        {
            if self.remedy(feature)? {
                applied.push(feature);
            }
        }
        Ok(applied)
    }

    /// Does without one feature. Returns whether anything had to be changed.
    fn remedy(&mut self, feature: BtfFeature) -> Result<bool, Error> {
        if feature == BtfFeature::Layout {
            return Ok(core::mem::take(&mut self.has_layout));
        }
        let mut placeholder = None;
        let mut has_changed = false;
        for id in self.ids() {
            let Some(kind) = self.kind(id) else { continue };
            has_changed |= match (feature, kind) {
                (BtfFeature::Func, Kind::FUNC_PROTO) => self.prototype_to_enum(id),
                (BtfFeature::Func, Kind::FUNC) => self.set_info(id, |_| info(Kind::TYPEDEF, 0, false)),
                (BtfFeature::Datasec, Kind::VAR) | (BtfFeature::DeclTag, Kind::DECL_TAG) => {
                    self.make_byte(id)
                }
                (BtfFeature::Datasec, Kind::DATASEC) => self.section_to_struct(id)?,
                (BtfFeature::GlobalFunc, Kind::FUNC) => self.set_info(id, |_| info(Kind::FUNC, 0, false)),
                (BtfFeature::Float, Kind::FLOAT) => {
                    self.forget_name(id) | self.set_info(id, |_| info(Kind::STRUCT, 0, false))
                }
                (BtfFeature::TypeTag, Kind::TYPE_TAG) => {
                    self.forget_name(id) | self.set_info(id, |_| info(Kind::CONST, 0, false))
                }
                (BtfFeature::Enum64, Kind::ENUM) => {
                    self.set_info(id, |old| info(Kind::ENUM, old & MAX_VLEN, false))
                }
                (BtfFeature::Enum64, Kind::ENUM64) => {
                    let member = match placeholder {
                        Some(member) => member,
                        None => self.builder.int("enum64_placeholder", 1, IntEncoding::UNSIGNED)?,
                    };
                    placeholder = Some(member);
                    self.enum_to_union(id, member)
                }
                (BtfFeature::QuestionMark, Kind::DATASEC) => self.replace_question_mark(id)?,
                _ => false,
            };
        }
        Ok(has_changed)
    }

    fn set_info(&mut self, id: TypeId, change: impl FnOnce(u32) -> u32) -> bool {
        let Some(([_, info, _], _)) = self.record_mut(id) else {
            return false;
        };
        let old = *info;
        *info = change(old);
        *info != old
    }

    fn forget_name(&mut self, id: TypeId) -> bool {
        let Some(([name, ..], _)) = self.record_mut(id) else {
            return false;
        };
        core::mem::take(name) != 0
    }

    fn set_name(&mut self, id: TypeId, name: &str) -> Result<(), Error> {
        let offset = self.builder.string(name)?;
        if let Some(([name, ..], _)) = self.record_mut(id) {
            *name = offset;
        }
        Ok(())
    }

    /// An integer of one byte: larger than no variable, so that a struct made of a section stays valid.
    fn make_byte(&mut self, id: TypeId) -> bool {
        let Some(([_, head, size], body)) = self.record_mut(id) else {
            return false;
        };
        *head = info(Kind::INT, 0, false);
        *size = 1;
        body.fill(8);
        true
    }

    /// Parameters turn into values: name stays name, type becomes number.
    fn prototype_to_enum(&mut self, id: TypeId) -> bool {
        let Some(([_, head, size], _)) = self.record_mut(id) else {
            return false;
        };
        *head = info(Kind::ENUM, *head & MAX_VLEN, false);
        *size = 4;
        true
    }

    /// Variables turn into members of the same name.
    fn section_to_struct(&mut self, id: TypeId) -> Result<bool, Error> {
        let name = self.name(id).unwrap_or_default();
        if name.contains(['.', '?']) {
            let name = name.replace(['.', '?'], "_");
            self.set_name(id, &name)?;
        }
        let entries = self
            .builder
            .record(id)
            .map(|words| words.to_vec())
            .unwrap_or_default();
        let mut members = Vec::with_capacity(entries.len());
        for [variable, offset, _] in entries.get(3..).unwrap_or_default().as_chunks().0 {
            let [name, ..] = self.head(TypeId(*variable)).unwrap_or_default();
            let bits = offset
                .checked_mul(8)
                .ok_or_else(|| Error::new(ErrorKind::Overflow(id), 0))?;
            members.extend([name, *variable, bits]);
        }
        let Some(([_, head, _], body)) = self.record_mut(id) else {
            return Ok(false);
        };
        *head = info(Kind::STRUCT, *head & MAX_VLEN, false);
        for (word, member) in body.iter_mut().zip(members) {
            *word = member;
        }
        Ok(true)
    }

    /// Values turn into members of one byte: name stays name.
    fn enum_to_union(&mut self, id: TypeId, member: TypeId) -> bool {
        let Some(([_, head, _], body)) = self.record_mut(id) else {
            return false;
        };
        *head = info(Kind::UNION, *head & MAX_VLEN, false);
        for [_, ty, offset] in body.as_chunks_mut().0 {
            (*ty, *offset) = (member.0, 0);
        }
        true
    }

    fn replace_question_mark(&mut self, id: TypeId) -> Result<bool, Error> {
        let Some(rest) = self.name(id).and_then(|name| name.strip_prefix('?')) else {
            return Ok(false);
        };
        let name = alloc::format!("_{rest}");
        self.set_name(id, &name)?;
        Ok(true)
    }
}

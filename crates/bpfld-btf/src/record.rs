//! A type record as 32-bit words in host order, and what in it refers to types and strings.

use alloc::vec::Vec;

use crate::{Error, ErrorKind, Kind, Type};

/// Words before the kind-specific part.
pub(crate) const HEAD_WORDS: usize = 3;
/// The largest number of members, values, parameters or variables.
pub(crate) const MAX_VLEN: u32 = 0x00ff_ffff;

/// The info word of a record.
pub(crate) fn info(kind: Kind, vlen: u32, kind_flag: bool) -> u32 {
    u32::from(kind_flag) << 31 | u32::from(kind.0 & Kind::MAX.0) << 24 | vlen & MAX_VLEN
}

pub(crate) fn kind_of(info: u32) -> Kind {
    Kind((info >> 24) as u8 & Kind::MAX.0)
}

/// What a word of a record refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    Type,
    String,
}

/// The words of a record, in host order.
///
/// # Errors
///
/// For kinds this build does not know: what their words mean, and whether they are words, is not known.
pub(crate) fn words(ty: &Type<'_>) -> Result<Vec<u32>, Error> {
    let mut words = Vec::new();
    extend_words(&mut words, ty)?;
    Ok(words)
}

/// Appends the words of a record, in host order; see [`words`].
pub(crate) fn extend_words(words: &mut Vec<u32>, ty: &Type<'_>) -> Result<(), Error> {
    if ty.kind().name().is_none() || ty.kind() == Kind::VOID {
        return Err(Error::new(ErrorKind::UnknownKind(ty.kind()), 0));
    }
    let (body, _) = ty.body().as_chunks::<4>();
    words.reserve(HEAD_WORDS + body.len());
    words.extend(ty.raw_head());
    let endian = ty.btf().endian();
    words.extend(body.iter().map(|word| endian.u32(*word)));
    Ok(())
}

/// Calls `visit` for each word of the record that is a type id or a string offset, in order.
pub(crate) fn visit<E>(
    words: &mut [u32],
    mut visit: impl FnMut(Reference, &mut u32) -> Result<(), E>,
) -> Result<(), E> {
    use Reference::{String, Type};
    let Some((head, body)) = words.split_first_chunk_mut::<HEAD_WORDS>() else {
        return Ok(());
    };
    let [name, info, target] = head;
    visit(String, name)?;
    let kind = kind_of(*info);
    if kind.has_target() {
        visit(Type, target)?;
    }
    match kind {
        Kind::ARRAY => {
            for word in body.iter_mut().take(2) {
                visit(Type, word)?;
            }
        }
        Kind::STRUCT | Kind::UNION => {
            for [name, ty, _] in body.as_chunks_mut().0 {
                visit(String, name)?;
                visit(Type, ty)?;
            }
        }
        Kind::ENUM => {
            for [name, _] in body.as_chunks_mut().0 {
                visit(String, name)?;
            }
        }
        Kind::ENUM64 => {
            for [name, _, _] in body.as_chunks_mut().0 {
                visit(String, name)?;
            }
        }
        Kind::FUNC_PROTO => {
            for [name, ty] in body.as_chunks_mut().0 {
                visit(String, name)?;
                visit(Type, ty)?;
            }
        }
        Kind::DATASEC => {
            for [ty, _, _] in body.as_chunks_mut().0 {
                visit(Type, ty)?;
            }
        }
        _ => {}
    }
    Ok(())
}

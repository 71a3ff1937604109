//! Values of maps, as people and programs want to read them.

use std::borrow::Cow;

use bpfld_btf::{Btf, Style, TypeId};
use serde::Serialize;
use serde_json::Value;

use crate::bytes::hex;

/// Longer texts are cut for people.
const LONGEST: usize = 1000;

/// A value as text and as JSON.
#[derive(Serialize)]
#[serde(transparent)]
pub(crate) struct Shown {
    pub(crate) json: Value,
    #[serde(skip)]
    pub(crate) text: String,
}

/// The beginning of a text, and how much there is in all if that is not everything.
pub(crate) fn shorten(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!(
            "{}… ({} characters)",
            text.get(..end).unwrap_or(text),
            text.chars().count()
        )
        .into(),
        None => text.into(),
    }
}

/// A value by its type; without one, or if it does not fit, as hexadecimal digits.
pub(crate) fn show(btf: Option<&Btf>, ty: Option<TypeId>, bytes: &[u8]) -> Shown {
    typed(btf, ty, bytes).unwrap_or_else(|| {
        let text = hex(bytes);
        Shown {
            json: Value::from(&*text),
            text,
        }
    })
}

/// A value by its type, if it has one that fits.
pub(crate) fn typed(btf: Option<&Btf>, ty: Option<TypeId>, bytes: &[u8]) -> Option<Shown> {
    let render = |style: Style| {
        let mut text = String::new();
        btf?.render(ty?, bytes, &style, &mut text).ok()?;
        Some(text)
    };
    let json = render(Style::json()).and_then(|json| serde_json::from_str(&json).ok());
    render(Style::text())
        .zip(json)
        .map(|(text, json)| Shown { json, text })
}

//! From text to an array, or to errors.

use bpfld_insn::asm::Diagnostic;
use bpfld_insn::{Assembler, Assembly, Slot};
use proc_macro::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};

use crate::text::{HOLE, Text};

pub(crate) fn expand(path: TokenStream, input: TokenStream) -> TokenStream {
    let text = Text::of(input);
    match array(&path, &text) {
        Ok(array) => array,
        Err(errors) => errors,
    }
}

fn array(path: &TokenStream, text: &Text) -> Result<TokenStream, TokenStream> {
    let assembly = assemble(text, &text.text)?;
    let slots = assembly.slots();
    let mut expressions: Vec<Option<usize>> = vec![None; slots.len()];
    for (index, hole) in text.holes.iter().enumerate() {
        let at = find_hole(text, slots, hole.clone())?;
        if let Some(expression) = expressions.get_mut(at) {
            *expression = Some(index);
        }
    }
    let mut rows = TokenStream::new();
    let mut high = None;
    for (slot, expression) in slots.iter().zip(expressions) {
        let imm = match (
            expression.and_then(|index| text.expressions.get(index)),
            high.take(),
        ) {
            (Some(expression), _) if slot.is_ldimm64() => {
                high = Some(expression);
                half(expression, "as u32 as i32")
            }
            (Some(expression), _) => immediate(expression),
            (None, Some(expression)) => half(expression, ">> 32) as u32 as i32"),
            (None, None) => Literal::i32_suffixed(slot.imm).into_stream(),
        };
        rows.extend(row(path, *slot, imm));
    }
    let length = Literal::usize_suffixed(slots.len());
    // { const PROGRAM: [path::Slot; length] = [rows]; PROGRAM }
    let mut body = parse("const PROGRAM:");
    let mut element = path.clone();
    element.extend(parse("::Slot;"));
    element.extend([TokenTree::from(length)]);
    body.extend(group(Delimiter::Bracket, element));
    body.extend(parse("="));
    body.extend(group(Delimiter::Bracket, rows));
    body.extend(parse("; PROGRAM"));
    Ok(group(Delimiter::Brace, body))
}

/// Assembles, and makes errors of everything the result could not hold.
fn assemble(text: &Text, source: &str) -> Result<Assembly, TokenStream> {
    let assembly = match Assembler::new().assemble(source) {
        Ok(assembly) => assembly,
        Err(errors) => {
            return Err(errors
                .diagnostics()
                .iter()
                .map(|error| compile_error(text, error))
                .collect());
        }
    };
    let code = assembly.code();
    let relocation = code.and_then(|code| Some((code, code.relocations.first()?)));
    if let Some((code, relocation)) = relocation {
        let name = assembly
            .symbols
            .get(relocation.symbol)
            .map_or("?", |symbol| &symbol.name);
        let range = code.spans.get(relocation.at).map_or(0..0, |span| span.range());
        return Err(error_at(
            text,
            range,
            &format!("`{name}` is not in this program, and a constant has no loader to find it"),
        ));
    }
    let others = assembly
        .sections
        .iter()
        .filter(|section| !section.slots.is_empty() || !section.data.is_empty())
        .count();
    if others > 1 || !assembly.maps.is_empty() {
        return Err(error_at(
            text,
            0..text.text.len(),
            "a constant program has one section of code, no data and no maps",
        ));
    }
    Ok(assembly)
}

/// The slot whose immediate is the number in this hole: the one that changes when the number does.
fn find_hole(text: &Text, slots: &[Slot], hole: std::ops::Range<usize>) -> Result<usize, TokenStream> {
    const OTHER: &str = "2000";
    let mut changed = text.text.clone();
    changed.replace_range(hole.clone(), OTHER);
    let other = assemble(text, &changed)?;
    let mut different = slots
        .iter()
        .zip(other.slots())
        .enumerate()
        .filter(|(_, (before, after))| before != after);
    match (different.next(), different.next()) {
        (Some((at, (before, after))), None)
            if HOLE.parse() == Ok(before.imm)
                && OTHER.parse() == Ok(after.imm)
                && before.with_imm(0) == after.with_imm(0) =>
        {
            Ok(at)
        }
        _ => Err(error_at(
            text,
            hole,
            "an expression can only be a whole immediate, not an offset or a part of one",
        )),
    }
}

/// `path::Slot::new(opcode, dst, src, offset, imm),`
fn row(path: &TokenStream, slot: Slot, imm: TokenStream) -> TokenStream {
    let mut fields = TokenStream::new();
    for field in [
        Literal::u8_suffixed(slot.opcode),
        Literal::u8_suffixed(slot.dst()),
        Literal::u8_suffixed(slot.src()),
        Literal::i16_suffixed(slot.offset),
    ] {
        fields.extend(field.into_stream());
        fields.extend(parse(","));
    }
    fields.extend(imm);
    let mut row = path.clone();
    row.extend(parse("::Slot::new"));
    row.extend(group(Delimiter::Parenthesis, fields));
    row.extend(parse(","));
    row
}

/// `const { let value = (expression) as i128; assert!(…); value as i32 }`: fails to compile if the value does not fit.
fn immediate(expression: &Group) -> TokenStream {
    let mut body = parse("let value =");
    body.extend(group(Delimiter::Parenthesis, expression.stream()));
    body.extend(parse(
        "as i128; assert!(value >= -0x8000_0000 && value <= 0xffff_ffff, \"the value does not fit the 32 bits of an immediate\"); \
         value as u32 as i32",
    ));
    let mut block = parse("const");
    block.extend(group(Delimiter::Brace, body));
    block
}

/// One half of a 64-bit number.
fn half(expression: &Group, conversion: &str) -> TokenStream {
    let mut value = group(Delimiter::Parenthesis, expression.stream());
    value.extend(parse("as i128 as u64"));
    match conversion.strip_prefix(">> 32)") {
        // ((value) as u64 >> 32) as u32 as i32
        Some(rest) => {
            value.extend(parse(">> 32"));
            let mut shifted = group(Delimiter::Parenthesis, value);
            shifted.extend(parse(rest));
            shifted
        }
        None => {
            value.extend(parse(conversion));
            value
        }
    }
}

fn compile_error(text: &Text, error: &Diagnostic) -> TokenStream {
    let mut message = error.message.to_string();
    if let Some(help) = &error.help {
        message = format!("{message}\n  = help: {help}");
    }
    if text.is_coarse() {
        // no places inside of a literal: the message has to show it
        message = error.render(&text.text, "assembly").to_string();
        message = message.strip_prefix("error: ").unwrap_or(&message).to_owned();
    }
    error_at(text, error.span.range(), &message)
}

/// `::core::compile_error! { message }`, which the compiler shows at this range of the text.
fn error_at(text: &Text, range: std::ops::Range<usize>, message: &str) -> TokenStream {
    let (first, last) = text.spans(range);
    let spanned = |mut token: TokenTree| {
        token.set_span(first);
        token
    };
    let colons = || {
        let joint = TokenTree::from(Punct::new(':', Spacing::Joint));
        [
            spanned(joint),
            spanned(TokenTree::from(Punct::new(':', Spacing::Alone))),
        ]
    };
    let mut tokens = TokenStream::new();
    tokens.extend(colons());
    tokens.extend([TokenTree::from(Ident::new("core", first))]);
    tokens.extend(colons());
    tokens.extend([
        TokenTree::from(Ident::new("compile_error", first)),
        spanned(Punct::new('!', Spacing::Alone).into()),
    ]);
    let mut literal = Literal::string(message);
    literal.set_span(last);
    let mut message = Group::new(Delimiter::Brace, TokenTree::from(literal).into());
    message.set_span(last);
    tokens.extend([TokenTree::from(message)]);
    tokens
}

fn parse(source: &str) -> TokenStream {
    source.parse().unwrap_or_else(|_| TokenStream::new())
}

fn group(delimiter: Delimiter, stream: TokenStream) -> TokenStream {
    let mut group = Group::new(delimiter, stream);
    group.set_span(Span::mixed_site());
    TokenTree::from(group).into()
}

trait IntoStream {
    fn into_stream(self) -> TokenStream;
}

impl IntoStream for Literal {
    fn into_stream(self) -> TokenStream {
        TokenTree::from(self).into()
    }
}

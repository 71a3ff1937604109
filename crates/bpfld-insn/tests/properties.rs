//! Properties: what holds for all programs and all texts, tried on random ones.

use bpfld_insn::op::{Field, Pattern};
use bpfld_insn::{
    Assembler, Dialect, Endian, Insn, Op, Slot, Support, decode, encode, print, slots_from_bytes,
};
use proptest::prelude::*;

/// An operation that programs may contain, with any operands: one or two slots.
fn instruction() -> impl Strategy<Value = Vec<Slot>> {
    let ops: Vec<Op> = Op::ALL
        .iter()
        .copied()
        .filter(|op| op.pattern().support != Support::Internal)
        .collect();
    let number = prop_oneof![
        Just(0),
        Just(-1),
        Just(i32::MIN),
        Just(i32::MAX),
        -40..40,
        any::<i32>()
    ];
    (
        prop::sample::select(ops),
        [0..=10_i32, 0..=10],
        [number.clone(), number.clone(), number],
    )
        .prop_map(|(op, [dst, src], [offset, imm, high])| slots_of(op, dst, src, [offset, imm, high]))
}

fn slots_of(op: Op, dst: i32, src: i32, [offset, imm, high]: [i32; 3]) -> Vec<Slot> {
    let row: Pattern = op.pattern();
    let pick = |field, value| match field {
        Field::Exactly(only) => only,
        Field::Register | Field::Any => value,
    };
    let first = Slot::new(
        row.opcode,
        pick(row.dst, dst) as u8,
        pick(row.src, src) as u8,
        pick(row.offset, offset) as i16,
        pick(row.imm, imm),
    );
    let second = row.high.map(|field| Slot::new(0, 0, 0, 0, pick(field, high)));
    [first].into_iter().chain(second).collect()
}

fn program() -> impl Strategy<Value = Vec<Slot>> {
    prop::collection::vec(instruction(), 1..30).prop_map(|insns| insns.concat())
}

/// Words and marks of the language, in any order.
fn soup() -> impl Strategy<Value = String> {
    let words: Vec<&str> = "r0 r1 w2 r10 r11 fp %r3 = += s>>= < s< == -1 0x7f 08 99999999999999999999 1f 1b 1: a: a \"b c\" \
        ( ) [ ] { } , : ; @ # // /* */ * & + - ~ ! ' \" u8 u32 s16 ll if goto gotol may_goto call exit lock skb le16 \
        bswap64 atomic_fetch_add cmpxchg_64 load_acquire store_release addr_space_cast mov ldxw stxdw lddw jeq endle \
        bpf_ktime_get_ns map fd idx value subprog var id kfunc pc ld_pseudo .set .map .section .globl .type .size .byte \
        .quad .asciz .zero .insn .extern .license .comm .text .nothing \n \n \n \t é \u{0} \u{7f}"
        .split(' ')
        .collect();
    let word = prop_oneof![
        9 => prop::sample::select(words).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec((word, prop_oneof![Just(" "), Just("")]), 0..60).prop_map(|words| {
        words
            .into_iter()
            .flat_map(|(word, blank)| [word, blank.to_owned()])
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_printed_assembles_to_the_same(
        program in program(),
        labels: bool, hex: bool, names: bool, indices: bool, raw: bool,
    ) {
        for dialect in Dialect::ALL {
            let printer = print(&program).dialect(dialect).labels(labels).hex(hex).helper_names(names).indices(indices);
            let text = if raw { printer.raw(Endian::Big) } else { printer }.to_string();
            match Assembler::new().assemble(&text) {
                Ok(assembly) => prop_assert_eq!(assembly.slots(), &*program, "{:?}\n{}", dialect, text),
                Err(errors) => prop_assert!(false, "{:?}\n{}", dialect, errors.render(&text, "printed")),
            }
        }
    }

    #[test]
    fn programs_encode_to_what_they_were_decoded_from(program in program()) {
        let insns: Result<Vec<Insn>, _> = decode(&program).map(|(_, insn)| insn).collect();
        prop_assert_eq!(encode(insns.expect("all valid")), program);
    }

    /// Any slots, near instructions and far from them: what decodes is the same again, what does not says why.
    #[test]
    fn any_slots_decode_or_say_why(
        near in instruction(), field in 0..4_u8, value: i32, far: [u64; 2],
    ) {
        let mut spoiled = near;
        if let Some(slot) = spoiled.first_mut() {
            *slot = match field {
                0 => slot.with_dst(value as u8),
                1 => slot.with_src(value as u8),
                2 => slot.with_offset(value as i16),
                _ => slot.with_imm(value),
            };
        }
        let bytes: Vec<u8> = far.iter().flat_map(|word| word.to_be_bytes()).collect();
        let far = [Endian::Little, Endian::Big].map(|endian| slots_from_bytes(&bytes, endian).0.collect());
        for slots in far.into_iter().chain([spoiled]) {
            for (at, insn) in decode(&slots) {
                match insn {
                    Ok(insn) => prop_assert_eq!(&*insn.encode(), &slots[at..at + insn.width()]),
                    Err(error) => {
                        prop_assert_eq!(error.slot, slots[at]);
                        prop_assert!(!error.to_string().is_empty());
                    }
                }
            }
        }
    }

    #[test]
    fn no_text_troubles_the_assembler(text in soup()) {
        if let Err(errors) = Assembler::new().assemble(&text) {
            for diagnostic in errors.diagnostics() {
                prop_assert!(text.get(diagnostic.span.range()).is_some(), "{:?}", diagnostic);
            }
            prop_assert!(!errors.render(&text, "soup").to_string().is_empty());
        }
    }
}

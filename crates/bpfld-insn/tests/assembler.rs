//! What the assembler accepts, and what it says of what it does not.

use bpfld_insn::asm::{AttributeValue, Binding, RelocationKind, SymbolKind};
use bpfld_insn::{Address, Assembler, Assembly, Dialect, Endian, Insn, Slot, assemble, print};

#[track_caller]
fn assembled(text: &str) -> Assembly {
    assemble(text).unwrap_or_else(|errors| panic!("{}", errors.render(text, "text")))
}

/// The text as LLVM's dialect without labels, one instruction a line.
#[track_caller]
fn check(text: &str, expected: &str) {
    let assembly = assembled(text);
    assert_eq!(
        print(assembly.slots()).labels(false).to_string(),
        expected,
        "{text}"
    );
}

/// The bytes of the instruction, little-endian.
#[track_caller]
fn bytes(text: &str, expected: &str) {
    let slots = assembled(text).slots().to_vec();
    let hex: String = slots
        .iter()
        .flat_map(|slot| slot.to_bytes(Endian::Little))
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(hex, expected.replace(' ', ""), "{text}");
}

/// What the errors say, as they are shown.
#[track_caller]
fn errors(text: &str, expected: &str) {
    let errors = assemble(text).expect_err("an error");
    assert_eq!(
        errors.render(text, "t").to_string().trim_end(),
        expected.trim(),
        "{text}"
    );
}

/// The first error in one line.
#[track_caller]
fn error(text: &str, expected: &str) {
    let errors = assemble(text).expect_err("an error");
    let first = &errors.diagnostics()[0];
    let marked = &text[first.span.range()];
    let help = first
        .help
        .as_ref()
        .map(|help| format!(" ({help})"))
        .unwrap_or_default();
    assert_eq!(format!("{marked}: {}{help}", first.message), expected, "{text}");
}

/// Every row of section 2.5 of the inventory of gobpfld: bytes and text, but for what no kernel takes.
const GOBPFLD: &str = include_str!("data/gobpfld.tsv");

#[test]
fn gobpfld_assembles_to_the_same_bytes() {
    let mut count = 0;
    for line in GOBPFLD.lines().filter(|line| !line.starts_with('#')) {
        let (hex, text) = line.split_once('\t').expect("two columns");
        bytes(text, hex);
        count += 1;
    }
    assert!(count > 120, "{count}");
}

/// PRG-14.
#[test]
fn gobpfld_listing_with_labels_and_nops() {
    check(
        "LBB0_1:\n  r1 = 5 ll\n  nop\n  goto LBB0_1\n  .type my_map,@object\n  r1 = my_map ll\n  call 6#bpf_trace_printk\n  call 999#\n exit",
        "r1 = 5 ll\ngoto -3\nr1 = 0 ll\ncall bpf_trace_printk\ncall 999\nexit\n",
    );
}

#[test]
fn dialects_can_be_mixed() {
    check(
        "r2 = r10; add %r2, -8\n(bf) r3 = r2\nldxdw r4, [r2+8]\nlddw %r1, 0x1_0000_0000\nif r1 s> 5 goto pc+1\njsgt %r1,5,+0\nexit",
        "r2 = r10\nr2 += -8\nr3 = r2\nr4 = *(u64 *)(r2 + 8)\nr1 = 4294967296 ll\nif r1 s> 5 goto +1\nif r1 s> 5 goto +0\nexit\n",
    );
}

#[test]
fn kernel_listings() {
    check(
        "int main(struct xdp_md * ctx):\n; return x;\n   0: (b7) r0 = 0                       ; R0_w=0\n   1: (18) r1 = 0x5\n   \
         3: (18) r2 = map[id:7][0]+4\n   5: (85) call bpf_map_lookup_elem#1\n6: (85) call unknown#777\n7: (85) call \
         bpf_rcu_read_lock#4711@2\n8: (85) call pc+1#bpf_prog_00\n   9: (05) goto pc-1\n  10: (95) exit\n",
        "r0 = 0\nr1 = 5 ll\nr2 = map[fd:7][0]+4 ll\ncall bpf_map_lookup_elem\ncall 777\ncall kfunc 4711, 2\ncall +1\ngoto -1\nexit\n",
    );
    let assembly = assembled("int main(struct xdp_md * ctx):\n0: (95) exit");
    assert_eq!(assembly.symbols[0].name, "main");
}

#[test]
fn object_dumps() {
    check(
        "\n0000000000000000 <main>:\n       0:\t79 12 10 00 00 00 00 00\tr2 = *(u64 *)(r1 + 0x10)\n       1:\t15 02 03 00 00 00 00 \
         00\tif r2 == 0x0 goto +0x3 <main+0x28>\n       2:\t18 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00\tr1 = 0x0 ll\n<L0>:\n     6f8:\t00 \
         00 00 00 ff ff ff ff \n       5:\t95 00 00 00 00 00 00 00 \texit\n",
        "r2 = *(u64 *)(r1 + 16)\nif r2 == 0 goto +3\nr1 = 0 ll\nexit\n",
    );
}

#[test]
fn labels() {
    check(
        "a: b: goto a\n1: goto 1b\ngoto 1f\n1: goto b\n\"odd name\": goto \"odd name\"",
        "goto -1\ngoto -1\ngoto +0\ngoto -4\ngoto -1\n",
    );
    check("goto end\nr1 = 1 ll\nend:", "goto +2\nr1 = 1 ll\n");
    check(
        "r2loop: goto r2loop\nnop_x: gotol nop_x\nw8_x: may_goto w8_x",
        "goto -1\ngotol -1\nmay_goto -1\n",
    );
}

#[test]
fn numbers_and_constants() {
    check(
        ".set A, 1 << 4 | 2\nr1 = A * 2 - (3 + 'a')\nr1 = ~0\nr2 = 0b101 + 0o17 + 017",
        "r1 = -64\nr1 = -1\nr2 = 35\n",
    );
    check(
        "r0 = XDP_TX\nw0 = 0xffffffff\nr1 = 18446744073709551615 ll\nr1 = -9223372036854775808 ll",
        "r0 = 3\nw0 = -1\nr1 = -1 ll\nr1 = -9223372036854775808 ll\n",
    );
    let assembly = Assembler::new()
        .define("N", 7)
        .assemble("r1 = N")
        .expect("assembles");
    assert_eq!(assembly.slots()[0].imm, 7);
    let assembly = assembled("r1 = 0xfffffffe\nif r1 == 0xffffffff goto +0");
    assert_eq!(assembly.warnings.len(), 1);
    assert_eq!(
        assembly.warnings[0].message,
        "this becomes 0xfffffffffffffffe: immediates are sign-extended"
    );
}

#[test]
fn several_functions_maps_and_sections() {
    let text = "
        .license \"GPL\"
        .map counts, type=hash, key_size=4, value_size=8, max_entries=1 << 10
        .extern bpf_kfunc
        .section xdp,\"ax\",@progbits
        .globl main
        .type main,@function
        main:
            r1 = counts ll
            call helper
            call outside
            call bpf_kfunc
            call bpf_map_lookup_elem
            r1 = helper ll
            r1 = limit+4 ll
            exit
        helper:
            r0 = 0
            exit
        .text
        outside:
            exit
        .data
        limit: .long 5, -1
               .quad counts, 0x1122334455667788
               .asciz \"a\\n\\101\"
    ";
    let assembly = Assembler::new()
        .endian(Endian::Big)
        .assemble(text)
        .unwrap_or_else(|errors| panic!("{}", errors.render(text, "t")));
    let xdp = assembly.section("xdp").expect("a section");
    assert_eq!(Insn::decode(&xdp.slots[2..]), Ok(Insn::CallSubprog { offset: 8 }));
    assert_eq!(
        Insn::decode(&xdp.slots[5..]).map(|insn| insn.to_string()),
        Ok("call bpf_map_lookup_elem".into())
    );
    assert_eq!(
        Insn::decode(&xdp.slots[6..]),
        Ok(Insn::LoadAddr {
            dst: bpfld_insn::Reg::R1,
            address: Address::Func { offset: 4 }
        })
    );
    let relocations: Vec<_> = xdp
        .relocations
        .iter()
        .map(|relocation| {
            (
                relocation.at,
                &*assembly.symbols[relocation.symbol].name,
                relocation.addend,
                relocation.kind,
            )
        })
        .collect();
    let call = RelocationKind::Call;
    let load = RelocationKind::Load;
    assert_eq!(
        relocations,
        [
            (0, "counts", 0, load),
            (3, "outside", 0, call),
            (4, "bpf_kfunc", 0, call),
            (8, "limit", 4, load)
        ]
    );
    let functions: Vec<_> = assembly
        .functions()
        .into_iter()
        .map(|function| (function.symbol.name.clone(), function.section, function.slots))
        .collect();
    let index = |name: &str| {
        assembly
            .sections
            .iter()
            .position(|section| section.name == name)
            .expect("a section")
    };
    assert_eq!(
        functions,
        [
            ("outside".into(), index(".text"), 0..1),
            ("main".into(), index("xdp"), 0..11),
            ("helper".into(), index("xdp"), 11..13)
        ]
    );
    let main = assembly.symbol("main").expect("a symbol");
    assert_eq!((main.kind, main.binding), (SymbolKind::Function, Binding::Global));
    assert_eq!(assembly.maps[0].attributes.len(), 4);
    assert_eq!(
        assembly.maps[0].attributes[0].value,
        AttributeValue::Word("hash".into())
    );
    assert_eq!(assembly.maps[0].attributes[3].value, AttributeValue::Number(1024));
    assert_eq!(assembly.section("license").expect("a section").data, b"GPL\0");
    let data = assembly.section(".data").expect("a section");
    assert_eq!(
        data.data,
        [
            &[0, 0, 0, 5, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0][..],
            &[0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88],
            b"a\nA\0"
        ]
        .concat()
    );
    assert_eq!(
        (data.relocations[0].at, data.relocations[0].kind),
        (8, RelocationKind::Data64)
    );
    assert_eq!(xdp.spans.len(), xdp.slots.len());
    assert_eq!(&text[xdp.spans[2].range()], "call helper");
}

#[test]
fn errors_are_all_shown_with_suggestions() {
    errors(
        "    mvo r0, 1\n    goto ot\nout:\n    r0 = *(u32 *)(r11 + 4)\nout:\n    call bpf_map_lokup_elem\n",
        "
error: unknown instruction `mvo`
 --> t:1:5
  |
1 |     mvo r0, 1
  |     ^^^
  = help: did you mean `mov`?

error: there is no label `ot`
 --> t:2:10
  |
2 |     goto ot
  |          ^^
  = help: did you mean `out`?

error: there is no register 11
 --> t:4:19
  |
4 |     r0 = *(u32 *)(r11 + 4)
  |                   ^^^
  = help: r11 is the kernel's own; programs have r0 to r10

error: label `out` is defined twice
 --> t:5:1
  |
3 | out:
  | --- first here
5 | out:
  | ^^^

error: there is no function or helper `bpf_map_lokup_elem`
 --> t:6:10
  |
6 |     call bpf_map_lokup_elem
  |          ^^^^^^^^^^^^^^^^^^
  = help: did you mean `bpf_map_lookup_elem`?
",
    );
}

#[test]
fn single_errors() {
    error(
        "r99 = 5",
        "r99: there is no register 99 (registers are r0 to r10, or w0 to w10 for their lower halves)",
    );
    error(
        "w3 += r4",
        "r4: r4 is a whole register, a half one is needed here (write w4, or use r registers throughout)",
    );
    error(
        "r1 = w2",
        "w2: the two registers have different widths (`w1 = w2` clears the upper half; `r1 = (s32)r2` extends the sign)",
    );
    error(
        "w1 = *(u64 *)(r2 + 0)",
        "w1: w1 is a half register, a whole one is needed here (write r1)",
    );
    error(
        "r1 = -r2",
        "r2: this must be r1 again (the instruction has only one register; move the value first)",
    );
    error(
        "r1 = be16 r2",
        "r2: this must be r1 again (the instruction has only one register; move the value first)",
    );
    error(
        "r1 = xchg_64(r2 + 0, r3)",
        "r3: this must be r1 again (the old value replaces the operand)",
    );
    error(
        "r2 = cmpxchg_64(r2 + 0, r0, r3)",
        "r2: compare-and-exchange always returns in r0",
    );
    error(
        "lock *(u64 *)(r1 + 0) -= r2",
        "-=: expected `+=`, `|=`, `&=` or `^=` (negate the register and add it)",
    );
    error(
        "lock *(u8 *)(r1 + 0) += r2",
        "+=: atomic operations are of 4 or 8 bytes",
    );
    error(
        "r0 = *(u64 *)skb[0]",
        "r0: packet loads are of 1, 2 or 4 bytes; no kernel takes 8",
    );
    error("r1 = *(u8 *)skb[0]", "r1: packet loads always go to r0");
    error(
        "r1 = 99999999999",
        "99999999999: 99999999999 does not fit the 32 bits of an immediate (load it into a register first: `r1 = … ll`)",
    );
    error(
        "r1 = *(u8 *)(r2 + 40000)",
        "+ 40000: 40000 is no 16-bit offset: -32768 to 32767",
    );
    error(
        "r1 = XDP_PAS",
        "XDP_PAS: there is no constant `XDP_PAS` (did you mean `XDP_PASS`?)",
    );
    error(
        "r1 = my_map",
        "my_map: there is no constant `my_map` (the address of a symbol is loaded by `my_map ll`)",
    );
    error(
        "r1 = my_map ll",
        "my_map: there is no symbol `my_map` (if it is elsewhere, declare it: `.extern my_map`)",
    );
    error("goto +40000", "+40000: the distance does not fit the instruction");
    error("r1 = 5 r2 = 6", "r2: expected the end of the line or `;`");
    error("r1 = 08", "08: a leading 0 means base 8, which has no such digit");
    error("r1 =", ": expected a number or a constant, but the line ends");
    error("(b7) r1 = r2", "(b7): the instruction behind it has opcode bf");
    error(
        "call 6#bpf_ktime_get_ns",
        "bpf_ktime_get_ns: helper 6 is bpf_trace_printk",
    );
    error(
        "nospec",
        "nospec: only the kernel puts this instruction into programs",
    );
    error(
        ".sektion x",
        ".sektion: unknown directive `.sektion` (did you mean `.section`?)",
    );
    error(
        ".data\nr1 = 1\n.byte 5",
        "5: data in a section of instructions (begin another with `.section .data`)",
    );
    error("goto 1f", "1f: there is no label 1: below");
    error("r1 = 1/0", "1/0: this cannot be computed in 64 bits");
    error(
        &format!("r1 = {}1", "-".repeat(1000)),
        "-: this is nested too deeply",
    );
}

#[test]
fn far_labels_are_errors_not_cut_off() {
    let far = |jump: &str| format!("{jump}\n{}end: exit\n", "r0 = 0\n".repeat(40_000));
    error(
        &far("goto end"),
        "end: the target is 40000 slots away; this instruction reaches 32767 (jump over a `gotol`, which reaches everything)",
    );
    assert_eq!(assembled(&far("gotol end")).slots()[0].imm, 40_000);
    assert_eq!(assembled(&far("call end")).slots()[0].imm, 40_000);
}

#[test]
fn internal_instructions_need_permission() {
    let text = "nospec\nr11 = r1\nr0 = &(void __percpu *)(r0)\n";
    assert_eq!(assemble(text).expect_err("errors").diagnostics().len(), 3);
    let assembly = Assembler::new().internal().assemble(text).expect("assembles");
    assert_eq!(print(assembly.slots()).labels(false).dump().to_string(), text);
}

#[test]
fn names_that_look_like_words_survive() {
    for name in [
        "r1", "w10", "pc", "ll", "goto", "a b", "0x", "map", "exit", "le16", "xchg", "\"", "\\", "a#b",
        "a:b", "ä", ".L", "XDP_PASS", "bpf_loop",
    ] {
        for dialect in Dialect::ALL {
            let slots = [Slot::new(0x85, 0, 1, 0, 0), Slot::new(0x95, 0, 0, 0, 0)];
            struct Named<'a>(&'a str);
            impl bpfld_insn::Annotate for Named<'_> {
                fn function(&self, at: usize) -> Option<&str> {
                    (at == 1).then_some(self.0)
                }
            }
            let text = print(&slots).dialect(dialect).annotate(&Named(name)).to_string();
            assert_eq!(assembled(&text).slots(), slots, "{text}");
            assert_eq!(assembled(&text).symbols[0].name, name);
        }
    }
}

//! Instructions as LLVM, the kernel and gobpfld write them: `r0 = *(u32 *)(r1 + 4)`.

use alloc::boxed::Box;
use alloc::format;

use super::c_memory::{Type, fetch_name};
use super::error::Diagnostic;
use super::lexer::Kind;
use super::operand::Number;
use super::parser::{FixupKind, Parse, Parser, Target};
use super::span::Span;
use crate::helper::Helper;
use crate::insn::{Address, Insn};
use crate::isa::{AluOp, JmpOp, Reg, Size, SwapOp, Width};

/// The words that instructions begin with.
pub(super) const KEYWORDS: &[&str] = &[
    "call",
    "callx",
    "exit",
    "goto",
    "gotol",
    "gotox",
    "if",
    "ld_pseudo",
    "lock",
    "may_goto",
    "nop",
    "nospec",
    "store_release",
];

impl<'a> Parser<'a> {
    /// Reads an instruction that begins with this word; `false` if it is none of this family.
    pub(super) fn c_like(&mut self, word: &str) -> Parse<bool> {
        if is_register(word) {
            let span = self.token.span;
            if let Some((width, dst)) = self.try_register()? {
                self.assign(width, dst, span)?;
            }
            return Ok(true);
        }
        match word {
            "*" => self.store()?,
            "if" => self.jump_if()?,
            "goto" => self.jump(FixupKind::Jump, |offset| Insn::Jump {
                offset: offset as i16,
            })?,
            "gotol" => self.jump(FixupKind::JumpLong, |offset| Insn::JumpLong { offset })?,
            "may_goto" => self.jump(FixupKind::Jump, |offset| Insn::MayGoto {
                offset: offset as i16,
            })?,
            "gotox" => self.one_register(|dst| Insn::JumpIndirect { dst })?,
            "callx" => self.one_register(|dst| Insn::CallReg { dst })?,
            "call" => self.call()?,
            "exit" => self.alone(Insn::Exit)?,
            "nospec" => self.alone(Insn::SpeculationBarrier)?,
            "nop" => self.nop()?,
            "lock" => self.lock()?,
            "store_release" => self.store_release()?,
            "ld_pseudo" => self.load_pseudo()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn alone(&mut self, insn: Insn) -> Parse<()> {
        self.advance();
        self.emit(insn)
    }

    fn one_register(&mut self, insn: impl Fn(Reg) -> Insn) -> Parse<()> {
        self.advance();
        let dst = self.register()?;
        self.emit(insn(dst))
    }

    /// `nop`: what gobpfld prints for the second half of a 64-bit load; elsewhere a jump to the next instruction.
    fn nop(&mut self) -> Parse<()> {
        self.advance();
        let slots = self
            .sections
            .get(self.section)
            .map_or(&[][..], |section| &section.slots);
        match slots {
            [.., first, _] if first.is_ldimm64() => Ok(()),
            _ => self.emit(Insn::Jump { offset: 0 }),
        }
    }

    // jumps and calls

    /// Emits an instruction that contains a distance, or arranges that it will.
    pub(super) fn emit_jump(
        &mut self,
        kind: FixupKind,
        target: (Target<'a>, Span),
        insn: impl Fn(i32) -> Insn,
    ) -> Parse<()> {
        let (target, span) = target;
        let Target::Distance(distance) = target else {
            self.fix(kind, target, 0, span);
            return self.emit(insn(0));
        };
        let distance = match kind {
            FixupKind::Jump => i16::try_from(distance).map(i32::from).ok(),
            _ => i32::try_from(distance).ok(),
        };
        match distance {
            Some(distance) => self.emit(insn(distance)),
            None => Err(Diagnostic::new(span, "the distance does not fit the instruction")),
        }
    }

    fn jump(&mut self, kind: FixupKind, insn: impl Fn(i32) -> Insn) -> Parse<()> {
        self.advance();
        let target = self.target()?;
        self.emit_jump(kind, target, insn)
    }

    /// `if r1 == 5 goto +3`
    fn jump_if(&mut self) -> Parse<()> {
        self.advance();
        let (width, dst) = self.any_register()?;
        let Some(op) = self.operator().and_then(JmpOp::from_symbol) else {
            return Err(self.expected("a comparison"));
        };
        self.skip_operator();
        let src = self.operand(width, is_hex)?;
        self.expect_name("goto")?;
        let target = self.target()?;
        self.emit_jump(FixupKind::Jump, target, |offset| Insn::JumpIf {
            width,
            op,
            dst,
            src,
            offset: offset as i16,
        })
    }

    /// The operator that stands here, together with an `s` before it.
    pub(super) fn operator(&self) -> Option<&'a str> {
        match self.token.kind {
            Kind::Punct(_) => Some(self.text()),
            Kind::Name if self.text() == "s" => {
                let (next, _) = self.peek();
                let joined = matches!(next.kind, Kind::Punct(_)) && next.span.start == self.token.span.end;
                joined.then(|| self.lexer.text(self.token.span.to(next.span)))
            }
            _ => None,
        }
    }

    pub(super) fn skip_operator(&mut self) {
        if self.token.kind == Kind::Name {
            self.advance();
        }
        self.advance();
    }

    /// `call 1`, `call bpf_map_lookup_elem`, `call 6#bpf_trace_printk`, `call function`, `call +5`, `call pc+5`,
    /// `call kfunc 1234`, `call name#1234`, `call %r1`
    fn call(&mut self) -> Parse<()> {
        self.advance();
        if let Some((width, dst)) = self.try_register()? {
            if width == Width::W32 {
                return Err(Diagnostic::new(self.start, "calls need a whole register"));
            }
            return self.emit(Insn::CallReg { dst });
        }
        match self.token.kind {
            Kind::Number(_) => self.call_number(),
            Kind::Name if self.text() == "kfunc" && matches!(self.peek().0.kind, Kind::Number(_)) => {
                self.advance();
                let btf_id = self.word()? as u32;
                let module = if self.eat(",") { self.offset()? } else { 0 };
                self.emit(Insn::CallKfunc { btf_id, module })
            }
            Kind::Name if self.text() == "kernel" && self.peek().1 == "-" => {
                self.advance();
                self.advance();
                self.expect_name("function")?;
                self.hash_call(None)
            }
            Kind::Name | Kind::Quoted if self.text() != "pc" && self.peek().0.kind == Kind::Hash => {
                let name = self.name("a function")?;
                self.hash_call(Some(&name))
            }
            _ => {
                let target = self.target()?;
                self.skip_hash()?;
                self.emit_jump(FixupKind::Call, target, |offset| Insn::CallSubprog { offset })
            }
        }
    }

    /// `call 6`, or with the name behind it.
    fn call_number(&mut self) -> Parse<()> {
        let helper = Helper(self.word()? as u32);
        if self.token.kind == Kind::Hash {
            self.advance();
            let span = self.token.span;
            let name = self.name("the name of a helper")?;
            if let Some(known) = helper.name()
                && Helper::from_name(&name) != Some(helper)
            {
                return Err(Diagnostic::new(
                    span,
                    format!("helper {} is bpf_{known}", helper.0),
                ));
            }
        }
        self.emit(Insn::CallHelper { helper })
    }

    /// The number behind a name in the kernel's dialect: `#1`, `#1234@2`. It is a helper's if the name is.
    fn hash_call(&mut self, name: Option<&str>) -> Parse<()> {
        self.advance();
        let id = self.word()? as u32;
        let helper = match name {
            Some("unknown") => Some(Helper(id)),
            Some(name) => Helper::from_name(name).filter(|helper| helper.0 == id && name.starts_with("bpf_")),
            None => None,
        };
        if let Some(helper) = helper {
            return self.emit(Insn::CallHelper { helper });
        }
        let module = if self.eat("@") { self.offset()? } else { 0 };
        self.emit(Insn::CallKfunc { btf_id: id, module })
    }

    /// What bpftool says of a called subprogram: `#bpf_prog_1234_name`.
    fn skip_hash(&mut self) -> Parse<()> {
        if self.token.kind == Kind::Hash {
            self.advance();
            self.advance();
        }
        Ok(())
    }

    // assignments

    /// What follows a register at the start of a statement.
    fn assign(&mut self, width: Width, dst: Reg, span: Span) -> Parse<()> {
        let Some(op) = self.operator().and_then(AluOp::from_symbol) else {
            return Err(self.expected("`=` or an operator like `+=`"));
        };
        self.skip_operator();
        if op != AluOp::Mov {
            let src = self.operand(width, |_| false)?;
            return self.emit(Insn::Alu { width, op, dst, src });
        }
        let start = self.token.span;
        match self.token.kind {
            Kind::Punct(_) => match self.text() {
                "*" => return self.load(width, dst, span),
                "&" => return self.percpu(width, dst),
                "-" if is_register(self.peek().1) => {
                    self.advance();
                    self.same_register(width, dst)?;
                    return self.emit(Insn::Neg { width, dst });
                }
                "(" if Size::ALL.iter().any(|size| size.signed_symbol() == self.peek().1) => {
                    self.advance();
                    let Type { size, .. } = self.type_name()?;
                    self.expect(")")?;
                    let src = self.register_of(width)?;
                    if size.bits() >= width.bits() {
                        return Err(Diagnostic::new(
                            start,
                            "nothing to extend: the register is not wider",
                        ));
                    }
                    return self.emit(Insn::MovSx {
                        width,
                        size,
                        dst,
                        src,
                    });
                }
                _ => {}
            },
            Kind::Name if is_register(self.text()) => {}
            Kind::Name | Kind::Quoted => {
                if let Some(done) = self.assign_word(width, dst, span)? {
                    return Ok(done);
                }
            }
            _ => {}
        }
        if let Some((found, src)) = self.try_register()? {
            return if found == width {
                self.emit(Insn::Alu {
                    width,
                    op,
                    dst,
                    src: src.into(),
                })
            } else {
                Err(Diagnostic::new(start, "the two registers have different widths")
                    .help("`w1 = w2` clears the upper half; `r1 = (s32)r2` extends the sign"))
            };
        }
        let number = self.expression()?;
        self.assign_number(width, dst, number)
    }

    /// `r1 = 5`, `r1 = 5 ll`
    fn assign_number(&mut self, width: Width, dst: Reg, number: Number) -> Parse<()> {
        let wide = self.eat_name("ll") || matches!(self.hint, Some((0x18, _)));
        if !wide {
            let imm = self.immediate_of(number, width)?;
            return self.emit(Insn::Alu {
                width,
                op: AluOp::Mov,
                dst,
                src: imm.into(),
            });
        }
        self.whole(width, number.span)?;
        let value = Self::wide(number)?;
        self.emit(Insn::LoadImm64 { dst, value })
    }

    pub(super) fn whole(&self, width: Width, span: Span) -> Parse<()> {
        match width {
            Width::W64 => Ok(()),
            Width::W32 => Err(Diagnostic::new(span, "this needs a whole register on the left")),
        }
    }

    /// Words behind `=`: operations written as functions, addresses, symbols. `None` if it is something else.
    fn assign_word(&mut self, width: Width, dst: Reg, span: Span) -> Parse<Option<()>> {
        let word = self.text();
        let (next, next_text) = self.peek();
        let called = next_text == "(";
        let quoted = self.token.kind == Kind::Quoted;
        if quoted || !called {
            if let Some((op, size)) = swap(word).filter(|_| is_register(next_text)) {
                self.whole(width, span)?;
                self.advance();
                self.same_register(Width::W64, dst)?;
                return self.emit(Insn::Swap { op, size, dst }).map(Some);
            }
            if !quoted && (is_register(word) || self.known_constant(word).is_some()) {
                return Ok(None);
            }
            self.whole(width, span)?;
            let bracket = next_text == "[" || next.kind == Kind::Name;
            if let Some(address) = if bracket { self.address(word)? } else { None } {
                self.eat_name("ll");
                return self.emit(Insn::LoadAddr { dst, address }).map(Some);
            }
            return self.load_symbol(dst).map(Some);
        }
        if word == "load_acquire" {
            self.advance();
            self.advance();
            let size = self.unsigned_cast()?;
            let (base, offset) = self.memory()?;
            self.expect(")")?;
            self.check_access(width, dst, size, span)?;
            return self
                .emit(Insn::LoadAcquire {
                    size,
                    dst,
                    base,
                    offset,
                })
                .map(Some);
        }
        if word == "addr_space_cast" {
            self.whole(width, span)?;
            self.advance();
            self.advance();
            let src = self.register()?;
            self.expect(",")?;
            let to = self.half()?;
            self.expect(",")?;
            let from = self.half()?;
            self.expect(")")?;
            return self.emit(Insn::CastAddrSpace { dst, src, to, from }).map(Some);
        }
        if word == "ntohl" {
            return self.packet_gobpfld(dst, span).map(Some);
        }
        match fetch_name(word) {
            Some((op, bits)) => self.fetch(op, bits, width, dst, span).map(Some),
            None => Err(Diagnostic::new(
                self.token.span,
                format!("there is no operation `{word}`"),
            )),
        }
    }

    /// `name ll`, `name+8 ll`
    fn load_symbol(&mut self, dst: Reg) -> Parse<()> {
        let start = self.token.span;
        let name = self.name("a symbol")?;
        let addend = self.addend()?;
        if !self.eat_name("ll") && !matches!(self.hint, Some((0x18, _))) {
            return Err(self.not_a_constant(&name, start));
        }
        self.fix(FixupKind::Load, Target::Name(name), addend, start);
        self.emit(Insn::LoadImm64 {
            dst,
            value: addend as u64,
        })
    }

    /// The distance from a symbol, if one stands here.
    pub(super) fn addend(&mut self) -> Parse<i64> {
        if !(self.is("+") || self.is("-")) {
            return Ok(0);
        }
        let Number { value, span } = self.expression()?;
        i64::try_from(value).map_err(|_| Diagnostic::new(span, "the distance does not fit 64 bits"))
    }

    /// `map[fd:7]`, `map[fd:7][0]+8`, `map[idx:7]+8`, `subprog[+5]`, `var[id:7]`; gobpfld's `map fd#5` and
    /// `map value#5[8]`
    pub(super) fn address(&mut self, word: &str) -> Parse<Option<Address>> {
        let before = (self.lexer, self.token);
        self.advance();
        let address = match word {
            "map" if self.eat("[") => self.map_address()?,
            "subprog" if self.eat("[") => {
                let offset = self.word()?;
                self.expect("]")?;
                Address::Func { offset }
            }
            "var" if self.eat("[") => {
                self.expect_name("id")?;
                self.expect(":")?;
                let btf_id = self.word()? as u32;
                self.expect("]")?;
                let mut module_fd = 0;
                if self.eat("[") {
                    self.expect_name("fd")?;
                    self.expect(":")?;
                    module_fd = self.word()?;
                    self.expect("]")?;
                }
                Address::Variable { btf_id, module_fd }
            }
            "map" if matches!(self.text(), "fd" | "value") && self.peek().0.kind == Kind::Hash => {
                let value = self.text() == "value";
                self.advance();
                self.advance();
                let fd = self.word()?;
                if value {
                    self.expect("[")?;
                    let offset = self.word()? as u32;
                    self.expect("]")?;
                    Address::MapValue { fd, offset }
                } else {
                    Address::Map { fd }
                }
            }
            _ => {
                (self.lexer, self.token) = before;
                return Ok(None);
            }
        };
        Ok(Some(address))
    }

    /// What stands behind `map[`.
    fn map_address(&mut self) -> Parse<Address> {
        let index = match self.text() {
            "idx" => true,
            "fd" | "id" => false,
            _ => return Err(self.expected("`fd:`, `id:` or `idx:`")),
        };
        self.advance();
        self.expect(":")?;
        let number = self.word()?;
        self.expect("]")?;
        let value = if index {
            self.is("+")
        } else if self.eat("[") {
            if self.byte()? != 0 {
                return Err(Diagnostic::new(
                    self.start,
                    "only element 0 of a map has an address",
                ));
            }
            self.expect("]")?;
            true
        } else {
            false
        };
        let offset = if value && self.eat("+") {
            self.word()? as u32
        } else {
            0
        };
        Ok(match (index, value) {
            (false, false) => Address::Map { fd: number },
            (false, true) => Address::MapValue { fd: number, offset },
            (true, false) => Address::MapIndex { index: number as u32 },
            (true, true) => Address::MapIndexValue {
                index: number as u32,
                offset,
            },
        })
    }

    /// LLVM's `ld_pseudo r1, 1, 7`: register, source field, number.
    fn load_pseudo(&mut self) -> Parse<()> {
        self.advance();
        let dst = self.register()?;
        self.expect(",")?;
        let span = self.token.span;
        let kind = self.byte()?;
        self.expect(",")?;
        let number = self.word()?;
        let address = match kind {
            1 => Address::Map { fd: number },
            2 => Address::MapValue {
                fd: number,
                offset: 0,
            },
            3 => Address::Variable {
                btf_id: number as u32,
                module_fd: 0,
            },
            4 => Address::Func { offset: number },
            5 => Address::MapIndex { index: number as u32 },
            6 => Address::MapIndexValue {
                index: number as u32,
                offset: 0,
            },
            _ => return Err(Diagnostic::new(span, "the kinds of addresses are 1 to 6")),
        };
        self.emit(Insn::LoadAddr { dst, address })
    }

    fn not_a_constant(&self, name: &str, span: Span) -> Box<Diagnostic> {
        Diagnostic::new(span, format!("there is no constant `{name}`"))
            .help(format!("the address of a symbol is loaded by `{name} ll`"))
            .maybe_help(self.near_constant(name))
    }
}

/// The kernel prints comparands as unsigned numbers in base 16, so there they are as they should be.
fn is_hex(text: &str) -> bool {
    text.starts_with("0x")
}

fn is_register(word: &str) -> bool {
    super::parser::register_number(word).is_some() || word == "%"
}

/// `le16`, `be32`, `bswap64`
pub(super) fn swap(word: &str) -> Option<(SwapOp, Size)> {
    let split = word.len().checked_sub(2)?;
    let (op, bits) = word.split_at_checked(split)?;
    let size = match bits {
        "16" => Size::H,
        "32" => Size::W,
        "64" => Size::Dw,
        _ => return None,
    };
    SwapOp::from_symbol(op).map(|op| (op, size))
}

//! Addresses that the kernel fills in: `map[fd:7]`, `subprog[+5]`, `var[id:7]`.

use super::error::Diagnostic;
use super::lexer::Kind;
use super::parser::{Parse, Parser};
use crate::insn::{Address, Insn};

impl Parser<'_> {
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
    pub(super) fn load_pseudo(&mut self) -> Parse<()> {
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
}

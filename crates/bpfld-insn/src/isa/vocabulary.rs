//! What the vocabularies of instructions are declared by: a row for each word, from which enumeration, codes and names are made.

/// Declares a closed vocabulary: one row per word. The columns are always the same, so that one macro does.
macro_rules! vocabulary {
    (
        $(#[$meta:meta])*
        $name:ident: $repr:ty {
            $( $(#[$doc:meta])* $variant:ident = $code:literal, $symbol:literal, $mnemonic:literal, $since:expr, $cpu:expr; )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $name { $( $(#[$doc])* $variant, )* }

        impl $name {
            /// Every word, in the order of the table.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )* ];

            /// The bits that say so in an encoded instruction.
            #[must_use]
            pub const fn code(self) -> $repr {
                match self { $( Self::$variant => $code, )* }
            }

            /// How the C-like dialects write it.
            #[must_use]
            pub const fn symbol(self) -> &'static str {
                match self { $( Self::$variant => $symbol, )* }
            }

            /// Its part in the mnemonics of the GNU assembler.
            #[must_use]
            pub const fn mnemonic(self) -> &'static str {
                match self { $( Self::$variant => $mnemonic, )* }
            }

            /// The first kernel release that has it.
            #[must_use]
            pub const fn since(self) -> Release {
                match self { $( Self::$variant => $since, )* }
            }

            /// The compiler level that emits it.
            #[must_use]
            pub const fn cpu(self) -> Cpu {
                match self { $( Self::$variant => $cpu, )* }
            }

            /// The word that the C-like dialects write like this.
            #[must_use]
            pub fn from_symbol(symbol: &str) -> Option<Self> {
                match symbol {
                    $( $symbol => Some(Self::$variant), )*
                    _ => None,
                }
            }
        }
    };
}

/// Declares a dense vocabulary that fills a bit field, so that every value of the field is a word.
macro_rules! field {
    (
        $(#[$meta:meta])*
        $name:ident: mask $mask:literal {
            $( $(#[$doc:meta])* $variant:ident = $code:literal, $text:literal; )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $( $(#[$doc])* $variant, )* }

        impl $name {
            /// Every word, in the order of the table.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )* ];

            /// Its bits in the opcode.
            #[must_use]
            pub const fn code(self) -> u8 {
                match self { $( Self::$variant => $code, )* }
            }

            /// Its name in the specification, in lower case.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $text, )* }
            }

            /// The word in this opcode.
            #[must_use]
            pub const fn of(opcode: u8) -> Self {
                match opcode & $mask {
                    $( $code => Self::$variant, )*
                    _ => unreachable!(),
                }
            }
        }
    };
}

pub(super) use {field, vocabulary};

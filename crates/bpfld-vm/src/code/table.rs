//! The tables of operations: of those that compute and compare, each once, with what it does; and of accesses to memory. The
//! enumeration, the translation and the loops are made of them.

/// Calls a macro with the table, after the tokens given.
///
/// Each row of `alu` has the operation, the names of its four forms (64 bits with constant and register, 32 bits likewise)
/// and what it does to 64 and to 32 bits; each row of `jump` has the condition likewise.
macro_rules! operations {
    ($callback:ident! { $($extra:tt)* }) => {
        $callback! {
            { $($extra)* }
            alu {
                Mov MovImm64 MovReg64 MovImm32 MovReg32: |_, b: u64| b, |_, b: u32| b;
                Add AddImm64 AddReg64 AddImm32 AddReg32: u64::wrapping_add, u32::wrapping_add;
                Sub SubImm64 SubReg64 SubImm32 SubReg32: u64::wrapping_sub, u32::wrapping_sub;
                Mul MulImm64 MulReg64 MulImm32 MulReg32: u64::wrapping_mul, u32::wrapping_mul;
                Div DivImm64 DivReg64 DivImm32 DivReg32:
                    |a: u64, b: u64| a.checked_div(b).unwrap_or(0), |a: u32, b: u32| a.checked_div(b).unwrap_or(0);
                Or OrImm64 OrReg64 OrImm32 OrReg32: |a: u64, b: u64| a | b, |a: u32, b: u32| a | b;
                And AndImm64 AndReg64 AndImm32 AndReg32: |a: u64, b: u64| a & b, |a: u32, b: u32| a & b;
                Lsh LshImm64 LshReg64 LshImm32 LshReg32:
                    |a: u64, b: u64| a.wrapping_shl(b as u32), |a: u32, b: u32| a.wrapping_shl(b);
                Rsh RshImm64 RshReg64 RshImm32 RshReg32:
                    |a: u64, b: u64| a.wrapping_shr(b as u32), |a: u32, b: u32| a.wrapping_shr(b);
                Mod ModImm64 ModReg64 ModImm32 ModReg32:
                    |a: u64, b: u64| a.checked_rem(b).unwrap_or(a), |a: u32, b: u32| a.checked_rem(b).unwrap_or(a);
                Xor XorImm64 XorReg64 XorImm32 XorReg32: |a: u64, b: u64| a ^ b, |a: u32, b: u32| a ^ b;
                Arsh ArshImm64 ArshReg64 ArshImm32 ArshReg32:
                    |a: u64, b: u64| (a as i64).wrapping_shr(b as u32) as u64,
                    |a: u32, b: u32| (a as i32).wrapping_shr(b) as u32;
                Sdiv SdivImm64 SdivReg64 SdivImm32 SdivReg32:
                    |a: u64, b: u64| if b == 0 { 0 } else { (a as i64).wrapping_div(b as i64) as u64 },
                    |a: u32, b: u32| if b == 0 { 0 } else { (a as i32).wrapping_div(b as i32) as u32 };
                Smod SmodImm64 SmodReg64 SmodImm32 SmodReg32:
                    |a: u64, b: u64| if b == 0 { a } else { (a as i64).wrapping_rem(b as i64) as u64 },
                    |a: u32, b: u32| if b == 0 { a } else { (a as i32).wrapping_rem(b as i32) as u32 };
            }
            jump {
                Eq EqImm64 EqReg64 EqImm32 EqReg32: |a: u64, b: u64| a == b, |a: u32, b: u32| a == b;
                Ne NeImm64 NeReg64 NeImm32 NeReg32: |a: u64, b: u64| a != b, |a: u32, b: u32| a != b;
                Gt GtImm64 GtReg64 GtImm32 GtReg32: |a: u64, b: u64| a > b, |a: u32, b: u32| a > b;
                Ge GeImm64 GeReg64 GeImm32 GeReg32: |a: u64, b: u64| a >= b, |a: u32, b: u32| a >= b;
                Lt LtImm64 LtReg64 LtImm32 LtReg32: |a: u64, b: u64| a < b, |a: u32, b: u32| a < b;
                Le LeImm64 LeReg64 LeImm32 LeReg32: |a: u64, b: u64| a <= b, |a: u32, b: u32| a <= b;
                Set SetImm64 SetReg64 SetImm32 SetReg32: |a: u64, b: u64| a & b != 0, |a: u32, b: u32| a & b != 0;
                Sgt SgtImm64 SgtReg64 SgtImm32 SgtReg32:
                    |a: u64, b: u64| (a as i64) > (b as i64), |a: u32, b: u32| (a as i32) > (b as i32);
                Sge SgeImm64 SgeReg64 SgeImm32 SgeReg32:
                    |a: u64, b: u64| (a as i64) >= (b as i64), |a: u32, b: u32| (a as i32) >= (b as i32);
                Slt SltImm64 SltReg64 SltImm32 SltReg32:
                    |a: u64, b: u64| (a as i64) < (b as i64), |a: u32, b: u32| (a as i32) < (b as i32);
                Sle SleImm64 SleReg64 SleImm32 SleReg32:
                    |a: u64, b: u64| (a as i64) <= (b as i64), |a: u32, b: u32| (a as i32) <= (b as i32);
            }
        }
    };
}

/// A `match` with all plain accesses to memory, and the arms given: by macros for the two registers of a step, and for loads and
/// stores of so many bytes.
macro_rules! match_accesses {
    ($what:expr; $step:ident $dst:ident $src:ident $load:ident $store:ident; $($others:tt)*) => {
        match $what {
            Do::Load8 => $dst!($step) = $load!($step, 1),
            Do::Load16 => $dst!($step) = $load!($step, 2),
            Do::Load32 => $dst!($step) = $load!($step, 4),
            Do::Load64 => $dst!($step) = $load!($step, 8),
            Do::LoadSx8 => $dst!($step) = $load!($step, 1) as i8 as u64,
            Do::LoadSx16 => $dst!($step) = $load!($step, 2) as i16 as u64,
            Do::LoadSx32 => $dst!($step) = $load!($step, 4) as i32 as u64,
            Do::StoreImm8 => $store!($step, 1, $step.imm),
            Do::StoreImm16 => $store!($step, 2, $step.imm),
            Do::StoreImm32 => $store!($step, 4, $step.imm),
            Do::StoreImm64 => $store!($step, 8, $step.imm),
            Do::StoreReg8 => $store!($step, 1, $src!($step)),
            Do::StoreReg16 => $store!($step, 2, $src!($step)),
            Do::StoreReg32 => $store!($step, 4, $src!($step)),
            Do::StoreReg64 => $store!($step, 8, $src!($step)),
            $($others)*
        }
    };
}

pub(crate) use {match_accesses, operations};

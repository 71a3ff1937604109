# what the printers do not write: directives, labels by number, expressions, names
.set LIMIT, (1 << 4) - 1
.extern elsewhere
.map counts, type=hash, key_size=4, value_size=8, max_entries=LIMIT
.license "GPL"
.globl main
.type main,@function
.section xdp,"ax",@progbits
main:
1:  r6 = r1; r1 = counts ll
    r2 = r10
    r2 += -LIMIT
    call bpf_map_lookup_elem
    if r0 == 0 goto 1f
    lock *(u64 *)(r0 + 0) += r6
    r3 = atomic_fetch_add((u64 *)(r0 + 8), r3)
    if w3 s> -5 goto 1b
1:  r0 = XDP_PASS
    call helper
    lddw %r1, map[fd:3][0]+8
    ldxw %r2, [%r1+4]
    .insn 0xff, 1, 2, 3, 4
    exit
helper:
    call elsewhere
    exit
.size main, .-main
.section .rodata
table: .byte 1, 2, 'c'
    .quad main, table + 8
    .asciz "text \n\x41"
    .zero 16

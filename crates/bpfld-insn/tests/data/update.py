#!/usr/bin/env python3
"""Asks other disassemblers about every instruction form, and writes forms.tsv.

Usage: cargo run --example forms | ./update.py LLVM_MC BPF_AS BPF_OBJDUMP

LLVM_MC is llvm-mc of the newest LLVM; BPF_AS and BPF_OBJDUMP are of the newest GNU binutils for BPF. The kernel's column
is what the verifier of the running kernel logs (needs root). `-` stands where a tool has no answer.
"""

import ctypes
import os
import re
import struct
import subprocess
import sys
import tempfile

BPF_SYSCALL = 321  # x86-64
PROG_LOAD = 5


def split(text):
    return re.findall("..", text)


def llvm(tool, forms):
    for form in forms:
        run = subprocess.run(
            [tool, "--disassemble", "-triple=bpfel", "-mcpu=v4"],
            input=",".join("0x" + byte for byte in split(form)),
            capture_output=True, text=True)
        text = run.stdout.replace(".text", "").strip()
        yield re.sub(r"\s+", " ", text) or "-"


def gnu(assembler, objdump, forms):
    with tempfile.TemporaryDirectory() as folder:
        source, target = folder + "/forms.s", folder + "/forms.o"
        with open(source, "w") as out:
            for number, form in enumerate(forms):
                out.write(f".section .text.{number},\"ax\"\n.byte " + ",".join("0x" + byte for byte in split(form)) + "\n")
        subprocess.run([assembler, "-EL", source, "-o", target], check=True)
        listing = subprocess.run([objdump, "-d", target], check=True, capture_output=True, text=True).stdout
    found = re.findall(r"section \.text\.(\d+):\n\n[^\n]*\n[^\t]*\t[^\t]*\t([^\n]*)", listing)
    found = {int(number): text.strip() for number, text in found}
    for number in range(len(forms)):
        text = found.get(number, "-")
        yield "-" if "unknown" in text else text


def kernel(forms):
    libc = ctypes.CDLL(None, use_errno=True)
    move, leave = bytes.fromhex("b700000000000000"), bytes.fromhex("9500000000000000")
    # r0 = *(u32 *)(r1 + 0); if r0 == 0 goto the form, which is instruction 12 with enough around it to jump to
    start = bytes.fromhex("6110000000000000" "15000a0000000000") + move * 10
    for form in forms:
        code = ctypes.create_string_buffer(start + bytes.fromhex(form) + move * 10 + leave)
        log = ctypes.create_string_buffer(1 << 20)
        licence = ctypes.create_string_buffer(b"GPL")
        fields = (1, (len(code) - 1) // 8, ctypes.addressof(code), ctypes.addressof(licence), 2, len(log),
                  ctypes.addressof(log), 0, 0)
        attr = ctypes.create_string_buffer(struct.pack("<IIQQIIQII", *fields).ljust(144, b"\0"), 144)
        fd = libc.syscall(BPF_SYSCALL, PROG_LOAD, attr, len(attr))
        if fd >= 0:
            os.close(fd)
        line = re.search(r"^12: (\([0-9a-f]{2}\) .*?)(?:\s+; .*)?$", log.value.decode(errors="replace"), re.M)
        yield line[1] if line else "-"


def main():
    mc, assembler, objdump = sys.argv[1:]
    forms = sys.stdin.read().split()
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "forms.tsv"), "w") as out:
        out.write("# little-endian bytes\tLLVM\tkernel\tGNU; written by update.py\n")
        for row in zip(forms, llvm(mc, forms), kernel(forms), gnu(assembler, objdump, forms)):
            out.write("\t".join(row) + "\n")


main()

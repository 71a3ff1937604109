//! Logs of all forms, and what is made of them.

use crate::VerifierLog;

#[track_caller]
fn check(log: &str, expected: &str) {
    let rejection = VerifierLog::new(log).rejection();
    let shown = rejection.map_or_else(|| "nothing".to_owned(), |rejection| rejection.to_string());
    assert_eq!(shown, expected.trim_matches('\n'), "\n{shown}");
}

#[test]
fn a_log_of_today() {
    check(
        "0: R1=ctx() R10=fp0\n\
         ; u8 *data = (void *)(long)skb->data; @ net.bpf.c:18\n\
         0: (61) r1 = *(u32 *)(r1 +76)         ; R1_w=pkt(r=0)\n\
         ; return data[40]; @ net.bpf.c:19\n\
         1: (71) r0 = *(u8 *)(r1 +40)\n\
         invalid access to packet, off=40 size=1, R1(id=0,off=40,r=0)\n\
         R1 offset is outside of the packet\n\
         processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n",
        "
R1 offset is outside of the packet
  --> net.bpf.c:19
   |
18 | u8 *data = (void *)(long)skb->data;
19 | return data[40];
   | insn 1: r0 = *(u8 *)(r1 +40)
   = R1 is pkt(r=0)
   = help: compare the end of what is accessed with data_end first, and use that same pointer
",
    );
}

#[test]
fn a_log_with_states_on_lines_of_their_own_and_no_file_names() {
    check(
        "; u64 *value = map_lookup_elem(&values, &key);\n\
         4: (85) call bpf_map_lookup_elem#1\n\
         5: R0=map_value_or_null(id=1,off=0,ks=4,vs=8,imm=0) R10=fp0 fp-8=mmmm????\n\
         ; return *value;\n\
         5: (79) r0 = *(u64 *)(r0 +0)\n\
         R0 invalid mem access 'map_value_or_null'\n\
         processed 6 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n",
        "
R0 invalid mem access 'map_value_or_null'
   |
   | return *value;
   | insn 5: r0 = *(u64 *)(r0 +0)
   = R0 is map_value_or_null(id=1,off=0,ks=4,vs=8,imm=0)
   = help: compare the pointer with NULL before it is used
",
    );
}

#[test]
fn the_explained_form() {
    check(
        "0: R1=ctx() R10=fp0\n; return x; @ a.bpf.c:7\n0: (95) exit\nR0 !read_ok\n\n\
         Verification failed: Register Type Safety: Unreadable register\n\n\
         Reason:\n  R0 has never been initialized on this path.\n\nAt:\n  insn 0\n\n\
         Suggestion:\n  Initialize R0 on all paths\n  before the program ends.\n\nprocessed 1 insns (limit 1000000)\n",
        "
R0 has never been initialized on this path.
  --> a.bpf.c:7
   |
 7 | return x;
   | insn 0: exit
   = help: Initialize R0 on all paths before the program ends.
",
    );
}

#[test]
fn the_explained_form_as_linux_7_3_has_it() {
    check(
        "6: (85) call bpf_map_lookup_elem#1    ; R0=map_value_or_null(id=1,map=values,ks=4,vs=8)\n\
         ;  @ rejected.bpf.c:12\n7: (79) r0 = *(u64 *)(r0 +0)\nR0 invalid mem access 'map_value_or_null'\n\n\
         Verification failed: Register Type Safety: Invalid dereference\n\nReason:\n  R0 may be NULL here (a nullable map value \
         pointer). The program could dereference NULL on this\n  path, so the verifier cannot prove this access is safe.\n\n\
         At:\n  unchecked_pointer @ rejected.bpf.c:12:9\n       | ^-- error: invalid dereference of R0\n  Instruction context:\n      \
         6 | (85) call bpf_map_lookup_elem#1\n  >>> 7 | (79) r0 = *(u64 *)(r0 +0)\n      8 | (95) exit\n\n\
         Suggestion:\n  Add a NULL check before the access.\n\nprocessed 7 insns (limit 1000000)\n",
        "
R0 may be NULL here (a nullable map value pointer). The program could dereference NULL on this path, so the verifier cannot prove \
         this access is safe.
  --> rejected.bpf.c:12
   |
   | insn 7: r0 = *(u64 *)(r0 +0)
   = R0 is map_value_or_null(id=1,map=values,ks=4,vs=8)
   = help: Add a NULL check before the access.
",
    );
}

#[test]
fn calls_and_paths() {
    check(
        "0: R1=ctx() R10=fp0\n\
         3: (85) call pc+2\n\
         caller:\n R6=scalar() R10=fp0\n\
         callee:\n frame1: R1=scalar() R10=fp0\n\
         6: frame1: R1=scalar() R10=fp0\n\
         ; return *p; @ a.bpf.c:30\n\
         6: (79) r0 = *(u64 *)(r1 +0)\n\
         R1 invalid mem access 'scalar'\n",
        "
R1 invalid mem access 'scalar'
  --> a.bpf.c:30
   |
30 | return *p;
   | insn 6: r0 = *(u64 *)(r1 +0)
   = called at insn 3
   = R1 is scalar()
   = help: the verifier lost track of what this is: keep pointers in variables of pointer type, and read kernel memory with \
         bpf_probe_read_kernel or CO-RE reads
",
    );
    // The path that returned from the call is not the one that failed.
    check(
        "3: (85) call pc+2\ncallee:\n frame1: R1=scalar() R10=fp0\n6: (95) exit\nreturning from callee:\n frame1: R0=0\n\
         to caller at 4:\n R0=0\nfrom 2 to 9: R0=scalar() R2=7 R10=fp0\n9: (2d) if r2 > r5 goto pc+1\nR5 !read_ok\n",
        "
R5 !read_ok
   = insn 9: if r2 > r5 goto pc+1
   = R2 is 7
   = help: set it on every path that leads here
",
    );
    check(
        "Func#1 ('helper') is global and assumed valid.\nValidating helper() func#1...\n5: R1=scalar() R10=fp0\n; return *(u64 *)x; @ \
         a.bpf.c:9\n5: (79) r0 = *(u64 *)(r1 +0)\nR1 invalid mem access 'scalar'\n",
        "
R1 invalid mem access 'scalar'
  --> a.bpf.c:9
   |
 9 | return *(u64 *)x;
   | insn 5: r0 = *(u64 *)(r1 +0)
   = in function helper, which is checked by itself
   = R1 is scalar()
   = help: the verifier lost track of what this is: keep pointers in variables of pointer type, and read kernel memory with \
         bpf_probe_read_kernel or CO-RE reads
",
    );
}

#[test]
fn reasons_that_are_about_no_path() {
    check(
        "unreachable insn 7\nprocessed 0 insns (limit 1000000)\n",
        "unreachable insn 7\n   = insn 7",
    );
    check(
        "back-edge from insn 9 to 4\n",
        "back-edge from insn 9 to 4\n   = insn 9\n   = help: give the loop a constant bound, or use bpf_loop or an open-coded iterator",
    );
    check(
        "1: (05) goto pc-1\nBPF program is too large. Processed 1000001 insn\nprocessed 1000001 insns (limit 1000000)\n",
        "BPF program is too large. Processed 1000001 insn\n   = insn 1: goto pc-1\n   = help: split the program: global functions are \
         checked by themselves, bpf_loop and iterators keep loops small",
    );
    check("", "nothing");
    check("processed 0 insns (limit 1000000)\n", "nothing");
}

#[test]
fn the_full_form_shows_all_registers() {
    let log = VerifierLog::new(
        "0: R1=ctx() R7=5 R10=fp0 fp-8=mmmmmmmm\n0: (79) r0 = *(u64 *)(r1 +400)\ninvalid bpf_context access off=400 size=8\n",
    );
    let shown = format!("{:#}", log.rejection().unwrap());
    for register in ["R1 is ctx()", "R7 is 5", "R10 is fp0", "fp-8 is mmmmmmmm"] {
        assert!(shown.contains(register), "{shown}");
    }
}

#[test]
fn any_text_is_taken_apart() {
    // Pieces of logs in any order.
    let pieces = [
        "0: ",
        "(79) r0",
        "; ",
        " @ ",
        ":7",
        "from 1 to ",
        "frame9: R1=",
        "callee:\n",
        "\n",
        "Validating x() ",
        "R1=(((",
        " insn ",
        "=",
        "99999999999",
        "☃",
    ];
    let mut seed = 1u64;
    for _ in 0..4_000 {
        let mut text = String::new();
        for _ in 0..12 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            text.push_str(pieces[(seed >> 33) as usize % pieces.len()]);
        }
        if let Some(rejection) = VerifierLog::new(text).rejection() {
            let _ = format!("{rejection}{rejection:#}");
        }
    }
}

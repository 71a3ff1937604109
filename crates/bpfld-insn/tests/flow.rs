//! Control flow and changes of programs.

use bpfld_insn::flow::{BlockId, Edit, EditError, Flow, ProblemKind};
use bpfld_insn::{Dialect, Slot, assemble, print};

#[track_caller]
fn slots(text: &str) -> Vec<Slot> {
    assemble(text)
        .unwrap_or_else(|errors| panic!("{}", errors.render(text, "text")))
        .slots()
        .to_vec()
}

/// Blocks as `start..end>successors`.
#[track_caller]
fn blocks(text: &str, expected: &str) {
    let flow = Flow::new(&slots(text));
    let shown: Vec<String> = flow
        .blocks()
        .iter()
        .map(|block| {
            let next: Vec<String> = block.edges.iter().map(|edge| edge.to.0.to_string()).collect();
            format!("{:?}>{}", block.slots, next.join(","))
        })
        .collect();
    assert_eq!(shown.join(" "), expected);
}

#[test]
fn basic_blocks() {
    blocks("r0 = 0; exit", "0..2>");
    blocks("if r1 == 0 goto a; r0 = 1 ll; a: exit", "0..1>2,1 1..3>2 3..4>");
    blocks("a: may_goto b; goto a; b: gotol a", "0..1>2,1 1..2>0 2..3>0");
    blocks("call f; exit; f: r0 = 1; exit", "0..2> 2..4>");
    blocks("gotox r1; exit", "0..1> 1..2>");
}

#[track_caller]
fn problems(slots: &[Slot], expected: &[(usize, ProblemKind)]) {
    let flow = Flow::new(slots);
    let found: Vec<_> = flow
        .problems()
        .iter()
        .map(|problem| (problem.at, problem.kind))
        .collect();
    assert_eq!(found, expected);
    assert!(
        flow.problems()
            .iter()
            .all(|problem| !problem.to_string().is_empty())
    );
}

#[test]
fn problems_are_found() {
    problems(&slots("goto +5"), &[(0, ProblemKind::OutOfRange)]);
    problems(&slots("goto -5; exit"), &[(0, ProblemKind::OutOfRange)]);
    problems(
        &slots("goto +1; r0 = 1 ll; exit"),
        &[(0, ProblemKind::IntoWideLoad)],
    );
    problems(&slots("r0 = 1"), &[(0, ProblemKind::FallsOff)]);
    problems(&slots("call f; r0 = 1; f: exit"), &[(1, ProblemKind::FallsOff)]);
    problems(
        &slots("call f; goto a; f: r0 = 1; a: exit"),
        &[(1, ProblemKind::IntoOtherFunction)],
    );
    problems(
        &[Slot::new(0xff, 0, 0, 0, 0), Slot::new(0x95, 0, 0, 0, 0)],
        &[(0, ProblemKind::Undecodable)],
    );
    problems(&slots("call +7; exit"), &[(0, ProblemKind::OutOfRange)]);
    problems(&[], &[]);
}

#[test]
fn reachability_functions_and_calls() {
    let program = slots("call f; r1 = g ll; goto out; r0 = 9; out: exit; f: exit; g: call f; exit; h: exit");
    let flow = Flow::with_functions(&program, &[9]);
    assert_eq!(
        flow.functions()
            .iter()
            .map(|function| function.slots.start)
            .collect::<Vec<_>>(),
        [0, 6, 7, 9]
    );
    assert_eq!(
        flow.reachable_functions()
            .iter()
            .filter(|reached| **reached)
            .count(),
        3
    );
    assert!(!flow.is_recursive());
    assert_eq!(flow.reachable().iter().filter(|reached| !**reached).count(), 1);
    let dead = flow.block_at(4).expect("a block");
    assert!(!flow.reachable()[dead.index()]);
    let calls: Vec<_> = flow
        .calls()
        .iter()
        .map(|call| (call.at, call.caller, call.callee, call.by_address))
        .collect();
    assert_eq!(calls, [(0, 0, 1, false), (1, 0, 2, true), (7, 2, 1, false)]);
    assert!(Flow::new(&slots("call f; exit; f: call g; exit; g: call f; exit")).is_recursive());
}

#[test]
fn loops_and_dominators() {
    let program = slots(
        "
        r1 = 0
    outer:
        r2 = 0
    inner:
        r2 += 1
        if r2 < 5 goto inner
        r1 += 1
        if r1 > 9 goto out
        goto outer
    out:
        exit
    ",
    );
    let flow = Flow::new(&program);
    let loops = flow.loops();
    let shown: Vec<_> = loops
        .iter()
        .map(|found| {
            (
                flow.block(found.header).slots.start,
                found.latches.len(),
                found.blocks.len(),
                found.reducible,
            )
        })
        .collect();
    assert_eq!(shown, [(1, 1, 4, true), (2, 1, 1, true)]);
    assert!(flow.has_loops());
    assert!(!Flow::new(&slots("if r1 == 0 goto a; r0 = 0; a: exit")).has_loops());
    // Loops within loops, as many as there are instructions: each has all the others in it.
    let jump_back = |at: i16| Slot::new(0x15, 1, 0, -1 - at, 0); // if r1 == 0 goto the start
    let mut nested: Vec<Slot> = (0..i16::MAX).map(jump_back).collect();
    nested.extend(slots("exit"));
    assert!(Flow::new(&nested).has_loops());
    let dominators = flow.dominators();
    let out = flow.block_at(7).expect("a block");
    assert!(dominators.dominates(BlockId(0), out));
    assert!(dominators.dominates(loops[1].header, out));
    assert!(!dominators.dominates(out, BlockId(0)));
    assert_eq!(dominators.immediate(BlockId(0)), None);

    let tangled = Flow::new(&slots("if r1 == 0 goto b; a: r0 = 1; b: if r0 == 2 goto a; exit"));
    assert_eq!(
        tangled
            .loops()
            .iter()
            .map(|found| found.reducible)
            .collect::<Vec<_>>(),
        [false]
    );
}

#[test]
fn drawing() {
    let program = slots("if r1 == 0 goto a; call f; a: exit; f: r0 = 1 ll; exit");
    let dot = Flow::new(&program)
        .dot(&program, Dialect::Kernel, |at| (at == 0).then_some("ma\"in"))
        .to_string();
    assert_eq!(
        dot,
        "digraph program {\n  node [shape=box, fontname=monospace];\n  subgraph cluster_0 {\n    label=\"ma\\\"in\";\n    b0 [label=\"0: (15) if r1 == \
         0x0 goto pc+1\\l\"];\n    b1 [label=\"1: (85) call pc+1\\l\"];\n    b2 [label=\"2: (95) exit\\l\"];\n  }\n  subgraph cluster_1 {\n    \
         label=\"function at 3\";\n    b3 [label=\"3: (18) r0 = 0x1\\l5: (95) exit\\l\"];\n  }\n  b0 -> b2 [label=yes];\n  b0 -> b1 \
         [label=no];\n  b1 -> b2;\n  b1 -> b3 [style=dashed, constraint=false];\n}\n"
    );
}

#[track_caller]
fn edited(text: &str, change: impl Fn(&mut Edit<'_>), expected: &str) {
    let program = slots(text);
    let mut edit = Edit::new(&program);
    change(&mut edit);
    let edited = edit.finish().expect("possible");
    assert_eq!(
        print(&edited.slots).labels(false).to_string().replace('\n', "; "),
        expected
    );
}

#[test]
fn edits_keep_targets() {
    let text = "if r1 == 0 goto a; r2 = 5 ll; call f; a: exit; f: goto b; b: r3 = f ll; exit";
    let one = slots("r9 = 9");
    edited(
        text,
        |edit| {
            edit.remove(1..3);
        },
        "if r1 == 0 goto +1; call +1; exit; goto +0; r3 = subprog[-2] ll; exit; ",
    );
    edited(
        text,
        |edit| {
            edit.insert(5, &one).insert(0, &one);
        },
        "r9 = 9; if r1 == 0 goto +3; r2 = 5 ll; call +1; exit; r9 = 9; goto +0; r3 = subprog[-3] ll; exit; ",
    );
    edited(
        "a: r1 += 1; if r1 < 5 goto a; exit",
        |edit| {
            edit.insert(0, &one);
        },
        "r9 = 9; r1 += 1; if r1 < 5 goto -3; exit; ",
    );
    edited(
        "a: r1 += 1; if r1 < 5 goto a; exit",
        |edit| {
            edit.insert_between(0, &one);
        },
        "r9 = 9; r1 += 1; if r1 < 5 goto -2; exit; ",
    );
    edited(
        "goto a; r0 = 1; a: exit",
        |edit| {
            edit.remove(2..3).insert(3, &one);
        },
        "goto +1; r0 = 1; r9 = 9; ",
    );
}

#[test]
fn positions_after_an_edit() {
    let program = slots("r0 = 0; r1 = 1; r2 = 2; exit");
    let edited = Edit::new(&program)
        .remove(1..2)
        .insert(3, &slots("r9 = 9"))
        .finish()
        .expect("possible");
    let of: Vec<_> = (0..5).map(|at| edited.positions.of(at)).collect();
    assert_eq!(of, [Some(0), None, Some(1), Some(3), None]);
    let targets: Vec<_> = (0..6).map(|at| edited.positions.of_target(at)).collect();
    assert_eq!(targets, [Some(0), Some(1), Some(1), Some(2), Some(4), None]);
}

#[test]
fn impossible_edits() {
    let program = slots("r1 = 1 ll; exit");
    assert_eq!(
        Edit::new(&program).remove(1..2).finish().err(),
        Some(EditError::SplitsWideLoad { at: 1 })
    );
    assert_eq!(
        Edit::new(&program).insert(1, &program).finish().err(),
        Some(EditError::SplitsWideLoad { at: 1 })
    );
    assert_eq!(
        Edit::new(&program).insert(9, &program).finish().err(),
        Some(EditError::OutOfRange { at: 9 })
    );
    assert_eq!(
        Edit::new(&program).remove(0..9).finish().err(),
        Some(EditError::OutOfRange { at: 9 })
    );
    let far = slots("goto +1; r0 = 0; exit");
    let filler = vec![Slot::new(0xb7, 0, 0, 0, 0); 40_000];
    assert_eq!(
        Edit::new(&far).insert(1, &filler).finish().err(),
        Some(EditError::TooFar {
            at: 0,
            distance: 40_001
        })
    );
}

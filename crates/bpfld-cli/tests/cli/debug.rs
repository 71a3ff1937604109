//! `bpfld debug`: what it shows, by commands from standard input.

use std::io::Write;
use std::process::Stdio;

use crate::{command, fixture};

/// The output for these commands, and the exit status.
fn debug(program: &str, commands: &str) -> (String, i32) {
    let [object, function] = program.split(' ').collect::<Vec<_>>()[..] else {
        panic!("an object and a function: {program}")
    };
    let mut child = command()
        .args(["debug", &fixture(object), function])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(commands.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8(text).unwrap(), output.status.code().unwrap())
}

#[track_caller]
fn check(program: &str, commands: &str, parts: &[&str]) {
    let (text, status) = debug(program, commands);
    assert_eq!(status, 0, "{text}");
    let mut rest = &*text;
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => panic!("{part:?} is not in its place in\n{text}"),
        }
    }
}

#[test]
fn without_commands_the_program_runs_to_its_end() {
    check(
        "network xdp_drop",
        "",
        &["network.bpf.c:", "=>    0: ", "return value  1"],
    );
}

#[test]
fn breakpoints_steps_and_what_is_there_at_each() {
    check(
        "network xdp_drop",
        "# first a map\nb 99999\nb xdp_drop\np\nunbreak 1\nunbreak 7\nm\nstep\n\nr\nk\nd\nt\nout\n",
        &[
            "breakpoint 1",
            "breakpoint 2",
            "breakpoint 1: slot 99999",
            "breakpoint 2: xdp_drop",
            "there is none of number 7",
            "hits: array, 8 entries",
            "=>    1: ",
            "=>    2: ",
            "r0  ",
            "r10-",
            "=>    2: ",
            "xdp_drop, slot 2 (",
            "return value  1",
        ],
    );
}

#[test]
fn lines_functions_and_maps() {
    // the line that counts, in a function that is inlined
    check(
        "network xdp_drop",
        "b :14\nc\nn\nm hits\nc\n",
        &[
            "at breakpoint 1",
            "network.bpf.c:14",
            "=>",
            "hits: array, 8 entries",
            "return value  1",
        ],
    );
    check(
        "subprograms calls_static",
        "b add\nc\nt\no\nt\nc\n",
        &[
            "at breakpoint 1",
            "called from calls_static",
            "calls_static, slot",
            "return value  2",
        ],
    );
}

#[test]
fn watchpoints_tell_what_changed() {
    check(
        "network xdp_drop",
        "w r0\nc\nx 0x30000000000 4\nx 0 4\nunwatch 1\nw 0x80000000000 8\nc\n",
        &[
            "watchpoint 1",
            "watchpoint 1 changed from 0x0 to 0x",
            "no field that may be accessed so",
            "null pointer",
            "watchpoint 2",
            "return value  1",
        ],
    );
}

#[test]
fn nonsense_is_said_to_be_so_and_the_run_can_be_given_up() {
    let (text, status) = debug("network xdp_drop", "fly\nhelp\nq\n");
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("what is 'fly'?"), "{text}");
    assert!(text.contains("an empty line repeats"), "{text}");
    assert!(!text.contains("return value"), "{text}");
    let (text, status) = debug("network nothing", "");
    assert_eq!(status, 2, "{text}");
}

/// What is in a ring buffer is shown, and left there.
#[test]
fn records_are_shown_as_they_come() {
    // it begins with its kind, in the byte order of this machine
    let after = format!(
        "events: ringbuf, 65536 bytes\n    record of 32 bytes: {:08x}",
        1u32.to_be()
    );
    check(
        "ringbuf emit",
        "map events\nbreak :35\ncontinue\nmap events\nmap events\ncontinue\n",
        &[
            "events: ringbuf",
            "at breakpoint 1",
            &after,
            &after,
            "return value",
        ],
    );
}

//! Programs run on made-up packets.

use bpfld::{Errno, ProgramType};
use bpfld_tests::{Need, require};

use crate::counter::{Counter, call, mov, mov_reg, since};

const PASS: i32 = 2;

#[test]
fn prg_08_test_runs_of_xdp() {
    require!(Need::Root);
    let counter = Counter::new(ProgramType::XDP, None, PASS);
    let run = |bytes: &[u8]| counter.program.test_run().data(bytes).run();
    let outcome = run(&[0; 64]).unwrap();
    assert_eq!((outcome.return_value, outcome.data.len()), (2, 64));
    // Programs that cut ten bytes off at the end, and put ten more there: bpf_xdp_adjust_tail.
    for (change, expected) in [(-10, vec![7; 54]), (10, [vec![7; 64], vec![0; 10]].concat())] {
        let more = [mov_reg(1, 6), mov(2, change), call(65)];
        let other = Counter::with(ProgramType::XDP, None, PASS, &more);
        let outcome = other.program.test_run().data(&[7; 64]).run().unwrap();
        assert_eq!((outcome.return_value, outcome.data), (2, expected));
    }
    // What is refused is told with its number: shorter than any Ethernet header (5.10 does not look), longer than a page has room for
    // (since 5.18 it goes on in further pages), longer than any packet can be.
    let refused = |size: usize, errors: &[Errno]| {
        let error = run(&vec![0; size]).unwrap_err();
        assert!(
            error.errno().is_some_and(|errno| errors.contains(&errno)),
            "{error}"
        );
        let told = error.to_string();
        assert!(told.contains(&format!("run with {size} bytes of data")), "{told}");
    };
    if since(5, 18) {
        refused(13, &[Errno::EINVAL]);
        assert_eq!(run(&[7; 3841]).unwrap().data, [7; 3841]);
    } else {
        refused(3841, &[Errno::EMSGSIZE]);
    }
    refused(100_000, &[Errno::EINVAL, Errno::EMSGSIZE, Errno::ENOMEM]);
}

//! `bpfld completions`: scripts for shells.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::{bpfld, ok};

/// As `bpfld --help` lists them.
fn subcommands() -> Vec<String> {
    let help = bpfld(["--help"]).stdout;
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let lines = commands.lines().take_while(|line| !line.is_empty());
    lines
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .collect()
}

#[test]
fn every_shell_knows_the_subcommands() {
    let subcommands = subcommands();
    assert!(subcommands.len() > 10, "{subcommands:?}");
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = ok(&["completions", shell]);
        let words: Vec<&str> = script.split(|c: char| !c.is_alphanumeric()).collect();
        for name in &subcommands {
            assert!(words.contains(&&**name), "{shell}: {name}");
        }
        assert!(script.contains("output"), "{shell}");
    }
    assert_eq!(bpfld(["completions", "dos"]).status, 2);
}

/// The script as bash takes it, and what it offers for `bpfld ver`.
#[test]
fn bash_completes_with_it() {
    let bash = Command::new("bash")
        .arg("--norc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut bash) = bash else {
        return bpfld_tests::skip("completions::bash_completes_with_it", "there is no bash");
    };
    let script = ok(&["completions", "bash"]);
    let ask = "COMP_WORDS=(bpfld ver) COMP_CWORD=1\n_bpfld bpfld ver bpfld\necho \"${COMPREPLY[@]}\"\n";
    let mut stdin = bash.stdin.take().unwrap();
    stdin.write_all([&*script, ask].concat().as_bytes()).unwrap();
    drop(stdin);
    let output = bash.wait_with_output().unwrap();
    let offered = String::from_utf8(output.stdout).unwrap();
    let complaints = String::from_utf8(output.stderr).unwrap();
    assert_eq!((&*offered, &*complaints), ("verify\n", ""));
}

//! C declarations: the BTF that clang makes of a header of ours declares the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use bpfld_object::BtfFile;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The clang to compile with
    #[arg(long, default_value = "clang")]
    clang: PathBuf,
    /// Files with types
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let scratch = std::env::temp_dir().join(format!("bpfld-oracle-{}", std::process::id()));
    fs::create_dir_all(&scratch)?;
    let mut all_agree = true;
    for path in &args.files {
        let result = compare(args, path, &scratch).with_context(|| path.display().to_string());
        let (definitions, differences) = match result {
            Ok(result) => result,
            Err(error) => {
                fs::remove_dir_all(&scratch)?;
                return Err(error);
            }
        };
        println!(
            "{}: clang takes {definitions} definitions, {} read otherwise",
            path.display(),
            differences.len()
        );
        all_agree &= differences.is_empty();
        for difference in differences.iter().take(20) {
            println!("{difference}");
        }
    }
    fs::remove_dir_all(&scratch)?;
    Ok(all_agree)
}

/// How many definitions there are, and those that clang's BTF does not have.
fn compare(args: &Args, path: &Path, scratch: &Path) -> Result<(usize, Vec<String>)> {
    let header = header(path)?;
    let ours = definitions(&header);
    // Pointers, so that every type is used and none takes room.
    let mut source = header.clone();
    for (number, definition) in header.split("\n\n").filter_map(declared).enumerate() {
        writeln!(source, "{definition} *__use_{number};")?;
    }
    let (file, object) = (scratch.join("types.c"), scratch.join("types.o"));
    fs::write(&file, source)?;
    let mut clang = Command::new(&args.clang);
    clang
        .args(["-target", "bpf", "-g", "-c", "-Wno-everything", "-o"])
        .arg(&object)
        .arg(&file);
    let output = clang.output().with_context(|| args.clang.display().to_string())?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "clang refuses: {complaint}");
    let mut theirs = definitions(&self::header(&object)?);
    let mut differences = Vec::new();
    for (definition, count) in &ours {
        let found = theirs.remove(definition).unwrap_or(0);
        if found < *count && !KNOWN.iter().any(|(part, _)| definition.contains(part)) {
            differences.push(format!("{count} of ours, {found} of clang's: {definition}"));
        }
    }
    Ok((ours.values().sum(), differences))
}

fn header(path: &Path) -> Result<String> {
    let mut text = String::new();
    BtfFile::open(path)?.parse(None)?.write_vmlinux_h(&mut text)?;
    Ok(text)
}

/// What a definition declares, as it is written to use it.
fn declared(definition: &str) -> Option<String> {
    let definition = definition.trim();
    let first = definition.lines().next()?;
    if let Some(typedef) = definition.strip_prefix("typedef ") {
        return typedef_name(typedef).map(str::to_owned);
    }
    let (head, rest) = first.split_once(" {").or_else(|| first.split_once(';'))?;
    let is_tag = ["struct ", "union ", "enum "]
        .iter()
        .any(|keyword| head.starts_with(keyword));
    (is_tag && (rest.is_empty() || rest == "}"))
        .then(|| head.to_owned())
        .filter(|_| first.ends_with('{') || first.contains("{}"))
}

/// The name in `int (*name)(void);`, `int name[4];`, `struct {…} name;`.
fn typedef_name(typedef: &str) -> Option<&str> {
    let declarator = match typedef.rfind('}') {
        Some(at) => &typedef[at..],
        None => typedef,
    };
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    // not a pointer to a function among the parameters
    if let Some(pointer) = declarator
        .split_once('(')
        .and_then(|(_, rest)| rest.strip_prefix('*'))
    {
        return pointer
            .split(|c| !is_word(c))
            .find(|word| !word.is_empty() && *word != "const" && *word != "volatile");
    }
    let end = declarator.find(['(', '[', ';'])?;
    let declarator = if typedef.contains('}') {
        declarator.rsplit_once(')').map_or(declarator, |(_, rest)| rest)
    } else {
        declarator.get(..end)?
    };
    declarator
        .split(|c| !is_word(c))
        .filter(|word| !word.is_empty())
        .last()
}

/// The definitions of a header, with what does not matter taken out: how numbers are spelled, and the suffixes of names
/// that several have. Enumerations without a name are left out: nothing can refer to them.
fn definitions(header: &str) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    let end = header.find("#ifndef BPF_NO_KFUNC").unwrap_or(header.len());
    for definition in header.get(..end).unwrap_or(header).split("\n\n") {
        let definition = definition.trim();
        // clang writes what is empty as declared only
        let is_empty = definition.ends_with("{};") && !definition.starts_with("typedef ");
        let is_whole = definition.starts_with("typedef ") || definition.contains('{') && !is_empty;
        if is_whole && !definition.contains('#') && !definition.starts_with("enum {") {
            *all.entry(normal(definition)).or_insert(0) += 1;
        }
    }
    all
}

fn normal(definition: &str) -> String {
    let mut words: Vec<String> = vec![String::new()];
    for c in definition.chars() {
        let last = words.last().and_then(|word| word.chars().last());
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        match words.last_mut() {
            Some(word) if last.is_none_or(|last| is_word(last) && is_word(c)) => word.push(c),
            _ => words.push(c.to_string()),
        }
    }
    let plain = words.iter().map(|word| match word.rsplit_once("___") {
        Some((name, suffix)) if !suffix.is_empty() && suffix.bytes().all(|byte| byte.is_ascii_digit()) => {
            name
        }
        _ => word,
    });
    let mut text: String = plain.collect();
    for (ours, theirs) in SPELLINGS {
        for end in [" ", ";", ")", ",", ":"] {
            text = text.replace(&format!("{ours}{end}"), &format!("{theirs}{end}"));
        }
    }
    text
}

/// Parts of definitions that clang's BTF does not give back, and why.
const KNOWN: [(&str, &str); 2] = [
    (
        "__attribute__((mode(DI)))",
        "before there was ENUM64, numbers of 64 bits were cut",
    ),
    (
        "const struct {",
        "clang forgets the qualifier of a member without a name",
    ),
];

/// How pahole and clang spell the same number.
const SPELLINGS: [(&str, &str); 7] = [
    ("__int128 unsigned", "unsigned __int128"),
    ("long long unsigned int", "unsigned long long"),
    ("long unsigned int", "unsigned long"),
    ("short unsigned int", "unsigned short"),
    ("long long int", "long long"),
    ("long int", "long"),
    ("short int", "short"),
];

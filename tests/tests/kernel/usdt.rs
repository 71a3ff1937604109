//! Static probes of this very program: found by section name, their arguments as the program gets them.
#![cfg(target_arch = "x86_64")]
#![expect(unsafe_code, reason = "a static probe is made of assembly")]

use std::{arch::asm, fs, ops::Range, os::unix::fs::MetadataExt as _, sync::Mutex};

use bpfld::{AttachType, Error, Loaded, Loader, Measure, Object, ProgramType, Usdt, UsdtOptions};
use bpfld_features::{Feature, Probes};
use bpfld_object::Executable;
use bpfld_tests::{Need, fixture, require};

use crate::counter::{Counter, since};

/// Counts who listens to the probe with arguments.
#[unsafe(link_section = ".probes")]
#[used]
static SEMAPHORE: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);

/// As the macros of systemtap's header leave them behind: a `nop`, and a note with its address.
macro_rules! probe {
    ($name:literal, $arguments:literal, $semaphore:literal $(, $($operand:tt)*)?) => {
        // SAFETY: a `nop` does nothing; the note is not loaded.
        unsafe {
            asm!(
                "990: nop",
                ".pushsection .note.stapsdt, \"\", \"note\"",
                ".balign 4",
                ".4byte 992f - 991f, 994f - 993f, 3",
                "991: .asciz \"stapsdt\"",
                "992: .balign 4",
                concat!("993: .8byte 990b, 0, ", $semaphore),
                ".asciz \"bpfld\"",
                concat!(".asciz \"", $name, "\""),
                concat!(".asciz \"", $arguments, "\""),
                "994: .balign 4",
                ".popsection",
                $($($operand)*)?
            )
        }
    };
}

#[inline(never)]
fn with_arguments(array: &[i16; 4], byte: u8) {
    // Dollar signs in octal, since they have a meaning of their own on the way to the assembler.
    probe!(
        "arguments",
        "-4@%edi 8@%rsi 1@%al 8@\\04471 -4@\\044-9 -2@6(%rdx) 2@(%rdx) -2@(%rdx,%rcx,2) 1@%ah -8@%r15 -1@%r10b 4@-4(%rdx,%rcx,4)",
        "{semaphore}",
        in("rdi") -5i64 & 0xffff_ffff,
        in("rsi") u64::MAX - 1,
        in("rax") 0x1234_0000_0000_ab00u64 | u64::from(byte),
        in("rdx") array.as_ptr(),
        in("rcx") 1u64,
        in("r15") -7i64,
        in("r10") 0x1fe_u64,
        semaphore = sym SEMAPHORE,
    );
}

#[inline(never)]
fn plain() {
    probe!("plain", "", "0");
}

/// The same probe in two places, with two ways to get the argument, one of them twice.
#[inline(never)]
fn several(way: u8, value: u64) {
    match way {
        0 => probe!("several", "8@%rsi", "0", in("rsi") value),
        1 => probe!("several", "8@%rsi", "0", in("rsi") value),
        _ => probe!("several", "8@%rdi", "0", in("rdi") value),
    }
}

#[inline(never)]
fn floating() {
    probe!("floating", "8f@%xmm0", "0");
}

/// What the program of the fixture writes down: arguments, their number, cookie, runs.
type Call = ([i64; 12], i64, u64, u64);

/// One test at a time: they share probes and semaphore.
static ALONE: Mutex<()> = Mutex::new(());

fn load(name: &str, attach_type: Option<AttachType>) -> Loaded {
    let object = Object::open(fixture(name)).unwrap();
    let mut loader = Loader::new();
    loader.autoload("sleepable", since(6, 0));
    if let Some(attach_type) = attach_type {
        for program in ["arguments", "sleepable", "several"] {
            loader.program(program).attach_type(attach_type);
        }
    }
    loader.load(&object).unwrap_or_else(|error| panic!("{error:#}"))
}

fn calls(loaded: &Loaded) -> [Call; 4] {
    let words = loaded.global::<[i64; 60]>("calls").unwrap().get().unwrap();
    let call = |words: &[i64]| {
        let arguments = words[..12].try_into().unwrap();
        (arguments, words[12], words[13] as u64, words[14] as u64)
    };
    std::array::from_fn(|number| call(&words[15 * number..][..15]))
}

fn semaphore() -> u16 {
    SEMAPHORE.load(std::sync::atomic::Ordering::SeqCst)
}

/// How often this program's file is mapped, as code may be, where it has a probe. The kernel puts its breakpoint into each such
/// mapping, and raises the semaphore for each: mostly one, more where a page belongs to two parts of the file, or where somebody
/// has mapped the whole file to look into it.
fn mappings_of(name: &str) -> u16 {
    let file = fs::read("/proc/self/exe").unwrap();
    let probes = Executable::parse(&file).unwrap().usdt_probes().unwrap();
    let places = probes
        .iter()
        .filter(|probe| probe.name == name)
        .map(|probe| probe.file_offset);
    let inode = fs::metadata("/proc/self/exe").unwrap().ino().to_string();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let ranges: Vec<Range<u64>> = maps
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [addresses, rights, offset, _, of, ..] = *fields else {
                return None;
            };
            let number = |text| u64::from_str_radix(text, 16).unwrap();
            let (start, end) = addresses.split_once('-').unwrap();
            let (is_private, is_writable) = (rights.ends_with('p'), rights.contains('w'));
            let offset = number(offset);
            (of == inode && is_private && !is_writable).then(|| offset..offset + number(end) - number(start))
        })
        .collect();
    let count = |place| ranges.iter().filter(|range| range.contains(&place)).count() as u16;
    places.map(count).sum()
}

/// With a link for all places (where the kernel has that) and with one for each.
fn ways() -> Vec<Option<AttachType>> {
    if since(6, 6) {
        vec![None, Some(AttachType(0))]
    } else {
        vec![None]
    }
}

#[test]
fn arguments_of_static_probes() {
    require!(
        Need::Root,
        Need::Config("CONFIG_UPROBE_EVENTS"),
        Need::Linux(5, 15)
    );
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for attach_type in ways() {
        let loaded = load("usdt", attach_type);
        let program = loaded.program("arguments").unwrap();
        assert!(program.attaches_itself());
        let link = program.attach().unwrap_or_else(|error| panic!("{error:#}"));
        assert!(link.is_kernel_link());
        assert_eq!(link.to_string(), "static probe bpfld:arguments of /proc/self/exe");
        assert_eq!(semaphore(), mappings_of("arguments"));
        with_arguments(&[1, -2, 3, -4], 0xfe);
        let (arguments, count, cookie, hits) = calls(&loaded)[0];
        assert_eq!((count, cookie, hits), (12, 0, 1));
        let last = i64::from(u32::from_ne_bytes({
            let [a, b] = 1i16.to_ne_bytes();
            let [c, d] = (-2i16).to_ne_bytes();
            [a, b, c, d]
        }));
        assert_eq!(
            arguments,
            [
                -5,
                (u64::MAX - 1) as i64,
                0xfe,
                71,
                -9,
                -4,
                1,
                -2,
                0xab,
                -7,
                -2,
                last
            ]
        );
        drop(link);
        assert_eq!(semaphore(), 0);
        with_arguments(&[0; 4], 0);
        assert_eq!(calls(&loaded)[0].3, 1);
    }
}

/// Where the kernel has no link for many places, each is one by itself, and so is it told.
#[test]
fn each_place_by_itself_is_told() {
    require!(
        Need::Root,
        Need::Config("CONFIG_UPROBE_EVENTS"),
        Need::Linux(5, 15)
    );
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let object = Object::open(fixture("usdt")).unwrap();
    let load = |probes| {
        let mut loader = Loader::new();
        loader.probes(probes).only(["several"]);
        loader.load(&object).unwrap_or_else(|error| panic!("{error:#}"))
    };
    let single = |loaded: &Loaded| {
        let taken = loaded.adaptations().iter().map(|a| a.measure);
        taken.filter(|measure| *measure == Measure::SingleUprobes).count()
    };
    let has_one_link = Probes::live().has(Feature::UprobeMulti);
    assert_eq!(single(&load(Probes::live())), usize::from(!has_one_link));
    let loaded = load(Probes::without(&[Feature::UprobeMulti]));
    assert_eq!(single(&loaded), 1);
    let program = loaded.program("several").unwrap();
    assert_eq!(program.attach_type(), Some(AttachType(0)));
    let link = program.attach().unwrap_or_else(|error| panic!("{error:#}"));
    several(0, 11);
    several(2, 12);
    assert_eq!(calls(&loaded)[2].3, 2);
    link.detach().unwrap();
}

#[test]
fn static_probes_in_several_places() {
    require!(
        Need::Root,
        Need::Config("CONFIG_UPROBE_EVENTS"),
        Need::Linux(5, 15)
    );
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for attach_type in ways() {
        for narrow in ["usdt", "usdt_narrow"] {
            let loaded = load(narrow, attach_type);
            let several_times: Usdt = loaded.program("several").unwrap().try_into().unwrap();
            let options = UsdtOptions::new().cookie(0xdead_beef_cafe_f00d);
            // The table has room for four records: each attachment takes two and gives them back.
            for round in 1..=4 {
                let link = several_times
                    .attach_with("/proc/self/exe", "bpfld", "several", options)
                    .unwrap_or_else(|error| panic!("{error:#}"));
                assert_eq!(link.is_kernel_link(), attach_type.is_none() && since(6, 6));
                // Each of the three places has the semaphore for its counter.
                if link.is_kernel_link() && since(6, 8) {
                    let info = link.info().unwrap();
                    let counters = info.ref_counters();
                    assert_eq!(counters.len(), info.addresses().len());
                    assert!(counters.iter().all(|counter| *counter == counters[0]), "{info:?}");
                }
                for way in 0..3u8 {
                    several(way, 40 + u64::from(way));
                    let (arguments, count, cookie, hits) = calls(&loaded)[2];
                    assert_eq!(
                        (arguments[0], count, cookie, hits),
                        (
                            40 + i64::from(way),
                            1,
                            0xdead_beef_cafe_f00d,
                            (round - 1) * 3 + u64::from(way) + 1
                        )
                    );
                }
                link.detach().unwrap();
                several(0, 0);
                assert_eq!(calls(&loaded)[2].3, round * 3);
            }
            // Full is full, and says what would help; what was tried is undone.
            let links: Vec<_> = (0..2)
                .map(|_| loaded.program("several").unwrap().attach().unwrap())
                .collect();
            let error = several_times
                .attach("/proc/self/exe", "bpfld", "plain")
                .unwrap_err();
            assert!(error.to_string().contains("all 4 records are in use"), "{error}");
            drop(links);
            let link = several_times.attach("/proc/self/exe", "bpfld", "plain").unwrap();
            plain();
            assert_eq!(calls(&loaded)[2], ([0; 12], 0, 0, 13));
            drop(link);
        }
    }
}

#[test]
fn static_probes_of_one_process() {
    // Before 5.15 this is the only way: programs then know a probe by its address.
    require!(
        Need::Root,
        Need::Config("CONFIG_UPROBE_EVENTS"),
        Need::Linux(5, 5)
    );
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for attach_type in ways() {
        let loaded = load("usdt", attach_type);
        let program: Usdt = loaded.program("several").unwrap().try_into().unwrap();
        let attach = |process, name| {
            let options = UsdtOptions::new().process(process);
            program.attach_with("/proc/self/exe", "bpfld", name, options)
        };
        let runs = || calls(&loaded)[2].3;
        let link = attach(std::process::id(), "several").unwrap_or_else(|error| panic!("{error:#}"));
        for way in 0..3u8 {
            several(way, 70 + u64::from(way));
            assert_eq!(calls(&loaded)[2].0[0], 70 + i64::from(way));
        }
        drop(link);
        several(0, 0);
        assert_eq!(runs(), 3);
        if since(5, 15) {
            let link = attach(1, "several").unwrap();
            several(0, 0);
            drop(link);
        } else {
            attach(1, "several").unwrap_err();
            program.attach("/proc/self/exe", "bpfld", "several").unwrap_err();
        }
        assert_eq!(runs(), 3);
    }
}

#[test]
fn sleepable_programs_at_static_probes() {
    require!(
        Need::Root,
        Need::Config("CONFIG_UPROBE_EVENTS"),
        Need::Linux(6, 0)
    );
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for attach_type in ways() {
        let loaded = load("usdt", attach_type);
        let link = loaded.program("sleepable").unwrap().attach().unwrap();
        plain();
        drop(link);
        plain();
        assert_eq!(calls(&loaded)[1], ([0; 12], 0, 0, 1));
    }
}

#[test]
fn static_probes_without_a_table() {
    require!(
        Need::Root,
        Need::Config("CONFIG_UPROBE_EVENTS"),
        Need::Linux(5, 15)
    );
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let counter = Counter::new(ProgramType::KPROBE, None, 0);
    let program: Usdt = (&counter.program).try_into().unwrap();
    let link = program.attach("/proc/self/exe", "bpfld", "floating").unwrap();
    assert_eq!(counter.runs_in(floating), 1);
    drop(link);
    assert_eq!(counter.runs_in(floating), 0);
}

#[test]
fn static_probes_that_cannot_be_had() {
    require!(
        Need::Root,
        Need::Config("CONFIG_UPROBE_EVENTS"),
        Need::Linux(5, 15)
    );
    let loaded = load("usdt", None);
    let program: Usdt = loaded.program("several").unwrap().try_into().unwrap();
    let fails = |binary: &str, name| -> Error { program.attach(binary, "bpfld", name).unwrap_err() };
    let error = fails("/proc/self/exe", "nosuch");
    assert!(
        error
            .to_string()
            .contains("there is no static probe bpfld:nosuch in"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("others"));
    let error = fails("/proc/self/exe", "floating").to_string();
    assert!(
        error.contains("argument 0, '8f@%xmm0', is a floating-point number"),
        "{error}"
    );
    let error = fails("/dev/null", "several").to_string();
    assert!(error.contains("not an ELF file"), "{error}");
    fails("/no/such/file", "several");
    // Two attachments fit only if those that failed took nothing.
    let links = [loaded.program("several"), loaded.program("several")];
    for link in links.map(|program| program.unwrap().attach().unwrap()) {
        link.detach().unwrap();
    }
}

//! What the loader does for kernels that lack something, played on this one, and how it tells.

use bpfld::features::{Capabilities, Capability, Feature, Probes, Release};
use bpfld::{Error, Link, Loaded, Loader, Measure, Object, ProgramType, Subject, Tracepoint};
use bpfld_btf::BtfFeature;
use bpfld_insn::Helper;
use bpfld_tests::{Need, fixture, require, sandbox};

use crate::counter::Counter;

fn object(name: &str) -> Object {
    Object::open(fixture(name)).unwrap()
}

fn load(name: &str, probes: Probes) -> Result<Loaded, Error> {
    Loader::new().probes(probes).load(&object(name))
}

/// The measures for one subject; for the object's type information with an empty name.
fn measures(loaded: &Loaded, name: &str) -> Vec<Measure> {
    let is_wanted = |subject: &Subject| match subject {
        Subject::Map(found) | Subject::Program(found) => found == name,
        _ => name.is_empty(),
    };
    let wanted = loaded.adaptations().iter().filter(|a| is_wanted(&a.subject));
    wanted.map(|a| a.measure).collect()
}

/// The measures taken for a link.
pub(crate) fn of_link(link: &Link) -> Vec<Measure> {
    link.adaptations().iter().map(|a| a.measure).collect()
}

/// The measures for an attachment to a perf event, with others that were taken.
pub(crate) fn at_perf_event(others: &[Measure]) -> Vec<Measure> {
    let by_ioctl = !Probes::live().has(Feature::PerfLink);
    let first = by_ioctl.then_some(Measure::PerfEventByIoctl);
    first.into_iter().chain(others.iter().copied()).collect()
}

fn run(loaded: &Loaded, program: &str) -> u32 {
    let program = loaded.program(program).unwrap();
    program.test_run().data(&[0; 64]).run().unwrap().return_value
}

/// Whether this kernel still has the helper of old ones. Where an address may mean two places, one of users and one of the kernel,
/// it went when there was one for each (5.5): on s390x.
fn has_probe_read() -> bool {
    Probes::live().has(Feature::Helper(ProgramType::TRACEPOINT, Helper::PROBE_READ))
}

#[test]
fn nothing_is_done_where_nothing_is_missing() {
    require!(
        Need::Root,
        Feature::ArgCtx,
        Feature::BtfEnum64,
        Feature::ArrayMmap
    );
    let loaded = load("old_kernels", Probes::live()).unwrap();
    assert_eq!(loaded.adaptations(), []);
    assert_eq!(run(&loaded, "pass"), 2);
}

#[test]
fn each_missing_feature_has_its_measure() {
    require!(
        Need::Root,
        Feature::ArgCtx,
        Feature::BtfEnum64,
        Feature::ArrayMmap
    );
    #[track_caller]
    fn check(missing: Feature, name: &str, expected: Measure) {
        let loaded = load("old_kernels", Probes::without(&[missing])).unwrap();
        assert_eq!(measures(&loaded, name), [expected], "{:?}", loaded.adaptations());
        assert_eq!(expected.missing(), Some(missing));
        assert_eq!(run(&loaded, "pass"), 2);
    }
    check(Feature::Names, "samples", Measure::NameOmitted);
    check(Feature::Names, "pass", Measure::NameOmitted);
    check(Feature::ArrayMmap, ".bss", Measure::NotMapped);
    check(Feature::ArgCtx, "pass", Measure::ContextByType);
    check(Feature::ExpectedAttachType, "pass", Measure::AttachTypeOmitted);
    if has_probe_read() {
        check(Feature::ProbeReadKernel, "enter", Measure::ProbeRead);
    }
    check(Feature::BtfFloat, "", Measure::TypesRewritten(BtfFeature::Float));
    check(
        Feature::BtfEnum64,
        "",
        Measure::TypesRewritten(BtfFeature::Enum64),
    );
    check(
        Feature::BtfTypeTag,
        "",
        Measure::TypesRewritten(BtfFeature::TypeTag),
    );
    check(
        Feature::BtfDatasec,
        "",
        Measure::TypesRewritten(BtfFeature::Datasec),
    );
    // Only who may raise the limit does.
    if Capabilities::effective().is_some_and(|own| own.has(Capability::SYS_RESOURCE)) {
        check(Feature::MemcgAccounting, "", Measure::MemlockRaised);
    }
}

/// What the kernel was given shows: names and flags that were left out are not there.
#[test]
fn the_kernel_gets_what_it_knows() {
    require!(Need::Root, Feature::ArrayMmap);
    let loaded = load(
        "old_kernels",
        Probes::without(&[Feature::Names, Feature::ArrayMmap]),
    )
    .unwrap();
    assert_eq!(loaded.map("samples").unwrap().info().unwrap().name(), "");
    assert_eq!(loaded.program("pass").unwrap().info().unwrap().name(), "");
    let flags = loaded.map(".bss").unwrap().info().unwrap().flags();
    assert!(!flags.contains(bpfld::MapFlags::MMAPABLE), "{flags}");
    // without BTF none of it has types
    let loaded = load("network", Probes::without(&[Feature::Btf])).unwrap();
    let mut taken = measures(&loaded, "");
    // before 5.11, where another test has not done so already
    taken.retain(|measure| *measure != Measure::MemlockRaised);
    assert_eq!(taken, [Measure::TypesOmitted]);
    assert!(loaded.maps().all(|map| map.info().unwrap().btf_id().is_none()));
}

#[test]
fn all_together_on_a_very_old_kernel() {
    require!(Need::Root);
    // 4.14 has no global variables: whoever uses them is rejected by name, and the map is told.
    let object = object("old_kernels");
    let mut loader = Loader::new();
    loader.probes(Probes::as_of(Release::new(4, 14)));
    let partial = loader.load_partial(&object).unwrap();
    assert_eq!(measures(&partial.loaded, ".bss"), [Measure::GlobalDataOmitted]);
    let mut told = measures(&partial.loaded, "enter");
    told.sort_by_key(|measure| measure.words());
    let failed: Vec<&str> = partial.failed.iter().map(|(name, _)| name.as_str()).collect();
    if has_probe_read() {
        let all = [Measure::RecordsOmitted, Measure::NameOmitted, Measure::ProbeRead];
        assert_eq!((&*told, &*failed), (&all[..], &["pass"][..]));
    } else {
        assert_eq!((&*told, &*failed), (&[][..], &["pass", "enter"][..]));
    }
    // Every line names the feature and its release.
    for adaptation in partial.loaded.adaptations() {
        let text = adaptation.to_string();
        assert!(
            adaptation.measure.missing().is_none() || text.contains("since Linux"),
            "{text}"
        );
    }
    // and the limit is left alone on demand
    loader.keep_memlock();
    let partial = loader.load_partial(&object).unwrap();
    let raised = |a: &bpfld::Adaptation| a.measure == Measure::MemlockRaised;
    assert!(!partial.loaded.adaptations().iter().any(raised));
}

/// Directories made for pins go with the pins if the load fails.
#[test]
fn a_failed_load_leaves_no_directories() {
    require!(Need::Root, Feature::GlobalData);
    sandbox(|room| {
        let object = object("rejected");
        let Some(map) = object
            .maps()
            .iter()
            .find(|map| !map.is_global_data())
            .map(|map| map.name.to_string())
        else {
            panic!("the fixture has no map of its own")
        };
        let root = room.bpffs().join("made");
        let mut loader = Loader::new();
        loader.map(map.as_str()).pin(root.join("for/this/map"));
        loader.load(&object).unwrap_err();
        assert!(!root.exists());
    });
}

/// The records of real kernels, played on this one.
#[test]
fn recorded_kernels() {
    require!(
        Need::Root,
        Feature::ArgCtx,
        Feature::BtfEnum64,
        Feature::ArrayMmap
    );
    #[track_caller]
    fn check(line: &str, expected: &[(&str, Measure)]) {
        let record = bpfld_tests::record(line);
        let mut loader = Loader::new();
        loader.probes(record.probes()).keep_memlock();
        let loaded = loader.load(&object("old_kernels")).unwrap();
        let told: Vec<_> = loaded
            .adaptations()
            .iter()
            .map(|a| (a.subject.clone(), a.measure))
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, measure)| match *name {
                "" => (Subject::ObjectBtf, *measure),
                name => (Subject::Program(name.to_owned()), *measure),
            })
            .collect();
        assert_eq!(told, expected, "{line}");
        assert_eq!(run(&loaded, "pass"), 2);
    }
    let types = Measure::TypesRewritten;
    check(
        "5.10",
        &[
            ("", types(BtfFeature::Float)),
            ("", types(BtfFeature::DeclTag)),
            ("", types(BtfFeature::TypeTag)),
            ("", types(BtfFeature::Enum64)),
            ("pass", Measure::ContextByType),
        ],
    );
    check("6.1", &[("pass", Measure::ContextByType)]);
    check("6.18", &[]);
}

/// Before 5.15 a perf event has no link, and the program is put on it by ioctl.
#[test]
fn perf_events_without_links() {
    require!(Need::Root, Feature::Names);
    sandbox(|_room| {
        bpfld_tests::mount_tracefs();
        let counter = Counter::new(ProgramType::TRACEPOINT, None, 0);
        let program: Tracepoint = (&counter.program).try_into().unwrap();
        let link = program.attach("syscalls", "sys_enter_getppid").unwrap();
        assert_eq!(of_link(&link), at_perf_event(&[]));
        assert_eq!(link.is_kernel_link(), Probes::live().has(Feature::PerfLink));
        let call = || {
            nix::unistd::getppid();
        };
        counter.sees(call);
        link.detach().unwrap();
    });
}

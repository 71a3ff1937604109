//! Which programs of an object are loaded: one instead of another, several times, by sections of one's own.

use bpfld::features::Feature;
use bpfld::{Array, ErrorKind, Loaded, Loader, Object, ProgramType, Subject};
use bpfld_tests::{Need, fixture, require};

fn object(name: &str) -> Object {
    Object::open(fixture(name)).unwrap()
}

fn names(loaded: &Loaded) -> Vec<&str> {
    loaded.programs().map(bpfld::Program::name).collect()
}

/// A loader for two XDP programs, of which the second cannot be loaded: as a syscall program it would have to be able to sleep.
fn loader_with_a_bad_second() -> Loader {
    let mut loader = Loader::new();
    loader.only(["first", "second"]);
    loader.program("second").program_type(ProgramType::SYSCALL);
    loader
}

#[test]
fn the_first_alternative_that_loads() {
    require!(Need::Root, Feature::ProgramType(ProgramType::SYSCALL));
    let object = object("programs");
    let mut loader = loader_with_a_bad_second();
    let loaded = loader.first_of(["second", "first"]).load(&object).unwrap();
    assert_eq!(names(&loaded), ["first"]);
    let [(name, error)] = loaded.passed_over() else {
        panic!("{:?}", loaded.passed_over());
    };
    assert_eq!(name, "second");
    assert!(matches!(error.kind(), ErrorKind::Rejected { .. }), "{error}");
    assert!(loaded.program("second").is_err());

    // the order is the caller's, not the object's
    let mut loader = Loader::new();
    loader.only(["first", "second"]).first_of(["second", "first"]);
    let loaded = loader.load(&object).unwrap();
    assert_eq!(names(&loaded), ["second"]);
    assert!(loaded.passed_over().is_empty());
}

#[test]
fn no_alternative_loads() {
    require!(Need::Root, Feature::ProgramType(ProgramType::SYSCALL));
    let object = object("programs");
    let mut loader = loader_with_a_bad_second();
    loader.only(["first", "second", "filter"]).first_of(["second"]);
    let error = loader.load(&object).unwrap_err();
    assert_eq!(error.subject(), &Subject::Program("second".into()), "{error}");
    let partial = loader.load_partial(&object).unwrap();
    assert_eq!(names(&partial.loaded), ["first", "filter"]);
    let failed: Vec<_> = partial.failed.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(failed, ["second"]);
}

#[test]
fn alternatives_fail_one_by_one() {
    require!(Need::Root, Feature::ProgramType(ProgramType::SYSCALL));
    let object = object("programs");
    // the first is not even made ready, the second is refused by the verifier
    let mut loader = loader_with_a_bad_second();
    loader
        .only(["first", "second", "unknown"])
        .first_of(["unknown", "second", "first"]);
    let loaded = loader.load(&object).unwrap();
    assert_eq!(names(&loaded), ["first"]);
    let passed: Vec<_> = loaded
        .passed_over()
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(passed, ["unknown", "second"]);

    // what comes after the one that is loaded is not tried
    let mut loader = loader_with_a_bad_second();
    loader
        .only(["first", "second", "unknown"])
        .first_of(["first", "unknown", "second"]);
    let loaded = loader.load(&object).unwrap();
    assert!(loaded.passed_over().is_empty(), "{:?}", loaded.passed_over());

    // the error is that of the last in the caller's order
    let mut loader = loader_with_a_bad_second();
    loader
        .only(["first", "second", "unknown"])
        .first_of(["second", "unknown"]);
    let error = loader.load(&object).unwrap_err();
    assert_eq!(error.subject(), &Subject::Program("unknown".into()), "{error}");
    let partial = loader.load_partial(&object).unwrap();
    let failed: Vec<_> = partial.failed.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(failed, ["second", "unknown"]);
    assert!(partial.loaded.passed_over().is_empty());
    let mut loader = loader_with_a_bad_second();
    loader.program("first").program_type(ProgramType::SYSCALL);
    let error = loader.first_of(["second", "first"]).load(&object).unwrap_err();
    assert!(
        error.hint().is_some_and(|hint| hint.contains("'second'")),
        "{error:#}"
    );
}

#[test]
fn alternatives_that_are_no_choice() {
    require!(Need::Root);
    let object = object("programs");
    let error = Loader::new()
        .first_of(["first", "frist"])
        .load(&object)
        .unwrap_err();
    assert_eq!(error.subject(), &Subject::Program("frist".into()));
    let error = Loader::new().first_of([""; 0]).load(&object).unwrap_err();
    assert_eq!(error.subject(), &Subject::Object, "{error}");
    let mut loader = Loader::new();
    loader.first_of(["first", "second"]).first_of(["second"]);
    let error = loader.load(&object).unwrap_err();
    assert_eq!(error.subject(), &Subject::Program("second".into()), "{error}");
}

#[test]
fn copies_share_maps_and_globals() {
    require!(Need::Root, Feature::GlobalData);
    let object = object("network");
    let mut loader = Loader::new();
    loader.copy("xdp_drop", "again");
    loader.only(["xdp_drop", "again"]);
    let loaded = loader.load(&object).unwrap();
    assert_eq!(names(&loaded), ["xdp_drop", "again"]);
    for name in ["xdp_drop", "again"] {
        let program = loaded.program(name).unwrap();
        assert_eq!(program.info().unwrap().name(), name);
        assert_eq!(program.test_run().data(&[0; 64]).run().unwrap().return_value, 1);
    }
    let hits: Array<u64> = loaded.map("hits").unwrap().try_into().unwrap();
    assert_eq!(hits.get(1).unwrap(), Some(2));
}

#[test]
fn copies_that_cannot_be() {
    require!(Need::Root);
    let object = object("programs");
    let mut loader = Loader::new();
    loader.copy("first", "second");
    let error = loader.load(&object).unwrap_err();
    assert_eq!(error.subject(), &Subject::Program("second".into()), "{error}");
    let mut loader = Loader::new();
    loader.copy("nothing", "something");
    let error = loader.load(&object).unwrap_err();
    assert_eq!(error.subject(), &Subject::Program("nothing".into()), "{error}");
}

#[test]
fn sections_of_ones_own() {
    require!(Need::Root, Feature::ProgramType(ProgramType::TRACEPOINT));
    let object = object("programs");
    let mut loader = Loader::new();
    loader.only(["unknown"]);
    loader.section("made").program_type(ProgramType::XDP);
    assert!(loader.load(&object).is_err(), "it is another section");
    loader.section("made_up").program_type(ProgramType::XDP);
    loader
        .section("made_up/by_us")
        .program_type(ProgramType::TRACEPOINT);
    let loaded = loader.load(&object).unwrap();
    let loaded_as = loaded.program("unknown").unwrap().program_type();
    assert_eq!(loaded_as, ProgramType::TRACEPOINT);
    loader.program("unknown").program_type(ProgramType::SOCKET_FILTER);
    let loaded = loader.load(&object).unwrap();
    assert_eq!(
        loaded.program("unknown").unwrap().program_type(),
        ProgramType::SOCKET_FILTER
    );
}

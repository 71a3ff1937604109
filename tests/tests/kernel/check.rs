//! What is said of this kernel from a record of it, against what it does.

use bpfld::features::{Config, Feature, Kfuncs, Probes, Record, Release};
use bpfld::{Failure, Fit, KernelBtf, Loader, Object, OtherKernel, ProgramType, Stage};
use bpfld_tests::{Need, all_fixtures, fixture, record, require};

/// This kernel, as a record and its types tell of it.
fn this_kernel() -> OtherKernel {
    let record = Record::of_running_kernel();
    let kernel = OtherKernel::new(record.probes())
        .release(record.release().unwrap())
        .btf(KernelBtf::shared().unwrap().vmlinux().clone());
    let kernel = match Kfuncs::of_running_kernel() {
        Ok(kfuncs) => kernel.kfuncs(kfuncs),
        Err(_) => kernel,
    };
    match Config::current() {
        Some(config) => kernel.config(config.clone()),
        None => kernel,
    }
}

#[test]
fn what_is_refused_does_not_load() {
    require!(Need::Root, Feature::Btf);
    let kernel = this_kernel();
    let (mut fits, mut refused, mut wrong) = (0, 0, Vec::new());
    for fixture in all_fixtures() {
        let Ok(object) = Object::open(&fixture.path) else {
            continue;
        };
        let loader = Loader::new();
        let (Ok(check), Ok(prepared)) = (loader.check(&object, &kernel), loader.prepare(&object)) else {
            continue; // for machines of the other byte order
        };
        for program in object.programs() {
            let checked = check.program(&program.name).unwrap();
            let outcome = prepared.load_alone(&program.name);
            match (&outcome, checked.fit()) {
                (Ok(_), Fit::Fits) => fits += 1,
                (Err(_), Fit::Refused) => refused += 1,
                // The verifier has the last word, and rights are another matter.
                (Err(error), Fit::Fits) if error.failure() != Failure::Unsupported => {}
                (_, Fit::Unknown) => {}
                (Ok(_), Fit::Refused) => wrong.push(format!("{}: {checked:?}, but it loads", object.name())),
                (Err(error), Fit::Fits) => wrong.push(format!("{}: {error}", object.name())),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(fits > 50, "{fits} fit and load");
    assert!(refused > 0, "{refused} are refused and do not load");
}

/// The loader does for a recorded kernel what it was said to do.
#[test]
fn measures_are_foreseen() {
    require!(
        Need::Root,
        Feature::ArgCtx,
        Feature::BtfEnum64,
        Feature::ArrayMmap
    );
    let object = Object::open(fixture("old_kernels")).unwrap();
    for line in ["5.10", "6.1", "6.12", "6.18", "7.3"] {
        let record = record(line);
        let mut loader = Loader::new();
        loader.probes(record.probes()).keep_memlock();
        let check = loader.check(&object, &OtherKernel::new(record.probes())).unwrap();
        let loaded = loader.load(&object).unwrap();
        let mut told = check.adaptations.clone();
        // What is done when a program is attached comes later.
        told.retain(|told| told.measure != bpfld::Measure::PerfEventByIoctl);
        assert_eq!(told, loaded.adaptations(), "{line}");
    }
}

#[test]
fn constants_decide_what_is_needed() {
    require!(Need::Root, Feature::Btf, Feature::GlobalData);
    let object = Object::open(fixture("guarded")).unwrap();
    let old = || OtherKernel::new(record("5.10").probes()).release(record("5.10").release().unwrap());
    let fit = |loader: &Loader, kernel: &OtherKernel, program: &str| {
        let check = loader.check(&object, kernel).unwrap();
        let checked = check.program(program).unwrap().clone();
        (checked.at(Stage::Load), format!("{:?}", checked.findings))
    };
    let mut loader = Loader::new();
    // The program calls a helper of 6.1 where the kernel is new enough, or the user says so.
    assert_eq!(fit(&loader, &old(), "by_release"), (Fit::Fits, "[]".to_owned()));
    assert_eq!(fit(&loader, &old(), "by_user"), (Fit::Fits, "[]".to_owned()));
    loader.global("use_tai", &1u32);
    let (verdict, why) = fit(&loader, &old(), "by_user");
    assert_eq!(verdict, Fit::Refused);
    assert!(
        why.contains("bpf_ktime_get_tai_ns") && why.contains("6.1"),
        "{why}"
    );
    let new = OtherKernel::new(record("5.10").probes()).release(record("6.1").release().unwrap());
    assert_eq!(fit(&loader, &new, "by_release").0, Fit::Refused);
    // And so the kernel that runs decides.
    Loader::new()
        .prepare(&object)
        .unwrap()
        .load_alone("by_user")
        .unwrap();
}

/// Of alternatives one is enough, and copies count.
#[test]
fn alternatives_and_copies_are_held_against_a_kernel_too() {
    let kernel = OtherKernel::new(Probes::as_of(Release::new(5, 10)));
    let object = Object::open(fixture("network")).unwrap();
    let mut loader = Loader::new();
    loader.only(["xdp_drop", "xdp_count", "again"]);
    loader
        .first_of(["xdp_drop", "xdp_count"])
        .copy("xdp_count", "again");
    loader.program("xdp_drop").program_type(ProgramType::NETFILTER);
    let check = loader.check(&object, &kernel).unwrap();
    let is = |name| {
        let checked = check.program(name).unwrap();
        (checked.selected, checked.fit())
    };
    assert_eq!(is("xdp_drop"), (false, Fit::Refused));
    assert_eq!(is("xdp_count"), (true, Fit::Fits));
    assert_eq!(is("again"), (true, Fit::Fits));
    assert_eq!(is("tc_count"), (false, Fit::Fits));
    assert_eq!(check.fit(), Fit::Fits);

    loader.program("again").program_type(ProgramType::NETFILTER);
    let check = loader.check(&object, &kernel).unwrap();
    assert_eq!(check.program("again").unwrap().fit(), Fit::Refused);
    assert_eq!(check.fit(), Fit::Refused);
}

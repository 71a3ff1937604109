//! Programs that see and change the events of an input device: a table of functions for one device, which the test makes.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use bpfld::{LinkType, Loader, Object};
use bpfld_tests::{Need, fixture, require, skip};

use crate::counter::eventually;

/// A device that says four bytes of its maker's own meaning.
const DESCRIPTION: [u8; 21] = [
    0x06, 0x00, 0xff, // usage page: the maker's
    0x09, 0x01, // usage: 1
    0xa1, 0x01, // collection: application
    0x15, 0x00, 0x26, 0xff, 0x00, // from 0 to 255
    0x75, 0x08, 0x95, 0x04, // four of eight bits
    0x09, 0x01, 0x81, 0x02, // input: usage 1
    0xc0, // end of collection
];

/// Numbers of `enum uhid_event_type`.
const CREATE: u32 = 11;
const INPUT: u32 = 12;

const BUS_VIRTUAL: u16 = 6;
const VENDOR: u32 = 0xb9f1;

/// A device made by a process, by `/dev/uhid`: it goes when the file is closed.
struct Device {
    file: File,
    id: i32,
    reports: File,
}

impl Device {
    fn new() -> Device {
        let mut create = CREATE.to_ne_bytes().to_vec();
        // Name, place, serial number.
        create.extend([0; 128 + 64 + 64]);
        create.extend((DESCRIPTION.len() as u16).to_ne_bytes());
        create.extend(BUS_VIRTUAL.to_ne_bytes());
        // Vendor, product, version, country.
        for number in [VENDOR, std::process::id() & 0xffff, 0, 0] {
            create.extend(number.to_ne_bytes());
        }
        create.extend(DESCRIPTION);
        let mut file = OpenOptions::new()
            .write(true)
            .read(true)
            .open("/dev/uhid")
            .unwrap();
        file.write_all(&create).unwrap();
        let name = format!(
            "{BUS_VIRTUAL:04X}:{VENDOR:04X}:{:04X}.",
            std::process::id() & 0xffff
        );
        let find = || -> Option<(i32, PathBuf)> {
            let devices = fs::read_dir("/sys/bus/hid/devices").ok()?.flatten();
            let device = devices.map(|entry| entry.path()).find(|path| {
                path.file_name()
                    .is_some_and(|found| found.to_string_lossy().starts_with(&name))
            })?;
            let id = i32::from_str_radix(device.extension()?.to_str()?, 16).ok()?;
            let raw = fs::read_dir(device.join("hidraw")).ok()?.flatten().next()?;
            let raw = Path::new("/dev").join(raw.file_name());
            raw.exists().then_some((id, raw))
        };
        eventually(|| find().is_some());
        let (id, raw) = find().unwrap();
        let reports = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(raw)
            .unwrap();
        Device { file, id, reports }
    }

    /// What others hear when the device says something.
    fn say(&mut self, report: [u8; 4]) -> [u8; 4] {
        let mut event = INPUT.to_ne_bytes().to_vec();
        event.extend((report.len() as u16).to_ne_bytes());
        event.extend(report);
        self.file.write_all(&event).unwrap();
        let mut heard = [0; 5];
        eventually(|| self.reports.read(&mut heard).is_ok_and(|length| length == 4));
        [heard[0], heard[1], heard[2], heard[3]]
    }
}

#[test]
fn events_of_a_device_are_seen_and_changed() {
    require!(Need::Root, Need::Linux(6, 11), Need::Config("CONFIG_HID_BPF"));
    if !Path::new("/dev/uhid").exists() {
        return skip(
            "kernel::input_devices::events_of_a_device_are_seen_and_changed",
            "the module uhid is not inserted",
        );
    }
    let object = Object::open(fixture("hid")).unwrap();
    let mut device = Device::new();
    assert_eq!(device.say([1, 2, 3, 4]), [1, 2, 3, 4]);

    let load = |id: i32| {
        let mut loader = Loader::new();
        loader.global("inverted.hid_id", &id);
        loader.load(&object).unwrap_or_else(|error| panic!("{error:#}"))
    };
    let error = load(i32::MAX).attach_struct_ops("inverted").unwrap_err();
    assert!(error.errno().is_some(), "there is no such device: {error}");

    let loaded = load(device.id);
    let events = || loaded.global::<u64>("events").unwrap().get().unwrap();
    let link = loaded
        .attach_struct_ops("inverted")
        .unwrap_or_else(|error| panic!("{error:#}"));
    assert_eq!(link.info().unwrap().link_type(), LinkType::STRUCT_OPS);
    assert_eq!(device.say([1, 0x55, 3, 4]), [1, 0xaa, 3, 4]);
    assert_eq!(
        (events(), loaded.global::<u8>("seen").unwrap().get().unwrap()),
        (1, 0x55)
    );
    drop(link);
    eventually(|| device.say([5, 6, 7, 8]) == [5, 6, 7, 8]);
}

//! `bpfld map` and `bpfld link`, and who holds what.

use bpfld::{
    Array, ElemFlags, Hash, Link, Loader, Map, MapType, Object, ProgArray, Program, Queue, Xdp, XdpMode,
};
use bpfld_tests::{Need, alone, fixture, require, sandbox};

use crate::programs::pass;
use crate::{bpfld, fails, json_lines, ok};

fn id(map: &Map) -> String {
    map.info().unwrap().id().to_string()
}

#[test]
fn typed_elements_are_read_and_set_by_field_names() {
    require!(Need::Root, Need::Linux(5, 8));
    let mut loader = Loader::new();
    bpfld_tests::fit(&mut loader, "maps");
    let loaded = loader
        .load_partial(&Object::open(fixture("maps")).unwrap())
        .unwrap()
        .loaded;
    let map = &id(loaded.map("hash").unwrap());
    ok(&[
        "map",
        "set",
        map,
        "{address: 0x7f000001, port: 53}",
        "{packets: 7, flags: [1, 2]}",
    ]);
    let text = ok(&["map", "get", map, "{port: 53, address: 2130706433}"]);
    assert_eq!(
        text,
        "{address: 2130706433, port: 53, pad: 0}: {packets: 7, bytes: 0, flags: [1, 2, 0, 0]}\n"
    );
    let lines = json_lines(&ok(&["map", "dump", map, "--output", "json"]));
    assert_eq!(lines.len(), 1);
    assert_eq!(
        (&lines[0]["key"]["port"], &lines[0]["value"]["packets"]),
        (&53.into(), &7.into())
    );
    fails(
        &["map", "set", map, "{port: 70000}", "{}"],
        2,
        "does not fit into 16 bits",
    );
    fails(
        &["map", "set", map, "{prt: 1}", "{}"],
        2,
        "there is no 'prt' here; there are address, port, pad",
    );
    fails(&["map", "set", map, "{}", "{}", "--when", "exists"], 5, "ENOENT");
    fails(
        &[
            "map",
            "set",
            map,
            "{port: 53, address: 2130706433}",
            "{}",
            "--when",
            "new",
        ],
        5,
        "EEXIST",
    );
    ok(&["map", "delete", map, "{port: 53, address: 2130706433}"]);
    assert_eq!(
        bpfld(["map", "delete", map, "{port: 53, address: 2130706433}"]).status,
        1
    );
    assert_eq!(bpfld(["map", "get", map, "{}"]).status, 1);

    // A value for each CPU.
    let map = &id(loaded.map("percpu_array").unwrap());
    ok(&["map", "set", map, "2", "9"]);
    let lines = json_lines(&ok(&["map", "get", map, "2", "--output", "json"]));
    let values = lines[0]["values"].as_array().unwrap();
    assert_eq!(values.len(), bpfld_sys::possible_cpus().unwrap() as usize);
    assert!(values.iter().all(|value| *value == 9), "{values:?}");
}

#[test]
fn elements_without_types_are_numbers_and_digits() {
    require!(Need::Root);
    let map = Hash::<u32, [u8; 6]>::create("cli_plain", 4).unwrap();
    let by_id = &id(map.map());
    ok(&["map", "set", by_id, "7", "00:11:22:33:44:55"]);
    assert_eq!(map.get(&7).unwrap(), Some([0, 0x11, 0x22, 0x33, 0x44, 0x55]));
    let seven = bytes(&7u32.to_ne_bytes());
    let line = format!("{seven}: hex:001122334455\n");
    assert_eq!(ok(&["map", "dump", by_id]), line);
    assert_eq!(ok(&["map", "get", by_id, &seven]), line);
    fails(
        &["map", "set", by_id, "7", "00:11"],
        2,
        "2 bytes, where the map has 6",
    );
    fails(
        &["map", "set", by_id, "seven", "001122334455"],
        2,
        "neither a number nor hexadecimal digits",
    );
    fails(&["map", "get", by_id, "-"], 2, "neither a number nor");

    let array = Array::<u32>::create("cli_array", 4).unwrap();
    let array = &id(array.map());
    fails(&["map", "set", array, "9", "1"], 5, "it has room for 4");
    fails(&["map", "delete", array, "1"], 5, "arrays keep their elements");

    let queue = Queue::<u32>::create("cli_queue", 4).unwrap();
    let by_id = &id(queue.map());
    ok(&["map", "set", by_id, "-", "5"]);
    assert_eq!(queue.peek().unwrap(), Some(5));
    assert_eq!(
        ok(&["map", "get", by_id, "-"]),
        format!("{}\n", bytes(&5u32.to_ne_bytes()))
    );

    // what is shown is taken back, though its digits could be a number
    let map = Hash::<u32, u64>::create("cli_digits", 4).unwrap();
    let by_id = &id(map.map());
    map.insert(&1, &0x1234_5678_1234_5678).unwrap();
    let shown = ok(&["map", "get", by_id, "1"]);
    let (key, value) = shown.trim_end().split_once(": ").unwrap();
    ok(&["map", "set", by_id, "2", value]);
    assert_eq!(map.get(&2).unwrap(), map.get(&1).unwrap(), "{shown}");
    ok(&["map", "delete", by_id, key]);
    assert_eq!(map.get(&1).unwrap(), None);
    let lines = json_lines(&ok(&["map", "dump", by_id, "--output", "json"]));
    assert_eq!(format!("hex:{}", lines[0]["value"].as_str().unwrap()), value);
}

/// Bytes as they are shown.
fn bytes(bytes: &[u8]) -> String {
    format!("hex:{}", digits(bytes))
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn programs_and_maps_are_put_into_maps_by_name() {
    require!(Need::Root);
    let program = pass("cli_tail");
    let tails = Map::builder(MapType::PROG_ARRAY, "cli_tails")
        .key_size(4)
        .value_size(4)
        .max_entries(4);
    let tails: ProgArray = tails.create().unwrap().try_into().unwrap();
    let map = &id(tails.map());
    let program_id = program.info().unwrap().id();
    ok(&["map", "set", map, "1", "prog:cli_tail"]);
    assert_eq!(tails.id(1).unwrap(), Some(program_id));
    ok(&["map", "set", map, "2", &format!("prog:{program_id}")]);
    assert_eq!(
        ok(&["map", "dump", map]),
        format!("1: {program_id}\n2: {program_id}\n")
    );
    fails(&["map", "set", map, "1", "7"], 2, "named `prog:` or `map:`");
    fails(
        &["map", "set", map, "1", "prog:cli_no_such"],
        2,
        "there is no program 'cli_no_such'",
    );
}

#[test]
fn lists_tell_who_holds_what() {
    require!(Need::Root, Need::Linux(5, 8));
    // As the descriptors of a test among others are not those that a process shows.
    alone("maps::lists_tell_who_holds_what", who_holds_what);
}

fn who_holds_what() {
    sandbox(|_| {
        let map = Array::<u64>::create("cli_listed", 3).unwrap();
        let program = pass("cli_listed");
        let link = Xdp::try_from(&program)
            .unwrap()
            .attach("lo", XdpMode::Generic)
            .unwrap();
        let held = |line: &serde_json::Value| {
            let owners = line["owners"].as_array().unwrap();
            owners.iter().any(|owner| owner["pid"] == std::process::id())
        };
        let find = |text: &str, id: u32| {
            let lines = json_lines(text);
            lines.into_iter().find(|line| line["id"] == id).unwrap()
        };
        let map_id = map.map().info().unwrap().id();
        let line = find(&ok(&["map", "list", "--output", "json"]), map_id);
        assert_eq!(
            (&line["name"], &line["type"]),
            (&"cli_listed".into(), &"array".into())
        );
        assert_eq!(
            (&line["value_size"], &line["max_entries"]),
            (&8.into(), &3.into())
        );
        assert!(held(&line), "{line}");
        assert!(ok(&["map", "show", "cli_listed"]).contains("cli_listed"));

        let info = program.info().unwrap();
        let line = find(&ok(&["prog", "list", "--output", "json"]), info.id());
        assert_eq!(
            (&line["type"], &line["tag"]),
            (&"xdp".into(), &info.tag().to_string().into())
        );
        assert!(held(&line), "{line}");
        let by_tag = bpfld(["prog", "show", &format!("tag:{}", info.tag())]);
        // Other tests load the same instructions.
        assert!(
            by_tag.stdout.contains("cli_listed") || by_tag.stderr.contains("take an id"),
            "{by_tag:?}"
        );
        assert!(ok(&["prog", "show", "cli_listed"]).contains("cli_listed"));

        let link_id = link.info().unwrap().id();
        let line = find(&ok(&["link", "list", "--output", "json"]), link_id);
        assert_eq!(
            (&line["type"], &line["program_id"]),
            (&"xdp".into(), &info.id().into())
        );
        assert!(
            line["target"].as_str().unwrap().starts_with("XDP of interface"),
            "{line}"
        );
        assert!(held(&line), "{line}");
        ok(&["link", "detach", &link_id.to_string()]);
        // Whoever holds it: the link is there and attached to nothing.
        let again = Xdp::try_from(&program)
            .unwrap()
            .attach("lo", XdpMode::Generic)
            .unwrap();
        drop(again);
        fails(&["link", "show", "cli_listed"], 2, "links have no names");
    });
    fails(
        &["map", "show", "cli_no_such_map"],
        2,
        "there is no map 'cli_no_such_map'",
    );
    fails(&["map", "show", "/no/such/pin"], 3, "/no/such/pin");
}

#[test]
fn maps_are_made_and_pinned() {
    require!(Need::Root);
    sandbox(|room| {
        // The command runs in the same mount namespace.
        let path = room.bpffs().join("maps/made-here");
        let path = path.to_str().unwrap();
        ok(&[
            "map",
            "create",
            path,
            "--type",
            "hash",
            "--key",
            "4",
            "--value",
            "8",
            "--entries",
            "16",
            "--flags",
            "no_prealloc",
        ]);
        let map = Map::open_pinned(path).unwrap();
        assert_eq!(
            (map.name(), map.map_type(), map.max_entries()),
            ("made_here", MapType::HASH, 16)
        );
        ok(&["map", "set", path, "1", "2"]);
        assert_eq!(
            map.lookup(&1u32.to_ne_bytes()).unwrap(),
            Some(2u64.to_ne_bytes().to_vec())
        );
        let again = room.bpffs().join("again");
        ok(&["map", "pin", path, again.to_str().unwrap()]);
        assert_eq!(
            Map::open_pinned(&again).unwrap().info().unwrap().id(),
            map.info().unwrap().id()
        );
        fails(&["map", "create", path, "--type", "hsh"], 2, "hsh");
        fails(&["map", "create", path, "--type", "hash"], 5, "EINVAL");
        fails(
            &["map", "create", path, "--type", "array", "--flags", "nonsense"],
            2,
            "no such flags",
        );
        let program = pass("cli_pinned");
        let pin = room.bpffs().join("program");
        ok(&[
            "prog",
            "pin",
            &program.info().unwrap().id().to_string(),
            pin.to_str().unwrap(),
        ]);
        assert_eq!(
            Program::open_pinned(&pin).unwrap().info().unwrap().id(),
            program.info().unwrap().id()
        );
        let link = Xdp::try_from(&program)
            .unwrap()
            .attach("lo", XdpMode::Generic)
            .unwrap();
        let pin = room.bpffs().join("link");
        ok(&[
            "link",
            "pin",
            &link.info().unwrap().id().to_string(),
            pin.to_str().unwrap(),
        ]);
        assert_eq!(
            Link::open_pinned(&pin).unwrap().info().unwrap().id(),
            link.info().unwrap().id()
        );
    });
}

#[test]
fn records_and_changes_are_shown() {
    require!(Need::Root, Need::Linux(6, 1), Need::Config("CONFIG_BPF_JIT"));
    let loaded = Loader::new()
        .load(&Object::open(fixture("ringbuf")).unwrap())
        .unwrap();
    let emit = |name: &str| {
        loaded
            .program(name)
            .unwrap()
            .test_run()
            .data(&[0; 64])
            .run()
            .unwrap();
    };
    for _ in 0..3 {
        emit("emit");
    }
    let events = &id(loaded.map("events").unwrap());
    let text = ok(&["map", "watch", events, "--count", "2"]);
    assert_eq!(text.lines().count(), 2, "{text}");
    assert_eq!(text.lines().next().unwrap().len(), 64, "{text}");
    let lines = json_lines(&ok(&["map", "watch", events, "--count", "1", "--output", "json"]));
    assert!(
        lines[0]["data"]
            .as_str()
            .unwrap()
            .starts_with(&digits(&1u32.to_ne_bytes())),
        "{lines:?}"
    );
    assert_eq!(ok(&["map", "watch", events, "--time", "0"]), "");

    let map = Hash::<u32, u32>::create("cli_watched", 4).unwrap();
    map.map()
        .update(&1u32.to_ne_bytes(), &2u32.to_ne_bytes(), ElemFlags::empty())
        .unwrap();
    let text = ok(&["map", "watch", "cli_watched", "--count", "1", "--every", "1"]);
    assert_eq!(text.lines().count(), 1, "{text}");
}

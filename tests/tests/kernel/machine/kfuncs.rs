//! Kernel functions, in both.

use bpfld_tests::{Need, require};

use super::compare::check;

/// A program that makes calls, and keeps the lower halves of their results in a map.
fn results(calls: &[String]) -> String {
    let kept = calls.iter().enumerate().map(|(number, call)| {
        format!(
            "{call}
            r0 <<= 32
            r0 s>>= 32
            r7 = r0
            *(u32 *)(r10 - 4) = {number}
            r2 = r10
            r2 += -4
            r1 = results ll
            call bpf_map_lookup_elem
            if r0 == 0 goto none{number}
            *(u64 *)(r0 + 0) = r7
            none{number}:
            "
        )
    });
    kept.collect()
}

#[test]
fn strings_are_searched_alike() {
    // bpf_strcasecmp is the youngest
    require!(
        Need::Root,
        Need::Linux(6, 18),
        Need::Config("CONFIG_DEBUG_INFO_BTF"),
        Need::Config("CONFIG_BPF_JIT")
    );
    let texts = [
        "", "a", "b", "open", "openat", "Open", "at", "pe", "nepo", "abcabd", "abd", "zz",
    ];
    let place = |text: usize| format!("text{text} ll");
    for (first, text) in texts.iter().enumerate() {
        let mut calls = Vec::new();
        for second in 0..texts.len() {
            for function in ["strcmp", "strcasecmp", "strspn", "strcspn", "strstr"] {
                calls.push(format!(
                    "r1 = {}\n r2 = {}\n call bpf_{function}",
                    place(first),
                    place(second)
                ));
            }
            for len in [0, 2, 4, 100_000] {
                calls.push(format!(
                    "r1 = {}\n r2 = {}\n r3 = {len}\n call bpf_strnstr",
                    place(first),
                    place(second)
                ));
            }
        }
        for wanted in [b'a', b'n', 0, b'd'] {
            for function in ["strchr", "strchrnul", "strrchr"] {
                calls.push(format!(
                    "r1 = {}\n r2 = {wanted}\n call bpf_{function}",
                    place(first)
                ));
            }
            for len in [0, 1, 5, 100_000] {
                calls.push(format!(
                    "r1 = {}\n r2 = {len}\n r3 = {wanted}\n call bpf_strnchr",
                    place(first)
                ));
            }
        }
        calls.push(format!("r1 = {}\n call bpf_strlen", place(first)));
        for len in [0, 3, 100_000] {
            calls.push(format!("r1 = {}\n r2 = {len}\n call bpf_strnlen", place(first)));
        }
        calls.push("r1 = 0\n call bpf_strlen".to_owned());
        calls.push(format!("r1 = {}\n r2 = 0\n call bpf_strcmp", place(first)));
        let labels: String = texts
            .iter()
            .enumerate()
            .map(|(number, text)| format!("text{number}: .asciz \"{text}\"\n"))
            .collect();
        println!("{text:?}");
        check(&format!(
            r#"
            .map results array key=u32 value=u64 max_entries=200
            .kfunc bpf_strcmp, "int (const char *, const char *)"
            .kfunc bpf_strcasecmp, "int (const char *, const char *)"
            .kfunc bpf_strspn, "int (const char *, const char *)"
            .kfunc bpf_strcspn, "int (const char *, const char *)"
            .kfunc bpf_strstr, "int (const char *, const char *)"
            .kfunc bpf_strnstr, "int (const char *, const char *, u64)"
            .kfunc bpf_strchr, "int (const char *, char)"
            .kfunc bpf_strchrnul, "int (const char *, char)"
            .kfunc bpf_strrchr, "int (const char *, int)"
            .kfunc bpf_strnchr, "int (const char *, u64, char)"
            .kfunc bpf_strlen, "int (const char *)"
            .kfunc bpf_strnlen, "int (const char *, u64)"
            .section .rodata
            {labels}
            .section tc
            search:
            {}
                r0 = 0
                exit
            "#,
            results(&calls)
        ));
    }
}

/// Two sets of processors, with and without members, in and out of what there is.
#[test]
fn sets_of_processors_are_the_same() {
    require!(
        Need::Root,
        Need::Linux(6, 10),
        Need::Config("CONFIG_DEBUG_INFO_BTF"),
        Need::Config("CONFIG_BPF_JIT")
    );
    let one = |function: &str| format!("r1 = r8\n call bpf_cpumask_{function}");
    let two = |function: &str| format!("r1 = r8\n r2 = r9\n call bpf_cpumask_{function}");
    let flag = |call: String| format!("{call}\n r0 &= 1");
    let on = |function: &str, cpu: u32| format!("r1 = {cpu}\n r2 = r8\n call bpf_cpumask_{function}");
    let mut calls = vec![
        flag(one("empty")),
        flag(one("full")),
        one("first_zero"),
        on("set_cpu", 0) + "\n r0 = 0",
        on("set_cpu", 5000) + "\n r0 = 0",
        flag(on("test_cpu", 0)),
        flag(on("test_cpu", 1)),
        flag(on("test_cpu", 5000)),
        flag(on("test_and_set_cpu", 0)),
        flag(on("test_and_set_cpu", 1)),
        flag(on("test_and_clear_cpu", 1)),
        flag(on("test_and_clear_cpu", 1)),
        one("first"),
        one("first_zero"),
        one("weight"),
        flag(two("equal")),
        flag(two("intersects")),
        flag(two("subset")),
        "r1 = r9\n call bpf_cpumask_setall\n r0 = 0".to_owned(),
        flag(two("intersects")),
        flag(two("subset")),
        two("first_and"),
        "r1 = r9\n call bpf_cpumask_weight".to_owned(),
        flag("r1 = r9\n call bpf_cpumask_full".to_owned()),
        flag("r1 = r9\n r2 = r8\n call bpf_cpumask_subset".to_owned()),
    ];
    for function in ["and", "or", "xor"] {
        calls.push(format!(
            "r1 = r9\n r2 = r9\n r3 = r8\n call bpf_cpumask_{function}\n r0 = 0"
        ));
        calls.push("r1 = r9\n call bpf_cpumask_weight".to_owned());
    }
    calls.push("r1 = r9\n r2 = r8\n call bpf_cpumask_copy\n r0 = 0".to_owned());
    calls.push(flag(two("equal")));
    calls.push(one("clear") + "\n r0 = 0");
    calls.push(flag(one("empty")));
    check(&format!(
        r#"
        .map results array key=u32 value=u64 max_entries=64
        .kfunc bpf_cpumask_create, "struct bpf_cpumask *(void)"
        .kfunc bpf_cpumask_release, "void (struct bpf_cpumask *)"
        .kfunc bpf_cpumask_first, "u32 (const struct cpumask *)"
        .kfunc bpf_cpumask_first_zero, "u32 (const struct cpumask *)"
        .kfunc bpf_cpumask_first_and, "u32 (const struct cpumask *, const struct cpumask *)"
        .kfunc bpf_cpumask_set_cpu, "void (u32, struct bpf_cpumask *)"
        .kfunc bpf_cpumask_test_cpu, "_Bool (u32, const struct cpumask *)"
        .kfunc bpf_cpumask_test_and_set_cpu, "_Bool (u32, struct bpf_cpumask *)"
        .kfunc bpf_cpumask_test_and_clear_cpu, "_Bool (u32, struct bpf_cpumask *)"
        .kfunc bpf_cpumask_setall, "void (struct bpf_cpumask *)"
        .kfunc bpf_cpumask_clear, "void (struct bpf_cpumask *)"
        .kfunc bpf_cpumask_and, "_Bool (struct bpf_cpumask *, const struct cpumask *, const struct cpumask *)"
        .kfunc bpf_cpumask_or, "void (struct bpf_cpumask *, const struct cpumask *, const struct cpumask *)"
        .kfunc bpf_cpumask_xor, "void (struct bpf_cpumask *, const struct cpumask *, const struct cpumask *)"
        .kfunc bpf_cpumask_copy, "void (struct bpf_cpumask *, const struct cpumask *)"
        .kfunc bpf_cpumask_equal, "_Bool (const struct cpumask *, const struct cpumask *)"
        .kfunc bpf_cpumask_intersects, "_Bool (const struct cpumask *, const struct cpumask *)"
        .kfunc bpf_cpumask_subset, "_Bool (const struct cpumask *, const struct cpumask *)"
        .kfunc bpf_cpumask_empty, "_Bool (const struct cpumask *)"
        .kfunc bpf_cpumask_full, "_Bool (const struct cpumask *)"
        .kfunc bpf_cpumask_weight, "u32 (const struct cpumask *)"
        .section syscall
        sets:
            call bpf_cpumask_create
            if r0 == 0 goto none
            r8 = r0
            call bpf_cpumask_create
            if r0 == 0 goto one
            r9 = r0
            {}
            r1 = r9
            call bpf_cpumask_release
        one:
            r1 = r8
            call bpf_cpumask_release
        none:
            r0 = 0
            exit
        "#,
        results(&calls)
    ));
}

/// The current task and the first of all groups are found by their numbers, and no others.
#[test]
fn tasks_and_groups_are_found_by_number() {
    require!(
        Need::Root,
        Need::Linux(6, 12),
        Need::Config("CONFIG_DEBUG_INFO_BTF"),
        Need::Config("CONFIG_BPF_JIT")
    );
    for (number, which) in [("w1 = w0", "itself"), ("r1 = 0", "none"), ("r1 = -1", "none")] {
        println!("{which}");
        check(&format!(
            r#"
            .kfunc bpf_task_from_pid, "struct task_struct *(s32)"
            .kfunc bpf_task_acquire, "struct task_struct *(struct task_struct *)"
            .kfunc bpf_task_release, "void (struct task_struct *)"
            .section syscall
            task:
                call bpf_get_current_pid_tgid
                {number}
                call bpf_task_from_pid
                if r0 == 0 goto none
                r6 = r0
                r1 = r0
                call bpf_task_acquire
                if r0 == 0 goto gone
                r1 = r0
                call bpf_task_release
                r1 = r6
                call bpf_task_release
                r0 = 3
                exit
            gone:
                r1 = r6
                call bpf_task_release
                r0 = 2
                exit
            none:
                r0 = 1
                exit
            "#
        ));
    }
    for (id, level) in [(1, 0), (1, 1), (1, -1), (987_654_321, 0)] {
        check(&format!(
            r#"
            .kfunc bpf_cgroup_from_id, "struct cgroup *(u64)"
            .kfunc bpf_cgroup_ancestor, "struct cgroup *(struct cgroup *, int)"
            .kfunc bpf_cgroup_release, "void (struct cgroup *)"
            .section syscall
            group:
                r1 = {id}
                call bpf_cgroup_from_id
                if r0 == 0 goto none
                r6 = r0
                r1 = r0
                r2 = {level}
                call bpf_cgroup_ancestor
                r7 = 2
                if r0 == 0 goto alone
                r1 = r0
                call bpf_cgroup_release
                r7 = 3
            alone:
                r1 = r6
                call bpf_cgroup_release
                r0 = r7
                exit
            none:
                r0 = 1
                exit
            "#
        ));
    }
}

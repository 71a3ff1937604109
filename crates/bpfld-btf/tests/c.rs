//! C declarations: order, layout, names, declarators.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use bpfld_btf::{Btf, Builder, DeclareError, Endian, Field, IntEncoding, Kind, Sign, TypeId};
use proptest::prelude::*;

#[track_caller]
fn check(builder: &Builder, roots: &[TypeId], expected: &str) {
    for endian in [Endian::Little, Endian::Big] {
        let btf = Btf::parse(builder.to_bytes_in(endian)).unwrap();
        let mut text = String::new();
        btf.write_c(roots, &mut text).unwrap();
        assert_eq!(text.trim_end(), expected.trim());
    }
}

struct Base {
    b: Builder,
    char: TypeId,
    int: TypeId,
    long: TypeId,
}

fn base() -> Base {
    let mut b = Builder::new();
    let char = b.int("char", 1, IntEncoding::SIGNED).unwrap();
    let int = b.int("int", 4, IntEncoding::SIGNED).unwrap();
    let long = b.int("long", 8, IntEncoding::SIGNED).unwrap();
    Base { b, char, int, long }
}

#[test]
fn everything() {
    let builder = common::every_kind();
    let all: Vec<TypeId> = (1..builder.len()).map(TypeId).collect();
    check(
        &builder,
        &all,
        "\
struct outer {
\tchar *p;
\tint a[4];
\tunion {
\t\tlong unsigned int u;
\t\tdouble f;
\t};
\tint b1: 3;
\tint b2: 29;
\tstruct outer *next;
\tdouble d;
};

enum color {
\tRED = -1,
\tGREEN = 2,
};

enum wide {
\tBIG = 18446744073709551615ULL,
\tSMALL = 1ULL,
};

union opaque;

typedef struct outer outer_t;

struct outer___v2 {
\tint a;
};",
    );
}

#[test]
fn order_follows_need() {
    let Base { mut b, int, .. } = base();
    // struct list { struct item head; list_t *next; }; struct item { struct list *of; fn_t *f; };
    let first = b.next_id().0;
    let [
        list,
        item,
        list_t,
        list_t_p,
        list_p,
        function,
        function_t,
        function_p,
    ] = [0, 1, 2, 3, 4, 5, 6, 7].map(|n| TypeId(first + n));
    b.structure(
        "list",
        24,
        &[Field::new("head", item, 0), Field::new("next", list_t_p, 16)],
    )
    .unwrap();
    b.structure(
        "item",
        16,
        &[Field::new("of", list_p, 0), Field::new("f", function_p, 8)],
    )
    .unwrap();
    b.typedef("list_t", list).unwrap();
    b.pointer(list_t).unwrap();
    b.pointer(list).unwrap();
    b.prototype(int, &[("l", list_p), ("", TypeId::VOID)]).unwrap();
    b.typedef("fn_t", function).unwrap();
    b.pointer(function_t).unwrap();
    let _ = (list_p, function);
    check(
        &b,
        &[list],
        "\
struct list;

typedef int fn_t(struct list *l, ...);

struct item {
\tstruct list *of;
\tfn_t *f;
};

typedef struct list list_t;

struct list {
\tstruct item head;
\tlist_t *next;
};",
    );
}

#[test]
fn declarators() {
    let Base { mut b, char, int, .. } = base();
    let constant = b.constant(char).unwrap();
    let string = b.pointer(constant).unwrap();
    let constant_string = b.constant(string).unwrap();
    let strings = b.array(constant_string, int, 3).unwrap();
    let table = b.pointer(strings).unwrap();
    let callback = b.prototype(TypeId::VOID, &[]).unwrap();
    let callback = b.pointer(callback).unwrap();
    let factory = b.prototype(callback, &[("name", string), ("", int)]).unwrap();
    let factory = b.pointer(factory).unwrap();
    let factories = b.array(factory, int, 2).unwrap();
    let matrix = b.array(int, int, 3).unwrap();
    let matrix = b.array(matrix, int, 2).unwrap();
    let tagged = b.type_tag("rcu", int).unwrap();
    let tagged = b.pointer(tagged).unwrap();
    let restrict = b.restrict(string).unwrap();
    let volatile = b.volatile(int).unwrap();
    let volatile = b.constant(volatile).unwrap();
    let fields = [
        ("table", table),
        ("factories", factories),
        ("matrix", matrix),
        ("tagged", tagged),
        ("restricted", restrict),
        ("fixed", volatile),
    ];
    let mut offset = 0;
    let fields: Vec<_> = fields
        .into_iter()
        .map(|(name, ty)| {
            let size = [8, 16, 24, 8, 8, 4][offset];
            offset += 1;
            (name, ty, size)
        })
        .scan(0, |at, (name, ty, size)| {
            let field = Field::new(name, ty, *at);
            *at += size;
            Some(field)
        })
        .collect();
    let s = b.structure("s", 72, &fields).unwrap();
    check(
        &b,
        &[s],
        "\
struct s {
\tconst char * const (*table)[3];
\tvoid (*(*factories[2])(const char *name, int))(void);
\tint matrix[2][3];
\tint __attribute__((btf_type_tag(\"rcu\"))) *tagged;
\tconst char * restrict restricted;
\tconst volatile int fixed;
};",
    );
}

#[test]
fn layouts() {
    let Base {
        mut b,
        char,
        int,
        long,
    } = base();
    let padded = [
        Field::new("a", char, 0),
        Field::new("b", int, 12),
        Field::bits("c", int, 133, 3),
    ];
    let roots = [
        b.structure("padded", 32, &padded).unwrap(),
        b.structure("packed", 9, &[Field::new("a", char, 0), Field::new("b", long, 1)])
            .unwrap(),
        b.structure("aligned", 64, &[Field::new("a", char, 0)]).unwrap(),
        b.union("tall", 64, &[Field::new("a", long, 0)]).unwrap(),
        b.structure("far", 8200, &[Field::new("a", long, 8192)]).unwrap(),
        b.structure("empty", 0, &[]).unwrap(),
        b.structure("hole", 4, &[]).unwrap(),
        b.structure(
            "bits",
            8,
            &[Field::bits("a", int, 0, 20), Field::bits("b", int, 32, 20)],
        )
        .unwrap(),
    ];
    check(
        &b,
        &roots,
        "\
struct padded {
\tchar a;
\tchar: 8;
\tshort: 16;
\tint: 32;
\tint: 32;
\tint b;
\tchar: 5;
\tint c: 3;
\tchar: 8;
\tshort: 16;
\tint: 32;
\tlong: 64;
};

struct packed {
\tchar a;
\tlong b;
} __attribute__((packed));

struct aligned {
\tchar a;
\tchar: 8;
\tshort: 16;
\tint: 32;
\tlong: 64;
\tlong: 64;
\tlong: 64;
\tlong: 64;
\tlong: 64;
\tlong: 64;
\tlong: 64;
};

union tall {
\tlong a;
\tunsigned char __gap1[64];
};

struct far {
\tunsigned char __gap1[8192];
\tlong a;
};

struct empty {};

struct hole {
\tint: 32;
};

struct bits {
\tint a: 20;
\tint b: 20;
};",
    );
}

#[test]
fn names() {
    let Base { mut b, int, .. } = base();
    let u8 = b.int("u8", 1, IntEncoding::UNSIGNED).unwrap();
    let forward = b.forward("s", Kind::UNION).unwrap();
    let roots = [
        b.structure("s", 4, &[Field::new("a", int, 0)]).unwrap(),
        b.structure("s", 1, &[Field::new("0", u8, 0)]).unwrap(),
        b.structure("Option<u8>", 1, &[Field::new("some<T>", u8, 0)])
            .unwrap(),
        b.enumeration("", 1, Sign::Unsigned, &[("A", 1), ("B", 2)])
            .unwrap(),
        b.enumeration("e", 8, Sign::Signed, &[("A", -1)]).unwrap(),
        b.enumeration("none", 4, Sign::Signed, &[]).unwrap(),
        b.typedef("A", int).unwrap(),
        b.enumeration64("low", 8, Sign::Signed, &[("LOW", i64::MIN.into())])
            .unwrap(),
        forward,
    ];
    check(
        &b,
        &roots,
        "\
struct s {
\tint a;
};

struct s___2 {
\tunsigned char _0;
};

struct Option_u8_ {
\tunsigned char some_T_;
};

enum {
\tA = 1,
\tB = 2,
} __attribute__((packed));

enum e {
\tA___2 = -1,
} __attribute__((mode(DI)));

enum none;

typedef int A___3;

enum low {
\tLOW = (-9223372036854775807LL - 1),
};

union s___3;",
    );
}

#[test]
fn names_that_are_words_of_c() {
    let Base { mut b, int, .. } = base();
    let fields = [Field::new("default", int, 0), Field::new("typeof", int, 4)];
    let root = b.structure("register", 8, &fields).unwrap();
    let prototype = b.prototype(int, &[("int", int)]).unwrap();
    let alias = b.typedef("auto", prototype).unwrap();
    check(
        &b,
        &[root, alias],
        "\
struct register_ {
\tint default_;
\tint typeof_;
};

typedef int auto_(int int_);",
    );
}

/// Clang takes enumerations with a mode for signed, so that 200 in a byte would read as -56.
#[test]
fn small_enumerations() {
    let Base { mut b, .. } = base();
    let roots = [
        b.enumeration("a", 1, Sign::Unsigned, &[("A", 200)]).unwrap(),
        b.enumeration("b", 1, Sign::Signed, &[("B", -128), ("B2", 127)])
            .unwrap(),
        b.enumeration("c", 1, Sign::Signed, &[("C", 1)]).unwrap(),
        b.enumeration("d", 2, Sign::Unsigned, &[("D", 1)]).unwrap(),
        b.enumeration("e", 2, Sign::Unsigned, &[("E", 65535)]).unwrap(),
        b.enumeration("f", 2, Sign::Signed, &[("F", -129)]).unwrap(),
        b.enumeration("g", 4, Sign::Signed, &[("G", -129)]).unwrap(),
    ];
    check(
        &b,
        &roots,
        "\
enum a {
\tA = 200,
} __attribute__((packed));

enum b {
\tB = -128,
\tB2 = 127,
} __attribute__((packed));

enum c {
\tC = 1,
} __attribute__((mode(byte)));

enum d {
\tD = 1,
} __attribute__((mode(HI)));

enum e {
\tE = 65535,
} __attribute__((packed));

enum f {
\tF = -129,
} __attribute__((packed));

enum g {
\tG = -129,
};",
    );
}

/// In C, the first tag of a type is the innermost.
#[test]
fn tags_keep_their_order() {
    let Base { mut b, int, .. } = base();
    let constant = b.constant(int).unwrap();
    let inner = b.type_tag("inner", constant).unwrap();
    let outer = b.type_tag("outer", inner).unwrap();
    let pointer = b.pointer(outer).unwrap();
    let first = b.type_tag("first", pointer).unwrap();
    let second = b.type_attribute("second", first).unwrap();
    let pointer = b.pointer(second).unwrap();
    let root = b.typedef("t", pointer).unwrap();
    check(
        &b,
        &[root],
        "typedef const int __attribute__((btf_type_tag(\"inner\"))) __attribute__((btf_type_tag(\"outer\"))) \
         * __attribute__((btf_type_tag(\"first\"))) __attribute__((second)) *t;",
    );
}

#[test]
fn parameters_that_are_not_known() {
    let Base { mut b, int, .. } = base();
    let unknown = b.prototype(int, &[("", TypeId::VOID)]).unwrap();
    let variadic = b.prototype(int, &[("a", int), ("", TypeId::VOID)]).unwrap();
    let roots = [
        b.typedef("unknown", unknown).unwrap(),
        b.typedef("variadic", variadic).unwrap(),
    ];
    check(
        &b,
        &roots,
        "typedef int unknown(void);\n\ntypedef int variadic(int a, ...);",
    );
    let btf = b.finish().unwrap();
    assert_eq!(btf.type_name(unknown), "int ()");
    assert_eq!(btf.type_name(variadic), "int (int, ...)");
    assert!(!btf.ty(unknown).unwrap().is_variadic() && btf.ty(variadic).unwrap().is_variadic());
}

/// `-fms-extensions`, with which kernels are built since 6.19.
#[test]
fn members_without_a_name_whose_type_has_one() {
    let Base { mut b, char, int, .. } = base();
    let inner = b
        .structure("inner", 5, &[Field::new("a", int, 0), Field::new("b", char, 4)])
        .unwrap();
    let alias = b.structure("", 4, &[Field::new("c", int, 0)]).unwrap();
    let alias = b.typedef("alias", alias).unwrap();
    let fields = [Field::new("", inner, 0), Field::new("", alias, 8)];
    let outer = b.structure("outer", 12, &fields).unwrap();
    check(
        &b,
        &[outer],
        "\
struct inner {
\tint a;
\tchar b;
} __attribute__((packed));

typedef struct {
\tint c;
} alias;

struct outer {
\tstruct {
\t\tint a;
\t\tchar b;
\t} __attribute__((packed));
\tstruct {
\t\tint c;
\t};
};",
    );
}

/// Compilers give 16 bytes an alignment of 16, so that a struct that does not is packed.
#[test]
fn integers_of_16_bytes() {
    let Base { mut b, long, .. } = base();
    let wide = b.int("__int128", 16, IntEncoding::SIGNED).unwrap();
    let fields = [Field::new("a", long, 0), Field::new("b", wide, 8)];
    let packed = b.structure("packed", 24, &fields).unwrap();
    let fields = [Field::new("a", long, 0), Field::new("b", wide, 16)];
    let aligned = b.structure("aligned", 32, &fields).unwrap();
    check(
        &b,
        &[packed, aligned],
        "\
struct packed {
\tlong a;
\t__int128 b;
} __attribute__((packed));

struct aligned {
\tlong a;
\t__int128 b;
};",
    );
}

/// Compilers for BPF have no floating-point numbers but of 4 and 8 bytes, and take `long double` for the latter.
#[test]
fn floating_point_numbers() {
    let Base { mut b, .. } = base();
    let mut number = |name, size| b.float(name, size).unwrap();
    let numbers = [
        number("long double", 16),
        number("_Float16", 2),
        number("f32", 4),
        number("long double", 8),
        number("__float128", 16),
    ];
    let offsets = [0, 16, 20, 24, 32];
    let fields: Vec<_> = ["a", "b", "c", "d", "e"]
        .into_iter()
        .zip(numbers)
        .zip(offsets)
        .map(|((name, ty), offset)| Field::new(name, ty, offset))
        .collect();
    let root = b.structure("s", 48, &fields).unwrap();
    check(
        &b,
        &[root],
        "\
struct s {
\tunsigned __int128 a;
\tunsigned short b;
\tfloat c;
\tlong double d;
\tunsigned __int128 e;
};",
    );
}

#[test]
fn kernel_functions_are_declared() {
    let Base { mut b, int, .. } = base();
    let proto = b.prototype(int, &[("a", int)]).unwrap();
    let f = b.function("bpf_f", bpfld_btf::Linkage::GLOBAL, proto).unwrap();
    b.decl_tag("bpf_kfunc", f, None).unwrap();
    let mut text = String::new();
    b.finish().unwrap().write_vmlinux_h(&mut text).unwrap();
    assert!(
        text.contains("\nextern int bpf_f(int a) __weak __ksym;\n"),
        "{text}"
    );
}

#[test]
fn declarations_without_end() {
    let Base { mut b, int, .. } = base();
    let mut inner = int;
    for _ in 0..40 {
        inner = b
            .union("", 4, &[Field::new("a", inner, 0), Field::new("b", inner, 0)])
            .unwrap();
    }
    let root = b.union("u", 4, &[Field::new("a", inner, 0)]).unwrap();
    let own = b.next_id();
    b.structure("", 4, &[Field::new("own", own, 0)]).unwrap();
    let named = b.structure("named", 4, &[Field::new("own", own, 0)]).unwrap();
    let chain = b.next_id();
    b.pointer(chain).unwrap();
    let looped = b.typedef("looped", chain).unwrap();
    let btf = b.finish().unwrap();
    for root in [root, named, looped] {
        let error = btf.write_c(&[root], &mut String::new()).unwrap_err();
        assert!(
            matches!(error, DeclareError::TooLarge | DeclareError::Btf(_)),
            "{error}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn damaged(edits in prop::collection::vec((any::<prop::sample::Index>(), 0u32..40), 1..6)) {
        let mut bytes = common::every_kind().to_bytes();
        for (at, value) in edits {
            let at = at.index(bytes.len() / 4) * 4;
            bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        }
        if let Ok(btf) = Btf::parse(bytes) {
            let _ = btf.write_vmlinux_h(&mut String::new());
        }
    }
}

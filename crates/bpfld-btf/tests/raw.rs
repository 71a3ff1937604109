//! Records as text.

mod common;

#[test]
fn every_kind() {
    let btf = common::every_kind().finish().unwrap();
    let text: Vec<String> = btf.types().map(|ty| ty.raw().to_string()).collect();
    let expected = "\
[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED
[2] INT 'long unsigned int' size=8 bits_offset=0 nr_bits=64 encoding=(none)
[3] INT 'char' size=1 bits_offset=0 nr_bits=8 encoding=CHAR
[4] FLOAT 'double' size=8
[5] PTR '(anon)' type_id=3
[6] ARRAY '(anon)' type_id=1 index_type_id=2 nr_elems=4
[7] UNION '(anon)' size=8 vlen=2
\t'u' type_id=2 bits_offset=0
\t'f' type_id=4 bits_offset=0
[8] STRUCT 'outer' size=56 vlen=7
\t'p' type_id=5 bits_offset=0
\t'a' type_id=6 bits_offset=64
\t'(anon)' type_id=7 bits_offset=192
\t'b1' type_id=1 bits_offset=256 bitfield_size=3
\t'b2' type_id=1 bits_offset=259 bitfield_size=29
\t'next' type_id=9 bits_offset=320
\t'd' type_id=4 bits_offset=384
[9] PTR '(anon)' type_id=8
[10] ENUM 'color' encoding=SIGNED size=4 vlen=2
\t'RED' val=-1
\t'GREEN' val=2
[11] ENUM64 'wide' encoding=UNSIGNED size=8 vlen=2
\t'BIG' val=18446744073709551615ULL
\t'SMALL' val=1ULL
[12] FWD 'opaque' fwd_kind=union
[13] TYPEDEF 'outer_t' type_id=8
[14] CONST '(anon)' type_id=13
[15] VOLATILE '(anon)' type_id=14
[16] RESTRICT '(anon)' type_id=9
[17] TYPE_TAG 'rcu' type_id=15
[18] FUNC_PROTO '(anon)' ret_type_id=1 vlen=2
\t'x' type_id=9
\t'(anon)' type_id=0
[19] FUNC 'f' type_id=18 linkage=global
[20] VAR 'global' type_id=10, linkage=global
[21] DATASEC '.data' size=4 vlen=1
\ttype_id=20 offset=0 size=4 (VAR 'global')
[22] DECL_TAG 'tag' type_id=8 component_idx=1
[23] DECL_TAG 'tag' type_id=19 component_idx=-1
[24] STRUCT 'outer___v2' size=4 vlen=1
\t'a' type_id=1 bits_offset=0";
    assert_eq!(text.join("\n"), expected);
}

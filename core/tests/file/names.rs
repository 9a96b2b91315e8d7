//! Which file a key has, in which order keys are listed, and who may read the files.

use super::*;

#[test]
fn a_key_is_an_indented_json_file_where_one_looks_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let lease = open(options(dir.path())).unwrap();
    lease.engine().set("users/alice", "{\"age\":30}");
    assert_eq!(fs::read_to_string(dir.path().join("users/alice.json")).unwrap(), "{\n  \"age\": 30\n}");
    assert_eq!(lease.engine().entry("users/alice").unwrap().value, json("{\"age\":30}"));
    lease.engine().run(Op::delete("users/alice"));
    assert!(!dir.path().join("users").exists(), "the folder went with its last file");
    assert!(dir.path().exists());
}

#[test]
fn the_other_encoding_is_utf16_with_or_without_a_mark() {
    let dir = tempfile::tempdir().unwrap();
    let lease = open(FileOptions { encoding: Encoding::Utf16Le, ..options(dir.path()) }).unwrap();
    lease.engine().set("k", "\"\u{e9}\"");
    assert_eq!(fs::read(dir.path().join("k.json")).unwrap(), b"\"\0\xe9\0\"\0");
    fs::write(dir.path().join("k.json"), b"\xff\xfe1\0").unwrap();
    assert_eq!(lease.engine().value("k").unwrap(), "1");
}

#[test]
fn keys_are_in_the_order_of_their_bytes_whatever_their_names_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let lease = open(options(dir.path())).unwrap();
    let engine = lease.engine();
    let long = "x".repeat(4096);
    let deep = "A/".repeat(2048);
    let mut expected = vec![
        "a",
        "a/b",
        "a/",
        "a//",
        "a!b",
        "a0",
        "A",
        "B",
        "..",
        "../x",
        "con",
        "\u{e9}",
        "e\u{301}",
        "__proto__",
        "x\ny\0",
        ".holdfast/store.db",
        "x.json/y",
        "x",
        "x.json",
        "/",
        &long,
        &deep,
    ];
    engine.run(expected.iter().map(|name| Op::set(key(name), json("1"))).collect::<Batch>());
    expected.sort_unstable();
    assert_eq!(engine.keys(&KeyRange::all()), expected);
    let mut reverse = KeyRange::all();
    reverse.reverse = true;
    expected.reverse();
    assert_eq!(engine.keys(&reverse), expected);
    for key in &expected {
        assert_eq!(engine.value(key).as_deref(), Some("1"), "{key:?}");
    }
    lease.close().unwrap();
    let lease = open(options(dir.path())).unwrap();
    expected.reverse();
    assert_eq!(lease.engine().keys(&KeyRange::all()), expected, "long keys too outlive the process");
}

#[cfg(unix)]
#[test]
fn symbolic_links_are_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret.json"), "1").unwrap();
    let lease = open(options(dir.path())).unwrap();
    let engine = lease.engine();
    std::os::unix::fs::symlink(outside.path().join("secret.json"), dir.path().join("k.json")).unwrap();
    std::os::unix::fs::symlink(outside.path(), dir.path().join("folder")).unwrap();
    assert_eq!(engine.value("k"), None);
    assert_eq!(engine.value("folder/secret"), None);
    assert_eq!(engine.keys(&KeyRange::all()), Vec::<String>::new());
    assert!(engine.commit(Batch::one(Op::set("folder/secret", json("2")))).is_err());
    engine.set("k", "2");
    assert_eq!(fs::read_to_string(outside.path().join("secret.json")).unwrap(), "1", "the link was replaced");
    assert_eq!(engine.value("k").unwrap(), "2");
}

#[cfg(unix)]
#[test]
fn what_is_made_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let lease = open(options(&dir.path().join("deep/base"))).unwrap();
    lease.engine().set("a/b", "1");
    for (path, mode) in
        [("deep", 0o700), ("deep/base/a", 0o700), ("deep/base/a/b.json", 0o600), ("deep/base/.holdfast", 0o700)]
    {
        let found = fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{path}");
    }
}

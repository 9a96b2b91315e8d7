//! Data that outlives the process, and stores that an opening refuses.

use super::*;

#[test]
fn the_time_of_making_outlives_overwriting_and_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let lease = open(options(dir.path())).unwrap();
    lease.engine().set("k", "1");
    let made = lease.engine().entry("k").unwrap().created_at.unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    lease.engine().set("k", "2");
    lease.close().unwrap();
    let lease = open(options(dir.path())).unwrap();
    let record = lease.engine().entry("k").unwrap();
    assert_eq!(record.created_at, Some(made));
    assert!(record.updated_at.unwrap() >= made + 10);
}

#[test]
fn the_sequence_goes_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let lease = open(options(dir.path())).unwrap();
    let first = lease.engine().run(Op::set("k", json("1"))).seq;
    lease.close().unwrap();
    let lease = open(options(dir.path())).unwrap();
    assert!(lease.engine().run(Op::set("k", json("2"))).seq > first);
}

#[test]
fn a_damaged_or_foreign_database_is_refused_and_left_alone() {
    let newer = |path: &Path| {
        // The format's number lies at byte 60 of the file, big-endian.
        let mut bytes = fs::read(path).unwrap();
        bytes[63] = 99;
        fs::write(path, bytes).unwrap();
    };
    let cut = |path: &Path| {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() / 2 + 100]).unwrap();
    };
    let garbage = |path: &Path| fs::write(path, [b'x'; 8192]).unwrap();
    let damages: [&dyn Fn(&Path); 3] = [&garbage, &cut, &newer];
    let codes = [Code::Corrupted, Code::Corrupted, Code::UnsupportedFormat];
    for (damage, code) in damages.into_iter().zip(codes) {
        let dir = tempfile::tempdir().unwrap();
        let lease = open(options(dir.path())).unwrap();
        lease.engine().set("k", "1");
        lease.close().unwrap();
        let path = dir.path().join(".holdfast/store.db");
        damage(&path);
        let before = fs::read(&path).unwrap();
        for read_only in [false, true] {
            let error = open(FileOptions { read_only, ..options(dir.path()) }).err().unwrap();
            assert_eq!((error.code(), error.engine()), (code, Some("file")), "{error}");
        }
        assert!(fs::read(&path).unwrap() == before, "the database was touched");
        assert!(dir.path().join("k.json").exists());
    }
}

#[test]
fn a_read_only_store_is_read_without_a_trace() {
    let dir = tempfile::tempdir().unwrap();
    let lease = open(options(dir.path())).unwrap();
    lease.engine().set("a/b", "1");
    lease.close().unwrap();
    let list = || {
        let mut names: Vec<_> = fs::read_dir(dir.path().join(".holdfast"))
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name(), entry.metadata().unwrap().modified().unwrap()))
            .collect();
        names.sort();
        names
    };
    let before = list();
    let lease = open(FileOptions { read_only: true, ..options(dir.path()) }).unwrap();
    assert_eq!(lease.engine().keys(&KeyRange::all()), ["a/b"]);
    assert_eq!(lease.engine().value("a/b").unwrap(), "1");
    let error = lease.engine().commit(Batch::one(Op::set("c", json("1")))).unwrap_err();
    assert_eq!(error.code(), Code::ReadOnly);
    assert_eq!(list(), before);
    lease.close().unwrap();
    // A folder that no store was ever in can be read as well.
    let plain = tempfile::tempdir().unwrap();
    fs::write(plain.path().join("k.json"), "1").unwrap();
    let lease = open(FileOptions { read_only: true, ..options(plain.path()) }).unwrap();
    assert_eq!(lease.engine().keys(&KeyRange::all()), ["k"]);
    assert!(!plain.path().join(".holdfast").exists());
}

#[test]
fn a_path_that_cannot_be_a_folder_is_an_invalid_argument() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "x").unwrap();
    for path in ["file", "file/below"] {
        let error = open(options(&dir.path().join(path))).err().unwrap();
        assert_eq!((error.code(), error.engine()), (Code::InvalidArgument, Some("file")), "{error}");
    }
    fs::rename(dir.path().join("file"), dir.path().join("app.asar")).unwrap();
    let error = open(options(&dir.path().join("app.asar/data"))).err().unwrap();
    assert_eq!(error.code(), Code::InvalidArgument);
}

//! Damaged logs are reported and kept. Recovery never guesses their content.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::recovery::{Recovered, recover_in};
use super::{Named, commit, folder, intents, lasting, log_in, logs, memory, participant, recover};
use crate::batch::Op;
use crate::engine::{Durability, Engine, EngineExt};
use crate::error::{Code, Error};
use crate::format::transaction_log::HEADER;
use crate::key::Space;
use crate::testing::{Calls, json};

/// A store with an intent of a committed transaction, and the log with the decision. The log has a frame for each of
/// the two stores, and one for the decision.
fn crashed(path: &Path) -> (Arc<dyn Engine>, Named, PathBuf) {
    let (a, b) = (memory(), memory());
    let broken = super::faulty::Faulty::new(&b, None);
    broken.hook(|what| if what == "resolve" { Err(Error::new(Code::Connection, "gone")) } else { Ok(()) });
    let log = log_in(path, Durability::Full, None);
    let parts = vec![
        participant(&lasting("a", &a), Op::set("x", json("1"))),
        participant(&Named("b".into(), broken), Op::set("x", json("1"))),
    ];
    commit(&log, parts).unwrap_err();
    log.close();
    let id = folder(path, None).ids().unwrap()[0];
    let named = lasting("b", &b);
    (b, named, folder(path, None).path_of(id))
}

fn try_recover(path: &Path, Named(name, engine): &Named) -> Recovered {
    recover_in(&folder(path, None), name, engine).unwrap()
}

#[test]
fn damage_in_the_middle_is_told_and_kept_until_somebody_cuts_it_off() {
    let dir = tempfile::tempdir().unwrap();
    let (b, named, file) = crashed(dir.path());
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[HEADER + 9] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    for _ in 0..2 {
        let problems = try_recover(dir.path(), &named).problems;
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].code(), Code::Corrupted);
        let message = problems[0].message();
        assert!(message.contains(&file.display().to_string()) && message.contains("byte 28"), "{message}");
        assert_eq!(std::fs::read(&file).unwrap(), bytes);
        assert_eq!((intents(&b), b.value("x")), (1, None));
    }
    assert!(b.view().unwrap().get(Space::User, b"x").unwrap().is_none(), "reads go on");
    std::fs::write(&file, &bytes[..HEADER]).unwrap();
    assert_eq!(recover(dir.path(), &named).dropped, 1);
    assert_eq!((intents(&b), b.value("x"), logs(dir.path())), (0, None, 0));
}

#[test]
fn a_torn_end_is_cut() {
    let torn: [&[u8]; 3] = [b"x", &[0; 4096], &[7; 40]];
    for tail in torn {
        let dir = tempfile::tempdir().unwrap();
        let (b, named, file) = crashed(dir.path());
        let mut bytes = std::fs::read(&file).unwrap();
        bytes.extend_from_slice(tail);
        std::fs::write(&file, &bytes).unwrap();
        assert_eq!(recover(dir.path(), &named).applied, 1);
        assert_eq!(b.value("x"), Some("1".into()));
    }
}

#[test]
fn a_decision_that_is_not_whole_was_never_made() {
    let dir = tempfile::tempdir().unwrap();
    let (b, named, file) = crashed(dir.path());
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(recover(dir.path(), &named).dropped, 1);
    assert_eq!((intents(&b), b.value("x")), (0, None));
}

#[test]
fn a_newer_format_and_the_log_of_another_are_kept() {
    for (at, code) in [(8, Code::UnsupportedFormat), (12, Code::Corrupted), (0, Code::Corrupted)] {
        let dir = tempfile::tempdir().unwrap();
        let (b, named, file) = crashed(dir.path());
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[at] = bytes[at].wrapping_add(1);
        std::fs::write(&file, &bytes).unwrap();
        let problems = try_recover(dir.path(), &named).problems;
        assert_eq!(problems.iter().map(Error::code).collect::<Vec<_>>(), [code]);
        assert_eq!((std::fs::read(&file).unwrap(), intents(&b)), (bytes, 1));
    }
}

#[test]
fn other_files_and_folders_are_no_logs() {
    let dir = tempfile::tempdir().unwrap();
    let (_, named, _) = crashed(dir.path());
    for name in ["notes.log", "0123456789abcdef.txt", "0123456789ABCDEF.log", "123.log"] {
        std::fs::write(dir.path().join(name), "mine").unwrap();
    }
    std::fs::create_dir(dir.path().join("00000000000000aa.log")).unwrap();
    assert_eq!(recover(dir.path(), &named).applied, 1);
    assert_eq!(std::fs::read(dir.path().join("notes.log")).unwrap(), b"mine");
    assert!(dir.path().join("00000000000000aa.log").is_dir());
}

//! Options: statements shown to the caller, and several tables in one file.
use std::sync::Arc;

use super::support::normal;
use holdfast_core::engine::sqlite::{SqliteOptions, open};
use holdfast_core::testing::Calls;
use parking_lot::Mutex;

#[test]
fn verbose_shows_statements_and_never_values() {
    let folder = tempfile::tempdir().unwrap();
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = seen.clone();
    let mut options = normal(&folder.path().join("verbose.db"));
    options.verbose = Some(Arc::new(move |sql| log.lock().push(sql.to_owned())));
    let lease = open(options).unwrap();
    lease.engine().set("secret-key", "\"secret-value\"");
    assert!(lease.engine().value("secret-key").is_some());
    let seen = seen.lock();
    assert!(seen.iter().any(|sql| sql.starts_with("INSERT INTO \"storage\"") && sql.contains("?1")));
    assert!(seen.iter().any(|sql| sql.starts_with("SELECT") && sql.contains("key = ?1")));
    assert!(!seen.iter().any(|sql| sql.contains("secret")));
}

#[test]
fn tables_of_one_file_are_stores_of_their_own_whatever_the_case_of_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let table = |name: &str| {
        let options = SqliteOptions { table_name: name.into(), ..normal(&folder.path().join("two.db")) };
        open(options).unwrap()
    };
    let (a, b, same) = (table("a"), table("b"), table("A"));
    a.engine().set("k", "1");
    assert_eq!(b.engine().value("k"), None);
    assert!(Arc::ptr_eq(a.engine(), same.engine()));
}

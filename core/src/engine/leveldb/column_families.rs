//! The names of the column families. Those of a replaced content carry the number of their generation.

use rocksdb::DEFAULT_COLUMN_FAMILY_NAME;

/// The user's keyspace of generation 0: RocksDB's default column family.
pub(super) const USER: &str = DEFAULT_COLUMN_FAMILY_NAME;
/// Our keyspace of generation 0.
pub(super) const INTERNAL: &str = "internal";
/// The engine's own records: the markers, and the expiry index of generation 0.
pub(super) const ENGINE: &str = "engine";

/// The column families that every store has, for ever.
pub(super) const ALWAYS: [&str; 3] = [USER, INTERNAL, ENGINE];

const LATER_EXPIRY: &str = "expiry";
/// The first parts of the names of a later generation.
const LATER: [&str; 3] = ["user", "internal", LATER_EXPIRY];

/// The names of a generation: those of the user's keyspace, of ours, and of the expiry index.
pub(super) fn names(generation: u64) -> [String; 3] {
    match generation {
        0 => ALWAYS.map(str::to_owned),
        _ => LATER.map(|part| format!("{part}.{generation}")),
    }
}

/// The generation that a column family belongs to. `None` for a name that is not ours.
pub(super) fn generation_of(name: &str) -> Option<u64> {
    if ALWAYS.contains(&name) {
        return Some(0);
    }
    let generation = name.split_once('.')?.1.parse().ok().filter(|generation| *generation > 0)?;
    names(generation).iter().any(|other| other == name).then_some(generation)
}

/// True if the column family holds an expiry index.
pub(super) fn has_index(name: &str) -> bool {
    name == ENGINE || name.split_once('.').is_some_and(|(part, _)| part == LATER_EXPIRY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_generation() {
        for generation in [0, 1, 17, u64::MAX] {
            for (at, name) in names(generation).iter().enumerate() {
                assert_eq!(generation_of(name), Some(generation), "{name}");
                assert_eq!(has_index(name), at == 2, "{name}");
            }
        }
        for other in
            ["user", "user.", "user.0", "user.01", "user.+1", "user.-1", "other.1", "user.18446744073709551616"]
        {
            assert_eq!(generation_of(other), None, "{other}");
        }
    }
}

//! What is particular to the leveldb engine; what every engine owes is in the conformance suite.

#[path = "leveldb/faults.rs"]
mod faults;
#[path = "leveldb/model.rs"]
mod model;
#[path = "leveldb/processes.rs"]
mod processes;
#[path = "leveldb/records.rs"]
mod records;
#[path = "leveldb/support.rs"]
mod support;

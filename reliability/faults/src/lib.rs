//! Shows what stores keep after crashes: `kill -9` at every change of the disk, power loss, and failing system calls.
//!
//! A workload (`plan`, `workload`) runs as a program of its own and says which batches were acknowledged (`history`).
//! `trace` stands between it and the kernel. Afterwards the store is opened and compared with a model (`judge`,
//! `model`). `docs/reliability.md` states the rules.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod disk;
pub mod history;
pub mod judge;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod kill;
pub mod lab;
pub mod model;
pub mod plan;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod power;
pub mod random;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod refusal;
pub mod report;
pub mod store;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod strace;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod trace;
pub mod workload;

/// The result of a step of an experiment.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

//! The replacement of the whole content: another tree of files and another database in the place of the old ones.
//!
//! # Invariants
//!
//! - A content is staged below `.holdfast/staged`: a tree of files with the names of the real one, the files of long
//!   keys, and a whole database whose format says [`Format::Clearing`]. Nobody reads it, and an opening removes it.
//! - The commit point is the rename of the staged database over the real one. Everything that is staged was synced
//!   before, at every durability. No WAL of the old database is left, because SQLite would take it for one of the new.
//! - Behind it there is only one way, on: the old files are moved away, the format becomes [`Format::Placing`], the
//!   staged files are moved to their places, the format becomes [`Format::Plain`]. Each change of the format is durable
//!   before the next step, and so are the moves before it. So an opening that finds a format knows which moves to make
//!   again, and in the folders a file needs no mark that tells to which content it belongs.
//! - The moves run under the lock of the files, so whoever reads sees one content. If they fail, the store answers
//!   nothing more until it is opened again.
//! - Files and folders that are no key's stay where they are, as `clear` leaves them.

mod leftovers;
mod moves;
mod stage;
mod swap;

pub(super) use self::leftovers::{Leftovers, remove_leftovers};
pub(super) use self::stage::FileStage;
pub(super) use self::swap::{Target, finish, swap};

#[cfg(doc)]
use super::metadata::Format;

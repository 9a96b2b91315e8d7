//! What the user of a connection may do. The server does not take back what a script has written before one of its
//! commands is refused. So a script is not sent unless the user may run every command in it.

use redis::{Pipeline, Value as RespValue};

use super::super::fault::{is_denied, not_allowed};
use super::super::reply::text;
use super::super::script::run_once;
use crate::error::Error;
use crate::format::redis::Layout;

const RIGHTS: &str = include_str!("rights.lua");

/// The commands of the script that commits, each with its arguments as `rights.lua` takes them.
pub(super) const COMMIT_COMMANDS: &[&str] = &[
    "exists k",
    "get k",
    "hdel kv",
    "hget kv",
    "hgetall k",
    "hkeys k",
    "hset kvv",
    "hvals k",
    "incrby kv",
    "mset kv",
    "persist k",
    "pexpire kv",
    "pexpiretime k",
    "set kv",
    "time ",
    "unlink k",
    "xadd kvvv",
    "zadd kvv",
    "zrange kvv",
    "zrem kv",
];

/// The commands of the scripts that replace the content, but for those of the script that commits.
pub(crate) const REPLACEMENT_COMMANDS: &[&str] =
    &["hrandfield k", "lindex kv", "llen k", "lpop k", "ltrim kvv", "rename kk", "rpush kv", "rpushx kv", "zcard k"];

/// Asks which of `commands` the user may not run.
pub(crate) fn question(layout: &Layout, commands: &[&str]) -> Pipeline {
    let commands: Vec<&[u8]> = commands.iter().map(|command| command.as_bytes()).collect();
    run_once(RIGHTS, &[&layout.absent()], &commands)
}

/// The error of a call that needs commands which the user may not run, from the answer to [`question`]. A server that
/// gives another answer is believed to allow everything.
pub(crate) fn refusal(answer: Option<RespValue>) -> Option<Error> {
    match answer? {
        RespValue::Array(missing) if !missing.is_empty() => {
            let names: Vec<String> = missing.iter().filter_map(text).map(str::to_ascii_uppercase).collect();
            Some(not_allowed(&format!("may not run {}", names.join(", "))))
        }
        RespValue::ServerError(error) if is_denied(&error) => {
            Some(not_allowed("may not run EVAL, or may not use every key behind the prefix"))
        }
        _ => None,
    }
}

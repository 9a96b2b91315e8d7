//! How the name of a user key becomes an argument of a command, without being put together first.

use std::io::Write;

use redis::{RedisWrite, ToRedisArgs};

use super::layout::Name;

impl ToRedisArgs for Name<'_> {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        let mut arg = out.writer_for_next_arg();
        // It is written to memory, which cannot fail.
        let _ = arg.write_all(self.prefix).and_then(|()| arg.write_all(self.key));
    }
}

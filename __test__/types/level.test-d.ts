// The types of holdfast/level, over those of the root entry.
import { AbstractLevel } from 'abstract-level';
import { expectTypeOf } from 'expect-type';
import { MemoryStorage, StorageManager } from 'holdfast';
import type { Engine, StorageEngine } from 'holdfast';
import { HoldfastLevel } from 'holdfast/level';
import type { HoldfastLevelOptions } from 'holdfast/level';

const db = new HoldfastLevel(new StorageManager().getEngine());
expectTypeOf(db).toExtend<AbstractLevel<string | Buffer, string, string>>();
expectTypeOf(db.get('a')).resolves.toEqualTypeOf<string | undefined>();
expectTypeOf(db.close()).resolves.toEqualTypeOf<void>();
expectTypeOf(db.engine).toEqualTypeOf<Engine>();
expectTypeOf(db.location).toEqualTypeOf<string>();

interface User {
  name: string;
}
const users = new HoldfastLevel<string, User>(new MemoryStorage(), { prefix: 'users', valueEncoding: 'json' });
expectTypeOf(users.get('a')).resolves.toEqualTypeOf<User | undefined>();
expectTypeOf(users.iterator().next()).resolves.toEqualTypeOf<[string, User] | undefined>();
expectTypeOf(users.get('a', { valueEncoding: 'buffer' })).resolves.toEqualTypeOf<User | undefined>();
void users.batch([
  { type: 'put', key: 'a', value: { name: 'Ada' } },
  { type: 'del', key: 'b' },
]);
// @ts-expect-error a value of this database is a user
void users.put('a', 5);
// @ts-expect-error the prefix is a string
new HoldfastLevel(new MemoryStorage(), { prefix: 5 });
// @ts-expect-error an engine is needed
new HoldfastLevel();
// @ts-expect-error an engine has eight methods
new HoldfastLevel({ get: async () => null });

declare const own: StorageEngine;
expectTypeOf(new HoldfastLevel(own, {} satisfies HoldfastLevelOptions)).toEqualTypeOf<HoldfastLevel>();

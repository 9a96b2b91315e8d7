// The types of the public API, as a strict program sees them.
import type { Readable, Writable } from 'node:stream';
import type { ReadableStream as NodeReadable, WritableStream as NodeWritable } from 'node:stream/web';
import { expectTypeOf } from 'expect-type';
import {
  BaseStorageEngine,
  FileStorage,
  KeyValueStore,
  LevelDBStorage,
  MemoryStorage,
  RedisStorage,
  SQLiteStorage,
  StorageManager,
  Transaction,
  decode,
  encode,
  isStorageError,
} from 'holdfast';
import type {
  BatchOperation,
  DataMethods,
  Engine,
  EngineStats,
  Entry,
  ErrorCode,
  ExportResult,
  ImportResult,
  Snapshot,
  StorageConfig,
  StorageEngine,
  StorageError,
  StorageIterator,
  StorageTypeError,
  TransactionStats,
  TransactionStatus,
  WatchEvent,
  WatchIterator,
} from 'holdfast';

interface User {
  name: string;
}

const engine: Engine = new StorageManager().getEngine();

// Reads take the type of their value. Without it a value is unknown.
expectTypeOf(engine.get('a')).resolves.toEqualTypeOf<unknown>();
expectTypeOf(engine.get<User>('a')).resolves.toEqualTypeOf<User | null>();
expectTypeOf(engine.getMany<User>(new Set(['a']))).resolves.toEqualTypeOf<(User | null)[]>();
expectTypeOf(engine.getEntry<User>('a')).resolves.toEqualTypeOf<Entry<User> | null>();
expectTypeOf(engine.getSync<User>('a')).toEqualTypeOf<User | null>();
expectTypeOf(engine.entries<User>()).toEqualTypeOf<StorageIterator<[string, User]>>();
expectTypeOf(engine.values<User>({ prefix: 'a', limit: 5 })).toEqualTypeOf<StorageIterator<User>>();
expectTypeOf(engine.keysIterator('a*')).toEqualTypeOf<StorageIterator<string>>();
expectTypeOf(engine.snapshot()).resolves.toEqualTypeOf<Snapshot>();
expectTypeOf(engine.status).toEqualTypeOf<'idle' | 'connecting' | 'connected' | 'closed'>();

// Changes.
expectTypeOf(
  engine.watch<User>('a*', { since: 1, maxQueue: 10, persistent: false, signal: new AbortController().signal }),
).toEqualTypeOf<WatchIterator<User>>();
expectTypeOf(engine.watch().ready).resolves.toEqualTypeOf<void>();
async function changes(): Promise<void> {
  for await (const change of engine.watch<User>()) {
    expectTypeOf(change).toEqualTypeOf<WatchEvent<User>>();
    if (change.type === 'set') expectTypeOf(change.value).toEqualTypeOf<User | undefined>();
    else expectTypeOf(change.version).toEqualTypeOf<null>();
  }
}
void changes();
// @ts-expect-error there is no such option
engine.watch('*', { from: 1 });

// Writes.
expectTypeOf(
  engine.set('a', 1, { ttl: 5, metadata: {}, ifAbsent: true, signal: new AbortController().signal }),
).resolves.toEqualTypeOf<void>();
expectTypeOf(engine.setMany(new Map([['a', 1]]))).resolves.toEqualTypeOf<void>();
expectTypeOf(engine.deleteMany(['a'])).resolves.toEqualTypeOf<number>();
expectTypeOf(engine.increment('n', 2)).resolves.toEqualTypeOf<number>();
expectTypeOf(engine.compareAndSet('a', null, 1)).resolves.toEqualTypeOf<{ ok: boolean; version: string | null }>();
const operations: BatchOperation[] = [
  { type: 'set', key: 'a', value: 1, ttl: 5 },
  { type: 'delete', key: 'a' },
  { type: 'check', key: 'a', version: null },
];
void engine.batch(operations);
// @ts-expect-error there is no such operation
void engine.batch([{ type: 'put', key: 'a' }]);
// @ts-expect-error there is no such option
void engine.set('a', 1, { tll: 5 });
// @ts-expect-error a version is a string or null
void engine.compareAndSet('a', 5, 1);
// @ts-expect-error there is no such bound
void engine.keys({ from: 'a' });

// A store of one kind of value.
const users = new KeyValueStore<User>(engine, 'users');
expectTypeOf(users.get('a')).resolves.toEqualTypeOf<User | null>();
expectTypeOf(users.mget(['a'])).resolves.toEqualTypeOf<(User | null)[]>();
expectTypeOf(users.entries()).toEqualTypeOf<StorageIterator<[string, User]>>();
expectTypeOf(new StorageManager().keyValue<User>('users')).toEqualTypeOf<KeyValueStore<User>>();
// @ts-expect-error the prefix is a string
new KeyValueStore(engine, 5);

// Engines: the built-in ones are full, and a custom one needs eight methods.
for (const made of [
  new MemoryStorage(),
  new FileStorage({ basePath: 'x' }),
  new SQLiteStorage({ path: 'x' }),
  new LevelDBStorage({ path: 'x' }),
  new RedisStorage(),
]) {
  expectTypeOf(made).toExtend<Engine>();
  expectTypeOf(made).toExtend<BaseStorageEngine>();
}
const own: StorageEngine = {
  connect: async () => {},
  disconnect: async () => {},
  get: async (key) => key,
  set: async () => {},
  delete: async () => true,
  has: async () => true,
  keys: async () => [],
  clear: async () => {},
};
new StorageManager({ engines: { own } }).registerEngine('other', own, { own: true });
void new KeyValueStore(own).get('a');
// @ts-expect-error keys is missing
new StorageManager({ engines: { own: { ...own, keys: undefined } } });

class OwnStorage extends BaseStorageEngine<{ url: string }> {
  protected async doConnect(): Promise<void> {
    expectTypeOf(this.config.url).toEqualTypeOf<string>();
  }
  protected async doDisconnect(): Promise<void> {}
  async get<T>(key: string): Promise<T | null> {
    await this.ensureConnected();
    void key;
    return null;
  }
  async set(): Promise<void> {}
  async delete(): Promise<boolean> {
    return false;
  }
  async has(): Promise<boolean> {
    return false;
  }
  async keys(): Promise<string[]> {
    return [];
  }
  async clear(): Promise<void> {}
}
new StorageManager({ engines: { own: new OwnStorage('own', { url: 'x' }) } });

// Transactions.
const storage = new StorageManager({ transactions: { path: './tx', timeout: 1_000 } });
declare const tx: Transaction;
expectTypeOf(
  storage.beginTransaction({ engine: 'memory', timeout: 0, readOnly: true }),
).resolves.toEqualTypeOf<Transaction>();
expectTypeOf(tx).toExtend<DataMethods>();
expectTypeOf(tx).toExtend<AsyncDisposable>();
expectTypeOf(tx.id).toEqualTypeOf<string>();
expectTypeOf(tx.status).toEqualTypeOf<TransactionStatus>();
expectTypeOf(tx.get<User>('a')).resolves.toEqualTypeOf<User | null>();
expectTypeOf(tx.engine('file')).toEqualTypeOf<DataMethods>();
expectTypeOf(tx.commit()).resolves.toEqualTypeOf<void>();
expectTypeOf(storage.transactions.list()).toEqualTypeOf<Transaction[]>();
expectTypeOf(storage.transactions.rollback(tx.id)).resolves.toEqualTypeOf<void>();
expectTypeOf(
  storage.transaction(async (inside) => (await inside.get<User>('a'))?.name, { retries: 3 }),
).resolves.toEqualTypeOf<string | undefined>();
expectTypeOf(storage.transaction(() => 5)).resolves.toEqualTypeOf<number>();
expectTypeOf(storage.stats().then(({ transactions }) => transactions)).resolves.toEqualTypeOf<TransactionStats>();
expectTypeOf(storage.stats().then(({ memory }) => memory)).resolves.toEqualTypeOf<EngineStats | undefined>();
void new KeyValueStore(tx, 'settings').get('a');
void new KeyValueStore(tx.engine('file'));
// @ts-expect-error a transaction has no snapshot
void tx.snapshot();
// @ts-expect-error there is no such option
void storage.beginTransaction({ isolation: 'serializable' });
// @ts-expect-error transactions are begun, not made
new Transaction('id');

// Export and import.
declare const given: {
  readable: Readable;
  writable: Writable;
  web: ReadableStream<Uint8Array>;
  webTarget: WritableStream<Uint8Array>;
  nodeWeb: NodeReadable<Uint8Array>;
  nodeTarget: NodeWritable<Uint8Array>;
  lines: AsyncGenerator<string>;
};
expectTypeOf(storage.export({ format: 'jsonl', target: './a' })).resolves.toEqualTypeOf<ExportResult>();
void storage.export({ format: 'jsonl', target: given.writable, from: tx, prefix: 'a/' });
void storage.export({ format: 'jsonl', target: given.webTarget, from: own });
void storage.export({ format: 'jsonl', target: given.nodeTarget, from: tx.engine('file') });
expectTypeOf(
  storage.import({ format: 'jsonl', source: given.readable, to: 'sqlite' }),
).resolves.toEqualTypeOf<ImportResult>();
for (const source of [given.web, given.nodeWeb, given.lines, new Uint8Array(), './a'])
  void storage.import({ format: 'jsonl', source, to: tx, onProgress: ({ done }) => void done });
// @ts-expect-error there is no such format
void storage.export({ format: 'csv', target: './a' });
// @ts-expect-error an import needs an engine
void storage.import({ format: 'jsonl', source: './a' });
// @ts-expect-error an array is no source
void storage.import({ format: 'jsonl', source: ['{}'], to: 'sqlite' });

// Configuration, events, errors, codec.
const config: StorageConfig = {
  defaultEngine: 'sqlite',
  sqlite: { path: ':memory:', durability: 'normal' },
  retry: { attempts: 2 },
};
new StorageManager(config)
  .on('retry', (event) => expectTypeOf(event.attempt).toEqualTypeOf<number>())
  .on('error', (error, name) => {
    expectTypeOf(error).toEqualTypeOf<unknown>();
    expectTypeOf(name).toEqualTypeOf<string>();
  });
// @ts-expect-error there is no such event
new StorageManager().on('close', () => {});
// @ts-expect-error there is no such level
new StorageManager({ durability: 'high' });

const thrown: unknown = undefined;
if (isStorageError(thrown)) {
  expectTypeOf(thrown).toEqualTypeOf<StorageError | StorageTypeError>();
  expectTypeOf(thrown.code).toEqualTypeOf<ErrorCode>();
}
expectTypeOf(encode({})).toEqualTypeOf<string | Buffer>();
expectTypeOf(decode<User>('{}')).toEqualTypeOf<User>();

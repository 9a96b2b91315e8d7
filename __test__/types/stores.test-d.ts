// The types of key-value stores and of the engines of a configuration.
import { expectTypeOf } from 'expect-type';
import { KeyValueStore, MemoryStorage, StorageManager } from 'holdfast';
import type {
  Engine,
  Entry,
  FileStorage,
  JavaScriptEngine,
  KeyMap,
  SQLiteStorage,
  StorageConfig,
  StorageEngine,
  StorageIterator,
  WatchIterator,
} from 'holdfast';

interface User {
  name: string;
  age?: number;
}

const storage = new StorageManager();
declare const own: StorageEngine;

// A store of one type reads and writes that type alone.
const users = storage.keyValue<User>('users');
expectTypeOf(users.get('ada')).resolves.toEqualTypeOf<User | null>();
expectTypeOf(users.mget(['ada'])).resolves.toEqualTypeOf<(User | null)[]>();
expectTypeOf(users.getEntry('ada')).resolves.toEqualTypeOf<Entry<User> | null>();
expectTypeOf(users.entries()).toEqualTypeOf<StorageIterator<[string, User]>>();
expectTypeOf(users.values()).toEqualTypeOf<StorageIterator<User>>();
expectTypeOf(users.keysIterator()).toEqualTypeOf<StorageIterator<string>>();
expectTypeOf(users.keys()).resolves.toEqualTypeOf<string[]>();
expectTypeOf(users.watch()).toEqualTypeOf<WatchIterator<User>>();
void users.set('ada', { name: 'Ada' });
void users.mset([['ada', { name: 'Ada' }]]);
void users.mset(new Map([['ada', { name: 'Ada' }]]));
void users.compareAndSet('ada', null, { name: 'Ada' });
// @ts-expect-error a user has a name
void users.set('ada', { nam: 'Ada' });
// @ts-expect-error a number is no user
void users.set('ada', 5);
// @ts-expect-error a number is no user
void users.mset([['ada', 5]]);
// @ts-expect-error a text is no user
void users.compareAndSet('ada', null, 'Ada');
// @ts-expect-error a read is of the type of the store
void users.get<number>('ada');
// @ts-expect-error a read is of the type of the store
const wrong: Promise<number | null> = users.get('ada');
void wrong;
// @ts-expect-error users are no numbers
void users.increment('ada');
// @ts-expect-error a key is a string
void users.get(5);

// Numbers can be incremented, and so can what may be anything.
void storage.keyValue<number>('n').increment('a');
void storage.keyValue<number | string>('n').increment('a');
void storage.keyValue('any').increment('a');
expectTypeOf(storage.keyValue('any').get('a')).resolves.toEqualTypeOf<unknown>();
void storage.keyValue('any').set('a', { anything: 1 });

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- what a program that is not strict writes
const loose = storage.keyValue<any>('any');
void loose.set('a', { anything: 1 });
void loose.increment('a');
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- as above
expectTypeOf(loose.entries()).toEqualTypeOf<StorageIterator<[string, any]>>();

// A map of keys has a type for each key.
type Settings = KeyMap<{ theme: 'dark' | 'light'; size: number; user?: User }>;
const settings = storage.keyValue<Settings>('settings');
expectTypeOf(settings.get('theme')).resolves.toEqualTypeOf<'dark' | 'light' | null>();
expectTypeOf(settings.get('user')).resolves.toEqualTypeOf<User | null>();
expectTypeOf(settings.getEntry('size')).resolves.toEqualTypeOf<Entry<number> | null>();
expectTypeOf(settings.mget(['size', 'theme'])).resolves.toEqualTypeOf<('dark' | 'light' | number | null)[]>();
expectTypeOf(settings.keys()).resolves.toEqualTypeOf<('theme' | 'size' | 'user')[]>();
expectTypeOf(settings.entries()).toEqualTypeOf<
  StorageIterator<['theme', 'dark' | 'light'] | ['size', number] | ['user', User]>
>();
expectTypeOf(settings.values()).toEqualTypeOf<StorageIterator<'dark' | 'light' | number | User>>();
void settings.set('theme', 'dark');
void settings.set('user', { name: 'Ada' });
void settings.mset([
  ['theme', 'light'],
  ['size', 12],
]);
void settings.increment('size');
void settings.delete('theme');
// @ts-expect-error there is no such theme
void settings.set('theme', 'blue');
// @ts-expect-error a size is a number
void settings.set('size', 'large');
// @ts-expect-error a theme is no size
void settings.mset([['size', 'dark']]);
// @ts-expect-error there is no such key
void settings.get('colour');
// @ts-expect-error there is no such key
void settings.has('colour');
// @ts-expect-error a theme is no number
void settings.increment('theme');
new KeyValueStore<Settings>(new MemoryStorage()) satisfies KeyValueStore<Settings>;

// The engines of a configuration have their types.
const configured = new StorageManager({
  defaultEngine: 'sqlite',
  sqlite: { path: ':memory:' },
  file: { basePath: './files' },
  engines: { mine: own, cache: new MemoryStorage() },
});
expectTypeOf(configured.getEngine('sqlite')).toEqualTypeOf<SQLiteStorage>();
expectTypeOf(configured.getEngine('file')).toEqualTypeOf<FileStorage>();
expectTypeOf(configured.getEngine('memory')).toEqualTypeOf<MemoryStorage>();
expectTypeOf(configured.getEngine('mine')).toEqualTypeOf<JavaScriptEngine>();
expectTypeOf(configured.getEngine('mine').target).toEqualTypeOf<StorageEngine>();
expectTypeOf(configured.getEngine('cache')).toEqualTypeOf<MemoryStorage>();
// Others may be registered later.
expectTypeOf(configured.getEngine('redis')).toEqualTypeOf<Engine>();
expectTypeOf(configured.getEngine()).toEqualTypeOf<Engine>();
declare const name: string;
expectTypeOf(configured.getEngine(name)).toEqualTypeOf<Engine>();
expectTypeOf(storage.getEngine('sqlite')).toEqualTypeOf<Engine>();
// A manager of any configuration is a StorageManager.
const any: StorageManager = configured;
expectTypeOf(any.getEngine('sqlite')).toEqualTypeOf<Engine>();
declare const config: StorageConfig;
new StorageManager(config) satisfies StorageManager;
class Services extends StorageManager {
  constructor() {
    super();
  }
}
new Services() satisfies StorageManager;

// Options are still checked.
// @ts-expect-error there is no such section
new StorageManager({ sqllite: { path: 'x' } });
// @ts-expect-error there is no such option of a section
new StorageManager({ sqlite: { path: 'x', tabelName: 'y' } });
// @ts-expect-error the path is missing
new StorageManager({ sqlite: {} });
// @ts-expect-error keys is missing
new StorageManager({ engines: { own: { ...own, keys: undefined } } });

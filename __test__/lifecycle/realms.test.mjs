// The package in the realms of test frameworks, whose built-in classes are not those of Node's modules and the addon.
import { join } from 'node:path';
import { types } from 'node:util';
import test from 'ava';
import { isStorageError } from '../helpers/entry.mjs';
import { folderOf, freshPrefix, redisUrl } from '../helpers/engines.mjs';
import { BareEngine } from '../helpers/map-engine.mjs';
import { REALMS, loadInRealm } from '../helpers/realm.mjs';

const ENGINES = ['memory', 'file', 'sqlite', 'leveldb', 'redis', 'mine'];

/** A manager that was made in the realm. */
async function managerIn(t, realm, defaultEngine) {
  const folder = folderOf(t);
  const storage = new realm.StorageManager({
    defaultEngine,
    durability: 'none',
    file: { basePath: join(folder, 'files') },
    sqlite: { path: join(folder, 'store.db') },
    leveldb: { path: join(folder, 'level') },
    redis: { url: await redisUrl(), keyPrefix: freshPrefix() },
    engines: { mine: new BareEngine() },
    transactions: { path: join(folder, 'tx') },
    retry: { minDelay: 1, maxDelay: 4 },
  });
  t.teardown(async () => {
    await storage
      .getEngine('redis')
      .clear()
      .catch(() => {}); // the test may have closed it
    await storage.close();
  });
  return storage;
}

for (const [kind, globals] of Object.entries(REALMS)) {
  for (const name of ENGINES) {
    test(`${kind}, ${name}: errors have their codes, and retries go on`, async (t) => {
      const realm = loadInRealm(globals);
      const storage = await managerIn(t, realm, name);
      const engine = storage.getEngine();
      const RealmError = realm.run('Error');
      const rejects = async (promise, code) => {
        const error = await promise.then(
          () => undefined,
          (reason) => reason,
        );
        t.is(error?.code, code, error?.stack);
        t.true(error instanceof RealmError && types.isNativeError(error) && isStorageError(error));
      };
      await engine.set('a', 1);
      if (name !== 'mine') {
        await rejects(engine.set('a', 2, { ifVersion: '1f' }), 'CONFLICT');
        t.like(await engine.compareAndSet('a', null, 2), { ok: false });
      }
      await rejects(engine.set('a', 2, { ifAbsent: true }), 'CONFLICT');
      await engine.set('text', 'no number');
      await rejects(engine.increment('text'), 'INVALID_ARGUMENT');
      await rejects(engine.get(''), 'INVALID_KEY');
      await rejects(engine.get(5), 'INVALID_ARGUMENT');
      await rejects(
        engine.set('a', () => {}),
        'UNSUPPORTED_VALUE',
      );
      await rejects(engine.get('a', { signal: AbortSignal.abort() }), 'ABORTED');
      let runs = 0;
      const sum = await storage.transaction(async (tx) => {
        const n = await tx.get('a');
        if (++runs === 1) await engine.set('a', 5);
        await tx.set('a', n + 1);
        return n + 1;
      });
      t.deepEqual([runs, sum, await engine.get('a')], [2, 6, 6]);
      await Promise.all(
        Array.from({ length: 20 }, () => storage.transaction((tx) => tx.increment('n'), { retries: 1000 })),
      );
      t.is(await engine.get('n'), 20);
      await storage.transaction(async (tx) => {
        await tx.set('both', 1);
        await tx.engine('memory').set('both', 1);
      });
      const target = join(folderOf(t), 'none', 'a.jsonl');
      await rejects(storage.export({ format: 'jsonl', target }), 'IO');
      await storage.close();
      if (name !== 'mine') await rejects(engine.get('a'), 'CLOSED');
    });
  }

  test(`${kind}: values of any realm are stored, and come back as those of the package's realm`, async (t) => {
    const realm = loadInRealm(globals);
    const storage = await managerIn(t, realm, 'sqlite');
    const code = `({ list: [1, { a: null }], date: new Date(5), map: new Map([['k', new Set([1n])]]), regExp: /x/g,
      bytes: new Float64Array([0.5]), buffer: new Uint8Array([1, 2]).buffer, none: Object.create(null) })`;
    for (const value of [realm.run(code), (0, eval)(code)]) {
      await storage.getEngine().set('value', value);
      const found = await storage.getEngine().get('value');
      for (const [field, name] of [
        ['list', 'Array'],
        ['date', 'Date'],
        ['map', 'Map'],
        ['regExp', 'RegExp'],
        ['bytes', 'Float64Array'],
        ['buffer', 'ArrayBuffer'],
        ['none', 'Object'],
      ])
        t.true(found[field] instanceof realm.run(name), field);
      t.is(found.date.getTime(), 5);
      t.true(found.map.get('k').has(1n));
      t.deepEqual([...found.bytes], [0.5]);
    }
    await storage.getEngine().set('bytes', Buffer.from('text'));
    t.is((await storage.getEngine().get('bytes')).toString(), 'text');
  });

  test(`${kind}: what can be disposed of has the symbol for it`, async (t) => {
    const realm = loadInRealm(globals);
    const storage = await managerIn(t, realm, 'memory');
    const inside = storage.getEngine('memory');
    for (const disposable of [storage, inside, inside.entries(), inside.watch(), await inside.snapshot()]) {
      t.is(typeof disposable[realm.run('Symbol').asyncDispose ?? Symbol.for('Symbol.asyncDispose')], 'function');
      t.is(disposable['undefined'], undefined);
    }
  });
}

test('two copies in one process share what they open', async (t) => {
  const realms = [loadInRealm(), loadInRealm()];
  const folder = folderOf(t);
  const makers = {
    file: (realm) => new realm.FileStorage({ basePath: join(folder, 'files'), durability: 'none' }),
    sqlite: (realm) => new realm.SQLiteStorage({ path: join(folder, 'store.db'), durability: 'none' }),
    leveldb: (realm) => new realm.LevelDBStorage({ path: join(folder, 'level'), durability: 'none' }),
  };
  for (const [name, make] of Object.entries(makers)) {
    const engines = realms.map(make);
    await Promise.all(Array.from({ length: 50 }, () => engines.map((engine) => engine.increment('n'))).flat());
    t.deepEqual(await Promise.all(engines.map((engine) => engine.get('n'))), [100, 100], name);
    await engines[0].disconnect();
    await engines[1].set('a', 1);
    t.is(await engines[0].get('a'), 1);
    await Promise.all(engines.map((engine) => engine.disconnect()));
  }
});

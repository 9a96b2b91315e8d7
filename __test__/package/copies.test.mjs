// Several copies of the package in one process: installed twice, bundled beside an install, of two versions.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import vm from 'node:vm';
import { build } from 'esbuild';
import test from 'ava';
import * as holdfast from '../helpers/entry.mjs';
import { copyApart, copyPackage, load } from '../helpers/copies.mjs';
import { folderOf } from '../helpers/engines.mjs';
import { program } from '../helpers/program.mjs';

const { JavaScriptEngine, KeyValueStore, MemoryStorage, SQLiteStorage, StorageManager } = holdfast;
const require = createRequire(import.meta.url);
const root = fileURLToPath(new URL('../../', import.meta.url));
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

function isSame(t, copy) {
  for (const [name, exported] of Object.entries(holdfast)) t.is(copy[name], exported, name);
}

test('a second installed copy of one version is the same instance', (t) => {
  const copy = load(copyPackage(t));
  isSame(t, copy);
});

test('the build for bundlers is the same instance', async (t) => {
  isSame(t, await import(pathToFileURL(join(root, 'dist/es/index.mjs'))));
});

for (const format of ['cjs', 'esm']) {
  test(`a bundle (${format}) beside an install is the same instance`, async (t) => {
    const outfile = join(folderOf(t), format === 'cjs' ? 'bundle.cjs' : 'bundle.mjs');
    const entry = { contents: "export * from 'holdfast';", resolveDir: root };
    await build({ stdin: entry, bundle: true, platform: 'node', format, outfile, minify: true, logLevel: 'silent' });
    isSame(t, await import(pathToFileURL(outfile)));
  });
}

test('an engine of a second copy has all its abilities', async (t) => {
  const copy = load(copyPackage(t));
  const engine = new copy.SQLiteStorage({ path: join(folderOf(t), 'store.db') });
  const storage = new StorageManager({ engines: { copied: engine } });
  t.is(storage.getEngine('copied'), engine);
  await storage.transaction(
    async (tx) => {
      await new copy.KeyValueStore(tx, 'p').set('a', 1, { metadata: { of: 'a' } });
      await new KeyValueStore(tx, 'p').increment('a');
    },
    { engine: 'copied' },
  );
  t.like(await new KeyValueStore(engine, 'p').getEntry('a'), { value: 2, metadata: { of: 'a' } });
  await engine.disconnect();
});

test('copies of one version share an open store', async (t) => {
  const copy = load(copyPackage(t));
  const path = join(folderOf(t), 'store.db');
  const engines = [new SQLiteStorage({ path }), new copy.SQLiteStorage({ path })];
  await Promise.all(Array.from({ length: 600 }, (_, index) => engines[index % 2].increment('n')));
  t.is(await engines[0].get('n'), 600);
  await engines[1].disconnect();
  await engines[0].set('last', 1);
  t.is(await new SQLiteStorage({ path, readOnly: false }).get('last'), 1);
  await engines[0].disconnect();
});

/** Every way to hand an engine over. */
const WAYS = {
  'a model': (engine) => new KeyValueStore(engine),
  'a manager': (engine) => new StorageManager({ engines: { other: engine } }),
  registerEngine: (engine) => new StorageManager().registerEngine('other', engine),
  copy: (engine) => new StorageManager().copy({ from: engine, to: new MemoryStorage() }),
  export: (engine) => new StorageManager().export({ format: 'jsonl', from: engine, target: './none.jsonl' }),
};

for (const [way, give] of Object.entries(WAYS)) {
  test(`${way}: an engine of another version is refused with both versions`, async (t) => {
    const copy = load(
      copyPackage(t, (code) => code.replaceAll(`"${version}"`, '"9.8.7"').replace('"holdfast@', '"x@')),
    );
    const own = { connect() {}, disconnect() {}, get() {}, set() {}, delete() {}, has() {}, keys() {}, clear() {} };
    const wrapped = new copy.StorageManager({ engines: { own } }).getEngine('own');
    for (const engine of [new copy.MemoryStorage(), wrapped]) {
      t.false(engine instanceof MemoryStorage || engine instanceof JavaScriptEngine);
      const error = await t.throwsAsync(async () => give(engine), { code: 'INVALID_ARGUMENT' });
      t.regex(
        error.message,
        new RegExp(`made by holdfast 9\\.8\\.7, and this is holdfast ${version}.*npm ls holdfast`),
      );
    }
  });
}

test('an engine or transaction of a copy in another context is refused', async (t) => {
  const file = require.resolve('holdfast');
  const cache = {};
  // As Jest does: the package is evaluated in the context of the test, what Node has is not.
  const evaluate = (path) => {
    if (cache[path]) return cache[path].exports;
    const module = (cache[path] = { exports: {} });
    const inner = (name) => (name.startsWith('./') ? evaluate(join(path, '..', name)) : require(name));
    const body = vm.compileFunction(
      readFileSync(path, 'utf8'),
      ['module', 'exports', 'require', '__filename', '__dirname'],
      { parsingContext: context, filename: path },
    );
    body(module, module.exports, inner, path, join(path, '..'));
    return module.exports;
  };
  const context = vm.createContext({ ...globalThis, process, performance, setImmediate, queueMicrotask });
  const copy = evaluate(file);
  t.not(copy.MemoryStorage, MemoryStorage);
  t.is(evaluate(file), copy);
  const engine = new copy.MemoryStorage();
  await engine.set('a', 1);
  t.is(await new copy.KeyValueStore(engine).get('a'), 1);
  const message = /another copy of holdfast, in another context/;
  t.throws(() => new KeyValueStore(engine), { code: 'INVALID_ARGUMENT', message });
  const tx = await new copy.StorageManager({ defaultEngine: 'memory' }).beginTransaction();
  t.throws(() => new KeyValueStore(tx), { code: 'INVALID_ARGUMENT', message });
  await tx.rollback();
  await engine.disconnect();
});

test('a custom engine that extends the base class of another copy is a custom engine', async (t) => {
  const { BaseStorageEngine } = copyApart(t);
  class Own extends BaseStorageEngine {
    #map = new Map();
    async doConnect() {}
    async doDisconnect() {}
    async get(key) {
      return this.#map.get(key) ?? null;
    }
    async set(key, value) {
      this.#map.set(key, value);
    }
    async delete(key) {
      return this.#map.delete(key);
    }
    async has(key) {
      return this.#map.has(key);
    }
    async keys() {
      return [...this.#map.keys()];
    }
    async clear() {
      this.#map.clear();
    }
  }
  const storage = new StorageManager({ engines: { own: new Own('own') } });
  await storage.keyValue('p', { engine: 'own' }).set('a', 1);
  t.is(await storage.getEngine('own').get('p/a'), 1);
  await storage.close();
});

test('where globalThis is frozen, each copy works by itself', async (t) => {
  const [first, second] = [copyPackage(t), copyPackage(t)];
  const [{ same, values }] = await program(new URL('programs/frozen-global.mjs', import.meta.url), { first, second });
  t.false(same);
  t.deepEqual(values, [1, 1]);
});

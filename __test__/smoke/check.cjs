// The least that an installed package must do on every runtime. It runs outside of the repository and needs nothing but
// the package.
const assert = require('node:assert/strict');
const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');

const value = {
  text: 'grün',
  list: [1, 2.5, null, true],
  when: new Date(1767312245678),
  bytes: Buffer.from([0, 255]),
  big: 2n ** 70n,
};

/**
 * Stores, lists and deletes through each embedded engine and through a level database over it, closes, and finds the
 * data again in a second manager.
 */
module.exports = async function check({ StorageManager }, { HoldfastLevel }) {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-smoke-'));
  const config = {
    memory: {},
    file: { basePath: join(folder, 'file') },
    sqlite: { path: join(folder, 'store.db') },
    leveldb: { path: join(folder, 'leveldb') },
  };
  try {
    const storage = new StorageManager(config);
    for (const name of Object.keys(config)) {
      const engine = storage.getEngine(name);
      await engine.set('a/b', value);
      await engine.set('a/c', 'plain');
      await engine.set('z', null);
      assert.deepEqual(await engine.get('a/b'), value, name);
      assert.deepEqual(await engine.keys('a/*'), ['a/b', 'a/c'], name);
      assert.equal(await engine.get('absent'), null, name);
      assert.equal(await engine.delete('z'), true, name);
      assert.equal(await engine.has('z'), false, name);
      await assert.rejects(engine.set('', 1), { code: 'INVALID_KEY' }, name);
      const db = new HoldfastLevel(engine, { valueEncoding: 'json' });
      await db.batch([
        { type: 'put', key: 'b', value: [1] },
        { type: 'put', key: 'a', value: 'grün' },
      ]);
      assert.deepEqual(
        await db.iterator().all(),
        [
          ['a', 'grün'],
          ['b', [1]],
        ],
        name,
      );
      await db.close();
    }
    await storage.close();
    await assert.rejects(storage.getEngine('memory').get('a/b'), { code: 'CLOSED' });

    const again = new StorageManager(config);
    for (const name of ['file', 'sqlite', 'leveldb']) {
      assert.deepEqual(await again.getEngine(name).get('a/b'), value, name);
      assert.equal(await again.getEngine(name).get('level/a'), '"grün"', name);
    }
    await again.close();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

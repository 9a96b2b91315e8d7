// StorageManager.copy: records from one engine to another.
import test from 'ava';
import { StorageManager } from '../helpers/entry.mjs';
import { folderOf } from '../helpers/engines.mjs';
import { BareEngine } from '../helpers/map-engine.mjs';

/** A manager whose memory engine has a/1, with expiry and metadata, and 700 records under b/. */
async function filled(t) {
  const storage = new StorageManager({
    sqlite: { path: `${folderOf(t)}/a.db`, durability: 'none' },
    defaultEngine: 'memory',
  });
  t.teardown(() => storage.close());
  const [from, to] = [storage.getEngine('memory'), storage.getEngine('sqlite')];
  const expiresAt = Date.now() + 60_000;
  await from.set('a/1', Buffer.from([1]), { expiresAt, metadata: { m: 1n } });
  await from.setMany(Array.from({ length: 700 }, (_, index) => [`b/${index}`, index]));
  return { storage, from, to, expiresAt };
}

test('copy with a prefix and without overwrite leaves what is there', async (t) => {
  const { storage, to } = await filled(t);
  await to.set('b/5', 'mine');
  t.deepEqual(await storage.copy({ from: 'memory', to, prefix: 'b/', overwrite: false }), { copied: 699, skipped: 1 });
  t.is(await to.get('b/5'), 'mine');
  t.is(await to.count(), 700);
});

test('copy tells how far it is', async (t) => {
  const { storage, to } = await filled(t);
  const progress = [];
  await storage.copy({ from: 'memory', to, prefix: 'b/', onProgress: (p) => progress.push(p.done) });
  t.is(progress.at(-1), 700);
});

test('copy overwrites what is there', async (t) => {
  const { storage, from, to } = await filled(t);
  await to.set('b/5', 'mine');
  t.deepEqual(await storage.copy({ from, to: 'sqlite' }), { copied: 701, skipped: 0 });
  t.is(await to.get('b/5'), 5);
});

test('copy takes expiry and metadata along', async (t) => {
  const { storage, from, to, expiresAt } = await filled(t);
  await storage.copy({ from, to: 'sqlite' });
  const entry = await to.getEntry('a/1');
  t.like(entry, { expiresAt });
  t.deepEqual([entry.value, entry.metadata], [Buffer.from([1]), { m: 1n }]);
});

test('copy takes an engine that is not registered', async (t) => {
  const { storage } = await filled(t);
  t.deepEqual(await storage.copy({ from: 'memory', to: new BareEngine(), prefix: 'b/' }), { copied: 700, skipped: 0 });
});

test('an aborted copy is ABORTED', async (t) => {
  const { storage } = await filled(t);
  await t.throwsAsync(storage.copy({ from: 'memory', to: 'sqlite', signal: AbortSignal.abort() }), { code: 'ABORTED' });
});

test('copy refuses engines that are missing or not there', async (t) => {
  const { storage } = await filled(t);
  await t.throwsAsync(storage.copy({ from: 'memory' }), { code: 'INVALID_ARGUMENT' });
  await t.throwsAsync(storage.copy({ from: 'memory', to: 'none' }), { code: 'ENGINE_NOT_FOUND' });
});

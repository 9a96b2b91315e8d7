// Records leave every engine and come back, whatever they hold.
import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { onEach } from '../helpers/engines.mjs';
import { exported, managerOf } from '../helpers/transfer.mjs';
import { anyValue } from '../helpers/values.mjs';

onEach('any value comes back through an export and an import', async (t, engine) => {
  const storage = managerOf(t);
  await fc.assert(
    fc.asyncProperty(fc.array(anyValue, { minLength: 1, maxLength: 8 }), async (values) => {
      await engine.clear();
      await engine.setMany(values.map((value, at) => [`k${at}`, value]));
      const lines = await exported(storage, engine);
      await engine.clear();
      const outcome = await storage.import({ format: 'jsonl', source: Buffer.from(lines), to: engine });
      t.deepEqual(outcome, { imported: values.length, refused: [], refusedCount: 0 });
      t.deepEqual(await engine.getMany(values.map((_, at) => `k${at}`)), values);
      t.is(await exported(storage, engine), lines);
    }),
    { numRuns: 25 },
  );
});

onEach('expiry and metadata come along, also to another engine', async (t, engine) => {
  const storage = managerOf(t);
  const expiresAt = Date.now() + 1_000_000;
  const metadata = { by: 'ada', at: new Date(5), n: 1n };
  await engine.set('a', Buffer.from([1, 2]), { expiresAt, metadata });
  await engine.set('b', 'plain');
  await engine.set('gone', 1, { ttl: 1 });
  while (await engine.has('gone'));
  const lines = await exported(storage, engine);
  t.is(lines.split('\n').length, 3);
  for (const to of [engine, storage.getEngine('memory')]) {
    await to.clear();
    await storage.import({ format: 'jsonl', source: Buffer.from(lines), to });
    const entry = await to.getEntry('a');
    t.deepEqual([entry.value, entry.expiresAt, entry.metadata], [Buffer.from([1, 2]), expiresAt, metadata]);
    const plain = await to.getEntry('b');
    t.deepEqual([plain.value, plain.expiresAt, plain.metadata], ['plain', null, null]);
  }
});

onEach('awkward keys come back', async (t, engine) => {
  const storage = managerOf(t);
  const keys = ['a', 'A', '..', '../x', 'con', '\u00e9', 'e\u0301', '__proto__', 'a\nb', 'a\u0000b', 'x'.repeat(4096)];
  await engine.setMany(keys.map((key, at) => [key, at]));
  const lines = await exported(storage, engine);
  t.is(lines.split('\n').length, keys.length + 1);
  await engine.clear();
  await storage.import({ format: 'jsonl', source: Buffer.from(lines), to: engine });
  t.deepEqual(await engine.getMany(keys), [...keys.keys()]);
});

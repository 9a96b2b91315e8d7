import { join } from 'node:path';
import test from 'ava';
import { StorageManager } from '../helpers/entry.mjs';
import { collect, folderOf } from '../helpers/engines.mjs';
import { running } from '../helpers/program.mjs';

const WRITE_LOGGED = new URL('programs/write-logged.mjs', import.meta.url);

for (const name of ['file', 'sqlite', 'leveldb']) {
  for (const durability of ['full', 'normal']) {
    test(`${name}, ${durability}: after kill -9 the log tells exactly what is stored`, async (t) => {
      for (let round = 0; round < 3; round++) {
        const options = { [name === 'file' ? 'basePath' : 'path']: join(folderOf(t), 'store'), durability };
        const writer = running(t, WRITE_LOGGED, { name, options });
        const since = await writer.next();
        let acknowledged = -1;
        while (acknowledged < 100 + round * 61) acknowledged = await writer.next();
        await writer.kill();

        const engine = new StorageManager({ defaultEngine: name, [name]: options }).getEngine();
        const { commit } = await engine.stats();
        const state = new Map();
        const versions = new Map();
        let last = 0;
        let told = 0;
        const watch = engine.watch('*', { since, maxQueue: 1_000_000 });
        await engine.set('end', true);
        for await (const event of watch) {
          t.true(event.commit >= last);
          last = event.commit;
          if (event.key === 'end') break;
          told++;
          if (event.type === 'set') versions.set(event.key, event.version);
          else versions.delete(event.key);
          if (event.type === 'set' && 'value' in event) state.set(event.key, event.value);
          else state.delete(event.key);
        }
        t.true(last > commit);
        t.true(told >= acknowledged, `${told} changes of ${acknowledged} acknowledged calls`);
        await engine.delete('end');
        t.deepEqual([...versions.keys()].sort(), await engine.keys());
        for (const [key, version] of versions) t.is((await engine.getEntry(key)).version, version);
        t.deepEqual(
          Object.fromEntries([...state].sort()),
          Object.fromEntries((await collect(engine.entries())).sort()),
        );
        await engine.disconnect();
      }
    });
  }
}

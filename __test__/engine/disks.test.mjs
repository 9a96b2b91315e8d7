import { spawnSync } from 'node:child_process';
import test from 'ava';
import { folderOf } from '../helpers/engines.mjs';
import { onSmallDisk } from '../helpers/program.mjs';

// Elsewhere a test cannot make a disk of a few megabytes. These tests are skipped there, and counted as skipped.
const onLinux = process.platform === 'linux' ? test : test.skip;

const FILL_DISK = new URL('programs/fill-disk.mjs', import.meta.url);
const REMOUNT_READ_ONLY = new URL('programs/remount-read-only.mjs', import.meta.url);

const PLACES = { file: ['basePath', 'store'], sqlite: ['path', 'store.db'], leveldb: ['path', 'store'] };

for (const [name, [option, place]] of Object.entries(PLACES)) {
  for (const durability of ['full', 'normal', 'none']) {
    onLinux(
      `${name}, ${durability}: a full disk is NO_SPACE, loses nothing that was acknowledged, and can be freed`,
      async (t) => {
        const said = await onSmallDisk(FILL_DISK, folderOf(t), '24m', { name, option, place, durability });
        t.like(said[0], { code: 'NO_SPACE', engine: name });
        t.true(['NO_SPACE', 'IO'].includes(said[1]), said[1]);
        t.deepEqual(said.slice(2), [true, true, true]);
      },
    );
  }

  onLinux(`${name}: a read-only disk is READ_ONLY at connect, and can be read with readOnly`, async (t) => {
    const said = await onSmallDisk(REMOUNT_READ_ONLY, folderOf(t), '12m', { name, option, place });
    t.deepEqual(said, ['READ_ONLY', 'READ_ONLY', 1, ['a'], ...Array(6).fill('READ_ONLY'), true]);
  });
}

onLinux('the programs these tests need are here', (t) => {
  for (const program of ['unshare', 'mount'])
    t.is(spawnSync(program, ['--version']).status, 0, `install util-linux for ${program}`);
});

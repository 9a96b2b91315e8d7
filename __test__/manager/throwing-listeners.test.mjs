// A listener that throws breaks no call. What it throws is an uncaught exception of its own.
import test from 'ava';
import { folderOf } from '../helpers/engines.mjs';
import { program } from '../helpers/program.mjs';

test('whatever listeners throw, every call ends as it would without them', async (t) => {
  const told = await program(new URL('programs/throwing-listeners.mjs', import.meta.url), { folder: folderOf(t) });
  const { heard } = told.pop();
  const ends = told.map(({ name, ends }) => [name, ends]);
  const failed = ends.find(([name]) => name === 'retry')[1];
  t.deepEqual(ends, [
    ['verbose', ['ok']],
    ['reconnect', ['ok', 'ok']],
    ['error', ['INVALID_ARGUMENT', 'INVALID_ARGUMENT']],
    ['transaction', ['ok']],
    ...Array.from({ length: 5 }, () => ['progress', ['ok']]),
    ['copy', ['ok']],
    ['export', ['ok']],
    ['import', ['ok']],
    ['retry', failed],
    ['close', ['ok']],
  ]);
  t.true(
    failed.every((code) => ['CONNECTION', 'TIMEOUT', 'UNKNOWN_OUTCOME'].includes(code)),
    failed.join(),
  );
  for (const { name, uncaught } of told) {
    const thrown = new Set(uncaught.filter((message) => message !== 'verbose'));
    if (name === 'verbose') t.true(uncaught.length > 0);
    else if (['progress', 'copy', 'export', 'import'].includes(name)) t.deepEqual([...thrown], [name]);
    else if (name === 'transaction') t.deepEqual([...thrown], ['once retry', 'retry']);
    else if (name === 'close') t.deepEqual([...thrown], []);
    else t.true(thrown.has(name), name);
  }
  t.deepEqual(heard, ['reconnect', 'error', 'retry'], 'and the other listeners are told');
});

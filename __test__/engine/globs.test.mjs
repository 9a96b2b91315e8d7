import fc from 'fast-check';
import { onEach } from '../helpers/engines.mjs';

// A backtracking matcher takes exponential time over these patterns: at these lengths it would never end.
const EXPLOSIVE = [
  `${'*a'.repeat(50)}*b`,
  `${'a*'.repeat(2_000)}b`,
  `${'*?'.repeat(1_000)}b`,
  `${'*[a-z]'.repeat(500)}*1`,
  `${'**'.repeat(2_000)}b`,
  `${'*'.repeat(4_096)}b`,
  `${'[^b]*'.repeat(800)}b`,
  `${'?'.repeat(4_096)}b`,
  `*${'[a]'.repeat(1_000)}b`,
  `*${'\\a'.repeat(4_000)}b`,
];

onEach('a glob built to explode is answered like any other', async (t, engine) => {
  await engine.setMany([
    ['a'.repeat(4_096), 1],
    ['a'.repeat(4_095), 2],
    ['b', 3],
  ]);
  for (const pattern of EXPLOSIVE) {
    t.is((await engine.keys(`${pattern}never`)).length, 0, pattern.slice(0, 20));
    await engine.count({ pattern });
  }
  t.deepEqual(await engine.keys(`${'*'.repeat(4_096)}b`), ['b']);
  t.is(await engine.count('*a'.repeat(2_000)), 2);
  await engine.set('after', 1);
  t.is(await engine.get('after'), 1);
});

// The language of globs, naively: for short patterns without classes and escapes.
function matches(pattern, key) {
  const [first, ...rest] = pattern;
  if (first === undefined) return key.length === 0;
  if (first === '*') return matches(rest, key) || (key.length > 0 && matches(pattern, key.slice(1)));
  return key.length > 0 && (first === '?' || first === key[0]) && matches(rest, key.slice(1));
}

onEach('any glob of stars and question marks gives the same keys on every engine', async (t, engine) => {
  const keys = ['a', 'b', 'ab', 'ba', 'aab', 'a/b', 'a/b/a', '\u{1f600}', 'a\u{1f600}b', '*', '?', 'bbb'];
  await engine.setMany(keys.map((key) => [key, 1]));
  const letters = fc.array(fc.constantFrom('a', 'b', '/', '*', '?', '\u{1f600}'), { minLength: 1, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(letters, async (pattern) => {
      const expected = keys.filter((key) => matches(pattern, [...key]));
      t.deepEqual((await engine.keys(pattern.join(''))).sort(), expected.sort());
    }),
    { numRuns: 60 },
  );
});

const SPECIAL = [
  ['[', 1],
  ['[a', 2],
  ['a]', 3],
  ['\\', 4],
  ['^', 5],
  ['a', 6],
  ['-', 7],
];

onEach('no pattern is an error', async (t, engine) => {
  await engine.setMany(SPECIAL);
  for (const pattern of [
    '[',
    '[a',
    '[]',
    '[^]',
    '[z-a]',
    '[a-',
    '\\',
    '[\\]',
    '[[',
    ']',
    '[^',
    '[-]',
    '[a-]',
    'x'.repeat(100_000),
    '\u0000',
    '[\u{10ffff}-\u0000]',
  ]) {
    await t.notThrowsAsync(engine.keys(pattern), JSON.stringify(pattern.slice(0, 20)));
  }
});

onEach('escaped characters and those in a class stand for themselves', async (t, engine) => {
  await engine.setMany(SPECIAL);
  t.deepEqual(await engine.keys('\\['), ['[']);
  t.deepEqual(await engine.keys('\\\\'), ['\\']);
  t.deepEqual(await engine.keys('[\\^-]'), ['-', '^']);
});

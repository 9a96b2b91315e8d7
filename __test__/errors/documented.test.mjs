// The documentation names every error, and its links lead to files that the package contains.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { ERROR_CODES } from '../helpers/entry.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (path) => readFileSync(join(root, path), 'utf8');
const pages = ['README.md', ...readdirSync(join(root, 'docs'), { recursive: true }).map((name) => join('docs', name))];

test('docs/errors.md has each code once, with when it comes and what to do', (t) => {
  const rows = [...read('docs/errors.md').matchAll(/^\| ([A-Z_]+) \| (.+) \| (.+) \|$/gm)];
  t.deepEqual(rows.map(([, code]) => code).sort(), [...ERROR_CODES].sort());
  for (const [row, , when, remedy] of rows) t.true(when.length > 10 && remedy.length > 10, row);
});

test('the pages of the engines name no error that does not exist', (t) => {
  for (const page of pages.filter((name) => /engines|watch|transactions|level/.test(name) && name.endsWith('.md'))) {
    const section =
      read(page)
        .split(/^## Errors$/m)[1]
        ?.split(/^## /m)[0] ?? '';
    for (const [, code] of section.matchAll(/^\| ([A-Z][A-Z_]+)/gm))
      t.true(ERROR_CODES.includes(code), `${page}: ${code}`);
  }
});

test('relative links of README and docs lead to what the package contains', (t) => {
  const { files } = JSON.parse(read('package.json'));
  const shipped = [...files, 'README.md', 'LICENSE', 'package.json'];
  const isShipped = (path) => shipped.some((name) => path === name || (name.endsWith('/') && path.startsWith(name)));
  let links = 0;
  for (const page of pages.filter((name) => name.endsWith('.md'))) {
    t.true(isShipped(page), page);
    for (const [, link, anchor] of read(page).matchAll(/\]\((?!https?:|#)([^)#\s]+)(#[^)]*)?\)/g)) {
      const target = relative(root, join(root, dirname(page), link));
      t.true(existsSync(join(root, target)), `${page} links to ${link}, which is not there`);
      t.true(isShipped(target), `${page} links to ${link}, which is not shipped`);
      if (anchor !== undefined) t.true(anchorsOf(target).has(anchor.slice(1)), `${page} links to ${link}${anchor}`);
      links++;
    }
  }
  t.true(links > 50);
});

/** The anchors of the headings of a page, as GitHub and npm make them. */
function anchorsOf(page) {
  const headings = [...read(page).matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

// Fails when an addon needs a newer glibc than promised, or a shared libstdc++: node scripts/check-glibc.mjs FILE 2.28
import { main, note, Problem } from './lib/console.mjs';
import { capture } from './lib/run.mjs';

const newer = (a, b) => a.major - b.major || a.minor - b.minor;
const version = (text) => ({ major: Number(text.split('.')[0]), minor: Number(text.split('.')[1]), text });

await main(async () => {
  const [file, floor] = process.argv.slice(2);
  const symbols = file && capture('objdump', ['-T', file]);
  const headers = file && capture('objdump', ['-p', file]);
  if (!symbols || !headers || !floor)
    throw new Problem('usage: node scripts/check-glibc.mjs FILE 2.28 (objdump has to be on PATH)');
  const needed = [...symbols.matchAll(/GLIBC_(\d+\.\d+)/g)]
    .map(([, text]) => version(text))
    .sort(newer)
    .at(-1);
  if (needed && newer(needed, version(floor)) > 0)
    throw new Problem(`${file} needs glibc ${needed.text}; the floor is ${floor}`);
  const shared = /NEEDED\s+(libstdc\+\+\S*)/.exec(headers)?.[1];
  if (shared) throw new Problem(`${file} needs ${shared}: link it statically`);
  note(`${file}: glibc ${needed?.text ?? 'not needed'}, no shared libstdc++`);
});

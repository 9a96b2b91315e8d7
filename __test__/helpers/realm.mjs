import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import vm from 'node:vm';

const dist = fileURLToPath(new URL('../../dist/', import.meta.url));
const NODE = { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate };
// The timers of a simulated browser are numbers, and it has no setImmediate.
const BROWSER = { setTimeout: () => 1, clearTimeout() {}, setInterval: () => 1, clearInterval() {} };

/** The realms that test frameworks make: Jest in its environments `node` and `jsdom`, Vitest in its vm pools. */
export const REALMS = { node: NODE, browser: BROWSER };

/**
 * Loads the package in a realm of its own, with other built-in classes than Node's modules and the addon have.
 *
 * @returns What the package exports, and `run(code)`, which runs code in that realm.
 */
export function loadInRealm(globals = NODE) {
  const shared = { Buffer, process, console, URL, AbortController, AbortSignal, performance, queueMicrotask };
  const realm = vm.createContext({ ...shared, ...globals });
  const loaded = new Map();
  const load = (file) => {
    if (loaded.has(file)) return loaded.get(file).exports;
    const module = { exports: {} };
    loaded.set(file, module);
    const outside = createRequire(file);
    const require = (name) => (name.startsWith('.') ? load(join(dirname(file), name)) : outside(name));
    const names = ['exports', 'require', 'module', '__filename', '__dirname'];
    const body = vm.compileFunction(readFileSync(file, 'utf8'), names, { filename: file, parsingContext: realm });
    body(module.exports, require, module, file, dirname(file));
    return module.exports;
  };
  const holdfast = load(join(dist, 'index.cjs'));
  return { ...holdfast, run: (code) => vm.runInContext(code, realm) };
}

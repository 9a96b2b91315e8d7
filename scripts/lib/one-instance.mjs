// A plugin of Rollup that makes one instance of all copies of a chunk: two installed copies of one version, a bundle
// beside an install, the CommonJS build and the one for bundlers. The first copy that a context evaluates (a thread, a
// window, a context of node:vm) publishes its exports on globalThis, and the others take them.

/** Splits a CommonJS chunk: what stays outside, what is evaluated once, and the object with the exports. */
function splitScript(code) {
  const directive = "'use strict';";
  if (!code.startsWith(directive)) throw new Error('the chunk does not begin with its directive');
  return {
    head: directive,
    body: `const exports = {};\n${code.slice(directive.length)}\nreturn exports;`,
    place: 'ownFile()',
    foot: 'module.exports = instance;',
  };
}

/** The same for an ES module, whose imports and exports are only allowed outside of functions. */
function splitModule(code, { body: statements }) {
  const textOf = ({ start, end }) => code.slice(start, end);
  const isExport = ({ type }) => type === 'ExportNamedDeclaration';
  const imports = statements.filter(({ type }) => type === 'ImportDeclaration');
  const inner = statements.filter((statement) => !imports.includes(statement) && !isExport(statement));
  const specifiers = statements.filter(isExport).flatMap((statement) => statement.specifiers);
  const pairs = specifiers.map(({ local, exported }) => [exported.name, local.name]);
  return {
    head: imports.map(textOf).join('\n'),
    body: `${inner.map(textOf).join('\n')}\nreturn { ${pairs.map((pair) => pair.join(': ')).join(', ')} };`,
    // A bundler that makes CommonJS of it leaves no URL, or that of the source.
    place: 'ownFile(), import.meta.url',
    foot: `export const { ${pairs.map(([name]) => name).join(', ')} } = instance;`,
  };
}

/**
 * @param chunk - The name of the chunk.
 * @param key - Names what all copies have in common.
 * @param places - A variable of the chunk's code: the array of the files or URLs at which the copies lie.
 */
export const oneInstance = ({ chunk: wrapped, key, places }) => ({
  name: 'one-instance',
  renderChunk(code, { name }, { format }) {
    if (name !== wrapped) return null;
    const { head, body, place, foot } = format === 'es' ? splitModule(code, this.parse(code)) : splitScript(code);
    // The parentheses around the function tell V8 to compile it at once.
    const wrapper = `
const key = Symbol.for(${JSON.stringify(key)});
const shared = globalThis[key] ?? { places: [] };
// Where globalThis is frozen, each copy stays an instance of its own.
Reflect.defineProperty(globalThis, key, { value: shared, configurable: true });
shared.places.push(${place});
const instance = (shared.instance ??= (function evaluate(${places}) {
${body}
})(shared.places));
${foot}

// A bundler may make an ES module of CommonJS, and the other way round. webpack takes typeof __filename for a string in
// an ES module, too.
function ownFile() {
  try {
    return __filename;
  } catch {
    return undefined;
  }
}
`;
    return { code: head + wrapper, map: null };
  },
});

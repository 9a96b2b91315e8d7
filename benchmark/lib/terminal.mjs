/**
 * Progress while it runs, and the tables at the end.
 */

const colour = process.stdout.isTTY && !process.env.NO_COLOR;
const paint = (code, text) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);
const WIDTH = 24;

/** One line that is rewritten on a terminal; elsewhere one line for each new stage. */
export function progressLine(stream = process.stderr) {
  let stage;
  return {
    show(done, title, detail = '') {
      const share = Math.min(1, Math.max(0, done));
      if (stream.isTTY) {
        const bar = '#'.repeat(Math.round(share * WIDTH)).padEnd(WIDTH, '.');
        const line = `[${bar}] ${String(Math.floor(share * 100)).padStart(3)} %  ${title}  ${detail}`;
        stream.write(`\r\u001b[K${line.slice(0, Math.max(20, (stream.columns ?? 80) - 1))}`);
      } else if (title !== stage) {
        stream.write(`${String(Math.floor(share * 100)).padStart(3)} %  ${title}\n`);
      }
      stage = title;
    },
    clear() {
      if (stream.isTTY) stream.write('\r\u001b[K');
    },
  };
}

function table(heads, rows) {
  const widths = heads.map((head, column) => Math.max(head.text.length, ...rows.map((row) => row[column].length)));
  const line = (cells) =>
    cells
      .map((cell, i) => (heads[i].right ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
      .join('  ')
      .trimEnd();
  return [
    paint(1, line(heads.map((head) => head.text))),
    line(widths.map((width) => '-'.repeat(width))),
    ...rows.map(line),
  ];
}

const number = (value, digits = 2) => (value === undefined ? '' : value.toFixed(digits));
const verdict = (pass) => (pass === undefined ? '' : pass ? paint(32, 'pass') : paint(31, 'MISS'));

export function comparisonTable(rows) {
  const left = (text) => ({ text });
  const right = (text) => ({ text, right: true });
  const heads = [
    left('engine'),
    left('against'),
    left('case'),
    right('ours us'),
    right('peer us'),
    right('ratio'),
    right('target'),
    left(''),
  ];
  let previous;
  const cells = rows.map((row) => {
    const engine = row.durability ? `${row.engine}, ${row.durability}` : row.engine;
    const group = `${engine}|${row.peer}`;
    const named = group === previous ? ['', ''] : [engine, row.peer];
    previous = group;
    return [
      ...named,
      row.case,
      number(row.ours),
      number(row.theirs),
      number(row.ratio),
      number(row.target, 1 + ((row.target * 10) % 1 > 0.01)),
      verdict(row.pass),
    ];
  });
  return table(heads, cells).join('\n');
}

export function checkTable(checks) {
  const heads = [{ text: 'check' }, { text: 'measured', right: true }, { text: 'limit', right: true }, { text: '' }];
  const rows = checks.map((check) => [
    check.name,
    check.error ?? `${check.value.toFixed(1)} ${check.unit}`,
    `${check.atLeast ? 'from ' : ''}${check.limit} ${check.unit}`,
    verdict(check.pass),
  ]);
  return table(heads, rows).join('\n');
}

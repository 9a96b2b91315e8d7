/**
 * The chart of the README: speed-up over each peer, a panel a peer, grouped by engine. One SVG text, no dependencies;
 * its colours follow the reader's light or dark theme, its background is the page's.
 */
import { writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const WIDTH = 900;
const COLUMNS = 3;
const GAP = 24;
const PANEL = (WIDTH - GAP * (COLUMNS - 1)) / COLUMNS;
const LABEL = 72; // for the name of the case, left of the bars
const VALUE = 42; // for the figure, right of the longest bar
const ROW = 18;
const BAR = 11;
const PANEL_HEAD = 22;
const GROUP_HEAD = 34;
const TOP = 62;
const FOOT = 36;

const STYLE = `
  text { font: 12px -apple-system, BlinkMacSystemFont, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; fill: #1f2328 }
  .title { font-size: 18px; font-weight: 600 } .group { font-size: 14px; font-weight: 600 } .peer { font-weight: 600 }
  .soft { fill: #59636e } .small { font-size: 11px } .end { text-anchor: end } .middle { text-anchor: middle }
  .faster { fill: #1f883d } .slower { fill: #bc4c00 } .rule { stroke: #d1d9e0 } .one { stroke: #818b98 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .soft { fill: #9198a1 } .faster { fill: #3fb950 } .slower { fill: #db6d28 }
    .rule { stroke: #3d444d } .one { stroke: #9198a1 }
  }`;

const escaped = (text) =>
  text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]);
const n = (value) => String(Math.round(value * 10) / 10);
const times = (value) => `${value >= 9.95 ? value.toFixed(0) : value.toFixed(1)}×`;

function text(x, y, className, content) {
  return `<text x="${n(x)}" y="${n(y)}" class="${className}">${escaped(content)}</text>`;
}

function line(x1, y1, x2, y2, className) {
  return `<line x1="${n(x1)}" y1="${n(y1)}" x2="${n(x2)}" y2="${n(y2)}" class="${className}"/>`;
}

function grouped(rows, keyOf) {
  const groups = new Map();
  for (const row of rows) groups.set(keyOf(row), [...(groups.get(keyOf(row)) ?? []), row]);
  return [...groups];
}

/** Places a speed-up on the logarithmic axis that all panels share; 1 is on it whatever was measured. */
function axis(speedups) {
  const low = Math.min(0.8, ...speedups);
  const high = Math.max(2, ...speedups);
  const space = PANEL - LABEL - VALUE;
  return (value) => LABEL + (space * Math.log(value / low)) / Math.log(high / low);
}

function panel(left, top, peer, rows, place) {
  const one = left + place(1);
  const foot = top + PANEL_HEAD + rows.length * ROW;
  const parts = [text(left, top + 12, 'peer', `vs ${peer}`)];
  for (const [i, { case: name, speedup, ours, theirs }] of rows.entries()) {
    const y = top + PANEL_HEAD + i * ROW;
    const tip = left + place(speedup);
    const start = Math.min(one, tip);
    const width = Math.max(1, Math.abs(tip - one));
    const figures = `${name}: ${ours.toFixed(2)} µs, ${peer} ${theirs.toFixed(2)} µs`;
    parts.push(
      text(left + LABEL - 8, y + 10, 'soft end', name),
      `<rect x="${n(start)}" y="${n(y)}" width="${n(width)}" height="${BAR}" rx="1.5" class="${speedup >= 1 ? 'faster' : 'slower'}">` +
        `<title>${escaped(figures)}</title></rect>`,
      text(Math.max(one, tip) + 5, y + 10, 'small', times(speedup)),
    );
  }
  parts.push(line(one, top + PANEL_HEAD - 4, one, foot - 3, 'one'));
  return parts.join('\n');
}

/** @param result what run.mjs writes to results/latest.json */
export function drawChart({ comparisons, machine, versions, date }) {
  const rows = comparisons
    .filter((row) => row.ours !== undefined)
    .map((row) => ({ ...row, speedup: row.theirs / row.ours }));
  const place = axis(rows.map((row) => row.speedup));
  const body = [];
  let y = TOP;
  for (const [engine, ofEngine] of grouped(rows, (row) =>
    row.durability ? `${row.engine}, durability ${row.durability}` : row.engine,
  )) {
    body.push(line(0, y, WIDTH, y, 'rule'), text(0, y + 22, 'group', engine));
    y += GROUP_HEAD;
    const panels = grouped(ofEngine, (row) => row.peer);
    for (let at = 0; at < panels.length; at += COLUMNS) {
      const shelf = panels.slice(at, at + COLUMNS);
      body.push(...shelf.map(([peer, of], i) => panel(i * (PANEL + GAP), y, peer, of, place)));
      y += PANEL_HEAD + ROW * Math.max(...shelf.map(([, of]) => of.length)) + GAP / 2;
    }
  }
  const height = y + FOOT;
  const where = `${machine.cpu}, ${machine.cores} cores, Node.js ${machine.node}, ${date.slice(0, 10)}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${n(height)}" width="${WIDTH}" height="${n(height)}" role="img" aria-labelledby="t d">
<title id="t">Speed of Holdfast against its peers</title>
<desc id="d">How many times faster than each peer an operation is, by engine; below 1 is slower.</desc>
<style>${STYLE}
</style>
${text(0, 22, 'title', `Holdfast ${versions.holdfast ?? ''}: times as fast as each peer`)}
${text(0, 43, 'soft', 'Same durability on both sides, 150-byte documents, 20,000 keys. The line is 1×; longer is faster; logarithmic scale.')}
${body.join('\n')}
${line(0, y, WIDTH, y, 'rule')}
${text(0, y + 22, 'soft small', `“one”: one awaited call after another. “many”: 500 in flight. “setMany”: batches of 500. “tx”: five reads and five writes, or a batch, in a transaction. ${where}`)}
</svg>
`;
}

/** `node lib/chart.mjs RESULTS.json CHART.svg` draws a chart again from results already measured. */
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [from, to] = process.argv.slice(2);
  writeFileSync(to, drawChart(JSON.parse(await readFile(from, 'utf8'))));
}

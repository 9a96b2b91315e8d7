/** A text table of rows under their headings. Columns of numbers are aligned to the right. */
export function table(headings, rows) {
  const texts = [headings, ...rows].map((row) =>
    row.map((cell) => (typeof cell === 'number' ? cell.toLocaleString('en') : String(cell))),
  );
  const widths = headings.map((_, column) => Math.max(...texts.map((row) => row[column].length)));
  const right = headings.map((_, column) => rows.every((row) => typeof row[column] === 'number'));
  const line = (row) =>
    row
      .map((cell, i) => (right[i] ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
      .join('  ')
      .trimEnd();
  const [head, ...body] = texts.map(line);
  return [head, widths.map((width) => '-'.repeat(width)).join('  '), ...body].join('\n');
}

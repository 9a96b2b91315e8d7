// Two public data sets from the npm package vega-datasets: films, and flights within the United States.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const folder = join(dirname(createRequire(import.meta.url).resolve('vega-datasets')), '..');
const read = (name) => JSON.parse(readFileSync(join(folder, 'data', name), 'utf8'));
const number = (index) => String(index).padStart(6, '0');

/** The records as [key, value] pairs, in key order; at most `flights` flights. */
export function records(flights = Infinity) {
  const flown = read('flights-200k.json').slice(0, flights);
  const films = read('movies.json');
  return [
    ...flown.map((flight, index) => [`flights/${number(index)}`, flight]),
    ...films.map((film, index) => [`movies/${number(index)}`, film]),
  ];
}

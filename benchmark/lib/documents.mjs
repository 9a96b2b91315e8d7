/**
 * The data every subject stores: flat documents of 150 bytes as JSON, the same for all.
 */

const CITIES = ['Lisbon', 'Nairobi', 'Osaka', 'Quito', 'Tromsoe', 'Perth'];
const DOCUMENT_BYTES = 150;

/** A small seeded generator (mulberry32), so that two runs measure the same keys in the same order. */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function key(index) {
  return `user-${String(index).padStart(8, '0')}`;
}

export function document(index, next) {
  const value = {
    id: index,
    name: `Customer ${index}`,
    email: `c${index}@example.com`,
    city: CITIES[Math.floor(next() * CITIES.length)],
    score: Math.floor(next() * 1000) / 10,
    active: next() < 0.5,
    visits: Math.floor(next() * 10_000),
    note: '',
  };
  value.note = 'n'.repeat(Math.max(0, DOCUMENT_BYTES - JSON.stringify(value).length));
  return value;
}

/** `count` keys in order, a document for each, and the keys' indexes in one shuffled order. */
export function dataset(count) {
  const next = random(20_000);
  const keys = [];
  const documents = [];
  for (let i = 0; i < count; i += 1) {
    keys.push(key(i));
    documents.push(document(i, next));
  }
  const order = keys.map((_, i) => i);
  for (let i = order.length - 1; i > 0; i -= 1) {
    const j = Math.floor(next() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return { keys, documents, order };
}

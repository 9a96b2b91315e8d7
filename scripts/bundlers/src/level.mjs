import { MemoryStorage } from 'holdfast';
import { HoldfastLevel } from 'holdfast/level';
import { prove } from './prove.mjs';

async function proveLevel() {
  const db = new HoldfastLevel(new MemoryStorage(), { valueEncoding: 'json' });
  await db.put('ada', { born: 1815 });
  const found = await db.get('ada');
  await db.close();
  return found?.born === 1815 ? 'stored' : 'level does not give the record back';
}

prove()
  .then((outcome) => (outcome === 'stored' ? proveLevel() : outcome))
  .then((outcome) => console.log(outcome));

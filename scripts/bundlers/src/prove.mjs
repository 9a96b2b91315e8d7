import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StorageManager } from 'holdfast';

export { StorageManager as loaded };

/** Stores a record in sqlite and file, and reads it with a second manager. Gives what came of it. */
export async function prove() {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-bundled-'));
  const config = { sqlite: { path: join(folder, 'store.db') }, file: { basePath: join(folder, 'files') } };
  try {
    for (const engine of Object.keys(config)) {
      const born = new Date('1815-12-10');
      const storage = new StorageManager(config);
      await storage.keyValue('users', { engine }).set('ada', { born });
      await storage.close();
      const again = new StorageManager(config);
      const found = await again.keyValue('users', { engine }).get('ada');
      await again.close();
      if (found?.born?.getTime() !== born.getTime()) return `${engine} does not give the record back`;
    }
    return 'stored';
  } catch (error) {
    return error.message;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

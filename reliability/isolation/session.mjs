import { KeyValueStore, StorageManager } from 'holdfast';

const RETRIES = 1000;

/**
 * A store as the checks of this folder use it: its engine, transactions on it, and transactions that retry by
 * themselves.
 *
 * @param place - `{ name, options }`: an engine's name and its section of the configuration
 */
export async function openSession({ name, options }) {
  const storage = new StorageManager({
    defaultEngine: name,
    [name]: options,
    retry: { attempts: 5, minDelay: 1, maxDelay: 10 },
  });
  await storage.connect();
  return {
    storage,
    engine: storage.getEngine(),
    begin: (begin) => storage.beginTransaction({ engine: name, ...begin }),
    run: (body) => storage.transaction(body, { engine: name, retries: RETRIES }),
    clear: (tx, folder) => new KeyValueStore(tx, folder.slice(0, -1)).clear(),
    close: () => storage.close(),
  };
}

const { MemoryStorage, StorageManager } = require('holdfast');

// Both ways to load the package have to give the same classes in a bundle.
import('./prove.mjs').then(async ({ prove, loaded }) => {
  const same = loaded === StorageManager && new MemoryStorage() instanceof MemoryStorage;
  console.log(same ? await prove() : 'import and require give two copies');
});

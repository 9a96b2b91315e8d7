// Makes a call that rejects, and does not handle it.
import { MemoryStorage } from '../../helpers/entry.mjs';

void new MemoryStorage().get('');

// Leaves a rejection of an engine to nobody.
import { MemoryStorage } from '../../helpers/entry.mjs';

void new MemoryStorage().get('');

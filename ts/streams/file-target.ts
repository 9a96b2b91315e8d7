import type { Buffer } from 'node:buffer';
import { promises } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileError } from './file-error.js';

/**
 * Writes a file that is there whole or not at all: aside, synced, and renamed. Only its owner may read it.
 *
 * @param check - Throws if the file must not be there after all.
 */
export async function writeFileWhole(path: string, bytes: AsyncIterable<Buffer>, check: () => void): Promise<void> {
  // Loaded by the first export: every program would have to wait 2 ms for it.
  const { randomBytes } = await import('node:crypto');
  const folder = dirname(resolve(path));
  const aside = join(folder, `.holdfast-${randomBytes(8).toString('hex')}.tmp`);
  try {
    const file = await promises.open(aside, 'wx', 0o600);
    try {
      for await (const piece of bytes) await writeWhole(file, piece);
      await file.sync();
    } finally {
      await file.close();
    }
    check();
    await promises.rename(aside, path);
  } catch (error) {
    await promises.rm(aside, { force: true });
    throw fileError(error, 'Cannot write the target of the export');
  }
  await syncFolder(folder);
}

async function writeWhole(file: FileHandle, piece: Buffer): Promise<void> {
  for (let at = 0; at < piece.length;) at += (await file.write(piece, at)).bytesWritten;
}

/** Makes the new name survive a loss of power. Windows has no such call, and renames through its journal. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  try {
    const folder = await promises.open(path, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  } catch (error) {
    throw fileError(error, 'Cannot sync the folder of the export');
  }
}

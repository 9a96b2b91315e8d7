// Asks a server of Next what its route /prove gives.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Problem } from './console.mjs';

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Starts the server in `folder`, asks once it answers, and stops it. */
export async function askServer([command, ...args], folder, env) {
  const port = String(await freePort());
  const child = spawn(command, args, {
    cwd: folder,
    env: { ...env, PORT: port, HOSTNAME: '127.0.0.1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => output.push(chunk));
  const ended = once(child, 'exit');
  try {
    for (;;) {
      const answer = await fetch(`http://127.0.0.1:${port}/prove`).catch(() => null);
      if (answer !== null) return await answer.text();
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Problem(`${command} ${args.join(' ')} ends:\n${Buffer.concat(output)}`);
      await sleep(200);
    }
  } finally {
    child.kill('SIGTERM');
    await ended;
  }
}

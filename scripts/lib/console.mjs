// What the scripts say to the person who runs them. Steps go to stdout, so that a log reads in order.
const colour = process.stdout.isTTY && !process.env.NO_COLOR;
const paint = (code, text) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);

/** Announces what is about to happen. */
export const step = (text) => console.log(`\n${paint('1;36', '==>')} ${paint('1', text)}`);

/** Says what was found or done. */
export const note = (text) => console.log(`    ${text}`);

const duration = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.round(seconds) % 60).padStart(2, '0')}`;

/** Counts steps of about one length: one line that is written again on a terminal, a line a step in a log. */
export function progress(what, total) {
  const started = Date.now();
  let done = 0;
  const show = () => {
    const elapsed = (Date.now() - started) / 1000;
    const left = done > 0 ? `, about ${duration((elapsed / done) * (total - done))} left` : '';
    const line = `    ${what}: ${done} of ${total} done, ${duration(elapsed)} so far${left}`;
    process.stdout.write(process.stdout.isTTY ? `\r${line}\u001b[K` : `${line}\n`);
  };
  show();
  const timer = process.stdout.isTTY ? setInterval(show, 1000) : null;
  return {
    advance() {
      done += 1;
      show();
    },
    end() {
      if (timer) clearInterval(timer);
      if (process.stdout.isTTY) process.stdout.write('\n');
    },
  };
}

/** A mistake of the machine or the caller, told without a stack trace: what is missing and how to get it. */
export class Problem extends Error {
  constructor(what, remedy) {
    super(remedy ? `${what}\n\n    ${remedy.split('\n').join('\n    ')}\n` : what);
    this.name = 'Problem';
  }
}

/** Runs a script's main function; a Problem ends it with its message alone. */
export async function main(body) {
  try {
    await body();
  } catch (error) {
    console.error(`\n${paint('1;31', 'error:')} ${error instanceof Problem ? error.message : error.stack}`);
    process.exitCode = 1;
  }
}

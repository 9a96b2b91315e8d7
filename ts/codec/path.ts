const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;
const LONGEST_NAME = 40;
const MOST_STEPS = 24;

/** The path of a place inside a value, such as `$.a.b[3]`. Long paths lose their middle. */
export function formatPath(steps: readonly (string | number)[]): string {
  if (steps.length <= MOST_STEPS) return `$${steps.map(formatStep).join('')}`;
  const half = MOST_STEPS / 2;
  return `$${steps.slice(0, half).map(formatStep).join('')}…${steps.slice(-half).map(formatStep).join('')}`;
}

function formatStep(step: string | number): string {
  if (typeof step === 'number') return `[${step}]`;
  const name = step.length > LONGEST_NAME ? `${step.slice(0, LONGEST_NAME)}…` : step;
  return IDENTIFIER.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
}

/**
 * The keys of a history, by epoch. After some transactions all clients move on to the next epoch, whose keys are fresh:
 * lists stay short and ranges small while contention stays high.
 */
const LISTS = 7;
const SETS = 2;
const NUMBERS = 2;
const GROUPS = 2;
const SEATS = 6;

const numbered = (count, name) => Array.from({ length: count }, (_, i) => name(i));

export function keysOf(epoch) {
  const home = `e${String(epoch).padStart(5, '0')}`;
  return {
    lists: numbered(LISTS, (i) => `${home}/list/${i}`),
    listFolder: `${home}/list/`,
    sets: numbered(SETS, (i) => `${home}/set${i}/`),
    numbers: numbered(NUMBERS, (i) => `${home}/number/${i}`),
    groups: numbered(GROUPS, (i) => `${home}/group/${i}`),
    seats: numbered(SEATS, (i) => `${home}/seat${i}/`),
  };
}

/** The keys that are always written together. */
export const groupKeys = (group) => ['a', 'b', 'c'].map((name) => `${group}/${name}`);

/** The first key behind every key that begins with `prefix`, which ends in '/'. */
export const endOf = (prefix) => `${prefix.slice(0, -1)}0`;

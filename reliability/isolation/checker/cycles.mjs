import { PRW, RT, RW, WR, WW } from './graph.mjs';

/**
 * Adya's cycles, weakest first. Each is searched for in the components of `graph`: an edge of kind `through` that a
 * path of kinds `back` closes to a cycle. (A. Adya, "Weak Consistency", MIT 1999; names as in K. Kingsbury and
 * P. Alvaro, "Elle", VLDB 2020.)
 */
const LEVELS = [
  { name: 'G0', through: WW, back: WW },
  { name: 'G1c', through: WR, back: WW | WR },
  { name: 'G-single', through: RW | PRW, back: WW | WR },
  { name: 'G2-item', through: RW, back: WW | WR | RW },
  { name: 'G2', through: PRW, back: WW | WR | RW | PRW },
];

const EXAMPLES = 5;
const ATTEMPTS = 2000; // edges tried a level: a broken store's component may have hundreds of thousands

/**
 * Cycles of data dependencies. Where there are none, cycles that real time closes: such a history is serializable, but
 * not strictly.
 */
export function findCycles(graph, describe) {
  const data = LEVELS.flatMap((level) => search(graph, level, 0, describe));
  if (data.length > 0) return data;
  return LEVELS.flatMap((level) => search(graph, level, RT, describe));
}

function search(graph, { name, through, back }, time, describe) {
  const kinds = through | back | time;
  const component = graph.components(kinds);
  const found = [];
  let attempts = 0;
  for (let from = 0; from < graph.nodes; from += 1) {
    if (component[from] === -1) continue;
    for (const [to, mask] of graph.from(from, through)) {
      if (component[to] !== component[from]) continue;
      if (weaker(mask, through, time)) continue;
      if ((attempts += 1) > ATTEMPTS) return found;
      const path = graph.path(to, from, back | time, (node) => component[node] === component[from]);
      if (path === undefined) continue;
      if (
        isSingle(name) &&
        graph.path(to, from, WW | WR | time, (node) => component[node] === component[from]) !== undefined
      )
        continue;
      found.push(describe(time ? `${name}, real time` : name, steps(graph, [from, ...path], through, back | time)));
      if (found.length === EXAMPLES) return found;
    }
  }
  return found;
}

// An edge that is also of a weaker kind makes the weaker anomaly, which its own level finds.
const weaker = (mask, through, time) => time === 0 && (mask & ((through & -through) - 1)) !== 0;
const isSingle = (name) => name === 'G2-item' || name === 'G2';

/** The edges of a cycle whose first is one of `through`: [{ from, to, kind, key }]. */
function steps(graph, nodes, through, back) {
  return nodes.slice(1).map((to, i) => {
    const { name, key } = graph.explain(nodes[i], to, i === 0 ? through : back);
    return { from: nodes[i], to, kind: name, key };
  });
}

/**
 * The dependencies of transactions: a directed graph whose edges have kinds.
 */
export const WW = 1; // wrote the version after one the other wrote
export const WR = 2; // read what the other wrote
export const RW = 4; // read a version the other replaced
export const PRW = 8; // read a range without a key that the other then inserted
export const RT = 16; // ended before the other began

const NAMES = { [WW]: 'ww', [WR]: 'wr', [RW]: 'rw', [PRW]: 'rw by range', [RT]: 'real time' };

export class Graph {
  #edges = []; // for each node a map of successor to { mask, and a key for each kind }
  size = 0;

  constructor(nodes) {
    for (let node = 0; node < nodes; node += 1) this.#edges.push(new Map());
  }

  get nodes() {
    return this.#edges.length;
  }

  add(from, to, kind, key) {
    if (from === to || from === undefined || to === undefined) return;
    const edge = this.#edges[from].get(to);
    if (edge === undefined) this.#edges[from].set(to, { mask: kind, [kind]: key });
    else if (edge.mask & kind) return;
    else {
      edge.mask |= kind;
      edge[kind] = key;
    }
    this.size += 1;
  }

  /** Every [successor, mask] by an edge of one of the kinds. */
  *from(node, kinds) {
    for (const [to, { mask }] of this.#edges[node]) if (mask & kinds) yield [to, mask];
  }

  /** The weakest of the kinds that the edge has, in words. */
  explain(from, to, kinds) {
    const edge = this.#edges[from].get(to);
    for (const kind of [WW, WR, RW, PRW, RT]) {
      if (edge.mask & kinds & kind) return { kind, name: NAMES[kind], key: edge[kind] };
    }
    throw new Error(`no such edge: ${from} to ${to}`);
  }

  /**
   * Strongly connected components of more than one node (Tarjan's algorithm, without recursion): a component number for
   * each node, -1 for a node that is on no cycle.
   */
  components(kinds) {
    const count = this.nodes;
    const index = new Int32Array(count).fill(-1);
    const low = new Int32Array(count);
    const onStack = new Uint8Array(count);
    const component = new Int32Array(count).fill(-1);
    const stack = [];
    let next = 0;
    let components = 0;
    for (let root = 0; root < count; root += 1) {
      if (index[root] !== -1) continue;
      const path = [];
      const enter = (node) => {
        index[node] = low[node] = next++;
        stack.push(node);
        onStack[node] = 1;
        path.push({ node, successors: this.from(node, kinds) });
      };
      enter(root);
      while (path.length > 0) {
        const { node, successors } = path.at(-1);
        const { value, done } = successors.next();
        if (!done) {
          const [to] = value;
          if (index[to] === -1) enter(to);
          else if (onStack[to]) low[node] = Math.min(low[node], index[to]);
          continue;
        }
        path.pop();
        if (path.length > 0) low[path.at(-1).node] = Math.min(low[path.at(-1).node], low[node]);
        if (low[node] !== index[node]) continue;
        const members = stack.splice(stack.lastIndexOf(node));
        for (const member of members) onStack[member] = 0;
        if (members.length > 1) {
          for (const member of members) component[member] = components;
          components += 1;
        }
      }
    }
    return component;
  }

  /** A shortest path by edges of the kinds among the nodes that `within` admits, or undefined. */
  path(start, goal, kinds, within) {
    const cameFrom = new Map([[start, undefined]]);
    const queue = [start];
    for (let head = 0; head < queue.length; head += 1) {
      const node = queue[head];
      if (node === goal) {
        const nodes = [];
        for (let at = goal; at !== undefined; at = cameFrom.get(at)) nodes.unshift(at);
        return nodes;
      }
      for (const [to] of this.from(node, kinds)) {
        if (cameFrom.has(to) || !within(to)) continue;
        cameFrom.set(to, node);
        queue.push(to);
      }
    }
    return undefined;
  }
}

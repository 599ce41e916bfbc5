// A quick layout of large DAGs: columns by the longest way from a source, rows by the inputs' rows.

import { GAP, HEIGHT, LANE, MARGIN, type Placed, type Places, type Plain, WIDTH } from "./shape";

/** The column of each node: right of all that it reads. */
function columnsOf(nodes: Map<string, Plain>): Map<string, number> {
  const columns = new Map<string, number>();
  const met = new Set<string>();
  for (const start of nodes.keys()) {
    const waiting = [start]; // a stack: chains are longer than calls may nest
    while (waiting.length) {
      const id = waiting.at(-1) as string;
      const inputs = nodes.get(id)?.inputs ?? [];
      if (met.has(id)) {
        waiting.pop();
        const before = inputs.map((input) => columns.get(input) ?? 0);
        if (!columns.has(id)) columns.set(id, Math.max(-1, ...before) + 1);
      } else {
        met.add(id);
        waiting.push(...inputs.filter((input) => !met.has(input)));
      }
    }
  }
  return columns;
}

/** Place the nodes from left to right: in time that grows with what there is, and no faster. */
export function layered(given: Plain[]): Places {
  const nodes = new Map(given.map((node) => [node.id, node]));
  const columns = columnsOf(nodes);
  const lists: Plain[][] = [];
  for (const node of given) {
    const column = columns.get(node.id) ?? 0;
    lists[column] ??= [];
    lists[column].push(node);
  }
  const tallest = Math.max(...lists.map((list) => list.length));
  const places = new Map<string, Placed>();
  lists.forEach((list, column) => {
    const wanted = new Map<string, number>();
    for (const { id, inputs } of list) {
      const rows = inputs.map((input) => places.get(input)?.y ?? 0);
      wanted.set(id, rows.length ? rows.reduce((sum, y) => sum + y, 0) / rows.length : 0);
    }
    list.sort((a, b) => (wanted.get(a.id) ?? 0) - (wanted.get(b.id) ?? 0));
    const top = MARGIN + ((tallest - list.length) * (HEIGHT + GAP)) / 2;
    list.forEach(({ id }, row) => {
      const x = MARGIN + column * (WIDTH + LANE);
      places.set(id, { id, x, y: top + row * (HEIGHT + GAP) });
    });
  });
  const width = 2 * MARGIN + lists.length * (WIDTH + LANE) - LANE;
  return { width, height: 2 * MARGIN + tallest * (HEIGHT + GAP) - GAP, places };
}

// Two columns of a table against each other, coloured by a third.

import type { Table } from "./csv";
import { useChoice } from "./router";

const [WIDTH, HEIGHT, LEFT, BOTTOM, EDGE] = [560, 340, 44, 34, 10];
const MOST = 3000; // points that are drawn
const COLOURS = 8; // that can be told apart

const NOTHING = "nothing"; // instead of a column

/** A column that is chosen by its name; the usual one before. */
function useColumn(key: string, data: Table, usual: number): [number, (column: number) => void] {
  const [name, setName] = useChoice(key);
  const found = data.header.indexOf(name);
  const column = found < 0 && name !== NOTHING ? usual : found;
  return [column, (chosen) => setName(data.header[chosen] ?? NOTHING)];
}

export function Scatter({ data }: { data: Table }) {
  const numbers = data.numeric.flatMap((yes, column) => (yes ? [column] : []));
  const words = data.numeric.flatMap((yes, column) => (yes ? [] : [column]));
  const [x, setX] = useColumn("x", data, numbers.at(-2) ?? 0);
  const [y, setY] = useColumn("y", data, numbers.at(-1) ?? 0);
  const [by, setBy] = useColumn("by", data, words.at(-1) ?? -1);
  if (numbers.length < 2 || data.rows.length < 2) return null;
  const rows = data.rows.slice(0, MOST);
  const groups = [...new Set(by < 0 ? [""] : rows.map((row) => row[by] ?? ""))].slice(0, COLOURS);
  const [across, up] = [scaleOf(rows, x), scaleOf(rows, y)];
  const px = (value: number) => LEFT + across.at(value) * (WIDTH - LEFT - EDGE);
  const py = (value: number) => HEIGHT - BOTTOM - up.at(value) * (HEIGHT - BOTTOM - EDGE);
  const choose = (name: string, value: number, set: (value: number) => void, from: number[]) => (
    <label>
      {name}{" "}
      <select value={value} onChange={(event) => set(Number(event.currentTarget.value))}>
        {from.map((column) => (
          <option key={column} value={column}>
            {data.header[column] ?? NOTHING}
          </option>
        ))}
      </select>
    </label>
  );
  return (
    <figure class="scatter">
      <div class="tools">
        {choose("Across", x, setX, numbers)}
        {choose("Up", y, setY, numbers)}
        {choose("Coloured by", by, setBy, [-1, ...words, ...numbers])}
      </div>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        role="img"
        aria-label={`${data.header[y]} over ${data.header[x]}`}
      >
        {across.ticks.map((tick) => (
          <g key={`x${tick}`}>
            <line class="grid" x1={px(tick)} x2={px(tick)} y1={EDGE} y2={HEIGHT - BOTTOM} />
            <text x={px(tick)} y={HEIGHT - BOTTOM + 14} text-anchor="middle">
              {tick}
            </text>
          </g>
        ))}
        {up.ticks.map((tick) => (
          <g key={`y${tick}`}>
            <line class="grid" x1={LEFT} x2={WIDTH - EDGE} y1={py(tick)} y2={py(tick)} />
            <text x={LEFT - 6} y={py(tick) + 4} text-anchor="end">
              {tick}
            </text>
          </g>
        ))}
        {rows.map((row, index) => {
          const group = Math.max(0, groups.indexOf(by < 0 ? "" : (row[by] ?? "")));
          return (
            <circle
              key={index}
              class={`g${group}`}
              cx={px(Number(row[x]))}
              cy={py(Number(row[y]))}
              r="3.2"
            />
          );
        })}
        <text class="axis" x={(LEFT + WIDTH) / 2} y={HEIGHT - 3} text-anchor="middle">
          {data.header[x]}
        </text>
      </svg>
      {by >= 0 && (
        <figcaption>
          {groups.map((group, index) => (
            <span key={group}>
              <span class={`dot g${index}`} aria-hidden="true" /> {group}
            </span>
          ))}
        </figcaption>
      )}
    </figure>
  );
}

/** Where values lie between 0 and 1, and round figures among them. */
function scaleOf(rows: string[][], column: number) {
  const values = rows.map((row) => Number(row[column])).filter(Number.isFinite);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const wide = high - low || 1;
  const rough = wide / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power;
  const ticks: number[] = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high + step / 1e6; tick += step) {
    ticks.push(Number(tick.toPrecision(6)));
  }
  const pad = wide * 0.04;
  return { ticks, at: (value: number) => (value - low + pad) / (wide + 2 * pad) };
}

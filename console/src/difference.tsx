// What differs between two texts, line by line.

import { fileText } from "./api";
import { useLive } from "./live";
import { Loading, Problem } from "./parts";

const MOST = 256 << 10; // bytes of a text that are compared
const LINES = 3000; // so many lines take some ten million steps

type Line = { sign: " " | "+" | "-"; text: string };

/** The longest common lines stay; the others go or come. */
export function differences(before: string[], now: string[]): Line[] {
  let first = 0;
  while (first < before.length && before[first] === now[first]) first += 1;
  let last = 0;
  while (
    last < Math.min(before.length, now.length) - first &&
    before[before.length - 1 - last] === now[now.length - 1 - last]
  ) {
    last += 1;
  }
  const a = before.slice(first, before.length - last);
  const b = now.slice(first, now.length - last);
  const wide = b.length + 1;
  const longest = new Uint16Array((a.length + 1) * wide);
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      const at = i * wide + j;
      longest[at] =
        a[i] === b[j]
          ? (longest[at + wide + 1] as number) + 1
          : Math.max(longest[at + wide] as number, longest[at + 1] as number);
    }
  }
  const found: Line[] = before.slice(0, first).map((text) => ({ sign: " ", text }));
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const at = i * wide + j;
    if (i < a.length && j < b.length && a[i] === b[j]) {
      found.push({ sign: " ", text: a[i] as string });
      i += 1;
      j += 1;
    } else if (j >= b.length || (i < a.length && longest[at + wide] === longest[at])) {
      found.push({ sign: "-", text: a[i] as string });
      i += 1;
    } else {
      found.push({ sign: "+", text: b[j] as string });
      j += 1;
    }
  }
  for (const text of now.slice(now.length - last)) found.push({ sign: " ", text });
  return found;
}

const CONTEXT = 3;

/** The lines near a change; the others are left out. */
function near(lines: Line[]): (Line | undefined)[] {
  const kept = lines.map((_, index) =>
    lines.slice(Math.max(0, index - CONTEXT), index + CONTEXT + 1).some(({ sign }) => sign !== " "),
  );
  return lines.flatMap((line, index) =>
    kept[index] ? [line] : kept[index - 1] || index === 0 ? [undefined] : [],
  );
}

export function DifferenceOf({ before, now }: { before: string; now: string }) {
  const { data, error } = useLive(
    async (signal) => {
      const [old, fresh] = await Promise.all(
        [before, now].map((url) => fileText(url, MOST, signal)),
      );
      if (!old?.whole || !fresh?.whole) return "They are too long to be compared here.";
      if (old.bytes.includes(0) || fresh.bytes.includes(0)) return "They are no text.";
      const [a, b] = [old, fresh].map(({ bytes }) => new TextDecoder().decode(bytes).split("\n"));
      if (!a || !b || Math.max(a.length, b.length) > LINES) {
        return "They have too many lines to be compared here.";
      }
      return near(differences(a, b));
    },
    [before, now],
  );
  if (error) return <Problem error={error} />;
  if (!data) return <Loading />;
  if (typeof data === "string") return <p class="quiet">{data}</p>;
  return (
    <pre class="code">
      {data.map((line, index) =>
        line ? (
          <div key={index} class={line.sign === "+" ? "came" : line.sign === "-" ? "went" : ""}>
            {line.sign} {line.text}
          </div>
        ) : (
          <div key={index} class="quiet">
            ⋯
          </div>
        ),
      )}
    </pre>
  );
}

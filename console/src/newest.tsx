// The newest of a list that may be long, and a way to those before them.

import { useState } from "preact/hooks";
import type { Kind } from "./following";
import { useLive } from "./live";

/**
 * Load the newest of a list, as `useLive` does, and twice as many whenever that is asked for.
 *
 * @param first - How many they are at first.
 * @param load - Loads that many.
 * @returns What was loaded, and the button for more, which keeps the focus.
 */
export function useNewest<T>(
  first: number,
  load: (count: number, signal: AbortSignal) => Promise<T[]>,
  keys: unknown[],
  kinds: readonly Kind[],
) {
  const [count, setCount] = useState(first);
  const { data, error, reload } = useLive(
    async (signal) => ({ count, rows: await load(count, signal) }),
    keys,
    kinds,
    count,
  );
  const shown = data?.rows.length ?? 0;
  const isAll = data !== undefined && shown < data.count;
  const older = shown >= first && (
    <p>
      <button
        type="button"
        aria-disabled={isAll || data?.count !== count}
        onClick={() => !isAll && setCount(2 * shown)}
      >
        Older
      </button>{" "}
      <span class="quiet" role="status">
        {isAll ? `These are all ${shown}.` : `These are the newest ${shown}.`}
      </span>
    </p>
  );
  return { rows: data?.rows, error, reload, older };
}

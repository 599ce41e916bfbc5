// What a view shows is loaded when it appears, and again when it may have changed.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { ApiError, UNAVAILABLE } from "./api";
import { follow, heardFrom, type Kind } from "./following";

export interface Loaded<T> {
  data: T | undefined;
  error: ApiError | undefined;
  reload: () => void;
}

const PACE = 250; // milliseconds between the begins of two loads, at least
const SHARE = 3; // a load that takes long comes back after as many times as long
const RETRY = 1000; // milliseconds after a load that wasn't answered

/**
 * Load something, and load it anew when things of some kinds change.
 *
 * What was there stays while the server is away: it comes back by itself.
 *
 * @param load - Loads it: what JSON can say, since what is the same as before is not shown again.
 * @param keys - What it depends on: with others it is something else.
 * @param kinds - What it shows, which may depend on what was loaded; none: it never changes.
 * @param stamp - What somebody else knows of it: with another it is loaded anew, and what was there
 *   stays meanwhile, with the focus and the place that it is scrolled to.
 */
export function useLive<T>(
  load: (signal: AbortSignal) => Promise<T>,
  keys: unknown[],
  kinds: readonly Kind[] | ((data: T | undefined) => readonly Kind[]) = [],
  stamp: unknown = null,
): Loaded<T> {
  const [shown, setShown] = useState<{ data?: T; error?: ApiError; keys: string }>({ keys: "" });
  const again = useRef<() => void>(() => undefined);
  const wanted = useRef<readonly Kind[]>([]);
  const newest = useRef(load);
  newest.current = load;
  const key = JSON.stringify(keys);
  const stamped = JSON.stringify(stamp);
  const loaded = useRef({ key, stamped });
  // Before the page is painted: the server can work meanwhile.
  useLayoutEffect(() => {
    const stopped = new AbortController();
    let text = "";
    let timer = 0;
    let earliest = 0; // when the next load may begin
    let isBusy = false; // loading, or about to
    let isOutdated = false; // what is being loaded
    const run = async () => {
      isBusy = true;
      isOutdated = false;
      const begun = performance.now();
      earliest = begun + PACE;
      try {
        const data = await newest.current(stopped.signal);
        heardFrom(true);
        const written = JSON.stringify(data);
        if (written !== text) {
          text = written;
          setShown({ data, keys: key });
        }
      } catch (problem) {
        if (stopped.signal.aborted) return;
        const error = problem instanceof ApiError ? problem : new ApiError(2, String(problem));
        const isAway = error.code === UNAVAILABLE;
        heardFrom(!isAway);
        if (isAway) {
          earliest = begun + RETRY;
          isOutdated = true;
        }
        if (!isAway || !text) {
          text = "";
          setShown({ error, keys: key });
        }
      }
      if (stopped.signal.aborted) return;
      isBusy = false;
      earliest = Math.max(earliest, begun + SHARE * (performance.now() - begun));
      if (isOutdated) plan();
    };
    const plan = () => {
      isOutdated = true;
      if (isBusy) return;
      isBusy = true;
      timer = window.setTimeout(run, Math.max(0, earliest - performance.now()));
    };
    again.current = plan;
    const leave = follow((changed) => {
      // Without the kinds that have changed, the server was away.
      const { length } = wanted.current;
      const isOurs = changed?.some((kind) => wanted.current.includes(kind)) ?? (length || !text);
      if (isOurs && !document.hidden) plan();
    });
    run();
    return () => {
      leave();
      stopped.abort();
      window.clearTimeout(timer);
    };
  }, [key]);
  useEffect(() => {
    const before = loaded.current;
    loaded.current = { key, stamped };
    if (before.key === key && before.stamped !== stamped) again.current();
  }, [key, stamped]);
  const isOurs = shown.keys === key;
  const data = isOurs ? shown.data : undefined;
  wanted.current = typeof kinds === "function" ? kinds(data) : kinds;
  return {
    data,
    error: isOurs ? shown.error : undefined,
    reload: () => again.current(),
  };
}

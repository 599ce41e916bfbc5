// What changes on the server: one stream for the whole page tells of it while the page is looked at.
// A page that gets no stream looks every second, and so does one whose server can't tell.

import { useEffect, useState } from "preact/hooks";
import { ApiError, NOT_FOUND, stream, UNAVAILABLE, UNIMPLEMENTED } from "./api";
import { withSlot } from "./slots";

export type Kind = "PROJECTS" | "REPOS" | "COMMITS" | "PIPELINES" | "JOBS" | "DATUMS";

/** Hears of changes; without kinds anything may have changed. */
type Listener = (kinds?: Kind[]) => void;

const AGAIN = 500; // milliseconds until a server that has gone is tried again
export const LOOK = 1000; // milliseconds between looks where nothing tells of changes

const listeners = new Set<Listener>();
const watchers = new Set<(gone: boolean) => void>();
let isGone = false;
let times = 0; // it has come back

function tell(kinds?: Kind[]): void {
  for (const listener of listeners) listener(kinds);
}

function setGone(gone: boolean): void {
  if (isGone && !gone) times += 1;
  isGone = gone;
  for (const watcher of watchers) watcher(gone);
}

/** Hear of changes, until what is returned is called. */
export function follow(listener: Listener): () => void {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}

/** Whether the page is looked at. */
export function useVisible(): boolean {
  const [visible, setVisible] = useState(!document.hidden);
  useEffect(() => {
    const change = () => setVisible(!document.hidden);
    change();
    document.addEventListener("visibilitychange", change);
    return () => document.removeEventListener("visibilitychange", change);
  }, []);
  return visible;
}

/** Whether the server has gone, and how often it has come back. */
export function useServer(): { gone: boolean; returns: number } {
  const [state, setState] = useState({ gone: isGone, returns: times });
  useEffect(() => {
    const watcher = (gone: boolean) => setState({ gone, returns: times });
    watchers.add(watcher);
    watcher(isGone);
    return () => {
      watchers.delete(watcher);
    };
  }, []);
  return state;
}

export const pause = (time: number, signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    const timer = window.setTimeout(resolve, time);
    signal.addEventListener("abort", () => {
      window.clearTimeout(timer);
      resolve();
    });
  });

/** Follow the server until the signal; returns early when the server can't tell of changes. */
async function listen(signal: AbortSignal): Promise<void> {
  const heard = ({ kinds }: { kinds: Kind[] }) => {
    isLooking = false;
    if (kinds.length) {
      tell(kinds);
    } else {
      setGone(false);
      tell(); // whatever was loaded before may be out of date
    }
  };
  while (!signal.aborted) {
    try {
      const hadSlot = await withSlot(() =>
        stream("pachlocal.v1.Local/SubscribeChanges", {}, heard, signal),
      );
      if (hadSlot) {
        setGone(true);
      } else {
        isLooking = true;
        tell();
        await pause(LOOK, signal);
        continue;
      }
    } catch (problem) {
      if (signal.aborted) return;
      const code = problem instanceof ApiError ? problem.code : UNAVAILABLE;
      if (code === UNIMPLEMENTED || code === NOT_FOUND) return;
      if (code === UNAVAILABLE) setGone(true);
      else tell(); // views get the same answer, and show it
    }
    await pause(AGAIN, signal);
  }
}

/** Have views look every second: what another server than pachlocal needs. */
async function look(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await pause(LOOK, signal);
    if (!signal.aborted) tell();
  }
}

/** Take note of a load that was answered, or wasn't: it is all that a server says that is looked at. */
export function heardFrom(answered: boolean): void {
  if (isLooking) setGone(!answered);
}

let isLooking = false; // no stream tells

/** Follow the server whenever the page is visible, for as long as it is open. */
export function followServer(): void {
  let stopped = new AbortController();
  let canTell = true;
  const begin = async () => {
    const { signal } = stopped;
    if (canTell) await listen(signal);
    if (signal.aborted) return;
    canTell = false;
    isLooking = true;
    await look(signal);
  };
  document.addEventListener("visibilitychange", () => {
    stopped.abort();
    stopped = new AbortController();
    if (document.hidden) return;
    if (isLooking) tell();
    begin();
  });
  if (!document.hidden) begin();
}

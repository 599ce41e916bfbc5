// What was logged in a job, or of one of its datums: live, and searched.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "./api";
import { LOOK, pause, useServer, useVisible } from "./following";
import { short } from "./format";
import { type At, jobOf } from "./jobs";
import { readLog } from "./lines";
import { Hits, Problem } from "./parts";
import { here, useChoice } from "./router";
import { withSlot } from "./slots";
import type { LogMessage } from "./types";

const LINES = 2000; // of a log that are shown; the newest stay
const NEAR_END = 20; // pixels above a live log's end, from where it is followed

/** The address of a datum in one file, as `pachctl debug datum` packs it. */
const capsuleUrl = (at: At, datum: string) =>
  `/capsule/${[at.project, at.pipeline, at.id, datum].map(encodeURIComponent).join("/")}.tar.gz`;

export function Logs({ at, datum, isOver }: { at: At; datum: string; isOver: boolean }) {
  const [lines, setLines] = useState<LogMessage[]>([]);
  const { returns } = useServer();
  const [cut, setCut] = useState(false);
  const [error, setError] = useState<ApiError>();
  const [sought, setSought] = useChoice("search");
  const [which, setWhich] = useChoice("lines");
  const [soughtInWhole, setSoughtInWhole] = useState("");
  const [searching, setSearching] = useState(false);
  const ours = which === "all";
  // Only what is searched for is kept of the whole log, which may have a million lines.
  const inWhole = sought === soughtInWhole ? sought.toLowerCase() : "";
  const frame = useRef<HTMLElement>(null);
  const isAtEnd = useRef(true); // whoever scrolls up reads, and isn't to be disturbed
  useLayoutEffect(() => {
    const place = frame.current;
    if (place && !isOver && isAtEnd.current) place.scrollTop = place.scrollHeight;
  }, [lines, isOver]);
  const isWanted = useVisible() || isOver; // a page that nobody looks at needs no stream
  useEffect(() => {
    if (!isWanted) return;
    const stopped = new AbortController();
    const { signal } = stopped;
    const job = jobOf(at);
    const about = { job, datum: datum ? { id: datum, job } : undefined };
    let timer = 0;
    const show = (all: LogMessage[]) => {
      timer = 0;
      setLines(all);
      setCut(all.length === LINES);
    };
    const read = async (follow: boolean) => {
      const kept: LogMessage[] = [];
      const take = (line: LogMessage) => {
        if (inWhole && !line.message.toLowerCase().includes(inWhole)) return;
        kept.push(line);
        if (kept.length > LINES) kept.shift();
        if (!timer) timer = window.setTimeout(() => show([...kept]), 50);
      };
      const tail = inWhole ? {} : { tail: LINES };
      await readLog({ ...about, ...tail, follow }, ours, take, signal);
      window.clearTimeout(timer);
      show(kept);
    };
    const run = async () => {
      if (inWhole) setSearching(true);
      while (!inWhole && !isOver && !(await withSlot(() => read(true)))) {
        await read(false);
        await pause(LOOK, signal);
      }
      if (inWhole || isOver) await read(false);
      setError(undefined);
      setSearching(false);
    };
    run().catch((problem) => {
      if (signal.aborted) return;
      setSearching(false);
      if (problem instanceof ApiError) setError(problem);
    });
    return () => {
      stopped.abort();
      window.clearTimeout(timer);
      setSearching(false);
    };
  }, [at.id, at.pipeline, at.project, datum, ours, inWhole, isOver, isWanted, returns]);
  const none = cut && !inWhole ? `None of the last ${LINES} lines has this.` : "No line has this.";
  const wanted = sought.toLowerCase();
  const shown = lines.filter((line) => line.message.toLowerCase().includes(wanted));
  return (
    <>
      <div class="tools">
        <h2>
          Log{datum && <> of datum {short(datum)}</>}
          {!isOver && <span class="live"> live</span>}
        </h2>
        <input
          type="search"
          placeholder="Search the log"
          aria-label="Search the log"
          value={sought}
          onInput={(event) => setSought(event.currentTarget.value)}
        />
        <Hits of={sought && shown.length} none={none} />
        <label>
          <input
            type="checkbox"
            checked={ours}
            onChange={(event) => setWhich(event.currentTarget.checked ? "all" : "")}
          />{" "}
          with the worker's lines
        </label>
        {datum && <a href={here({ datum: "" })}>of the whole job</a>}
        {datum && (
          <a
            class="button"
            href={capsuleUrl(at, datum)}
            title="Its inputs, command and code: pachlocal replay FILE runs it again"
          >
            Download its capsule
          </a>
        )}
      </div>
      {error && <Problem error={error} />}
      {searching && <p class="quiet">Reading the whole log …</p>}
      {!searching && cut && !inWhole && (
        <p class="quiet">
          The last {LINES} lines.{" "}
          {sought && (
            <button type="button" onClick={() => setSoughtInWhole(sought)}>
              Search the whole log
            </button>
          )}
        </p>
      )}
      {cut && inWhole && <p class="quiet">The last {LINES} lines that have this.</p>}
      <section
        ref={frame}
        class="log"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls by the keyboard
        tabIndex={0}
        aria-label="Log lines"
        onScroll={({ currentTarget: place }) => {
          isAtEnd.current = place.scrollHeight - place.scrollTop - place.clientHeight < NEAR_END;
        }}
      >
        {shown.length ? (
          shown.map((line, index) => (
            <div key={index} class={line.user ? "" : "quiet"}>
              <time>{line.ts?.slice(11, 19)}</time>
              {!datum && line.datumId ? (
                <a href={here({ datum: line.datumId })}>{short(line.datumId)}</a>
              ) : null}
              <span>{line.message}</span>
            </div>
          ))
        ) : (
          <div class="quiet">{!sought && "Nothing was written."}</div>
        )}
      </section>
    </>
  );
}

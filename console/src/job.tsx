// A job: its datums, and why each ran.

import { useMemo, useState } from "preact/hooks";
import { ApiError, call, list, NOT_FOUND, stream, UNIMPLEMENTED } from "./api";
import { useAttempt } from "./attempt";
import { Now } from "./clock";
import { JobProgress } from "./dag";
import type { Kind } from "./following";
import { between, isOver, moment, seconds, short, span } from "./format";
import { type At, jobOf } from "./jobs";
import { useLive } from "./live";
import { Logs } from "./logs";
import { Failed, Figures, Loading, Problem, State, TimeBar, Trail } from "./parts";
import { datumsOf } from "./pipeline";
import { here, link, toFile, toPipeline, useChoice } from "./router";
import { timed } from "./times";
import type { DatumInfo, JobInfo } from "./types";

const PROGRESS: Kind[] = ["JOBS", "DATUMS"];
const DATUMS = 100; // a page of them

const FILTERS: Record<string, string[]> = {
  all: [],
  failed: ["FAILED"],
  success: ["SUCCESS"],
  skipped: ["SKIPPED"],
  recovered: ["RECOVERED"],
};

interface Reason {
  datumId: string;
  reason: string;
  code: string;
}

export function JobView({ at, datum, filter }: { at: At; datum: string; filter: string }) {
  const job = jobOf(at);
  const { data, error } = useLive(
    async (signal) => {
      const info = await call<JobInfo>("pps_v2.API/InspectJob", { job, details: true }, signal);
      return (await timed([info], signal))[0];
    },
    [at],
    (job) => (job && isOver(job.state) ? ["JOBS"] : PROGRESS),
  );
  const { attempt, failure } = useAttempt();
  if (error) return <Failed error={error} />;
  if (!data) return <Loading />;
  return (
    <section class="page">
      <Trail>
        <a href={link(["dag", at.project])}>{at.project}</a> /{" "}
        <a href={toPipeline(at.project, at.pipeline)}>{at.pipeline}</a> / job
      </Trail>
      <header class="head">
        <h1>
          Job <code>{short(at.id)}</code>
        </h1>
        <State name={data.state} />
        <JobProgress job={data} />
        <span class="grow" />
        {!isOver(data.state) && (
          <button type="button" onClick={() => attempt(() => call("pps_v2.API/StopJob", { job }))}>
            Stop
          </button>
        )}
      </header>
      {data.reason && <p class="reason">{data.reason}</p>}
      {failure}
      <Figures
        of={[
          ["Created", moment(data.created)],
          ["Took", <Now key="t" text={() => span(between(data.created, data.finished))} />],
          ["Pipeline version", data.pipelineVersion],
          ["Datums", datumsOf(data)],
          [
            "Output",
            <a key="o" href={toFile(at.project, at.pipeline, at.id, "/")}>
              {at.pipeline}@{short(at.id)}
            </a>,
          ],
        ]}
      />
      <h2>Where the time went</h2>
      <TimeBar parts={data.parts} text={span} />
      <Datums at={at} job={data} filter={filter} chosen={datum} />
      <Logs
        key={`${at.pipeline}@${at.id}/${datum}`}
        at={at}
        datum={datum}
        isOver={isOver(data.state)}
      />
    </section>
  );
}

async function loadDatums(at: At, states: string[], after: string, signal: AbortSignal) {
  const request = {
    job: jobOf(at),
    filter: { state: states },
    number: DATUMS,
    paginationMarker: after,
  };
  return list<DatumInfo>("pps_v2.API/ListDatum", request, signal);
}

async function loadSlowest(at: At, states: string[], after: string, signal: AbortSignal) {
  const request = { job: jobOf(at), states, number: DATUMS, after };
  return list<DatumInfo>("pachlocal.v1.Local/ListSlowestDatums", request, signal);
}

interface Page {
  datums: DatumInfo[];
  reasons: Record<string, string>;
  next: string; // the datum that the next page comes after; empty: there is none
}

/** A page of datums; in the first one of all, those that failed are before the others. */
async function loadPage(
  at: At,
  filter: string,
  after: string,
  failed: boolean,
  slowest: boolean,
  signal: AbortSignal,
): Promise<Page> {
  const failedFirst = failed && !after && filter === "all" && !slowest;
  const load = slowest ? loadSlowest : loadDatums;
  const [first, page] = await Promise.all([
    failedFirst ? loadDatums(at, FILTERS.failed ?? [], "", signal) : [],
    load(at, FILTERS[filter] ?? [], after, signal),
  ]);
  const known = new Set(first.map((one) => one.datum.id));
  const datums = [...first, ...page.filter((one) => !known.has(one.datum.id))];
  const ids = datums.map((one) => one.datum.id);
  return {
    datums,
    reasons: ids.length ? await loadReasons(at, ids, signal) : {},
    next: page.length === DATUMS ? (page.at(-1)?.datum.id ?? "") : "",
  };
}

/** Why some datums of a job ran or were skipped; nothing from a server that doesn't say it. */
async function loadReasons(
  at: At,
  datumIds: string[],
  signal: AbortSignal,
): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  try {
    await stream<{ reasons: Reason[] }>(
      "pachlocal.v1.Local/ListDatumReasons",
      { job: jobOf(at), datumIds },
      ({ reasons }) => {
        for (const one of reasons) found[one.datumId] = one.reason;
      },
      signal,
    );
  } catch (problem) {
    // Another server doesn't say it, and a job that is planned anew has other datums.
    const code = problem instanceof ApiError ? problem.code : 0;
    if (code !== UNIMPLEMENTED && code !== NOT_FOUND) throw problem;
  }
  return found;
}

const timeOf = (datum: DatumInfo) => seconds(datum.stats?.processTime);
const ORDER = ["FAILED", "STARTING", "RECOVERED", "SUCCESS", "SKIPPED"];

function Datums({
  at,
  job,
  filter,
  chosen,
}: {
  at: At;
  job: JobInfo;
  filter: string;
  chosen: string;
}) {
  const [order, setOrder] = useChoice("order");
  const slowest = order === "slowest";
  const [turned, setTurned] = useState<{ of: string; pages: string[] }>({ of: "", pages: [] });
  const listed = JSON.stringify([at, filter, slowest]);
  const pages = turned.of === listed ? turned.pages : [];
  const setPages = (to: string[]) => setTurned({ of: listed, pages: to });
  const after = pages.at(-1) ?? "";
  const isLive = !isOver(job.state);
  const stamp = [job.state, job.dataProcessed, job.dataFailed, job.dataSkipped];
  const page = useLive(
    (signal) => loadPage(at, filter, after, job.dataFailed !== "0", slowest, signal),
    [at, filter, after, slowest],
    isLive ? PROGRESS : [],
    isLive ? job.dataFailed !== "0" : stamp,
  );
  const sorted = useMemo(() => {
    const all = [...(page.data?.datums ?? [])];
    return slowest ? all : all.sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state));
  }, [page.data, slowest]);
  return (
    <>
      <div class="tools">
        <h2>Datums</h2>
        <nav class="tabs" aria-label="Which datums">
          {Object.keys(FILTERS).map((name) => (
            <a
              key={name}
              href={here({ filter: name === "all" ? "" : name, datum: "" })}
              aria-current={name === filter ? "true" : undefined}
            >
              {name}
            </a>
          ))}
        </nav>
        <label>
          <input
            type="checkbox"
            checked={slowest}
            onChange={(event) => setOrder(event.currentTarget.checked ? "slowest" : "")}
          />{" "}
          slowest first
        </label>
      </div>
      {page.error &&
        (slowest && page.error.code === UNIMPLEMENTED ? (
          <p class="quiet">This server can't tell which were slowest.</p>
        ) : (
          <Problem error={page.error} />
        ))}
      <p class="quiet" role="status">
        {page.data && !sorted.length && "No datum is of this kind."}
      </p>
      {sorted.length > 0 && (
        <div class="scroll">
          <table aria-label="Datums">
            <thead>
              <tr>
                <th>State</th>
                <th>Datum</th>
                <th>Files</th>
                <th>Time</th>
                <th>Why</th>
              </tr>
            </thead>
            <tbody>
              {sorted.map((one) => (
                <tr key={one.datum.id} class={one.datum.id === chosen ? "chosen" : ""}>
                  <td>
                    <State name={one.state} />
                  </td>
                  <td>
                    <a href={here({ datum: one.datum.id })}>
                      <code>{short(one.datum.id)}</code>
                    </a>
                  </td>
                  <td>
                    {one.data.map((file) => (
                      <FileLink key={file.file.commit?.repo?.name + file.file.path} file={file} />
                    ))}
                  </td>
                  <td class="number">{span(timeOf(one))}</td>
                  <td class="why">{page.data?.reasons[one.datum.id] ?? ""}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {(pages.length > 0 || page.data?.next) && (
        <p class="pager">
          <button
            type="button"
            disabled={!pages.length}
            onClick={() => setPages(pages.slice(0, -1))}
          >
            Back
          </button>
          <button
            type="button"
            disabled={!page.data?.next}
            onClick={() => setPages([...pages, page.data?.next ?? ""])}
          >
            More
          </button>
          <span class="quiet">{job.dataTotal} datums in all</span>
        </p>
      )}
    </>
  );
}

export function FileLink({ file }: { file: DatumInfo["data"][number] }) {
  const commit = file.file.commit;
  const repo = commit?.repo;
  if (!commit || !repo) return null;
  return (
    <a
      class="listed"
      href={toFile(repo.project?.name ?? "default", repo.name, commit.id, file.file.path)}
    >
      {repo.name}:{file.file.path}
    </a>
  );
}

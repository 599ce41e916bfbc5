// A pipeline: how it is, its jobs and where their time went, its spec.

import { useState } from "preact/hooks";
import { call } from "./api";
import { useAttempt } from "./attempt";
import { Now } from "./clock";
import { JobProgress } from "./dag";
import { ago, between, short, span } from "./format";
import { reposOf } from "./graph";
import { useLive } from "./live";
import { useNewest } from "./newest";
import { Failed, Figures, Loading, Problem, State, TimeBar, Trail } from "./parts";
import { link, toJob, toPipeline, toRepo } from "./router";
import { type Draft, Spec } from "./spec";
import { listTimed, type TimedJob } from "./times";
import type { JobInfo, PipelineInfo } from "./types";

const JOBS = 50; // the newest, at first

export function datumsOf(job: JobInfo): string {
  const said = [
    [job.dataProcessed, "processed"],
    [job.dataSkipped, "skipped"],
    [job.dataFailed, "failed"],
    [job.dataRecovered, "recovered"],
  ]
    .filter(([count]) => count !== "0")
    .map(([count, word]) => `${count} ${word}`);
  return said.join(", ") || (job.dataTotal === "0" ? "none" : `${job.dataTotal} to do`);
}

export function PipelineView({ project, name }: { project: string; name: string }) {
  const pipeline = { name, project: { name: project } };
  const about = useLive(
    (signal) =>
      call<PipelineInfo>("pps_v2.API/InspectPipeline", { pipeline, details: true }, signal),
    [project, name],
    ["PIPELINES", "JOBS"],
  );
  const jobs = useNewest(
    JOBS,
    (number, signal) => listTimed({ pipeline, number }, signal),
    [project, name],
    ["JOBS", "DATUMS"],
  );
  const { attempt, failure } = useAttempt();
  const [draft, setDraft] = useState<Draft>();
  if (about.error) {
    return (
      <>
        <Failed error={about.error} />
        {draft && <textarea class="editor" aria-label="The spec" readOnly value={draft.text} />}
      </>
    );
  }
  if (!about.data) return <Loading />;
  const info = about.data;
  const act = (method: string, more: object = {}) =>
    attempt(async () => {
      await call(`pps_v2.API/${method}`, { pipeline, ...more });
      about.reload();
      jobs.reload();
    });
  return (
    <section class="page">
      <Trail>
        <a href={link(["dag", project])}>{project}</a> / pipeline
      </Trail>
      <header class="head">
        <h1>{name}</h1>
        <State name={info.state} title={info.reason} />
        <span class="grow" />
        {info.stopped ? (
          <button type="button" onClick={() => act("StartPipeline")}>
            Start
          </button>
        ) : (
          <button type="button" onClick={() => act("StopPipeline")}>
            Stop
          </button>
        )}
        <button type="button" onClick={() => act("RerunPipeline", { reprocess: false })}>
          Rerun
        </button>
        <button type="button" onClick={() => act("RerunPipeline", { reprocess: true })}>
          Reprocess all
        </button>
      </header>
      {info.reason && <p class="reason">{info.reason}</p>}
      {failure}
      {info.details?.description && <p>{info.details.description}</p>}
      <Figures
        of={[
          ["Version", info.version],
          ["Workers", info.details?.workersRequested || info.parallelism],
          ["Image", <code key="i">{info.details?.transform?.image}</code>],
          ["Command", <code key="c">{info.details?.transform?.cmd.join(" ")}</code>],
          ["Reads", <Inputs key="r" info={info} project={project} />],
          [
            "Writes",
            <a key="w" href={toRepo(project, name)}>
              {name}
            </a>,
          ],
        ]}
      />
      <h2>Jobs</h2>
      {jobs.error && <Problem error={jobs.error} />}
      {jobs.rows && !jobs.rows.length && (
        <p class="quiet">There is none yet: it begins when each of its inputs has a commit.</p>
      )}
      {jobs.rows && jobs.rows.length > 0 && <Jobs jobs={jobs.rows} />}
      {jobs.older}
      <Spec
        version={info.version}
        draft={draft}
        setDraft={setDraft}
        spec={pretty(info.userSpecJson || info.effectiveSpecJson)}
        done={about.reload}
      />
    </section>
  );
}

function Inputs({ info, project }: { info: PipelineInfo; project: string }) {
  return (
    <>
      {reposOf(info.details?.input ?? null, project).map((id) => {
        const [theirs = "", name = ""] = id.split("/");
        return (
          <a key={id} class="listed" href={toRepo(theirs, name)}>
            {theirs === project ? name : id}
          </a>
        );
      })}
    </>
  );
}

export function Jobs({ jobs, named = false }: { jobs: TimedJob[]; named?: boolean }) {
  return (
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th>State</th>
            <th>Job</th>
            {named && <th>Pipeline</th>}
            <th>Created</th>
            <th>Took</th>
            <th>Datums</th>
            <th>Where the time went</th>
          </tr>
        </thead>
        <tbody>
          {jobs.map((job) => {
            const { name, project } = job.job.pipeline;
            const own = project?.name ?? "default";
            return (
              <tr key={name + job.job.id}>
                <td>
                  <State name={job.state} title={job.reason} /> <JobProgress job={job} />
                </td>
                <td>
                  <a href={toJob(own, name, job.job.id)}>
                    <code>{short(job.job.id)}</code>
                  </a>
                </td>
                {named && (
                  <td>
                    <a href={toPipeline(own, name)}>{name}</a>
                  </td>
                )}
                <td title={job.created ?? ""}>
                  <Now text={() => ago(job.created)} />
                </td>
                <td class="number">
                  <Now text={() => span(between(job.created, job.finished))} />
                </td>
                <td>{datumsOf(job)}</td>
                <td class="wide">
                  <TimeBar parts={job.parts} text={span} brief />
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

/** All jobs of a project. */
export function JobsView({ project }: { project: string }) {
  const { rows, error, older } = useNewest(
    2 * JOBS,
    (number, signal) => listTimed({ projects: [{ name: project }], number }, signal),
    [project],
    ["JOBS", "DATUMS"],
  );
  if (error) return <Failed error={error} />;
  if (!rows) return <Loading />;
  return (
    <section class="page">
      <header class="head">
        <h1>Jobs of {project}</h1>
      </header>
      {rows.length ? <Jobs jobs={rows} named /> : <p class="quiet">No pipeline has run yet.</p>}
      {older}
    </section>
  );
}

function pretty(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json;
  }
}

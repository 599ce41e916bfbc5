// Where a file comes from, down to its user's commits; and what was made from it.

import { useState } from "preact/hooks";
import { ApiError, call, list, NOT_FOUND, UNIMPLEMENTED } from "./api";
import { moment, short, size } from "./format";
import { useLive } from "./live";
import { Loading, Problem, State, Trail } from "./parts";
import { commitOf } from "./repo";
import { link, toDatum, toFile, toPipeline } from "./router";
import type {
  CodeVersion,
  CommitInfo,
  DatumInfo,
  DatumOrigin,
  FileInfo,
  FileOrigin,
  Job,
} from "./types";

const PAGE = 500; // datums that are asked for at once
const LIMIT = 2000; // datums that are looked through unless more are asked for

interface Where {
  project: string;
  repo: string;
  commit: string;
  path: string;
}

interface Use {
  pipeline: string;
  project: string;
  job: string;
  datum: string;
  state: string;
}

export function LineageView({ at }: { at: Where }) {
  const file = { commit: commitOf(at.project, at.repo, at.commit), path: at.path };
  const origin = useLive(
    (signal) =>
      call<{ origin: FileOrigin }>("pachlocal.v1.Local/Why", { file }, signal).then(
        (found) => found.origin,
      ),
    [at],
  );
  const [all, setAll] = useState(false);
  const uses = useLive((signal) => usesOf(at, all ? Infinity : LIMIT, signal), [at, all]);
  return (
    <section class="page">
      <Trail>
        <a href={link(["dag", at.project])}>{at.project}</a> /{" "}
        <a href={toFile(at.project, at.repo, at.commit, "/")}>
          {at.repo}@{at.commit.length === 32 ? short(at.commit) : at.commit}
        </a>{" "}
        / <a href={toFile(at.project, at.repo, at.commit, at.path)}>{at.path}</a>
      </Trail>
      <header class="head">
        <h1>Lineage of {at.path.split("/").at(-1)}</h1>
      </header>
      <h2>What it was made from</h2>
      {origin.error &&
        (origin.error.code === UNIMPLEMENTED ? (
          <p class="quiet">
            This server can't tell it by the file; its job's page names the inputs.
          </p>
        ) : (
          <Problem error={origin.error} />
        ))}
      {!origin.data && !origin.error && <Loading />}
      {origin.data && (
        <ul class="tree">
          <Origin of={origin.data} />
        </ul>
      )}
      <h2>What was made from it</h2>
      {uses.error && !origin.error && <Problem error={uses.error} />}
      {!uses.data && !uses.error && <Loading />}
      {uses.data && !uses.data.found.length && !uses.data.stopped && (
        <p class="quiet">Nothing has read it in this commit.</p>
      )}
      {uses.data && uses.data.found.length > 0 && (
        <ul class="tree">
          {uses.data.found.map((use) => (
            <li key={use.pipeline + use.datum}>
              <State name={use.state} /> pipeline{" "}
              <a href={toPipeline(use.project, use.pipeline)}>{use.pipeline}</a>, datum{" "}
              <a href={toDatum(use.project, use.pipeline, use.job, use.datum)}>
                <code>{short(use.datum)}</code>
              </a>
              , which is part of{" "}
              <a href={toFile(use.project, use.pipeline, use.job, "/")}>
                {use.pipeline}@{short(use.job)}
              </a>
            </li>
          ))}
        </ul>
      )}
      {uses.data?.stopped && (
        <p>
          The jobs that may have read it have more than {LIMIT.toLocaleString("en")} datums, and the
          others haven't been looked through.{" "}
          <button type="button" onClick={() => setAll(true)}>
            Look through all
          </button>
        </p>
      )}
    </section>
  );
}

function Origin({ of }: { of: FileOrigin }) {
  const commit = of.file.file.commit;
  const repo = commit?.repo;
  const project = repo?.project?.name ?? "default";
  const name = `${repo?.name}@${short(commit?.id ?? "")}:${of.file.file.path}`;
  return (
    <li>
      {repo && commit ? (
        <a href={toFile(project, repo.name, commit.id, of.file.file.path)}>
          <code>{name}</code>
        </a>
      ) : (
        <code>{name}</code>
      )}{" "}
      <span class="quiet">{size(of.file.sizeBytes)}</span>
      {of.repeated && <span class="quiet"> (as above)</span>}
      {of.changed && (
        <div class="by">
          put by its user {moment(of.changed.started)} in commit{" "}
          <a
            href={toFile(
              project,
              of.changed.commit.repo?.name ?? "",
              of.changed.commit.id,
              of.file.file.path,
            )}
          >
            <code>{short(of.changed.commit.id)}</code>
          </a>
          {of.changed.description && `: ${of.changed.description}`}
        </div>
      )}
      {of.datums.map((datum) => (
        <Made key={datum.datum.id} by={datum} />
      ))}
      {of.moreDatums && <div class="quiet">and by more datums</div>}
    </li>
  );
}

function Made({ by }: { by: DatumOrigin }) {
  const { pipeline, id } = by.datum.job;
  const project = pipeline.project?.name ?? "default";
  return (
    <div class="by">
      made by <a href={toPipeline(project, pipeline.name)}>{pipeline.name}</a> version{" "}
      {by.pipelineVersion}, datum{" "}
      <a href={toDatum(project, pipeline.name, id, by.datum.id)}>
        <code>{short(by.datum.id)}</code>
      </a>{" "}
      <State name={by.state} />
      <div class="quiet">{by.reason}</div>
      <div class="quiet">
        <code>{by.cmd.join(" ")}</code> in {by.image || "no image"}
        {by.code && ` · code ${by.code.name.slice(0, 12)}${since(by.code)}`}
      </div>
      <ul>
        {by.inputs.map((input) => (
          <Origin key={input.file.file.commit?.repo?.name + input.file.file.path} of={input} />
        ))}
      </ul>
    </div>
  );
}

/** How a version of the code differs from what a job would run now, or from the newest job's. */
function since({ current, currentChanged, newest, newestChanged }: CodeVersion): string {
  if (current) return ", as it is now";
  const said = (files: string[]) =>
    `${files.join(", ")} ${files.length > 1 ? "differ" : "differs"}`;
  if (currentChanged.length) return ` (${said(currentChanged)} from what there is now)`;
  if (newest) return "";
  return newestChanged.length ? ` (${said(newestChanged)} from the newest)` : ", older";
}

/** The datums of a job, a page at a time. */
async function* datumsOf(job: Job, signal: AbortSignal): AsyncGenerator<DatumInfo> {
  let after = "";
  for (;;) {
    const request = { job, number: PAGE, paginationMarker: after };
    const page = await list<DatumInfo>("pps_v2.API/ListDatum", request, signal);
    yield* page;
    if (page.length < PAGE) return;
    after = page.at(-1)?.datum.id ?? "";
  }
}

/** Whether a datum has read a file: it, or a folder that it is in. */
function hasRead(at: Where, { data }: DatumInfo): boolean {
  return data.some(({ file: { commit, path } }) => {
    const isThere =
      commit?.repo?.name === at.repo && (commit.repo.project?.name ?? "default") === at.project;
    return isThere && (path === at.path || at.path.startsWith(path.replace(/\/*$/, "/")));
  });
}

/**
 * The datums that have read a file, in the jobs that its commit has caused.
 *
 * @param most - How many datums are looked through.
 */
async function usesOf(
  at: Where,
  most: number,
  signal: AbortSignal,
): Promise<{ found: Use[]; stopped: boolean }> {
  const file = { commit: commitOf(at.project, at.repo, at.commit), path: at.path };
  await call<FileInfo>("pfs_v2.API/InspectFile", { file }, signal); // there may be none
  const { id = "" } =
    (await call<CommitInfo>("pfs_v2.API/InspectCommit", { commit: file.commit }, signal)).commit ??
    {};
  const repo = { name: { name: at.repo, type: "user", project: { name: at.project } } };
  const caused = await list<CommitInfo>(
    "pfs_v2.API/WalkCommitSubvenance",
    { start: [{ id: { id, repo } }] },
    signal,
  );
  const found: Use[] = [];
  let seen = 0;
  for (const { commit } of caused) {
    if (commit.repo?.type !== "user" || (commit.repo.name === at.repo && commit.id === id))
      continue;
    const project = commit.repo.project?.name ?? "default";
    const job = { id: commit.id, pipeline: { name: commit.repo.name, project: { name: project } } };
    try {
      for await (const one of datumsOf(job, signal)) {
        if (seen === most) return { found, stopped: true };
        seen += 1;
        if (hasRead(at, one)) {
          const { datum, state } = one;
          found.push({ project, pipeline: job.pipeline.name, job: job.id, datum: datum.id, state });
        }
      }
    } catch (problem) {
      // The job may have been deleted meanwhile, or no job made the commit.
      if (!(problem instanceof ApiError) || problem.code !== NOT_FOUND) throw problem;
    }
  }
  return { found, stopped: false };
}

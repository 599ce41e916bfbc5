// Where a file comes from, down to its user's commits; and what was made from it.

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
} from "./types";

const LIMIT = 500; // datums of a job that are looked through

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
  const uses = useLive((signal) => usesOf(at, signal), [at]);
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
      {uses.data && !uses.data.length && <p class="quiet">Nothing has read it in this commit.</p>}
      {uses.data && uses.data.length > 0 && (
        <ul class="tree">
          {uses.data.map((use) => (
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

/** The datums that have read a file, in the jobs that its commit has caused. */
async function usesOf(at: Where, signal: AbortSignal): Promise<Use[]> {
  const file = { commit: commitOf(at.project, at.repo, at.commit), path: at.path };
  const info = await call<FileInfo>("pfs_v2.API/InspectFile", { file }, signal);
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
  for (const { commit } of caused) {
    if (commit.repo?.type !== "user" || (commit.repo.name === at.repo && commit.id === id))
      continue;
    const project = commit.repo.project?.name ?? "default";
    const job = { id: commit.id, pipeline: { name: commit.repo.name, project: { name: project } } };
    try {
      const datums = await list<DatumInfo>("pps_v2.API/ListDatum", { job, number: LIMIT }, signal);
      for (const { datum, state, data } of datums) {
        const reads = data.some(
          (one) =>
            one.file.commit?.repo?.name === at.repo &&
            (one.hash === info.hash || at.path.startsWith(one.file.path)),
        );
        if (reads) {
          found.push({ project, pipeline: job.pipeline.name, job: job.id, datum: datum.id, state });
        }
      }
    } catch (problem) {
      // The job may have been deleted meanwhile, or no job made the commit.
      if (!(problem instanceof ApiError) || problem.code !== NOT_FOUND) throw problem;
    }
  }
  return found;
}

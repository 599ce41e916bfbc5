// Two models side by side: what each was made of and by, and how good it was.

import { ApiError, call, NOT_FOUND, UNIMPLEMENTED } from "./api";
import { moment, short } from "./format";
import { useLive } from "./live";
import { Loading, Problem } from "./parts";
import { repoOf } from "./repo";
import { toFile, toJob } from "./router";
import type { CodeVersion, Commit, CommitInfo, JobInfo } from "./types";

/** The figures of a commit: what a model was found to be. */
export interface Point {
  commit: string;
  started: string | null;
  figures: Record<string, number>;
}

interface Model {
  point: Point;
  job: JobInfo | undefined;
  reads: Commit[];
  code: CodeVersion | null;
}

/** What a call answers; nothing when what it asks for has gone, or the server can't tell it. */
async function unlessUnknown<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (problem) {
    const code = problem instanceof ApiError ? problem.code : 0;
    if (code !== NOT_FOUND && code !== UNIMPLEMENTED) throw problem;
    return undefined;
  }
}

async function modelOf(
  project: string,
  name: string,
  point: Point,
  signal: AbortSignal,
): Promise<Model> {
  const job = { id: point.commit, pipeline: { name, project: { name: project } } };
  const commit = { id: point.commit, repo: repoOf(project, name) };
  const [about, output, code] = await Promise.all([
    unlessUnknown(call<JobInfo>("pps_v2.API/InspectJob", { job, details: true }, signal)),
    call<CommitInfo>("pfs_v2.API/InspectCommit", { commit }, signal),
    unlessUnknown(
      call<{ version: CodeVersion | null }>("pachlocal.v1.Local/InspectCode", { job }, signal),
    ),
  ]);
  const reads = output.directProvenance.filter((one) => one.repo?.type === "user");
  return { point, job: about, reads, code: code?.version ?? null };
}

export function Models({ project, name, of }: { project: string; name: string; of: Point[] }) {
  const { data, error } = useLive(
    (signal) => Promise.all(of.map((point) => modelOf(project, name, point, signal))),
    [project, name, of],
  );
  if (error) return <Problem error={error} />;
  if (!data) return <Loading />;
  const figures = [...new Set(of.flatMap((point) => Object.keys(point.figures)))];
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls by the keyboard
    <section class="scroll" tabIndex={0} aria-label="Side by side">
      <table class="beside">
        <thead>
          <tr>
            <th>Model</th>
            {data.map(({ point }) => (
              <th key={point.commit}>
                <a href={toJob(project, name, point.commit)}>
                  <code>{short(point.commit)}</code>
                </a>
              </th>
            ))}
            <th>Difference</th>
          </tr>
        </thead>
        <tbody>
          {figures.map((figure) => (
            <tr key={figure}>
              <th scope="row">{figure}</th>
              {data.map(({ point }) => (
                <td key={point.commit} class="number">
                  {point.figures[figure] ?? ""}
                </td>
              ))}
              <td class="number">{difference(of.map((point) => point.figures[figure]))}</td>
            </tr>
          ))}
          <Row name="made" of={data} show={({ point }) => moment(point.started)} />
          <Row
            name="pipeline version"
            of={data}
            show={({ job }) => job?.pipelineVersion ?? "its job was deleted"}
          />
          <Row
            name="command"
            of={data}
            show={({ job }) => <code>{job?.details?.transform?.cmd.join(" ")}</code>}
          />
          <Row
            name="data"
            of={data}
            show={({ reads }) =>
              reads.map(({ id, repo }) => (
                <a
                  key={repo?.name}
                  class="listed"
                  href={toFile(repo?.project?.name ?? project, repo?.name ?? "", id, "/")}
                >
                  {repo?.name}@{short(id)}
                </a>
              ))
            }
          />
          {data.some(({ code }) => code) && (
            <Row
              name="code"
              of={data}
              show={({ code }) => code && <code>{code.name.slice(0, 12)}</code>}
            />
          )}
        </tbody>
      </table>
    </section>
  );
}

function Row({
  name,
  of,
  show,
}: {
  name: string;
  of: Model[];
  show: (model: Model) => preact.ComponentChildren;
}) {
  return (
    <tr>
      <th scope="row">{name}</th>
      {of.map((model) => (
        <td key={model.point.commit}>{show(model)}</td>
      ))}
      <td />
    </tr>
  );
}

/** How much more the second is, without the noise of the last binary digits. */
function difference([before, now]: (number | undefined)[]): string {
  if (before === undefined || now === undefined) return "";
  const more = Number((now - before).toPrecision(6));
  return more > 0 ? `+${more}` : String(more);
}

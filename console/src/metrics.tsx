// The figures in the metrics.json of output repos, over their commits.

import { useEffect, useRef } from "preact/hooks";
import { fileText, fileUrl, list } from "./api";
import { Now } from "./clock";
import type { Kind } from "./following";
import { ago, short } from "./format";
import { useLive } from "./live";
import { Models, type Point } from "./models";
import { Failed, Loading, Trail } from "./parts";
import { here, link, toFile, toJob, useChoice } from "./router";
import type { CommitInfo, FileInfo, PipelineInfo } from "./types";

const SHOWN: Kind[] = ["COMMITS", "PIPELINES"];
const PATH = "/metrics.json";
const COMMITS = 100;
const HEIGHT = 240; // of the drawing, in pixels
const RECENT = 20; // commits among which a good one is sought

type Figures = Record<string, number>;

/** The repos of a project that have metrics. */
async function reposWithMetrics(project: string, signal: AbortSignal): Promise<string[]> {
  const projects = [{ name: project }];
  const all = await list<PipelineInfo>("pps_v2.API/ListPipeline", { projects }, signal);
  const found = await Promise.all(
    all.map(async ({ pipeline: { name } }) => {
      const repo = { name, type: "user", project: { name: project } };
      const recent = { repo, number: RECENT };
      const commits = await list<CommitInfo>("pfs_v2.API/ListCommit", recent, signal);
      const good = commits.find((one) => one.finished && !one.error)?.commit;
      if (!good) return "";
      const request = { commit: good, pattern: PATH };
      return (await list<FileInfo>("pfs_v2.API/GlobFile", request, signal)).length ? name : "";
    }),
  );
  return found.filter(Boolean);
}

async function pointsOf(project: string, name: string, signal: AbortSignal): Promise<Point[]> {
  const repo = { name, type: "user", project: { name: project } };
  const commits = await list<CommitInfo>(
    "pfs_v2.API/ListCommit",
    { repo, number: COMMITS },
    signal,
  );
  const points = await Promise.all(
    commits
      .filter((one) => one.finished && !one.error)
      .map(async (one) => {
        const url = fileUrl({ project, repo: name, id: one.commit.id }, PATH);
        const figures = await figuresAt(url, signal);
        return { commit: one.commit.id, started: one.started, figures };
      }),
  );
  return points.filter((point) => Object.keys(point.figures).length).reverse();
}

async function figuresAt(url: string, signal: AbortSignal): Promise<Figures> {
  try {
    const { bytes } = await fileText(url, 1 << 20, signal);
    const content: unknown = JSON.parse(new TextDecoder().decode(bytes));
    const pairs = Object.entries(content ?? {}).filter(([, value]) => typeof value === "number");
    return Object.fromEntries(pairs) as Figures;
  } catch (problem) {
    if (signal.aborted) throw problem;
    return {}; // a commit without it, or whose file isn't JSON, has no figures
  }
}

/** @param compared - The commits of two models that are shown side by side, with a comma between. */
export function MetricsView({
  project,
  repo,
  compared,
}: {
  project: string;
  repo: string;
  compared: string;
}) {
  const repos = useLive((signal) => reposWithMetrics(project, signal), [project], SHOWN);
  if (repos.error) return <Failed error={repos.error} />;
  if (!repos.data) return <Loading />;
  const chosen = repo || repos.data[0] || "";
  return (
    <section class="page">
      <Trail>
        <a href={link(["dag", project])}>{project}</a> / metrics
      </Trail>
      <header class="head">
        <h1>Metrics</h1>
        <nav class="tabs" aria-label="Which repo">
          {repos.data.map((name) => (
            <a
              key={name}
              href={link(["metrics", project, name])}
              aria-current={name === chosen ? "true" : undefined}
            >
              {name}
            </a>
          ))}
        </nav>
      </header>
      {chosen ? (
        <Repo project={project} name={chosen} compared={compared.split(",").filter(Boolean)} />
      ) : (
        <p class="quiet">
          No output repo has a <code>metrics.json</code>: an object of names and numbers that a
          pipeline writes to <code>/pfs/out</code>. It is drawn here over the commits.
        </p>
      )}
    </section>
  );
}

function Repo({ project, name, compared }: { project: string; name: string; compared: string[] }) {
  const { data, error } = useLive(
    (signal) => pointsOf(project, name, signal),
    [project, name],
    SHOWN,
  );
  const [picked, setPicked] = useChoice("drawn");
  if (error) return <Failed error={error} />;
  if (!data) return <Loading />;
  const names = [...new Set(data.flatMap((point) => Object.keys(point.figures)))];
  const metric = names.includes(picked) ? picked : (names[0] ?? "");
  const best = Math.max(...data.map((point) => point.figures[metric] ?? Number.NEGATIVE_INFINITY));
  const beside = data.filter((point) => compared.includes(point.commit));
  const compare = (commit: string, chosen: boolean) => {
    const others = compared.filter((one) => one !== commit);
    const wanted = chosen ? [...others, commit].slice(-2) : others; // the last two that were chosen
    window.location.hash = here({ compare: wanted.join(",") });
  };
  return (
    <>
      <div class="tools">
        <label>
          Drawn{" "}
          <select value={metric} onChange={(event) => setPicked(event.currentTarget.value)}>
            {names.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </label>
      </div>
      <Chart points={data} metric={metric} />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls by the keyboard */}
      <section class="scroll" tabIndex={0} aria-label="All figures">
        <table>
          <thead>
            <tr>
              <th>Commit</th>
              <th>Made</th>
              <th>Compare</th>
              {names.map((one) => (
                <th key={one}>{one}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {[...data].reverse().map((point) => (
              <tr key={point.commit} class={point.figures[metric] === best ? "chosen" : ""}>
                <td>
                  <a href={toFile(project, name, point.commit, "/")}>
                    <code>{short(point.commit)}</code>
                  </a>
                </td>
                <td class="number">
                  <a href={toJob(project, name, point.commit)}>
                    <Now text={() => ago(point.started)} />
                  </a>
                </td>
                <td>
                  <input
                    type="checkbox"
                    aria-label={`Compare ${short(point.commit)}`}
                    checked={compared.includes(point.commit)}
                    onChange={(event) => compare(point.commit, event.currentTarget.checked)}
                  />
                </td>
                {names.map((one) => (
                  <td key={one} class="number">
                    {point.figures[one] ?? ""}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      <p class="quiet">
        Marked: the greatest {metric}.{" "}
        {beside.length < 2 && data.length > 1 && "Two models are compared when you check them."}
      </p>
      {beside.length === 2 && (
        <>
          <h2>Side by side</h2>
          <Models project={project} name={name} of={beside} />
        </>
      )}
    </>
  );
}

/** A range with some room above and below: values that are all the same are in its middle. */
function around(low: number, high: number): [number, number] {
  const room = (high - low || Math.abs(high) || 1) / 10;
  return [low - room, high + room];
}

/** Draw a line in a place; returns what removes it. The library is loaded when it is needed. */
async function drawLine(place: HTMLElement, points: Point[], metric: string): Promise<() => void> {
  const { default: UPlot } = await import("uplot");
  const look = getComputedStyle(place);
  const ink = look.getPropertyValue("--quiet");
  const grid = { stroke: look.getPropertyValue("--line"), width: 1 };
  const plot = new UPlot(
    {
      width: place.clientWidth,
      height: HEIGHT,
      padding: [8, 32, 0, 0],
      scales: { x: { time: false }, y: { range: (_, low, high) => around(low, high) } },
      legend: { show: false },
      axes: [
        {
          stroke: ink,
          grid,
          values: (_, ticks) => ticks.map((tick) => short(points[Math.round(tick)]?.commit ?? "")),
          incrs: [1, 2, 5, 10, 20, 50],
        },
        {
          stroke: ink,
          grid,
          size: 76,
          values: (_, ticks) => ticks.map((tick) => String(Number(tick.toPrecision(6)))),
        },
      ],
      series: [
        {},
        { stroke: look.getPropertyValue("--accent"), width: 2, points: { show: true, size: 7 } },
      ],
    },
    [points.map((_, index) => index), points.map((point) => point.figures[metric] ?? null)],
    place,
  );
  const resized = new ResizeObserver(() =>
    plot.setSize({ width: place.clientWidth, height: HEIGHT }),
  );
  resized.observe(place);
  return () => {
    resized.disconnect();
    plot.destroy();
  };
}

function Chart({ points, metric }: { points: Point[]; metric: string }) {
  const frame = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const place = frame.current;
    if (!place || points.length < 2) return;
    const drawn = drawLine(place, points, metric);
    return () => {
      drawn.then((remove) => remove());
    };
  }, [points, metric]);
  if (points.length < 2) return <p class="quiet">A second commit makes a line.</p>;
  return <div ref={frame} class="chart" role="img" aria-label={`${metric} over the commits`} />;
}

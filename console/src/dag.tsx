// The DAG of a project, as a drawing and as a list that says the same.

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { ApiError, call, list, NOT_FOUND, UNIMPLEMENTED } from "./api";
import { Now } from "./clock";
import { useProjectOption } from "./context";
import type { Kind } from "./following";
import { ago, count, isOver, moment, short, size, state } from "./format";
import { dagOf, draw, isLarge, type Node, nodesOf, summary } from "./graph";
import { useLive } from "./live";
import { Failed, Hits, Loading, Progress, State } from "./parts";
import { here, link, toJob, toPipeline, toRepo, useChoice } from "./router";
import { HEIGHT, type Placed, WIDTH } from "./shape";
import type { Dag as DagInfo, DagJob, JobInfo, PipelineInfo, RepoInfo } from "./types";

const SHOWN: Kind[] = ["REPOS", "COMMITS", "PIPELINES", "JOBS", "DATUMS"];
const RECENT = 300; // jobs that are looked at for the newest of each pipeline

/** The DAG, in one answer where the server has that. */
async function load(project: string, signal: AbortSignal): Promise<DagInfo> {
  try {
    const request = { project: { name: project } };
    return await call<DagInfo>("pachlocal.v1.Local/InspectDag", request, signal);
  } catch (problem) {
    const code = problem instanceof ApiError ? problem.code : 0;
    if (code !== UNIMPLEMENTED && code !== NOT_FOUND) throw problem;
  }
  const projects = [{ name: project }];
  const [repos, pipelines, jobs] = await Promise.all([
    list<RepoInfo>("pfs_v2.API/ListRepo", { type: "user", projects }, signal),
    list<PipelineInfo>("pps_v2.API/ListPipeline", { details: true, projects }, signal),
    loadJobs(project, signal),
  ]);
  return dagOf(repos, pipelines, jobs);
}

function loadJobs(project: string, signal: AbortSignal, marker = {}): Promise<JobInfo[]> {
  const request = { projects: [{ name: project }], number: RECENT, history: "-1", ...marker };
  return list<JobInfo>("pps_v2.API/ListJob", request, signal);
}

/** The newest jobs that there were when a commit set had its last one; none if it has none. */
async function loadJobsUntil(
  project: string,
  set: string,
  signal: AbortSignal,
): Promise<JobInfo[]> {
  const request = { jobSet: { id: set } };
  const jobs = await list<JobInfo>("pps_v2.API/InspectJobSet", request, signal).catch((problem) => {
    if (!(problem instanceof ApiError) || problem.code !== NOT_FOUND) throw problem;
    return []; // it may have been deleted, or the address is wrong
  });
  const ours = jobs.filter((one) => one.job.pipeline.project?.name === project);
  const [one] = setsOf(ours);
  if (!one) return [];
  const paginationMarker = new Date(Date.parse(one.created) + 1).toISOString();
  return loadJobs(project, signal, { paginationMarker });
}

/** The commit sets that jobs are of, the oldest first, with the time of the newest job in each. */
function setsOf(jobs: JobInfo[]): { id: string; created: string }[] {
  const begun = new Map<string, string>();
  for (const { job, created } of jobs) {
    const known = begun.get(job.id);
    if (created && (!known || created > known)) begun.set(job.id, created);
  }
  return [...begun]
    .map(([id, created]) => ({ id, created }))
    .sort((a, b) => (a.created < b.created ? -1 : 1));
}

/** Newer jobs, and of some older ones those that aren't among them. */
function merged(newer: JobInfo[], older: JobInfo[]): JobInfo[] {
  const keyOf = ({ job }: JobInfo) =>
    `${job.pipeline.project?.name}/${job.pipeline.name}@${job.id}`;
  const known = new Set(newer.map(keyOf));
  return [...newer, ...older.filter((job) => !known.has(keyOf(job)))];
}

const isBy = (time: string | null, until: string) => !time || Date.parse(time) <= Date.parse(until);

/** All versions of the pipelines of a project, those of each from the newest on. */
function loadVersions(project: string, signal: AbortSignal): Promise<PipelineInfo[]> {
  const request = { projects: [{ name: project }], history: "-1", details: true };
  return list<PipelineInfo>("pps_v2.API/ListPipeline", request, signal);
}

/** The pipelines that there were at a time, each in the version that its newest job ran then. */
function pipelinesAt(versions: PipelineInfo[], jobs: JobInfo[], until: string): PipelineInfo[] {
  const ran = new Map<string, string>();
  for (const { job, created, pipelineVersion } of jobs) {
    // The newest come first.
    const { name } = job.pipeline;
    if (isBy(created, until) && !ran.has(name)) ran.set(name, pipelineVersion);
  }
  const then = new Map<string, PipelineInfo>();
  for (const one of versions) {
    const { name } = one.pipeline;
    if (!isBy(one.details?.createdAt ?? null, until)) continue;
    if (!then.has(name) || one.version === ran.get(name)) then.set(name, one);
  }
  return [...then.values()];
}

/** The DAG as it was at a time; nobody keeps how large its repos were. */
function dagAt(now: DagInfo, versions: PipelineInfo[], jobs: JobInfo[], until: string): DagInfo {
  const repos = now.repos
    .filter((repo) => isBy(repo.created, until))
    .map((repo) => ({ ...repo, sizeBytesUpperBound: "", details: null }));
  return dagOf(
    repos,
    pipelinesAt(versions, jobs, until),
    jobs.filter((job) => isBy(job.created, until)),
  );
}

/** Where a node leads: at a time in the past, to what the repo held and the pipeline did then. */
const target = (node: Node, past = "") => {
  if (!node.pipeline) return toRepo(node.project, node.name, past);
  if (past && node.job) return toJob(node.project, node.name, node.job.id);
  return toPipeline(node.project, node.name);
};

function progress(job: DagJob) {
  return { done: Number(job.done), failed: Number(job.failed), total: Number(job.total) };
}

/** What a node's second line says. */
function said(node: Node): string {
  if (!node.pipeline) {
    if (node.foreign) return `of project ${node.project}`;
    const bytes = node.repo?.details?.sizeBytes ?? node.repo?.sizeBytesUpperBound;
    return bytes ? size(bytes) : "";
  }
  if (!node.job) return state(node.pipeline.state).word;
  const { done, total, failed } = progress(node.job);
  const word = state(node.job.state).word;
  if (!isOver(node.job.state) && total) return `${word} ${done}/${total}`;
  if (failed) return `${word}, ${failed} of ${total} failed`;
  return node.job.finished ? `${word} · ${ago(node.job.finished)}` : word;
}

/** The state that a node shows: trouble of the pipeline first, then its newest job's. */
function stateOf(node: Node): string {
  if (!node.pipeline) return "";
  const own = node.pipeline.state;
  if (state(own).tone === "bad" || own === "PIPELINE_PAUSED") return own;
  return node.job?.state ?? own;
}

function Empty({ project }: { project: string }) {
  const option = useProjectOption(project);
  const commands = [
    "pachctl create repo training",
    "pachctl put file training@master -f data/iris.csv",
    "pachctl create pipeline -f python_train.json",
  ];
  return (
    <section class="empty">
      <h1>Nothing here yet</h1>
      <p>Project “{project}” has no repos. A repo holds versioned files; a pipeline reads some.</p>
      <pre>{commands.map((command) => command + option).join("\n")}</pre>
      <p>
        <a href={link(["workshop", project])}>The workshop</a> goes through it step by step.
      </p>
    </section>
  );
}

export function Dag({ project, asList }: { project: string; asList: boolean }) {
  const { data: found, error } = useLive((signal) => load(project, signal), [project], SHOWN);
  // Only the slider needs them, and the DAG is there sooner if it is asked for alone.
  const isDrawn = found !== undefined;
  const recent = useLive(
    async (signal) => (isDrawn ? loadJobs(project, signal) : []),
    [project, isDrawn],
    SHOWN,
  );
  const [then, setThen] = useChoice("at");
  // A commit set that is older than these, which an address may name: it comes with those around it.
  const [old, setOld] = useState("");
  const older = useLive(
    async (signal) => (old ? loadJobsUntil(project, old, signal) : []),
    [project, old],
    ["JOBS"],
  );
  const jobs = useMemo(
    () => merged(recent.data ?? [], older.data ?? []),
    [recent.data, older.data],
  );
  const sets = useMemo(() => setsOf(jobs), [jobs]);
  const until = sets.find((one) => one.id === then);
  const isUnknown = isDrawn && then !== "" && recent.data !== undefined && !until;
  useEffect(() => {
    if (isUnknown) setOld(then);
  }, [isUnknown, then]);
  const isSought = then !== "" && !until && !recent.error && !older.error;
  const isMissing = isUnknown && old === then && older.data !== undefined;
  const time = until?.created ?? "";
  const isPast = time !== "";
  const versions = useLive(
    async (signal) => (isPast ? loadVersions(project, signal) : []),
    [project, isPast],
    ["PIPELINES"],
  );
  const data = useMemo(() => {
    if (!found) return undefined;
    if (!time || !versions.data) return nodesOf(found, project);
    return nodesOf(dagAt(found, versions.data, jobs, time), project);
  }, [found, versions.data, jobs, time, project]);
  const [sought, setSought] = useChoice("find");
  if (error) return <Failed error={error} />;
  if (!data || (isSought && !isMissing)) return <Loading />;
  if (!data.length) return <Empty project={project} />;
  const wanted = sought.toLowerCase();
  const matches = (node: Node) => node.name.toLowerCase().includes(wanted);
  return (
    <section class="dag">
      <div class="tools">
        <h1>{project}</h1>
        <input
          type="search"
          placeholder="Find a repo or pipeline"
          aria-label="Find a repo or pipeline"
          value={sought}
          onInput={(event) => setSought(event.currentTarget.value)}
          onKeyDown={(event) => {
            const match = event.key === "Enter" && wanted ? data.find(matches) : undefined;
            if (match) window.location.hash = target(match, time);
          }}
        />
        <Hits
          of={wanted && data.filter(matches).length}
          none="No repo or pipeline has this in its name."
        />
        <span class="quiet">
          {count(data.filter((node) => node.pipeline).length, "pipeline")},{" "}
          {count(data.filter((node) => !node.pipeline).length, "repo")}
        </span>
        <a class="button" href={here({ as: asList ? "" : "list" })}>
          {asList ? "Show as graph" : "Show as list"}
        </a>
      </div>
      <Slider sets={sets} then={until?.id ?? ""} choose={setThen} />
      {isMissing && (
        <p class="quiet" role="status">
          No job is of commit set {short(then)}, so this is what is now.
        </p>
      )}
      {asList ? (
        <List nodes={data.filter(matches)} past={time} />
      ) : (
        <Graph
          nodes={data}
          past={time}
          dim={(node) => wanted !== "" && !matches(node)}
          sought={wanted ? data.find(matches)?.id : undefined}
        />
      )}
    </section>
  );
}

/** Goes back to the time of a commit set; at its end it shows what is now. It is there before the
 * sets are known: the graph below would move else. */
function Slider({
  sets,
  then,
  choose,
}: {
  sets: { id: string; created: string }[];
  then: string;
  choose: (id: string) => void;
}) {
  const last = Math.max(0, sets.length - 1);
  const at = then ? sets.findIndex((one) => one.id === then) : last;
  const one = sets[at];
  return (
    <label class="slider">
      <span class="quiet">As of</span>
      <input
        type="range"
        min={0}
        max={last}
        value={at}
        disabled={last === 0}
        aria-valuetext={then ? moment(one?.created ?? "") : "now"}
        onInput={(event) => {
          const chosen = Number(event.currentTarget.value);
          choose(chosen === last ? "" : (sets[chosen]?.id ?? ""));
        }}
      />
      <span class="when">
        {then ? `${moment(one?.created ?? "")}, commit set ${short(then)}` : "now"}
      </span>
    </label>
  );
}

function List({ nodes, past }: { nodes: Node[]; past: string }) {
  return (
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th>Name</th>
            <th>Kind</th>
            <th>State</th>
            <th>Newest job</th>
            <th>Reads</th>
          </tr>
        </thead>
        <tbody>
          {nodes.map((node) => (
            <tr key={node.id}>
              <td>
                <a href={target(node, past)}>{node.name}</a>
              </td>
              <td>{node.pipeline ? "pipeline" : "repo"}</td>
              <td>
                {node.pipeline ? (
                  <State name={node.pipeline.state} title={node.pipeline.reason} />
                ) : (
                  said(node)
                )}
              </td>
              <td>
                {node.job && (
                  <a href={toJob(node.project, node.name, node.job.id)}>
                    <State name={node.job.state} title={node.job.reason} />
                  </a>
                )}
              </td>
              <td class="quiet">{node.inputs.map((id) => id.split("/")[1]).join(", ")}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface View {
  x: number;
  y: number;
  zoom: number;
}

const LEGIBLE = 0.45; // below that zoom no name can be read
const WIDE = 2000; // pixels of a frame in which a small DAG is drawn larger
const AROUND = 0.5; // of the frame's size, on each side: what is moved into view soon

/** The IDs of nodes that are drawn: all, or those of a large DAG that are in view, or nearly. */
function nearby(
  nodes: Node[],
  { places }: { places: Map<string, Placed> },
  view: View,
  frame: HTMLElement | null,
): Set<string> {
  if (!isLarge(nodes)) return new Set(places.keys());
  const [width, height] = [frame?.clientWidth ?? 0, frame?.clientHeight ?? 0];
  const isNear = ({ x, y }: Placed) => {
    const [left, top] = [x * view.zoom + view.x, y * view.zoom + view.y];
    return (
      left + WIDTH * view.zoom > -AROUND * width &&
      left < (1 + AROUND) * width &&
      top + HEIGHT * view.zoom > -AROUND * height &&
      top < (1 + AROUND) * height
    );
  };
  return new Set([...places.values()].filter(isNear).map(({ id }) => id));
}

function Graph({
  nodes,
  past,
  dim,
  sought,
}: {
  nodes: Node[];
  past: string;
  dim: (node: Node) => boolean;
  sought: string | undefined;
}) {
  const shape = JSON.stringify(nodes.map(({ id, inputs }) => ({ id, inputs })));
  const drawing = useMemo(() => draw(JSON.parse(shape)), [shape]);
  const frame = useRef<HTMLDivElement>(null);
  const [view, setView] = useState<View>({ x: 0, y: 0, zoom: 1 });
  const held = useRef<{ x: number; y: number } | null>(null);

  const fit = (least = 0) => {
    const box = frame.current?.getBoundingClientRect();
    if (!box?.width) return;
    const most = box.width > WIDE ? 2 : 1.25;
    const whole = Math.min(most, box.width / drawing.width, box.height / drawing.height);
    const zoom = Math.max(least, whole);
    if (zoom > whole) {
      const first = drawing.places.get(nodes[0]?.id ?? "");
      setView({ x: 20, y: box.height / 2 - (first?.y ?? 0) * zoom, zoom });
      return;
    }
    setView({
      x: (box.width - drawing.width * zoom) / 2,
      y: (box.height - drawing.height * zoom) / 2,
      zoom,
    });
  };
  useLayoutEffect(() => fit(LEGIBLE), [drawing]);
  useEffect(() => {
    const box = frame.current?.getBoundingClientRect();
    const there = sought ? drawing.places.get(sought) : undefined;
    if (!box || !there) return;
    setView(({ zoom }) => {
      const near = Math.max(zoom, 0.8);
      return {
        zoom: near,
        x: box.width / 2 - (there.x + WIDTH / 2) * near,
        y: box.height / 2 - (there.y + HEIGHT / 2) * near,
      };
    });
  }, [sought, drawing]);

  const zoomBy = (factor: number, x?: number, y?: number) => {
    const box = frame.current?.getBoundingClientRect();
    if (!box) return;
    const [cx, cy] = [x ?? box.width / 2, y ?? box.height / 2];
    setView((old) => {
      const zoom = Math.min(3, Math.max(0.05, old.zoom * factor));
      const ratio = zoom / old.zoom;
      return { zoom, x: cx - (cx - old.x) * ratio, y: cy - (cy - old.y) * ratio };
    });
  };
  const move = (dx: number, dy: number) =>
    setView((old) => ({ ...old, x: old.x + dx, y: old.y + dy }));
  const keys: Record<string, () => void> = {
    "+": () => zoomBy(1.25),
    "=": () => zoomBy(1.25),
    "-": () => zoomBy(0.8),
    "0": () => fit(),
    ArrowLeft: () => move(60, 0),
    ArrowRight: () => move(-60, 0),
    ArrowUp: () => move(0, 60),
    ArrowDown: () => move(0, -60),
  };
  const names = new Map(nodes.map((node) => [node.id, node]));
  const shown = nearby(nodes, drawing, view, frame.current);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: its links take the focus, keys move it
    <div
      ref={frame}
      class="graph"
      onKeyDown={(event) => {
        const act = event.ctrlKey || event.metaKey ? undefined : keys[event.key];
        if (act) {
          event.preventDefault();
          act();
        }
      }}
      onWheel={(event) => {
        event.preventDefault();
        const box = event.currentTarget.getBoundingClientRect();
        zoomBy(1.0015 ** -event.deltaY, event.clientX - box.x, event.clientY - box.y);
      }}
      onPointerDown={(event) => {
        held.current = { x: event.clientX, y: event.clientY };
      }}
      onPointerMove={(event) => {
        if (!held.current || !event.buttons) return;
        move(event.clientX - held.current.x, event.clientY - held.current.y);
        held.current = { x: event.clientX, y: event.clientY };
      }}
      onPointerUp={() => {
        held.current = null;
      }}
    >
      <svg width="100%" height="100%" aria-labelledby="dag-title">
        <title id="dag-title">The DAG</title>
        <g transform={`translate(${view.x} ${view.y}) scale(${view.zoom})`}>
          {drawing.edges
            .filter((edge) => shown.has(edge.from) || shown.has(edge.to))
            .map((edge) => (
              <path
                key={`${edge.from} ${edge.to}`}
                d={edge.path}
                class={
                  state(stateOf(names.get(edge.to) as Node)).tone === "busy" ? "edge busy" : "edge"
                }
              />
            ))}
          {nodes.map((node) => {
            if (!shown.has(node.id)) return null;
            const place = drawing.places.get(node.id);
            if (!place) return null;
            return (
              <NodeCard
                key={node.id}
                node={node}
                past={past}
                x={place.x}
                y={place.y}
                faint={dim(node)}
              />
            );
          })}
        </g>
      </svg>
      <div class="zoom">
        <button type="button" onClick={() => zoomBy(1.25)} aria-label="Zoom in">
          +
        </button>
        <button type="button" onClick={() => zoomBy(0.8)} aria-label="Zoom out">
          −
        </button>
        <button type="button" onClick={() => fit()} aria-label="Show all">
          ⤢
        </button>
      </div>
    </div>
  );
}

const LONGEST = 20; // letters of a name that a card has room for

function NodeCard({
  node,
  past,
  x,
  y,
  faint,
}: {
  node: Node;
  past: string;
  x: number;
  y: number;
  faint: boolean;
}) {
  const name = stateOf(node);
  const { tone, sign } = name ? state(name) : { tone: "idle", sign: "" };
  const isLong = node.name.length > LONGEST;
  const shown = isLong ? `${node.name.slice(0, LONGEST - 1)}…` : node.name;
  const part = node.job && !isOver(node.job.state) ? progress(node.job) : undefined;
  const kind = node.pipeline ? "pipeline" : "repo";
  return (
    <a href={target(node, past)} class={`node ${kind} ${tone}${faint ? " faint" : ""}`}>
      <g transform={`translate(${x} ${y})`}>
        {isLong && <title>{node.name}</title>}
        <rect width={WIDTH} height={HEIGHT} rx={kind === "repo" ? 18 : 6} />
        <text x="14" y="24" class="name">
          {shown}{" "}
        </text>
        <text x="14" y="43" class="said">
          <tspan class="sign">{sign}</tspan>
          {sign ? " " : ""}
          <Now text={() => said(node)} />
        </text>
        {part?.total ? (
          <rect
            class="done"
            y={HEIGHT - 4}
            width={(WIDTH * part.done) / part.total}
            height={4}
            rx={2}
          />
        ) : null}
      </g>
    </a>
  );
}

export function JobProgress({ job }: { job: JobInfo }) {
  return isOver(job.state) ? null : <Progress {...progress(summary(job))} />;
}

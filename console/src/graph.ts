// The DAG of a project: what there is, what leads to what, and where it is drawn.

import { Graph, layout } from "@dagrejs/dagre";
import { layered } from "./layers";
import { GAP, HEIGHT, LANE, MARGIN, type Placed, type Places, type Plain, WIDTH } from "./shape";
import type { Dag, DagJob, DagPipeline, Input, JobInfo, PipelineInfo, RepoInfo } from "./types";

export interface Node {
  id: string;
  project: string;
  name: string;
  pipeline: DagPipeline | undefined;
  repo: RepoInfo | undefined;
  job: DagJob | undefined;
  inputs: string[];
  foreign: boolean;
}

export interface Drawing extends Places {
  edges: { from: string; to: string; path: string }[];
}

/** The repos that an input reads. */
export function reposOf(input: Input | null, project: string): string[] {
  if (!input) return [];
  const found: string[] = [];
  if (input.pfs) found.push(`${input.pfs.project || project}/${input.pfs.repo}`);
  if (input.cron) found.push(`${input.cron.project || project}/${input.cron.repo}`);
  for (const inner of [...input.cross, ...input.union, ...input.join, ...input.group]) {
    found.push(...reposOf(inner, project));
  }
  return [...new Set(found)];
}

const idOf = (project: string | undefined, name: string) => `${project || "default"}/${name}`;

/** What is shown of a job. */
export function summary(job: JobInfo): DagJob {
  const failed = Number(job.dataFailed);
  const others = Number(job.dataProcessed) + Number(job.dataSkipped) + Number(job.dataRecovered);
  const { state, reason, created, finished, dataTotal: total } = job;
  return {
    ...{ id: job.job.id, state, reason, created, finished, total },
    ...{ done: String(others + failed), failed: job.dataFailed },
  };
}

/** The newest of some jobs of each pipeline, by the node's ID. */
export function newestOf(jobs: JobInfo[]): Map<string, DagJob> {
  const newest = new Map<string, JobInfo>();
  for (const job of jobs) {
    const id = idOf(job.job.pipeline.project?.name, job.job.pipeline.name);
    const known = newest.get(id);
    if (!known || (job.created ?? "") > (known.created ?? "")) newest.set(id, job);
  }
  return new Map([...newest].map(([id, job]) => [id, summary(job)]));
}

/** The DAG of lists that any Pachyderm gives. */
export function dagOf(repos: RepoInfo[], pipelines: PipelineInfo[], jobs: JobInfo[]): Dag {
  const newest = newestOf(jobs);
  return {
    repos,
    pipelines: pipelines.map(({ pipeline, state, reason, details }) => {
      const own = pipeline.project?.name ?? "default";
      return {
        ...{ pipeline, state, reason, newestJob: newest.get(idOf(own, pipeline.name)) ?? null },
        inputs: reposOf(details?.input ?? null, own).map((id) => {
          const [project = "", name = ""] = id.split("/");
          return { project, name };
        }),
      };
    }),
  };
}

/** What a project has: a node for each pipeline, and for each repo that no pipeline writes. */
export function nodesOf(dag: Dag, project: string): Node[] {
  const nodes = new Map<string, Node>();
  const nothing = { inputs: [], pipeline: undefined, repo: undefined, job: undefined };
  for (const repo of dag.repos) {
    const own = repo.repo.project?.name ?? "default";
    const id = idOf(own, repo.repo.name);
    const foreign = own !== project;
    nodes.set(id, { ...nothing, id, project: own, name: repo.repo.name, repo, foreign });
  }
  for (const pipeline of dag.pipelines) {
    const { name, project: its } = pipeline.pipeline;
    const own = its?.name ?? "default";
    const id = idOf(own, name);
    const inputs = pipeline.inputs.map((repo) => idOf(repo.project, repo.name));
    const job = pipeline.newestJob ?? undefined;
    nodes.set(id, {
      ...{ id, project: own, name, pipeline, job, inputs },
      ...{ repo: undefined, foreign: own !== project },
    });
  }
  for (const { inputs } of [...nodes.values()]) {
    for (const id of inputs) {
      const [theirs = "", name = ""] = id.split("/");
      if (!nodes.has(id)) {
        nodes.set(id, { ...nothing, id, project: theirs, name, foreign: true });
      }
    }
  }
  return [...nodes.values()];
}

const MOST = 200; // nodes that are placed so that few edges cross, and all drawn, which takes time

/** Whether there are so many nodes that quickness comes first. */
export const isLarge = (nodes: Plain[]) => nodes.length > MOST;

/** Place the nodes from left to right. */
export function draw(nodes: Plain[]): Drawing {
  const { places, width, height } = isLarge(nodes) ? layered(nodes) : placed(nodes);
  const edges = nodes.flatMap((node) =>
    node.inputs.map((input) => {
      const from = places.get(input) as Placed;
      const to = places.get(node.id) as Placed;
      const [x1, y1] = [from.x + WIDTH, from.y + HEIGHT / 2];
      const [x2, y2] = [to.x, to.y + HEIGHT / 2];
      const bend = Math.max(24, (x2 - x1) / 2);
      const path = `M${x1},${y1}C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}`;
      return { from: input, to: node.id, path };
    }),
  );
  return { width, height, places, edges };
}

function placed(nodes: Plain[]): Places {
  const graph = new Graph({ directed: true });
  graph.setGraph({ rankdir: "LR", nodesep: GAP, ranksep: LANE, marginx: MARGIN, marginy: MARGIN });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const node of nodes) graph.setNode(node.id, { width: WIDTH, height: HEIGHT });
  for (const node of nodes) for (const input of node.inputs) graph.setEdge(input, node.id);
  layout(graph);
  const places = new Map<string, Placed>();
  for (const id of graph.nodes()) {
    const { x, y } = graph.node(id) as { x: number; y: number };
    places.set(id, { id, x: x - WIDTH / 2, y: y - HEIGHT / 2 });
  }
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };
  return { width, height, places };
}

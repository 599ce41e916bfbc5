// Where the time of jobs went, as the server tells it.

import { ApiError, call, list, NOT_FOUND, UNIMPLEMENTED } from "./api";
import { between, seconds } from "./format";
import type { Job, JobInfo } from "./types";

export interface Part {
  name: string;
  time: number; // seconds
}

/** A job, and the parts of its time. */
export interface TimedJob extends JobInfo {
  parts: Part[];
}

interface JobTimes {
  job: Job;
  waiting: string | null;
  planning: string | null;
  input: string | null;
  codeStart: string | null;
  userCode: string | null;
  output: string | null;
  merging: string | null;
}

/** What any Pachyderm says: sums over the datums, and what the job waited before. */
function coarse(job: JobInfo): Part[] {
  return [
    { name: "waiting", time: job.started ? between(job.created, job.started) : 0 },
    { name: "input", time: seconds(job.stats?.downloadTime) },
    { name: "user code", time: seconds(job.stats?.processTime) },
    { name: "output", time: seconds(job.stats?.uploadTime) },
  ];
}

function fine(times: JobTimes): Part[] {
  return [
    { name: "waiting", time: seconds(times.waiting) },
    { name: "planning", time: seconds(times.planning) },
    { name: "input", time: seconds(times.input) },
    { name: "code start", time: seconds(times.codeStart) },
    { name: "user code", time: seconds(times.userCode) },
    { name: "output", time: seconds(times.output) },
    { name: "merging", time: seconds(times.merging) },
  ];
}

const keyOf = ({ id, pipeline }: Job) => `${pipeline.project?.name}/${pipeline.name}@${id}`;

/** Add to jobs where their time went. */
export async function timed(jobs: JobInfo[], signal: AbortSignal): Promise<TimedJob[]> {
  const known = new Map<string, Part[]>();
  try {
    const request = { jobs: jobs.map((one) => one.job) };
    const { times } = await call<{ times: JobTimes[] }>(
      "pachlocal.v1.Local/InspectJobTimes",
      request,
      signal,
    );
    for (const one of times) known.set(keyOf(one.job), fine(one));
  } catch (problem) {
    const code = problem instanceof ApiError ? problem.code : 0;
    if (code !== UNIMPLEMENTED && code !== NOT_FOUND) throw problem;
  }
  return jobs.map((one) => ({ ...one, parts: known.get(keyOf(one.job)) ?? coarse(one) }));
}

/** List jobs, with where their time went. */
export async function listTimed(request: object, signal: AbortSignal): Promise<TimedJob[]> {
  return timed(await list<JobInfo>("pps_v2.API/ListJob", request, signal), signal);
}

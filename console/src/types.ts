// The messages of the API, as far as the page reads them; numbers of 64 bits are text.

export interface Project {
  name: string;
}
export interface Repo {
  name: string;
  type: string;
  project: Project | null;
}
export interface Branch {
  name: string;
  repo: Repo | null;
}
export interface Commit {
  id: string;
  repo: Repo | null;
  branch: Branch | null;
}
export interface RepoInfo {
  repo: Repo;
  created: string | null;
  sizeBytesUpperBound: string;
  description: string;
  branches: Branch[];
  details: { sizeBytes: string } | null;
}
export interface CommitInfo {
  commit: Commit;
  origin: { kind: string } | null;
  description: string;
  started: string | null;
  finished: string | null;
  error: string;
  parentCommit: Commit | null;
  directProvenance: Commit[];
  sizeBytesUpperBound: string;
  details: { sizeBytes: string } | null;
}
export interface FileInfo {
  file: { commit: Commit | null; path: string };
  fileType: string;
  sizeBytes: string;
  hash: string;
  committed: string | null;
}
export interface Pipeline {
  name: string;
  project: Project | null;
}
export interface Job {
  id: string;
  pipeline: Pipeline;
}
export interface Input {
  pfs: { repo: string; project: string; branch: string; glob: string } | null;
  cron: { name: string; repo: string; project: string; spec: string } | null;
  join: Input[];
  group: Input[];
  cross: Input[];
  union: Input[];
}
export interface Transform {
  image: string;
  cmd: string[];
  stdin: string[];
}
export interface PipelineInfo {
  pipeline: Pipeline;
  version: string;
  state: string;
  lastJobState: string;
  stopped: boolean;
  reason: string;
  type: string;
  parallelism: string;
  userSpecJson: string;
  effectiveSpecJson: string;
  details: {
    input: Input | null;
    description: string;
    transform: Transform | null;
    workersRequested: string;
    workersAvailable: string;
    createdAt: string | null;
  } | null;
}
export interface DagJob {
  id: string;
  state: string;
  reason: string;
  created: string | null;
  finished: string | null;
  total: string;
  done: string;
  failed: string;
}
export interface DagPipeline {
  pipeline: Pipeline;
  state: string;
  reason: string;
  inputs: { project: string; name: string }[];
  newestJob: DagJob | null;
}
export interface Dag {
  repos: RepoInfo[];
  pipelines: DagPipeline[];
}
export interface Stats {
  downloadTime: string | null;
  processTime: string | null;
  uploadTime: string | null;
  downloadBytes: string;
  uploadBytes: string;
}
export interface JobInfo {
  job: Job;
  pipelineVersion: string;
  state: string;
  reason: string;
  created: string | null;
  started: string | null;
  finished: string | null;
  dataProcessed: string;
  dataSkipped: string;
  dataTotal: string;
  dataFailed: string;
  dataRecovered: string;
  stats: Stats | null;
  outputCommit: Commit | null;
  details: { transform: Transform | null } | null;
}
export interface DatumInfo {
  datum: { id: string; job: { id: string; pipeline: Pipeline } };
  state: string;
  stats: Stats | null;
  data: FileInfo[];
}
export interface LogMessage {
  datumId: string;
  user: boolean;
  master: boolean;
  workerId: string;
  ts: string | null;
  message: string;
}
export interface CodeVersion {
  name: string;
  newest: boolean;
  newestChanged: string[];
  current: boolean;
  currentChanged: string[];
}
export interface FileOrigin {
  file: FileInfo;
  datums: DatumOrigin[];
  moreDatums: boolean;
  changed: CommitInfo | null;
  repeated: boolean;
}
export interface DatumOrigin {
  datum: { id: string; job: { id: string; pipeline: Pipeline } };
  state: string;
  reason: string;
  ranIn: { id: string; pipeline: Pipeline } | null;
  ranReason: string;
  pipelineVersion: string;
  image: string;
  cmd: string[];
  started: string | null;
  finished: string | null;
  inputs: FileOrigin[];
  code: CodeVersion | null;
}

-- Pipelines, jobs, datums and logs. Times are nanoseconds since 1970, UTC; states are numbered as in
-- pps_v2.
CREATE TABLE pipelines (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    project TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL, -- the current one
    state INTEGER NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    stopped INTEGER NOT NULL DEFAULT 0,
    UNIQUE (project, name)
);

CREATE TABLE pipeline_versions (
    pipeline_id INTEGER NOT NULL REFERENCES pipelines (id) ON DELETE CASCADE,
    version INTEGER NOT NULL, -- from 1 on
    spec_commit TEXT NOT NULL, -- its commit in the spec repo
    user_spec TEXT NOT NULL, -- JSON, as the user gave it
    effective_spec TEXT NOT NULL, -- JSON, with defaults filled in
    salt TEXT NOT NULL, -- part of every datum's hash; --reprocess renews it
    created INTEGER NOT NULL,
    PRIMARY KEY (pipeline_id, version)
) WITHOUT ROWID;

CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    pipeline_id INTEGER NOT NULL REFERENCES pipelines (id) ON DELETE CASCADE,
    version INTEGER NOT NULL, -- of the pipeline
    commit_set TEXT NOT NULL, -- the job's ID, and that of its output commit
    output_id INTEGER NOT NULL REFERENCES commits (id) ON DELETE CASCADE,
    state INTEGER NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    created INTEGER NOT NULL,
    started INTEGER,
    finished INTEGER,
    restart INTEGER NOT NULL DEFAULT 0, -- how often it was taken up again
    planned INTEGER NOT NULL DEFAULT 0, -- whether all its datums are in the table
    UNIQUE (pipeline_id, commit_set)
);
CREATE INDEX jobs_by_output ON jobs (output_id);
CREATE INDEX jobs_by_set ON jobs (commit_set);

CREATE TABLE datums (
    job_id INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    id BLOB NOT NULL, -- of the names of its inputs
    hash BLOB NOT NULL, -- of these names, their content, and the salt
    ordinal INTEGER NOT NULL, -- its place among the job's datums
    inputs TEXT NOT NULL, -- JSON: what lies below /pfs, in order
    state INTEGER NOT NULL,
    why TEXT NOT NULL DEFAULT '', -- why it runs or is skipped, in words
    output BLOB, -- the tree of /pfs/out; NULL is the empty one
    processed_by INTEGER, -- the job in which it last ran
    attempts INTEGER NOT NULL DEFAULT 0,
    download_ns INTEGER NOT NULL DEFAULT 0,
    process_ns INTEGER NOT NULL DEFAULT 0,
    upload_ns INTEGER NOT NULL DEFAULT 0,
    download_bytes INTEGER NOT NULL DEFAULT 0,
    upload_bytes INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (job_id, id)
) WITHOUT ROWID;
CREATE INDEX datums_by_state ON datums (job_id, state, ordinal);

CREATE TABLE logs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    pipeline_id INTEGER NOT NULL REFERENCES pipelines (id) ON DELETE CASCADE,
    job_id INTEGER REFERENCES jobs (id) ON DELETE CASCADE,
    datum BLOB,
    worker TEXT NOT NULL DEFAULT '',
    master INTEGER NOT NULL DEFAULT 0, -- from what steers the pipeline
    user INTEGER NOT NULL DEFAULT 0, -- from the user's own command
    time INTEGER NOT NULL,
    message TEXT NOT NULL
);
CREATE INDEX logs_by_job ON logs (job_id, id);
CREATE INDEX logs_by_pipeline ON logs (pipeline_id, id);

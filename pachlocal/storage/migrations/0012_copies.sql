-- What the rows hold is held by an index as well. SQLite's integrity check compares the two, so that
-- a bit that changes in one of them shows (see pachlocal.storage.integrity). Where a table had an
-- index, that one has the other columns now, too: it costs no page more to be written.
DROP INDEX commits_by_set;
CREATE INDEX commits_by_set ON commits (
    commit_set, id, repo_id, branch, parent_id, origin, description, root, size, started, finished,
    error, metadata
);
DROP INDEX branches_by_head;
CREATE INDEX branches_by_head ON branches (head_id, id, repo_id, name, created, metadata);
DROP INDEX jobs_by_set;
CREATE INDEX jobs_by_set ON jobs (
    commit_set, id, pipeline_id, version, output_id, state, reason, created, started, finished,
    restart, planned
);

CREATE INDEX store_copy ON store (id, epoch, metadata);
CREATE INDEX projects_copy ON projects (name, description, created, metadata);
CREATE INDEX repos_copy ON repos (project_id, name, type, description, created, metadata);
CREATE INDEX branch_triggers_copy ON branch_triggers (
    source, every, rate_limit_spec, size, commits, cron_spec, ticked
);
CREATE INDEX pipelines_copy ON pipelines (
    project, name, version, state, reason, stopped, metadata
);
CREATE INDEX pipeline_versions_copy ON pipeline_versions (
    spec_commit, user_spec, effective_spec, salt, created
);
CREATE INDEX transactions_copy ON transactions (started);
CREATE INDEX transaction_steps_copy ON transaction_steps (request, response);
CREATE INDEX filesets_by_expiry ON filesets (expires, root, created);
CREATE INDEX log_sizes_copy ON log_sizes (
    pipeline_id, job_id, first_id, last_id, size_bytes, kept_id, cut_id, cut_time, cut_lines,
    cut_bytes
);
CREATE INDEX secrets_copy ON secrets (type, created, data);

-- What is written by the thousand, or is large, has a checksum instead: `row_sum` of the columns that
-- the modules which write them name. NULL was written before there were any.
ALTER TABLE filesets ADD COLUMN changes_sum INTEGER;
ALTER TABLE datums ADD COLUMN planned_sum INTEGER;
ALTER TABLE datums ADD COLUMN result_sum INTEGER;
ALTER TABLE logs ADD COLUMN line_sum INTEGER;

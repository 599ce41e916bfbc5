-- Logs in bounds: a row holds all lines that came at once, and a job's are counted, so that too many
-- are noticed. Each index finds the last lines of one kind without looking at others.
ALTER TABLE logs ADD COLUMN lines INTEGER NOT NULL DEFAULT 1;

DROP INDEX logs_by_job;
DROP INDEX logs_by_pipeline;
CREATE INDEX logs_by_pipeline ON logs (pipeline_id, master, user);
CREATE INDEX logs_by_datum ON logs (job_id, datum, master, user);
CREATE INDEX logs_of_masters ON logs (id) WHERE master = 1;

-- What there is of the log of a job, or of a pipeline's lines that are about none, and what of it
-- was cut. Only lines of which there may be too many count.
CREATE TABLE log_sizes (
    pipeline_id INTEGER NOT NULL REFERENCES pipelines (id) ON DELETE CASCADE,
    job_id INTEGER REFERENCES jobs (id) ON DELETE CASCADE,
    first_id INTEGER NOT NULL, -- its rows in logs, and others, are from here
    last_id INTEGER NOT NULL, -- to here
    size_bytes INTEGER NOT NULL, -- what the rows that count take
    kept_id INTEGER NOT NULL, -- those up to here are its beginning, and stay
    cut_id INTEGER NOT NULL DEFAULT 0, -- the newest row that was cut
    cut_time INTEGER NOT NULL DEFAULT 0, -- and when it was written
    cut_lines INTEGER NOT NULL DEFAULT 0,
    cut_bytes INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX log_sizes_by_owner ON log_sizes (pipeline_id, IFNULL(job_id, 0));
CREATE INDEX log_sizes_by_job ON log_sizes (job_id);
CREATE INDEX log_sizes_of_cut ON log_sizes (pipeline_id, cut_id) WHERE cut_id > 0;

INSERT INTO log_sizes (pipeline_id, job_id, first_id, last_id, size_bytes, kept_id)
SELECT pipeline_id, job_id, MIN(id), MAX(id),
    SUM(IIF(user, LENGTH(CAST(message AS BLOB)) + 200, 0)), 0
FROM logs GROUP BY pipeline_id, job_id;

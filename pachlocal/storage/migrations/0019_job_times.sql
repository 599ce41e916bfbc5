-- Where the time of a job went, besides what its datums say; see pps.tables.job_times.
CREATE TABLE job_times (
    job_id INTEGER PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    preparing INTEGER NOT NULL, -- ns, as all of them
    planning INTEGER NOT NULL,
    opening INTEGER NOT NULL,
    starting INTEGER NOT NULL,
    merging INTEGER NOT NULL
);
CREATE INDEX job_times_copy ON job_times (preparing, planning, opening, starting, merging);

-- When a branch's head follows that of another branch of its repo.
CREATE TABLE branch_triggers (
    branch_id INTEGER PRIMARY KEY REFERENCES branches (id) ON DELETE CASCADE,
    source TEXT NOT NULL, -- the branch that is followed; it need not exist
    every INTEGER NOT NULL, -- whether all conditions have to hold, or any one
    rate_limit_spec TEXT NOT NULL,
    size TEXT NOT NULL, -- as the user wrote it
    commits INTEGER NOT NULL,
    cron_spec TEXT NOT NULL, -- by the clock, without regard to the conditions
    ticked INTEGER NOT NULL -- when it last was time (ns since 1970), for cron_spec
);

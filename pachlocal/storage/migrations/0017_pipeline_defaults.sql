-- Defaults of pipeline specs, see pps.tables.defaults.
CREATE TABLE pipeline_defaults (
    project TEXT PRIMARY KEY, -- '' stands for the cluster
    json TEXT NOT NULL, -- as it was given
    created INTEGER NOT NULL -- ns since 1970
) WITHOUT ROWID;

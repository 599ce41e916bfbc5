-- Secrets for pipelines' commands, see pps.secrets.
CREATE TABLE secrets (
    name TEXT PRIMARY KEY,
    type TEXT NOT NULL,
    created INTEGER NOT NULL, -- ns since 1970
    data TEXT NOT NULL -- JSON: key to base64
) WITHOUT ROWID;

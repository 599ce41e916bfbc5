-- Repos, branches, commits and their provenance. Times are nanoseconds since 1970, UTC.
CREATE TABLE projects (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL DEFAULT '',
    created INTEGER NOT NULL
);

CREATE TABLE repos (
    id INTEGER PRIMARY KEY,
    project_id INTEGER NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    type TEXT NOT NULL, -- user, meta, spec
    description TEXT NOT NULL DEFAULT '',
    created INTEGER NOT NULL,
    UNIQUE (project_id, name, type)
);

CREATE TABLE commits (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- grows in the order of creation
    commit_set TEXT NOT NULL, -- the commit's ID, shared by all commits that one change caused
    repo_id INTEGER NOT NULL REFERENCES repos (id) ON DELETE CASCADE,
    branch TEXT NOT NULL, -- where it was made
    parent_id INTEGER REFERENCES commits (id) ON DELETE SET NULL,
    origin INTEGER NOT NULL, -- pfs_v2.OriginKind
    description TEXT NOT NULL DEFAULT '',
    root BLOB, -- the file tree; NULL is the empty one
    size INTEGER NOT NULL DEFAULT 0, -- bytes of all files
    started INTEGER NOT NULL,
    finished INTEGER, -- NULL is open
    error TEXT NOT NULL DEFAULT '',
    UNIQUE (repo_id, commit_set)
);
CREATE INDEX commits_by_set ON commits (commit_set);
CREATE INDEX commits_by_parent ON commits (parent_id);

CREATE TABLE commit_provenance (
    commit_id INTEGER NOT NULL REFERENCES commits (id) ON DELETE CASCADE,
    provenance_id INTEGER NOT NULL REFERENCES commits (id) ON DELETE CASCADE,
    PRIMARY KEY (commit_id, provenance_id)
) WITHOUT ROWID;
CREATE INDEX commit_subvenance ON commit_provenance (provenance_id, commit_id);

CREATE TABLE branches (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    repo_id INTEGER NOT NULL REFERENCES repos (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    head_id INTEGER REFERENCES commits (id),
    created INTEGER NOT NULL,
    UNIQUE (repo_id, name)
);
CREATE INDEX branches_by_head ON branches (head_id);

CREATE TABLE branch_provenance (
    branch_id INTEGER NOT NULL REFERENCES branches (id) ON DELETE CASCADE,
    provenance_id INTEGER NOT NULL REFERENCES branches (id) ON DELETE CASCADE,
    PRIMARY KEY (branch_id, provenance_id)
) WITHOUT ROWID;
CREATE INDEX branch_subvenance ON branch_provenance (provenance_id, branch_id);

-- Changes to files that are kept for a while, apart from any commit.
CREATE TABLE filesets (
    id TEXT PRIMARY KEY,
    changes BLOB NOT NULL, -- msgpack, see pachlocal.pfs.filesets
    root BLOB, -- what they make of an empty tree: keeps their content from collection
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL
) WITHOUT ROWID;

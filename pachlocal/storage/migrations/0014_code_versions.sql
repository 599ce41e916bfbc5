-- Which code made a result: versions of the folders that images are built from, each a tree (see
-- pachlocal.pps.tables.code_versions), or the ID of an image. A job runs one; a datum keeps the one
-- that its output was made by.
CREATE TABLE code_versions (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE, -- the tree's root in hex, or the image's ID
    root BLOB, -- of the tree; NULL for an image
    taken INTEGER NOT NULL -- when it was first used
);
CREATE INDEX code_versions_copy ON code_versions (name, root, taken);

ALTER TABLE jobs ADD COLUMN code_id INTEGER REFERENCES code_versions (id);
ALTER TABLE datums ADD COLUMN code_id INTEGER REFERENCES code_versions (id);
CREATE INDEX jobs_by_code ON jobs (code_id) WHERE code_id IS NOT NULL;
CREATE INDEX datums_by_code ON datums (code_id, job_id) WHERE code_id IS NOT NULL;

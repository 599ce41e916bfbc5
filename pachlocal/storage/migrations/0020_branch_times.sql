-- When a branch was last changed: its head, its provenance or its trigger (ns since 1970).
ALTER TABLE branches ADD COLUMN updated INTEGER NOT NULL DEFAULT 0;
UPDATE branches SET updated = MAX(
    created, COALESCE((SELECT started FROM commits WHERE commits.id = head_id), 0)
);
DROP INDEX branches_by_head;
CREATE INDEX branches_by_head ON branches (
    head_id, id, repo_id, name, created, metadata, updated
);

-- Whether a branch's new commits make none on one that is computed from it.
ALTER TABLE branch_provenance ADD COLUMN never INTEGER NOT NULL DEFAULT 0;
DROP INDEX branch_subvenance;
CREATE INDEX branch_subvenance ON branch_provenance (provenance_id, branch_id, never);

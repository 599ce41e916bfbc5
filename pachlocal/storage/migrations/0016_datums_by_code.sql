-- Finds a datum that was processed before by its work, in whichever job, where code is part of that.
DROP INDEX datums_by_code;
CREATE INDEX datums_by_code ON datums (code_id, hash) WHERE code_id IS NOT NULL;

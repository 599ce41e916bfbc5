-- Why a datum failed, in one line.
ALTER TABLE datums ADD COLUMN error TEXT NOT NULL DEFAULT '';

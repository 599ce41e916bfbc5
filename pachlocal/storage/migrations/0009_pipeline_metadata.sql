-- What users note about pipelines, as about other things: a JSON object of strings.
ALTER TABLE pipelines ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';

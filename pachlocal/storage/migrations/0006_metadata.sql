-- What users note about things: JSON objects of strings.
ALTER TABLE store ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';
ALTER TABLE projects ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';
ALTER TABLE repos ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';
ALTER TABLE branches ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';
ALTER TABLE commits ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';

-- What fsck compares the defaults with, as for the other tables (0012).
CREATE INDEX pipeline_defaults_copy ON pipeline_defaults (json, created);

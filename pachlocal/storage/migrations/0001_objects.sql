-- Who this store is, for clients that remember the cluster they talked to.
CREATE TABLE store (
    id TEXT NOT NULL,
    epoch INTEGER NOT NULL -- counts garbage collections
);
INSERT INTO store VALUES (lower(hex(randomblob(16))), 0);

-- Content by its BLAKE3 hash. What is too large to lie well in SQLite has data NULL and is a file
-- below chunks/.
CREATE TABLE objects (
    hash BLOB PRIMARY KEY,
    size INTEGER NOT NULL, -- bytes
    data BLOB,
    epoch INTEGER NOT NULL -- when it was last put: what is newer than a collection survives it
);

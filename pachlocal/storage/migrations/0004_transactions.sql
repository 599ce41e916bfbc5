-- Transactions that clients build one call at a time. Requests and responses are kept as they are on
-- the wire. Times are nanoseconds since 1970, UTC.
CREATE TABLE transactions (
    id TEXT PRIMARY KEY, -- will be that of the commit set that it makes
    started INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE transaction_steps (
    transaction_id TEXT NOT NULL REFERENCES transactions (id) ON DELETE CASCADE,
    ordinal INTEGER NOT NULL, -- from 0 on
    request BLOB NOT NULL,
    response BLOB NOT NULL, -- of its rehearsal
    PRIMARY KEY (transaction_id, ordinal)
) WITHOUT ROWID;

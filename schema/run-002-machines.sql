-- Several machines. Of an epoch switch each machine has its own row in `event`; `total` is
-- the sum over all machines, of times (…_ns) the largest.

ALTER TABLE host ADD COLUMN machine TEXT;   -- where it is placed
ALTER TABLE event ADD COLUMN machine TEXT;  -- where it happened

CREATE TABLE machine (
    machine        TEXT PRIMARY KEY,
    data_plane     TEXT,
    messages_sent  INTEGER,  -- state publications and heartbeats, once each
    bytes_sent     INTEGER,  -- their bodies and topics
    clock_error_ns INTEGER   -- T0 was known there within this much
) STRICT, WITHOUT ROWID;

CREATE TABLE machine_total (
    machine TEXT NOT NULL,
    counter TEXT NOT NULL,
    value   INTEGER NOT NULL,
    PRIMARY KEY (machine, counter)
) STRICT, WITHOUT ROWID;

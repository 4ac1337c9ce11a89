-- run.db: what happened in one run. Times are experiment time in nanoseconds, negative
-- before T0; a flow is named by its two hosts.

CREATE TABLE run (
    run         TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    seed        INTEGER NOT NULL,  -- the bits of an unsigned number
    started_at  TEXT NOT NULL,     -- UTC, ISO 8601: when it was submitted
    ended_at    TEXT,              -- null: it never came to its end
    data_plane  TEXT,
    failed      INTEGER CHECK (failed IN (0, 1)),
    interrupted INTEGER CHECK (interrupted IN (0, 1)),
    messages_sent INTEGER,         -- state publications and heartbeats, once each
    bytes_sent    INTEGER          -- their bodies and topics
) STRICT;

CREATE TABLE problem (
    position INTEGER PRIMARY KEY,
    text     TEXT NOT NULL
) STRICT;

CREATE TABLE host (
    host          INTEGER PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE,
    address       TEXT,
    started_ns    INTEGER,  -- null: it was never started
    exit_code     INTEGER,  -- null: still running at the end, or never started
    ended_by_us   INTEGER CHECK (ended_by_us IN (0, 1)),
    log           TEXT,     -- relative to the run's directory
    problem       TEXT
) STRICT;

CREATE TABLE epoch (
    epoch      INTEGER PRIMARY KEY,
    planned_ns INTEGER NOT NULL,
    late_ns    INTEGER,  -- null: the run ended before
    hash       TEXT NOT NULL CHECK (length(hash) = 16)
) STRICT;

-- Epoch switches and events of applications, as they happened.
CREATE TABLE event (
    position   INTEGER PRIMARY KEY,
    planned_ns INTEGER NOT NULL,
    actual_ns  INTEGER NOT NULL,
    epoch      INTEGER,  -- when it opened one
    text       TEXT NOT NULL
) STRICT;

-- Every demand state that was published.
CREATE TABLE demand (
    position    INTEGER PRIMARY KEY,
    at_ns       INTEGER NOT NULL,
    source      INTEGER NOT NULL,
    destination INTEGER NOT NULL,
    state_code  INTEGER NOT NULL,  -- 0 gone, 1 greedy, 2 + n: 1 kbit/s x 1.08^n
    demand_bps  REAL               -- null: without limit
) STRICT;

-- Every share that came into force.
CREATE TABLE share (
    position    INTEGER PRIMARY KEY,
    at_ns       INTEGER NOT NULL,
    source      INTEGER NOT NULL,
    destination INTEGER NOT NULL,
    share_bps   INTEGER  -- null: unlimited
) STRICT;

CREATE TABLE sample (
    source       INTEGER NOT NULL,
    destination  INTEGER NOT NULL,
    at_ns        INTEGER NOT NULL,
    allowed_bps  INTEGER,  -- null: unlimited
    measured_bps INTEGER NOT NULL,
    total_bytes  INTEGER NOT NULL,  -- since the flow was first seen
    PRIMARY KEY (source, destination, at_ns)
) STRICT, WITHOUT ROWID;

-- Hosts that started, became ready, ended.
CREATE TABLE host_event (
    position INTEGER PRIMARY KEY,
    at_ns    INTEGER NOT NULL,
    host     INTEGER NOT NULL,
    what     TEXT NOT NULL
) STRICT;

-- Counters of the data plane at the end.
CREATE TABLE total (
    counter TEXT PRIMARY KEY,
    value   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The controller's store: what was submitted, what was computed of it, which runs there
-- were. 64-bit hashes are text, 16 hexadecimal digits.

CREATE TABLE scenario (
    scenario     INTEGER PRIMARY KEY,
    name         TEXT NOT NULL,
    seed         INTEGER NOT NULL,  -- the bits of an unsigned number
    routing      TEXT NOT NULL CHECK (routing IN ('latency', 'hops')),
    duration_ns  INTEGER CHECK (duration_ns >= 0),  -- null: until the applications end
    addresses    TEXT NOT NULL,
    source_text  TEXT NOT NULL,     -- the topology file, resolved
    encoded      BLOB NOT NULL      -- proto/scenario.proto: all of it
) STRICT;

CREATE TABLE host (
    scenario   INTEGER NOT NULL REFERENCES scenario ON DELETE CASCADE,
    host       INTEGER NOT NULL,
    name       TEXT NOT NULL,
    host_group TEXT NOT NULL,
    replica    INTEGER NOT NULL,
    main       INTEGER NOT NULL CHECK (main IN (0, 1)),
    PRIMARY KEY (scenario, host),
    UNIQUE (scenario, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE bridge (
    scenario INTEGER NOT NULL REFERENCES scenario ON DELETE CASCADE,
    bridge   INTEGER NOT NULL,
    name     TEXT NOT NULL,
    hidden   INTEGER NOT NULL CHECK (hidden IN (0, 1)),
    PRIMARY KEY (scenario, bridge),
    UNIQUE (scenario, name)
) STRICT, WITHOUT ROWID;

-- Directed, as they are at T0. A vertex below the number of hosts is a host, else a bridge.
CREATE TABLE link (
    scenario       INTEGER NOT NULL REFERENCES scenario ON DELETE CASCADE,
    link           INTEGER NOT NULL,
    from_vertex    INTEGER NOT NULL,
    to_vertex      INTEGER NOT NULL,
    name           TEXT NOT NULL,
    up             INTEGER NOT NULL CHECK (up IN (0, 1)),
    latency_ns     INTEGER NOT NULL CHECK (latency_ns >= 0),
    jitter_ns      INTEGER NOT NULL CHECK (jitter_ns >= 0),
    loss           REAL NOT NULL CHECK (loss BETWEEN 0 AND 1),
    bandwidth_bps  INTEGER CHECK (bandwidth_bps > 0),  -- null: unlimited
    PRIMARY KEY (scenario, link)
) STRICT, WITHOUT ROWID;

-- The timeline, in canonical order.
CREATE TABLE event (
    scenario INTEGER NOT NULL REFERENCES scenario ON DELETE CASCADE,
    position INTEGER NOT NULL,
    at_ns    INTEGER NOT NULL CHECK (at_ns >= 0),
    phase    TEXT NOT NULL CHECK (phase IN ('lasting', 'begin', 'end')),
    text     TEXT NOT NULL,
    PRIMARY KEY (scenario, position)
) STRICT, WITHOUT ROWID;

-- Path tables in full: the base of each version.
CREATE TABLE path_table (
    scenario INTEGER NOT NULL REFERENCES scenario ON DELETE CASCADE,
    version  INTEGER NOT NULL,
    epoch    INTEGER NOT NULL,
    hash     TEXT NOT NULL CHECK (length(hash) = 16),
    encoded  BLOB NOT NULL,  -- proto/table.proto, PathTable
    PRIMARY KEY (scenario, version, epoch)
) STRICT;

-- Every epoch; its table is that of the epoch before with `delta` applied.
CREATE TABLE epoch (
    scenario INTEGER NOT NULL REFERENCES scenario ON DELETE CASCADE,
    version  INTEGER NOT NULL,
    epoch    INTEGER NOT NULL,
    start_ns INTEGER NOT NULL CHECK (start_ns >= 0),
    hash     TEXT NOT NULL CHECK (length(hash) = 16),
    delta    BLOB,  -- proto/table.proto, PathTableDelta; null: the base
    PRIMARY KEY (scenario, version, epoch)
) STRICT;

CREATE TABLE epoch_event (
    scenario INTEGER NOT NULL,
    version  INTEGER NOT NULL,
    epoch    INTEGER NOT NULL,
    position INTEGER NOT NULL,
    text     TEXT NOT NULL,
    PRIMARY KEY (scenario, version, epoch, position),
    FOREIGN KEY (scenario, version, epoch) REFERENCES epoch ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE run (
    run           TEXT PRIMARY KEY,
    scenario      INTEGER NOT NULL REFERENCES scenario,
    directory     TEXT NOT NULL,
    submitted_at  TEXT NOT NULL,  -- UTC, ISO 8601
    ended_at      TEXT,
    state         TEXT NOT NULL
        CHECK (state IN ('submitted', 'running', 'done', 'failed', 'interrupted', 'abandoned')),
    data_plane    TEXT,
    problem       TEXT
) STRICT;

CREATE TABLE placement (
    run      TEXT NOT NULL REFERENCES run ON DELETE CASCADE,
    host     INTEGER NOT NULL,
    machine  TEXT NOT NULL,
    PRIMARY KEY (run, host)
) STRICT, WITHOUT ROWID;

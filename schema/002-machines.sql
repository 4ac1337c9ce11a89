-- Machines and operators that may connect, by their public keys (64 hexadecimal digits), and
-- the tokens by which others may join, each once. What came of a run.

CREATE TABLE machine (
    machine   TEXT PRIMARY KEY,
    key       TEXT NOT NULL UNIQUE CHECK (length(key) = 64),
    joined_at TEXT NOT NULL  -- UTC, ISO 8601
) STRICT, WITHOUT ROWID;

CREATE TABLE machine_label (
    machine TEXT NOT NULL REFERENCES machine ON DELETE CASCADE,
    label   TEXT NOT NULL,
    PRIMARY KEY (machine, label)
) STRICT, WITHOUT ROWID;

CREATE TABLE operator (
    key       TEXT PRIMARY KEY CHECK (length(key) = 64),
    joined_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE token (
    key          TEXT PRIMARY KEY CHECK (length(key) = 64),
    for_operator INTEGER NOT NULL CHECK (for_operator IN (0, 1)),
    made_at      TEXT NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE run ADD COLUMN results BLOB;  -- proto/control.proto, an envelope with RunFinished

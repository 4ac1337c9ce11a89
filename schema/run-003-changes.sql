-- Changes by hand: what `pleat replay` needs of them.

CREATE TABLE change (
    change     INTEGER PRIMARY KEY,  -- from 1, in the order of their instants
    version    INTEGER,              -- of the path tables that it made; null: it made none
    epoch      INTEGER NOT NULL,     -- in which it took effect
    planned_ns INTEGER NOT NULL,
    late_ns    INTEGER NOT NULL,     -- of the machine that was latest
    missing    TEXT                  -- machines that have not carried it out
) STRICT;

-- Its lines, as `pleat do` takes them.
CREATE TABLE change_line (
    change   INTEGER NOT NULL REFERENCES change,
    position INTEGER NOT NULL,
    text     TEXT NOT NULL,
    PRIMARY KEY (change, position)
) STRICT;

-- Of a change by hand, as a machine carried it out: its number.
ALTER TABLE event ADD COLUMN change INTEGER;

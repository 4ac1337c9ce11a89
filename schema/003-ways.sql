-- The network between two machines, as it was last measured: the first is the lower by name.
-- No foreign keys: machines of the controller's own computer are not kept.

CREATE TABLE way (
    from_machine         TEXT NOT NULL,
    to_machine           TEXT NOT NULL CHECK (from_machine < to_machine),
    measured_at          TEXT NOT NULL,  -- UTC, ISO 8601
    least_round_trip_ns  INTEGER NOT NULL CHECK (least_round_trip_ns >= 0),
    median_round_trip_ns INTEGER NOT NULL CHECK (median_round_trip_ns >= 0),
    mtu_bytes            INTEGER NOT NULL,
    rates_measured_at    TEXT NOT NULL,  -- empty: never
    there_bps            INTEGER CHECK (there_bps > 0),  -- null: not measured
    there_error_bps      INTEGER,
    back_bps             INTEGER CHECK (back_bps > 0),
    back_error_bps       INTEGER,
    PRIMARY KEY (from_machine, to_machine)
) STRICT, WITHOUT ROWID;

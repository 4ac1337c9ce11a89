-- How late a machine's data plane was. Where its latest packet was late by x, a receiver may have
-- seen a link of rate r exceeded by r * x. Of planes that deliver by themselves (tun).

CREATE TABLE lateness (
    machine  TEXT NOT NULL,
    at_ns    INTEGER NOT NULL,  -- the end of a sample interval in which delayed packets were delivered
    worst_ns INTEGER NOT NULL,  -- of its packets
    PRIMARY KEY (machine, at_ns)
) STRICT, WITHOUT ROWID;

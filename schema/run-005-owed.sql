-- What a machine's full links were behind at the end of the interval since its data plane was held
-- up, as time at their own rates; they make it good. The rows before this knew nothing of it.

ALTER TABLE lateness ADD COLUMN owed_ns INTEGER NOT NULL DEFAULT 0;

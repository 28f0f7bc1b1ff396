-- How far each part of this service's outbox has been sent to the broker, and by whom. A part holds the keys of one
-- bucket; positions are as in `offsets`. `token` grows with each new holder, so that a late mark can be refused.
CREATE TABLE relays (
    bucket        integer PRIMARY KEY,
    holder        uuid NOT NULL,
    token         bigint NOT NULL,
    expires_at    timestamptz NOT NULL,
    old_snapshot  pg_snapshot NOT NULL DEFAULT '1:1:',
    new_snapshot  pg_snapshot,
    last_seq      bigint NOT NULL DEFAULT 0,
    updated_at    timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

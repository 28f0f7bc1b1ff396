-- A key is published before it signs, so that whoever checks tokens knows it by then.
ALTER TABLE signing_keys ADD COLUMN signs_from timestamptz NOT NULL DEFAULT now();

UPDATE signing_keys SET signs_from = created_at;

COMMENT ON COLUMN signing_keys.published_until IS 'null for the newest key';

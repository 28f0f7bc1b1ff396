-- The platform's own tables, in every service's schema. Names are unqualified: the runner sets search_path to the schema.

-- What the service says to others. A row is written in the transaction of the change it tells of, after the
-- entity's row lock was taken, so that for one key the order of `seq` is the order of the commits.
CREATE TABLE outbox (
    seq             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid             xid8 NOT NULL DEFAULT pg_current_xact_id(),
    id              uuid NOT NULL,
    topic           text NOT NULL,
    key             text NOT NULL,
    subject         text NOT NULL,
    time            timestamptz NOT NULL DEFAULT clock_timestamp(),
    correlation_id  text,
    traceparent     text,
    data            jsonb NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05,
        autovacuum_analyze_scale_factor = 0.02);

-- The reader asks for the transactions between two snapshots; pruning and rewinding ask by time.
CREATE INDEX outbox_xid ON outbox (xid, seq);
CREATE INDEX outbox_time ON outbox USING brin (time) WITH (pages_per_range = 32);

-- Messages that the group has taken charge of: handled, or moved to `retries` in the same transaction.
CREATE TABLE inbox (
    message_id  uuid PRIMARY KEY,
    source      text NOT NULL,
    topic       text NOT NULL,
    time        timestamptz NOT NULL,
    taken_at    timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05);

CREATE INDEX inbox_time ON inbox USING brin (time) WITH (pages_per_range = 32);

-- How far the group has read each source's log: everything visible in `old_snapshot`, and of what `new_snapshot`
-- sees beyond it (NULL: not taken yet) the rows up to `last_seq`.
CREATE TABLE offsets (
    source        text PRIMARY KEY,
    old_snapshot  pg_snapshot NOT NULL,
    new_snapshot  pg_snapshot,
    last_seq      bigint NOT NULL DEFAULT 0,
    updated_at    timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- Messages that failed, and every later one of their key, in order of `position`.
CREATE TABLE retries (
    position        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id      uuid NOT NULL UNIQUE,
    source          text NOT NULL,
    topic           text NOT NULL,
    key             text NOT NULL,
    subject         text NOT NULL,
    time            timestamptz NOT NULL,
    correlation_id  text,
    traceparent     text,
    data            jsonb NOT NULL,
    attempts        integer NOT NULL DEFAULT 0,
    due_at          timestamptz NOT NULL,
    error           text
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

CREATE INDEX retries_key ON retries (source, key, position);
CREATE INDEX retries_due ON retries (due_at);

-- Messages that failed for good. The row is the truth; a broker gets a copy.
CREATE TABLE dead_letters (
    message_id      uuid PRIMARY KEY,
    source          text NOT NULL,
    topic           text NOT NULL,
    key             text NOT NULL,
    subject         text NOT NULL,
    time            timestamptz NOT NULL,
    correlation_id  text,
    traceparent     text,
    data            jsonb NOT NULL,
    attempts        integer NOT NULL,
    error           text NOT NULL,
    parked_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX dead_letters_parked ON dead_letters (parked_at, message_id);

-- How far the filling of a local copy has come: no row, or 'wanted', makes the worker start it.
CREATE TABLE copies (
    entity       text PRIMARY KEY,
    status       text NOT NULL DEFAULT 'wanted' CHECK (status IN ('wanted', 'filling', 'filled')),
    cursor       text,
    rows         bigint NOT NULL DEFAULT 0,
    error        text,
    started_at   timestamptz,
    updated_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at  timestamptz
);

CREATE TABLE jobs (
    id              uuid PRIMARY KEY,
    name            text NOT NULL,
    payload         jsonb NOT NULL DEFAULT '{}',
    unique_key      text,
    status          text NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'running', 'done', 'dead')),
    run_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts        integer NOT NULL DEFAULT 0,
    progress        real NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 1),
    error           text,
    holder          uuid,
    leased_until    timestamptz,
    correlation_id  text,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at     timestamptz,
    CHECK ((status = 'running') = (holder IS NOT NULL AND leased_until IS NOT NULL))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- Partial, so that claiming costs the same with ten million finished rows.
CREATE INDEX jobs_waiting ON jobs (run_at, id) WHERE status = 'waiting';
CREATE INDEX jobs_running ON jobs (leased_until) WHERE status = 'running';
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE status = 'done';
CREATE INDEX jobs_dead ON jobs (finished_at) WHERE status = 'dead';
CREATE UNIQUE INDEX jobs_unique ON jobs (name, unique_key) WHERE status IN ('waiting', 'running');

-- When each repeating job is put into `jobs` next.
CREATE TABLE schedules (
    name     text PRIMARY KEY,
    every    interval NOT NULL CHECK (every > interval '0'),
    next_at  timestamptz NOT NULL,
    last_at  timestamptz
) WITH (fillfactor = 50);

-- Work with a remote part: what is meant, what the other side said, what came of it. A job finishes what a crash left.
CREATE TABLE intents (
    id              uuid PRIMARY KEY,
    name            text NOT NULL,
    payload         jsonb NOT NULL,
    status          text NOT NULL DEFAULT 'started'
                    CHECK (status IN ('started', 'called', 'refused', 'finished', 'undone')),
    reply           jsonb,
    result          jsonb,
    correlation_id  text,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at     timestamptz
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

CREATE INDEX intents_finished ON intents (finished_at) WHERE status IN ('finished', 'undone');

-- Who may do what only one process may do at a time. `token` grows with each new holder, so that writes of an
-- earlier one can be told and refused.
CREATE TABLE leases (
    name        text PRIMARY KEY,
    holder      uuid NOT NULL,
    token       bigint NOT NULL DEFAULT 1,
    expires_at  timestamptz NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- Answers kept for a repeated `Idempotency-Key`. A row with `leased_until` and no status is work under way.
CREATE TABLE idempotency_keys (
    user_id       uuid NOT NULL,
    route         text NOT NULL,
    key           text NOT NULL,
    fingerprint   bytea NOT NULL,
    status        integer,
    headers       jsonb,
    body          bytea,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    leased_until  timestamptz,
    PRIMARY KEY (user_id, route, key)
);

CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);

-- The copy of users' revocations: a session, or all of a user's tokens below a generation.
CREATE TABLE revocations (
    number      bigint PRIMARY KEY,
    session_id  uuid,
    user_id     uuid,
    generation  integer,
    expires_at  timestamptz NOT NULL,
    CHECK (num_nonnulls(session_id, user_id) > 0)
);

CREATE INDEX revocations_expiry ON revocations (expires_at);

-- The copy of the public keys that sign access tokens: `x` as in a JSON Web Key.
CREATE TABLE token_keys (
    kid  text PRIMARY KEY,
    x    text NOT NULL
);

-- When this service's worker is needed next, for whoever watches all services over one connection (role bus).
CREATE VIEW agenda AS
SELECT least(
    (SELECT min(run_at) FROM jobs WHERE status = 'waiting'),
    (SELECT min(leased_until) FROM jobs WHERE status = 'running'),
    (SELECT min(due_at) FROM retries),
    (SELECT min(next_at) FROM schedules),
    -- Let go of, or seized by a rewind: whoever held it takes it anew, and begins where the group now stands.
    (SELECT min(expires_at) FROM leases WHERE name = 'events' AND expires_at = '-infinity')
) AS next_at;

-- Who there is, how they sign in, and which of their sessions still count.
-- Names are unqualified: the runner sets search_path to the schema.
-- oldest-code: 0.1.0

-- `email_key` and `username` are what is compared, in lower case; `email` is as its owner writes it.
-- `generation` goes up when all access tokens of the person are to end; `version` with each change of the rest.
CREATE TABLE users (
    id              uuid PRIMARY KEY,
    email           text NOT NULL,
    email_key       text NOT NULL CONSTRAINT users_email_taken UNIQUE,
    email_verified  boolean NOT NULL DEFAULT false,
    phone           text CONSTRAINT users_phone_taken UNIQUE CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),
    username        text NOT NULL CONSTRAINT users_username_taken UNIQUE CHECK (username = lower(username)),
    name            text NOT NULL CHECK (name <> ''),
    avatar_url      text,
    role            text NOT NULL CHECK (role IN ('student', 'instructor', 'admin')),
    state           text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'blocked', 'deactivated', 'erased')),
    password_hash   text,
    generation      integer NOT NULL DEFAULT 0,
    version         integer NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL
);

-- Passwords tried lately, by the digest of whom they were tried for (and from where): the same for those who exist
-- and those who do not.
CREATE TABLE login_attempts (
    key         bytea PRIMARY KEY,
    count       integer NOT NULL,
    started_at  timestamptz NOT NULL
) WITH (fillfactor = 70);

CREATE INDEX login_attempts_started ON login_attempts (started_at);

CREATE TABLE sessions (
    id              uuid PRIMARY KEY,
    user_id         uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    user_agent      text,
    client_address  text,
    created_at      timestamptz NOT NULL,
    last_used_at    timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    ended_at        timestamptz
) WITH (fillfactor = 80);

CREATE INDEX sessions_of_user ON sessions (user_id, created_at DESC, id DESC) WHERE ended_at IS NULL;
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- A session's refresh tokens by their SHA-256: all but the last are used. A used one keeps its successor, sealed with
-- a key that only the used token itself gives.
CREATE TABLE refresh_tokens (
    digest            bytea PRIMARY KEY,
    session_id        uuid NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    issued_at         timestamptz NOT NULL,
    expires_at        timestamptz NOT NULL,
    used_at           timestamptz,
    sealed_successor  bytea,
    CHECK ((used_at IS NULL) = (sealed_successor IS NULL))
) WITH (fillfactor = 80);

CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);
CREATE INDEX refresh_tokens_expiry ON refresh_tokens (expires_at);

-- Sessions and generations whose access tokens count no longer, for every service to know.
CREATE TABLE issued_revocations (
    number      bigint PRIMARY KEY,
    session_id  uuid,
    user_id     uuid,
    generation  integer,
    expires_at  timestamptz NOT NULL,
    CHECK (num_nonnulls(session_id, user_id) = 1),
    CHECK ((user_id IS NULL) = (generation IS NULL))
);

CREATE INDEX issued_revocations_expiry ON issued_revocations (expires_at);

-- The last number given out. A sequence would do but for one thing: its numbers commit out of order, and who asks for
-- those after the highest one that he has seen would miss some.
CREATE TABLE revocation_numbers (
    sole  boolean PRIMARY KEY DEFAULT true CHECK (sole),
    last  bigint NOT NULL
) WITH (fillfactor = 10);

-- `published_until` is null for the one key that signs.
CREATE TABLE signing_keys (
    kid                 text PRIMARY KEY,
    public_key          bytea NOT NULL,
    sealed_private_key  bytea NOT NULL,
    created_at          timestamptz NOT NULL,
    published_until     timestamptz
);

CREATE UNIQUE INDEX signing_keys_one_signs ON signing_keys ((true)) WHERE published_until IS NULL;

-- Who is enrolled in which course, and what that takes to know of courses, users and payments.
-- Names are unqualified: the runner sets search_path to the schema.

-- A copy of courses, fed by Course-* events; version 0: named by somebody, its state not here yet.
-- `closed` is our own: whether anybody still gets in. It stands in this row, since enrolling locks the row that it
-- reads (FOR KEY SHARE) and closing locks it against that (FOR UPDATE): one of the two waits and sees the other.
CREATE TABLE courses_copy (
    course_id      uuid PRIMARY KEY,
    version        integer NOT NULL DEFAULT 0,
    instructor_id  uuid,
    title          text,
    status         text CHECK (status IN ('draft', 'published')),
    price          numeric(10, 2) CHECK (price >= 0),
    currency       text,
    deleted        boolean NOT NULL DEFAULT false,
    closed         boolean NOT NULL DEFAULT false,
    CHECK (version = 0 OR instructor_id IS NOT NULL),
    CHECK (version = 0 OR deleted OR (status IS NOT NULL AND price IS NOT NULL))
);

-- A copy of users, fed by User-* events. A learner who came before their first event has version 0.
CREATE TABLE users_copy (
    user_id     uuid PRIMARY KEY,
    version     integer NOT NULL DEFAULT 0,
    username    text,
    name        text,
    avatar_url  text,
    state       text CHECK (state IN ('active', 'blocked', 'deactivated', 'erased')),
    CHECK (version = 0 OR (name IS NOT NULL AND state IS NOT NULL))
);

-- A copy of payments, to be fed by Payment-* events. A course with a price takes a completed one.
CREATE TABLE payments_copy (
    payment_id  uuid PRIMARY KEY,
    version     integer NOT NULL DEFAULT 0,
    user_id     uuid NOT NULL,
    course_id   uuid NOT NULL,
    status      text NOT NULL CHECK (status IN ('pending', 'completed', 'failed', 'refunded'))
);

CREATE INDEX payments_copy_completed ON payments_copy (user_id, course_id) WHERE status = 'completed';

-- One row for each learner and course: a drop keeps it, enrolling again takes it up.
-- `version` counts what Student-Enrolled and Student-Unenrolled tell; `progress` is a percentage that Progress-Updated
-- brings, guarded by `progress_version`. `completed_at` outlives a drop, so that completed stays completed.
CREATE TABLE enrollments (
    id                 uuid PRIMARY KEY,
    version            integer NOT NULL DEFAULT 1,
    user_id            uuid NOT NULL REFERENCES users_copy (user_id),
    course_id          uuid NOT NULL REFERENCES courses_copy (course_id),
    payment_id         uuid REFERENCES payments_copy (payment_id),
    status             text NOT NULL DEFAULT 'in_progress' CHECK (status IN ('in_progress', 'completed', 'dropped')),
    enrolled_at        timestamptz NOT NULL,
    completed_at       timestamptz,
    progress           numeric(5, 2) NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
    progress_version   integer NOT NULL DEFAULT 0,
    current_lesson_id  uuid,
    UNIQUE (user_id, course_id),
    CHECK (status <> 'completed' OR completed_at IS NOT NULL),
    CHECK (status <> 'in_progress' OR completed_at IS NULL)
) WITH (fillfactor = 85);

CREATE INDEX enrollments_of_user ON enrollments (user_id, enrolled_at, id);
CREATE INDEX enrollments_of_course ON enrollments (course_id, enrolled_at, id);

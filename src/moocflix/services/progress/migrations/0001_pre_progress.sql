-- How far learners have come, and what that takes to know of courses and enrolments.
-- Names are unqualified: the runner sets search_path to the schema.
-- Copies have version 0 where somebody has named an entity whose state is not here yet.

CREATE TABLE courses_copy (
    course_id      uuid PRIMARY KEY,
    version        integer NOT NULL DEFAULT 0,
    instructor_id  uuid,
    deleted        boolean NOT NULL DEFAULT false,
    CHECK (version = 0 OR instructor_id IS NOT NULL)
);

CREATE TABLE modules_copy (
    module_id  uuid PRIMARY KEY,
    version    integer NOT NULL DEFAULT 0,
    course_id  uuid NOT NULL REFERENCES courses_copy (course_id),
    status     text NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'published', 'deleted')),
    position   integer NOT NULL DEFAULT 0
);

CREATE TABLE lessons_copy (
    lesson_id  uuid PRIMARY KEY,
    version    integer NOT NULL DEFAULT 0,
    course_id  uuid NOT NULL REFERENCES courses_copy (course_id),
    module_id  uuid NOT NULL REFERENCES modules_copy (module_id),
    title      text NOT NULL DEFAULT '',
    status     text NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'published', 'deleted')),
    position   integer NOT NULL DEFAULT 0
);

CREATE INDEX lessons_copy_of_course ON lessons_copy (course_id);

-- What counts in a course. `version` 0: modules and lessons are not all here yet, so nothing may be counted.
-- `revision` is raised with each change of what counts, and never falls; `lessons` is how many count.
CREATE TABLE outlines (
    course_id  uuid PRIMARY KEY REFERENCES courses_copy (course_id),
    version    integer NOT NULL DEFAULT 0,
    revision   integer NOT NULL DEFAULT 0,
    lessons    integer NOT NULL DEFAULT 0
);

CREATE TABLE enrollments_copy (
    enrollment_id  uuid PRIMARY KEY,
    version        integer NOT NULL DEFAULT 0,
    user_id        uuid NOT NULL,
    course_id      uuid NOT NULL REFERENCES courses_copy (course_id),
    status         text NOT NULL CHECK (status IN ('in_progress', 'completed', 'dropped'))
);

-- The whole course, for one enrolment: from its first update on. Both tables of progress are keyed by the enrolment
-- first, so that they can be spread by its hash.
-- `points` are hundredths of a percent, summed over the lessons that count in `outline_revision`; so are the lessons
-- that are done. `version` guards against two writers: each raises it by one, from the one it has seen.
CREATE TABLE course_progress (
    enrollment_id      uuid PRIMARY KEY REFERENCES enrollments_copy (enrollment_id),
    version            integer NOT NULL,
    user_id            uuid NOT NULL,
    course_id          uuid NOT NULL,
    outline_revision   integer NOT NULL,
    points             integer NOT NULL CHECK (points >= 0),
    completed_lessons  integer NOT NULL CHECK (completed_lessons >= 0),
    total_lessons      integer NOT NULL CHECK (total_lessons >= completed_lessons),
    completed_at       timestamptz,
    CHECK (points <= total_lessons * 10000)
) WITH (fillfactor = 70);

CREATE INDEX course_progress_of_course ON course_progress (course_id, enrollment_id);
CREATE INDEX course_progress_of_user ON course_progress (user_id);

-- One lesson, for one enrolment; `progress` is a percentage, `time_spent` in seconds.
CREATE TABLE lesson_progress (
    enrollment_id  uuid NOT NULL REFERENCES course_progress (enrollment_id) ON DELETE CASCADE,
    lesson_id      uuid NOT NULL REFERENCES lessons_copy (lesson_id),
    id             uuid NOT NULL,
    module_id      uuid NOT NULL REFERENCES modules_copy (module_id),
    progress       numeric(5, 2) NOT NULL CHECK (progress BETWEEN 0 AND 100),
    time_spent     integer NOT NULL CHECK (time_spent >= 0),
    last_accessed  timestamptz NOT NULL,
    PRIMARY KEY (enrollment_id, lesson_id)
) WITH (fillfactor = 70);

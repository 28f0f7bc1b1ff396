-- Videos, their transcodings and uploads under way, and what deciding who may watch takes of other services.
-- Names are unqualified: the runner sets search_path to the schema.

-- A copy of courses, fed by Course-* events; version 0: named by somebody, its state not here yet.
CREATE TABLE courses_copy (
    course_id      uuid PRIMARY KEY,
    version        integer NOT NULL DEFAULT 0,
    instructor_id  uuid,
    published      boolean NOT NULL DEFAULT false,
    deleted        boolean NOT NULL DEFAULT false,
    CHECK (version = 0 OR instructor_id IS NOT NULL)
);

-- A copy of modules, fed by Module-* events: a lesson is published only where its module is.
CREATE TABLE modules_copy (
    module_id  uuid PRIMARY KEY,
    version    integer NOT NULL DEFAULT 0,
    course_id  uuid NOT NULL REFERENCES courses_copy (course_id),
    published  boolean NOT NULL DEFAULT false,
    deleted    boolean NOT NULL DEFAULT false
);

CREATE INDEX modules_copy_course ON modules_copy (course_id);

-- A copy of lessons, fed by Lesson-* events: which video a lesson shows, and whether to anybody.
-- The video may be unknown or another course's: what a lesson says of it is its author's word alone.
CREATE TABLE lessons_copy (
    lesson_id  uuid PRIMARY KEY,
    version    integer NOT NULL DEFAULT 0,
    course_id  uuid NOT NULL REFERENCES courses_copy (course_id),
    module_id  uuid NOT NULL,
    video_id   uuid,
    preview    boolean NOT NULL DEFAULT false,
    published  boolean NOT NULL DEFAULT false,
    deleted    boolean NOT NULL DEFAULT false
);

CREATE INDEX lessons_copy_course ON lessons_copy (course_id);
CREATE INDEX lessons_copy_preview ON lessons_copy (video_id) WHERE preview AND published AND NOT deleted;

-- A copy of enrolments, fed by Student-* events.
CREATE TABLE enrollments_copy (
    enrollment_id  uuid PRIMARY KEY,
    version        integer NOT NULL DEFAULT 0,
    user_id        uuid NOT NULL,
    course_id      uuid NOT NULL REFERENCES courses_copy (course_id),
    active         boolean NOT NULL
);

CREATE INDEX enrollments_copy_learner ON enrollments_copy (user_id, course_id);
CREATE INDEX enrollments_copy_course ON enrollments_copy (course_id);

-- An upload under way, committed before its first byte is stored under `videos/<id>/`. One whose `alive_at` has
-- stood still belongs to a process that died: the row and what it stored are removed by a job.
CREATE TABLE uploads (
    id          uuid PRIMARY KEY,
    course_id   uuid NOT NULL REFERENCES courses_copy (course_id),
    user_id     uuid NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    alive_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX uploads_course ON uploads (course_id);
CREATE INDEX uploads_alive ON uploads (alive_at);

-- `request_id` names the latest transcoding, `ready_id` the one whose renditions are played: a video that is
-- transcoded again goes on playing the old ones until the new are there.
CREATE TABLE videos (
    id            uuid PRIMARY KEY,
    version       integer NOT NULL DEFAULT 1,
    course_id     uuid NOT NULL REFERENCES courses_copy (course_id),
    uploaded_by   uuid NOT NULL,
    title         text NOT NULL,
    status        text NOT NULL CHECK (status IN ('uploaded', 'queued', 'transcoding', 'ready', 'failed')),
    source_key    text NOT NULL,
    source_bytes  bigint NOT NULL CHECK (source_bytes > 0),
    probe         jsonb NOT NULL,
    request_id    uuid,
    ready_id      uuid,
    error         text,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    CHECK (status <> 'ready' OR ready_id IS NOT NULL)
) WITH (fillfactor = 80);

CREATE INDEX videos_course ON videos (course_id);
CREATE INDEX videos_uploader ON videos (uploaded_by);

-- One answer to each request, ours or an external transcoder's. `taken_at`: our own transcoder has begun with it.
CREATE TABLE transcodings (
    request_id    uuid PRIMARY KEY,
    video_id      uuid NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    requested_by  uuid NOT NULL,
    requested_at  timestamptz NOT NULL,
    taken_at      timestamptz,
    progress      real NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 1),
    finished_at   timestamptz,
    outcome       text CHECK (outcome IN ('ready', 'failed')),
    error         text,
    prefix        text,
    renditions    jsonb,
    poster_key    text,
    CHECK ((finished_at IS NULL) = (outcome IS NULL)),
    CHECK (outcome IS DISTINCT FROM 'ready' OR (prefix IS NOT NULL AND renditions IS NOT NULL))
) WITH (fillfactor = 70);

CREATE INDEX transcodings_video ON transcodings (video_id);
-- The one that decides: of two requests at once, one gets a row.
CREATE UNIQUE INDEX transcodings_running ON transcodings (video_id) WHERE finished_at IS NULL;

ALTER TABLE videos
    ADD FOREIGN KEY (request_id) REFERENCES transcodings (request_id) DEFERRABLE INITIALLY DEFERRED,
    ADD FOREIGN KEY (ready_id) REFERENCES transcodings (request_id) DEFERRABLE INITIALLY DEFERRED;

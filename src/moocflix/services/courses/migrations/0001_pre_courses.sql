-- Courses, their modules and lessons, what is counted of them, and the copies of what other services own.
-- Names are unqualified: the runner sets search_path to the schema.
-- oldest-code: 0.1.0

-- The copy of users: those who teach, fed by User-* events. No name at version 0.
CREATE TABLE instructors (
    id          uuid PRIMARY KEY,
    name        text,
    avatar_url  text,
    version     bigint NOT NULL CHECK (version >= 0),
    CHECK (version = 0 OR name IS NOT NULL)
);

-- What is searched: stems in English and the words as they are, so that other languages and beginnings of words
-- are found too. array_to_string is only called stable because of what other element types may do.
CREATE FUNCTION course_words(title text, tags text[], description text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN setweight(to_tsvector('english'::regconfig, title), 'A')
        || setweight(to_tsvector('simple'::regconfig, title), 'A')
        || setweight(to_tsvector('english'::regconfig, array_to_string(tags, ' ; ')), 'B')
        || setweight(to_tsvector('simple'::regconfig, array_to_string(tags, ' ; ')), 'B')
        || setweight(to_tsvector('english'::regconfig, description), 'D')
        || setweight(to_tsvector('simple'::regconfig, description), 'D');

-- What somebody searches for, as they wrote it: the same two ways, and the last word may be just begun, unless it is
-- one that they do not want. What stands in quotes is meant word for word.
CREATE FUNCTION course_query(q text) RETURNS tsquery
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE
        WHEN q LIKE '%"%' THEN websearch_to_tsquery('simple'::regconfig, q)
        WHEN websearch_to_tsquery('simple'::regconfig, q)::text ~ '(^|[^!])''[^'']*''$'
            THEN websearch_to_tsquery('english'::regconfig, q)
              || (websearch_to_tsquery('simple'::regconfig, q)::text || ':*')::tsquery
        ELSE websearch_to_tsquery('english'::regconfig, q) || websearch_to_tsquery('simple'::regconfig, q)
    END;

CREATE TABLE courses (
    id               uuid PRIMARY KEY,
    instructor_id    uuid NOT NULL REFERENCES instructors (id),
    title            text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 200),
    description      text NOT NULL CHECK (char_length(description) <= 20000),
    category         text NOT NULL CHECK (char_length(category) BETWEEN 1 AND 100),
    difficulty       text NOT NULL CHECK (difficulty IN ('Beginner', 'Intermediate', 'Advanced')),
    price            numeric(12, 2) NOT NULL CHECK (price >= 0),
    currency         text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    cover_image_url  text CHECK (char_length(cover_image_url) <= 2048),
    tags             text[] NOT NULL CHECK (cardinality(tags) <= 20),
    language         text NOT NULL CHECK (char_length(language) BETWEEN 2 AND 35),
    status           text NOT NULL CHECK (status IN ('draft', 'published')),
    version          bigint NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    -- When it was published for the first time: a course that was a draft for long is new on that day.
    published_at     timestamptz CHECK (status = 'draft' OR published_at IS NOT NULL),
    -- The intent that deletes it, once that has begun: out of the catalogue, closed to changes.
    deletion_id      uuid,
    -- Derived, so that pages of the catalogue need not read long texts.
    summary          text NOT NULL GENERATED ALWAYS AS (left(description, 500)) STORED,
    category_key     text NOT NULL GENERATED ALWAYS AS (lower(category)) STORED,
    tag_keys         text[] NOT NULL CHECK (cardinality(tag_keys) = cardinality(tags)),
    listed_at        timestamptz NOT NULL GENERATED ALWAYS AS (coalesce(published_at, created_at)) STORED,
    words            tsvector NOT NULL GENERATED ALWAYS AS (course_words(title, tags, description)) STORED
);

-- The catalogue's orders and filters; what nobody may find is in none of them.
CREATE INDEX courses_newest ON courses (listed_at, id) WHERE status = 'published' AND deletion_id IS NULL;
CREATE INDEX courses_cheapest ON courses (price, id) WHERE status = 'published' AND deletion_id IS NULL;
CREATE INDEX courses_category ON courses (category_key, listed_at, id) INCLUDE (category)
    WHERE status = 'published' AND deletion_id IS NULL;
CREATE INDEX courses_tags ON courses USING gin (tag_keys) WHERE status = 'published' AND deletion_id IS NULL;
CREATE INDEX courses_words ON courses USING gin (words) WHERE status = 'published' AND deletion_id IS NULL;
-- An instructor's own, drafts too.
CREATE INDEX courses_instructor ON courses (instructor_id, listed_at, id);

-- What is counted of a course. A row beside it: each enrolment changes a number here, and none of the course's
-- indexes, nor its version. Modules, lessons and seconds are those that a learner finds, the published ones.
CREATE TABLE course_figures (
    course_id          uuid PRIMARY KEY REFERENCES courses (id) ON DELETE CASCADE,
    module_count       integer NOT NULL DEFAULT 0 CHECK (module_count >= 0),
    lesson_count       integer NOT NULL DEFAULT 0 CHECK (lesson_count >= 0),
    duration           integer NOT NULL DEFAULT 0 CHECK (duration >= 0),
    student_count      integer NOT NULL DEFAULT 0 CHECK (student_count >= 0),
    rating_count       integer NOT NULL DEFAULT 0 CHECK (rating_count >= 0),
    rating_total       bigint NOT NULL DEFAULT 0 CHECK (rating_total BETWEEN rating_count AND 5 * rating_count),
    rating             numeric(3, 2) NOT NULL
                       GENERATED ALWAYS AS (round(coalesce(rating_total / nullif(rating_count, 0)::numeric, 0), 2)) STORED,
    -- Raised with every change of modules and lessons: the ETag of the whole structure.
    structure_version  bigint NOT NULL DEFAULT 1
) WITH (fillfactor = 70);

CREATE INDEX course_figures_popular ON course_figures (student_count, course_id);
CREATE INDEX course_figures_rating ON course_figures (rating, course_id);

-- Positions count from 1. Writers of one structure take turns on the course's row; the constraints, checked at the
-- commit so that rows may change places, prove it.
CREATE TABLE modules (
    id          uuid PRIMARY KEY,
    course_id   uuid NOT NULL REFERENCES courses (id),
    title       text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 200),
    position    integer NOT NULL CHECK (position >= 1),
    status      text NOT NULL CHECK (status IN ('draft', 'published')),
    version     bigint NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    CONSTRAINT modules_position UNIQUE (course_id, position) DEFERRABLE INITIALLY DEFERRED,
    UNIQUE (course_id, id)
);

CREATE TABLE lessons (
    id             uuid PRIMARY KEY,
    course_id      uuid NOT NULL,
    module_id      uuid NOT NULL,
    title          text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 200),
    type           text NOT NULL
                   CHECK (type IN ('VIDEO', 'PDF', 'QUIZ', 'ARTICLE', 'LIVE_SESSION', 'CODE_SANDBOX')),
    url            text CHECK (char_length(url) <= 2048),
    content        text CHECK (char_length(content) <= 100000),
    video_id       uuid CHECK (video_id IS NULL OR type IN ('VIDEO', 'LIVE_SESSION')),
    assessment_id  uuid,
    duration       integer CHECK (duration >= 0),
    preview        boolean NOT NULL,
    position       integer NOT NULL CHECK (position >= 1),
    status         text NOT NULL CHECK (status IN ('draft', 'published')),
    version        bigint NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    FOREIGN KEY (course_id, module_id) REFERENCES modules (course_id, id),
    CONSTRAINT lessons_position UNIQUE (module_id, position) DEFERRABLE INITIALLY DEFERRED
);

CREATE INDEX lessons_course ON lessons (course_id, module_id);
CREATE INDEX lessons_video ON lessons (video_id) WHERE video_id IS NOT NULL;

-- The copy of enrolments, fed by Student-Enrolled and Student-Unenrolled: who may see a structure whole.
CREATE TABLE enrollments (
    id         uuid PRIMARY KEY,
    course_id  uuid NOT NULL REFERENCES courses (id) ON DELETE CASCADE,
    user_id    uuid NOT NULL,
    status     text NOT NULL CHECK (status IN ('in_progress', 'completed', 'dropped')),
    version    bigint NOT NULL CHECK (version >= 0),
    UNIQUE (course_id, user_id)
);

CREATE INDEX enrollments_user ON enrollments (user_id);

-- The copy of videos, fed by Transcoding-Completed and Video-Deleted: how long they are, and which are gone.
CREATE TABLE videos (
    id         uuid PRIMARY KEY,
    course_id  uuid NOT NULL REFERENCES courses (id) ON DELETE CASCADE,
    duration   integer CHECK (duration >= 0),
    deleted    boolean NOT NULL,
    version    bigint NOT NULL CHECK (version >= 0)
);

CREATE INDEX videos_course ON videos (course_id);

"""Content: videos uploaded, checked, transcoded and played.

Purpose: take files in, find out what they are, transcode videos to an HLS ladder in confined processes, and play them
to whoever may watch.

Tables: videos, transcodings, uploads; copies of courses, modules, lessons and enrolments; the objects under `videos/`.
Publishes: Transcoding-Request, Transcoding-Completed, Video-Deleted.
Consumes: Course-Creation, Course-Update, Course-Deletion; Module-Creation, Module-Updated, Module-Deleted;
Lesson-Creation, Lesson-Updated, Lesson-Deleted; Student-Enrolled, Student-Unenrolled; Transcoding-Request,
Transcoding-Completed.
Calls: courses and enrollments, for copies that are missing.
"""

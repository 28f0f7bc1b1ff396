"""Courses: what is taught, in which order, and where it is found.

Purpose: let instructors make courses of modules and lessons, and everybody find them in the catalogue. Drafts are seen
by their instructor and admins alone; what a lesson teaches, by the enrolled too.

Tables: courses, course_figures (what is counted of them), modules, lessons; the copies instructors (of users),
enrollments and videos.
Publishes: Course-Creation, Course-Update, Course-Deletion; Module-Creation, Module-Updated, Module-Deleted;
Lesson-Creation, Lesson-Updated, Lesson-Deleted.
Consumes: User-Creation, User-Update, User-Deactivation (instructors' names); Student-Enrolled, Student-Unenrolled (who
sees a structure whole, how many students); Transcoding-Completed, Video-Deleted (lessons' durations and videos).
Calls: users and content, for copies that are missing; enrollments: whether somebody is enrolled of whom there is no
copy, and the closing of a course before its deletion.
"""

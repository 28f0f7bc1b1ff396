"""Enrollments: who is enrolled in which course.

Purpose: let a learner into a published course that is open, list who is in, let them drop and take up again, and
decide whether a course may be deleted (by closing it first).

Tables: enrollments; courses_copy (with `closed`, its own), users_copy and payments_copy (empty until there is
a service for payments: a course with a price takes nobody in).
Publishes: Student-Enrolled, Student-Unenrolled.
Consumes: Course-Creation, Course-Update, Course-Deletion; User-Creation, User-Update, User-Deactivation;
Progress-Updated, Course-Completed.
Calls: courses and users, for copies that are missing.
"""

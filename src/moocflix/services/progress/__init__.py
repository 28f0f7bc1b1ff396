"""Progress: how far each learner has come in each course, lesson by lesson.

Purpose: note what a learner did in a lesson (progress never falls, time adds up), tell where to resume, and say when
a course is complete: once, when every lesson that counts is done, by count. A lesson counts while it and its module
are published. Publishing, withdrawing or deleting a lesson moves everybody's progress in its course, and may complete
it for those who had only that one left; completed stays completed.

Tables: course_progress, lesson_progress, outlines; courses_copy, modules_copy, lessons_copy and enrollments_copy.
Publishes: Progress-Updated, Course-Completed.
Consumes: Course-Creation, Course-Update, Course-Deletion; Module-Creation, Module-Updated, Module-Deleted;
Lesson-Creation, Lesson-Updated, Lesson-Deleted; Student-Enrolled, Student-Unenrolled.
Calls: courses (a course, its outline, a lesson, a module) and enrollments (an enrolment), for copies that are missing.
"""

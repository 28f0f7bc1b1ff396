"""Content: videos uploaded, checked, transcoded and played.

Tables:     videos, transcodings, uploads; copies of courses, modules, lessons and enrolments; the objects under
            `videos/`
Publishes:  Transcoding-Request, Transcoding-Completed, Video-Deleted
Consumes:   Course-*, Module-*, Lesson-*, Student-Enrolled, Student-Unenrolled, Transcoding-Request,
            Transcoding-Completed
Calls:      courses and enrollments, where a copy is missing
"""

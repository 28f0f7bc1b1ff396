-- As wide as the price in courses, so that every price that an instructor may set fits into its copy.
ALTER TABLE courses_copy ALTER COLUMN price TYPE numeric(12, 2);

-- A used refresh token no longer keeps its successor. Code that still does may go on with it.
ALTER TABLE refresh_tokens DROP CONSTRAINT refresh_tokens_check;

COMMENT ON COLUMN refresh_tokens.sealed_successor IS 'not written any more';

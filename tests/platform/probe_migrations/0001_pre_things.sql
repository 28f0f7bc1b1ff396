CREATE TABLE things (
    id      uuid PRIMARY KEY,
    name    text NOT NULL CHECK (name <> 'unheard-of'),
    parent  uuid REFERENCES things (id) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE copies_of_cats (cat_id uuid PRIMARY KEY);

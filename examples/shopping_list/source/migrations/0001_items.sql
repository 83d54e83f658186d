CREATE TABLE items (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 1000),
  bought boolean NOT NULL DEFAULT false
);
CREATE TABLE events (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind text NOT NULL,
  request_id text NOT NULL,
  release text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

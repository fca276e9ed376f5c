-- One table a family of records: ordered keys, values that only the program understands.
-- WITHOUT ROWID keeps a row in its key's place, which suits small rows: the file is smaller and listings are sequential. Rows of some
-- hundred bytes fill the upper pages of such a tree, so that the families of large values have the ordinary layout, in which keys have
-- an index of their own: links in the order of random keys are saved three times as fast with it.
CREATE TABLE link (key BLOB NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE person_index (key BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE outbox (key BLOB NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE role (key BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE role_source (key BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE role_source_index (key BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE role_name (key BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE alias (key BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE alias_index (key BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE dependent (key BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE refetch (key BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE dirty_roles (key BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE msi_due (key BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE seen (key BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE cursor (key BLOB NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE fact (key BLOB NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE call_count (key BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE run (key BLOB NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT;

-- Who may change anything: the process that took the newest fence, until it gives the lease back.
CREATE TABLE lease (id INTEGER PRIMARY KEY CHECK (id = 1), fence INTEGER NOT NULL, holder TEXT) STRICT;
INSERT INTO lease (id, fence, holder) VALUES (1, 0, NULL);

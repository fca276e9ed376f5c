-- Links without an index of their own: a tenth of the file. Their rows are saved in the order of random keys, which leaves a third of each
-- page empty; the file is written anew after a first load, when most of it is free anyway.
CREATE TABLE link_2 (key BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO link_2 (key, value) SELECT key, value FROM link ORDER BY key;
DROP TABLE link;
ALTER TABLE link_2 RENAME TO link;
-- Sources by their connection role are no longer kept: roles are renamed rarely, and then all sources are looked through.
DELETE FROM role_source_index WHERE key >= x'03' AND key < x'04';

-- People with whom something has just happened, who go before all others whose fields are due.
CREATE TABLE msi_urgent (key BLOB PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;

// The database, step by step: a step is never changed once released, only followed by another.
// Times are nanoseconds since 1970; labels, annotations and extensions are JSON.

/** What brings version n of the schema to version n + 1. */
export const migrations: readonly string[] = [
  `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE namespaces (name TEXT PRIMARY KEY, labels TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE containers (
    namespace TEXT NOT NULL, id TEXT NOT NULL, labels TEXT NOT NULL, image TEXT NOT NULL,
    runtime TEXT NOT NULL, options_type TEXT, options BLOB, spec_type TEXT, spec BLOB,
    snapshotter TEXT NOT NULL, snapshot_key TEXT NOT NULL, sandbox TEXT NOT NULL, extensions TEXT NOT NULL,
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
    PRIMARY KEY (namespace, id)
  );
  CREATE TABLE images (
    namespace TEXT NOT NULL, name TEXT NOT NULL, labels TEXT NOT NULL,
    media_type TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL, annotations TEXT NOT NULL,
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
    PRIMARY KEY (namespace, name)
  );
  -- Files on disk, whoever may see them. boot: the boot that wrote the file; suspect: to be verified before use.
  CREATE TABLE blobs (
    digest TEXT PRIMARY KEY, size INTEGER NOT NULL, boot TEXT NOT NULL, suspect INTEGER NOT NULL DEFAULT 0
  ) WITHOUT ROWID;
  CREATE INDEX blobs_suspect ON blobs (suspect) WHERE suspect = 1;
  CREATE TABLE content (
    namespace TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL, labels TEXT NOT NULL,
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
    PRIMARY KEY (namespace, digest)
  );
  CREATE INDEX content_digest ON content (digest);
  -- expire_at: NULL where a lease decides.
  CREATE TABLE ingests (
    namespace TEXT NOT NULL, ref TEXT NOT NULL, expected TEXT NOT NULL, total INTEGER NOT NULL,
    started_at INTEGER NOT NULL, expire_at INTEGER,
    PRIMARY KEY (namespace, ref)
  );
  -- id names the directory and is never used twice.
  CREATE TABLE snapshots (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    namespace TEXT NOT NULL, snapshotter TEXT NOT NULL, name TEXT NOT NULL, parent INTEGER,
    kind TEXT NOT NULL, labels TEXT NOT NULL, size INTEGER NOT NULL DEFAULT 0, inodes INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
    UNIQUE (namespace, snapshotter, name)
  );
  CREATE INDEX snapshots_parent ON snapshots (parent);
  CREATE TABLE leases (
    namespace TEXT NOT NULL, id TEXT NOT NULL, labels TEXT NOT NULL, created_at INTEGER NOT NULL,
    PRIMARY KEY (namespace, id)
  );
  CREATE TABLE lease_resources (
    namespace TEXT NOT NULL, lease TEXT NOT NULL, type TEXT NOT NULL, id TEXT NOT NULL,
    PRIMARY KEY (namespace, lease, type, id)
  ) WITHOUT ROWID;
  `,
  // Times were milliseconds, which lie before the request that they are of.
  `
  UPDATE containers SET created_at = created_at * 1000000, updated_at = updated_at * 1000000;
  UPDATE images SET created_at = created_at * 1000000, updated_at = updated_at * 1000000;
  UPDATE content SET created_at = created_at * 1000000, updated_at = updated_at * 1000000;
  UPDATE ingests SET started_at = started_at * 1000000, expire_at = expire_at * 1000000;
  UPDATE snapshots SET created_at = created_at * 1000000, updated_at = updated_at * 1000000;
  UPDATE leases SET created_at = created_at * 1000000;
  `,
  `
  -- Files and directories below the root whose records a transaction has deleted and that are to be deleted after it.
  CREATE TABLE removals (path TEXT PRIMARY KEY) WITHOUT ROWID;
  `,
  // How a container's last task ended, for as long as it has no other. at: 0 where nobody saw the end.
  `
  CREATE TABLE exits (
    namespace TEXT NOT NULL, container TEXT NOT NULL,
    pid INTEGER NOT NULL, status INTEGER NOT NULL, at INTEGER NOT NULL, out_of_memory INTEGER NOT NULL,
    PRIMARY KEY (namespace, container)
  ) WITHOUT ROWID;
  CREATE TRIGGER exits_of_removed AFTER DELETE ON containers BEGIN
    DELETE FROM exits WHERE namespace = OLD.namespace AND container = OLD.id;
  END;
  `,
  // What a container is in the middle of: a kill leaves it for the next start to finish.
  `
  CREATE TABLE unfinished (
    namespace TEXT NOT NULL, id TEXT NOT NULL, step TEXT NOT NULL,
    PRIMARY KEY (namespace, id)
  ) WITHOUT ROWID;
  `,
  // Why nobody is given the blob's file; NULL if nothing is known against it.
  "ALTER TABLE blobs ADD COLUMN damage TEXT;",
];

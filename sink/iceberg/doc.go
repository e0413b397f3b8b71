// Package iceberg is the sink that writes Apache Iceberg tables, through iceberg-go's catalogs and file systems.
//
// Each commit of a table is one snapshot. It carries the Mark in its summary and, in the same commit of the catalog, in
// the table's properties, so that a restart finds it even after the snapshot has expired:
//
//	rows -> pending batches -> Parquet data files       --+
//	          | collapse by key                           +-> one snapshot, pinned to the branch's head
//	          +-> equality and position delete files -----+
//
// Updates are merge-on-read. Within a commit at most one row of each key stays alive: while rows are pending the
// superseded one is dropped; once written, its position goes into a position delete file. Older snapshots' rows are
// deleted by equality of the key.
//
// A table belongs to one pipeline, which its property cdcsync.pipeline names.
package iceberg

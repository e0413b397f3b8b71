// Package clickhouse is the sink that writes ClickHouse tables.
//
// A table with a key becomes a ReplacingMergeTree: each change is a row whose version is its place in the log, and a
// deleted row is a tombstone. Reading with FINAL, or the view that can be had beside the table, shows the rows as they are
// at the source. Writing a stretch of the log again writes the same rows with the same versions, so nothing is ever
// there twice. A table without a key, or of append mode, becomes a MergeTree that has every change as a row of its own.
//
//	row.Batch -> encoder: one buffer per column, in wire form -> one Native block -> INSERT, by HTTP or the native protocol
//
// A block is inserted whole or not at all, under a token by which the server knows it again when its reply was lost.
package clickhouse

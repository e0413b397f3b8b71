// Package binlog reads the binary log of MySQL and MariaDB as a stream of typed row batches and schema changes.
//
//	connection -> packets -> events -> transactions -> source.Event
//	                           |
//	                           +-- table map + shape -> plan: how to decode each column of a row image
//
// It owns positions and GTID sets, the checks of what the server sends (checksums, table maps), and the decoding of row
// images. It does not read tables: package source/mysql does, and makes the views of this package from what it measures.
package binlog

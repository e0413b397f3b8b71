// Package kafka is the sink that writes Kafka topics, through franz-go's transactional producer.
//
// One commit is one Kafka transaction. It holds the records of the rows and, in a compacted topic of one partition, the
// Mark of each table, so a consumer with read_committed sees rows and a restart finds Marks that fit:
//
//	rows -> records in slabs -> producer --+
//	          | held while the previous    +-> one Kafka transaction -> topics
//	          | transaction commits        |
//	marks ---------------------------------+----------------------> cdcsync.PIPELINE.positions
//
// A run begins by fencing: asking for a producer id ends what an older run has left open, and refuses all it still sends.
// Only then are the Marks read. After any outcome that is not known the client is closed, and the engine begins another
// run, which fences, reads, and so knows.
//
// What is in a record is the business of package format.
package kafka

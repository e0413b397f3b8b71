// Package sinktest has the conformance suite that every sink passes, and Memory, an honest sink in memory that fails when
// told to.
package sinktest

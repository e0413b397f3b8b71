// Package fault owns the named crash points of the product: places where a test may kill the process or make an
// operation fail, to prove that whatever comes after is repeated or mended.
//
// In ordinary builds every function is empty and inlined away. In builds with the tag `fault` two environment
// variables steer them:
//
//	CDCSYNC_FAULT      comma-separated actions. NAME:N kills the process with SIGKILL at the N-th hit of the point,
//	                   counted from 1; NAME:N:error makes [Error] return an error at the N-th hit. A point in a
//	                   NAME:N:error action is counted by [Error] alone, one in a NAME:N action by both functions.
//	CDCSYNC_FAULT_LOG  a file that gets the name of each point once, when the process first passes it, so that a
//	                   test can tell which points its workload reaches at all.
//
// Names are PACKAGE.MOMENT, for instance "iceberg.committed". The package imports nothing of ours, so that any
// package may call it.
package fault

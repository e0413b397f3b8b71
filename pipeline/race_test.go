//go:build race

package pipeline

// racing: the race detector makes pools forget at random.
const racing = true

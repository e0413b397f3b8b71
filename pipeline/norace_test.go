//go:build !race

package pipeline

const racing = false

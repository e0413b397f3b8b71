package config

import "fmt"

// Nearest returns the candidate that a mistyped word most likely means, or "" when none is near.
func Nearest(word string, candidates []string) string {
	most := max(2, len(word)/3)
	if len(word) <= 4 {
		most = 1 // of four letters two are half the word
	}
	best, least := "", most+1
	for _, c := range candidates {
		if d := distance(word, c); d < least {
			best, least = c, d
		}
	}
	return best
}

// distance is the number of single edits (insert, delete, replace, swap of neighbours) from a to b.
func distance(a, b string) int {
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next[j+1] = min(row[j]+cost, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}

// unknown words the message for a name that is not known.
func unknown(kind, name string, known []string) string {
	if near := Nearest(name, known); near != "" {
		return fmt.Sprintf("unknown %s; did you mean %s?", kind, near)
	}
	return "unknown " + kind
}

// Package nearest finds the known name somebody probably meant.
package nearest

import "strings"

// Name returns the one of known that is closest to name by letters added, left
// out or exchanged, ignoring case; empty when none is close enough to be a
// guess worth printing.
func Name(name string, known []string) string {
	name = strings.ToLower(name)
	best, limit := "", max(1, len(name)/3)
	for _, k := range known {
		if abs(len(k)-len(name)) > limit {
			continue
		}
		if d := distance(name, strings.ToLower(k)); d <= limit {
			best, limit = k, d-1
		}
	}
	return best
}

func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

func abs(n int) int { return max(n, -n) }

package problem

import "github.com/roomcast/roomcast/tasks"

// Statuses is the table of codes that are answers.
func Statuses() map[tasks.Code]int {
	all := map[tasks.Code]int{}
	for code, e := range table {
		all[code] = e.status
	}
	return all
}

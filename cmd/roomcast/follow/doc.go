// Package follow watches one push until it has ended, or all of them, and shows how
// they go: drawn anew on a terminal, a line a change elsewhere, or as JSON.
package follow

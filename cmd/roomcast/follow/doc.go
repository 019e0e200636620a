// Package follow watches a push until it has ended and shows how it goes: as a
// bar on a terminal, as plain lines elsewhere.
package follow

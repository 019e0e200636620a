// Package retry says how long to wait before something is tried again, and when to give
// up. Kinds of errors come in, and the news that packets flow; waits go out. Source, room
// and a name in use each have patience of their own. It never tries anything itself.
package retry

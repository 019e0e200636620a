// Package program decides what is on air. Packets of one input after another come in (a
// repeated file, a source that came back); two tracks of packets with the room's times go
// out, each of them copied, re-encoded or filled. The plan, with its reason for each
// track, is made here, and a source that failed is opened again here. It never opens a
// room, never waits for one, and never waits for a packet's time.
//
// Read Program.Next from top to bottom in program.go; the parts that it asks have a file
// each.
package program

// Package input is one opened source that is being read. An address comes in, by way of
// a media.Opener; a queue of packets goes out, with the times of the source. It looks at
// the first second (the probe), ends where the part to be played ends (the trim), and
// leaves out what is damaged. When its source fails it says so: it never opens a source
// again, and never decides what the room gets.
package input

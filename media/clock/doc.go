// Package clock gives packets the times of a room and says when each is due. Packets
// with the times of a source come in, with jumps, wraps and tracks that lie apart.
// Packets in one order and with one rising clock go out: the restamper moves them, the
// aligner and the interleaver order them, the pacer waits for them. It never looks into
// a packet's bytes and knows neither where one comes from nor where it goes.
package clock

// Package libav opens sources with FFmpeg's libraries: it is the only package
// that uses cgo. Most of it goes through go-astiav; what go-astiav cannot do
// (one call per packet, a log that neither leaks nor blocks, a bound on what a
// source may cost) is a few lines of C of our own: demux.c, log.c and budget.c.
// libav is given bytes, never an address: the FFmpeg that is linked could not open
// one (scripts/ffmpeg-options).
//
// How a packet comes out of ReadPacket is told at Source (source.go); each of its
// parts has a file of its name. How one becomes another is told at transcoder
// (transcode.go): decoder, stage, encoder.
//
// Ownership: a Source's container owns format context, packet, interrupter and Way and
// frees them once, in Close. Nothing of libav's memory leaves this package:
// packet data is copied into Go.
package libav

// Package mediatest is what media tests share: sample clips made by Debian's
// ffmpeg program, a file server, a prober, a decoder, a private nginx with its
// RTMP module and ffmpeg as a foreign publisher. It is imported by tests alone.
// What is missing on the machine fails a test; nothing is skipped.
package mediatest

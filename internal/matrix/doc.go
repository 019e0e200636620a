// Package matrix pushes every sample of mediatest's corpus, read by libav, into
// rooms, and judges what these got. It holds tests alone.
package matrix

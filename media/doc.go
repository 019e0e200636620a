// Package media plays one source into one room: it reads packets, decides what
// the room can take, gives them new timestamps, paces them against the clock
// and hands them to a publisher. It is pure Go; libav, RTMP, TRTC and the way
// out to a source are adapters in sub-packages.
package media

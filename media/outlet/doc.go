// Package outlet is one room being fed. Packets with the room's times come in; they go out
// to a media.Sink, from a keyframe on, with whole milliseconds that rise and with the
// decoder configuration that the room lacks. It opens the room again after what that can
// help. It never asks where a packet is from, and never changes what is in it.
package outlet

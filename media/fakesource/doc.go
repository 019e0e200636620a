// Package fakesource is a made-up source for tests: pictures at 25 a second, a keyframe
// each second, and sound. A length and faults to make come in; packets go out as fast as
// they are read. It needs no file, no network and no libav, and no program links it.
package fakesource

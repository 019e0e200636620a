// Package bitstream knows what is inside packets of H.264 and AAC: avcC and Annex B,
// parameter sets, slices, ADTS headers and AudioSpecificConfigs. A packet or a
// decoder configuration comes in; a packet in FLV's form, or what was read from it
// (size, profile, B-frames, damage), goes out. It decodes no picture and no sound,
// opens nothing and waits for nothing.
package bitstream

// Package rtmp publishes H.264 and AAC over RTMP and RTMPS. The handshake, the
// command messages and the reading of chunks are gortmplib's; the flow, the
// deadlines, the meaning of what a room answers and the chunks of media are
// ours, so that every call ends with its context, every refusal keeps the
// room's own words, and a packet costs one write.
//
// Sections named in comments are of Adobe's RTMP specification 1.0 and of the
// FLV specification 10.1, annex E.
package rtmp

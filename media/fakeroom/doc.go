// Package fakeroom is a stand-in for TRTC's RTMP door: it verifies UserSigs,
// takes string rooms only, kicks the first publisher when a second one comes
// with the same user, cuts streams the real room would cut, counts and
// timestamps what it receives and keeps the last seconds of it. On demand it
// misbehaves (see Fault). Tests and benches use it in-process and the demo runs
// it; it is never part of a deployment.
//
// It checks independently: of this module it imports the words of package media
// and nothing else.
package fakeroom

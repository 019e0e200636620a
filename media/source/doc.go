// Package source fetches sources for media/libav, which sees their bytes and never
// an address: http and https files over ranges (file), transport streams over SRT
// (srt). Of RTMP (rtmp, flv) and RTSP (rtsp, rtp) it makes the packets itself. All
// connections are a Network's to make.
package source

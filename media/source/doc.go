// Package source opens sources. media/libav sees their bytes and never an address:
// http and https files over ranges (file), playlists (hls), transport streams over
// SRT (srt). Of RTMP (rtmp, flv) and RTSP (rtsp, rtp) it makes the packets itself.
// All connections are a Network's to make.
package source

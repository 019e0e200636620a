// Package hls plays HLS (RFC 8216): it reads playlists, fetches what they name, and
// gives it to a Demuxer as rows of bytes, each as long as the stream goes on without
// a break. All connections are those of the client it is given.
package hls

// Package source fetches sources for media/libav, which sees their bytes and never
// an address: http and https files over ranges (file). All connections are a
// Network's to make.
package source

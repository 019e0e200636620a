package media

// One AAC-LC frame of silence, 1024 samples at 48 kHz in stereo, and its
// AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1 and 4.4.2.1).
var (
	silentConfig = []byte{0x11, 0x90}
	silentFrame  = []byte{0x21, 0x10, 0x04, 0x60, 0x8c, 0x1c}
)

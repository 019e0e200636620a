package bitstream

import (
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"

	"github.com/roomcast/roomcast/media"
)

// DescribeH264 is the track that an avcC tells of. It is false where that does not
// tell all: of what cannot be read, and of pictures that may be of two fields.
func DescribeH264(avcc []byte) (media.Track, bool) {
	sps, known := spsOf(avcc)
	t := media.Track{
		Type: media.Video, Codec: media.H264, Extradata: avcc,
		Profile: profileOf(sps), PixelFormat: pixelFormatOf(sps),
		Width: sps.Width(), Height: sps.Height(), Display: media.Display{Pixels: pixelsOf(sps)}, HDR: IsHDR(TransferH264(avcc)),
	}
	const most = 1000 // beyond it is nonsense
	if fps := sps.FPS(); fps > 0 && fps <= most {
		t.FPS = fps
	}
	return t, known && isAVCC(avcc) && sps.FrameMbsOnlyFlag && t.PixelFormat != "" && t.Width > 0 && t.Height > 0
}

// TransferH264 is the transfer function of an avcC's pictures (ITU-T H.264, table
// E-4), 0 where it is not told.
func TransferH264(avcc []byte) int {
	sps, _ := spsOf(avcc)
	if sps.VUI == nil || !sps.VUI.ColourDescriptionPresentFlag {
		return 0
	}
	return int(sps.VUI.TransferCharacteristics)
}

// AVCC is H.264's decoder configuration as an avcC: itself, or made of parameter
// sets with start codes. It is nil where there is none.
func AVCC(extradata []byte) []byte {
	if isAVCC(extradata) {
		return extradata
	}
	var c annexB
	if _, err := c.Conform(extradata); err != nil {
		return nil
	}
	return c.Config()
}

// IsHDR says that a transfer function is PQ or HLG (ITU-T H.273, table 3).
func IsHDR(transfer int) bool {
	const pq, hlg = 16, 18
	return transfer == pq || transfer == hlg
}

// profileOf is a profile's name (ITU-T H.264, A.2), empty for a rare one.
func profileOf(sps h264.SPS) string {
	switch sps.ProfileIdc {
	case 66:
		if sps.ConstraintSet1Flag {
			return "Constrained Baseline"
		}
		return "Baseline"
	case 77:
		return "Main"
	case 88:
		return "Extended"
	case 100:
		return "High"
	case 110:
		return "High 10"
	case 122:
		return "High 4:2:2"
	case 244:
		return "High 4:4:4 Predictive"
	}
	return ""
}

// pixelFormatOf is FFmpeg's name, empty for what is rare.
func pixelFormatOf(sps h264.SPS) string {
	name, chroma := "", sps.ChromaFormatIdc
	switch sps.ProfileIdc { // of the others it is not told (7.4.2.1.1)
	case 66, 77, 88:
		chroma = 1
	}
	switch chroma {
	case 1:
		name = "yuv420p"
	case 2:
		name = "yuv422p"
	case 3:
		name = "yuv444p"
	default:
		return ""
	}
	full := sps.VUI != nil && sps.VUI.VideoSignalTypePresentFlag && sps.VUI.VideoFullRangeFlag
	switch {
	case sps.BitDepthLumaMinus8 != sps.BitDepthChromaMinus8 || sps.BitDepthLumaMinus8 > 2:
		return ""
	case sps.BitDepthLumaMinus8 == 2:
		return name + "10le"
	case sps.BitDepthLumaMinus8 != 0:
		return ""
	case full:
		return "yuvj" + name[len("yuv"):]
	}
	return name
}

// mostImplicit is the highest rate of AAC that may have spectral band replication
// that only the sound tells of (ISO/IEC 14496-3, 1.6.5).
const mostImplicit = 24_000

// DescribeAAC is the track that an AudioSpecificConfig tells of, and how long a
// packet of it lasts. It is false where only the sound tells all.
func DescribeAAC(config []byte) (t media.Track, packet time.Duration, sure bool) {
	var asc mpeg4audio.AudioSpecificConfig
	if asc.Unmarshal(config) != nil || asc.SampleRate <= 0 || asc.Type != mpeg4audio.ObjectTypeAACLC {
		return media.Track{}, 0, false
	}
	samples := 1024
	if asc.FrameLengthFlag {
		samples = 960
	}
	t = media.Track{Type: media.Audio, Codec: media.AAC, Extradata: config, Profile: "LC", SampleRate: asc.SampleRate, Channels: int(asc.ChannelConfig)}
	const eight = 7 // the configuration of 7.1 (table 1.19)
	if t.Channels == eight {
		t.Channels = eight + 1
	}
	rate := time.Duration(asc.SampleRate)
	packet = (time.Duration(samples)*time.Second + rate/2) / rate // as libav rounds it
	switch {
	case asc.ExtensionType != 0 && asc.ExtensionSampleRate > 0:
		t.SampleRate, t.Profile = asc.ExtensionSampleRate, ProfileHE
		if asc.ExtensionType == mpeg4audio.ObjectTypePS {
			t.Channels, t.Profile = 2, "HE-AACv2"
		}
	case extended(config) || asc.SampleRate <= mostImplicit:
		return t, packet, false
	}
	return t, packet, t.Channels > 0
}

// DescribeADTS is DescribeAAC by a frame's own header (ISO/IEC 13818-7, 6.2). The
// track has no Extradata.
func DescribeADTS(frame []byte) (media.Track, time.Duration, bool) {
	var c adts
	if _, err := c.Conform(frame); err != nil {
		return media.Track{}, 0, false
	}
	t, packet, sure := DescribeAAC(c.asc)
	t.Extradata = nil
	return t, packet, sure
}

package libav

import (
	"bytes"
	"slices"

	"github.com/roomcast/roomcast/media"
)

// roles says which stream plays the program's picture and which its sound. These two
// are the tracks that a Source tells of, not the streams: a stream that comes later
// takes the part of one that has ended, or that was never there. Streams have libav's
// indices.
type roles struct {
	video, audio int           // -1 for none
	index        map[int]int   // a stream's to its track's
	tracks       []media.Track // as they are by now
	configs      [][]byte      // each track's present decoder configuration
}

// add gives a part that nobody has to a stream.
func (r *roles) add(m media.MediaType, stream int, t media.Track) {
	r.play(m, stream)
	r.index[stream] = len(r.tracks)
	r.tracks = append(r.tracks, t)
	r.configs = append(r.configs, t.Extradata)
}

func (r *roles) play(m media.MediaType, stream int) {
	if m == media.Video {
		r.video = stream
	} else {
		r.audio = stream
	}
}

// take gives a part to another stream.
func (r *roles) take(m media.MediaType, stream int, t media.Track) {
	role, before := r.of(m), r.playing(m)
	if r.index[before] == role { // else it plays the other part by now
		delete(r.index, before)
	}
	if role == len(r.tracks) {
		r.add(m, stream, t)
		return
	}
	r.play(m, stream)
	r.index[stream] = role
	r.change(role, t)
	r.configs[role] = t.Extradata
}

// change says what a track has become.
func (r *roles) change(track int, t media.Track) {
	r.tracks = slices.Clone(r.tracks) // the one before was given away
	r.tracks[track] = t
}

// expect makes those of the tracks known that there are not yet. There are no others.
func (r *roles) expect(tracks []media.Track) {
	var all []media.Track
	var configs [][]byte
	for _, t := range tracks {
		config := t.Extradata
		if i := r.of(t.Type); i < len(r.tracks) {
			t, config = r.tracks[i], r.configs[i]
		}
		all, configs = append(all, t), append(configs, config)
	}
	r.tracks, r.configs = all, configs
	for _, m := range []media.MediaType{media.Video, media.Audio} {
		if stream := r.playing(m); stream >= 0 {
			r.index[stream] = r.of(m)
		}
	}
}

// playing returns the stream that plays a part, -1 for none.
func (r *roles) playing(m media.MediaType) int {
	if m == media.Video {
		return r.video
	}
	return r.audio
}

// leading is the stream of the video, or of the audio where there is none.
func (r *roles) leading() int {
	if r.video >= 0 {
		return r.video
	}
	return r.audio
}

// of is a type's track; one that there is none of comes behind them.
func (r *roles) of(m media.MediaType) int {
	i := slices.IndexFunc(r.tracks, func(t media.Track) bool { return t.Type == m })
	if i < 0 {
		return len(r.tracks)
	}
	return i
}

// has says whether there is a track of a type, or will be.
func (r *roles) has(m media.MediaType) bool { return r.of(m) < len(r.tracks) }

// typeOf is of a packet's track.
func (r *roles) typeOf(p media.Packet) media.MediaType { return r.tracks[p.Track].Type }

// changed returns a decoder configuration unless it is the track's present one:
// FLV senders repeat theirs.
func (r *roles) changed(track int, config []byte) []byte {
	if bytes.Equal(config, r.configs[track]) {
		return nil
	}
	r.configs[track] = config
	return config
}

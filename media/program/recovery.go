package program

import (
	"fmt"
	"slices"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/input"
	"github.com/roomcast/roomcast/media/retry"
)

// recovery decides whether a source that failed is opened again, and when.
type recovery struct {
	*Config
	progress *progress
	retries  *retry.Retries
	at       time.Time // when the source may be opened again
	source   sourceFacts
}

// sourceFacts are what a program needs to know of an opened source; they are the same
// in all its plays.
type sourceFacts struct {
	input.Kind
	known   bool // it was there once
	garbled bool // it has been no media where it was before
}

// failed notes that the source failed with err; nil says that it is to be opened again.
func (r *recovery) failed(err error) error {
	err = r.judge(err)
	pause, again := r.retries.Next(media.KindOf(err))
	if !again {
		return err
	}
	r.at = time.Now().Add(pause)
	r.Meter.Reconnected()
	r.Observer.Reconnecting(err, pause, r.retries.Until(media.KindOf(err)))
	return nil
}

// judge is err, but for a source that was there before: it may come back under
// the same address, so it is not gone for good, nor are its name and its
// certificate. Nor is a live source that has played and gives something else now, or
// nothing: what it was let in by may have run out, and be good again when it is asked anew.
func (r *recovery) judge(err error) error {
	played := r.source.Live && (r.WasLive || r.progress.sentAny)
	switch kind := media.KindOf(err); {
	case (kind == media.KindSourceNotFound || kind == media.KindSourceHost || kind == media.KindSourceTLS) && r.source.known,
		(kind == media.KindSourceUnauthorized || kind == media.KindSourceGone) && played:
		return &media.Error{Kind: media.KindSourceUnavailable, Op: "open source again", Err: err}
	case (kind == media.KindSourceInvalid || kind == media.KindSourceNoTrack) && played:
		r.source.garbled = true
		return &media.Error{Kind: media.KindSourceUnavailable, Op: "read source", Err: err}
	default:
		return err
	}
}

// accept takes note of a source that was opened. Its error says that it cannot be gone on
// with; then it is closed.
func (r *recovery) accept(o openedInput) error {
	if o.err != nil && r.source.Live {
		return away(o.err)
	}
	if o.err != nil {
		return o.err
	}
	f := o.input
	if r.source.Live && !f.Live {
		f.Close()
		return errNowRecorded
	}
	if !r.source.known {
		r.warnOfParts(f)
		r.warnOfSpeed(f)
		r.warnOfCodecs(f)
	}
	r.source.Kind, r.source.known = f.Kind, true
	r.progress.opened(f.Info.Duration)
	return nil
}

// works notes that an input can be played. A file may break at the same place again and
// again, a playlist of which nothing more comes offers its last segments, and some servers
// the last pictures of a sender that is away. One that was no media may be so again.
func (r *recovery) works(o openedInput) {
	if f := o.input; f.Live && !f.Bursty && !o.probe.Ended && !r.source.garbled {
		r.retries.Works(retry.SourceSide)
	}
}

// away is err, but for a live source that gave nothing when it was opened
// again: while its sender is away a server may answer with a stream that is
// empty.
func away(err error) error {
	if kind := media.KindOf(err); kind == media.KindSourceInvalid || kind == media.KindSourceNoTrack {
		return &media.Error{Kind: media.KindSourceUnavailable, Op: "open source again", Err: err}
	}
	return err
}

// errNowRecorded is a live playlist that has got its end: opened anew, it would
// play from its beginning.
var errNowRecorded = &media.Error{Kind: media.KindSourceEnded, Op: "open source", Err: media.Because("its recording is in its place now", nil)}

// warnOfSpeed tells that parts of the source are not played as it says.
func (r *recovery) warnOfSpeed(f *input.Input) {
	if f.Info.Retimed {
		r.Observer.Warned(media.WarnEditSpeed, "the source's edit list has parts that are to be played faster, slower or as a standing picture: "+
			"they are played at the speed they were recorded at; to have them as edited, export the video anew")
	}
}

// warnOfCodecs tells of a picture or a sound that is missing because nothing
// here decodes it, or because it is scrambled.
func (r *recovery) warnOfCodecs(f *input.Input) {
	for _, s := range f.Info.Streams {
		played := func(t media.Track) bool { return t.Type.String() == s.Type }
		switch missing := !slices.ContainsFunc(f.Info.Tracks, played); {
		case missing && s.NoDecoder:
			r.Observer.Warned(media.WarnNoDecoder, noDecoder(s))
			return
		case missing && s.LeftOut == media.LeftScrambled:
			r.Observer.Warned(media.WarnLeftOut, fmt.Sprintf("the source's %s is left out: it is scrambled; record it descrambled", s.Type))
			return
		}
	}
}

// warnOfParts tells that a source turned out to be live of which a part,
// or more plays than one, were asked for.
func (r *recovery) warnOfParts(f *input.Input) {
	o := r.Options
	asked := o.StartAt > 0 || o.EndAt > 0 || !o.PlaysOnce()
	switch {
	case f.Live && asked:
		r.Observer.Warned(media.WarnLiveNoParts, "the source is live: it is played from now on, without regard to startAtMs, endAtMs and repeat")
	case !f.Seeks && o.StartAt > 0:
		r.Observer.Warned(media.WarnLiveNoParts, "the source cannot go to a position: it is played from where it begins, without regard to startAtMs")
	}
}

func noDecoder(s media.Stream) string {
	return fmt.Sprintf("the source's %s is left out: its codec %s cannot be decoded by this build; convert it to H.264 and AAC, or to another codec that is played", s.Type, s.Codec)
}

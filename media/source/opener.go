package source

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/source/hls"
)

// Network makes the connections to sources.
type Network interface {
	// Client returns what fetches r's source over http and https, and all that it
	// leads to. Its errors, and those of the requests, wrap *media.Error.
	Client(r media.SourceRequest) (*http.Client, error)
	// Dial connects to r's source, over TLS where its scheme says so. ctx bounds
	// the call. Its errors wrap *media.Error, or ctx's.
	Dial(ctx context.Context, r media.SourceRequest) (net.Conn, error)
}

// Opener opens sources.
type Opener struct {
	Network Network
	Demuxer hls.Demuxer
	// Silence is for how long a source may send nothing; 0 means 30 s.
	Silence time.Duration
	// Log is for sources whose request names none; nil: slog's default.
	Log *slog.Logger

	stood hls.Stood
}

var _ media.Opener = (*Opener)(nil)

const defaultSilence = 30 * time.Second

// Open opens a source. ctx bounds its life.
func (o *Opener) Open(ctx context.Context, r media.SourceRequest) (media.Source, error) {
	if live, ok := liveGates[schemeOf(r.URL.Reveal())]; ok {
		return o.openLive(ctx, r, live)
	}
	client, err := o.Network.Client(r)
	if err != nil {
		return nil, err
	}
	silence := cmp.Or(o.Silence, defaultSilence)
	r.ProbeTimeout = cmp.Or(r.ProbeTimeout, silence)
	g := &fileGate{client: client, silence: silence}
	s, err := o.Demuxer.Demux(ctx, r, g)
	list, is := errors.AsType[*playlist](err)
	if !is {
		if err != nil {
			client.CloseIdleConnections()
		}
		return s, err
	}
	return o.openPlaylist(ctx, r, g, list.Playlist)
}

func (o *Opener) openPlaylist(ctx context.Context, r media.SourceRequest, g *fileGate, p hls.Playlist) (media.Source, error) {
	s, err := hls.Open(ctx, hls.Config{
		Client: g.client, Demuxer: o.Demuxer, Silence: g.silence, Stood: &o.stood, Log: cmp.Or(o.Log, slog.Default()),
		Explain: func(answer *http.Response) error { return statusError(answer, r) },
	}, r, p)
	if err != nil {
		g.client.CloseIdleConnections()
		return nil, err
	}
	return s, nil
}

// liveOpener opens a live source. ctx bounds its life.
type liveOpener func(ctx context.Context, n Network, r media.SourceRequest) (media.Way, error)

// liveGates open live sources, by scheme.
var liveGates = map[string]liveOpener{
	"rtmp": openRTMP, "rtmps": openRTMP, "srt": openSRT, "rtsp": openRTSP, "rtsps": openRTSP,
}

func schemeOf(address string) string {
	scheme, _, _ := strings.Cut(address, "://")
	return strings.ToLower(scheme)
}

// fileGate opens what is one file. Its error is a *playlist for what is none.
type fileGate struct {
	client  *http.Client
	silence time.Duration
}

// Open asks for the first byte of a file. ctx bounds the life of the Way.
func (g *fileGate) Open(ctx context.Context, r media.SourceRequest) (media.Way, error) {
	f := newFile(ctx, g.client, r)
	f.silence = g.silence
	if err := f.begin(); err != nil {
		f.cancel()
		return media.Way{}, err
	}
	return media.Way{URL: r.URL, Bytes: f, Onward: func() { f.onward = true }, Refusal: f.refusal, Found: f.begins.words, Close: f.close}, nil
}

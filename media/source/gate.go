package source

import (
	"context"
	"errors"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/roomcast/roomcast/media"
)

// Network makes the connections to sources.
type Network interface {
	// Client returns what fetches r's source over http and https, and all that it
	// leads to. Its errors, and those of the requests, wrap *media.Error.
	Client(r media.SourceRequest) (*http.Client, error)
}

// Gate opens sources: files over http and https as bytes, all others by Rest.
type Gate struct {
	Network Network
	Rest    media.Gate
	// Silence is for how long a source may send nothing; 0 means 30 s.
	Silence time.Duration
}

var _ media.Gate = (*Gate)(nil)

const defaultSilence = 30 * time.Second

// Open asks for the first byte of a file. ctx bounds the life of the Way.
func (g *Gate) Open(ctx context.Context, r media.SourceRequest) (media.Way, error) {
	if !mayBeFile(r.URL.Reveal()) {
		return g.Rest.Open(ctx, r)
	}
	client, err := g.Network.Client(r)
	if err != nil {
		return media.Way{}, err
	}
	f := newFile(ctx, client, r)
	f.silence = defaultSilence
	if g.Silence > 0 {
		f.silence = g.Silence
	}
	err = f.begin()
	if err == nil {
		return media.Way{URL: r.URL, Bytes: f, Refusal: f.refusal, Found: f.words, Close: f.close}, nil
	}
	f.close()
	if errors.Is(err, errPlaylist) {
		return g.Rest.Open(ctx, r)
	}
	return media.Way{}, err
}

// mayBeFile says whether an address may be of a file, not of a playlist.
func mayBeFile(address string) bool {
	scheme, rest, _ := strings.Cut(address, "://")
	if !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return false
	}
	rest, _, _ = strings.Cut(rest, "#")
	rest, _, _ = strings.Cut(rest, "?")
	ending := strings.ToLower(path.Ext(rest))
	return ending != ".m3u8" && ending != ".m3u" && ending != ".hls"
}

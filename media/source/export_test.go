package source

import (
	"context"

	"github.com/roomcast/roomcast/media"
)

// LiveGate is what an Opener opens live sources by.
func LiveGate(n Network) media.Gate { return anyLive{n} }

type anyLive struct{ network Network }

func (g anyLive) Open(ctx context.Context, r media.SourceRequest) (media.Way, error) {
	return liveGates[schemeOf(r.URL.Reveal())](ctx, g.network, r)
}

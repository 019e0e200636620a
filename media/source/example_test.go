package source_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/egress"
	"github.com/roomcast/roomcast/media/source"
)

// header is a demuxer that reads the first bytes of a source. A real one is
// media/libav's, or media/host's, which lets libav work in another process.
type header struct{}

func (header) Demux(ctx context.Context, r media.SourceRequest, gate media.Gate) (media.Source, error) {
	way, err := gate.Open(ctx, r)
	if err != nil {
		return nil, err
	}
	defer way.Close()
	first := make([]byte, 8)
	if _, err := io.ReadFull(way.Bytes, first); err != nil {
		return nil, err
	}
	fmt.Printf("%d bytes, seekable: %v, the first are %q\n", way.Bytes.Size(), way.Bytes.Seekable(), first)
	return nil, nil
}

// An opener fetches what an address leads to, over connections that media/egress has
// checked, and gives a demuxer the bytes: it never learns the address.
func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "film.flv", time.Time{}, bytes.NewReader([]byte("FLV\x01\x05\x00\x00\x00\x09and so on")))
	}))
	defer server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	for _, allowed := range [][]string{{server.Listener.Addr().String()}, nil} {
		network, err := egress.New(egress.Config{Allow: allowed})
		if err != nil {
			panic(err)
		}
		opener := &source.Opener{Network: network, Demuxer: header{}}
		_, err = opener.Open(ctx, media.SourceRequest{URL: media.Secret(server.URL + "/film.flv?token=secret")})
		if err != nil {
			fmt.Println("without ROOMCAST_SOURCE_ALLOW:", media.KindOf(err))
		}
	}
	// Output:
	// 18 bytes, seekable: true, the first are "FLV\x01\x05\x00\x00\x00"
	// without ROOMCAST_SOURCE_ALLOW: source_blocked
}

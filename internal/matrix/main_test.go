package matrix

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/roomcast/roomcast/media/host"
	"github.com/roomcast/roomcast/media/libav"
	"go.uber.org/goleak"
)

const hostArgument = "media-host"

// TestMain makes this program its own media host, as a worker is.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == hostArgument {
		fmt.Fprintln(os.Stderr, serveHost())
		os.Exit(1)
	}
	_ = flag.Set("test.parallel", strconv.Itoa(testsAtOnce)) // the command line wins
	goleak.VerifyTestMain(withHosts{m})
}

// withHosts ends the hosts after the tests.
type withHosts struct{ *testing.M }

func (w withHosts) Run() int {
	code := w.M.Run()
	if pool, err := hosts(); err == nil {
		pool.Close()
	}
	return code
}

func serveHost() error {
	return host.Serve(host.SandboxAuto, func() (host.Libav, error) {
		log := slog.New(slog.DiscardHandler)
		return host.Libav{
			Version: libav.Version(), Demuxer: libav.NewOpener(libav.Config{Log: log}),
			Transcoders: libav.NewTranscoders(libav.TranscodeConfig{Log: log}), Pictures: libav.NewPreviews(log), Speeds: libav.NewSpeeds(log),
			Recycle: libav.Recycle, Trim: libav.Trim,
		}, nil
	})
}

// hosts are those of all tests.
var hosts = sync.OnceValues(func() (*host.Pool, error) {
	return host.New(context.Background(), host.Config{Command: []string{os.Args[0], hostArgument}, Log: slog.New(slog.DiscardHandler)})
})

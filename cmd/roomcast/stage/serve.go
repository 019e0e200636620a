package stage

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Files serves the folder dir on addr until ctx ends. ready is told the address
// once it is there.
func Files(ctx context.Context, addr, dir string, ready func(addr string)) error {
	return serve(ctx, addr, http.FileServer(http.Dir(dir)), ready)
}

// serve serves h on addr until ctx ends, and cuts off who still reads then.
func serve(ctx context.Context, addr string, h http.Handler, ready func(addr string)) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	ready(listener.Addr().String())
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

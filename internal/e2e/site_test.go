package e2e

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/hostile"
)

// siteSetting makes this program the server of a farSite.
const siteSetting = "HOSTILE_SITE"

// farSite serves all hostile sources from a process of its own that gives way to the
// others: what a server far away does costs nothing of its clients' machine.
type farSite struct {
	*hostile.Site // whose addresses are the same
	t             testing.TB
	bombs         []hostile.Bomb
	url           string
}

// everyBomb is what a farSite serves.
func everyBomb() []hostile.Bomb { return slices.Concat(hostile.Bombs(), hostile.Servers()) }

func newFarSite(t testing.TB) *farSite {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command("nice", self)
	cmd.Env = append(os.Environ(), siteSetting+"=1")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	address, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	all := everyBomb()
	return &farSite{hostile.NewSite(all), t, all, strings.TrimSpace(address)}
}

// number is that of a bomb in this site.
func (s *farSite) number(b hostile.Bomb) int {
	return slices.IndexFunc(s.bombs, func(o hostile.Bomb) bool { return o.Name == b.Name })
}

// address is where a bomb is.
func (s *farSite) address(b hostile.Bomb) string { return s.url + s.Path(s.number(b)) }

// prepare has the bomb made.
func (s *farSite) prepare(b hostile.Bomb) {
	s.t.Helper()
	answer, err := http.Post(fmt.Sprintf("%s/prepare/%d", s.url, s.number(b)), "", nil)
	require.NoError(s.t, err)
	require.NoError(s.t, answer.Body.Close())
	require.Equal(s.t, http.StatusOK, answer.StatusCode)
}

// serveSite is all that the process of a farSite does.
func serveSite() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	site := hostile.NewSite(everyBomb())
	routes := http.NewServeMux()
	routes.Handle("/", site)
	routes.HandleFunc("POST /prepare/{n}", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.PathValue("n"))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		site.Prepare(n)
	})
	fmt.Println("http://" + l.Addr().String())
	return http.Serve(l, routes) //nolint:gosec // of a test
}

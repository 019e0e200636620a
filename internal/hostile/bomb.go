package hostile

import (
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Bomb is a source that asks for more than one source may have.
type Bomb struct {
	// Name says what it is.
	Name string
	// Worst says that it is among the few a short run tries.
	Worst bool

	file    string // what it ends with, as ".mp4"
	body    func() Body
	endless bool             // it is sent without a length
	gzipped bool             // it is sent as gzip, which it is
	serve   http.HandlerFunc // instead of a body
	path    string           // what stands before file in its address
}

// Bombs returns all there are.
func Bombs() []Bomb {
	return slices.Concat(mp4Bombs(), matroskaBombs(), tsBombs(), flvBombs(), aviBombs(), oggBombs(), soundBombs(), codecBombs(), playlistBombs())
}

// later makes a body of so many when it is wanted, and not before.
func later(body func(many int) func() Body, many int) func() Body {
	return func() Body { return body(many)() }
}

// Site serves Bombs on the host whose root it is put at.
type Site struct {
	bombs  []Bomb
	bodies []func() Body // each made once
}

// NewSite returns a Site of these.
func NewSite(bombs []Bomb) *Site {
	s := &Site{bombs: bombs}
	for _, b := range bombs {
		if b.body == nil {
			b.body = func() Body { return nil }
		}
		s.bodies = append(s.bodies, sync.OnceValue(b.body))
	}
	return s
}

// root is the path that the addresses of bomb n begin with.
func root(n int) string { return "/" + strconv.Itoa(n) + "/" }

// Path returns where bomb n is.
func (s *Site) Path(n int) string { return root(n) + s.bombs[n].path + "a" + s.bombs[n].file }

// Prepare makes what bomb n sends, so that it is not made while somebody waits.
func (s *Site) Prepare(n int) { s.bodies[n]() }

// ServeHTTP answers with the bomb that is asked for, by ranges if it has a length.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	n, err := strconv.Atoi(first)
	if err != nil || n < 0 || n >= len(s.bombs) {
		http.NotFound(w, r)
		return
	}
	b := s.bombs[n]
	switch {
	case b.serve != nil:
		b.serve(w, r)
	case b.gzipped:
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(s.bodies[n]().Bytes())
	case b.endless:
		_, _ = io.Copy(w, &paced{ReadSeeker: s.bodies[n]().Reader()})
	default:
		http.ServeContent(w, r, "a"+b.file, time.Time{}, &paced{ReadSeeker: s.bodies[n]().Reader()})
	}
}

// rate is what a strong line brings, in bytes a second: a bomb costs no more of
// the machine that it is tried on than it would from afar.
const rate = 100_000_000

// paced reads no faster than rate.
type paced struct {
	io.ReadSeeker
	began time.Time
	read  int64
}

func (p *paced) Read(b []byte) (int, error) {
	if p.began.IsZero() {
		p.began = time.Now()
	}
	n, err := p.ReadSeeker.Read(b)
	p.read += int64(n)
	if ahead := time.Duration(p.read)*time.Second/rate - time.Since(p.began); ahead > 10*time.Millisecond {
		<-time.After(ahead)
	}
	return n, err
}

// Package console serves the page: its one HTML file, under every address that
// the page itself knows, and what that file loads. All is embedded; dist is made
// by `make console`.
package console

import (
	"embed"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/web/problem"
)

//go:embed all:dist
var dist embed.FS

// policy lets the page load its own files and talk to its own API, and nothing
// else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// types are the files that the page may load. mime.TypeByExtension would answer
// what the machine has been told.
var types = map[string]string{
	".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".png": "image/png", ".woff2": "font/woff2",
}

// encodings are what files are there compressed by, the smaller first.
var encodings = []struct{ name, suffix string }{{"br", ".br"}, {"gzip", ".gz"}}

// Handler serves /assets/, and the page under every other address.
func Handler() http.Handler {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // the name is a valid one
	}
	return handler(files)
}

func handler(files fs.FS) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		h := w.Header()
		if strings.HasPrefix(name, "assets/") {
			kind := types[path.Ext(name)]
			if kind == "" {
				missing(w)
				return
			}
			h.Set("Content-Type", kind)
			h.Set("Cache-Control", "public, max-age=31536000, immutable") // their names hold a hash
		} else {
			name = "index.html"
			h.Set("Content-Type", "text/html; charset=utf-8")
			h.Set("Cache-Control", "no-store")
			h.Set("Content-Security-Policy", policy)
		}
		serve(w, r, files, name)
	})
}

// serve answers with a file, compressed if it is there so and the client takes it.
func serve(w http.ResponseWriter, r *http.Request, files fs.FS, name string) {
	h := w.Header()
	h.Add("Vary", "Accept-Encoding")
	body, err := fs.ReadFile(files, name)
	if err != nil {
		missing(w)
		return
	}
	accepted := strings.Join(r.Header.Values("Accept-Encoding"), ",")
	for _, e := range encodings {
		if !accepts(accepted, e.name) {
			continue
		}
		if small, err := fs.ReadFile(files, name+e.suffix); err == nil {
			h.Set("Content-Encoding", e.name)
			body = small
			break
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

func missing(w http.ResponseWriter) {
	problem.Write(w, &tasks.Error{Code: problem.CodeNoRoute, Msg: "the page has no file by this name; one that asks for it is of another version: load it anew"})
}

// accepts says whether an Accept-Encoding names an encoding, and not with q=0.
func accepts(header, encoding string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, weight, weighted := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(name), encoding) {
			continue
		}
		_, q, _ := strings.Cut(weight, "=")
		quality, err := strconv.ParseFloat(strings.TrimSpace(q), 64)
		return !weighted || err == nil && quality > 0
	}
	return false
}

package link

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/stretchr/testify/require"
)

// directions are those of toxiproxy: from the process to the server, and back.
var directions = []string{"upstream", "downstream"}

// blackHole is toxiproxy's toxic that swallows.
const blackHole = "timeout"

// Cut ends the traffic without a word, until Heal. It waits for an end that
// reads nothing while there is something for it.
func (l *Link) Cut() {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.cut.Swap(true) {
		l.add(blackHole, nil)
	}
}

// IsCut says whether it is cut.
func (l *Link) IsCut() bool { return l.cut.Load() }

// Heal lets new connections through and resets those of before.
func (l *Link) Heal() {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.cut.Load() {
		return
	}
	l.reset()
	for _, c := range l.conns {
		c.flows.Wait() // a toxic that is removed leaves behind who is about to write to it
	}
	l.remove(blackHole)
	l.cut.Store(false)
}

// Add gives both directions a toxic of toxiproxy's, until Clean; the link is to
// have none of the kind. "bandwidth" has the attribute rate (KB/s), "latency"
// latency and jitter (ms), "slicer" average_size and size_variation (bytes) and
// delay (µs).
func (l *Link) Add(kind string, attributes map[string]int) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(kind, attributes)
	l.added = append(l.added, kind)
}

// Clean removes what Add has added. The connections stay and lose nothing.
func (l *Link) Clean() {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clean()
}

func (l *Link) clean() {
	for _, kind := range l.added {
		l.remove(kind)
	}
	l.added = nil
}

func (l *Link) add(kind string, attributes map[string]int) {
	l.t.Helper()
	for _, direction := range directions {
		toxic, err := json.Marshal(map[string]any{
			"name": kind + direction, "type": kind, "stream": direction, "attributes": attributes,
		})
		require.NoError(l.t, err)
		_, err = l.toxics.AddToxicJson(bytes.NewReader(toxic))
		require.NoError(l.t, err)
	}
}

func (l *Link) remove(kind string) {
	l.t.Helper()
	for _, direction := range directions {
		require.NoError(l.t, l.toxics.RemoveToxic(context.Background(), kind+direction))
	}
}

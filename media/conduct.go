package media

import "sync"

// Conduct is how a push's source has behaved towards the processes that take it
// apart, over all that is opened of it. It may be used from several goroutines; nil is
// that of a source of which nothing is known.
type Conduct struct {
	mu     sync.Mutex
	proven bool
	deaths int // in a row, without getting further
}

// A source is poisoned when it kills this often what takes it apart, without getting
// further. Somebody else may have sent the signal that cannot be caught, so that four
// of those are borne.
const (
	mostDeaths = 2
	Death      = 2 // is to be counted as mostDeaths counts, by Died
	Killing    = 1
)

// Prove notes that the source has been played for a while.
func (c *Conduct) Prove() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.proven = true
}

// Proven says whether it has.
func (c *Conduct) Proven() bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.proven
}

// Died notes that a process has died which took the source apart, how (Death or
// Killing), and whether the source had got further than when the one before died. It
// says whether the source is poisoned.
func (c *Conduct) Died(how int, further bool) (poisoned bool) {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if further {
		c.deaths = 0
	}
	c.deaths += how
	return c.deaths >= mostDeaths*Death
}

// Dying says whether the source is to be taken apart in a process of its own: the last
// one died of it, or beside it.
func (c *Conduct) Dying() bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.deaths > 0
}

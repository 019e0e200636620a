package media

import "sync"

// Conduct is how a push's source has behaved towards the processes that take it
// apart, over all that is opened of it. It may be used from several goroutines; nil is
// that of a source of which nothing is known.
type Conduct struct {
	mu     sync.Mutex
	proven bool
	apart  bool
	// How often what takes it apart died in a row, without its getting further.
	deaths, killings int
}

// How a process has died that took a source apart.
const (
	Death   = iota // of itself, with nothing else in it
	Beside         // of itself; it may have been of another source
	Killing        // by a signal that cannot be caught, which somebody else may have sent
)

const (
	// mostDeaths is how many poison a source, without its getting further.
	mostDeaths = 2
	// mostKillings is after how many in a row it is not opened at once any more. They
	// poison nobody: memory may be short, or an operator at work.
	mostKillings = 4
)

// Prove notes that the source has been played for a while.
func (c *Conduct) Prove() { c.alone(func() { c.proven = true }) }

// Proven says whether it has.
func (c *Conduct) Proven() bool { return c.is(func() bool { return c.proven }) }

// Died notes that a process has died which took the source apart, how (Death, Beside or
// Killing), and whether the source had got further than when the one before died.
func (c *Conduct) Died(how int, further bool) {
	c.alone(func() {
		if further {
			c.deaths, c.killings = 0, 0
		}
		switch c.apart = true; how {
		case Death:
			c.deaths++
		case Killing:
			c.killings++
		}
	})
}

// Forgive notes that the source has been taken apart for a while with nobody dying of it.
func (c *Conduct) Forgive() { c.alone(func() { c.apart, c.deaths, c.killings = false, 0, 0 }) }

// Poisoned says that nothing is to take the source apart any more.
func (c *Conduct) Poisoned() bool { return c.is(func() bool { return c.deaths >= mostDeaths }) }

// Harried says that the processes which take the source apart are killed again and
// again, so that it is better tried after a while.
func (c *Conduct) Harried() bool { return c.is(func() bool { return c.killings >= mostKillings }) }

// Apart says whether the source is to be taken apart in a process of its own: the last
// one died of it, or beside it.
func (c *Conduct) Apart() bool { return c.is(func() bool { return c.apart }) }

func (c *Conduct) is(so func() bool) (is bool) {
	c.alone(func() { is = so() })
	return is
}

// alone runs f while nobody else looks; of nil there is nothing to do.
func (c *Conduct) alone(f func()) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

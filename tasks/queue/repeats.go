package queue

import "sync"

// maxRepeats bounds what repeats remembers; then it starts over.
const maxRepeats = 10_000

// repeats knows what was last logged of each task: one that no worker can take
// now comes back every second or so, for the same reason.
type repeats struct {
	mu   sync.Mutex
	last map[string]string // by task id
}

// changed says whether text is new for the task.
func (r *repeats) changed(id, text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last[id] == text {
		return false
	}
	if r.last == nil || len(r.last) >= maxRepeats {
		r.last = map[string]string{}
	}
	r.last[id] = text
	return true
}

// forget is for a task that has ended.
func (r *repeats) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.last, id)
}

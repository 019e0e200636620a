package tasks

import (
	"context"
	"sync"
	"time"
)

// Batch makes one call of what many ask for at the same time. Whoever comes while a
// call is under way goes with the next one; one of those who wait makes it.
type Batch[Q, A any] struct {
	call func([]Q) ([]A, error) // answers are in the order of the questions
	most int                    // questions of one call
	// every is the least distance of two calls; 0: the next one follows at once.
	every time.Duration

	turn    chan struct{} // held by who makes a call
	last    time.Time     // when the last call began; its holder's
	mu      sync.Mutex
	waiting []*question[Q, A]
}

type question[Q, A any] struct {
	asked    Q
	answered chan struct{} // closed with what follows
	answer   A
	err      error
}

// NewBatch returns a Batch whose calls take most questions and begin at least every apart;
// call answers in the order of the questions.
func NewBatch[Q, A any](most int, every time.Duration, call func([]Q) ([]A, error)) *Batch[Q, A] {
	return &Batch[Q, A]{call: call, most: most, every: every, turn: make(chan struct{}, 1)}
}

// Ask returns the answer to one question. When ctx ends before, the question may be
// put all the same.
func (b *Batch[Q, A]) Ask(ctx context.Context, asked Q) (none A, err error) {
	q := &question[Q, A]{asked: asked, answered: make(chan struct{})}
	b.mu.Lock()
	b.waiting = append(b.waiting, q)
	b.mu.Unlock()
	for {
		select {
		case <-q.answered:
			return q.answer, q.err
		case b.turn <- struct{}{}:
			b.lead(ctx, q)
			<-b.turn
		case <-ctx.Done():
			return none, context.Cause(ctx)
		}
		if ctx.Err() != nil && !q.done() {
			return none, context.Cause(ctx)
		}
	}
}

func (q *question[Q, A]) done() bool {
	select {
	case <-q.answered:
		return true
	default:
		return false
	}
}

// lead makes a call for those who wait, unless q has its answer by now.
func (b *Batch[Q, A]) lead(ctx context.Context, q *question[Q, A]) {
	if q.done() {
		return
	}
	if pause(ctx, time.Until(b.last.Add(b.every))); ctx.Err() != nil {
		return
	}
	b.last = time.Now()
	b.mu.Lock()
	n := min(len(b.waiting), b.most)
	asked := b.waiting[:n:n]
	b.waiting = b.waiting[n:]
	b.mu.Unlock()
	questions := make([]Q, n)
	for i, q := range asked {
		questions[i] = q.asked
	}
	answers, err := b.call(questions)
	for i, q := range asked {
		if q.err = err; err == nil {
			q.answer = answers[i]
		}
		close(q.answered)
	}
}

package monitor

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/roomcast/roomcast/tasks"
)

const (
	unreadable = "unreadable payload"
	// lookEvery is for how long what was read of the pushes is shown again:
	// asynqmon's page asks every few seconds, for each of its tasks.
	lookEvery = 2 * time.Second
	lookTime  = time.Second
	// lineWidth is how many characters fit into a line of asynqmon's payload
	// column, which is 400 pixels wide.
	lineWidth = 45
)

// payloads shows tasks in the words of their pushes, all of which are read at
// once.
type payloads struct {
	active func(context.Context) ([]tasks.Push, error)

	mu     sync.Mutex
	looked time.Time
	pushes map[string]tasks.Push
	err    error
}

// FormatPayload shows what a person looks for and nothing as it is: a payload
// we did not write could hold anything.
func (p *payloads) FormatPayload(kind string, payload []byte) string {
	if kind == webhookTask {
		return formatWebhooks(payload)
	}
	var t tasks.Task
	if err := json.Unmarshal(payload, &t); err != nil || t.ID == "" {
		return unreadable
	}
	lines := append(p.how(t), "room "+t.Room+", user "+t.User, "from "+t.SourceHost, t.ID)
	for i, line := range lines {
		if strings.ContainsFunc(line, unprintable) {
			return unreadable
		}
		if runes := []rune(line); len(runes) > lineWidth {
			lines[i] = string(runes[:lineWidth-1]) + "…"
		}
	}
	return strings.Join(lines, "\n")
}

// formatWebhooks shows whose webhooks a task is about.
func formatWebhooks(payload []byte) string {
	var t tasks.WebhookTask
	if err := json.Unmarshal(payload, &t); err != nil || t.ID == "" || strings.ContainsFunc(t.ID, unprintable) || len(t.ID) > lineWidth {
		return unreadable
	}
	return "webhooks of push\n" + t.ID
}

// how says how the push of a task is, its trouble first.
func (p *payloads) how(t tasks.Task) []string {
	pushes, err := p.look()
	push, found := pushes[t.ID]
	switch {
	case err != nil:
		return []string{"how it is cannot be read from Redis"}
	case !found:
		return []string{"ended"}
	case push.Epoch != t.Epoch:
		return []string{fmt.Sprintf("attempt %d is at it by now", push.Epoch)}
	}
	state := string(push.State)
	if g := push.Progress; g != nil {
		state += " " + clock(g.Position)
		if g.Duration > 0 {
			state += " / " + clock(g.Duration)
		}
	}
	trouble := push.Trouble
	if trouble == nil {
		return []string{state}
	}
	line := fmt.Sprintf("! %s: %s %s", trouble.Side, trouble.Code, clock(time.Since(trouble.Since)))
	if trouble.Tries > 0 {
		line += fmt.Sprintf(", %d tries", trouble.Tries)
	}
	return []string{line, state}
}

// look returns the pushes that have not ended.
func (p *payloads) look() (map[string]tasks.Push, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.looked) < lookEvery {
		return p.pushes, p.err
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookTime) // asynqmon gives none
	defer cancel()
	list, err := p.active(ctx)
	p.pushes, p.err, p.looked = make(map[string]tasks.Push, len(list)), err, time.Now()
	for _, push := range list {
		p.pushes[push.ID] = push
	}
	return p.pushes, p.err
}

// clock is a time as players show it.
func clock(d time.Duration) string {
	s := int(max(d, 0) / time.Second)
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

package api

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/roomcast/roomcast/tasks"
)

// Feed is where a Hub reads what happens to pushes. Its errors are *tasks.Error.
type Feed interface {
	// Feed returns what follows an entry, tasks.FeedStart for all; not Whole when that
	// entry is not there any more.
	Feed(ctx context.Context, after string) (tasks.FeedPart, error)
	// AwaitFeed returns when there is an entry behind after, or wait is over.
	AwaitFeed(ctx context.Context, after string, wait time.Duration) error
	// Active returns the pushes that have not ended.
	Active(ctx context.Context) ([]tasks.Push, error)
	// Some returns those of these pushes that there are.
	Some(ctx context.Context, ids []string) ([]tasks.Push, error)
}

const (
	progressEvery = time.Second
	// historyTime is how long a client may be away and go on without a hole.
	historyTime = 10 * time.Minute
	// feedRetry is how long a Hub waits for a Redis that is away.
	feedRetry = 500 * time.Millisecond
	// keptFor is how long a Hub that nobody listens to knows what it has read: a client
	// for whom that took too long comes back.
	keptFor = 10 * time.Second
	// maxUnread is how many messages may wait for one listener, who has a
	// message a second at least while something is played; beyond it he is cut.
	maxUnread = 64
)

// Why a stream ends that its client has not ended.
var (
	errSlow    = errors.New("its reader is too slow")
	errClosing = errors.New("the API ends")
)

// errSilent refuses a stream whose begin Redis has not told in time.
var errSilent = &tasks.Error{Code: tasks.CodeRedisUnavailable, Msg: "Redis does not answer; try again", Retryable: true}

// errMoved is a feed that was lost while all of it was read; the next look reads
// it again.
var errMoved = &tasks.Error{Code: tasks.CodeRedisUnavailable, Msg: "the feed was lost while it was read; try again", Retryable: true}

// Hub reads the feed once, however many listen, makes each message once, and
// gives it to all whom it concerns. It reads nothing while nobody listens.
type Hub struct {
	feed Feed
	log  *slog.Logger
	wake chan struct{} // somebody listens

	mu      sync.Mutex
	closed  bool
	away    error                // of the last look at Redis
	ones    map[string]*topic    // a push each that somebody listens to, by id
	filters map[string]*topic    // of many pushes, by name
	waiting []*listener          // until the next look at Redis
	warm    bool                 // what follows is true
	all     bool                 // pushes has all that have not ended
	run     string               // of Redis, 8 digits
	pos     string               // the last entry read
	history []happening          // of the last historyTime, oldest first, and the one before
	pushes  map[string]*livePush // what has not ended and may be listened to, or is in history; nil: nothing was read
}

// topic is what can be listened to: one push or those that a filter selects.
type topic struct {
	name      string // of a push its id
	push      string // id; empty for a filter
	matches   func(tasks.Push) bool
	listeners map[*listener]struct{}
	out       bytes.Buffer // of the present round
	over      bool         // out holds the end of the push
}

// listener is one stream.
type listener struct {
	topic    *topic
	lastID   string        // Last-Event-ID as it came
	asked    tasks.Push    // the push as it was when the stream was asked for
	begun    bool          // it has the first message
	ready    chan struct{} // closed when it has begun
	messages chan []byte
	gone     chan struct{} // closed when it ends at once, for the reason why
	why      error
}

// livePush is a push as the hub knows it.
type livePush struct {
	push     tasks.Push
	state    tasks.State // as the feed has told
	ended    bool        // the feed has told
	told     int         // entries of it in history
	view     []byte      // push as GET shows it; nil until somebody needs it
	progress []byte      // the last message
}

// happening is an event with the state of its push before and after it.
type happening struct {
	tasks.FeedEvent
	before, after tasks.State
}

// NewHub returns a Hub that reads from feed once Run runs.
func NewHub(feed Feed, log *slog.Logger) *Hub {
	return &Hub{feed: feed, log: log, wake: make(chan struct{}, 1), ones: map[string]*topic{}, filters: map[string]*topic{}}
}

// Run reads and tells until ctx ends, which ends all streams at once.
func (h *Hub) Run(ctx context.Context) {
	defer context.AfterFunc(ctx, h.close)()
	var tick time.Time
	for h.wanted(ctx) {
		waiting := h.takeWaiting()
		err := h.look(ctx, &tick, len(waiting) > 0)
		if err == nil {
			h.beginAll(waiting)
		} else if ctx.Err() == nil {
			h.refuse(waiting, err)
			select {
			case <-ctx.Done():
			case <-time.After(feedRetry):
			}
		}
	}
	h.close()
}

func (h *Hub) beginAll(waiting []*listener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.away = nil
	for _, l := range waiting {
		h.begin(l)
	}
}

// refuse ends the streams that cannot begin; those that have begun wait.
func (h *Hub) refuse(waiting []*listener, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range slices.Concat(waiting, h.waiting) {
		h.cut(l, err)
	}
	if h.away == nil && len(h.ones)+len(h.filters) > 0 {
		h.log.Warn("the feed of events cannot be read; streams wait", "error", err)
	}
	h.away = err
}

// wanted waits for a listener and says whether to go on.
func (h *Hub) wanted(ctx context.Context) bool {
	kept := time.NewTimer(keptFor)
	defer kept.Stop()
	for ctx.Err() == nil {
		h.mu.Lock()
		if len(h.ones)+len(h.filters) > 0 {
			h.mu.Unlock()
			return true
		}
		h.warm, h.away = false, nil
		h.mu.Unlock()
		select {
		case <-h.wake:
		case <-kept.C:
			h.mu.Lock()
			h.history, h.pushes = nil, nil
			h.mu.Unlock()
		case <-ctx.Done():
		}
	}
	return false
}

func (h *Hub) takeWaiting() []*listener {
	h.mu.Lock()
	defer h.mu.Unlock()
	waiting := h.waiting
	h.waiting = nil
	return waiting
}

// look reads once what is new, and what progress there is once a second. It
// waits for the one or the other unless it is to be at once.
func (h *Hub) look(ctx context.Context, tick *time.Time, atOnce bool) error {
	switch {
	case h.pushes == nil:
		*tick = time.Now().Add(progressEvery)
		return h.load(ctx, "")
	case !h.warm:
		*tick, atOnce = time.Now(), true
	}
	if !atOnce {
		if err := h.feed.AwaitFeed(ctx, h.pos, time.Until(*tick)); err != nil {
			return err
		}
	}
	part, err := h.feed.Feed(ctx, h.pos)
	switch {
	case err != nil:
		return err
	case shortRun(part.Run) != h.run:
		return h.load(ctx, "Redis was started anew or replaced; events may be missing")
	case !part.Whole:
		return h.load(ctx, "Redis has lost or dropped events; some may be missing")
	}
	if len(part.Events) > 0 {
		told, err := h.feed.Some(ctx, pushesOf(part.Events))
		if err != nil {
			return err
		}
		h.tell(part.Events, told)
	}
	if time.Now().Before(*tick) && !h.lacksAll() {
		return nil
	}
	active, all, err := h.active(ctx)
	if err != nil {
		return err
	}
	*tick = time.Now().Add(progressEvery)
	h.tellProgress(active, all)
	return nil
}

// active reads the pushes that have not ended: all where somebody listens to a
// filter, else only those that somebody listens to, of which there are few.
func (h *Hub) active(ctx context.Context) (pushes []tasks.Push, all bool, err error) {
	h.mu.Lock()
	all = len(h.filters) > 0
	h.mu.Unlock()
	if all {
		pushes, err = h.feed.Active(ctx)
		return pushes, all, err
	}
	pushes, err = h.feed.Some(ctx, h.listenedTo())
	return slices.DeleteFunc(pushes, func(p tasks.Push) bool { return p.State.Terminal() }), all, err
}

// lacksAll says whether somebody listens to a filter and not all was read yet.
func (h *Hub) lacksAll() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.filters) > 0 && !h.all
}

// load reads everything anew. With a hole, whoever listens is told of it and
// begins anew.
func (h *Hub) load(ctx context.Context, hole string) error {
	part, err := h.feed.Feed(ctx, tasks.FeedStart)
	if err != nil {
		return err
	}
	if !part.Whole {
		return errMoved
	}
	active, all, err := h.active(ctx)
	if err != nil {
		return err
	}
	told, err := h.feed.Some(ctx, pushesOf(part.Events, h.listenedTo()...))
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.run, h.pos, h.history, h.pushes = shortRun(part.Run), tasks.FeedStart, nil, map[string]*livePush{}
	for _, e := range part.Events {
		h.note(e)
	}
	for _, p := range slices.Concat(active, told) {
		h.known(p.ID).set(p)
	}
	h.warm, h.all = true, all
	if hole == "" {
		return nil
	}
	h.log.Info("streams begin anew", "reason", hole)
	for t := range h.topics() {
		writeReset(&t.out, h.id(), hole)
		h.present(t)
	}
	h.deliver()
	return nil
}

// tell notes events and tells them; pushes are theirs, as they are now.
func (h *Hub) tell(events []tasks.FeedEvent, pushes []tasks.Push) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var news []happening
	for _, e := range events {
		news = append(news, h.note(e))
	}
	for _, p := range pushes {
		h.known(p.ID).set(p)
	}
	for _, e := range news {
		p := h.pushes[e.Push]
		frame := h.frame(e, p)
		for _, t := range h.concerned(p.push, e.before, e.after) {
			t.out.Write(frame)
			t.over = t.over || t.push != "" && e.ends()
		}
	}
	h.deliver()
}

// tellProgress notes how the pushes are that have not ended, and tells what has
// changed. It forgets all others that are in no history.
func (h *Hub) tellProgress(active []tasks.Push, all bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.warm, h.all = true, all
	runs := make(map[string]bool, len(active))
	for _, p := range active {
		runs[p.ID] = true
		known := h.known(p.ID)
		known.set(p)
		topics := h.concerned(p, p.State, p.State)
		if len(topics) == 0 {
			continue
		}
		data := progressOf(p)
		if bytes.Equal(data, known.progress) {
			continue
		}
		known.progress = data
		for _, t := range topics {
			writeFrame(&t.out, messageProgress, h.id(), data)
		}
	}
	for id, p := range h.pushes {
		if !runs[id] && p.told == 0 {
			delete(h.pushes, id)
		}
	}
	h.deliver()
}

// known returns what the hub knows of a push, from now on. h.mu is held.
func (h *Hub) known(id string) *livePush {
	p := h.pushes[id]
	if p == nil {
		p = &livePush{push: tasks.Push{ID: id}}
		h.pushes[id] = p
	}
	return p
}

func (p *livePush) set(push tasks.Push) {
	p.push, p.view = push, nil
	if p.state == "" {
		p.state = push.State
	}
}

// note puts an event into the history. h.mu is held.
func (h *Hub) note(e tasks.FeedEvent) happening {
	p := h.known(e.Push)
	one := happening{FeedEvent: e, before: p.state, after: p.state}
	if e.Type == tasks.EventState {
		one.after = e.State
		p.state, p.ended = e.State, one.ends()
	}
	h.history = append(h.history, one)
	p.told++
	h.pos = e.ID
	oldest := feedTime(e.ID) - historyTime.Milliseconds()
	for len(h.history) > 1 && feedTime(h.history[1].ID) < oldest {
		h.known(h.history[0].Push).told--
		h.history = h.history[1:]
	}
	return one
}

// ends says whether it is the end of its push.
func (e happening) ends() bool { return e.Type == tasks.EventState && e.State.Terminal() }

// topics are all that somebody listens to. h.mu is held.
func (h *Hub) topics() iter.Seq[*topic] {
	return func(yield func(*topic) bool) {
		for _, all := range []map[string]*topic{h.ones, h.filters} {
			for _, t := range all {
				if !yield(t) {
					return
				}
			}
		}
	}
}

// concerned returns the topics of a push that goes from one state to another.
// h.mu is held.
func (h *Hub) concerned(p tasks.Push, before, after tasks.State) []*topic {
	var found []*topic
	if t := h.ones[p.ID]; t != nil {
		found = append(found, t)
	}
	for _, t := range h.filters {
		if t.selects(p, before, after) {
			found = append(found, t)
		}
	}
	return found
}

// selects says whether a push is one of the topic's in one of two states, as it
// is where they are not known: what leaves a filter is told once more.
func (t *topic) selects(p tasks.Push, before, after tasks.State) bool {
	if t.push != "" {
		return p.ID == t.push
	}
	was, is := p, p
	was.State, is.State = cmp.Or(before, p.State), cmp.Or(after, p.State)
	return t.matches(was) || t.matches(is)
}

// deliver gives what topics have to say to their listeners, and cuts those who
// do not keep up. h.mu is held.
func (h *Hub) deliver() {
	for t := range h.topics() {
		message := bytes.Clone(t.out.Bytes())
		t.out.Reset()
		if len(message) == 0 {
			continue
		}
		for l := range t.listeners {
			if !l.begun {
				continue // its beginning will have this in it
			}
			h.send(l, message)
			if t.over {
				h.finish(l)
			}
		}
		t.over = false
	}
}

// finish ends a stream after what has been sent. h.mu is held.
func (h *Hub) finish(l *listener) {
	if h.remove(l) {
		close(l.messages)
	}
}

func (h *Hub) send(l *listener, message []byte) {
	select {
	case l.messages <- message:
	default:
		h.cut(l, errSlow)
	}
}

// cut ends a stream at once. h.mu is held.
func (h *Hub) cut(l *listener, why error) {
	if h.remove(l) {
		l.why = why
		close(l.gone)
	}
}

// among returns the map that t is in.
func (h *Hub) among(t *topic) map[string]*topic {
	if t.push != "" {
		return h.ones
	}
	return h.filters
}

// remove says whether l was still there. h.mu is held.
func (h *Hub) remove(l *listener) bool {
	if _, there := l.topic.listeners[l]; !there {
		return false
	}
	delete(l.topic.listeners, l)
	if len(l.topic.listeners) == 0 {
		delete(h.among(l.topic), l.topic.name)
	}
	h.waiting = slices.DeleteFunc(h.waiting, func(o *listener) bool { return o == l })
	return true
}

// close ends all streams, and those to come.
func (h *Hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for t := range h.topics() {
		for l := range t.listeners {
			h.cut(l, errClosing)
		}
	}
}

// listen returns a stream of a topic that has begun, or is closed; the caller
// leaves it. The error is *tasks.Error: Redis is away, or has not answered by the
// end of ctx.
func (h *Hub) listen(ctx context.Context, t topic, lastID string, asked tasks.Push) (*listener, error) {
	l, err := h.join(t, lastID, asked)
	if err != nil {
		return nil, err
	}
	select {
	case <-l.ready:
	case <-l.gone:
		if refused, ok := errors.AsType[*tasks.Error](l.why); ok {
			return nil, refused
		}
	case <-ctx.Done():
		h.leave(l)
		return nil, errSilent
	}
	return l, nil
}

// join adds a listener, which begins at once or after the next look.
func (h *Hub) join(t topic, lastID string, asked tasks.Push) (*listener, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.away != nil {
		return nil, h.away
	}
	l := &listener{
		lastID: lastID, asked: asked,
		ready: make(chan struct{}), messages: make(chan []byte, maxUnread), gone: make(chan struct{}),
	}
	if h.closed {
		l.topic, l.why = &t, errClosing
		close(l.gone)
		return l, nil
	}
	l.topic = h.among(&t)[t.name]
	if l.topic == nil {
		t.listeners = map[*listener]struct{}{}
		l.topic = &t
		h.among(&t)[t.name] = &t
	}
	l.topic.listeners[l] = struct{}{}
	if h.warm && h.hasRead(l) {
		h.bring(l)
		h.begin(l)
		return l, nil
	}
	h.waiting = append(h.waiting, l)
	select {
	case h.wake <- struct{}{}:
	default:
	}
	return l, nil
}

// bring makes a push that was not read lately known as l's client has just seen
// it, unless the feed has told more. h.mu is held.
func (h *Hub) bring(l *listener) {
	t := l.topic
	if t.push == "" || h.all || len(t.listeners) > 1 {
		return
	}
	if p := h.known(t.push); p.state == "" || p.state == l.asked.State {
		p.set(l.asked)
		p.progress = nil
	}
}

// hasRead says whether all is read that l must begin with. What has ended may
// have events that were not read yet, and so may the API that l was at before
// have read more. h.mu is held.
func (h *Hub) hasRead(l *listener) bool {
	if known := h.pushes[l.topic.push]; l.asked.State.Terminal() && (known == nil || !known.ended) {
		return false
	}
	if l.topic.push == "" && !h.all {
		return false
	}
	return l.lastID == "" || h.missed(l.lastID) >= 0
}

func (h *Hub) leave(l *listener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.remove(l)
}

// begin gives a listener what it has missed and how everything is now. h.mu is
// held.
func (h *Hub) begin(l *listener) {
	t := l.topic
	if _, there := t.listeners[l]; !there {
		return
	}
	if t.push != "" && h.pushes[t.push] == nil {
		h.known(t.push).set(l.asked)
	}
	if !h.replay(l) {
		h.present(t)
	}
	l.begun = true
	close(l.ready)
	h.send(l, bytes.Clone(t.out.Bytes()))
	t.out.Reset()
	if t.over {
		h.finish(l)
		t.over = false
	}
}

// missed returns from where on in the history events are behind lastID; -1 when
// that is not known. h.mu is held.
func (h *Hub) missed(lastID string) int {
	run, id := readID(lastID)
	if run != h.run {
		return -1
	}
	for i, e := range slices.Backward(h.history) {
		if e.ID == id {
			return i + 1
		}
	}
	if id == h.pos {
		return len(h.history)
	}
	return -1
}

// replay writes what l has missed, or that it cannot be known; over says that
// the push's end was in it. h.mu is held.
func (h *Hub) replay(l *listener) (over bool) {
	if l.lastID == "" {
		return false
	}
	missed := h.missed(l.lastID)
	if run, _ := readID(l.lastID); missed < 0 && run != h.run {
		writeReset(&l.topic.out, h.id(), "Last-Event-ID is of another Redis, or of the time before it was started anew; events may be missing")
		return false
	}
	if missed < 0 {
		writeReset(&l.topic.out, h.id(), "Last-Event-ID is of no event of the last ten minutes; events may be missing")
		return false
	}
	for _, e := range h.history[missed:] {
		if p := h.pushes[e.Push]; l.topic.selects(p.push, e.before, e.after) {
			l.topic.out.Write(h.frame(e, p))
			l.topic.over = l.topic.over || l.topic.push != "" && e.ends()
		}
	}
	return l.topic.over
}

// present writes how a topic is now: its pushes that have not ended, newest
// first, or the end of the one push. h.mu is held.
func (h *Hub) present(t *topic) {
	if p := h.pushes[t.push]; p != nil && p.push.State.Terminal() {
		t.out.Write(h.endFrame(p))
		t.over = true
		return
	}
	var present []*livePush
	for _, p := range h.pushes {
		if p.push.State != "" && !p.push.State.Terminal() && t.selects(p.push, "", "") {
			present = append(present, p)
		}
	}
	slices.SortFunc(present, func(a, b *livePush) int { return strings.Compare(b.push.ID, a.push.ID) })
	writeSnapshot(&t.out, h.id(), present)
}

// position is the id of the last event that those who listen were given or had
// no part in.
func (h *Hub) position() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.id()
}

// listenedTo are the ids of the pushes that have a topic of their own.
func (h *Hub) listenedTo() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Keys(h.ones))
}

func (h *Hub) id() string { return h.run + "-" + h.pos }

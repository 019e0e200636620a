// Package store keeps pushes in Redis. Every write that decides something is
// one Lua script (lua/*.lua): who owns a push is told by its record's epoch and
// worker, for how long by the lease in the zset `live`, both in Redis TIME.
// The keys are described in keys.go, the record's fields in record.go.
//
// Every script may be called twice, and late: a reply is lost, a connection
// stands still while its caller has given up. What decides then is the epoch
// and the worker; among a worker's renews their number, among takeovers their
// token.
//
// What Redis loses, the store cannot know. After a flush a worker registers
// what it runs; after a return of older data a renew repairs the older record.
// Not guaranteed then: a push that was queued is gone with a flush; a stop or
// an end that was lost is undone (the sweeper runs such a push again, from the
// position in its record); an attempt whose claim was lost, but not its task,
// may be given to a second worker, and the first is told Lost at its next
// renew; idempotency keys are forgotten.
package store

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roomcast/roomcast/tasks"
)

const (
	defaultLease     = 3 * time.Second
	defaultGrace     = 2 * time.Second
	defaultRetention = 72 * time.Hour
	idempotencyTTL   = 24 * time.Hour
	createTries      = 5 // of changing holders of a user
)

// Config sets the store's durations; zero means the default.
type Config struct {
	Lease     time.Duration // how long a claim or renew lasts; 3 s
	Grace     time.Duration // how long a queued push may wait before the sweeper looks; 2 s
	Retention time.Duration // how long records of ended pushes stay; 72 h
}

// Store is the truth about pushes. It is safe for concurrent use.
type Store struct {
	client    redis.UniversalClient
	cfg       Config
	scripts   scripts
	lastTrim  atomic.Int64 // Unix ms of this process
	lastRenew atomic.Int64 // see nextRenew
	clock     clock
}

var (
	_ tasks.PushStore    = (*Store)(nil)
	_ tasks.RepeatStore  = (*Store)(nil)
	_ tasks.StopStore    = (*Store)(nil)
	_ tasks.AttemptStore = (*Store)(nil)
	_ tasks.LeaseStore   = (*Store)(nil)
	_ tasks.SweepStore   = (*Store)(nil)

	_ tasks.HandoverStore = (*Store)(nil)
	_ tasks.FleetStore    = (*Store)(nil)
	_ tasks.OutboxStore   = (*Store)(nil)
	_ tasks.DueOutboxes   = (*Store)(nil)
)

// New returns a Store on client, which stays the caller's to close.
func New(client redis.UniversalClient, cfg Config) *Store {
	if cfg.Lease <= 0 {
		cfg.Lease = defaultLease
	}
	if cfg.Grace <= 0 {
		cfg.Grace = defaultGrace
	}
	if cfg.Retention <= 0 {
		cfg.Retention = defaultRetention
	}
	return &Store{client: client, cfg: cfg, scripts: newScripts()}
}

// Create stores a push as Queued with its first attempt's epoch, or returns
// the one stored before under the same idempotency key and one of the digests,
// with created false. Repeating it with the same push id is harmless. A push that
// no worker would take now says so from the begin.
func (s *Store) Create(ctx context.Context, n tasks.NewPush) (p tasks.Push, created bool, err error) {
	p = n.Push
	p.State, p.Desired, p.Worker = tasks.Queued, tasks.DesiredRun, ""
	p.Epoch = max(p.Epoch, 1)
	var holder, goneIdem string
	for range createTries {
		r, err := s.tryCreate(ctx, n, p, [2]string{holder, goneIdem})
		if err != nil {
			return tasks.Push{}, false, err
		}
		switch r.code {
		case "created":
			s.trimSometimes(ctx)
			noted := reader{fields: fields(r.values)}
			p.CreatedAt = noted.time(fieldCreated)
			p.Trouble, p.Waiting = noted.trouble(tasks.Queued)
			return p, true, nil
		case "holder":
			holder = r.first()
		case "same":
			p, err := s.Get(ctx, r.first())
			if tasks.CodeOf(err) != tasks.CodeNotFound || err == nil {
				return p, false, err
			}
			goneIdem = r.first()
		default:
			return tasks.Push{}, false, createRefusal(r)
		}
	}
	return tasks.Push{}, false, createRefusal(reply{code: "busy", values: []string{holder}})
}

// tryCreate calls the script; seen are the holder and the push under the
// idempotency key that earlier tries have met.
func (s *Store) tryCreate(ctx context.Context, n tasks.NewPush, p tasks.Push, seen [2]string) (reply, error) {
	var idem string
	if n.IdempotencyKey != "" {
		idem = idemDigest(n.IdempotencyKey)
	}
	record, err := newRecord(p, idem)
	if err != nil {
		return reply{}, err
	}
	var createdAt int64
	if !p.CreatedAt.IsZero() {
		createdAt = p.CreatedAt.UnixMilli()
	}
	o := ownerOf(p.Spec)
	keys := append(pushKeys(p.ID, o), keyIdem(idem),
		keyAll, keyRoom(o.room), keyApp(o.app), keyUserIndex(o.user), keyPush(seen[0]), keyWorkers, keyFleet)
	return s.run(ctx, s.scripts.create, keys,
		p.ID, s.cfg.Retention.Milliseconds(), s.cfg.Grace.Milliseconds(), n.Envelope, strings.Join(n.BodyDigests, " "),
		idempotencyTTL.Milliseconds(), seen[0], seen[1], createdAt, record.json())
}

func createRefusal(r reply) error {
	switch r.code {
	case "busy":
		return tasks.UserBusy(r.first())
	case "reused":
		return reused(r.first())
	default:
		return refusal(r)
	}
}

// reused names the push that the key has started.
func reused(id string) error {
	return &tasks.Error{
		Code: tasks.CodeIdempotencyReused, Holder: id,
		Msg: "this Idempotency-Key came with another body before, for push " + id + "; use a new key for a new push",
	}
}

// Repeated returns the push that was stored under an idempotency key with one of
// these digests, found false when there is none or its record has expired, or
// CodeIdempotencyReused.
func (s *Store) Repeated(ctx context.Context, key string, digests []string) (p tasks.Push, found bool, err error) {
	seen, err := s.client.Get(ctx, keyIdem(idemDigest(key))).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return tasks.Push{}, false, nil
	case err != nil:
		return tasks.Push{}, false, storeError(err)
	}
	digest, id, _ := strings.Cut(seen, " ")
	if !slices.Contains(digests, digest) {
		return tasks.Push{}, false, reused(id)
	}
	p, err = s.Get(ctx, id)
	if err != nil && tasks.CodeOf(err) == tasks.CodeNotFound {
		return tasks.Push{}, false, nil
	}
	return p, err == nil, err
}

// Get returns a push, or CodeNotFound. Of a damaged record it returns what can
// be read, with a warning.
func (s *Store) Get(ctx context.Context, id string) (tasks.Push, error) {
	records, err := s.records(ctx, []string{id})
	if err != nil {
		return tasks.Push{}, err
	}
	if len(records[0]) == 0 {
		return tasks.Push{}, notFound(id)
	}
	return show(id, records[0]), nil
}

// Some returns those pushes of ids that there are, in one round trip.
func (s *Store) Some(ctx context.Context, ids []string) ([]tasks.Push, error) {
	records, err := s.records(ctx, ids)
	if err != nil {
		return nil, err
	}
	var pushes []tasks.Push
	for i, record := range records {
		if len(record) > 0 {
			pushes = append(pushes, show(ids[i], record))
		}
	}
	return pushes, nil
}

// owner reads what a push's keys depend on; ErrGone without a record.
func (s *Store) owner(ctx context.Context, id string) (owner, error) {
	values, err := s.client.HMGet(ctx, keyPush(id), ownerFields...).Result()
	if err != nil {
		return owner{}, storeError(err)
	}
	return ownerIn(values)
}

// ownerFields are those of a record that ownerIn reads.
var ownerFields = []string{fieldApp, fieldRoom, fieldUser, fieldIdem, fieldSpec}

func ownerIn(values []any) (owner, error) {
	text := func(i int) string {
		t, _ := values[i].(string)
		return t
	}
	o := owner{app: text(0), room: text(1), user: text(2), idem: text(3)}
	if o.app != "" && o.user != "" {
		return o, nil
	}
	var spec tasks.Spec // says the same, if the record is damaged
	switch err := json.Unmarshal([]byte(text(4)), &spec); {
	case err == nil:
		o.app, o.room, o.user = appText(spec.SDKAppID), spec.RoomID, spec.UserID
	case o == owner{} && text(4) == "":
		return owner{}, tasks.ErrGone
	}
	return o, nil
}

// Stop makes desired=stop durable in any state, tells workers at once, and
// returns the push as it is then; CodeNotFound without a record.
func (s *Store) Stop(ctx context.Context, id string) (tasks.Push, error) {
	o, err := s.owner(ctx, id)
	if err == nil {
		var r reply
		if r, err = s.do(ctx, s.scripts.stop, pushKeys(id, o), id, s.cfg.Retention.Milliseconds(), stopChannel); err == nil {
			return show(id, fields(r.values)), nil
		}
	}
	if errors.Is(err, tasks.ErrGone) {
		err = notFound(id)
	}
	return tasks.Push{}, err
}

// Abort ends a push that could not be enqueued as Failed and frees its
// idempotency key. A push that has ended or is to stop stays as it is.
func (s *Store) Abort(ctx context.Context, id string, f tasks.Failure) error {
	o, err := s.owner(ctx, id)
	if err == nil {
		var failure flat
		if err := failure.addJSON(fieldFailure, f); err != nil {
			return err
		}
		_, err = s.do(ctx, s.scripts.abort, append(pushKeys(id, o), keyIdem(o.idem)),
			id, s.cfg.Retention.Milliseconds(), failure[1])
	}
	if errors.Is(err, tasks.ErrGone) {
		return notFound(id)
	}
	return err
}

// StopSignals returns the ids of pushes to stop as Stop is called, until ctx
// ends, which closes the channel. It subscribes again by itself. It is the fast
// path only: what it misses, the next renew tells.
func (s *Store) StopSignals(ctx context.Context) <-chan string {
	ids := make(chan string)
	sub := s.client.Subscribe(ctx, stopChannel)
	go func() {
		defer close(ids)
		defer func() { _ = sub.Close() }()
		messages := sub.Channel()
		for {
			select {
			case <-ctx.Done():
				return
			case m, ok := <-messages:
				if !ok {
					return
				}
				select {
				case ids <- m.Payload:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return ids
}

package fleetload

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redisconn"
	"github.com/roomcast/roomcast/internal/redistest"
	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/queue"
	"github.com/roomcast/roomcast/tasks/secret"
	"github.com/roomcast/roomcast/tasks/store"
)

// lease is that of a fleet on a machine that is busy with all of its workers.
const lease = 30 * time.Second

// BenchmarkFleet is what a fleet uses of one redis-server: redis-core is the part
// of a core, the others are per second. Everything that a worker does to Redis is
// done by the code that does it in one; only the media is made up.
//
// FLEET_PUSHES and FLEET_WORKERS make it another fleet, in which FLEET_RESUME of 100
// pushes keep a resume record; FLEET_SECONDS is how long it is watched.
func BenchmarkFleet(b *testing.B) {
	pushes, workers, seconds, resume := number(b, "FLEET_PUSHES", 10_000), number(b, "FLEET_WORKERS", 100), number(b, "FLEET_SECONDS", 30), number(b, "FLEET_RESUME", 100)
	redis := redistest.New(b, redistest.Config{})
	for b.Loop() {
		f := newFleet(b, redis, workers, pushes)
		f.resume = resume
		empty := f.info("memory")["used_memory_dataset"]
		starting, created := f.usage(), time.Now()
		f.create(pushes)
		f.await(pushes)
		started := f.usage().minus(starting)
		b.ReportMetric(started.cpu/float64(pushes)*1e6, "redis-us/start")
		b.ReportMetric(time.Since(created).Seconds(), "s-to-start-all")
		time.Sleep(2 * lease / 3) // the measured time is of a fleet that has been there for a while
		before, begin := f.usage(), time.Now()
		time.Sleep(time.Duration(seconds) * time.Second)
		used, over := f.usage().minus(before), time.Since(begin).Seconds()
		b.ReportMetric(used.cpu/over, "redis-core")
		b.ReportMetric(used.calls/over, "calls/s")
		b.ReportMetric(used.in/over/1e6, "MB-in/s")
		b.ReportMetric(used.out/over/1e6, "MB-out/s")
		b.ReportMetric((f.info("memory")["used_memory_dataset"]-empty)/float64(pushes), "B/push")
		b.Log("commands a second, and the part of a core that Redis gives them\n" + used.table(over))
		b.Log("bytes of a push by kind of key\n" + f.sizes(pushes))
		require.EqualValues(b, pushes, f.played.Load(), "pushes have ended")
		f.close()
	}
}

func number(b *testing.B, name string, or int) int {
	b.Helper()
	text := os.Getenv(name)
	if text == "" {
		return or
	}
	n, err := strconv.Atoi(text)
	require.NoError(b, err, name)
	return n
}

// fleet is workers with their pushes, and one API's sweeper and streams less.
type fleet struct {
	b       testing.TB
	ctx     context.Context
	client  redisconn.Client // of who looks on, and creates
	store   *store.Store
	sealer  *secret.Sealer
	resume  int // pushes of 100 that keep a resume record
	player  tasks.Player
	machine tasks.Machine
	played  atomic.Int64 // pushes that publish
	stop    context.CancelFunc
	running sync.WaitGroup
	closers []func()
}

func newFleet(b *testing.B, redis *redistest.Server, workers, pushes int) *fleet {
	b.Helper()
	f := &fleet{b: b}
	f.player = player{&f.played}
	slots := pushes/workers + pushes/workers/5 + 1 // one that is full does not look for tasks
	f.start(redis.URL(), workers, slots)
	return f
}

// start runs the workers.
func (f *fleet) start(url string, workers, slots int) {
	redisconn.LogTo(slog.New(slog.DiscardHandler))
	f.ctx, f.stop = context.WithCancel(context.Background())
	f.client = f.connect(url)
	f.store = store.New(f.client, store.Config{Lease: lease})
	var err error
	f.sealer, err = secret.New(secret.Key{1})
	require.NoError(f.b, err)
	require.NoError(f.b, queue.Declare(f.ctx, f.client))
	for n := range workers {
		f.worker(url, fmt.Sprintf("worker-%d-%s", n, uuid.NewString()[:8]), slots)
	}
}

func (f *fleet) connect(url string) redisconn.Client {
	client, err := redisconn.New(redisconn.Config{URL: url})
	require.NoError(f.b, err)
	return client
}

// worker runs what cmd/worker does, but for media hosts and HTTP.
func (f *fleet) worker(url, name string, slots int) {
	log := slog.New(slog.DiscardHandler)
	client := f.connect(url)
	records, bell := store.New(client, store.Config{Lease: lease}), queue.New(client)
	resume, err := store.NewResume(client, store.ResumeConfig{TTL: time.Hour})
	require.NoError(f.b, err)
	w := tasks.NewWorker(tasks.WorkerConfig{
		Name: name, Version: "v1.2.3", Slots: slots, Lease: lease, RenewCap: time.Hour,
		Stores: tasks.Stores{Store: records, Leases: records, Handovers: records, Resume: resume},
		Queue:  bell, Sealer: f.sealer, Player: f.player, Machine: f.machine, Log: log, Sandbox: tasks.SandboxHolds,
	})
	sweeper := &tasks.Sweeper{
		Store: records, Queue: bell, Inspector: queue.NewInspector(client), Lease: lease, Log: log, Outboxes: records, Webhooks: bell,
	}
	server := queue.NewServer(client, queue.Config{Slots: slots, Takes: w.Takes, Wanted: w.Wanted, Missing: w.Missing, Handler: w.Handle, Log: log})
	webhooks := queue.NewWebhookServer(client, func(context.Context, tasks.WebhookTask) error { return nil }, log)
	f.running.Go(func() { w.Run(f.ctx) })
	f.running.Go(func() { sweeper.Run(f.ctx) })
	f.running.Go(func() { w.AnswerQuestions(f.ctx, records) })
	f.running.Go(func() {
		for id := range records.StopSignals(f.ctx) {
			w.Nudge(id)
		}
	})
	require.NoError(f.b, server.Start())
	require.NoError(f.b, webhooks.Start())
	f.closers = append(f.closers, func() {
		server.Stop()
		w.Close()
		server.Shutdown()
		webhooks.Shutdown()
		resume.Close()
		_ = client.Close()
	})
}

// close ends the fleet; its pushes are left as they are.
func (f *fleet) close() {
	f.stop()
	f.running.Wait()
	var closing sync.WaitGroup
	for _, c := range f.closers {
		closing.Go(c)
	}
	closing.Wait()
	_ = f.client.Close()
}

// create starts pushes as an API does, 500 a second at most.
func (f *fleet) create(pushes int) {
	bell := queue.New(f.client)
	ids := make(chan int)
	var creating sync.WaitGroup
	for range 8 {
		creating.Go(func() {
			for n := range ids {
				push := f.newPush(n)
				for tries := 0; ; tries++ { // as a client does, where the machine is busy
					p, _, err := f.store.Create(f.ctx, push)
					if err == nil {
						err = bell.Enqueue(f.ctx, tasks.TaskOf(p), false)
					}
					if err == nil {
						break
					}
					require.Less(f.b, tries, 20, err)
				}
			}
		})
	}
	pace := time.NewTicker(2 * time.Millisecond)
	defer pace.Stop()
	for n := range pushes {
		ids <- n
		<-pace.C
	}
	close(ids)
	creating.Wait()
}

// newPush is what a client of the template asks for: a signed address, and a
// userSig of its own.
func (f *fleet) newPush(n int) tasks.NewPush {
	id := uuid.Must(uuid.NewV7()).String()
	envelope, err := f.sealer.Seal(id, tasks.Secrets{
		VideoSrc: media.Secret(fmt.Sprintf("https://files.example/lessons/2026/algebra-%d.mp4?sign=q-sign-algorithm%%3Dsha1%%26q-ak%%3D%032d%%26q-signature%%3D%040d", n, n, n)),
		UserSig:  media.Secret(fmt.Sprintf("%0220d", n)),
	})
	require.NoError(f.b, err)
	p := tasks.NewPush{Envelope: envelope, Push: tasks.Push{ID: id, Epoch: 1, Spec: tasks.Spec{
		VideoSrc: fmt.Sprintf("https://files.example/lessons/2026/algebra-%d.mp4", n), SourceHost: "files.example", SDKAppID: 1400000000,
		RoomID: fmt.Sprintf("lesson-%d", n), UserID: fmt.Sprintf("teacher-%d", n), ClientRole: "anchor", Mode: media.ModeAuto,
		ResumeScope: tasks.ResumeScopeSource, MaxIdle: tasks.DefaultMaxIdle, Options: media.Options{FillAudio: true},
	}}}
	if n%100 < f.resume {
		p.Push.Spec.Redis, p.Push.Spec.ResumeKey = true, fmt.Sprintf("%064d", n)
	}
	return p
}

// await waits until all pushes publish.
func (f *fleet) await(pushes int) {
	for end := time.Now().Add(5 * time.Minute); int(f.played.Load()) < pushes; time.Sleep(100 * time.Millisecond) {
		require.True(f.b, time.Now().Before(end), "only %d pushes publish", f.played.Load())
	}
}

// player plays nothing, at 25 pictures a second.
type player struct{ played *atomic.Int64 }

func (p player) Play(ctx context.Context, job media.Job) error {
	open, done, err := job.MayOpenRoom(ctx)
	if err != nil {
		return err
	}
	defer done()
	_ = open
	job.Observer.Planned(sourceInfo(), false, media.Plan{
		Video: &media.TrackPlan{Action: media.Copy, Reason: "the room takes it as it is", Output: media.Output{Width: 1280, Height: 720}},
		Audio: &media.TrackPlan{Action: media.Copy, Reason: "the room takes it as it is", Output: media.Output{SampleRate: 48000, Channels: 2}},
	})
	job.Observer.Publishing()
	job.Meter.SetDuration(time.Hour)
	p.played.Add(1)
	defer p.played.Add(-1)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := time.Duration(1); ; n++ {
		select {
		case now := <-tick.C:
			for range 25 {
				job.Meter.Sent(now, media.SentPacket{Bytes: 7000, Late: 3 * time.Millisecond, Picture: true})
			}
			job.Meter.Advance(n*time.Second, 0)
			job.Meter.SetPlayed(n * time.Second)
			for _, m := range []media.MediaType{media.Video, media.Audio} {
				job.Meter.SetCoverage(m, media.Coverage{Taken: n * time.Second, Until: n * time.Second})
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

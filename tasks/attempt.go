package tasks

import (
	"cmp"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/roomcast/roomcast/media"
)

// attempt is one run of a push in this worker: what the media tells and what
// the store has been told. It is the media's Observer.
type attempt struct {
	lease     Lease
	push      Push
	secrets   envelope
	log       *slog.Logger
	metrics   AttemptMetrics
	askRenew  func() // asks for a renew now rather than at the next second
	meter     *media.Meter
	pictures  pictures
	successor *successor // of an attempt that prepares before it is claimed; else nil
	lifetime
	age leaseAge

	mu sync.Mutex // of what follows
	phase
	report
	troubles troubles
}

// envelope is a push's secrets, and what they came in: sealed, to register the push
// anew.
type envelope struct {
	Secrets
	sealed string
}

// lifetime is when an attempt began, what ends it, and how it ended.
type lifetime struct {
	*ending // of the media
	begun   time.Time
	done    chan struct{} // closed when the attempt has ended and is written down
	failure *Failure      // that the store has taken as the push's end
}

// phase is where an attempt stands.
type phase struct {
	state      State
	started    time.Time // of the push's first packet in its room, in whichever attempt
	publishing time.Time // since when the state is that
	opened     time.Time // when this attempt published first; zero before
}

// report is what an attempt has to tell the store of its source and of itself.
type report struct {
	source   *SourceReport
	plan     *media.Plan
	planned  bool // the store lacks source and plan
	live     bool
	warnings []Warning // all; warned says whether the store lacks some
	warned   bool
	events   []Event // those the store lacks
	seq      int64
	samples  samples
}

func newAttempt(l Lease, p Push) *attempt {
	a := &attempt{
		lease: l, push: p, metrics: unmeasured{}, age: newLeaseAge(time.Now()),
		lifetime: lifetime{ending: newEnding(), begun: time.Now(), done: make(chan struct{})},
		phase:    phase{state: Starting, started: p.StartedAt},
		report:   report{warnings: p.Warnings},
	}
	a.troubles.continueFrom(p)
	return a
}

// Planned implements media.Observer.
func (a *attempt) Planned(info media.SourceInfo, live bool, plan media.Plan) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.live = live
	if before := a.planBefore(); before == nil || before.String() != plan.String() {
		a.eventLocked(Event{Type: EventPlan, Message: plan.String()})
	}
	if a.plan == nil || a.plan.String() != plan.String() {
		a.log.Info("planned", "container", info.Container, "live", live, "duration", info.Duration, "plan", plan.String())
	}
	a.source, a.plan, a.planned = reportOf(info, live), &plan, true
}

// planBefore is the plan that clients were shown last, in this attempt or the
// one before; nil for none.
func (a *attempt) planBefore() *media.Plan {
	if a.plan != nil {
		return a.plan
	}
	return a.push.Plan
}

// Publishing implements media.Observer.
func (a *attempt) Publishing() {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if a.started.IsZero() {
		a.started = now
	}
	if a.opened.IsZero() {
		a.openedLocked(now)
	}
	a.troubles.failing = nil
	a.moveLocked(Publishing)
}

// Reconnecting implements media.Observer.
func (a *attempt) Reconnecting(err error, wait time.Duration, until time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.log.Debug("trying again", "kind", media.KindOf(err), "error", err, "wait", wait)
	a.metrics.Reconnecting(sideOf(media.KindOf(err)))
	a.moveLocked(Reconnecting) // before its trouble, which is told with the state it is in
	a.failLocked(err, time.Now().Add(wait), until)
}

// Warned implements media.Observer.
func (a *attempt) Warned(code WarningCode, message string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.log.Warn("push warning", "code", code, "detail", message)
	w := Warning{Code: string(code), Message: message}
	known := slices.Contains(a.warnings, w)
	if known && ofSource(code) {
		return // of the play before, or of the attempt before, which played it, too
	}
	if !known {
		a.warnings, a.warned = append(a.warnings, w), true
	}
	a.eventLocked(Event{Type: EventWarning, Code: string(code), Message: message})
	a.askRenew()
}

// ofSource says whether a warning is of what the source is, and not of what happens to
// it: every play and attempt finds it again.
func ofSource(code WarningCode) bool {
	return slices.Contains([]WarningCode{media.WarnHole, media.WarnLost, media.WarnLongGOP, media.WarnLeftOut, media.WarnNoDecoder}, code)
}

func (a *attempt) moveLocked(s State) {
	if a.state == s || !a.state.CanBecome(s) {
		return
	}
	a.state = s
	if s == Publishing {
		a.publishing = time.Now()
		if a.opened.IsZero() {
			a.opened = a.publishing
		}
	}
	a.log.Info("push state", "state", s)
	a.askRenew()
}

func (a *attempt) eventLocked(e Event) {
	e.Epoch = a.lease.Epoch
	a.report.add(e)
}

func (r *report) add(e Event) {
	r.seq++
	e.At, e.Seq = time.Now(), r.seq
	r.events = append(r.events, e)
}

// told drops what the store has taken with n.
func (r *report) told(n Renewal) {
	if last := len(n.Events); last > 0 { // another renewal may have taken some of them before
		for len(r.events) > 0 && r.events[0].Seq <= n.Events[last-1].Seq {
			r.events = r.events[1:]
		}
	}
	r.samples.told(n.Samples)
	if n.Source == r.source {
		r.planned = false
	}
	if len(n.Warnings) == len(r.warnings) {
		r.warned = false
	}
}

// renewal returns what the store is to be told now.
func (a *attempt) renewal(now time.Time) Renewal {
	a.mu.Lock()
	defer a.mu.Unlock()
	progress := a.meter.Snapshot(now)
	if !a.samples.over { // else nothing is sent any more, and that is no trouble
		a.lookLocked(progress, now)
	}
	if !a.started.IsZero() {
		a.samples.look(now, a.meter.Since)
	}
	r := Renewal{
		Lease: a.lease, State: a.state, Progress: progress, Started: a.started, Cost: a.costLocked(progress.Bitrate),
		Settled: a.settledLocked(now), Events: a.events[:len(a.events):len(a.events)], Samples: a.samples.untold,
	}
	if a.planned {
		r.Source, r.Plan = a.source, a.plan
	}
	if t := &a.troubles; t.untold {
		r.Trouble = cmp.Or(t.now, &Trouble{})
	}
	if a.warned {
		r.Warnings = a.warnings[:len(a.warnings):len(a.warnings)]
	}
	return r
}

// settledLocked says whether the attempt has published for SettleTime on end.
func (a *attempt) settledLocked(now time.Time) bool {
	return a.state == Publishing && now.Sub(a.publishing) >= SettleTime
}

// settled says whether the attempt counts as sound.
func (a *attempt) settled(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.settledLocked(now)
}

// registration returns all that a record is made of.
func (a *attempt) registration(now time.Time) Registration {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, progress := a.push, a.meter.Snapshot(now)
	p.State, p.Desired, p.Epoch, p.Worker = a.state, DesiredRun, a.lease.Epoch, a.lease.Worker
	p.StartedAt, p.Warnings, p.Progress, p.Trouble = a.started, a.warnings, &progress, a.troubles.now
	p.Cost = a.costLocked(progress.Bitrate)
	if a.plan != nil { // else what the attempt before told stands
		p.Source, p.Plan = a.source, a.plan
	}
	return Registration{Push: p, Envelope: a.secrets.sealed, Events: a.events}
}

// accepted notes that the store has taken r, which was sent at now.
func (a *attempt) accepted(r Renewal, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.report.told(r)
	if t := &a.troubles; r.Trouble != nil && (r.Trouble == t.now || t.now == nil) {
		t.untold = false
	}
	a.age.renewed(now)
}

// isLive says whether the source has no end, as far as that is known: of one
// that was never opened by what it was called.
func (a *attempt) isLive() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	spec := a.push.Spec
	return a.live || a.source == nil && (a.wasLive() || spec.Mode == media.ModeLive ||
		spec.Mode == media.ModeAuto && liveScheme(spec.VideoSrc))
}

// liveScheme says whether an address is one of a scheme that has streams alone.
func liveScheme(address string) bool {
	scheme, _, _ := strings.Cut(address, ":")
	return slices.Contains([]string{"rtmp", "rtmps", "rtsp", "rtsps", "srt"}, scheme)
}

// wasLive says whether the source was live to an attempt before this one.
func (a *attempt) wasLive() bool { return a.push.Source != nil && a.push.Source.Kind == "live" }

// cutShort says whether the push ended because it had lasted long enough, and
// not because its source was over.
func (a *attempt) cutShort() bool {
	limit := a.push.Spec.Options.MaxDuration
	return limit > 0 && a.meter.Snapshot(time.Now()).Played >= limit
}

// lastSample takes what is left since the last sample for one, when the media has
// ended.
func (a *attempt) lastSample(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.samples.end(now, a.meter.Since)
}

// lastReport returns what the store lacks, when the media has ended.
func (a *attempt) lastReport() LastReport {
	a.mu.Lock()
	defer a.mu.Unlock()
	return LastReport{Progress: a.meter.Snapshot(time.Now()), Events: a.events, Samples: a.samples.untold}
}

// trouble returns what the attempt's trouble is; nil: all is well.
func (a *attempt) trouble() *Trouble {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.troubles.now
}

func reportOf(info media.SourceInfo, live bool) *SourceReport {
	r := &SourceReport{Kind: "vod", Container: info.Container, DurationMs: info.Duration.Milliseconds()}
	if live {
		r.Kind, r.DurationMs = "live", 0
	}
	for _, t := range info.Tracks {
		r.Tracks = append(r.Tracks, TrackReport{
			Type: t.Type.String(), Codec: string(t.Codec), Profile: t.Profile, Width: t.Width, Height: t.Height,
			FPS: t.FPS, SampleRate: t.SampleRate, Channels: t.Channels, BitrateKbps: int64(t.Bitrate) / 1000,
		})
	}
	for _, s := range info.Streams {
		r.Available = append(r.Available, streamReport(s))
	}
	return r
}

func streamReport(s media.Stream) StreamReport {
	r := StreamReport{
		Type: s.Type, Codec: string(s.Codec), Language: s.Language, Title: s.Title, Channels: s.Channels,
		Program: s.Program, Default: s.Default, Chosen: s.Chosen, LeftOut: s.LeftOut,
	}
	if s.Type == media.Audio.String() && s.AudioTrack >= 0 {
		r.AudioTrack = &s.AudioTrack
	}
	return r
}

package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/roomcast/roomcast/cmd/roomcast/client"
	"github.com/roomcast/roomcast/cmd/roomcast/follow"
	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakeroom"
	"github.com/roomcast/roomcast/tasks"
)

const (
	publishLimit = 20 * time.Second // from the request to the first packet
	stopLimit    = 15 * time.Second // from the request to the end
	checkLimit   = 5 * time.Minute  // for decoding what was received
)

// play pushes the source, over and over in one push, until ctx ends.
func (d *demo) play(ctx context.Context) error {
	request, err := d.request()
	if err != nil {
		return err
	}
	if err := d.paste(); err != nil {
		return err
	}
	d.say("page", "%s/ in a browser; sign in with %s", d.api.Base(), d.secrets.api.Reveal())
	request.Repeat = media.RepeatForever
	p, err := d.api.Start(ctx, request, "")
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	d.say("push", "%s to room %s as %s; Ctrl-C stops everything", p.ID, p.RoomID, p.UserID)
	last, err := follow.Run(ctx, d.api, p.ID, d.view())
	if err == nil {
		err = failure(last)
	}
	if err != nil || ctx.Err() != nil {
		return err
	}
	d.say("push", "%s; the rest stays for your own pushes, Ctrl-C ends it", last.State)
	<-ctx.Done()
	return nil
}

// sourceError is a push's failure that lies in its source: the logs of API and
// worker say no more of it.
type sourceError struct{ error }

// failure is follow's, with the errors of the source marked.
func failure(p client.Push) error {
	err := follow.FailureOf(p)
	if err != nil && p.Error != nil && strings.HasPrefix(string(p.Error.Code), "source_") {
		return sourceError{err}
	}
	return err
}

// measure pushes until the room has received Seconds, and checks that it did.
func (d *demo) measure(ctx context.Context) error {
	f, err := d.received(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	checkErr := d.check(ctx, &f)
	if d.cfg.JSON {
		d.say("figures", "%s", f.String())
	} else {
		fmt.Fprint(d.screen, f.String())
	}
	if checkErr != nil {
		return checkErr
	}
	d.say("good", "the room received %d s and more of decodable video and audio in real time", d.cfg.Seconds)
	return nil
}

// received pushes until the room has Seconds of both video and audio, stops
// the push and returns what was measured.
func (d *demo) received(ctx context.Context) (figures, error) {
	request, err := d.request()
	if err != nil {
		return figures{}, err
	}
	f := figures{asked: time.Now()}
	p, err := d.api.Start(ctx, request, "")
	if err != nil {
		return f, err
	}
	d.say("push", "%s to room %s as %s", p.ID, p.RoomID, p.UserID)
	playing, endPlaying := context.WithCancelCause(ctx)
	defer endPlaying(nil)
	following := make(chan followed, 1)
	go func() {
		last, err := follow.Watch(ctx, d.api, p.ID, d.lines())
		endPlaying(errPushEnded)
		following <- followed{last, err}
	}()
	waitErr := d.waitMedia(playing)
	f.stopAsked = time.Now()
	stopErr := d.stopPush(ctx, p.ID)
	end := <-following
	if err := d.tooShort(end.last); err != nil {
		return f, err
	}
	if err := end.problem(waitErr, stopErr); err != nil {
		return f, err
	}
	f.session, err = d.unpublished(ctx)
	return f, err
}

// tooShort is an error if the push, which repeats nothing, ended by itself.
func (d *demo) tooShort(p client.Push) error {
	if p.State != tasks.Completed {
		return nil
	}
	return sourceError{fmt.Errorf("the source is %.1f s long, --seconds %d needs more", p.Length().Seconds(), d.cfg.Seconds)}
}

var errPushEnded = errors.New("the push ended")

// waitMedia waits until the room has Seconds of both video and audio.
func (d *demo) waitMedia(ctx context.Context) error {
	first, cancel := context.WithTimeout(ctx, publishLimit)
	defer cancel()
	if _, err := d.room.WaitMedia(first, userID, time.Millisecond); err != nil {
		return err
	}
	seconds := time.Duration(d.cfg.Seconds) * time.Second
	// Real time is checked later; here it is enough not to wait for ever.
	all, cancel := context.WithTimeout(ctx, 2*seconds+publishLimit)
	defer cancel()
	_, err := d.room.WaitMedia(all, userID, seconds)
	return err
}

// stopPush asks for the end even when ctx has ended: the push must not be left
// behind.
func (d *demo) stopPush(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
	defer cancel()
	_, err := d.api.Stop(ctx, id)
	return err
}

// unpublished waits until the room has seen the user go.
func (d *demo) unpublished(ctx context.Context) (fakeroom.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	return d.room.WaitEnded(ctx, userID)
}

// followed is how a push looked when nobody followed it any more.
type followed struct {
	last client.Push
	err  error
}

// problem is what went wrong, the cause before what followed from it.
func (f followed) problem(waitErr, stopErr error) error {
	if err := failure(f.last); err != nil {
		return err
	}
	if err := errors.Join(waitErr, stopErr, f.err); err != nil {
		return err
	}
	if f.last.State != tasks.Stopped {
		return fmt.Errorf("the push is %s after its stop", f.last.State)
	}
	return nil
}

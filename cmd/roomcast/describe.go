package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/roomcast/roomcast/cmd/roomcast/client"
	"github.com/roomcast/roomcast/cmd/roomcast/follow"
	"github.com/roomcast/roomcast/cmd/roomcast/screen"
	"github.com/roomcast/roomcast/tasks"
)

// describe prints a push and its events for a person.
func (e env) describe(p client.Push, events []client.Event) {
	const name = 11 // how wide the names are, with what is between
	row := func(title, value string) {
		if value != "" {
			line := strings.TrimRight(fmt.Sprintf("%-*s%s", name, title, client.Printable(value)), " ")
			fmt.Fprintln(e.screen, e.screen.Wrap(line, name))
		}
	}
	row("id", p.ID)
	if p.ID != "" { // else there is no such push
		row("state", stateOf(p))
	}
	row("trouble", follow.TroubleOf(p, time.Now()))
	row("source", p.VideoSrc)
	row("", sourceOf(p.Source))
	row("", availableOf(p.Source))
	row("room", fmt.Sprintf("%s as %s, app %d", p.RoomID, p.UserID, p.SDKAppID))
	row("asked for", optionsOf(p))
	var labels []string
	for _, name := range slices.Sorted(maps.Keys(p.Metadata)) {
		labels = append(labels, name+"="+p.Metadata[name])
	}
	row("labels", strings.Join(labels, ", "))
	row("webhooks", p.CallbackURL)
	if p.Plan != nil {
		row("video", trackPlan(p.Plan.Video))
		row("audio", trackPlan(p.Plan.Audio))
	}
	row("progress", progressOf(p))
	row("worker", p.Worker)
	if p.ID != "" {
		row("attempt", fmt.Sprint(p.Attempt))
	}
	row("created", stamp(&p.CreatedAt))
	row("started", stamp(p.StartedAt))
	row("ended", stamp(p.EndedAt))
	for _, w := range p.Warnings {
		row("warning", w.Message+" ["+string(w.Code)+"]")
	}
	if p.Error != nil {
		row("error", fmt.Sprintf("%s [%s]", p.Error.Message, p.Error.Code))
	}
	if len(events) > 0 {
		fmt.Fprintln(e.screen)
	}
	for _, event := range events {
		fmt.Fprint(e.screen, e.eventLine(event))
	}
}

func stateOf(p client.Push) string {
	if p.Desired == tasks.DesiredStop && !p.State.Terminal() {
		return string(p.State) + " (is to stop)"
	}
	return string(p.State)
}

func sourceOf(s *client.Source) string {
	if s == nil {
		return ""
	}
	parts := []string{string(s.Kind) + " " + container(s.Container)}
	for _, track := range s.Tracks {
		text := track.Codec
		if track.Profile != "" {
			text += " " + track.Profile
		}
		if track.Width > 0 {
			text += fmt.Sprintf(" %dx%d", track.Width, track.Height)
		}
		if track.FPS > 0 {
			text += fmt.Sprintf(" %.4g fps", track.FPS)
		}
		if track.SampleRate > 0 {
			text += fmt.Sprintf(" %d Hz", track.SampleRate)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

// container is one name of a container that has several: mp4 of
// mov,mp4,m4a,3gp,3g2,mj2.
func container(names string) string {
	all := strings.Split(names, ",")
	if slices.Contains(all, "mp4") {
		return "mp4"
	}
	return all[0]
}

// availableOf lists what a source holds where there is something to choose from.
func availableOf(s *client.Source) string {
	if s == nil || len(s.Available) <= len(s.Tracks) {
		return ""
	}
	var all []string
	for _, t := range s.Available {
		name := t.Type
		if t.AudioTrack != nil {
			name += fmt.Sprintf(" %d", *t.AudioTrack)
		}
		words := []string{t.Codec, t.Language, t.Title}
		if t.ProgramNumber > 0 {
			words = append(words, fmt.Sprintf("program %d", t.ProgramNumber))
		}
		if t.Chosen {
			words = append(words, "chosen")
		} else if t.LeftOut != t.Type {
			words = append(words, t.LeftOut)
		}
		words = slices.DeleteFunc(words, func(word string) bool { return word == "" })
		all = append(all, fmt.Sprintf("%s (%s)", name, strings.Join(words, ", ")))
	}
	return "it holds " + strings.Join(all, "; ")
}

func trackPlan(t *client.TrackPlan) string {
	if t == nil {
		return ""
	}
	text := strings.TrimSuffix(string(t.Action)+": "+t.Reason, ": ")
	if o := t.Output; o.Width > 0 {
		text += fmt.Sprintf(" (%dx%d)", o.Width, o.Height)
	} else if o.SampleRate > 0 {
		text += fmt.Sprintf(" (%d Hz)", o.SampleRate)
	}
	return text
}

func progressOf(p client.Push) string {
	if p.Progress == nil {
		return ""
	}
	at := follow.Played(p)
	if p.Progress.Loop != nil {
		at += fmt.Sprintf(" of play %d", *p.Progress.Loop+1)
	}
	return fmt.Sprintf("%s, %d kb/s, %.0f fps, %d bytes sent, %d packets dropped, %d reconnects", at,
		p.Progress.BitrateKbps, p.Progress.FPS, p.Progress.SentBytes, p.Progress.DroppedPackets, p.Progress.Reconnects)
}

func stamp(at *time.Time) string {
	if at == nil || at.IsZero() {
		return ""
	}
	return at.Local().Format("2006-01-02 15:04:05.000")
}

// eventLine is a line of a history.
func (e env) eventLine(event client.Event) string {
	what, colour := string(event.State), screen.Plain
	if event.Type != tasks.EventState {
		what = string(event.Type)
	}
	switch {
	case event.Type == tasks.EventTrouble, event.Type == tasks.EventWarning:
		colour = screen.Yellow
	case event.State == tasks.Failed:
		colour = screen.Red
	}
	if event.Code != "" {
		what += " [" + event.Code + "]"
	}
	line := fmt.Sprintf("%s  attempt %d  %s", stamp(&event.At), event.Attempt, what)
	if event.Message != "" {
		line += "  " + event.Message
	}
	var b strings.Builder
	for part := range strings.SplitSeq(e.screen.Wrap(client.Printable(line), len("2006-01-02 15:04:05.000  ")), "\n") {
		b.WriteString(e.screen.Paint(colour, part) + "\n")
	}
	return b.String()
}

package tasks

import "slices"

// State is where a push stands. asynq's states are never shown as ours.
type State string

// The states. Completed, Failed and Stopped are terminal.
const (
	Queued       State = "queued"
	Starting     State = "starting"
	Publishing   State = "publishing"
	Reconnecting State = "reconnecting"
	Stopping     State = "stopping"
	Completed    State = "completed"
	Failed       State = "failed"
	Stopped      State = "stopped"
)

// States lists every state in the order of a push's life.
func States() []State {
	return []State{Queued, Starting, Publishing, Reconnecting, Stopping, Completed, Failed, Stopped}
}

// Active lists the states of pushes that have not ended.
func Active() []State {
	return slices.DeleteFunc(States(), State.Terminal)
}

// transitions is the one table of moves. A release or a takeover puts an owned
// push back to Queued.
var transitions = map[State][]State{
	Queued:       {Starting, Stopping, Stopped, Failed},
	Starting:     {Publishing, Reconnecting, Completed, Failed, Stopping, Queued},
	Publishing:   {Reconnecting, Completed, Failed, Stopping, Queued},
	Reconnecting: {Publishing, Completed, Failed, Stopping, Queued},
	Stopping:     {Stopped},
	Completed:    {},
	Failed:       {},
	Stopped:      {},
}

// CanBecome says whether the table has the move from s to next.
func (s State) CanBecome(next State) bool {
	return slices.Contains(transitions[s], next)
}

// Terminal says whether a push in s has ended for good.
func (s State) Terminal() bool {
	return s == Completed || s == Failed || s == Stopped
}

// Desired is what the client wants of a push.
type Desired string

// A push is wanted to run until somebody stops it; that is never taken back.
const (
	DesiredRun  Desired = "run"
	DesiredStop Desired = "stop"
)

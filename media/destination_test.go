package media_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func TestDestinationProblems(t *testing.T) {
	room := &media.DestinationProblem{Field: "roomId", Reason: media.BadRoom, Detail: "is empty"}
	user := &media.DestinationProblem{Field: "userId", Reason: media.BadUser, Detail: "is empty"}
	other := errors.New("other")
	for name, c := range map[string]struct {
		err  error
		want []*media.DestinationProblem
	}{
		"no error has none":                 {nil, nil},
		"another error has none":            {other, nil},
		"a bare problem is found":           {room, []*media.DestinationProblem{room}},
		"a wrapped problem is found":        {fmt.Errorf("address: %w", room), []*media.DestinationProblem{room}},
		"a problem in an Error is found":    {&media.Error{Err: room}, []*media.DestinationProblem{room}},
		"joined problems keep their order":  {errors.Join(user, other, room), []*media.DestinationProblem{user, room}},
		"joined problems are found wrapped": {&media.Error{Err: errors.Join(room, user)}, []*media.DestinationProblem{room, user}},
		"an Error with no cause has none":   {&media.Error{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, media.DestinationProblems(c.err))
		})
	}
}

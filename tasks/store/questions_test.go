package store_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

func TestAQuestionIsAnsweredOnce(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	var asking sync.WaitGroup
	var got tasks.Finding
	var err error
	asking.Go(func() {
		got, err = s.Ask(ctx(t), tasks.Question{ID: "a", Envelope: "sealed", Spec: tasks.Spec{RoomID: "r"}})
	})
	var q tasks.Question
	require.Eventually(t, func() bool {
		var err error
		q, err = s.NextQuestion(ctx(t))
		return err == nil
	}, patience, time.Millisecond)
	require.Equal(t, tasks.Question{ID: "a", Envelope: "sealed", Spec: tasks.Spec{RoomID: "r"}}, q)
	want := tasks.Finding{Source: &tasks.SourceReport{Kind: "vod", Container: "mp4"}}
	require.NoError(t, s.Answer(ctx(t), "a", want))
	asking.Wait()
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Empty(t, rdb.Keys(ctx(t), "*").Val(), "nothing of it is left")
	_, err = s.NextQuestion(ctx(t))
	require.Equal(t, tasks.CodeNotFound, tasks.CodeOf(err))
}

func TestAQuestionThatNobodyAnswersIsGivenUp(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	c, cancel := context.WithTimeout(ctx(t), 2*time.Second)
	defer cancel()
	_, err := s.Ask(c, tasks.Question{ID: "a"})
	require.Equal(t, tasks.CodeNotFound, tasks.CodeOf(err))
	_, err = s.NextQuestion(ctx(t))
	require.Equal(t, tasks.CodeNotFound, tasks.CodeOf(err), "who asked has gone")
	require.Empty(t, rdb.Keys(ctx(t), "*").Val())
}

func TestTheHolderOfAUserIsAPushThatHasNotEnded(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	p := create(t, s, "u")
	holder, err := s.Holder(ctx(t), p.Spec.SDKAppID, "u")
	require.NoError(t, err)
	require.Equal(t, p.ID, holder)
	_, err = s.Stop(ctx(t), p.ID)
	require.NoError(t, err)
	holder, err = s.Holder(ctx(t), p.Spec.SDKAppID, "u")
	require.NoError(t, err)
	require.Empty(t, holder)
}

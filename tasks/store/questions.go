package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roomcast/roomcast/tasks"
)

var _ tasks.QuestionStore = (*Store)(nil)

// askEvery is how often an answer is looked for: a connection that waits for it
// would be one less for everybody else.
const askEvery = 100 * time.Millisecond

// Ask puts q to the workers and waits for the answer; CodeNotFound when none
// comes within tasks.QuestionTime.
func (s *Store) Ask(ctx context.Context, q tasks.Question) (tasks.Finding, error) {
	ctx, cancel := context.WithTimeout(ctx, tasks.QuestionTime)
	defer cancel()
	text, err := json.Marshal(q)
	if err != nil {
		return tasks.Finding{}, internal("the question could not be written", err)
	}
	pipe := s.client.TxPipeline()
	pipe.Set(ctx, keyQuestion(q.ID), text, tasks.QuestionTime)
	pipe.LPush(ctx, keyQuestions, q.ID)
	pipe.PExpire(ctx, keyQuestions, tasks.QuestionTime)
	if _, err := pipe.Exec(ctx); err != nil {
		return tasks.Finding{}, storeError(err)
	}
	t := time.NewTicker(askEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			s.client.Del(context.WithoutCancel(ctx), keyQuestion(q.ID))
			return tasks.Finding{}, errNoAnswer
		}
		answer, err := s.client.GetDel(ctx, keyAnswer(q.ID)).Bytes()
		switch {
		case errors.Is(err, redis.Nil), ctx.Err() != nil:
			continue
		case err != nil:
			return tasks.Finding{}, storeError(err)
		}
		var f tasks.Finding
		if err := json.Unmarshal(answer, &f); err != nil {
			return tasks.Finding{}, internal("the answer of a worker cannot be read", err)
		}
		return f, nil
	}
}

var errNoAnswer = &tasks.Error{Code: tasks.CodeNotFound, Msg: "no worker has answered"}

// NextQuestion waits for a question for about a second; CodeNotFound without.
func (s *Store) NextQuestion(ctx context.Context) (tasks.Question, error) {
	popped, err := s.client.BRPop(ctx, time.Second, keyQuestions).Result()
	if errors.Is(err, redis.Nil) || err == nil && len(popped) < 2 {
		return tasks.Question{}, errNoAnswer
	}
	if err != nil {
		return tasks.Question{}, storeError(err)
	}
	text, err := s.client.GetDel(ctx, keyQuestion(popped[1])).Bytes()
	if errors.Is(err, redis.Nil) { // who asked has gone
		return tasks.Question{}, errNoAnswer
	}
	if err != nil {
		return tasks.Question{}, storeError(err)
	}
	var q tasks.Question
	if err := json.Unmarshal(text, &q); err != nil {
		return tasks.Question{}, internal("a question cannot be read", err)
	}
	return q, nil
}

// Answer gives f to who asked, who looks for it for tasks.QuestionTime.
func (s *Store) Answer(ctx context.Context, id string, f tasks.Finding) error {
	text, err := json.Marshal(f)
	if err != nil {
		return internal("the answer could not be written", err)
	}
	return storeError(s.client.Set(ctx, keyAnswer(id), text, tasks.QuestionTime).Err())
}

// Holder returns the push that has not ended and publishes as a user of an
// app, "" for none.
func (s *Store) Holder(ctx context.Context, app uint32, user string) (string, error) {
	id, err := s.client.Get(ctx, keyUserClaim(appText(app), user)).Result()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	if err != nil {
		return "", storeError(err)
	}
	state, err := s.client.HGet(ctx, keyPush(id), fieldState).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", storeError(err)
	}
	if err != nil || tasks.State(state).Terminal() {
		return "", nil
	}
	return id, nil
}

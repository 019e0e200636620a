package tasks_test

import (
	"testing"

	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/storetest"
)

// The fake that stands for the store in the tests of this package does as the store.
func TestTheFakeStoreDoesWhatAttemptsNeed(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Subject {
		s := tasks.NewFakeStore()
		return storetest.Subject{Store: s, Add: s.Add, Get: s.Get, Stop: s.Stop, Strike: s.Strike, Wait: s.Wait}
	})
}

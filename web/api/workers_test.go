package api_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/roomcast/roomcast/tasks"
)

func TestTheWorkersAreListedWithoutTheirKeys(t *testing.T) {
	f := newFace(t, nil)
	w := f.do("GET", "/v1/workers", "")
	assert.Equal(t, 200, w.Code)
	assert.JSONEq(t, `{"workers":[]}`, w.Body.String())

	f.fleet = tasks.Fleet{Key: "0a0a", Workers: []tasks.WorkerReport{
		{Name: "a", Version: "v1", Slots: 8, Used: 3, Since: time.UnixMilli(0), State: tasks.WorkerReady, Keys: []string{"0a0a"}},
		{Name: "b", Version: "v2", Slots: 4, Since: time.UnixMilli(1500), State: tasks.WorkerNoMemory, Keys: []string{"0b0b"}},
	}}
	w = f.do("GET", "/v1/workers", "")
	assert.JSONEq(t, `{"workers":[
		{"name":"a","version":"v1","state":"ready","slots":8,"used":3,"since":"1970-01-01T00:00:00.000Z","hasSecretKey":true},
		{"name":"b","version":"v2","state":"no_memory","slots":4,"used":0,"since":"1970-01-01T00:00:01.500Z","hasSecretKey":false}
	]}`, w.Body.String())
	f.fleet.Workers = []tasks.WorkerReport{
		{Name: "a", State: tasks.WorkerReady, Load: &tasks.Load{Cores: 0.4249, Memory: 300, Limit: 1000}}, {Name: "idle", State: tasks.WorkerReady, Load: &tasks.Load{}, Sandbox: tasks.SandboxHolds},
		{Name: "counts", State: tasks.WorkerReady, Slots: 100, Used: 1, Capacity: &tasks.CapacityReport{Cores: 1.7, Used: 0.7, Limit: 238_000_000, Taken: 98_000_000}},
	}
	w = f.do("GET", "/v1/workers", "")
	assert.JSONEq(t, `{"workers":[
		{"name":"a","version":"","state":"ready","slots":0,"used":0,"hasSecretKey":true,"cpuCores":0.42,"memoryBytes":300,"memoryLimitBytes":1000},
		{"name":"idle","version":"","state":"ready","slots":0,"used":0,"hasSecretKey":true,"cpuCores":0,"sandbox":"holds"},
		{"name":"counts","version":"","state":"ready","slots":100,"used":1,"hasSecretKey":true,
			"capacity":{"cores":1.7,"usedCores":0.7,"freeCores":1,"freePushes":{"copied":99,"encoded720p30":3,"encoded1080p30":1}}}
	]}`, w.Body.String())
	f.fleet.Workers = []tasks.WorkerReport{{Name: "old", State: tasks.WorkerReady}} // it tells nothing of itself
	w = f.do("GET", "/v1/workers", "")
	assert.JSONEq(t, `{"workers":[{"name":"old","version":"","state":"ready","slots":0,"used":0,"hasSecretKey":true}]}`, w.Body.String())
	assert.Equal(t, []string{"fleet", "fleet", "fleet", "fleet"}, f.asked)
	assert.Equal(t, 401, f.do("GET", "/v1/workers", "", "Authorization: ").Code)
}

func TestWhatReadsRedisIsAnsweredWithinThreeSeconds(t *testing.T) {
	f := newFace(t, nil)
	for _, path := range []string{"/v1/workers", "/v1/webhooks", "/v1/pushes", "/v1/pushes/" + id, "/v1/pushes/" + id + "/events", "/v1/pushes/" + id + "/preview.jpg"} {
		f.until = time.Time{}
		begin := time.Now()
		f.do("GET", path, "")
		assert.WithinRange(t, f.until, begin.Add(3*time.Second), time.Now().Add(3*time.Second), path)
	}
}

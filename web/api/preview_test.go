package api_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/roomcast/roomcast/tasks"
)

func TestAPreviewIsAPictureWithItsTime(t *testing.T) {
	f := newFace(t, nil)
	f.preview = tasks.Preview{JPEG: []byte("\xff\xd8\xff"), At: time.UnixMilli(1764374400999)}
	w := f.do("GET", "/v1/pushes/"+id+"/preview.jpg", "")
	assert.Equal(t, 200, w.Code)
	assert.Equal(t, "\xff\xd8\xff", w.Body.String())
	assert.Equal(t, "image/jpeg", w.Header().Get("Content-Type"))
	assert.Equal(t, "Sat, 29 Nov 2025 00:00:00 GMT", w.Header().Get("Last-Modified"))
	assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	assert.Equal(t, []string{"preview " + id}, f.asked)
}

func TestAPreviewThatIsNotThereSaysWhy(t *testing.T) {
	f := newFace(t, nil)
	for _, why := range []tasks.Missing{tasks.MissingYet, tasks.MissingEnded, tasks.MissingVideo} {
		f.preview = tasks.Preview{Missing: why}
		w := f.do("GET", "/v1/pushes/"+id+"/preview.jpg", "")
		assert.Equal(t, 204, w.Code)
		assert.Equal(t, string(why), w.Header().Get("Preview-Missing"))
		assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	}
	for _, code := range []tasks.Code{tasks.CodePreviewOff, tasks.CodeNotFound} {
		f.err = &tasks.Error{Code: code, Msg: "because"}
		w := f.do("GET", "/v1/pushes/"+id+"/preview.jpg", "")
		assert.Equal(t, 404, w.Code)
		assert.Contains(t, w.Body.String(), `"code":"`+string(code)+`","retryable":false`)
	}
	f.asked = nil
	assert.Equal(t, 404, f.do("GET", "/v1/pushes/nonsense/preview.jpg", "").Code)
	assert.Equal(t, 401, f.do("GET", "/v1/pushes/"+id+"/preview.jpg", "", "Authorization: ").Code)
	assert.Empty(t, f.asked)
}

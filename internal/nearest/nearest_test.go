package nearest_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/roomcast/roomcast/internal/nearest"
)

func TestName(t *testing.T) {
	known := []string{"videoSrc", "roomId", "userId", "userSig", "redisHost", "redisPort"}
	for _, tt := range []struct{ name, given, want string }{
		{"a letter left out", "videSrc", "videoSrc"},
		{"a letter exchanged", "redisPost", "redisHost"},
		{"letters swapped", "userSgi", "userSig"},
		{"only the case differs", "ROOMID", "roomId"},
		{"nothing is close", "callback", ""},
		{"an empty name", "", ""},
		{"a long stranger", "aVeryLongNameThatNobodyKnowsAnythingAbout", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, nearest.Name(tt.given, known))
		})
	}
}

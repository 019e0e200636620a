//go:build race

package offheap

// poisons says whether what is used after its release is to be found out: in tests, which
// run with the race detector.
const poisons = true

// spoil overwrites what was released.
func spoil(b []byte) {
	for i := range b {
		b[i] = 0xdb
	}
}

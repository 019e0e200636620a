package program

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAPartOfAProgramKnowsOnlyPartsThatStandAboveIt(t *testing.T) {
	program, parts := reflect.TypeFor[Program](), map[reflect.Type]bool{}
	for _, f := range reflect.VisibleFields(program) {
		parts[f.Type] = true
	}
	above := map[reflect.Type]bool{program.Field(0).Type: true}
	for i := range program.NumField() {
		part := program.Field(i).Type
		if part.Kind() == reflect.Struct {
			for _, f := range reflect.VisibleFields(part) {
				if f.Type.Kind() != reflect.Pointer {
					continue
				}
				known := f.Type.Elem()
				require.NotEqual(t, program, known, "%v knows the program", part)
				require.True(t, above[known] || !parts[known], "%v knows %v, which does not stand above it", part, known)
			}
		}
		above[part] = true
	}
}

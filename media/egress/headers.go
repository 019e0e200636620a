package egress

import (
	"fmt"

	"github.com/roomcast/roomcast/media"
)

// CheckHeaders says whether these may be sent to a source: nil, or a
// *media.Error of KindSourceInvalid that names the header and holds no value.
func CheckHeaders(headers map[string]media.Secret) error {
	for name, value := range headers {
		if err := media.CheckHeader(name, value); err != nil {
			return invalid(target{}, fmt.Errorf("header %q %w", name, err))
		}
	}
	return nil
}

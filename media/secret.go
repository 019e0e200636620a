package media

import "log/slog"

const redacted = "[redacted]"

// Secret is a text that must not be shown: a UserSig, a password, a whole
// source URL. It prints as [redacted] through fmt, slog and encoding/json;
// Reveal is the only way to the text.
type Secret string

// Reveal returns the text itself. Call it where the text leaves for its
// receiver, nowhere else.
func (s Secret) Reveal() string { return string(s) }

func (s Secret) String() string               { return redacted }
func (s Secret) GoString() string             { return redacted }
func (s Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

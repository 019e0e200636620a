package secret

// Box seals and opens envelopes of one purpose. What is sealed for another one,
// or for a push, does not open in it. It is safe for concurrent use.
type Box struct {
	sealer *Sealer
	bound  string
}

// Box returns the Box of a purpose.
func (s *Sealer) Box(purpose string) Box {
	return Box{s, "roomcast " + purpose} // with a space, so no push's id
}

// Seal returns the envelope of plain.
func (b Box) Seal(plain []byte) string { return b.sealer.seal(b.bound, plain) }

// Open returns what Seal was given. The error is ErrMalformed, ErrUnknownKey or
// ErrForged.
func (b Box) Open(envelope string) ([]byte, error) { return b.sealer.open(b.bound, envelope) }

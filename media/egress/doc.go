// Package egress is the only way out to a source: connections are dialled for
// whoever fetches one in Go, and http and https leave libav, which never resolves
// a name, through one forward proxy per Gate, behind a password made for one
// attempt. Names are resolved and checked at the moment
// of dialling, and the checked address itself is dialled, so redirects,
// playlist entries, keys and rebinding names all pass the same check. TLS ends
// here, so every request's headers and every answer's status and playlist are
// seen.
package egress

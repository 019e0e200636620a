// Package egress is the only way out to a source: it dials for whoever fetches one
// (Client, Dial). Names are resolved and checked at the moment of dialling, and the
// checked address itself is dialled, so redirects, playlist entries, keys and
// rebinding names all pass the same check. TLS ends here.
package egress

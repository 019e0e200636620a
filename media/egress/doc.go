// Package egress is the only way out to a source. http and https are fetched by a
// Gate's Clients. libav is given loopback addresses and never resolves a name: all
// others leave through one relay per way, each behind a password
// made for one attempt, or, for srt, open to this process alone. Names are resolved and checked at the moment
// of dialling, and the checked address itself is dialled, so redirects,
// playlist entries, keys and rebinding names all pass the same check. TLS ends
// here, so every request's headers and every answer's status are seen.
package egress

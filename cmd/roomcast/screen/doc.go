// Package screen is what the client prints on: a terminal, with its size and
// colours, or a pipe, which gets plain lines.
package screen

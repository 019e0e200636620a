// Package client talks to Roomcast's HTTP API in Go's types. It prints nothing
// and keeps the API key and a request's secrets out of its errors.
package client

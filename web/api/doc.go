// Package api is the HTTP face of a Roomcast: it decodes requests strictly,
// asks for an API key, calls the domain and answers pushes as JSON and errors
// as problem+json.
package api

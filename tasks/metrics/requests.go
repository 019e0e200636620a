package metrics

import "strconv"

// Requests returns what counts an HTTP request that was answered: route is the
// pattern that it matched, empty for none.
func (s *Set) Requests() func(route string, status int) {
	requests := counterOf(s, "roomcast_http_requests_total", "Requests to the API by the route's pattern and the status of the answer; route none: there is no such address.", "route", "status")
	return func(route string, status int) {
		if route == "" {
			route = "none"
		}
		requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	}
}

// Package fleetload measures what a fleet costs Redis: workers whose pushes are
// played into no room. It holds benchmarks alone.
package fleetload

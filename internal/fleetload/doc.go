// Package fleetload measures what a fleet costs Redis, and looks at who gets its cores:
// workers whose pushes are played into no room. It holds tests and benchmarks alone.
package fleetload

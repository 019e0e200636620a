package main

import (
	"context"

	"github.com/roomcast/roomcast/internal/health"
	"github.com/roomcast/roomcast/internal/process"
	"github.com/roomcast/roomcast/tasks"
)

// ofFleet is a check that warns of what finding has against the workers that are there.
func ofFleet(s *tasks.Service, name string, finding func(tasks.Fleet) error) health.Check {
	return health.Check{Name: name, Warns: true, Run: func(ctx context.Context) error {
		fleet, err := s.Fleet(ctx)
		if err != nil {
			return err
		}
		return finding(fleet)
	}}
}

// hasRoom warns when no worker would take a push now.
func hasRoom(f tasks.Fleet) error {
	if f.Lack == "" {
		return nil
	}
	return health.Finding{Code: string(f.Lack), Message: advice(f.Lack)}
}

// advice says to an operator why no worker would take a push, and what to do.
func advice(lack tasks.Waiting) string {
	switch lack {
	case tasks.WaitingForWorker:
		return "no worker is running: start one (bin/worker) with the ROOMCAST_REDIS_URL and ROOMCAST_SECRET_KEY of this API"
	case tasks.WaitingForKey:
		return "no worker has the secret key that this API seals with: the first key in its ROOMCAST_SECRET_KEY must be one of theirs"
	case tasks.WaitingForSlot:
		return "no worker has a free slot: pushes wait until another one ends; add a worker, or raise ROOMCAST_WORKER_SLOTS"
	case tasks.WaitingForMemory:
		return "no worker has memory left for a push: add one, or give them more (ROOMCAST_WORKER_MEMORY)"
	case tasks.WaitingForCapacity:
		return "no worker has cores left for a push: pushes wait until another one ends; add a worker, or give them more cores (ROOMCAST_WORKER_CORES)"
	case tasks.WaitingForEmpty, tasks.WaitingForTurn: // said of one push, never of all
	}
	return lack.Message()
}

// sameVersion warns when a worker was built from something else than this API.
func sameVersion(f tasks.Fleet) error {
	for _, w := range f.Workers {
		if w.Version != process.Version() {
			return health.Finding{Code: "other_version", Message: "a worker runs another version than this API (GET /v1/workers says which): " +
				"start it from the same build, if no update is under way"}
		}
	}
	return nil
}

// isSandboxed warns when what takes sources apart keeps more than it needs in some worker.
func isSandboxed(f tasks.Fleet) error {
	for _, w := range f.Workers {
		if w.Sandbox != "" && w.Sandbox != tasks.SandboxHolds {
			return health.Finding{Code: "no_sandbox", Message: "the sandbox of a worker " + w.Sandbox + " (GET /v1/workers says which): a hole in a decoder could do more there"}
		}
	}
	return nil
}

package tasks

import "time"

// IsolationTime is how long a push with IsolationStrikes waits for an empty worker.
// After that it runs beside one other push, so that it starts where no worker is ever
// empty.
const IsolationTime = 10 * time.Minute

// isolationLimit bounds how long a push with IsolationStrikes keeps others out of its
// worker when it does not settle: its source comes and goes.
const isolationLimit = time.Minute

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

var errNoEngine = errors.New("compose-test: nothing was tested")

// docker is the engine and the compose that were found.
type docker struct {
	engine         string   // its version
	compose        []string // the command
	composeVersion string
}

// engineTimeout is how long an engine may take to say that it is there.
const engineTimeout = 20 * time.Second

// findDocker takes the plugin, else docker-compose; COMPOSE names another.
func findDocker(ctx context.Context) (docker, error) {
	ctx, cancel := context.WithTimeout(ctx, engineTimeout)
	defer cancel()
	engine, err := output(ctx, "docker", "version", "--format", "{{.Server.Version}}")
	if err != nil {
		return docker{}, fmt.Errorf("%w: no Docker engine answers: %w", errNoEngine, err)
	}
	candidates := [][]string{{"docker", "compose"}, {"docker-compose"}}
	if named := strings.Fields(os.Getenv("COMPOSE")); len(named) > 0 {
		candidates = [][]string{named}
	}
	for _, c := range candidates {
		if version, err := output(ctx, append(c, "version", "--short")...); err == nil {
			return docker{engine, c, strings.Join(c, " ") + " " + version}, nil
		}
	}
	return docker{}, fmt.Errorf("%w: there is neither docker compose nor docker-compose", errNoEngine)
}

// output runs a command and returns its standard output without the blanks
// around it. Its error has what the command printed last.
func output(ctx context.Context, command ...string) (string, error) {
	return outputWith(ctx, os.Environ(), command...)
}

func outputWith(ctx context.Context, environ []string, command ...string) (string, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = environ
	cmd.WaitDelay = 10 * time.Second // what the command has started may outlive it, and holds its output
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(command[:min(len(command), 2)], " "), err,
			tail(out.String()+problems.String(), 15))
	}
	return strings.TrimSpace(out.String()), nil
}

// tail is the last lines of text.
func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

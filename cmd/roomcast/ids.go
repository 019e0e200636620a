package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/roomcast/roomcast/cmd/roomcast/client"
)

const (
	lastPush = "@last"
	idHelp   = "The push's id, any beginning or end of it that no other has, or @last, the newest of the API."
	// searchPages of the list, of searchLimit pushes each, are looked through for
	// a part of an id.
	searchPages = 25
	searchLimit = 200
	// namedMatches is how many pushes are named that an unclear id may mean.
	namedMatches = 5
)

// pushID returns the id that word stands for: a whole one, a part of one at its
// begin or end, or @last for the newest push of the API. Ids begin with the time
// and end by chance.
func pushID(ctx context.Context, c *client.Client, word string) (string, error) {
	if uuid.Validate(word) == nil {
		return word, nil
	}
	if word == lastPush {
		page, err := c.List(ctx, client.Filter{Limit: 1})
		switch {
		case err != nil:
			return "", err
		case len(page.Pushes) == 0:
			return "", errors.New("there is no push")
		}
		return page.Pushes[0].ID, nil
	}
	if strings.HasPrefix(word, "@") {
		return "", usage("%s is no push: there is only %s, the newest one", client.Printable(word), lastPush)
	}
	part := strings.ToLower(strings.Trim(word, "…"))
	if part == "" {
		return "", usage("an id is empty")
	}
	found, err := search(ctx, c, part)
	switch {
	case err != nil:
		return "", err
	case len(found) == 0:
		return "", fmt.Errorf("no push has an id that begins or ends with %s", client.Printable(word))
	case len(found) == 1:
		return found[0].ID, nil
	}
	text := fmt.Sprintf("%s is of %d pushes:", client.Printable(word), len(found))
	for i, p := range found {
		if i == namedMatches {
			text += "\n  …"
			break
		}
		text += client.Printable(fmt.Sprintf("\n  %s %s %s/%s", p.ID, p.State, p.RoomID, p.UserID))
	}
	return "", usage("%s", text)
}

// search returns the pushes whose id begins or ends with part, newest first.
func search(ctx context.Context, c *client.Client, part string) ([]client.Push, error) {
	var found []client.Push
	f := client.Filter{Limit: searchLimit}
	for range searchPages {
		page, err := c.List(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, p := range page.Pushes {
			if strings.HasPrefix(p.ID, part) || strings.HasSuffix(p.ID, part) {
				found = append(found, p)
			}
		}
		if f.Cursor = page.NextCursor; f.Cursor == "" {
			break
		}
	}
	return found, nil
}

package main

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// span is a time on the command line: 90 (seconds), 1:30, 1:02:03.5 or 1m30s.
type span time.Duration

var errSpan = errors.New("must be a time such as 90 (seconds), 1:30 or 1m30s")

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *span) UnmarshalText(text []byte) error {
	word, negative := strings.CutPrefix(string(text), "-")
	d, err := parseSpan(word)
	if err != nil {
		return err
	}
	if negative {
		d = -d
	}
	*s = span(d)
	return nil
}

// String writes it as Go does.
func (s span) String() string { return time.Duration(s).String() }

func parseSpan(word string) (time.Duration, error) {
	if strings.ContainsAny(word, "hmsµn") {
		d, err := time.ParseDuration(word)
		if err != nil || d < 0 {
			return 0, errSpan
		}
		return d, nil
	}
	parts := strings.Split(word, ":")
	if len(parts) > 3 {
		return 0, errSpan
	}
	var seconds float64
	for i, part := range parts {
		last := i == len(parts)-1
		if part == "" || strings.Trim(part, "0123456789.") != "" || !last && strings.Contains(part, ".") {
			return 0, errSpan
		}
		n, err := strconv.ParseFloat(part, 64)
		if err != nil || i > 0 && n >= 60 {
			return 0, errSpan
		}
		seconds = seconds*60 + n
	}
	const most = 1 << 32 // far beyond what the API takes, and within a Duration
	if seconds > most {
		return 0, errSpan
	}
	return time.Duration(seconds * float64(time.Second)).Round(time.Millisecond), nil
}

// seconds rounds up: what is asked for in milliseconds is not to be nothing.
func (s span) seconds() int64 { return int64((time.Duration(s) + time.Second - 1) / time.Second) }

func (s span) milliseconds() int64 { return time.Duration(s).Milliseconds() }
